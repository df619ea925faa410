/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/host-use.h"

#include "base/error.h"
#include "base/xml.h"

/* Base classes of the PCI Code and ID Assignment Specification. */
#define CLASS_STORAGE 0x01
#define CLASS_NETWORK 0x02
#define CLASS_DISPLAY 0x03
#define CLASS_SERIAL_BUS 0x0c /* USB, FireWire, Fibre Channel */
/* libvirt adds the address of an interface to its name (udevProcessNetworkInterface()). */
#define MAC "(_[0-9a-f]{2})+"
#define BASE_CLASS(class_code) ((class_code) >> 16)
#define SUBCLASS(class_code) ((class_code) >> 8) /* with the base class */
#define SUBCLASS_SD 0x0805                       /* SD host controller */

static char *
describe_network (const xmlNode *net)
{
  g_autofree char *name = mfp_xml_text (mfp_xml_child (net, "interface"));

  if (!name || !mfp_xml_attribute_is (mfp_xml_child (net, "link"), "state", "up"))
    return NULL;
  return g_strdup_printf ("network interface %s, which is up", name);
}

static char *
describe_disk (const xmlNode *storage)
{
  g_autofree char *path = mfp_xml_text (mfp_xml_child (storage, "block"));
  g_autofree char *type = mfp_xml_text (mfp_xml_child (storage, "drive_type"));

  return path && (g_strcmp0 (type, "disk") == 0 || g_strcmp0 (type, "sd") == 0)
             ? g_strdup_printf ("disk %s", path)
             : NULL;
}

/* A graphics card has a primary node, and further nodes for rendering. */
static char *
describe_display (const xmlNode *device, const xmlNode *drm)
{
  g_autofree char *type = mfp_xml_text (mfp_xml_child (drm, "type"));
  g_autofree char *path = mfp_xml_text (mfp_xml_child (device, "devnode"));

  return path && g_strcmp0 (type, "primary") == 0 ? g_strdup_printf ("display %s", path) : NULL;
}

static char *
describe (const xmlNode *device)
{
  const xmlNode *capability = mfp_xml_child (device, "capability");

  if (mfp_xml_attribute_is (capability, "type", "net"))
    return describe_network (capability);
  if (mfp_xml_attribute_is (capability, "type", "storage"))
    return describe_disk (capability);
  if (mfp_xml_attribute_is (capability, "type", "drm"))
    return describe_display (device, capability);
  return NULL;
}

MfpHostUse *
mfp_host_use_parse (const char *xml, GError **error)
{
  g_autoptr (xmlDoc) doc = mfp_xml_parse_large (xml, "node device", error);
  g_autoptr (MfpHostUse) use = g_new0 (MfpHostUse, 1);
  const xmlNode *root;

  if (!doc)
    return NULL;
  root = xmlDocGetRootElement (doc);
  use->parent = mfp_xml_text (mfp_xml_child (root, "parent"));
  if (!use->parent)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_FAILED,
                           "a libvirt node device has no parent");
      return NULL;
    }
  use->text = describe (root);
  return g_steal_pointer (&use);
}

void
mfp_host_use_free (MfpHostUse *use)
{
  if (!use)
    return;
  g_free (use->parent);
  g_free (use->text);
  g_free (use);
}

gboolean
mfp_host_use_is_of (const MfpHostUse *use, const MfpPciAddress *host)
{
  MfpPciAddress address;

  return mfp_pci_address_parse_node_name (use->parent, &address)
         && mfp_pci_address_equal (&address, host);
}

/* The number that a group of the match has; 0: the group has none. */
static guint
group_number (const GMatchInfo *match, const char *group)
{
  g_autofree char *text = g_match_info_fetch_named (match, group);
  guint64 number = 0;

  if (text && *text)
    g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT16, &number, NULL);
  return (guint) number;
}

/* The function that udev named the interface after. FALSE: its name says something else. */
static gboolean
parse_interface (const char *name, MfpPciAddress *address)
{
  static const char pattern[] = "^net_[a-z]{2}(P(?<domain>\\d+))?p(?<bus>\\d+)s(?<slot>\\d+)"
                                "(f(?<function>\\d+))?((np|d)[0-9a-z]+)?" MAC "$";
  g_autoptr (GRegex) regex = g_regex_new (pattern, 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;

  if (!g_regex_match (regex, name, 0, &match))
    return FALSE;
  *address = (MfpPciAddress){
    .domain = (guint16) group_number (match, "domain"),
    .bus = (guint8) group_number (match, "bus"),
    .slot = (guint8) group_number (match, "slot"),
    .function = (guint8) group_number (match, "function"),
  };
  return TRUE;
}

gboolean
mfp_interface_may_be_of (const char *name, const GArray *functions)
{
  MfpPciAddress address;

  if (g_regex_match_simple ("^net_(lo|(vnet|macvtap|virbr)\\d+)" MAC "$", name, 0, 0))
    return FALSE;
  return !parse_interface (name, &address) || mfp_pci_addresses_contain (functions, &address);
}

gboolean
mfp_class_has_networks (guint class_code)
{
  return BASE_CLASS (class_code) == CLASS_NETWORK;
}

gboolean
mfp_class_has_disks (guint class_code)
{
  return BASE_CLASS (class_code) == CLASS_STORAGE || BASE_CLASS (class_code) == CLASS_SERIAL_BUS
         || SUBCLASS (class_code) == SUBCLASS_SD;
}

gboolean
mfp_class_has_displays (guint class_code)
{
  return BASE_CLASS (class_code) == CLASS_DISPLAY;
}

const char *
mfp_class_describe_controller (guint class_code)
{
  if (BASE_CLASS (class_code) == CLASS_DISPLAY)
    return "a display controller";
  return BASE_CLASS (class_code) == CLASS_STORAGE ? "a storage controller" : NULL;
}
