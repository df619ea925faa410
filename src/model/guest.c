/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/guest.h"

#include "base/error.h"
#include "base/json.h"
#include "base/xml.h"

#include <string.h>

static const char *const model_names[] = {
  [MFP_BUS_PCI_ROOT] = "pci-root",
  [MFP_BUS_PCIE_ROOT] = "pcie-root",
  [MFP_BUS_PCI_BRIDGE] = "pci-bridge",
  [MFP_BUS_DMI_TO_PCI_BRIDGE] = "dmi-to-pci-bridge",
  [MFP_BUS_PCIE_TO_PCI_BRIDGE] = "pcie-to-pci-bridge",
  [MFP_BUS_PCIE_ROOT_PORT] = "pcie-root-port",
  [MFP_BUS_PCIE_SWITCH_UPSTREAM_PORT] = "pcie-switch-upstream-port",
  [MFP_BUS_PCIE_SWITCH_DOWNSTREAM_PORT] = "pcie-switch-downstream-port",
  [MFP_BUS_PCI_EXPANDER_BUS] = "pci-expander-bus",
  [MFP_BUS_PCIE_EXPANDER_BUS] = "pcie-expander-bus",
  [MFP_BUS_UNKNOWN] = "unknown",
};

const char *
mfp_bus_model_name (MfpBusModel model)
{
  return model_names[model];
}

static void
bus_free (gpointer data)
{
  MfpBus *bus = data;

  g_free (bus->alias);
  g_free (bus);
}

static void
device_free (gpointer data)
{
  MfpGuestDevice *device = data;

  g_free (device->what);
  g_free (device->alias);
  g_free (device->xml);
  g_free (device);
}

void
mfp_guest_free (MfpGuest *guest)
{
  if (!guest)
    return;
  g_free (guest->name);
  g_free (guest->id);
  g_free (guest->type);
  g_free (guest->arch);
  g_free (guest->machine);
  g_ptr_array_unref (guest->buses);
  g_ptr_array_unref (guest->devices);
  g_ptr_array_unref (guest->records);
  g_free (guest);
}

static MfpBusModel
bus_model (const char *name)
{
  for (guint i = 0; i < MFP_BUS_UNKNOWN; i++)
    if (g_strcmp0 (model_names[i], name) == 0)
      return (MfpBusModel) i;
  return MFP_BUS_UNKNOWN;
}

/* A bus without an index, or with that of another, cannot be addressed. */
static void
parse_bus (MfpGuest *guest, const xmlNode *node)
{
  g_autofree char *model = mfp_xml_attribute (node, "model");
  const xmlNode *target = mfp_xml_child (node, "target");
  MfpBus *bus;
  guint index;

  if (!mfp_xml_attribute_uint (node, "index", G_MAXUINT8, &index) || mfp_guest_bus (guest, index))
    return;
  bus = g_new0 (MfpBus, 1);
  bus->index = index;
  bus->model = bus_model (model);
  bus->alias = mfp_xml_attribute (mfp_xml_child (node, "alias"), "name");
  bus->hotplug = !target || !mfp_xml_attribute_is (target, "hotplug", "off");
  if (target)
    mfp_xml_attribute_uint (target, "index", G_MAXUINT8, &bus->phb);
  g_ptr_array_add (guest->buses, bus);
}

static void
parse_device (MfpGuest *guest, xmlNode *node)
{
  const xmlNode *address = mfp_xml_child (node, "address");
  MfpGuestDevice device = { 0 };

  if (mfp_xml_is (node, "controller") && mfp_xml_attribute_is (node, "type", "pci"))
    parse_bus (guest, node);
  if (mfp_xml_is (node, "iommu"))
    guest->has_iommu = TRUE;

  device.has_address = address && mfp_xml_attribute_is (address, "type", "pci")
                       && mfp_pci_address_from_xml (address, &device.address);
  device.holds_host
      = ((mfp_xml_is (node, "hostdev") && mfp_xml_attribute_is (node, "type", "pci"))
         || (mfp_xml_is (node, "interface") && mfp_xml_attribute_is (node, "type", "hostdev"))
         || (mfp_xml_is (node, "disk") && mfp_xml_attribute_is (node, "type", "nvme")))
        && mfp_pci_address_from_xml (mfp_xml_child (mfp_xml_child (node, "source"), "address"),
                            &device.host);
  device.is_hostdev = device.holds_host && mfp_xml_is (node, "hostdev");
  if (!device.has_address && !device.holds_host)
    return;

  device.what = g_strdup ((const char *) node->name);
  device.alias = mfp_xml_attribute (mfp_xml_child (node, "alias"), "name");
  if (device.is_hostdev)
    {
      device.managed = mfp_xml_attribute_is (node, "managed", "yes");
      device.xml = mfp_xml_serialize (node);
    }
  g_ptr_array_add (guest->devices, g_memdup2 (&device, sizeof device));
}

