/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define WINDOW 0x200000 /* bytes of memory that the guest reserves for a port */

static char *G_GNUC_PRINTF (2, 3)
answer_error (const char *class, const char *format, ...)
{
  g_autofree char *text = NULL, *escaped = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  escaped = g_strescape (text, NULL);
  return g_strdup_printf ("{\"id\":\"libvirt-1\",\"error\":{\"class\":\"%s\",\"desc\":\"%s\"}}",
                          class, escaped);
}

static char *
answer_nothing (void)
{
  return g_strdup ("{\"return\":{},\"id\":\"libvirt-1\"}");
}

static const char *
argument (JsonObject *arguments, const char *name)
{
  return arguments && json_object_has_member (arguments, name)
             ? json_object_get_string_member (arguments, name)
             : NULL;
}

char *
fake_qmp_name (const char *command)
{
  g_autoptr (JsonNode) node = json_from_string (command, NULL);
  const char *name = node && JSON_NODE_HOLDS_OBJECT (node)
                         ? argument (json_node_get_object (node), "execute")
                         : NULL;

  return g_strdup (name ? name : "virDomainQemuMonitorCommand");
}

/* ---- device_add ---- */

/* QEMU's name of a controller's bus. */
static char *
bus_name (const xmlNode *controller)
{
  g_autofree char *alias = fake_device_alias (controller);
  g_autofree char *model = mfp_xml_attribute (controller, "model");
  guint phb = 0;

  if (g_strcmp0 (model, "pcie-root") == 0)
    return g_strdup ("pcie.0");
  if (g_strcmp0 (model, "pci-root") != 0)
    return g_strdup (alias);
  mfp_xml_attribute_uint (mfp_xml_child (controller, "target"), "index", G_MAXUINT, &phb);
  return phb == 0 ? g_strdup ("pci.0") : g_strconcat (alias, ".0", NULL);
}

static gboolean
find_bus (xmlDoc *doc, const char *name, guint *index)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));

  for (; device; device = mfp_xml_next_element (device))
    {
      g_autofree char *bus = fake_device_is_pci_controller (device) ? bus_name (device) : NULL;

      if (g_strcmp0 (bus, name) == 0)
        return mfp_xml_attribute_uint (device, "index", G_MAXUINT8, index);
    }
  return FALSE;
}

static gboolean
read_place (FakeDomain *domain, JsonObject *arguments, MfpPciAddress *guest)
{
  const char *bus = argument (arguments, "bus"), *addr = argument (arguments, "addr");
  guint index, slot, function = 0;

  if (!bus || !addr || !find_bus (domain->live, bus, &index)
      || sscanf (addr, "%x.%x", &slot, &function) < 1 || slot >= MFP_PCI_SLOTS
      || function >= MFP_PCI_FUNCTIONS)
    return FALSE;
  *guest = (MfpPciAddress){ .bus = (guint8) index,
                            .slot = (guint8) slot,
                            .function = (guint8) function };
  return TRUE;
}

static gboolean
is_multifunction (JsonObject *arguments)
{
  return json_object_has_member (arguments, "multifunction")
         && (json_object_get_boolean_member_with_default (arguments, "multifunction", FALSE)
             || g_strcmp0 (argument (arguments, "multifunction"), "on") == 0);
}

/* Plugs function 0 of another device into the slot, as libvirt would. */
static void
send_stranger (Fake *fake, FakeDomain *domain, const MfpPciAddress *guest)
{
  MfpPciAddress zero = mfp_pci_address_with_function (guest, 0);
  MfpPciAddress host = { .bus = 9 };
  xmlNode *device;

  if (!domain->stranger || guest->function == 0)
    return;
  domain->stranger = FALSE;
  device = xmlNewChild (fake_domain_devices (domain->live), NULL, BAD_CAST "hostdev", NULL);
  fake_xml_set (device, "mode", "subsystem");
  fake_xml_set (device, "type", "pci");
  fake_xml_set (device, "managed", "no");
  fake_xml_set_address (fake_xml_required (fake_xml_required (device, "source"), "address"), &host);
  fake_xml_set (fake_xml_required (device, "alias"), "name", "net9");
  fake_xml_set (fake_xml_required (device, "address"), "type", "pci");
  fake_xml_set_address (mfp_xml_child (device, "address"), &zero);
  fake_qemu_add (domain, "net9", &host, &zero);
  fake_qemu_enumerate (fake, domain, &zero);
}

