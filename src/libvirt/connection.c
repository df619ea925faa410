/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/connection.h"

#include "base/error.h"
#include "base/xml.h"
#include "libvirt/events.h"
#include "model/qmp.h"

#include <libvirt/virterror.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virError, virFreeError)

#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 3 /* a silent peer is given up after 15 to 20 s */
#define RECONNECT_LIMIT (30 * G_TIME_SPAN_SECOND) /* a restarted libvirtd asks each QEMU first */
#define RECONNECT_PAUSE (500 * G_TIME_SPAN_MILLISECOND)

void
mfp_libvirt_free_node_device (gpointer device)
{
  virNodeDeviceFree (device);
}

/* By name. */
static GHashTable *
new_node_table (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, mfp_libvirt_free_node_device);
}

/* Libvirt's client knows that by itself. */
static gboolean
is_disconnected (gpointer data)
{
  const MfpLibvirt *libvirt = data;

  return libvirt->connection && virConnectIsAlive (libvirt->connection) == 0;
}

gboolean
mfp_libvirt_is_alive (const MfpLibvirt *libvirt)
{
  return libvirt->connection && virConnectIsAlive (libvirt->connection) == 1;
}

MfpLibvirt *
mfp_libvirt_of (MfpOps *ops)
{
  return (MfpLibvirt *) ops;
}

void
mfp_libvirt_tell_call (const MfpLibvirt *libvirt, const char *call, const char *object,
                       gint64 began)
{
  g_autofree char *function = NULL;

  if (!libvirt->trace)
    return;
  function = g_strndup (call, strcspn (call, " ("));
  libvirt->trace->call (libvirt->trace->data, function, object, g_get_monotonic_time () - began);
}

/* ---- errors ---- */

static void
ignore_error (void *data G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static MfpError
error_code (MfpLibvirt *libvirt, const virError *error)
{
  const char *text = error->message ? error->message : "";

  if (is_disconnected (libvirt))
    return MFP_ERROR_DISCONNECTED;
  switch (error->code)
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
    default: /* what QEMU says is the same in all languages */
      return mfp_qmp_refusal_passes (text) ? MFP_ERROR_BUSY : MFP_ERROR_FAILED;
    }
}

static void
set_error (MfpLibvirt *libvirt, const virError *from, GError **error)
{
  MfpError code = from ? error_code (libvirt, from) : MFP_ERROR_FAILED;

  g_set_error (error, MFP_ERROR, (int) code, "libvirt says: %s",
               from && from->message ? from->message : "(nothing)");
}

gboolean
mfp_libvirt_fail (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (virError) last = virSaveLastError ();

  set_error (libvirt, last, error);
  return FALSE;
}

gboolean
mfp_libvirt_fail_domain (MfpLibvirt *libvirt, GError **error)
{
  GError *local = NULL;

  mfp_libvirt_fail (libvirt, &local);
  if (local->code == MFP_ERROR_FAILED
      && CALL (libvirt, libvirt->name, virDomainIsActive (libvirt->domain)) == 0)
    {
      mfp_error_recode (&local, MFP_ERROR_DOMAIN_GONE);
      mfp_error_append (&local, "The domain ended meanwhile.");
    }
  g_propagate_error (error, local);
  return FALSE;
}

gboolean
mfp_libvirt_check_interrupt (MfpOps *ops, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);

  if (!libvirt->interrupt || !mfp_interrupt_take (libvirt->interrupt))
    return TRUE;
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_INTERRUPTED, "interrupted");
  return FALSE;
}

/* ---- several calls at once ---- */

/* Leaves the connection behind, with the calls on it that never return, or late. */
static void
leave_behind (MfpLibvirt *libvirt)
{
  libvirt->left_behind = TRUE;
  libvirt->domain = NULL;
  libvirt->listeners = NULL;
  g_mutex_lock (&libvirt->nodes_lock);
  libvirt->connection = NULL;
  libvirt->nodes = new_node_table ();
  g_mutex_unlock (&libvirt->nodes_lock);
}

/* When the peer falls silent, libvirt's client (9.0) ends but one of several calls that
 * wait, and the others wait for ever. */
