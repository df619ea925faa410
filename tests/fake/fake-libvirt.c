/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fake/fake-libvirt.h"

#include "common.h"

#include "base/error.h"
#include "base/xml.h"
#include "model/record.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define EJECT_DELAY (700 * G_TIME_SPAN_MILLISECOND)
#define EVENT_DELAY (50 * G_TIME_SPAN_MILLISECOND)
#define LINGER (1 * G_TIME_SPAN_SECOND)
#define GROUP_HELD (400 * G_TIME_SPAN_MILLISECOND) /* by QEMU, after the last removal */
#define ASK_AGAIN (5 * G_TIME_SPAN_SECOND) /* pcie_cap_slot_unplug_request_cb() in hw/pci/pcie.c */
#define WAIT_STEP (50 * G_TIME_SPAN_MILLISECOND)
#define NEVER G_MAXINT64
#define UNPLUG_PENDING "Device %s is already in the process of unplug"

typedef struct
{
  MfpPciAddress address;
  char *driver;
  int group;
  gboolean unreadable;
  gboolean stuck; /* libvirt's own rebind of it fails, once */
  gboolean dropped_early;
  gboolean found; /* by its name, on this connection */
} HostFunction;

/* A <hostdev>, in the live or the persistent XML. */
typedef struct
{
  MfpPciAddress host;
  char *alias;
  gboolean assigned;
  MfpPciAddress guest;
  gboolean multifunction;
  gboolean managed;
  gint64 forget_at; /* when libvirt acts on QEMU's report; NEVER */
} Hostdev;

/* What QEMU has. */
typedef struct
{
  char *id;
  MfpPciAddress host;
  MfpPciAddress guest;
  gint64 asked_at; /* when its removal was last asked for; NEVER */
  gboolean leaves; /* with its slot, when the guest acts on that */
  gint64 gone_at;  /* NEVER: the guest does not act */
} QemuDevice;

struct _Fake
{
  MfpOps ops;
  FakeHotplug hotplug;
  GRand *random;
  gint64 clock;
  guint operation;
  guint trips;
  guint host_reads;
  gboolean together;
  gboolean reports_other;
  guint fail_at;
  FakeFault fault;
  gboolean armed;
  guint odds; /* of a fault at each operation; 0: none but the armed one */
  gboolean broken;
  gboolean silent;
  gboolean interrupted;
  gboolean stranger;
  gboolean rejects; /* the guest, the next removal */
  char *rejected;   /* alias that is to be reported for it */
  guint lost_events;
  guint given_back_at_once;
  gboolean running;
  guint id;
  GPtrArray *functions; /* HostFunction */
  GPtrArray *live;      /* Hostdev */
  GPtrArray *config;    /* Hostdev */
  GPtrArray *qemu;      /* QemuDevice */
  GHashTable *metadata; /* uri -> xml */
  gboolean access[3];   /* by group: the domain may open it */
  gint64 group_held;    /* how long a group is after QEMU let go of it */
  gint64 held_until[3]; /* by group: QEMU still closes it */
  char *violation;
};

static void
function_free (gpointer data)
{
  HostFunction *function = data;

  g_free (function->driver);
  g_free (function);
}

static void
hostdev_free (gpointer data)
{
  Hostdev *hostdev = data;

  g_free (hostdev->alias);
  g_free (hostdev);
}

static void
qemu_free (gpointer data)
{
  QemuDevice *device = data;

  g_free (device->id);
  g_free (device);
}

static gboolean G_GNUC_PRINTF (3, 4)
refuse (GError **error, MfpError code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, MFP_ERROR, (int) code, text);
  return FALSE;
}

/* ---- the model's parts ---- */

static gpointer
find (GPtrArray *list, gconstpointer wanted, GEqualFunc matches)
{
  guint index;

  return g_ptr_array_find_with_equal_func (list, wanted, matches, &index)
             ? g_ptr_array_index (list, index)
             : NULL;
}

static gboolean
function_is_at (gconstpointer function, gconstpointer address)
{
  return mfp_pci_address_equal (&((const HostFunction *) function)->address, address);
}

static HostFunction *
find_function (const Fake *fake, const MfpPciAddress *host)
{
  return find (fake->functions, host, function_is_at);
}

static gboolean
hostdev_is_of (gconstpointer hostdev, gconstpointer host)
{
  return mfp_pci_address_equal (&((const Hostdev *) hostdev)->host, host);
}

static Hostdev *
find_hostdev (GPtrArray *list, const MfpPciAddress *host)
{
  return find (list, host, hostdev_is_of);
}

static gboolean
hostdev_is_shown_at (gconstpointer hostdev, gconstpointer guest)
{
  const Hostdev *shown = hostdev;

  return shown->assigned && mfp_pci_address_equal (&shown->guest, guest);
}

static gboolean
hostdev_is_called (gconstpointer hostdev, gconstpointer alias)
{
  return g_strcmp0 (((const Hostdev *) hostdev)->alias, alias) == 0;
}

static Hostdev *
find_alias (const Fake *fake, const char *alias)
{
  return find (fake->live, alias, hostdev_is_called);
}

static gboolean
device_is_called (gconstpointer device, gconstpointer id)
{
  return g_strcmp0 (((const QemuDevice *) device)->id, id) == 0;
}

static QemuDevice *
find_device (const Fake *fake, const char *id)
{
  return find (fake->qemu, id, device_is_called);
}

static gboolean
device_is_at (gconstpointer device, gconstpointer guest)
{
  return mfp_pci_address_equal (&((const QemuDevice *) device)->guest, guest);
}

static QemuDevice *
find_place (const Fake *fake, const MfpPciAddress *guest)
{
  return find (fake->qemu, guest, device_is_at);
}