static char *
device_add (Fake *fake, FakeDomain *domain, JsonObject *arguments)
{
  const char *driver = argument (arguments, "driver"), *host = argument (arguments, "host");
  const char *bus = argument (arguments, "bus"), *id = argument (arguments, "id");
  FakeQemuDevice wanted = { .id = (char *) id };
  g_autofree char *message = NULL;

  if (g_strcmp0 (driver, "vfio-pci") != 0)
    return answer_error ("GenericError", "'%s' is not a valid device model name", driver);
  if (!id || !host || !mfp_pci_address_parse (host, &wanted.host, NULL))
    return answer_error ("GenericError", "No provided host device");
  if (!read_place (domain, arguments, &wanted.guest))
    return answer_error ("GenericError", "Bus '%s' not found", bus);
  if (!fake_qemu_plug (fake, domain, &wanted, is_multifunction (arguments), &message))
    return answer_error ("GenericError", "%s", message);
  send_stranger (fake, domain, &wanted.guest);
  return answer_nothing ();
}

static char *
device_del (Fake *fake, FakeDomain *domain, JsonObject *arguments)
{
  const char *id = argument (arguments, "id");
  FakeQemuDevice *device = id ? fake_qemu_find (domain, id) : NULL;
  g_autofree char *message = NULL;

  if (!device)
    return answer_error ("DeviceNotFound", "Device '%s' not found", id);
  return fake_qemu_unplug (fake, domain, device, &message)
             ? answer_nothing ()
             : answer_error ("GenericError", "%s", message);
}

/* ---- queries ---- */

static char *
qom_list (const FakeDomain *domain)
{
  g_autoptr (GString) text
      = g_string_new ("{\"return\":[{\"name\":\"type\",\"type\":\"string\"}");

  for (guint i = 0; i < domain->qemu->len; i++)
    {
      const FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);

      g_string_append_printf (text, ",{\"name\":\"%s\",\"type\":\"child<%s>\"}", device->id,
                              device->is_vfio ? "vfio-pci" : "device");
    }
  g_string_append (text, "],\"id\":\"libvirt-1\"}");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static char *
query_version (const FakeDomain *domain)
{
  return g_strdup_printf ("{\"return\":{\"qemu\":{\"micro\":0,\"minor\":%u,\"major\":%u},"
                          "\"package\":\"\"},\"id\":\"libvirt-1\"}",
                          domain->version_minor, domain->version_major);
}

static void append_bus (GString *text, Fake *fake, const FakeDomain *domain, guint bus);

/* A port or a bridge, with the devices behind it. */
static void
append_bridge (GString *text, Fake *fake, const FakeDomain *domain, guint bus)
{
  gint64 base = G_GINT64_CONSTANT (0xfc000000) + (gint64) bus * WINDOW;
  gint64 pref = G_GINT64_CONSTANT (0x800000000) + (gint64) bus * WINDOW;

  g_string_append_printf (text, ",\"regions\":[],\"pci_bridge\":{\"bus\":{\"number\":0,"
                                "\"secondary\":%u,\"subordinate\":%u,"
                                "\"io_range\":{\"base\":4096,\"limit\":8191},"
                                "\"memory_range\":{\"base\":%" G_GINT64_FORMAT
                                ",\"limit\":%" G_GINT64_FORMAT "},"
                                "\"prefetchable_range\":{\"base\":%" G_GINT64_FORMAT
                                ",\"limit\":%" G_GINT64_FORMAT "}},\"devices\":",
                          bus, bus, base, base + WINDOW - 1, pref, pref + WINDOW - 1);
  append_bus (text, fake, domain, bus);
  g_string_append (text, "}");
}