GPtrArray *
mfp_libvirt_call_together (MfpLibvirt *libvirt, MfpTask task, GPtrArray *subjects, guint at_once,
                           GDestroyNotify free_result, GError **error)
{
  gboolean left_behind;
  GPtrArray *results
      = mfp_together (task, is_disconnected, libvirt, subjects, at_once, free_result,
                      &left_behind, error);

  if (left_behind)
    leave_behind (libvirt);
  return results;
}

void
mfp_libvirt_change_together (MfpLibvirt *libvirt, MfpTask task, GPtrArray *subjects)
{
  GPtrArray *nothing
      = mfp_libvirt_call_together (libvirt, task, subjects, MFP_CHANGES_AT_ONCE, NULL, NULL);

  if (nothing)
    g_ptr_array_unref (nothing);
}

/* ---- the connection ---- */

/**
 * Opening:
 * @connection, @error: (nullable): the outcome, once @done
 *
 * A connection that is being opened, which a peer that hangs can delay for
 * ever: keepalive begins with the open connection. So a thread of its own
 * opens it, and may be left behind.
 */
typedef struct
{
  char *uri;
  unsigned int flags;
  GMutex mutex;
  GCond changed;
  gboolean done;
  virConnectPtr connection;
  virErrorPtr error;
} Opening;

static void
opening_clear (gpointer data)
{
  Opening *opening = data;

  g_free (opening->uri);
  g_mutex_clear (&opening->mutex);
  g_cond_clear (&opening->changed);
  g_clear_pointer (&opening->connection, virConnectClose);
  g_clear_pointer (&opening->error, virFreeError);
}

static void
opening_release (Opening *opening)
{
  g_atomic_rc_box_release_full (opening, opening_clear);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Opening, opening_release)

static gpointer
open_connection (gpointer data)
{
  g_autoptr (Opening) opening = data;
  virConnectPtr connection
      = virConnectOpenAuth (opening->uri, virConnectAuthPtrDefault, opening->flags);
  virErrorPtr error = connection ? NULL : virSaveLastError ();

  g_mutex_lock (&opening->mutex);
  opening->connection = connection;
  opening->error = error;
  opening->done = TRUE;
  g_cond_signal (&opening->changed);
  g_mutex_unlock (&opening->mutex);
  return NULL;
}

/* Waits for @opening until @until, or a signal. */
static gboolean
wait_for_opening (MfpLibvirt *libvirt, Opening *opening, gint64 until, GError **error)
{
  gboolean done = FALSE;

  while (!done)
    {
      g_mutex_lock (&opening->mutex);
      if (!opening->done)
        g_cond_wait_until (&opening->changed, &opening->mutex,
                           g_get_monotonic_time () + MFP_TICK);
      done = opening->done;
      g_mutex_unlock (&opening->mutex);
      if (!done && !mfp_libvirt_check_interrupt (&libvirt->ops, error))
        return FALSE;
      if (!done && g_get_monotonic_time () >= until)
        {
          g_set_error_literal (error, MFP_ERROR, MFP_ERROR_FAILED, "libvirt does not answer");
          return FALSE;
        }
    }
  return TRUE;
}

/* What writes and reads JSON and XML is set up at its first use, which takes longer than
 * a call: for what will be used, that had better be while the other side opens the
 * connection. */
static void
warm_up (void)
{
  g_autofree char *command = mfp_qmp_list_devices ();

  mfp_qmp_check (command, NULL);
  mfp_guest_free (mfp_guest_parse ("<domain/>", NULL));
}

static gboolean
connect_once (MfpLibvirt *libvirt, gint64 until, GError **error)
{
  g_autoptr (Opening) opening = g_atomic_rc_box_new0 (Opening);
  gint64 began = g_get_monotonic_time ();
  GThread *thread;

  opening->uri = g_strdup (libvirt->uri);
  opening->flags = libvirt->read_only ? VIR_CONNECT_RO : 0;
  g_mutex_init (&opening->mutex);
  g_cond_init (&opening->changed);
  thread = g_thread_new ("open", open_connection, g_atomic_rc_box_acquire (opening));
  if (libvirt->interrupt)
    warm_up ();
  if (!wait_for_opening (libvirt, opening, until, error))
    {
      g_thread_unref (thread);
      return FALSE;
    }
  g_thread_join (thread);
  mfp_libvirt_tell_call (libvirt, "virConnectOpenAuth", libvirt->uri, began);
  libvirt->connection = g_steal_pointer (&opening->connection);
  if (!libvirt->connection)
    {
      set_error (libvirt, opening->error, error);
      return FALSE;
    }
  if (libvirt->interrupt)
    CALL (libvirt, NULL,
          virConnectSetKeepAlive (libvirt->connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT));
  return TRUE;
}