static gboolean
group_in_qemu (const Fake *fake, int group)
{
  for (guint i = 0; i < fake->qemu->len; i++)
    {
      const QemuDevice *device = g_ptr_array_index (fake->qemu, i);
      const HostFunction *function = find_function (fake, &device->host);

      if (function && function->group == group)
        return TRUE;
    }
  return FALSE;
}

static gboolean
group_is_viable (const Fake *fake, int group)
{
  for (guint i = 0; i < fake->functions->len; i++)
    {
      const HostFunction *function = g_ptr_array_index (fake->functions, i);

      if (function->group == group && function->driver && !mfp_driver_is_vfio (function->driver))
        return FALSE;
    }
  return TRUE;
}

static void
set_driver (HostFunction *function, const char *driver)
{
  g_free (function->driver);
  function->driver = g_strdup (driver);
}

static void
violate (Fake *fake, const char *what)
{
  if (!fake->violation)
    fake->violation = g_strdup (what);
}

/* libvirt drops a hostdev: with it goes the domain's access to the group. */
static void
forget_hostdev (Fake *fake, Hostdev *hostdev)
{
  HostFunction *function = find_function (fake, &hostdev->host);

  if (find_device (fake, hostdev->alias))
    violate (fake, "access taken from a device that QEMU has");
  if (function)
    {
      fake->access[function->group] = FALSE;
      /* libvirt's own rebind races with siblings that hold the group. */
      if (hostdev->managed)
        set_driver (function,
                    group_in_qemu (fake, function->group) || function->stuck ? NULL : "nic");
      function->stuck = FALSE;
    }
  g_ptr_array_remove (fake->live, hostdev);
}

static void
remove_device (Fake *fake, QemuDevice *device)
{
  Hostdev *hostdev = find_alias (fake, device->id);
  const HostFunction *function = find_function (fake, &device->host);

  if (hostdev && fake->lost_events > 0)
    fake->lost_events--;
  else if (hostdev)
    hostdev->forget_at = fake->clock + EVENT_DELAY;
  if (function)
    fake->held_until[function->group] = fake->clock + fake->group_held;
  g_ptr_array_remove (fake->qemu, device);
}

/* Lets everything happen that is due. */
static void
settle (Fake *fake)
{
  for (guint i = fake->qemu->len; i-- > 0;)
    {
      QemuDevice *device = g_ptr_array_index (fake->qemu, i);

      if (device->gone_at <= fake->clock)
        remove_device (fake, device);
    }
  for (guint i = fake->live->len; i-- > 0;)
    {
      Hostdev *hostdev = g_ptr_array_index (fake->live, i);

      if (hostdev->forget_at <= fake->clock)
        forget_hostdev (fake, hostdev);
    }
}

static void
end_domain (Fake *fake)
{
  for (guint i = 0; i < fake->live->len; i++)
    {
      Hostdev *hostdev = g_ptr_array_index (fake->live, i);
      HostFunction *function = find_function (fake, &hostdev->host);

      if (hostdev->managed && function)
        set_driver (function, "nic");
    }
  g_ptr_array_set_size (fake->qemu, 0);
  g_ptr_array_set_size (fake->live, 0);
  g_hash_table_remove_all (fake->metadata);
  memset (fake->access, 0, sizeof fake->access);
  fake->running = FALSE;
}

/* The guest lets go of @device. */
static void
let_go (Fake *fake, QemuDevice *device)
{
  const HostFunction *function = find_function (fake, &device->host);

  device->gone_at = MIN (device->gone_at, fake->clock + EJECT_DELAY);
  if (!function || !function->dropped_early)
    return;
  device->gone_at = fake->clock + EJECT_DELAY + LINGER;
  g_ptr_array_remove (fake->live, find_hostdev (fake->live, &device->host));
}

/* The guest's system, if it listens, ejects the slot of @asked. */
static void
request_eject (Fake *fake, QemuDevice *asked)
{
  if (fake->rejects)
    {
      fake->rejects = FALSE;
      g_free (fake->rejected);
      fake->rejected = g_strdup (asked->id);
      return;
    }
  asked->asked_at = fake->clock;
  for (guint i = 0; i < fake->qemu->len; i++)
    {
      QemuDevice *device = g_ptr_array_index (fake->qemu, i);

      if (!mfp_pci_address_same_slot (&device->guest, &asked->guest))
        continue;
      device->leaves = TRUE;
      if (!fake->silent)
        let_go (fake, device);
    }
}

/* Whether QEMU refuses to ask for @device once more: a native port does for a
 * while, in the guest's time. With ACPI it does not (since 7.2.3). */
static gboolean
is_asked_too_soon (const Fake *fake, const QemuDevice *device)
{
  return fake->hotplug == FAKE_NATIVE && device->asked_at != NEVER
         && (fake->silent || fake->clock < device->asked_at + ASK_AGAIN);
}

/* ---- faults ---- */

static gboolean
lost (GError **error)
{
  return refuse (error, MFP_ERROR_DISCONNECTED, "libvirt says: connection lost");
}

/* Arms the fault for this operation by chance. */
static void
roll (Fake *fake)
{
  int fault = g_rand_int_range (fake->random, FAULT_ERROR, FAULT_LOST_AFTER + 1);

  if (fake->odds == 0)
    return;
  fake->armed = g_rand_int_range (fake->random, 0, (gint32) fake->odds) == 0;
  fake->fail_at = fake->operation;
  fake->fault = (FakeFault) fault;
}

