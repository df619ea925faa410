/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/events.h"

#include "base/error.h"
#include "libvirt/reports.h"

#include <string.h>

static void
release_reports (void *reports)
{
  mfp_reports_unref (reports);
}

static void
on_removed (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED,
            const char *alias, void *data)
{
  MfpReports *reports = data;

  g_hash_table_add (reports->removed, g_strdup (alias));
}

static void
on_rejected (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED,
             const char *alias, void *data)
{
  MfpReports *reports = data;

  g_hash_table_add (reports->rejected, g_strdup (alias));
}

/* ---- registering ---- */

/* The first cast says that the second one to another type of function is intended: libvirt casts
 * it back before the call. */
#define CALLBACK(function) VIR_DOMAIN_EVENT_CALLBACK ((void (*) (void)) (function))

static const struct
{
  int event;
  virConnectDomainEventGenericCallback callback;
} listeners[] = {
  { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, CALLBACK (on_removed) },
  { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, CALLBACK (on_rejected) },
};
G_STATIC_ASSERT (G_N_ELEMENTS (listeners) == MFP_JOB_IDS);

static int
register_listener (MfpJob *job, guint index)
{
  int id = MFP_CALL (job, virConnectDomainEventRegisterAny, job->connection, job->domain,
                     listeners[index].event, listeners[index].callback,
                     mfp_reports_ref (job->data), release_reports);

  if (id < 0)
    mfp_reports_unref (job->data);
  return id;
}

static gboolean
register_listeners (MfpJob *job)
{
  for (guint i = 0; i < MFP_JOB_IDS; i++)
    {
      job->ids[i] = register_listener (job, i);
      if (job->ids[i] < 0)
        return mfp_job_fail (job);
    }
  return TRUE;
}

static gboolean
is_registered (const MfpLibvirt *libvirt)
{
  return libvirt->callbacks[0] != MFP_NO_CALLBACK;
}

/* A driver without events refuses, and is polled. */
static gboolean
ensure_registered (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (MfpJob) job = mfp_job_new (register_listeners, libvirt->name);
  g_autoptr (GError) local = NULL;
  gboolean done;

  if (is_registered (libvirt))
    return TRUE;
  job->data = mfp_reports_ref (libvirt->reports);
  job->free_data = release_reports;
  memcpy (job->ids, libvirt->callbacks, sizeof job->ids); /* none yet */
  done = mfp_libvirt_call_domain (libvirt, job, &local);
  if (!libvirt->hung)
    memcpy (libvirt->callbacks, job->ids, sizeof job->ids);
  if (done || mfp_error_is (local, MFP_ERROR_REFUSED))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* ---- waiting ---- */

gboolean
mfp_events_listen (MfpLibvirt *libvirt, GError **error)
{
  g_hash_table_remove_all (libvirt->reports->removed);
  g_hash_table_remove_all (libvirt->reports->rejected);
  return ensure_registered (libvirt, error);
}

gboolean
mfp_events_all_removed (const MfpLibvirt *libvirt, const GPtrArray *aliases)
{
  for (guint i = 0; i < aliases->len; i++)
    if (!g_hash_table_contains (libvirt->reports->removed, g_ptr_array_index (aliases, i)))
      return FALSE;
  return TRUE;
}

/* The first of @aliases (nullable) whose removal the guest rejected, or NULL. */
static const char *
find_rejected (const MfpLibvirt *libvirt, const GPtrArray *aliases)
{
  for (guint i = 0; aliases && i < aliases->len; i++)
    if (g_hash_table_contains (libvirt->reports->rejected, g_ptr_array_index (aliases, i)))
      return g_ptr_array_index (aliases, i);
  return NULL;
}

/* The same, and forgets that rejection; the caller frees. */
static char *
take_rejected (const MfpLibvirt *libvirt, const GPtrArray *aliases)
{
  char *alias = g_strdup (find_rejected (libvirt, aliases));

  if (alias)
    g_hash_table_remove (libvirt->reports->rejected, alias);
  return alias;
}

typedef struct
{
  const MfpLibvirt *libvirt;
  const GPtrArray *awaited;
  const MfpTimer *limit;
} Wait;

static gboolean
is_over (gpointer data)
{
  const Wait *wait = data;
  const MfpLibvirt *libvirt = wait->libvirt;

  return mfp_timer_is_due (wait->limit) || find_rejected (libvirt, wait->awaited)
         || (libvirt->interrupt && mfp_interrupt_is_pending (libvirt->interrupt))
         || (wait->awaited && wait->awaited->len > 0
             && mfp_events_all_removed (libvirt, wait->awaited));
}

gboolean
mfp_events_wait (MfpLibvirt *libvirt, const GPtrArray *awaited, gint64 tick,
                 const MfpTimer *limit, char **rejected, GError **error)
{
  g_autoptr (MfpTimer) timer = mfp_timer_new (tick);
  Wait wait = { .libvirt = libvirt, .awaited = awaited, .limit = limit };

  mfp_loop_wait (is_over, &wait, timer);
  *rejected = take_rejected (libvirt, awaited);
  return mfp_libvirt_check_interrupt (libvirt, error);
}
