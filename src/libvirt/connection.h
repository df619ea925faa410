/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection to libvirt, which comes back after it broke, and what libvirt's errors
 * mean.
 *
 * Errors of every function in this folder that asks libvirt, besides MFP_ERROR_FAILED
 * with what libvirt said: MFP_ERROR_DISCONNECTED: the connection broke, and it is not
 * known whether the call took effect; the next call connects again. MFP_ERROR_HUNG: the
 * call did not return in time; no further call is possible.
 */
#pragma once

#include "base/interrupt.h"

#include <glib.h>

typedef struct _MfpLibvirt MfpLibvirt;

/**
 * MfpCallTrace:
 * @call: told of each call of libvirt's: the @function's name, the @object (nullable)
 *   that it was about, or the command for QEMU, and the microseconds that it took
 */
typedef struct
{
  void (*call) (gpointer data, const char *function, const char *object, gint64 duration);
  gpointer data;
} MfpCallTrace;

/**
 * MfpLibvirtOptions:
 * @uri: (nullable): NULL: libvirt's default
 * @read_only: nothing will be changed, nor QEMU asked
 * @timeout: microseconds; how long a call may take
 * @interrupt: (nullable): a signal stops a wait; NULL: signals end the program
 * @trace: (nullable)
 * @on_wait: (nullable): called with @on_wait_data each second that a call lasts, with how long it
 *   has lasted and how long it may; microseconds
 * @left_in_call: (out): set when the worker is left in a call that has not returned: the
 *   program then has to end by _exit(2), as libraries that clean up at exit may crash over
 *   that thread
 */
typedef struct
{
  const char *uri;
  gboolean read_only;
  gint64 timeout;
  MfpInterrupt *interrupt;
  const MfpCallTrace *trace;
  void (*on_wait) (gpointer data, gint64 elapsed, gint64 limit);
  gpointer on_wait_data;
  gboolean *left_in_call;
} MfpLibvirtOptions;

/* Connects. What @options refer to outlives the connection. Errors: MFP_ERROR_REFUSED,
 * MFP_ERROR_INTERRUPTED, MFP_ERROR_HUNG. */
MfpLibvirt *mfp_libvirt_open (const MfpLibvirtOptions *options, GError **error);
void mfp_libvirt_free (MfpLibvirt *libvirt); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpLibvirt, mfp_libvirt_free)

/* Whether it is a user's own libvirt (qemu:///session), which cannot bind drivers. */
gboolean mfp_libvirt_is_session (const MfpLibvirt *libvirt);

/* Fails with MFP_ERROR_INTERRUPTED if a signal came since it was last reported. */
gboolean mfp_libvirt_check_interrupt (MfpLibvirt *libvirt, GError **error);