/* Counts the operation and lets its fault happen. FALSE: it fails here. */
static gboolean
begin (Fake *fake, gboolean changes, GError **error)
{
  gboolean now;

  roll (fake);
  now = fake->armed && fake->operation == fake->fail_at;
  fake->operation++;
  fake->trips += fake->together ? 0 : 1;
  fake->clock += G_TIME_SPAN_MILLISECOND;
  if (now && fake->fault == FAULT_SILENT_GUEST)
    fake->silent = TRUE;
  if (now && fake->fault == FAULT_DOMAIN_ENDS)
    end_domain (fake);
  if (now && fake->fault == FAULT_INTERRUPT)
    fake->interrupted = TRUE;
  if (now && fake->fault == FAULT_BROKEN)
    fake->broken = TRUE;
  settle (fake);
  if (now && fake->fault == FAULT_LOST_BEFORE)
    return lost (error);
  if ((now && fake->fault == FAULT_ERROR) || (fake->broken && changes))
    return refuse (error, MFP_ERROR_FAILED, "libvirt says: injected failure");
  return TRUE;
}

/* After the operation was done. FALSE: its success is not heard of. */
static gboolean
end (Fake *fake, GError **error)
{
  if (!fake->armed || fake->operation != fake->fail_at + 1)
    return TRUE;
  if (fake->fault == FAULT_ERROR_AFTER)
    return refuse (error, MFP_ERROR_FAILED, "libvirt says: injected failure");
  return fake->fault != FAULT_LOST_AFTER || lost (error);
}

/* The same for a removal, which is a request: libvirt does not say that it
 * failed once QEMU has it. */
static gboolean
end_request (Fake *fake, GError **error)
{
  return (fake->armed && fake->fault == FAULT_ERROR_AFTER) || end (fake, error);
}

static gboolean
need_running (const Fake *fake, GError **error)
{
  return fake->running
         || refuse (error, MFP_ERROR_DOMAIN_GONE, "libvirt says: domain is not running");
}

/* ---- operations ---- */

static Fake *
self_of (MfpOps *ops)
{
  return (Fake *) ops;
}

static MfpHostFunction *
op_host_function (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  Fake *fake = self_of (ops);
  const HostFunction *function;
  g_autoptr (GString) xml = g_string_new (NULL);
  g_autofree char *name = mfp_pci_address_format_node_name (address);

  if (!begin (fake, FALSE, error) || !end (fake, error))
    return NULL;
  function = find_function (fake, address);
  if (!function)
    {
      refuse (error, MFP_ERROR_NOT_FOUND, "libvirt says: no node device %s", name);
      return NULL;
    }
  fake->host_reads++;
  if (function->unreadable)
    {
      refuse (error, MFP_ERROR_FAILED, "libvirt says: cannot read %s", name);
      return NULL;
    }
  g_string_printf (xml, "<device><name>%s</name>", name);
  if (function->driver)
    g_string_append_printf (xml, "<driver><name>%s</name></driver>", function->driver);
  g_string_append_printf (xml, "<capability type='pci'><class>0x020000</class>"
                               "<iommuGroup number='%d'>", function->group);
  for (guint i = 0; i < fake->functions->len; i++)
    {
      const HostFunction *member = g_ptr_array_index (fake->functions, i);

      if (member->group == function->group)
        g_string_append_printf (xml, "<address domain='0' bus='%u' slot='0' function='%u'/>",
                                member->address.bus, member->address.function);
    }
  g_string_append (xml, "</iommuGroup></capability></device>");
  return mfp_host_function_parse (xml->str, error);
}

static void
append_hostdev (GString *xml, const Hostdev *hostdev)
{
  g_string_append_printf (xml,
                          "<hostdev mode='subsystem' type='pci' managed='%s'>"
                          "<source><address domain='0' bus='%u' slot='0' function='%u'/></source>",
                          hostdev->managed ? "yes" : "no", hostdev->host.bus,
                          hostdev->host.function);
  if (hostdev->alias)
    g_string_append_printf (xml, "<alias name='%s'/>", hostdev->alias);
  if (hostdev->assigned)
    g_string_append_printf (xml, "<address type='pci' domain='0' bus='%u' slot='%u' function='%u'/>",
                            hostdev->guest.bus, hostdev->guest.slot, hostdev->guest.function);
  else
    g_string_append (xml, "<address type='unassigned'/>");
  g_string_append (xml, "</hostdev>");
}

static void
append_metadata (GString *xml, const Fake *fake)
{
  GHashTableIter iterator;
  gpointer uri, element;

  g_string_append (xml, "<metadata>");
  g_hash_table_iter_init (&iterator, fake->metadata);
  while (g_hash_table_iter_next (&iterator, &uri, &element))
    {
      g_autoptr (xmlDoc) doc = mfp_xml_parse (element, strlen (element), "metadata", NULL);
      xmlNode *root = doc ? xmlDocGetRootElement (doc) : NULL;
      g_autofree char *text = NULL;

      g_assert_nonnull (root);
      /* libvirt gives the element the namespace, and not its children. */
      xmlSetNs (root, xmlNewNs (root, uri, BAD_CAST MFP_RECORD_PREFIX));
      text = mfp_xml_serialize (root);
      g_string_append (xml, text);
    }
  g_string_append (xml, "</metadata>");
}

static char *
op_domain_xml (MfpOps *ops, MfpForm form, GError **error)
{
  Fake *fake = self_of (ops);
  gboolean live = form == MFP_LIVE && fake->running;
  GPtrArray *hostdevs = form == MFP_LIVE ? fake->live : fake->config;
  g_autoptr (GString) xml = g_string_new (NULL);

  if (!begin (fake, FALSE, error) || !end (fake, error))
    return NULL;
  live = form == MFP_LIVE && fake->running;
  if (live)
    g_string_append_printf (xml, "<domain type='kvm' id='%u'>", fake->id);
  else
    g_string_append (xml, "<domain type='kvm'>");
  g_string_append (xml, "<name>vm</name>");
  if (live)
    append_metadata (xml, fake);
  g_string_append (xml, "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><devices>"
                        "<controller type='pci' index='0' model='pcie-root'>"
                        "<alias name='pcie.0'/></controller>");
  for (guint i = 1; i <= 3; i++)
    g_string_append_printf (xml,
                            "<controller type='pci' index='%u' model='pcie-root-port'>"
                            "<alias name='pci.%u'/><address type='pci' bus='0' slot='1' "
                            "function='%u'/></controller>",
                            i, i, i - 1);
  for (guint i = 0; i < hostdevs->len; i++)
    append_hostdev (xml, g_ptr_array_index (hostdevs, i));
  g_string_append (xml, "</devices></domain>");
  return g_string_free (g_steal_pointer (&xml), FALSE);
}