static void
parse_devices (MfpGuest *guest, const xmlNode *devices)
{
  for (xmlNode *node = mfp_xml_first_element (devices); node; node = mfp_xml_next_element (node))
    parse_device (guest, node);
}

/* Reads the host address of @value, an argument of QEMU's -device: "vfio-pci,host=01:00.0,...",
 * or the same as JSON. */
static gboolean
parse_vfio_device (const char *value, MfpPciAddress *host)
{
  g_autoptr (JsonNode) json = *value == '{' ? mfp_json_parse (value) : NULL;
  const char *driver = mfp_json_string_member (json, "driver");
  g_auto (GStrv) words = g_strsplit (value, ",", -1);

  if (driver)
    return g_str_has_prefix (driver, "vfio-pci") && mfp_json_string_member (json, "host")
           && mfp_pci_address_parse (mfp_json_string_member (json, "host"), host, NULL);
  if (!g_str_has_prefix (value, "vfio-pci"))
    return FALSE;
  for (guint i = 0; words[i]; i++)
    if (g_str_has_prefix (words[i], "host="))
      return mfp_pci_address_parse (words[i] + strlen ("host="), host, NULL);
  return FALSE;
}

/* The host functions that a domain gives to QEMU without libvirt's knowledge, by arguments of
 * <qemu:commandline>. */
static void
parse_commandline (MfpGuest *guest, const xmlNode *commandline)
{
  for (const xmlNode *node = mfp_xml_first_element (commandline); node;
       node = mfp_xml_next_element (node))
    {
      g_autofree char *value = mfp_xml_attribute (node, "value");
      MfpGuestDevice device = { .holds_host = TRUE };

      if (!value || !mfp_xml_is (node, "arg") || !parse_vfio_device (value, &device.host))
        continue;
      device.what = g_strdup ("qemu:commandline");
      g_ptr_array_add (guest->devices, g_memdup2 (&device, sizeof device));
    }
}

static void
parse_metadata (MfpGuest *guest, const xmlNode *metadata)
{
  for (const xmlNode *node = mfp_xml_first_element (metadata); node;
       node = mfp_xml_next_element (node))
    {
      MfpRecord *record = mfp_record_parse (node);

      if (record)
        g_ptr_array_add (guest->records, record);
    }
}

static void
parse_os (MfpGuest *guest, const xmlNode *os)
{
  const xmlNode *type = mfp_xml_child (os, "type");

  guest->arch = mfp_xml_attribute (type, "arch");
  guest->machine = mfp_xml_attribute (type, "machine");
}

static gboolean
parse_domain (MfpGuest *guest, const xmlNode *domain)
{
  if (!mfp_xml_is (domain, "domain"))
    return FALSE;
  guest->type = mfp_xml_attribute (domain, "type");
  guest->id = mfp_xml_attribute (domain, "id");
  guest->name = mfp_xml_text (mfp_xml_child (domain, "name"));
  guest->uses_iommufd
      = mfp_xml_attribute_is (mfp_xml_child (domain, "iommufd"), "enabled", "yes");
  parse_os (guest, mfp_xml_child (domain, "os"));
  parse_metadata (guest, mfp_xml_child (domain, "metadata"));
  parse_devices (guest, mfp_xml_child (domain, "devices"));
  parse_commandline (guest, mfp_xml_child (domain, "commandline"));
  return guest->type && guest->name;
}