static void
disconnect (MfpLibvirt *libvirt)
{
  if (!libvirt->connection)
    return;
  mfp_libvirt_stop_listening (libvirt);
  g_hash_table_remove_all (libvirt->nodes);
  g_clear_pointer (&libvirt->domain, virDomainFree);
  CALL (libvirt, NULL, virConnectClose (libvirt->connection));
  libvirt->connection = NULL;
}

static gboolean
find_domain_again (MfpLibvirt *libvirt, GError **error)
{
  libvirt->domain = CALL (libvirt, libvirt->uuid,
                          virDomainLookupByUUIDString (libvirt->connection, libvirt->uuid));
  return libvirt->domain || mfp_libvirt_fail (libvirt, error);
}

/* Connects again and again for a while. An error that is left is the last. */
static gboolean
connect_again (MfpLibvirt *libvirt, GError **error)
{
  gint64 until = g_get_monotonic_time () + RECONNECT_LIMIT;
  g_autoptr (GError) local = NULL;

  while (!connect_once (libvirt, until, &local))
    {
      if (g_get_monotonic_time () >= until || mfp_error_is (local, MFP_ERROR_INTERRUPTED))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      g_clear_error (&local);
      g_usleep (RECONNECT_PAUSE);
    }
  return TRUE;
}

gboolean
mfp_libvirt_ensure (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (mfp_libvirt_is_alive (libvirt))
    return TRUE;
  if (libvirt->given_up)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_FAILED,
                           "the connection to libvirt is lost");
      return FALSE;
    }
  disconnect (libvirt);
  if (connect_again (libvirt, &local))
    return TRUE;
  libvirt->given_up = !mfp_error_is (local, MFP_ERROR_INTERRUPTED);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
mfp_libvirt_ensure_domain (MfpLibvirt *libvirt, GError **error)
{
  return mfp_libvirt_ensure (libvirt, error)
         && (libvirt->domain || find_domain_again (libvirt, error));
}

/* ---- from the beginning to the end ---- */

MfpLibvirt *
mfp_libvirt_new (const char *uri, gboolean read_only, MfpInterrupt *interrupt,
                 const MfpCallTrace *trace)
{
  MfpLibvirt *libvirt = g_new0 (MfpLibvirt, 1);

  libvirt->uri = g_strdup (uri);
  libvirt->read_only = read_only;
  libvirt->interrupt = interrupt;
  libvirt->trace = trace;
  libvirt->nodes = new_node_table ();
  libvirt->removed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return libvirt;
}

gboolean
mfp_libvirt_connect (MfpLibvirt *libvirt, GError **error)
{
  virSetErrorFunc (NULL, ignore_error);
  mfp_xml_init ();
  if (libvirt->interrupt)
    virEventRegisterDefaultImpl ();
  if (!connect_once (libvirt, G_MAXINT64, error))
    {
      if (mfp_error_is (*error, MFP_ERROR_INTERRUPTED))
        return FALSE;
      g_prefix_error (error, "cannot connect to %s: ", libvirt->uri ? libvirt->uri : "libvirt");
      mfp_error_recode (error, MFP_ERROR_REFUSED);
      return FALSE;
    }
  /* A connection is opened sooner beside a loop that does not run yet. */
  if (libvirt->interrupt)
    mfp_libvirt_start_events ();
  return TRUE;
}

void
mfp_libvirt_free (MfpLibvirt *libvirt)
{
  if (!libvirt)
    return;
  disconnect (libvirt);
  if (libvirt->left_behind) /* a call that returns after all will look at it */
    return;
  g_hash_table_unref (libvirt->nodes);
  g_hash_table_unref (libvirt->removed);
  g_free (libvirt->uri);
  g_free (libvirt->name);
  g_free (libvirt->refused);
  g_free (libvirt);
}