static gboolean
op_set_metadata (MfpOps *ops, const char *uri, const char *xml, GError **error)
{
  Fake *fake = self_of (ops);

  if (!begin (fake, TRUE, error) || !need_running (fake, error))
    return FALSE;
  if (xml)
    g_hash_table_insert (fake->metadata, g_strdup (uri), g_strdup (xml));
  else
    g_hash_table_remove (fake->metadata, uri);
  return end (fake, error);
}

static char *
op_metadata (MfpOps *ops, const char *uri, GError **error)
{
  Fake *fake = self_of (ops);
  const char *xml;

  if (!begin (fake, FALSE, error) || !need_running (fake, error) || !end (fake, error))
    return NULL;
  xml = g_hash_table_lookup (fake->metadata, uri);
  if (!xml)
    refuse (error, MFP_ERROR_NOT_FOUND, "libvirt says: metadata not found");
  return g_strdup (xml);
}

static gboolean
op_take (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  Fake *fake = self_of (ops);
  HostFunction *function = find_function (fake, address);

  if (!begin (fake, TRUE, error))
    return FALSE;
  if (!function)
    return refuse (error, MFP_ERROR_NOT_FOUND, "libvirt says: no node device");
  if (find_hostdev (fake->live, address))
    return refuse (error, MFP_ERROR_FAILED, "libvirt says: device is in use");
  set_driver (function, "vfio-pci");
  return end (fake, error);
}

static gboolean
op_give_back (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  Fake *fake = self_of (ops);
  HostFunction *function = find_function (fake, address);

  if (!begin (fake, TRUE, error))
    return FALSE;
  if (!function)
    return refuse (error, MFP_ERROR_NOT_FOUND, "libvirt says: no node device");
  if (find_hostdev (fake->live, address))
    return refuse (error, MFP_ERROR_FAILED, "libvirt says: device is in use");
  if (group_in_qemu (fake, function->group))
    {
      violate (fake, "a function given back while its group is in QEMU");
      set_driver (function, NULL);
      return refuse (error, MFP_ERROR_FAILED, "libvirt says: Failed to trigger a probe");
    }
  if (fake->held_until[function->group] > fake->clock)
    {
      set_driver (function, NULL);
      return refuse (error, MFP_ERROR_FAILED, "libvirt says: Failed to trigger a probe");
    }
  set_driver (function, "nic");
  return end (fake, error);
}

static gboolean
has_left (gpointer alias, gpointer value G_GNUC_UNUSED, gpointer data)
{
  return !find_alias (data, alias);
}

/* Time passes until @until, or until all that is awaited has left. */
static void
let_time_pass (Fake *fake, gint64 until, GHashTable *awaited)
{
  gboolean awaits = awaited && g_hash_table_size (awaited) > 0;

  do
    {
      fake->clock = MAX (fake->clock, MIN (until, fake->clock + WAIT_STEP));
      settle (fake);
      if (awaits)
        g_hash_table_foreach_remove (awaited, has_left, fake);
    }
  while (fake->clock < until && !(awaits && g_hash_table_size (awaited) == 0));
}

/* What is called from here on until end_together() travels together. */
static Fake *
begin_together (MfpOps *ops)
{
  Fake *fake = self_of (ops);

  fake->trips++;
  fake->together = TRUE;
  return fake;
}

static void
end_together (Fake *fake)
{
  fake->together = FALSE;
}

/* Finds the node devices of @addresses. Whether there was one to be found yet. */
static gboolean
find_functions (Fake *fake, const GArray *addresses)
{
  gboolean any = FALSE;

  for (guint i = 0; addresses && i < addresses->len; i++)
    {
      HostFunction *function = find_function (fake, &g_array_index (addresses, MfpPciAddress, i));

      any = any || (function && !function->found);
      if (function)
        function->found = TRUE;
    }
  return any;
}

/* It costs no time: there is nothing else to do then. */
static void
op_foresee (MfpOps *ops, const GArray *addresses)
{
  find_functions (self_of (ops), addresses);
}

static GPtrArray *
op_host_functions (MfpOps *ops, const GArray *addresses, GError **error)
{
  Fake *fake = begin_together (ops);
  GPtrArray *functions = test_host_functions (ops, addresses, error);

  end_together (fake);
  return functions;
}

static gboolean
op_look (MfpOps *ops, MfpLook what, MfpView *view, GError **error)
{
  Fake *fake = begin_together (ops);
  gboolean seen = test_look (ops, what, view, error);

  end_together (fake);
  return seen;
}

/* The first is looked at; each of the others is looked at, given back and looked at again,
 * beside the rest. */
static GPtrArray *
op_bring_home (MfpOps *ops, const GArray *addresses, GArray *held)
{
  Fake *fake = begin_together (ops);
  GPtrArray *functions = test_host_list ();

  fake->trips += (find_functions (fake, addresses) ? 1 : 0) + 3;
  for (guint i = 0; i < addresses->len; i++)
    {
      const MfpPciAddress *address = &g_array_index (addresses, MfpPciAddress, i);
      MfpHostFunction *function = op_host_function (ops, address, NULL);

      if (function && mfp_host_function_can_return (function, held))
        {
          fake->given_back_at_once++;
          op_give_back (ops, address, NULL);
          mfp_host_function_free (function);
          function = op_host_function (ops, address, NULL);
        }
      if (function)
        g_ptr_array_add (functions, function);
    }
  end_together (fake);
  return functions;
}