MfpGuest *
mfp_guest_parse (const char *xml, GError **error)
{
  g_autoptr (MfpGuest) guest = g_new0 (MfpGuest, 1);
  g_autoptr (xmlDoc) doc = mfp_xml_parse_large (xml, "domain XML", error);

  guest->buses = g_ptr_array_new_with_free_func (bus_free);
  guest->devices = g_ptr_array_new_with_free_func (device_free);
  guest->records = g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_record_free);
  if (!doc)
    return NULL;
  if (parse_domain (guest, xmlDocGetRootElement (doc)))
    return g_steal_pointer (&guest);
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED,
                       "domain XML: this is not a <domain> with a type and a name");
  return NULL;
}

const MfpBus *
mfp_guest_bus (const MfpGuest *guest, guint index)
{
  for (guint i = 0; i < guest->buses->len; i++)
    {
      const MfpBus *bus = g_ptr_array_index (guest->buses, i);

      if (bus->index == index)
        return bus;
    }
  return NULL;
}

const MfpGuestDevice *
mfp_guest_find_host (const MfpGuest *guest, const MfpPciAddress *host)
{
  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (device->is_hostdev && mfp_pci_address_equal (&device->host, host))
        return device;
    }
  return NULL;
}

const MfpGuestDevice *
mfp_guest_find_alias (const MfpGuest *guest, const char *alias)
{
  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (g_strcmp0 (device->alias, alias) == 0)
        return device;
    }
  return NULL;
}

const MfpGuestDevice *
mfp_guest_find_holder (const MfpGuest *guest, const MfpPciAddress *host)
{
  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (device->holds_host && mfp_pci_address_equal (&device->host, host))
        return device;
    }
  return NULL;
}

static gboolean
owns (const MfpGuest *guest, const MfpPciAddress *host)
{
  if (mfp_guest_find_holder (guest, host))
    return TRUE;
  for (guint i = 0; i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);

      if (!record->claiming && mfp_record_find (record, host))
        return TRUE;
    }
  return FALSE;
}

const MfpGuest *
mfp_guests_find_owner (const GPtrArray *guests, const MfpPciAddress *host)
{
  for (guint i = 0; i < guests->len; i++)
    {
      const MfpGuest *guest = g_ptr_array_index (guests, i);

      if (owns (guest, host))
        return guest;
    }
  return NULL;
}

GArray *
mfp_guest_list_held (const MfpGuest *guest)
{
  GArray *held = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (device->holds_host)
        g_array_append_val (held, device->host);
    }
  return held;
}

const MfpGuestDevice *
mfp_guest_next_in_slot (const MfpGuest *guest, const MfpPciAddress *slot,
                        const MfpGuestDevice *after)
{
  guint i = 0;

  if (after && g_ptr_array_find (guest->devices, after, &i))
    i++;
  for (; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (device->has_address && mfp_pci_address_same_slot (&device->address, slot))
        return device;
    }
  return NULL;
}

const MfpRecord *
mfp_guest_find_record (const MfpGuest *guest, const MfpPciAddress *host)
{
  for (guint i = 0; i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);

      if (mfp_record_find (record, host))
        return record;
    }
  return NULL;
}

char *
mfp_guest_device_describe (const MfpGuestDevice *device)
{
  if (device->is_hostdev)
    {
      g_autofree char *host = mfp_pci_address_format (&device->host);

      return g_strdup_printf ("hostdev %s", host);
    }
  return device->alias ? g_strdup_printf ("%s %s", device->what, device->alias)
                       : g_strdup (device->what);
}

gboolean
mfp_guest_is_pseries (const MfpGuest *guest)
{
  return guest->machine && strstr (guest->machine, "pseries") != NULL;
}

char *
mfp_guest_bus_qemu_name (const MfpGuest *guest, const MfpBus *bus)
{
  gboolean is_pseries = mfp_guest_is_pseries (guest);

  if (!bus)
    return NULL;
  if (bus->model == MFP_BUS_PCIE_ROOT)
    return g_strdup ("pcie.0");
  if (bus->model == MFP_BUS_PCI_ROOT && (!is_pseries || bus->phb == 0))
    return g_strdup ("pci.0");
  if (!bus->alias)
    return NULL;
  return bus->model == MFP_BUS_PCI_ROOT ? g_strconcat (bus->alias, ".0", NULL)
                                        : g_strdup (bus->alias);
}
