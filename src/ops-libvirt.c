/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ops-libvirt.h"

#include "error.h"
#include "qmp.h"

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
#define OPEN_TICK (100 * G_TIME_SPAN_MILLISECOND)

/**
 * MfpLibvirt:
 * @ops: the operations; first, so that a pointer to it is one to the whole
 * @domain: (nullable): the chosen domain
 * @name, @uuid: of the domain
 * @callbacks: ids of the event callbacks on @connection
 * @given_up: libvirt did not answer for so long that it is not asked again
 * @reported: something was reported that a wait is to return for
 * @refused: (nullable): alias of a device whose removal the guest rejected
 */
struct _MfpLibvirt
{
  MfpOps ops;
  char *uri;
  MfpInterrupt *interrupt;
  virConnectPtr connection;
  virDomainPtr domain;
  char *name;
  char uuid[VIR_UUID_STRING_BUFLEN];
  GArray *callbacks;
  gboolean given_up;
  gboolean reported;
  char *refused;
};

static MfpLibvirt *
self_of (MfpOps *ops)
{
  return (MfpLibvirt *) ops;
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

  if (libvirt->connection && virConnectIsAlive (libvirt->connection) == 0)
    return MFP_ERROR_DISCONNECTED;
  switch (error->code)
    {
    case VIR_ERR_NO_NODE_DEVICE:
    case VIR_ERR_DEVICE_MISSING:
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
  if (local->code == MFP_ERROR_FAILED && virDomainIsActive (libvirt->domain) == 0)
    mfp_error_recode (&local, MFP_ERROR_DOMAIN_GONE);
  g_propagate_error (error, local);
  return FALSE;
}

/* ---- events ---- */

static void
on_removed (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED,
            const char *alias G_GNUC_UNUSED, void *data)
{
  ((MfpLibvirt *) data)->reported = TRUE;
}

static void
on_removal_failed (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED,
                   const char *alias, void *data)
{
  MfpLibvirt *libvirt = data;

  libvirt->reported = TRUE;
  g_free (libvirt->refused);
  libvirt->refused = g_strdup (alias);
}

static int
on_lifecycle (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED,
              int event G_GNUC_UNUSED, int detail G_GNUC_UNUSED, void *data)
{
  ((MfpLibvirt *) data)->reported = TRUE;
  return 0;
}

static void
on_close (virConnectPtr connection G_GNUC_UNUSED, int reason G_GNUC_UNUSED, void *data)
{
  ((MfpLibvirt *) data)->reported = TRUE;
}

static void
on_readable (int watch G_GNUC_UNUSED, int fd G_GNUC_UNUSED, int events G_GNUC_UNUSED, void *data)
{
  *(gboolean *) data = TRUE;
}

static void
on_timeout (int timer G_GNUC_UNUSED, void *data)
{
  *(gboolean *) data = TRUE;
}

static void
listen_for (MfpLibvirt *libvirt, int event, virConnectDomainEventGenericCallback callback)
{
  int id = virConnectDomainEventRegisterAny (libvirt->connection, libvirt->domain, event,
                                             callback, libvirt, NULL);

  /* A driver without events is polled. */
  if (id >= 0)
    g_array_append_val (libvirt->callbacks, id);
}

static void
listen_to_domain (MfpLibvirt *libvirt)
{
  listen_for (libvirt, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
              VIR_DOMAIN_EVENT_CALLBACK (on_removed));
  listen_for (libvirt, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
              VIR_DOMAIN_EVENT_CALLBACK (on_removal_failed));
  listen_for (libvirt, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle));
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
                           g_get_monotonic_time () + OPEN_TICK);
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