static Hostdev *
parse_hostdev (const char *xml)
{
  g_autoptr (xmlDoc) doc = mfp_xml_parse (xml, strlen (xml), "device", NULL);
  const xmlNode *root = doc ? xmlDocGetRootElement (doc) : NULL;
  Hostdev *hostdev = g_new0 (Hostdev, 1);

  g_assert_nonnull (root);
  g_assert_true (mfp_xml_address (mfp_xml_child (mfp_xml_child (root, "source"), "address"),
                                  &hostdev->host));
  hostdev->alias = mfp_xml_attribute (mfp_xml_child (root, "alias"), "name");
  hostdev->managed = mfp_xml_attribute_is (root, "managed", "yes");
  hostdev->assigned = mfp_xml_attribute_is (mfp_xml_child (root, "address"), "type", "pci");
  hostdev->multifunction
      = mfp_xml_attribute_is (mfp_xml_child (root, "address"), "multifunction", "on");
  if (hostdev->assigned)
    g_assert_true (mfp_xml_address (mfp_xml_child (root, "address"), &hostdev->guest));
  hostdev->forget_at = NEVER;
  return hostdev;
}

/* QEMU opens the function; its words. */
static gboolean
open_function (Fake *fake, const MfpPciAddress *host, GError **error)
{
  const HostFunction *function = find_function (fake, host);
  g_autofree char *address = mfp_pci_address_format (host);

  if (!function || !mfp_driver_is_vfio (function->driver))
    return refuse (error, MFP_ERROR_FAILED, "vfio %s: no such device in the group", address);
  if (!group_is_viable (fake, function->group))
    return refuse (error, MFP_ERROR_FAILED, "vfio %s: group %d is not viable", address,
                   function->group);
  if (!group_in_qemu (fake, function->group) && !fake->access[function->group])
    return refuse (error, MFP_ERROR_FAILED,
                   "vfio %s: failed to open /dev/vfio/%d: No such file or directory", address,
                   function->group);
  return TRUE;
}

/* Whether the slot takes a device at @guest; QEMU's words. */
static gboolean
check_slot (const Fake *fake, const MfpPciAddress *guest, gboolean multifunction, GError **error)
{
  MfpPciAddress zero = mfp_pci_address_with_function (guest, 0);
  const QemuDevice *first = find_place (fake, &zero);

  if (find_place (fake, guest))
    return refuse (error, MFP_ERROR_FAILED, "PCI: slot %u function %u not available for vfio-pci",
                   guest->slot, guest->function);
  if (guest->function != 0 && first)
    return refuse (error, MFP_ERROR_FAILED,
                   "PCI: slot %u function 0 already occupied by vfio-pci, new func vfio-pci "
                   "cannot be exposed to guest.",
                   guest->slot);
  for (guint i = 1; guest->function == 0 && !multifunction && i < MFP_PCI_FUNCTIONS; i++)
    {
      MfpPciAddress sibling = mfp_pci_address_with_function (guest, i);

      if (find_place (fake, &sibling))
        return refuse (error, MFP_ERROR_FAILED,
                       "PCI: %x.0 indicates single function, but %x.%x is already populated.",
                       guest->slot, guest->slot, i);
    }
  return TRUE;
}

static void
add_to_qemu (Fake *fake, const char *id, const MfpPciAddress *host, const MfpPciAddress *guest)
{
  QemuDevice *device = g_new0 (QemuDevice, 1);

  device->id = g_strdup (id);
  device->host = *host;
  device->guest = *guest;
  device->asked_at = NEVER;
  device->gone_at = NEVER;
  g_ptr_array_add (fake->qemu, device);
}

/* What libvirt checks before it touches anything. */
static gboolean
check_attach (Fake *fake, const Hostdev *hostdev, GError **error)
{
  const HostFunction *function = find_function (fake, &hostdev->host);

  if (find_alias (fake, hostdev->alias))
    return refuse (error, MFP_ERROR_ALIAS_TAKEN, "libvirt says: non unique alias detected: %s",
                   hostdev->alias);
  if (find_hostdev (fake->live, &hostdev->host))
    return refuse (error, MFP_ERROR_FAILED, "libvirt says: PCI device is in use by domain vm");
  if (!mfp_driver_is_vfio (function->driver))
    return refuse (error, MFP_ERROR_FAILED,
                   "libvirt says: Unmanaged PCI device must be manually detached from the host");
  return TRUE;
}

/* Gives it to QEMU, unless it is only to be held. */
static gboolean
plug (Fake *fake, const Hostdev *hostdev, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (!hostdev->assigned)
    return TRUE;
  if (hostdev->guest.function != 0)
    return refuse (error, MFP_ERROR_FAILED,
                   "libvirt says: Only PCI device addresses with function=0 are supported");
  if (find (fake->live, &hostdev->guest, hostdev_is_shown_at))
    return refuse (error, MFP_ERROR_FAILED,
                   "libvirt says: Attempted double use of PCI Address");
  if (!check_slot (fake, &hostdev->guest, hostdev->multifunction, &local)
      || !open_function (fake, &hostdev->host, &local))
    return refuse (error, MFP_ERROR_FAILED,
                   "libvirt says: unable to execute QEMU command 'device_add': %s",
                   local->message);
  add_to_qemu (fake, hostdev->alias, &hostdev->host, &hostdev->guest);
  return TRUE;
}

static gboolean
attach_live (Fake *fake, const Hostdev *hostdev, GError **error)
{
  gboolean *access;

  if (!check_attach (fake, hostdev, error))
    return FALSE;
  access = &fake->access[find_function (fake, &hostdev->host)->group];
  *access = TRUE;
  /* A failed plug tears it down, for the siblings too. */
  *access = plug (fake, hostdev, error);
  return *access;
}

