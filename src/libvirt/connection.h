/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all that calls libvirt shares: the connection, which comes back after it
 * broke, how calls are made on it, and what their errors mean.
 */
#pragma once

#include "libvirt/ops-libvirt.h"
#include "libvirt/together.h"

#include <libvirt/libvirt.h>

#define MFP_READS_AT_ONCE 16
/* Libvirtd works on 5 of a client's calls, and reads no further while it does:
 * what may last leaves one free, or the keepalive would go unanswered. */
#define MFP_CHANGES_AT_ONCE 4
#define MFP_TICK (100 * G_TIME_SPAN_MILLISECOND) /* how often a wait looks for a signal */

/**
 * MfpLibvirt:
 * @ops: the operations; first, so that a pointer to it is one to the whole
 * @domain: (nullable): the chosen domain
 * @name, @uuid: of the domain
 * @nodes: handles of node devices by name, which hold no more than that name;
 *   @nodes_lock: for threads
 * @listeners: (nullable) (element-type MfpListener): for what the domain is listened
 *   to on @connection
 * @left_behind: a thread is left in a call that never returns
 * @given_up: libvirt did not answer for so long that it is not asked again
 * @report_lock: for the following, which the thread of the events sets:
 * @reported: something was reported that a wait is to return for
 * @removed: (element-type utf8): aliases of devices that left the domain
 * @refused: (nullable): alias of a device whose removal the guest rejected
 */
struct _MfpLibvirt
{
  MfpOps ops;
  char *uri;
  gboolean read_only;
  MfpInterrupt *interrupt;
  const MfpCallTrace *trace;
  virConnectPtr connection;
  virDomainPtr domain;
  char *name;
  char uuid[VIR_UUID_STRING_BUFLEN];
  GHashTable *nodes;
  GMutex nodes_lock;
  GPtrArray *listeners;
  gboolean left_behind;
  gboolean given_up;
  GMutex report_lock;
  GCond report_changed;
  gboolean reported;
  GHashTable *removed;
  char *refused;
};

/* virNodeDeviceFree() as a GDestroyNotify. */
void mfp_libvirt_free_node_device (gpointer device);

/* What owns @ops. */
MfpLibvirt *mfp_libvirt_of (MfpOps *ops);

/* For mfp_libvirt_api's open(): without operations, and not connected. */
MfpLibvirt *mfp_libvirt_new (const char *uri, gboolean read_only, MfpInterrupt *interrupt,
                             const MfpCallTrace *trace);
void mfp_libvirt_free (MfpLibvirt *libvirt); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpLibvirt, mfp_libvirt_free)

/* Connects for the first time. MFP_ERROR_REFUSED, MFP_ERROR_INTERRUPTED. */
gboolean mfp_libvirt_connect (MfpLibvirt *libvirt, GError **error);

/* Whether there is a connection, and the other side answers on it as far as is known. */
gboolean mfp_libvirt_is_alive (const MfpLibvirt *libvirt);

/* Makes sure that it is so: connects again for 30 s at most. Not for several threads.
 * MFP_ERROR_INTERRUPTED, or what libvirt said last. */
gboolean mfp_libvirt_ensure (MfpLibvirt *libvirt, GError **error);

/* The same, and that there is the chosen domain on the connection. MFP_ERROR_DOMAIN_GONE: it
 * was transient, and is no more. */
gboolean mfp_libvirt_ensure_domain (MfpLibvirt *libvirt, GError **error);

/* As in ops.h. */
gboolean mfp_libvirt_check_interrupt (MfpOps *ops, GError **error);

/* Returns FALSE, and sets @error to libvirt's last: before any other call replaces that. */
gboolean mfp_libvirt_fail (MfpLibvirt *libvirt, GError **error);

/* The same for an operation on the domain, which may have ended. */
gboolean mfp_libvirt_fail_domain (MfpLibvirt *libvirt, GError **error);

/* mfp_together() with @libvirt, whose connection is there: to connect again is not
 * for several threads. */
GPtrArray *mfp_libvirt_call_together (MfpLibvirt *libvirt, MfpTask task, GPtrArray *subjects,
                                      guint at_once, GDestroyNotify free_result, GError **error);

/* The same for changes, whose outcome is to be looked at. */
void mfp_libvirt_change_together (MfpLibvirt *libvirt, MfpTask task, GPtrArray *subjects);

/* Tells of the call that the C text @call makes, begun at @began. */
void mfp_libvirt_tell_call (const MfpLibvirt *libvirt, const char *call, const char *object,
                            gint64 began);

/* The value of @call, one of libvirt's functions, on @object, which is told to
 * the trace. @object comes first: to evaluate it may be a call, too, and clear
 * the error of this one. */
#define CALL(libvirt, object, call)                                                               \
  ({                                                                                              \
    const char *object_ = object;                                                                 \
    gint64 began_ = g_get_monotonic_time ();                                                      \
    __auto_type value_ = call;                                                                    \
    mfp_libvirt_tell_call (libvirt, #call, object_, began_);                                      \
    value_;                                                                                       \
  })