static gboolean
connect_once (MfpLibvirt *libvirt, gint64 until, GError **error)
{
  g_autoptr (Opening) opening = g_atomic_rc_box_new0 (Opening);

  opening->uri = g_strdup (libvirt->uri);
  opening->flags = libvirt->interrupt ? 0 : VIR_CONNECT_RO;
  g_mutex_init (&opening->mutex);
  g_cond_init (&opening->changed);
  g_thread_unref (g_thread_new ("open", open_connection, g_atomic_rc_box_acquire (opening)));
  if (!wait_for_opening (libvirt, opening, until, error))
    return FALSE;
  libvirt->connection = g_steal_pointer (&opening->connection);
  if (!libvirt->connection)
    {
      set_error (libvirt, opening->error, error);
      return FALSE;
    }
  if (libvirt->interrupt)
    {
      virConnectSetKeepAlive (libvirt->connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
      virConnectRegisterCloseCallback (libvirt->connection, on_close, libvirt, NULL);
    }
  return TRUE;
}

static void
disconnect (MfpLibvirt *libvirt)
{
  for (guint i = 0; libvirt->connection && i < libvirt->callbacks->len; i++)
    virConnectDomainEventDeregisterAny (libvirt->connection,
                                        g_array_index (libvirt->callbacks, int, i));
  g_array_set_size (libvirt->callbacks, 0);
  g_clear_pointer (&libvirt->domain, virDomainFree);
  if (libvirt->connection && libvirt->interrupt)
    virConnectUnregisterCloseCallback (libvirt->connection, on_close);
  g_clear_pointer (&libvirt->connection, virConnectClose);
}

static gboolean
find_domain_again (MfpLibvirt *libvirt, GError **error)
{
  libvirt->domain = virDomainLookupByUUIDString (libvirt->connection, libvirt->uuid);
  if (!libvirt->domain)
    return fail (libvirt, error);
  listen_to_domain (libvirt);
  return TRUE;
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
  return !libvirt->name || find_domain_again (libvirt, error);
}

/* Makes sure that there is a live connection, with the domain on it. */
static gboolean
ensure (MfpLibvirt *libvirt, GError **error)
{
  if (libvirt->connection && virConnectIsAlive (libvirt->connection) == 1)
    return TRUE;
  if (libvirt->given_up)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_FAILED,
                           "the connection to libvirt is lost");
      return FALSE;
    }
  disconnect (libvirt);
  if (connect_again (libvirt, error))
    return TRUE;
  libvirt->given_up = !mfp_error_is (*error, MFP_ERROR_INTERRUPTED);
  return FALSE;
}

/* ---- operations ---- */

static virNodeDevicePtr
find_node_device (MfpLibvirt *libvirt, const MfpPciAddress *address, GError **error)
{
  g_autofree char *name = mfp_pci_address_format_node_name (address);
  virNodeDevicePtr device;

  if (!ensure (libvirt, error))
    return NULL;
  device = virNodeDeviceLookupByName (libvirt->connection, name);
  if (!device)
    fail (libvirt, error);
  return device;
}

static MfpHostFunction *
op_host_function (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  g_autoptr (virNodeDevice) device = find_node_device (libvirt, address, error);
  g_autofree char *xml = NULL;

  if (!device)
    return NULL;
  xml = virNodeDeviceGetXMLDesc (device, 0);
  if (!xml)
    {
      fail (libvirt, error);
      return NULL;
    }
  return mfp_host_function_parse (xml, error);
}

static gboolean
op_take (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  g_autoptr (virNodeDevice) device = find_node_device (libvirt, address, error);

  return device
         && (virNodeDeviceDetachFlags (device, NULL, 0) == 0 || fail (libvirt, error));
}

static gboolean
op_give_back (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  g_autoptr (virNodeDevice) device = find_node_device (libvirt, address, error);

  return device && (virNodeDeviceReAttach (device) == 0 || fail (libvirt, error));
}

static char *
op_domain_xml (MfpOps *ops, MfpForm form, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  char *xml;

  if (!ensure (libvirt, error))
    return NULL;
  xml = virDomainGetXMLDesc (libvirt->domain, form == MFP_CONFIG ? VIR_DOMAIN_XML_INACTIVE : 0);
  if (!xml)
    fail_domain (libvirt, error);
  return xml;
}

static gboolean
op_set_metadata (MfpOps *ops, const char *uri, const char *xml, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  return ensure (libvirt, error)
         && (virDomainSetMetadata (libvirt->domain, VIR_DOMAIN_METADATA_ELEMENT, xml,
                                   MFP_RECORD_PREFIX, uri, VIR_DOMAIN_AFFECT_LIVE)
                 == 0
             || fail_domain (libvirt, error));
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

  return ensure (libvirt, error)
         && (virDomainAttachDeviceFlags (libvirt->domain, xml, affects (form)) == 0
             || fail_form (libvirt, form, error));
}

