/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/guest-pci.h"

#include "base/error.h"
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
                       && mfp_xml_address (address, &device.address);
  device.holds_host
      = ((mfp_xml_is (node, "hostdev") && mfp_xml_attribute_is (node, "type", "pci"))
         || (mfp_xml_is (node, "interface") && mfp_xml_attribute_is (node, "type", "hostdev"))
         || (mfp_xml_is (node, "disk") && mfp_xml_attribute_is (node, "type", "nvme")))
        && mfp_xml_address (mfp_xml_child (mfp_xml_child (node, "source"), "address"),
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
parse_metadata (MfpGuest *guest, const xmlNode *node)
{
  MfpRecord *record = mfp_record_parse (node);

  if (record)
    g_ptr_array_add (guest->records, record);
}

static void
parse_os (MfpGuest *guest, const xmlNode *os)
{
  const xmlNode *type = mfp_xml_child (os, "type");

  guest->arch = mfp_xml_attribute (type, "arch");
  guest->machine = mfp_xml_attribute (type, "machine");
}

/* Where the reader is. */
typedef enum
{
  IN_DOMAIN,
  IN_DEVICES,
  IN_METADATA,
} Section;

/* Whether the element that the reader is at is of use to parse_element(). */
static gboolean
is_wanted (xmlTextReader *reader, Section section)
{
  const char *name = (const char *) xmlTextReaderConstLocalName (reader);
  const char *uri = (const char *) xmlTextReaderConstNamespaceUri (reader);

  if (section == IN_DOMAIN)
    return strcmp (name, "name") == 0 || strcmp (name, "os") == 0;
  return section == IN_DEVICES || (uri && g_str_has_prefix (uri, MFP_RECORD_NAMESPACE));
}

static void
parse_element (MfpGuest *guest, Section section, xmlNode *node)
{
  if (section == IN_DEVICES)
    parse_device (guest, node);
  else if (section == IN_METADATA)
    parse_metadata (guest, node);
  else if (mfp_xml_is (node, "name") && !guest->name)
    guest->name = mfp_xml_text (node);
  else if (mfp_xml_is (node, "os") && !guest->arch && !guest->machine)
    parse_os (guest, node);
}

/* Reads the attributes of <domain>, at which the reader is. */
static gboolean
parse_domain (MfpGuest *guest, xmlTextReader *reader)
{
  const xmlNode *node = xmlTextReaderCurrentNode (reader);

  guest->type = mfp_xml_attribute (node, "type");
  guest->id = mfp_xml_attribute (node, "id");
  return mfp_xml_is (node, "domain");
}

/* Takes what is of use from the element that the reader is at, and moves on:
 * into <domain>, <devices> and <metadata>, past all else, of which one subtree
 * at a time is in memory. Returns what xmlTextReaderRead() does. */
static int
read_element (MfpGuest *guest, xmlTextReader *reader, Section *section)
{
  const char *name = (const char *) xmlTextReaderConstLocalName (reader);
  int depth = xmlTextReaderDepth (reader);

  if (depth == 0)
    return parse_domain (guest, reader) ? xmlTextReaderRead (reader) : -1;
  if (depth == 1)
    *section = strcmp (name, "devices") == 0    ? IN_DEVICES
               : strcmp (name, "metadata") == 0 ? IN_METADATA
                                                : IN_DOMAIN;
  if (depth == 1 && *section != IN_DOMAIN)
    return xmlTextReaderRead (reader);
  if (is_wanted (reader, *section))
    {
      xmlNode *node = xmlTextReaderExpand (reader);

      if (!node)
        return -1;
      parse_element (guest, *section, node);
    }
  return xmlTextReaderNext (reader);
}

static gboolean
read_domain (MfpGuest *guest, xmlTextReader *reader)
{
  Section section = IN_DOMAIN;
  int more = xmlTextReaderRead (reader);

  while (more == 1)
    {
      /* libvirt writes none, and its entities could grow without end. */
      if (xmlTextReaderNodeType (reader) == XML_READER_TYPE_DOCUMENT_TYPE)
        return FALSE;
      more = xmlTextReaderNodeType (reader) == XML_READER_TYPE_ELEMENT
                 ? read_element (guest, reader, &section)
                 : xmlTextReaderRead (reader);
    }
  return more == 0 && guest->type && guest->name;
}

MfpGuest *
mfp_guest_parse (const char *xml, GError **error)
{
  g_autoptr (MfpGuest) guest = g_new0 (MfpGuest, 1);
  g_autoptr (xmlTextReader) reader = mfp_xml_reader_new (xml, strlen (xml));

  guest->buses = g_ptr_array_new_with_free_func (bus_free);
  guest->devices = g_ptr_array_new_with_free_func (device_free);
  guest->records = g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_record_free);
  if (reader && read_domain (guest, reader))
    return g_steal_pointer (&guest);
  if (xmlGetLastError () || !reader)
    mfp_xml_set_error (error, "domain XML");
  else
    g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED,
                         "domain XML: this is no <domain> with a type and a name");
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
  gboolean past = after == NULL;

  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (past && device->has_address
          && mfp_pci_address_same_slot (&device->address, slot))
        return device;
      past = past || device == after;
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
