/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of this folder share.
 */
#pragma once

#include "libvirt/connection.h"
#include "libvirt/worker.h"

typedef struct _MfpReports MfpReports;

#define MFP_NO_CALLBACK (-1)

/**
 * MfpLibvirt:
 * @connection: (nullable)
 * @is_session: @connection is to a user's own libvirt, which does not run as root
 * @lost: @connection broke
 * @given_up: libvirt could not be reached again, and is not asked any more
 * @hung: the worker is left in a call
 * @domain: (nullable): the chosen domain on @connection
 * @name, @uuid: of the chosen domain; @name is NULL before one is chosen
 * @callbacks: libvirt's ids of the events that are registered on @connection
 * @reports: what libvirt reported of the chosen domain; see events.h
 */
struct _MfpLibvirt
{
  char *uri;
  gboolean read_only;
  gint64 timeout;
  MfpInterrupt *interrupt;
  const MfpCallTrace *trace;
  void (*on_wait) (gpointer data, gint64 elapsed, gint64 limit);
  gpointer on_wait_data;
  gboolean *left_in_call;
  MfpWorker *worker;
  int signals;
  virConnectPtr connection;
  gboolean is_session;
  gboolean lost;
  gboolean given_up;
  gboolean hung;
  virDomainPtr domain;
  char *name;
  char uuid[VIR_UUID_STRING_BUFLEN];
  int callbacks[MFP_JOB_IDS];
  MfpReports *reports;
};

/* Has the worker, which is in no call, do @job on the connection that the job names.
 * @is_over: (nullable): asked with @libvirt; ends the wait with MFP_ERROR_INTERRUPTED. Also
 * returns TRUE, with @job->unsent set, if the connection was dead before the job began. */
gboolean mfp_libvirt_do (MfpLibvirt *libvirt, MfpJob *job, gboolean (*is_over) (gpointer data),
                         GError **error);

/**
 * mfp_libvirt_call:
 * @job: what the worker is to do, on the open connection
 *
 * Connects first if there is no connection. The result is in @job.
 */
gboolean mfp_libvirt_call (MfpLibvirt *libvirt, MfpJob *job, GError **error);

/* The same for a job about the chosen domain. MFP_ERROR_DOMAIN_GONE: it was transient and
 * is no more, or, for a job about a running domain, it does not run any more. */
gboolean mfp_libvirt_call_domain (MfpLibvirt *libvirt, MfpJob *job, GError **error);

/* A function of jobs (domain.c): the answer is the XML of the job's domain, as its flags
 * say. */
gboolean mfp_job_get_domain_xml (MfpJob *job);