static gboolean
op_detach (MfpOps *ops, MfpForm form, const char *xml, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  return ensure (libvirt, error)
         && (virDomainDetachDeviceFlags (libvirt->domain, xml, affects (form)) == 0
             || fail_form (libvirt, form, error));
}

static gboolean
op_detach_alias (MfpOps *ops, const char *alias, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  return ensure (libvirt, error)
         && (virDomainDetachDeviceAlias (libvirt->domain, alias, VIR_DOMAIN_AFFECT_LIVE) == 0
             || fail_domain (libvirt, error));
}

static char *
op_qmp (MfpOps *ops, const char *command, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);
  char *answer = NULL;

  if (!ensure (libvirt, error))
    return NULL;
  if (virDomainQemuMonitorCommand (libvirt->domain, command, &answer, 0) < 0)
    {
      fail_domain (libvirt, error);
      return NULL;
    }
  return answer;
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

/* Runs the event loop until something is reported or time is up. */
static void
run_events (MfpLibvirt *libvirt, gint64 until)
{
  gint64 left = (until - g_get_monotonic_time ()) / G_TIME_SPAN_MILLISECOND;
  gboolean stop = FALSE;
  int timer = virEventAddTimeout ((int) CLAMP (left, 1, G_MAXINT), on_timeout, &stop, NULL);
  int watch = virEventAddHandle (mfp_interrupt_fd (libvirt->interrupt),
                                 VIR_EVENT_HANDLE_READABLE, on_readable, &stop, NULL);

  while (!stop && !libvirt->reported)
    if (virEventRunDefaultImpl () < 0)
      break;
  virEventRemoveTimeout (timer);
  virEventRemoveHandle (watch);
}

static gboolean
op_wait (MfpOps *ops, gint64 until, char **refused, GError **error)
{
  MfpLibvirt *libvirt = self_of (ops);

  run_events (libvirt, until);
  libvirt->reported = FALSE;
  *refused = g_steal_pointer (&libvirt->refused);
  return op_check_interrupt (ops, error);
}

/* ---- outside the operations ---- */

MfpLibvirt *
mfp_libvirt_open (const char *uri, MfpInterrupt *interrupt, GError **error)
{
  g_autoptr (MfpLibvirt) libvirt = g_new0 (MfpLibvirt, 1);

  libvirt->ops = (MfpOps){
    .host_function = op_host_function,
    .domain_xml = op_domain_xml,
    .set_metadata = op_set_metadata,
    .take = op_take,
    .give_back = op_give_back,
    .attach = op_attach,
    .detach = op_detach,
    .detach_alias = op_detach_alias,
    .qmp = op_qmp,
    .wait = op_wait,
    .check_interrupt = op_check_interrupt,
    .now = op_now,
  };
  libvirt->uri = g_strdup (uri);
  libvirt->interrupt = interrupt;
  libvirt->callbacks = g_array_new (FALSE, FALSE, sizeof (int));

  virSetErrorFunc (NULL, ignore_error);
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
  return g_steal_pointer (&libvirt);
}

void
mfp_libvirt_free (MfpLibvirt *libvirt)
{
  if (!libvirt)
    return;
  disconnect (libvirt);
  g_array_unref (libvirt->callbacks);
  g_free (libvirt->uri);
  g_free (libvirt->name);
  g_free (libvirt->refused);
  g_free (libvirt);
}

MfpOps *
mfp_libvirt_ops (MfpLibvirt *libvirt)
{
  return &libvirt->ops;
}

char *
mfp_libvirt_driver (MfpLibvirt *libvirt)
{
  return g_strdup (virConnectGetType (libvirt->connection));
}

