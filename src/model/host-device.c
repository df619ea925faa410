/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/host-device.h"

#include "base/error.h"
#include "base/xml.h"

#include <string.h>

#define CLASS_MAX 0xffffff /* 24 bits */

static xmlNode *
child_capability (const xmlNode *node, const char *type)
{
  for (xmlNode *child = mfp_xml_first_element (node); child;
       child = mfp_xml_next_element (child))
    if (mfp_xml_is (child, "capability") && mfp_xml_attribute_is (child, "type", type))
      return child;
  return NULL;
}

/* The class code in @text (nullable), or 0: unknown. */
static guint
parse_class (const char *text)
{
  guint64 code = text ? g_ascii_strtoull (text, NULL, 16) : 0;

  return code <= CLASS_MAX ? (guint) code : 0;
}

/* Adds the <address> elements of @node (nullable) to @addresses. */
static void
parse_addresses (const xmlNode *node, GArray *addresses)
{
  for (xmlNode *child = mfp_xml_first_element (node); child;
       child = mfp_xml_next_element (child))
    {
      MfpPciAddress address;

      if (mfp_pci_address_from_xml (child, &address))
        g_array_append_val (addresses, address);
    }
}

static void
parse_group (const xmlNode *node, MfpHostFunction *function)
{
  guint number;

  if (!node || !mfp_xml_attribute_uint (node, "number", G_MAXINT, &number))
    return;
  function->iommu_group = (int) number;
  parse_addresses (node, function->group);
}

MfpHostFunction *
mfp_host_function_parse (const char *xml, GError **error)
{
  g_autoptr (xmlDoc) doc = mfp_xml_parse_large (xml, "node device", error);
  g_autoptr (MfpHostFunction) function = g_new0 (MfpHostFunction, 1);
  g_autofree char *name = NULL, *class_code = NULL;
  const xmlNode *root, *pci;

  function->iommu_group = MFP_NO_IOMMU_GROUP;
  function->group = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  function->virtual_functions = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  if (!doc)
    return NULL;

  root = xmlDocGetRootElement (doc);
  pci = child_capability (root, "pci");
  name = mfp_xml_text (mfp_xml_child (root, "name"));
  if (!pci || !name || !mfp_pci_address_parse_node_name (name, &function->address))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                   "libvirt's node device '%s' is not a PCI device", name ? name : "?");
      return NULL;
    }

  function->driver = mfp_xml_text (mfp_xml_child (mfp_xml_child (root, "driver"), "name"));
  function->vendor = mfp_xml_text (mfp_xml_child (pci, "vendor"));
  function->product = mfp_xml_text (mfp_xml_child (pci, "product"));
  class_code = mfp_xml_text (mfp_xml_child (pci, "class"));
  function->class_code = parse_class (class_code);
  function->is_bridge = child_capability (pci, "pci-bridge")
                        || child_capability (pci, "cardbus-bridge");
  function->is_virtual = child_capability (pci, "phys_function") != NULL;
  parse_addresses (child_capability (pci, "virt_functions"), function->virtual_functions);
  parse_group (mfp_xml_child (pci, "iommuGroup"), function);
  return g_steal_pointer (&function);
}

void
mfp_host_function_free (MfpHostFunction *function)
{
  if (!function)
    return;
  g_free (function->driver);
  g_free (function->vendor);
  g_free (function->product);
  g_array_unref (function->group);
  g_array_unref (function->virtual_functions);
  g_free (function);
}

gboolean
mfp_driver_is_vfio (const char *driver)
{
  g_autofree char *name = NULL;

  if (!driver)
    return FALSE;
  name = g_strdelimit (g_strdup (driver), "-", '_');
  return strcmp (name, "vfio_pci") == 0 || g_str_has_prefix (name, "vfio_pci_")
         || g_str_has_suffix (name, "_vfio_pci");
}

gboolean
mfp_host_function_shares_group (const MfpHostFunction *function, const GArray *addresses)
{
  for (guint i = 0; i < function->group->len; i++)
    if (mfp_pci_addresses_contain (addresses, &g_array_index (function->group, MfpPciAddress, i)))
      return TRUE;
  return FALSE;
}

gboolean
mfp_host_function_allows_group (const MfpHostFunction *function)
{
  return function->is_bridge || !function->driver
         || strcmp (function->driver, "pci-stub") == 0
         || strcmp (function->driver, "pcieport") == 0
         || mfp_driver_is_vfio (function->driver);
}

const MfpHostFunction *
mfp_host_function_find (const GPtrArray *functions, const MfpPciAddress *address)
{
  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);

      if (mfp_pci_address_equal (&function->address, address))
        return function;
    }
  return NULL;
}

GArray *
mfp_host_functions_list_group_others (const GPtrArray *functions)
{
  GArray *others = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);

      for (guint j = 0; j < function->group->len; j++)
        {
          const MfpPciAddress *member = &g_array_index (function->group, MfpPciAddress, j);

          if (!mfp_host_function_find (functions, member)
              && !mfp_pci_addresses_contain (others, member))
            g_array_append_val (others, *member);
        }
    }
  g_array_sort (others, mfp_pci_address_compare);
  return others;
}