static gboolean
attach_config (Fake *fake, const Hostdev *hostdev, GError **error)
{
  if (find_hostdev (fake->config, &hostdev->host))
    return refuse (error, MFP_ERROR_FAILED,
                   "libvirt says: device is already in the domain configuration");
  if (hostdev->assigned && find (fake->config, &hostdev->guest, hostdev_is_shown_at))
    return refuse (error, MFP_ERROR_FAILED,
                   "libvirt says: Attempted double use of PCI Address");
  return TRUE;
}

static gboolean
op_attach (MfpOps *ops, MfpForm form, const char *xml, GError **error)
{
  Fake *fake = self_of (ops);
  Hostdev *hostdev;

  if (!begin (fake, TRUE, error) || (form == MFP_LIVE && !need_running (fake, error)))
    return FALSE;
  hostdev = parse_hostdev (xml);
  if (form == MFP_LIVE && !hostdev->alias)
    hostdev->alias = g_strdup_printf ("hostdev%u", fake->live->len);
  if (form == MFP_LIVE ? !attach_live (fake, hostdev, error) : !attach_config (fake, hostdev, error))
    {
      hostdev_free (hostdev);
      return FALSE;
    }
  g_ptr_array_add (form == MFP_LIVE ? fake->live : fake->config, hostdev);
  return end (fake, error);
}

static gboolean
shares_slot (const Fake *fake, const Hostdev *hostdev)
{
  for (guint i = 0; i < fake->live->len; i++)
    {
      const Hostdev *other = g_ptr_array_index (fake->live, i);

      if (other != hostdev && other->assigned
          && mfp_pci_address_same_slot (&other->guest, &hostdev->guest))
        return TRUE;
    }
  return FALSE;
}

static gboolean
detach_live (Fake *fake, Hostdev *hostdev, GError **error)
{
  QemuDevice *device = find_device (fake, hostdev->alias);

  if (hostdev->assigned && shares_slot (fake, hostdev))
    return refuse (error, MFP_ERROR_FAILED,
                   "libvirt says: cannot hot unplug hostdev device with multifunction PCI guest address");
  if (!hostdev->assigned || !device)
    {
      forget_hostdev (fake, hostdev);
      return TRUE;
    }
  if (is_asked_too_soon (fake, device))
    return refuse (error, MFP_ERROR_BUSY, "libvirt says: " UNPLUG_PENDING, device->id);
  request_eject (fake, device);
  return TRUE;
}

static gboolean
op_detach (MfpOps *ops, MfpForm form, const char *xml, GError **error)
{
  Fake *fake = self_of (ops);
  Hostdev *asked, *hostdev;
  g_autofree char *host = NULL;

  if (!begin (fake, TRUE, error) || (form == MFP_LIVE && !need_running (fake, error)))
    return FALSE;
  asked = parse_hostdev (xml);
  hostdev = find_hostdev (form == MFP_LIVE ? fake->live : fake->config, &asked->host);
  host = mfp_pci_address_format (&asked->host);
  hostdev_free (asked);
  if (!hostdev)
    return refuse (error, MFP_ERROR_NOT_FOUND, "libvirt says: host pci device %s not found", host);
  if (form == MFP_CONFIG)
    g_ptr_array_remove (fake->config, hostdev);
  else if (!detach_live (fake, hostdev, error))
    return FALSE;
  return end (fake, error);
}

static gboolean
op_detach_alias (MfpOps *ops, const char *alias, GError **error)
{
  Fake *fake = self_of (ops);
  Hostdev *hostdev;

  if (!begin (fake, TRUE, error) || !need_running (fake, error))
    return FALSE;
  hostdev = find_alias (fake, alias);
  if (!hostdev)
    return refuse (error, MFP_ERROR_NOT_FOUND, "libvirt says: internal error: no device found with alias %s",
                   alias);
  return detach_live (fake, hostdev, error) && end_request (fake, error);
}

/* ---- QMP ---- */

static char *G_GNUC_PRINTF (2, 3)
answer_error (const char *class, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  return g_strdup_printf ("{\"error\":{\"class\":\"%s\",\"desc\":\"%s\"}}", class, text);
}

static char *
qmp_device_add (Fake *fake, JsonObject *arguments)
{
  const char *id = json_object_get_string_member (arguments, "id");
  const char *bus = json_object_get_string_member (arguments, "bus");
  g_autoptr (GError) error = NULL;
  MfpPciAddress host, guest = { 0 }, zero;
  guint slot, function;

  g_assert_true (mfp_pci_address_parse (json_object_get_string_member (arguments, "host"), &host, NULL));
  g_assert_cmpint (sscanf (bus, "pci.%hhu", &guest.bus), ==, 1);
  g_assert_cmpint (sscanf (json_object_get_string_member (arguments, "addr"), "0x%x.0x%x", &slot, &function), ==, 2);
  guest.slot = (guint8) slot;
  guest.function = (guint8) function;
  zero = mfp_pci_address_with_function (&guest, 0);
  if (find_device (fake, id))
    return answer_error ("GenericError", "Duplicate device ID '%s' for device", id);
  if (!check_slot (fake, &guest, FALSE, &error) || !open_function (fake, &host, &error))
    return answer_error ("GenericError", "%s", error->message);
  add_to_qemu (fake, id, &host, &guest);
  if (fake->stranger)
    {
      Hostdev *stranger = g_new0 (Hostdev, 1);

      stranger->host = (MfpPciAddress){ .bus = 9 };
      stranger->alias = g_strdup ("net9");
      stranger->assigned = TRUE;
      stranger->guest = zero;
      stranger->forget_at = NEVER;
      g_ptr_array_add (fake->live, stranger);
      add_to_qemu (fake, "net9", &stranger->host, &zero);
      fake->stranger = FALSE;
    }
  return g_strdup ("{\"return\":{}}");
}

