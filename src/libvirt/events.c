/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/events.h"

static gpointer
run_events (gpointer data G_GNUC_UNUSED)
{
  while (virEventRunDefaultImpl () == 0)
    ;
  return NULL;
}

void
mfp_libvirt_start_events (void)
{
  g_thread_unref (g_thread_new ("events", run_events, NULL));
}

/* ---- what is reported ---- */

/* Wakes a wait; in the thread of the events. */
static void
report (MfpLibvirt *libvirt, const char *refused)
{
  g_mutex_lock (&libvirt->report_lock);
  libvirt->reported = TRUE;
  if (refused)
    {
      g_free (libvirt->refused);
      libvirt->refused = g_strdup (refused);
    }
  g_cond_signal (&libvirt->report_changed);
  g_mutex_unlock (&libvirt->report_lock);
}

static void
on_removed (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED,
            const char *alias, void *data)
{
  MfpLibvirt *libvirt = data;

  g_mutex_lock (&libvirt->report_lock);
  g_hash_table_add (libvirt->removed, g_strdup (alias));
  g_cond_signal (&libvirt->report_changed);
  g_mutex_unlock (&libvirt->report_lock);
}

static void
on_removal_failed (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED,
                   const char *alias, void *data)
{
  report (data, alias);
}

static int
on_lifecycle (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED,
              int event G_GNUC_UNUSED, int detail G_GNUC_UNUSED, void *data)
{
  report (data, NULL);
  return 0;
}

static void
on_close (virConnectPtr connection G_GNUC_UNUSED, int reason G_GNUC_UNUSED, void *data)
{
  report (data, NULL);
}

/* ---- what is listened to ---- */

#define CONNECTION_BREAKS (-1)

/**
 * MfpListener:
 * @event: of the domain's, or %CONNECTION_BREAKS
 * @early: what it hears must not be missed; the others only make a wait end sooner
 * @started: it was
 * @id: of the callback; negative: there is none: not yet, or a driver without events
 *   is polled
 */
typedef struct
{
  int event;
  virConnectDomainEventGenericCallback callback;
  gboolean early;
  gboolean started;
  int id;
} MfpListener;

static void
add_listener (GPtrArray *listeners, int event, virConnectDomainEventGenericCallback callback,
              gboolean early)
{
  MfpListener *listener = g_new0 (MfpListener, 1);

  listener->event = event;
  listener->callback = callback;
  listener->early = early;
  listener->id = -1;
  g_ptr_array_add (listeners, listener);
}

static gpointer
start_listener (gpointer data, gpointer subject, GError **error G_GNUC_UNUSED)
{
  MfpLibvirt *libvirt = data;
  MfpListener *listener = subject;

  if (listener->event == CONNECTION_BREAKS)
    listener->id = CALL (libvirt, NULL,
                         virConnectRegisterCloseCallback (libvirt->connection, on_close, libvirt,
                                                          NULL));
  else
    listener->id = CALL (libvirt, libvirt->name,
                         virConnectDomainEventRegisterAny (libvirt->connection, libvirt->domain,
                                                           listener->event, listener->callback,
                                                           libvirt, NULL));
  return NULL;
}

static gpointer
end_listener (gpointer data, gpointer subject, GError **error G_GNUC_UNUSED)
{
  MfpLibvirt *libvirt = data;
  const MfpListener *listener = subject;

  if (listener->id < 0)
    return NULL;
  if (listener->event == CONNECTION_BREAKS)
    CALL (libvirt, NULL, virConnectUnregisterCloseCallback (libvirt->connection, on_close));
  else
    CALL (libvirt, libvirt->name,
          virConnectDomainEventDeregisterAny (libvirt->connection, listener->id));
  return NULL;
}

static GPtrArray *
new_listeners (void)
{
  GPtrArray *listeners = g_ptr_array_new_with_free_func (g_free);

  add_listener (listeners, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                VIR_DOMAIN_EVENT_CALLBACK (on_removed), TRUE);
  add_listener (listeners, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
                VIR_DOMAIN_EVENT_CALLBACK (on_removal_failed), TRUE);
  add_listener (listeners, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle), FALSE);
  add_listener (listeners, CONNECTION_BREAKS, NULL, FALSE);
  return listeners;
}

