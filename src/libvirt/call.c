/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call after the other: handing a job to the worker, and what its errors mean. */
#include "config.h"

#include "libvirt/connection-private.h"

#include "base/error.h"
#include "model/qmp.h"

#define SECOND 1000 /* milliseconds */
#define NO_TIMER (-1)

/* ---- errors ---- */

static MfpError
error_code (const MfpJob *job)
{
  const char *text = job->error && job->error->message ? job->error->message : "";

  if (job->lost)
    return MFP_ERROR_DISCONNECTED;
  switch (job->error ? job->error->code : VIR_ERR_OK)
    {
    case VIR_ERR_NO_NODE_DEVICE:
    case VIR_ERR_DEVICE_MISSING:
    case VIR_ERR_NO_DOMAIN_METADATA:
      return MFP_ERROR_NOT_FOUND;
    case VIR_ERR_NO_DOMAIN:
      return MFP_ERROR_DOMAIN_GONE;
    case VIR_ERR_OPERATION_TIMEOUT:
      return MFP_ERROR_BUSY;
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_NO_SUPPORT:
      return MFP_ERROR_REFUSED;
    default: /* QEMU's words are the same in every language */
      return mfp_qmp_refusal_passes (text) ? MFP_ERROR_BUSY : MFP_ERROR_FAILED;
    }
}

static void
set_error (const MfpJob *job, GError **error)
{
  MfpError code = error_code (job);
  GError *local = NULL;

  g_set_error (&local, MFP_ERROR, (int) code, "libvirt says: %s",
               job->error && job->error->message ? job->error->message : "(nothing)");
  if (mfp_error_is (local, MFP_ERROR_FAILED) && job->ended)
    {
      mfp_error_recode (&local, MFP_ERROR_DOMAIN_GONE);
      mfp_error_append (&local, "The domain ended meanwhile.");
    }
  g_propagate_error (error, local);
}

gboolean
mfp_libvirt_check_interrupt (MfpLibvirt *libvirt, GError **error)
{
  if (!libvirt->interrupt || !mfp_interrupt_take (libvirt->interrupt))
    return TRUE;
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_INTERRUPTED, "interrupted");
  return FALSE;
}

/* ---- calls ---- */

static void
trace_calls (const MfpLibvirt *libvirt, const MfpJob *job)
{
  for (guint i = 0; libvirt->trace && i < job->calls->len; i++)
    {
      const MfpCallMade *call = &g_array_index (job->calls, MfpCallMade, i);

      libvirt->trace->call (libvirt->trace->data, call->function,
                            job->command ? job->command : job->subject, call->duration);
    }
}

static gboolean
fail_hung (const MfpLibvirt *libvirt, MfpJob *job, GError **error)
{
  const char *function = g_atomic_pointer_get (&job->current);

  g_set_error (error, MFP_ERROR, MFP_ERROR_HUNG,
               "libvirt has not returned from %s%s%s within %" G_GINT64_FORMAT " s",
               function ? function : "a call", job->subject ? " of " : "",
               job->subject ? job->subject : "", libvirt->timeout / G_TIME_SPAN_SECOND);
  return FALSE;
}

/* A call that lasts. */
typedef struct
{
  const MfpLibvirt *libvirt;
  gint64 elapsed;
} Lasting;

static void
on_second (int id G_GNUC_UNUSED, void *data)
{
  Lasting *lasting = data;

  lasting->elapsed += G_TIME_SPAN_SECOND;
  lasting->libvirt->on_wait (lasting->libvirt->on_wait_data, lasting->elapsed,
                             lasting->libvirt->timeout);
}

/* Has the worker do @job, and tells the person each second that it lasts. */
static gboolean
do_job (const MfpLibvirt *libvirt, MfpJob *job, gboolean (*is_over) (gpointer data))
{
  Lasting lasting = { .libvirt = libvirt };
  int id = libvirt->on_wait ? virEventAddTimeout (SECOND, on_second, &lasting, NULL) : NO_TIMER;
  gboolean returned
      = mfp_worker_do (libvirt->worker, job, libvirt->timeout, is_over, (gpointer) libvirt);

  if (id != NO_TIMER)
    virEventRemoveTimeout (id);
  return returned;
}

gboolean
mfp_libvirt_do (MfpLibvirt *libvirt, MfpJob *job, gboolean (*is_over) (gpointer data),
                GError **error)
{
  if (!do_job (libvirt, job, is_over))
    {
      libvirt->hung = TRUE;
      *libvirt->left_in_call = TRUE;
      if (is_over && !mfp_libvirt_check_interrupt (libvirt, error))
        return FALSE;
      return fail_hung (libvirt, job, error);
    }
  trace_calls (libvirt, job);
  libvirt->lost = libvirt->lost || job->lost || job->unsent;
  if (job->succeeded || job->unsent)
    return TRUE;
  set_error (job, error);
  return FALSE;
}