static char *
qmp_device_del (Fake *fake, JsonObject *arguments)
{
  const char *id = json_object_get_string_member (arguments, "id");
  QemuDevice *device = find_device (fake, id);
  MfpPciAddress zero;

  if (!device)
    return answer_error ("DeviceNotFound", "Device '%s' not found", id);
  if (is_asked_too_soon (fake, device))
    return answer_error ("GenericError", UNPLUG_PENDING, device->id);
  zero = mfp_pci_address_with_function (&device->guest, 0);
  if (fake->hotplug == FAKE_NATIVE && !find_place (fake, &zero))
    remove_device (fake, device);
  else
    request_eject (fake, device);
  return g_strdup ("{\"return\":{}}");
}

static char *
qmp_list (const Fake *fake)
{
  g_autoptr (GString) text = g_string_new ("{\"return\":[{\"name\":\"type\"}");

  for (guint i = 0; i < fake->qemu->len; i++)
    {
      const QemuDevice *device = g_ptr_array_index (fake->qemu, i);

      g_string_append_printf (text, ",{\"name\":\"%s\"}", device->id);
    }
  g_string_append (text, "]}");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static char *
qmp_query_pci (const Fake *fake)
{
  g_autoptr (GString) text = g_string_new ("{\"return\":[{\"bus\":0,\"devices\":[");

  for (guint bus = 1; bus <= 3; bus++)
    {
      gboolean first = TRUE;

      g_string_append_printf (text, "%s{\"qdev_id\":\"pci.%u\",\"slot\":1,\"function\":%u,"
                                    "\"regions\":[],\"pci_bridge\":{\"devices\":[",
                              bus > 1 ? "," : "", bus, bus - 1);
      for (guint i = 0; i < fake->qemu->len; i++)
        {
          const QemuDevice *device = g_ptr_array_index (fake->qemu, i);

          if (device->guest.bus != bus)
            continue;
          g_string_append_printf (text,
                                  "%s{\"qdev_id\":\"%s\",\"slot\":%u,\"function\":%u,"
                                  "\"regions\":[{\"bar\":0,\"address\":%d}]}",
                                  first ? "" : ",", device->id, device->guest.slot,
                                  device->guest.function, fake->silent ? -1 : 4096);
          first = FALSE;
        }
      g_string_append (text, "]}}");
    }
  g_string_append (text, "]}]}");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static char *
op_qmp (MfpOps *ops, const char *command, GError **error)
{
  Fake *fake = self_of (ops);
  g_autoptr (JsonNode) node = json_from_string (command, NULL);
  JsonObject *object = json_node_get_object (node);
  const char *name = json_object_get_string_member (object, "execute");
  JsonObject *arguments = json_object_get_object_member (object, "arguments");
  gboolean changes = g_str_has_prefix (name, "device_");
  g_autofree char *answer = NULL;
  gboolean done;

  if (!begin (fake, changes, error) || !need_running (fake, error))
    return NULL;
  if (strcmp (name, "device_add") == 0)
    answer = qmp_device_add (fake, arguments);
  else if (strcmp (name, "device_del") == 0)
    answer = qmp_device_del (fake, arguments);
  else if (strcmp (name, "qom-list") == 0)
    answer = qmp_list (fake);
  else
    answer = qmp_query_pci (fake);
  done = strcmp (name, "device_del") == 0 ? end_request (fake, error) : end (fake, error);
  return done ? g_steal_pointer (&answer) : NULL;
}

/* ---- time ---- */

static gint64
op_now (MfpOps *ops)
{
  return self_of (ops)->clock;
}

static gboolean
op_check_interrupt (MfpOps *ops, GError **error)
{
  Fake *fake = self_of (ops);

  if (!fake->interrupted)
    return TRUE;
  fake->interrupted = FALSE;
  return refuse (error, MFP_ERROR_INTERRUPTED, "interrupted");
}

static gboolean
op_wait (MfpOps *ops, gint64 until, GHashTable *awaited, char **refused, GError **error)
{
  Fake *fake = self_of (ops);

  *refused = NULL;
  if (!begin (fake, FALSE, error))
    return FALSE;
  *refused = g_steal_pointer (&fake->rejected);
  let_time_pass (fake, fake->reports_other ? fake->clock + WAIT_STEP : until, awaited);
  if (fake->reports_other && awaited)
    g_hash_table_remove_all (awaited);
  fake->reports_other = FALSE;
  return op_check_interrupt (ops, error);
}

/* ---- outside the operations ---- */

static void
add_card (Fake *fake, guint8 bus)
{
  for (guint8 i = 0; i < 4; i++)
    {
      HostFunction *function = g_new0 (HostFunction, 1);

      function->address = (MfpPciAddress){ .bus = bus, .function = i };
      function->group = bus;
      function->driver = g_strdup ("nic");
      g_ptr_array_add (fake->functions, function);
    }
}

Fake *
fake_new (FakeHotplug hotplug, guint32 seed)
{
  Fake *fake = g_new0 (Fake, 1);

  fake->ops = (MfpOps){
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
  fake->hotplug = hotplug;
  fake->random = g_rand_new_with_seed (seed);
  fake->clock = G_TIME_SPAN_HOUR;
  fake->group_held = GROUP_HELD;
  fake->running = TRUE;
  fake->id = 1;
  fake->functions = g_ptr_array_new_with_free_func (function_free);
  fake->live = g_ptr_array_new_with_free_func (hostdev_free);
  fake->config = g_ptr_array_new_with_free_func (hostdev_free);
  fake->qemu = g_ptr_array_new_with_free_func (qemu_free);
  fake->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  add_card (fake, 1);
  add_card (fake, 2);
  return fake;
}

void
fake_free (Fake *fake)
{
  if (!fake)
    return;
  g_rand_free (fake->random);
  g_ptr_array_unref (fake->functions);
  g_ptr_array_unref (fake->live);
  g_ptr_array_unref (fake->config);
  g_ptr_array_unref (fake->qemu);
  g_hash_table_unref (fake->metadata);
  g_free (fake->rejected);
  g_free (fake->violation);
  g_free (fake);
}

MfpOps *
fake_ops (Fake *fake)
{
  return &fake->ops;
}

/* As a new command does, on a connection of its own. */
static void
count_anew (Fake *fake)
{
  fake->operation = 0;
  fake->trips = 0;
  fake->host_reads = 0;
  for (guint i = 0; i < fake->functions->len; i++)
    ((HostFunction *) g_ptr_array_index (fake->functions, i))->found = FALSE;
}

void
fake_fail_at (Fake *fake, guint operation, FakeFault fault)
{
  count_anew (fake);
  fake->fail_at = operation;
  fake->fault = fault;
  fake->armed = TRUE;
}

void
fake_fail_at_random (Fake *fake, guint odds)
{
  fake->odds = odds;
}

void
fake_mend (Fake *fake)
{
  count_anew (fake);
  fake->odds = 0;
  fake->armed = FALSE;
  fake->broken = FALSE;
  fake->interrupted = FALSE;
  fake_let_guest_go (fake);
}

void
fake_stop_guest (Fake *fake)
{
  fake->silent = TRUE;
}

void
fake_let_guest_go (Fake *fake)
{
  fake->silent = FALSE;
  for (guint i = 0; i < fake->qemu->len; i++)
    {
      QemuDevice *device = g_ptr_array_index (fake->qemu, i);

      if (device->leaves)
        device->gone_at = MIN (device->gone_at, fake->clock + EJECT_DELAY);
    }
}

void
fake_release_at_once (Fake *fake)
{
  fake->group_held = 0;
}

guint
fake_operations (const Fake *fake)
{
  return fake->operation;
}

guint
fake_trips (const Fake *fake)
{
  return fake->trips;
}

guint
fake_host_reads (const Fake *fake)
{
  return fake->host_reads;
}

void
fake_report_other (Fake *fake)
{
  fake->reports_other = TRUE;
}

static HostFunction *
function_at (Fake *fake, const char *host)
{
  MfpPciAddress address = test_address (host);

  return find_function (fake, &address);
}

void
fake_drop_early (Fake *fake, const char *host)
{
  function_at (fake, host)->dropped_early = TRUE;
}

void
fake_fail_rebind (Fake *fake, const char *host)
{
  function_at (fake, host)->stuck = TRUE;
}

void
fake_make_unreadable (Fake *fake, const char *host)
{
  function_at (fake, host)->unreadable = TRUE;
}

void
fake_lose_events (Fake *fake, guint count)
{
  fake->lost_events = count;
}

void
fake_pull_out (Fake *fake, const char *host)
{
  g_ptr_array_remove (fake->functions, function_at (fake, host));
}

guint
fake_given_back_at_once (const Fake *fake)
{
  return fake->given_back_at_once;
}

void
fake_reject_removal (Fake *fake)
{
  fake->rejects = TRUE;
}

void
fake_bind (Fake *fake, const char *host, const char *driver)
{
  set_driver (function_at (fake, host), driver);
}

void
fake_send_stranger (Fake *fake)
{
  fake->stranger = TRUE;
}

void
fake_restart_domain (Fake *fake)
{
  if (fake->running)
    end_domain (fake);
  fake->running = TRUE;
  fake->id++;
  for (guint i = 0; i < fake->config->len; i++)
    {
      const Hostdev *source = g_ptr_array_index (fake->config, i);
      Hostdev *hostdev = g_memdup2 (source, sizeof *source);
      HostFunction *function = find_function (fake, &source->host);

      hostdev->alias = g_strdup_printf ("hostdev%u", i);
      set_driver (function, "vfio-pci");
      fake->access[function->group] = TRUE;
      g_ptr_array_add (fake->live, hostdev);
      if (hostdev->assigned)
        add_to_qemu (fake, hostdev->alias, &hostdev->host, &hostdev->guest);
    }
}

char *
fake_describe_drivers (const Fake *fake)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < fake->functions->len; i++)
    {
      const HostFunction *function = g_ptr_array_index (fake->functions, i);
      g_autofree char *address = mfp_pci_address_format (&function->address);

      g_string_append_printf (text, "%s %s\n", address, function->driver ? function->driver : "-");
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static int
compare_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
describe_hostdevs (GPtrArray *lines, GPtrArray *hostdevs)
{
  for (guint i = 0; i < hostdevs->len; i++)
    {
      g_autoptr (GString) xml = g_string_new (NULL);

      append_hostdev (xml, g_ptr_array_index (hostdevs, i));
      g_ptr_array_add (lines, g_string_free (g_steal_pointer (&xml), FALSE));
    }
}

static char *
join_sorted (GPtrArray *lines)
{
  g_ptr_array_sort (lines, compare_text);
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}

char *
fake_describe_live (const Fake *fake)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iterator;
  gpointer element;

  g_ptr_array_add (lines, fake_describe_drivers (fake));
  describe_hostdevs (lines, fake->live);
  for (guint i = 0; i < fake->qemu->len; i++)
    {
      const QemuDevice *device = g_ptr_array_index (fake->qemu, i);
      g_autofree char *guest = mfp_pci_address_format (&device->guest);

      g_ptr_array_add (lines, g_strdup_printf ("qemu %s %s", device->id, guest));
    }
  g_hash_table_iter_init (&iterator, fake->metadata);
  while (g_hash_table_iter_next (&iterator, NULL, &element))
    g_ptr_array_add (lines, g_strdup_printf ("record %s", (const char *) element));
  return join_sorted (lines);
}

char *
fake_describe_config (const Fake *fake)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  describe_hostdevs (lines, fake->config);
  return join_sorted (lines);
}

const char *
fake_violation (const Fake *fake)
{
  return fake->violation;
}