/* The listeners that are to be started, and count as started from now on. */
static GPtrArray *
take_silent (MfpLibvirt *libvirt, gboolean only_early)
{
  GPtrArray *silent = g_ptr_array_new ();

  if (!libvirt->listeners)
    libvirt->listeners = new_listeners ();
  for (guint i = 0; i < libvirt->listeners->len; i++)
    {
      MfpListener *listener = g_ptr_array_index (libvirt->listeners, i);

      if (listener->started || (only_early && !listener->early))
        continue;
      listener->started = TRUE;
      g_ptr_array_add (silent, listener);
    }
  return silent;
}

void
mfp_libvirt_listen (MfpLibvirt *libvirt, gboolean only_early)
{
  g_autoptr (GPtrArray) silent = take_silent (libvirt, only_early);

  mfp_libvirt_change_together (libvirt, start_listener, silent);
}

void
mfp_libvirt_add_listening (MfpLibvirt *libvirt, GPtrArray *errands)
{
  g_autoptr (GPtrArray) silent = take_silent (libvirt, TRUE);

  for (guint i = 0; i < silent->len; i++)
    mfp_errands_add (errands, start_listener, g_ptr_array_index (silent, i), NULL);
}

void
mfp_libvirt_stop_listening (MfpLibvirt *libvirt)
{
  if (!libvirt->listeners)
    return;
  mfp_libvirt_change_together (libvirt, end_listener, libvirt->listeners);
  mfp_libvirt_forget_listeners (libvirt);
}

void
mfp_libvirt_add_stopping (MfpLibvirt *libvirt, GPtrArray *errands)
{
  for (guint i = 0; libvirt->listeners && i < libvirt->listeners->len; i++)
    mfp_errands_add (errands, end_listener, g_ptr_array_index (libvirt->listeners, i), NULL);
}

void
mfp_libvirt_forget_listeners (MfpLibvirt *libvirt)
{
  g_clear_pointer (&libvirt->listeners, g_ptr_array_unref);
}

/* ---- waiting ---- */

void
mfp_libvirt_drop_refusal (MfpLibvirt *libvirt)
{
  g_mutex_lock (&libvirt->report_lock);
  g_clear_pointer (&libvirt->refused, g_free);
  g_mutex_unlock (&libvirt->report_lock);
}

/* Takes out of @awaited (nullable) what left the domain. TRUE if something did,
 * and nothing more is awaited. */
static gboolean
take_removed (MfpLibvirt *libvirt, GHashTable *awaited)
{
  gboolean any = g_hash_table_size (libvirt->removed) > 0;
  GHashTableIter iter;
  gpointer alias;

  g_hash_table_iter_init (&iter, libvirt->removed);
  while (awaited && g_hash_table_iter_next (&iter, &alias, NULL))
    g_hash_table_remove (awaited, alias);
  g_hash_table_remove_all (libvirt->removed);
  return any && (!awaited || g_hash_table_size (awaited) == 0);
}

/* Takes what was reported, waiting for it until @until at most. */
static gboolean
take_report (MfpLibvirt *libvirt, gint64 until, GHashTable *awaited, char **refused)
{
  gboolean gone, reported;

  g_mutex_lock (&libvirt->report_lock);
  if (!libvirt->reported && g_hash_table_size (libvirt->removed) == 0)
    g_cond_wait_until (&libvirt->report_changed, &libvirt->report_lock, until);
  gone = take_removed (libvirt, awaited);
  reported = libvirt->reported;
  if (reported && awaited)
    g_hash_table_remove_all (awaited);
  libvirt->reported = FALSE;
  *refused = g_steal_pointer (&libvirt->refused);
  g_mutex_unlock (&libvirt->report_lock);
  return gone || reported;
}

gboolean
mfp_libvirt_wait (MfpOps *ops, gint64 until, GHashTable *awaited, char **refused, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);
  gint64 now = g_get_monotonic_time ();

  if (libvirt->domain && mfp_libvirt_is_alive (libvirt))
    mfp_libvirt_listen (libvirt, FALSE);
  while (!take_report (libvirt, MIN (until, now + MFP_TICK), awaited, refused))
    {
      if (!mfp_libvirt_check_interrupt (ops, error))
        return FALSE;
      now = g_get_monotonic_time ();
      if (now >= until)
        return TRUE;
    }
  return mfp_libvirt_check_interrupt (ops, error);
}