static virDomainPtr
lookup_domain (virConnectPtr connection, const char *name)
{
  virDomainPtr domain = NULL;
  guint64 id;

  if (g_ascii_string_to_unsigned (name, 10, 0, G_MAXINT, &id, NULL))
    domain = virDomainLookupByID (connection, (int) id);
  if (!domain && g_uuid_string_is_valid (name))
    domain = virDomainLookupByUUIDString (connection, name);
  return domain ? domain : virDomainLookupByName (connection, name);
}

gboolean
mfp_libvirt_use_domain (MfpLibvirt *libvirt, const char *name, GError **error)
{
  libvirt->domain = lookup_domain (libvirt->connection, name);
  if (!libvirt->domain)
    {
      fail (libvirt, error);
      g_prefix_error (error, "no domain '%s': ", name);
      mfp_error_recode (error, MFP_ERROR_REFUSED);
      return FALSE;
    }
  libvirt->name = g_strdup (virDomainGetName (libvirt->domain));
  virDomainGetUUIDString (libvirt->domain, libvirt->uuid);
  if (libvirt->interrupt)
    listen_to_domain (libvirt);
  return TRUE;
}

const char *
mfp_libvirt_domain_name (MfpLibvirt *libvirt)
{
  return libvirt->name;
}

gboolean
mfp_libvirt_domain_is_active (MfpLibvirt *libvirt)
{
  return virDomainIsActive (libvirt->domain) == 1;
}

gboolean
mfp_libvirt_domain_is_persistent (MfpLibvirt *libvirt)
{
  return virDomainIsPersistent (libvirt->domain) == 1;
}

/* Adds @domain to @guests, unless it ended meanwhile. */
static gboolean
read_guest (MfpLibvirt *libvirt, virDomainPtr domain, GPtrArray *guests, GError **error)
{
  g_autofree char *xml = virDomainGetXMLDesc (domain, 0);
  MfpGuest *guest;

  if (!xml)
    return virDomainIsActive (domain) != 1 || fail (libvirt, error);
  guest = mfp_guest_parse (xml, error);
  if (guest)
    g_ptr_array_add (guests, guest);
  return guest != NULL;
}

GPtrArray *
mfp_libvirt_other_guests (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (GPtrArray) guests
      = g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_guest_free);
  g_autofree virDomainPtr *domains = NULL;
  int count = virConnectListAllDomains (libvirt->connection, &domains,
                                        VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  gboolean complete = count >= 0 || fail (libvirt, error);

  for (int i = 0; i < count; i++)
    {
      if (g_strcmp0 (virDomainGetName (domains[i]), libvirt->name) != 0)
        complete = complete && read_guest (libvirt, domains[i], guests, error);
      virDomainFree (domains[i]);
    }
  if (complete)
    return g_steal_pointer (&guests);
  g_prefix_error (error, "cannot find out which functions other domains hold: ");
  mfp_error_recode (error, MFP_ERROR_REFUSED);
  return NULL;
}

/* Adds @device to @functions, unless it vanished meanwhile. */
static gboolean
read_node_device (MfpLibvirt *libvirt, virNodeDevicePtr device, GPtrArray *functions,
                  GError **error)
{
  g_autofree char *xml = virNodeDeviceGetXMLDesc (device, 0);
  g_autoptr (GError) local = NULL;
  MfpHostFunction *function;

  if (!xml)
    {
      fail (libvirt, &local);
      if (mfp_error_is (local, MFP_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  function = mfp_host_function_parse (xml, error);
  if (function)
    g_ptr_array_add (functions, function);
  return function != NULL;
}

GPtrArray *
mfp_libvirt_host_functions (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (GPtrArray) functions
      = g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_host_function_free);
  g_autofree virNodeDevicePtr *devices = NULL;
  int count = virConnectListAllNodeDevices (libvirt->connection, &devices,
                                            VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV);
  gboolean complete = count >= 0 || fail (libvirt, error);

  for (int i = 0; i < count; i++)
    {
      complete = complete && read_node_device (libvirt, devices[i], functions, error);
      virNodeDeviceFree (devices[i]);
    }
  if (complete)
    return g_steal_pointer (&functions);
  g_prefix_error (error, "cannot list the PCI devices of the host: ");
  mfp_error_recode (error, MFP_ERROR_REFUSED);
  return NULL;
}
