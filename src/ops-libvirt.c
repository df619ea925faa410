/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ops-libvirt.h"

#include "error.h"
#include "qmp.h"
#include "together.h"
#include "xml.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virNodeDevice, virNodeDeviceFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virError, virFreeError)

#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 3 /* a silent peer is given up after 15 to 20 s */
#define RECONNECT_LIMIT (30 * G_TIME_SPAN_SECOND) /* a restarted libvirtd asks each QEMU first */
#define RECONNECT_PAUSE (500 * G_TIME_SPAN_MILLISECOND)
#define ANCESTORS_MAX 16 /* of a node device; a disk behind USB hubs has about 10 */
#define ROOT_NAME "computer" /* of the tree of node devices */
#define NAMES_MAX 16384 /* of node devices; libvirt's protocol carries no fewer */
#define READS_AT_ONCE 16
/* Libvirtd works on 5 of a client's calls, and reads no further while it does:
 * what may last leaves one free, or the keepalive would go unanswered. */
#define CHANGES_AT_ONCE 4
#define TICK (100 * G_TIME_SPAN_MILLISECOND) /* how often a wait looks for a signal */

/**
 * MfpLibvirt:
 * @ops: the operations; first, so that a pointer to it is one to the whole
 * @domain: (nullable): the chosen domain
 * @name, @uuid: of the domain
 * @nodes: handles of node devices by name, which hold no more than that name;
 *   @nodes_lock: for threads
 * @listeners: (nullable) (element-type Listener): for what the domain is listened
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

static void
free_node_device (gpointer device)
{
  virNodeDeviceFree (device);
}

/* By name. */
static GHashTable *
new_node_table (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_node_device);
}

/* Libvirt's client knows that by itself. */
static gboolean
is_disconnected (gpointer data)
{
  const MfpLibvirt *libvirt = data;

  return libvirt->connection && virConnectIsAlive (libvirt->connection) == 0;
}

static gboolean
is_alive (const MfpLibvirt *libvirt)
{
  return libvirt->connection && virConnectIsAlive (libvirt->connection) == 1;
}

static MfpLibvirt *
self_of (MfpOps *ops)
{
  return (MfpLibvirt *) ops;
}

/* Tells of the call that the C text @call makes, begun at @began. */
static void
tell_call (const MfpLibvirt *libvirt, const char *call, const char *object, gint64 began)
{
  g_autofree char *function = NULL;

  if (!libvirt->trace)
    return;
  function = g_strndup (call, strcspn (call, " ("));
  libvirt->trace->call (libvirt->trace->data, function, object, g_get_monotonic_time () - began);
}

/* The value of @call, one of libvirt's functions, on @object, which is told to
 * the trace. @object comes first: to evaluate it may be a call, too, and clear
 * the error of this one. */
