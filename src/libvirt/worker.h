/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The second thread of the program, which makes libvirt's calls, one at a time, while
 * the main thread runs the event loop. A job goes from the main thread to the worker and
 * comes back; nobody touches it in both threads at the same time.
 */
#pragma once

#include "libvirt/loop.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virNodeDevice, virNodeDeviceFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virDomain, virDomainFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virError, virFreeError)

typedef struct _MfpJob MfpJob;

/* Makes one or more calls of libvirt's, in the worker. Returns whether it succeeded;
 * mfp_job_fail() keeps libvirt's error. */
typedef gboolean (*MfpJobFunction) (MfpJob *job);

/* A call that a job made, and the microseconds that it took. */
typedef struct
{
  const char *function;
  gint64 duration;
} MfpCallMade;

#define MFP_JOB_IDS 2

/**
 * MfpJob:
 * @connection: (nullable): not owned: it stays open for as long as the worker is in a call
 * @only_on: (nullable): the connection that a handle in @domain or @data was found on: the
 *   calls can be made on no other; compared only
 * @domain: (nullable): a reference of its own
 * @subject: (nullable): the object that it is about: a name, an alias, the name of a QMP
 *   command
 * @text, @uri: (nullable): what it hands to libvirt
 * @command: (nullable): likewise: a whole QMP command
 * @flags: likewise
 * @data: (nullable): freed with @free_data
 * @even_if_lost: make the calls on a connection that is not alive, too: they clean up
 * @about_running: the calls are about a domain that runs: when they fail, the job
 *   also finds out whether it still does
 * @succeeded: the result, as the following
 * @answer: (nullable): text of libvirt's, for free()
 * @list: (nullable): with a free function of its own
 * @ids: of callbacks of events
 * @error: (nullable): what libvirt said
 * @lost: the connection is not alive any more
 * @unsent: it was not alive before the first call, so nothing happened
 * @ended: (with @about_running): the domain does not run any more
 * @calls: (element-type MfpCallMade)
 * @current: (nullable) (atomic): the call that is under way
 */
struct _MfpJob
{
  MfpJobFunction run;
  virConnectPtr connection;
  virConnectPtr only_on;
  virDomainPtr domain;
  char *subject;
  char *text;
  char *uri;
  char *command;
  unsigned int flags;
  gpointer data;
  GDestroyNotify free_data;
  gboolean even_if_lost;
  gboolean about_running;

  gboolean succeeded;
  char *answer;
  GPtrArray *list;
  int ids[MFP_JOB_IDS];
  virErrorPtr error;
  gboolean lost;
  gboolean unsent;
  gboolean ended;
  GArray *calls;
  const char *current;

  int doorbell;
  gboolean returned; /* main thread only */
};

/* A job for @run about @subject (nullable), to be filled by the caller. */
MfpJob *mfp_job_new (MfpJobFunction run, const char *subject);
void mfp_job_unref (MfpJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpJob, mfp_job_unref)

/* For MfpJobFunction: keeps libvirt's last error. Returns FALSE. */
gboolean mfp_job_fail (MfpJob *job);

/* Returns @job. */
MfpJob *mfp_job_begin_call (MfpJob *job, const char *function);
void mfp_job_end_call (MfpJob *job);

/* The value of libvirt's @function, called in the worker with the further arguments. */
#define MFP_CALL(job, function, ...)                                                              \
  ({                                                                                              \
    MfpJob *job_ = mfp_job_begin_call (job, #function);                                           \
    __auto_type value_ = function (__VA_ARGS__);                                                  \
    mfp_job_end_call (job_);                                                                      \
    value_;                                                                                       \
  })

typedef struct _MfpWorker MfpWorker;

/* Starts the thread. */
MfpWorker *mfp_worker_new (void);

/* Ends the thread, which has no job, and waits for its end. @worker: (nullable) */
void mfp_worker_free (MfpWorker *worker);

/* The same for a worker that is left in a call: does not wait. The thread ends if the call
 * ever returns. */
void mfp_worker_abandon (MfpWorker *worker);

/**
 * mfp_worker_do:
 * @timeout: microseconds
 * @is_over: (nullable): ends the wait early, asked with @data
 *
 * Hands @job over and waits until it comes back. FALSE: it has not: the worker is left in
 * that call, perhaps for ever, and takes no further job. Then @worker is to be abandoned.
 */
gboolean mfp_worker_do (MfpWorker *worker, MfpJob *job, gint64 timeout,
                        gboolean (*is_over) (gpointer data), gpointer data);