static void
append_bars (GString *text, Fake *fake, const FakeQemuDevice *device)
{
  gint64 address = device->enumerated_at <= fake->clock
                       ? G_GINT64_CONSTANT (0xfe000000) + device->guest.function * 0x20000
                       : -1;

  g_string_append_printf (text, ",\"regions\":[{\"bar\":0,\"type\":\"memory\",\"size\":131072,"
                                "\"address\":%" G_GINT64_FORMAT ",\"prefetch\":false,"
                                "\"mem_type_64\":false}]",
                          address);
}

/* Whether @id is the alias of a PCI controller below a root. @bus: (out): its bus. */
static gboolean
is_bridge (const FakeDomain *domain, const char *id, guint *bus)
{
  const xmlNode *device = fake_device_by_alias (domain->live, id);

  return device && fake_device_is_pci_controller (device)
         && mfp_xml_attribute_uint (device, "index", G_MAXUINT, bus) && *bus != 0;
}

static void
append_device (GString *text, Fake *fake, const FakeDomain *domain, const FakeQemuDevice *device)
{
  guint bus;

  g_string_append_printf (text, "{\"bus\":%u,\"slot\":%u,\"function\":%u,\"qdev_id\":\"%s\"",
                          (guint) device->guest.bus, (guint) device->guest.slot,
                          (guint) device->guest.function, device->id);
  if (is_bridge (domain, device->id, &bus))
    append_bridge (text, fake, domain, bus);
  else
    append_bars (text, fake, device);
  g_string_append (text, "}");
}

static void
append_bus (GString *text, Fake *fake, const FakeDomain *domain, guint bus)
{
  gboolean first = TRUE;

  g_string_append (text, "[");
  for (guint i = 0; i < domain->qemu->len; i++)
    {
      const FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);

      if (device->guest.bus != bus)
        continue;
      g_string_append (text, first ? "" : ",");
      append_device (text, fake, domain, device);
      first = FALSE;
    }
  g_string_append (text, "]");
}

/* Lists the root buses, which are below no other bus. */
static char *
query_pci (Fake *fake, const FakeDomain *domain)
{
  g_autoptr (GString) text = g_string_new ("{\"return\":[");
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (domain->live));
  const char *comma = "";

  for (; device; device = mfp_xml_next_element (device))
    {
      guint bus;
      MfpPciAddress guest;

      if (!fake_device_is_pci_controller (device) || fake_device_guest (device, &guest)
          || !mfp_xml_attribute_uint (device, "index", G_MAXUINT8, &bus))
        continue;
      g_string_append_printf (text, "%s{\"bus\":%u,\"devices\":", comma, bus);
      append_bus (text, fake, domain, bus);
      g_string_append (text, "}");
      comma = ",";
    }
  g_string_append (text, "],\"id\":\"libvirt-1\"}");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

char *
fake_qmp_answer (Fake *fake, FakeDomain *domain, const char *command)
{
  g_autoptr (JsonNode) node = json_from_string (command, NULL);
  JsonObject *object = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *name = object ? argument (object, "execute") : NULL;
  JsonObject *arguments = object && json_object_has_member (object, "arguments")
                              ? json_object_get_object_member (object, "arguments")
                              : NULL;

  if (g_strcmp0 (name, "device_add") == 0 && arguments)
    return device_add (fake, domain, arguments);
  if (g_strcmp0 (name, "device_del") == 0 && arguments)
    return device_del (fake, domain, arguments);
  if (g_strcmp0 (name, "qom-list") == 0)
    return qom_list (domain);
  if (g_strcmp0 (name, "query-pci") == 0)
    return query_pci (fake, domain);
  if (g_strcmp0 (name, "query-version") == 0)
    return query_version (domain);
  return answer_error ("CommandNotFound", "The command %s has not been found", name);
}