#define CALL(libvirt, object, call)                                                               \
  ({                                                                                              \
    const char *object_ = object;                                                                 \
    gint64 began_ = g_get_monotonic_time ();                                                      \
    __auto_type value_ = call;                                                                    \
    tell_call (libvirt, #call, object_, began_);                                                  \
    value_;                                                                                       \
  })

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
    case VIR_ERR_CONFIG_UNSUPPORTED:
      return strstr (text, "non unique alias") ? MFP_ERROR_ALIAS_TAKEN : MFP_ERROR_FAILED;
    default:
      if (strstr (text, "no device found with alias")) /* virDomainDefFindDevice() */
        return MFP_ERROR_NOT_FOUND;
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

/* Takes libvirt's last error before any other call can replace it. */
static gboolean
fail (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (virError) last = virSaveLastError ();

  set_error (libvirt, last, error);
  return FALSE;
}

/* The same for an operation on the domain, which may have ended. */
static gboolean
fail_domain (MfpLibvirt *libvirt, GError **error)
{
  GError *local = NULL;

  fail (libvirt, &local);
  if (local->code == MFP_ERROR_FAILED
      && CALL (libvirt, libvirt->name, virDomainIsActive (libvirt->domain)) == 0)
    {
      mfp_error_recode (&local, MFP_ERROR_DOMAIN_GONE);
      mfp_error_append (&local, "The domain ended meanwhile.");
    }
  g_propagate_error (error, local);
  return FALSE;
}

/* ---- events ---- */

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

/* Libvirt's events come here, and so does the time that tells a silent peer: a
 * call that waits for its answer keeps no time itself. So this runs beside all
 * else, to the end of the process. */
static gpointer
run_events (gpointer data G_GNUC_UNUSED)
{
  while (virEventRunDefaultImpl () == 0)
    ;
  return NULL;
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

/* mfp_together() with @libvirt, whose connection is there: to connect again is not
 * for several threads. When the peer falls silent, libvirt's client (9.0) ends but
 * one of several calls that wait, and the others wait for ever. */
static GPtrArray *
call_together (MfpLibvirt *libvirt, MfpTask task, GPtrArray *subjects, guint at_once,
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

/* The same for changes, whose outcome is to be looked at. */
static void
change_together (MfpLibvirt *libvirt, MfpTask task, GPtrArray *subjects)
{
  GPtrArray *nothing = call_together (libvirt, task, subjects, CHANGES_AT_ONCE, NULL, NULL);

  if (nothing)
    g_ptr_array_unref (nothing);
}

/**
 * Errand:
 * @task, @subject: one of several calls of different kinds that are made at once
 */
typedef struct
{
  MfpTask task;
  gpointer subject;
  GDestroyNotify free_subject;
} Errand;

static void
errand_free (gpointer data)
{
  Errand *errand = data;

  if (errand->free_subject)
    errand->free_subject (errand->subject);
  g_free (errand);
}

static void
add_errand (GPtrArray *errands, MfpTask task, gpointer subject, GDestroyNotify free_subject)
{
  Errand *errand = g_new0 (Errand, 1);

  errand->task = task;
  errand->subject = subject;
  errand->free_subject = free_subject;
  g_ptr_array_add (errands, errand);
}

static gpointer
run_errand (gpointer libvirt, gpointer subject, GError **error)
{
  const Errand *errand = subject;

  return errand->task (libvirt, errand->subject, error);
}

/* ---- what is listened to ---- */

#define CONNECTION_BREAKS (-1)

/**
 * Listener:
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
} Listener;

static void
add_listener (GPtrArray *listeners, int event, virConnectDomainEventGenericCallback callback,
              gboolean early)
{
  Listener *listener = g_new0 (Listener, 1);

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
  Listener *listener = subject;

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
  const Listener *listener = subject;

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
      Listener *listener = g_ptr_array_index (libvirt->listeners, i);

      if (listener->started || (only_early && !listener->early))
        continue;
      listener->started = TRUE;
      g_ptr_array_add (silent, listener);
    }
  return silent;
}

/* Listens to the domain, once. What never waits is spared that: it is with an
 * expectant look, before libvirt is asked for a removal, and at a wait at the latest;
 * what need not be heard from the beginning is listened to from then on. */
static void
listen_to_domain (MfpLibvirt *libvirt, gboolean only_early)
{
  g_autoptr (GPtrArray) silent = take_silent (libvirt, only_early);

  change_together (libvirt, start_listener, silent);
}

static void
stop_listening (MfpLibvirt *libvirt)
{
  if (!libvirt->listeners)
    return;
  change_together (libvirt, end_listener, libvirt->listeners);
  g_clear_pointer (&libvirt->listeners, g_ptr_array_unref);
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
                           g_get_monotonic_time () + TICK);
      done = opening->done;
      g_mutex_unlock (&opening->mutex);
      if (!done && !libvirt->ops.check_interrupt (&libvirt->ops, error))
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

  opening->uri = g_strdup (libvirt->uri);
  opening->flags = libvirt->read_only ? VIR_CONNECT_RO : 0;
  g_mutex_init (&opening->mutex);
  g_cond_init (&opening->changed);
  g_thread_unref (g_thread_new ("open", open_connection, g_atomic_rc_box_acquire (opening)));
  if (libvirt->interrupt)
    warm_up ();
  if (!wait_for_opening (libvirt, opening, until, error))
    return FALSE;
  tell_call (libvirt, "virConnectOpenAuth", libvirt->uri, began);
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
  stop_listening (libvirt);
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
  return libvirt->domain || fail (libvirt, error);
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

/* Makes sure that there is a live connection. */
static gboolean
ensure (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (is_alive (libvirt))
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

/* The same, with the domain on it; one that is transient may be no more. */
static gboolean
ensure_domain (MfpLibvirt *libvirt, GError **error)
{
  return ensure (libvirt, error) && (libvirt->domain || find_domain_again (libvirt, error));
}

/* ---- operations ---- */

/* Keeps @device, which was found on @connection, for @libvirt. One that was found so late
 * that the connection has been left behind stays with that. */
static void
keep_node_device (MfpLibvirt *libvirt, virConnectPtr connection, virNodeDevicePtr device)
{
  g_mutex_lock (&libvirt->nodes_lock);
  if (libvirt->connection == connection)
    g_hash_table_insert (libvirt->nodes, g_strdup (virNodeDeviceGetName (device)), device);
  g_mutex_unlock (&libvirt->nodes_lock);
}

/* The handle belongs to @libvirt. */
static virNodeDevicePtr
find_node_device (MfpLibvirt *libvirt, const MfpPciAddress *address, GError **error)
{
  g_autofree char *name = mfp_pci_address_format_node_name (address);
  virConnectPtr connection;
  virNodeDevicePtr device;

  g_mutex_lock (&libvirt->nodes_lock);
  connection = libvirt->connection;
  device = g_hash_table_lookup (libvirt->nodes, name);
  g_mutex_unlock (&libvirt->nodes_lock);
  if (device)
    return device;
  device = CALL (libvirt, name, virNodeDeviceLookupByName (connection, name));
  if (device)
    keep_node_device (libvirt, connection, device);
  else
    fail (libvirt, error);
  return device;
}

static MfpHostFunction *
read_node_device (MfpLibvirt *libvirt, virNodeDevicePtr device, GError **error)
{
  g_autofree char *xml
      = CALL (libvirt, virNodeDeviceGetName (device), virNodeDeviceGetXMLDesc (device, 0));

  if (xml)
    return mfp_host_function_parse (xml, error);
  fail (libvirt, error);
  return NULL;
}

static MfpHostFunction *
read_host_function (MfpLibvirt *libvirt, const MfpPciAddress *address, GError **error)
{
  virNodeDevicePtr device = find_node_device (libvirt, address, error);

  return device ? read_node_device (libvirt, device, error) : NULL;
}

static MfpHostFunction *
op_host_function (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  return ensure (libvirt, error) ? read_host_function (libvirt, address, error) : NULL;
}

/* A copy of each of @addresses (element-type MfpPciAddress), as subjects. */
static GPtrArray *
copy_addresses (const GArray *addresses)
{
  GPtrArray *subjects = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < addresses->len; i++)
    g_ptr_array_add (subjects, g_memdup2 (&g_array_index (addresses, MfpPciAddress, i),
                                          sizeof (MfpPciAddress)));
  return subjects;
}

static gpointer
look_at_address (gpointer libvirt, gpointer address, GError **error)
{
  return read_host_function (libvirt, address, error);
}

static GPtrArray *
op_host_functions (MfpOps *ops, const GArray *addresses, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  g_autoptr (GPtrArray) subjects = copy_addresses (addresses);

  return ensure (libvirt, error)
             ? call_together (libvirt, look_at_address, subjects, READS_AT_ONCE,
                              (GDestroyNotify) mfp_host_function_free, error)
             : NULL;
}

static gpointer
find_at_address (gpointer libvirt, gpointer address, GError **error)
{
  find_node_device (libvirt, address, error);
  return NULL;
}

static void
op_foresee (MfpOps *ops, const GArray *addresses)
{
  MfpLibvirt *libvirt = self_of (ops);
  g_autoptr (GPtrArray) subjects = copy_addresses (addresses);

  if (is_alive (libvirt))
    change_together (libvirt, find_at_address, subjects);
}

static gboolean
op_take (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  virNodeDevicePtr device
      = ensure (libvirt, error) ? find_node_device (libvirt, address, error) : NULL;

  return device
         && (CALL (libvirt, virNodeDeviceGetName (device),
                   virNodeDeviceDetachFlags (device, NULL, 0))
                 == 0
             || fail (libvirt, error));
}

static gboolean
give_back (MfpLibvirt *libvirt, virNodeDevicePtr device, GError **error)
{
  return CALL (libvirt, virNodeDeviceGetName (device), virNodeDeviceReAttach (device)) == 0
         || fail (libvirt, error);
}

static gboolean
op_give_back (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  virNodeDevicePtr device
      = ensure (libvirt, error) ? find_node_device (libvirt, address, error) : NULL;

  return device && give_back (libvirt, device, error);
}

/**
 * Homecoming:
 * @address: of what is to be given back, unless its group has one of
 * @held: (element-type MfpPciAddress)
 * @seen: (nullable): how it was right before
 */
typedef struct
{
  MfpPciAddress address;
  GArray *held;
  MfpHostFunction *seen;
} Homecoming;

static Homecoming *
homecoming_new (const MfpPciAddress *address, GArray *held, MfpHostFunction *seen)
{
  Homecoming *homecoming = g_new (Homecoming, 1);

  homecoming->address = *address;
  homecoming->held = g_array_ref (held);
  homecoming->seen = seen;
  return homecoming;
}

static void
homecoming_free (gpointer data)
{
  Homecoming *homecoming = data;

  g_array_unref (homecoming->held);
  mfp_host_function_free (homecoming->seen);
  g_free (homecoming);
}

/* What was decided by one connection is not done on another: the handle stays the same. */
static gpointer
bring_home (gpointer libvirt, gpointer subject, GError **error G_GNUC_UNUSED)
{
  Homecoming *homecoming = subject;
  virNodeDevicePtr device = find_node_device (libvirt, &homecoming->address, NULL);
  MfpHostFunction *function = g_steal_pointer (&homecoming->seen);

  if (!function && device)
    function = read_node_device (libvirt, device, NULL);
  if (!function || !device || !mfp_host_function_can_return (function, homecoming->held))
    return function;
  mfp_host_function_free (function);
  give_back (libvirt, device, NULL);
  return read_node_device (libvirt, device, NULL);
}

/* Libvirt gives back one function after the other. So it is soon given one, and while it
 * is busy with that, the next are looked at, and those that are back. */
static GPtrArray *
op_bring_home (MfpOps *ops, const GArray *addresses, GArray *held)
{
  MfpLibvirt *libvirt = self_of (ops);
  g_autoptr (GPtrArray) errands = g_ptr_array_new_with_free_func (errand_free);
  GPtrArray *functions;

  if (!ensure (libvirt, NULL))
    return NULL;
  for (guint i = 0; i < addresses->len; i++)
    {
      const MfpPciAddress *address = &g_array_index (addresses, MfpPciAddress, i);
      MfpHostFunction *seen = i == 0 ? read_host_function (libvirt, address, NULL) : NULL;

      add_errand (errands, bring_home, homecoming_new (address, held, seen), homecoming_free);
    }
  /* After these, and beside those of them that last. */
  for (guint i = 0; libvirt->listeners && i < libvirt->listeners->len; i++)
    add_errand (errands, end_listener, g_ptr_array_index (libvirt->listeners, i), NULL);
  functions = call_together (libvirt, run_errand, errands, CHANGES_AT_ONCE,
                             (GDestroyNotify) mfp_host_function_free, NULL);
  g_clear_pointer (&libvirt->listeners, g_ptr_array_unref);
  return functions;
}

static char *
read_domain_xml (MfpLibvirt *libvirt, MfpForm form, GError **error)
{
  char *xml = CALL (libvirt, libvirt->name,
                    virDomainGetXMLDesc (libvirt->domain,
                                         form == MFP_CONFIG ? VIR_DOMAIN_XML_INACTIVE : 0));

  if (!xml)
    fail_domain (libvirt, error);
  return xml;
}

static char *
op_domain_xml (MfpOps *ops, MfpForm form, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  return ensure_domain (libvirt, error) ? read_domain_xml (libvirt, form, error) : NULL;
}

static gboolean
op_set_metadata (MfpOps *ops, const char *uri, const char *xml, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  return ensure_domain (libvirt, error)
         && (CALL (libvirt, libvirt->name,
                   virDomainSetMetadata (libvirt->domain, VIR_DOMAIN_METADATA_ELEMENT, xml,
                                         MFP_RECORD_PREFIX, uri, VIR_DOMAIN_AFFECT_LIVE))
                 == 0
             || fail_domain (libvirt, error));
}

static char *
op_metadata (MfpOps *ops, const char *uri, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  char *xml;

  if (!ensure_domain (libvirt, error))
    return NULL;
  xml = CALL (libvirt, libvirt->name,
              virDomainGetMetadata (libvirt->domain, VIR_DOMAIN_METADATA_ELEMENT, uri,
                                    VIR_DOMAIN_AFFECT_LIVE));
  if (!xml)
    fail_domain (libvirt, error);
  return xml;
}

static unsigned int
affects (MfpForm form)
{
  return form == MFP_CONFIG ? VIR_DOMAIN_AFFECT_CONFIG : VIR_DOMAIN_AFFECT_LIVE;
}

/* An error on the persistent XML says nothing about the running domain. */
static gboolean
fail_form (MfpLibvirt *libvirt, MfpForm form, GError **error)
{
  return form == MFP_CONFIG ? fail (libvirt, error) : fail_domain (libvirt, error);
}

static gboolean
op_attach (MfpOps *ops, MfpForm form, const char *xml, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  return ensure_domain (libvirt, error)
         && (CALL (libvirt, libvirt->name,
                   virDomainAttachDeviceFlags (libvirt->domain, xml, affects (form)))
                 == 0
             || fail_form (libvirt, form, error));
}

static gboolean
op_detach (MfpOps *ops, MfpForm form, const char *xml, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  return ensure_domain (libvirt, error)
         && (CALL (libvirt, libvirt->name,
                   virDomainDetachDeviceFlags (libvirt->domain, xml, affects (form)))
                 == 0
             || fail_form (libvirt, form, error));
}

/* What the guest rejected before was the request of somebody else. */
static void
drop_refusal (MfpLibvirt *libvirt)
{
  g_mutex_lock (&libvirt->report_lock);
  g_clear_pointer (&libvirt->refused, g_free);
  g_mutex_unlock (&libvirt->report_lock);
}

static gboolean
op_detach_alias (MfpOps *ops, const char *alias, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  if (!ensure_domain (libvirt, error))
    return FALSE;
  listen_to_domain (libvirt, TRUE);
  if (!ensure_domain (libvirt, error)) /* it may have fallen silent meanwhile */
    return FALSE;
  drop_refusal (libvirt);
  return CALL (libvirt, alias,
               virDomainDetachDeviceAlias (libvirt->domain, alias, VIR_DOMAIN_AFFECT_LIVE))
             == 0
         || fail_domain (libvirt, error);
}

static char *
ask_qemu (MfpLibvirt *libvirt, const char *command, GError **error)
{
  char *answer = NULL;

  if (CALL (libvirt, command,
            virDomainQemuMonitorCommand (libvirt->domain, command, &answer, 0))
      < 0)
    {
      fail_domain (libvirt, error);
      return NULL;
    }
  return answer;
}

static char *
op_qmp (MfpOps *ops, const char *command, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  return ensure_domain (libvirt, error) ? ask_qemu (libvirt, command, error) : NULL;
}

static void
view_free (gpointer data)
{
  mfp_view_clear (data);
  g_free (data);
}

/* A view with one part of it in it. NULL: none; an answer is never left out, as what is
 * looked for may be. */
static MfpView *
view_part (MfpView part, GError *failure, GError **error)
{
  if (!failure)
    return g_memdup2 (&part, sizeof part);
  if (mfp_error_is (failure, MFP_ERROR_NOT_FOUND))
    mfp_error_recode (&failure, MFP_ERROR_FAILED);
  g_propagate_error (error, failure);
  return NULL;
}

static gpointer
look_at_xml (gpointer libvirt, gpointer subject G_GNUC_UNUSED, GError **error)
{
  GError *local = NULL;
  g_autofree char *xml = read_domain_xml (libvirt, MFP_LIVE, &local);
  MfpView part = { .live = xml ? mfp_guest_parse (xml, &local) : NULL };

  return view_part (part, local, error);
}

static gpointer
look_at_devices (gpointer libvirt, gpointer subject G_GNUC_UNUSED, GError **error)
{
  GError *local = NULL;
  g_autofree char *command = mfp_qmp_list_devices ();
  g_autofree char *answer = ask_qemu (libvirt, command, &local);
  MfpView part = { .in_qemu = answer ? mfp_qmp_parse_devices (answer, &local) : NULL };

  return view_part (part, local, error);
}

static gpointer
look_at_pci (gpointer libvirt, gpointer subject G_GNUC_UNUSED, GError **error)
{
  GError *local = NULL;
  g_autofree char *command = mfp_qmp_query_pci ();
  g_autofree char *answer = ask_qemu (libvirt, command, &local);
  MfpView part = { .pci = answer ? mfp_qmp_parse_pci (answer, &local) : NULL };

  return view_part (part, local, error);
}

/* What has to be done for @what: (element-type Errand). */
static GPtrArray *
list_errands (MfpLibvirt *libvirt, MfpLook what)
{
  GPtrArray *errands = g_ptr_array_new_with_free_func (errand_free);
  g_autoptr (GPtrArray) starting
      = what & MFP_LOOK_EXPECTANT ? take_silent (libvirt, TRUE) : NULL;

  add_errand (errands, look_at_xml, NULL, NULL);
  if (what & MFP_LOOK_PCI)
    add_errand (errands, look_at_pci, NULL, NULL);
  if (what & MFP_LOOK_DEVICES)
    add_errand (errands, look_at_devices, NULL, NULL);
  for (guint i = 0; starting && i < starting->len; i++)
    add_errand (errands, start_listener, g_ptr_array_index (starting, i), NULL);
  return errands;
}

/* Each answer is read where it arrives, while others are still awaited. */
static gboolean
op_look (MfpOps *ops, MfpLook what, MfpView *view, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  g_autoptr (GPtrArray) errands = NULL, parts = NULL;

  if (!ensure_domain (libvirt, error))
    return FALSE;
  errands = list_errands (libvirt, what);
  parts = call_together (libvirt, run_errand, errands, READS_AT_ONCE, view_free, error);
  for (guint i = 0; parts && i < parts->len; i++)
    mfp_view_take (view, g_ptr_array_index (parts, i));
  return parts != NULL;
}

static gint64
op_now (MfpOps *ops G_GNUC_UNUSED)
{
  return g_get_monotonic_time ();
}

static gboolean
op_check_interrupt (MfpOps *ops, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  if (!libvirt->interrupt || !mfp_interrupt_take (libvirt->interrupt))
    return TRUE;
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_INTERRUPTED, "interrupted");
  return FALSE;
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

static gboolean
op_wait (MfpOps *ops, gint64 until, GHashTable *awaited, char **refused, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  gint64 now = g_get_monotonic_time ();

  if (libvirt->domain && is_alive (libvirt))
    listen_to_domain (libvirt, FALSE);
  while (!take_report (libvirt, MIN (until, now + TICK), awaited, refused))
    {
      if (!op_check_interrupt (ops, error))
        return FALSE;
      now = g_get_monotonic_time ();
      if (now >= until)
        return TRUE;
    }
  return op_check_interrupt (ops, error);
}

/* ---- outside the operations ---- */

static void
libvirt_free (MfpLibvirt *libvirt)
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
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpLibvirt, libvirt_free)

static MfpLibvirt *
libvirt_open (const char *uri, gboolean read_only, MfpInterrupt *interrupt,
              const MfpCallTrace *trace, GError **error)
{
  g_autoptr (MfpLibvirt) libvirt = g_new0 (MfpLibvirt, 1);

  libvirt->ops = (MfpOps){
    .host_function = op_host_function,
    .host_functions = op_host_functions,
    .domain_xml = op_domain_xml,
    .set_metadata = op_set_metadata,
    .metadata = op_metadata,
    .take = op_take,
    .give_back = op_give_back,
    .bring_home = op_bring_home,
    .foresee = op_foresee,
    .attach = op_attach,
    .detach = op_detach,
    .detach_alias = op_detach_alias,
    .qmp = op_qmp,
    .look = op_look,
    .wait = op_wait,
    .check_interrupt = op_check_interrupt,
    .now = op_now,
  };
  libvirt->uri = g_strdup (uri);
  libvirt->read_only = read_only;
  libvirt->interrupt = interrupt;
  libvirt->trace = trace;
  libvirt->nodes = new_node_table ();
  libvirt->removed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  virSetErrorFunc (NULL, ignore_error);
  mfp_xml_init ();
  if (interrupt)
    virEventRegisterDefaultImpl ();
  if (!connect_once (libvirt, G_MAXINT64, error))
    {
      if (mfp_error_is (*error, MFP_ERROR_INTERRUPTED))
        return NULL;
      g_prefix_error (error, "cannot connect to %s: ", uri ? uri : "libvirt");
      mfp_error_recode (error, MFP_ERROR_REFUSED);
      return NULL;
    }
  /* A connection is opened sooner beside a loop that does not run yet. */
  if (interrupt)
    g_thread_unref (g_thread_new ("events", run_events, NULL));
  return g_steal_pointer (&libvirt);
}

static MfpOps *
get_ops (MfpLibvirt *libvirt)
{
  return &libvirt->ops;
}

static char *
get_driver (MfpLibvirt *libvirt)
{
  g_autofree char *uri = CALL (libvirt, NULL, virConnectGetURI (libvirt->connection));
  char *scheme = uri ? g_uri_parse_scheme (uri) : NULL;

  if (scheme)
    scheme[strcspn (scheme, "+")] = '\0'; /* what follows is the transport */
  return scheme;
}

static virDomainPtr
lookup_domain (MfpLibvirt *libvirt, const char *name)
{
  virConnectPtr connection = libvirt->connection;
  virDomainPtr domain = NULL;
  guint64 id;

  if (g_ascii_string_to_unsigned (name, 10, 0, G_MAXINT, &id, NULL))
    domain = CALL (libvirt, name, virDomainLookupByID (connection, (int) id));
  if (!domain && g_uuid_string_is_valid (name))
    domain = CALL (libvirt, name, virDomainLookupByUUIDString (connection, name));
  return domain ? domain : CALL (libvirt, name, virDomainLookupByName (connection, name));
}

static gboolean
use_domain (MfpLibvirt *libvirt, const char *name, GError **error)
{
  libvirt->domain = lookup_domain (libvirt, name);
  if (!libvirt->domain)
    {
      fail (libvirt, error);
      g_prefix_error (error, "no domain '%s': ", name);
      mfp_error_recode (error, MFP_ERROR_REFUSED);
      return FALSE;
    }
  libvirt->name = g_strdup (virDomainGetName (libvirt->domain));
  virDomainGetUUIDString (libvirt->domain, libvirt->uuid);
  return TRUE;
}

static const char *
get_domain_name (MfpLibvirt *libvirt)
{
  return libvirt->name;
}

static gboolean
domain_is_persistent (MfpLibvirt *libvirt)
{
  return CALL (libvirt, libvirt->name, virDomainIsPersistent (libvirt->domain)) == 1;
}

/* One that ended meanwhile is not there. */
static gpointer
look_at_domain (gpointer libvirt, gpointer domain, GError **error)
{
  g_autofree char *xml
      = CALL (libvirt, virDomainGetName (domain), virDomainGetXMLDesc (domain, 0));
  GError *local = NULL;

  if (xml)
    return mfp_guest_parse (xml, error);
  fail (libvirt, &local);
  if (mfp_error_is (local, MFP_ERROR_DOMAIN_GONE) || virDomainIsActive (domain) == 0)
    g_clear_error (&local);
  else
    g_propagate_error (error, local);
  return NULL;
}

/* A list that libvirt made: @count pointers, freed with @free_one. */
static GPtrArray *
take_list (gpointer *list, int count, GDestroyNotify free_one)
{
  GPtrArray *array = g_ptr_array_new_with_free_func (free_one);

  for (int i = 0; i < count; i++)
    g_ptr_array_add (array, list[i]);
  g_free (list);
  return array;
}

static void
free_domain (gpointer domain)
{
  virDomainFree (domain);
}

static gboolean
is_chosen (const MfpLibvirt *libvirt, virDomainPtr domain)
{
  return g_strcmp0 (virDomainGetName (domain), libvirt->name) == 0;
}

static GPtrArray *
list_other_guests (MfpLibvirt *libvirt, GError **error)
{
  virDomainPtr *list = NULL;
  int count = CALL (libvirt, NULL,
                    virConnectListAllDomains (libvirt->connection, &list,
                                              VIR_CONNECT_LIST_DOMAINS_ACTIVE));
  gboolean listed = count >= 0 || fail (libvirt, error);
  g_autoptr (GPtrArray) domains = take_list ((gpointer *) list, count, free_domain);
  GPtrArray *guests;

  for (guint i = domains->len; i-- > 0;)
    if (is_chosen (libvirt, g_ptr_array_index (domains, i)))
      g_ptr_array_remove_index (domains, i);
  guests = listed ? call_together (libvirt, look_at_domain, domains, READS_AT_ONCE,
                                   (GDestroyNotify) mfp_guest_free, error)
                  : NULL;
  if (guests)
    return guests;
  g_prefix_error (error, "cannot find out which functions other domains hold: ");
  mfp_error_recode (error, MFP_ERROR_REFUSED);
  return NULL;
}

/* The node devices of all PCI functions. */
static GPtrArray *
list_functions (MfpLibvirt *libvirt, GError **error)
{
  virNodeDevicePtr *list = NULL;
  int count = CALL (libvirt, NULL,
                    virConnectListAllNodeDevices (libvirt->connection, &list,
                                                  VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV));

  if (count >= 0)
    return take_list ((gpointer *) list, count, free_node_device);
  fail (libvirt, error);
  return NULL;
}

static gpointer
look_at_node_device (gpointer libvirt, gpointer device, GError **error)
{
  return read_node_device (libvirt, device, error);
}

static GPtrArray *
list_host_functions (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (GPtrArray) devices = list_functions (libvirt, error);
  GPtrArray *functions
      = devices ? call_together (libvirt, look_at_node_device, devices, READS_AT_ONCE,
                                 (GDestroyNotify) mfp_host_function_free, error)
                : NULL;

  if (functions)
    return functions;
  g_prefix_error (error, "cannot list the PCI devices of the host: ");
  mfp_error_recode (error, MFP_ERROR_REFUSED);
  return NULL;
}

/* The names of the node devices with @capability, which libvirt's server has at
 * hand. Libvirt's other list (virConnectListAllNodeDevices) reads everything about
 * each device of the host afresh (virNodeDeviceUpdateCaps() in libvirt 9.0). */
static gboolean
list_names (MfpLibvirt *libvirt, const char *capability, GPtrArray *names, GError **error)
{
  g_autofree char **list = g_new (char *, NAMES_MAX);
  int count = CALL (libvirt, capability,
                    virNodeListDevices (libvirt->connection, capability, list, NAMES_MAX, 0));

  for (int i = 0; i < count; i++)
    g_ptr_array_add (names, list[i]);
  return count >= 0 || fail (libvirt, error);
}

/**
 * UseQuestion:
 * @name: of a node device: is it a use of one of
 * @functions: (element-type MfpPciAddress)?
 */
typedef struct
{
  char *name;
  GArray *functions;
} UseQuestion;

static void
use_question_free (gpointer data)
{
  UseQuestion *question = data;

  g_free (question->name);
  g_array_unref (question->functions);
  g_free (question);
}

/* The name of the PCI function above @device, which may be a disk below a target
 * below a host adapter; NULL: there is none. */
static char *
find_pci_above (MfpLibvirt *libvirt, virNodeDevicePtr device)
{
  g_autoptr (virNodeDevice) lower = NULL;
  const char *name = CALL (libvirt, virNodeDeviceGetName (device), virNodeDeviceGetParent (device));
  MfpPciAddress address;

  for (guint i = 0; name && i < ANCESTORS_MAX; i++)
    {
      virNodeDevicePtr above;

      if (mfp_pci_address_parse_node_name (name, &address))
        return g_strdup (name);
      if (strcmp (name, ROOT_NAME) == 0)
        return NULL;
      above = CALL (libvirt, name, virNodeDeviceLookupByName (libvirt->connection, name));
      name = above ? CALL (libvirt, virNodeDeviceGetName (above), virNodeDeviceGetParent (above))
                   : NULL;
      g_clear_pointer (&lower, virNodeDeviceFree);
      lower = above; /* @name is its */
    }
  return NULL;
}

static gboolean
names_one_of (const char *name, const GArray *functions)
{
  MfpPciAddress address;

  mfp_pci_address_parse_node_name (name, &address);
  for (guint i = 0; i < functions->len; i++)
    if (mfp_pci_address_equal (&g_array_index (functions, MfpPciAddress, i), &address))
      return TRUE;
  return FALSE;
}

/* What is no use that somebody would miss is not there, nor what cannot be read. */
static gpointer
look_at_use (gpointer libvirt, gpointer subject, GError **error G_GNUC_UNUSED)
{
  const UseQuestion *question = subject;
  g_autoptr (virNodeDevice) device
      = CALL (libvirt, question->name,
              virNodeDeviceLookupByName (((MfpLibvirt *) libvirt)->connection, question->name));
  g_autofree char *function = device ? find_pci_above (libvirt, device) : NULL;
  g_autofree char *xml = NULL;
  g_autoptr (MfpHostUse) use = NULL;

  if (!function || !names_one_of (function, question->functions))
    return NULL;
  xml = CALL (libvirt, question->name, virNodeDeviceGetXMLDesc (device, 0));
  use = xml ? mfp_host_use_parse (xml, NULL) : NULL;
  if (!use || !use->text)
    return NULL;
  g_free (use->parent);
  use->parent = g_steal_pointer (&function);
  return g_steal_pointer (&use);
}

static GPtrArray *
list_host_uses (MfpLibvirt *libvirt, GArray *functions, gboolean networks, gboolean disks,
                GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) questions = g_ptr_array_new_with_free_func (use_question_free);

  if ((networks && !list_names (libvirt, "net", names, error))
      || (disks && !list_names (libvirt, "storage", names, error)))
    return NULL;
  for (guint i = 0; i < names->len; i++)
    {
      UseQuestion *question = g_new (UseQuestion, 1);

      question->name = g_strdup (g_ptr_array_index (names, i));
      question->functions = g_array_ref (functions);
      g_ptr_array_add (questions, question);
    }
  return call_together (libvirt, look_at_use, questions, READS_AT_ONCE,
                        (GDestroyNotify) mfp_host_use_free, error);
}

const MfpLibvirtApi mfp_libvirt_api = {
  .open = libvirt_open,
  .free = libvirt_free,
  .ops = get_ops,
  .driver = get_driver,
  .use_domain = use_domain,
  .domain_name = get_domain_name,
  .domain_is_persistent = domain_is_persistent,
  .other_guests = list_other_guests,
  .host_functions = list_host_functions,
  .host_uses = list_host_uses,
};
