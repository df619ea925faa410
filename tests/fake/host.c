/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <string.h>

/* The <capability type='@type'> below @node, or NULL. */
static xmlNode *
capability (const xmlNode *node, const char *type)
{
  for (xmlNode *child = mfp_xml_first_element (node); child; child = mfp_xml_next_element (child))
    if (mfp_xml_is (child, "capability") && mfp_xml_attribute_is (child, "type", type))
      return child;
  return NULL;
}

static void
read_pci (FakeNode *node, const xmlNode *pci)
{
  guint number;

  node->is_pci = mfp_pci_address_parse_node_name (node->name, &node->address);
  if (!node->is_pci)
    g_error ("the PCI device '%s' has another name than libvirt gives", node->name);
  if (mfp_xml_attribute_uint (mfp_xml_child (pci, "iommuGroup"), "number", G_MAXINT, &number))
    node->group = (int) number;
}

FakeNode *
fake_node_new (xmlNode *device)
{
  FakeNode *node = g_new0 (FakeNode, 1);
  xmlNode *driver, *pci;

  node->doc = fake_xml_copy (device);
  device = fake_xml_root (node->doc);
  mfp_xml_strip (device);
  node->group = FAKE_NO_GROUP;
  node->name = fake_xml_child_text (device, "name");
  if (!node->name)
    g_error ("a <device> of the fake's file has no <name>");
  driver = mfp_xml_child (device, "driver");
  node->driver = driver ? fake_xml_child_text (driver, "name") : NULL;
  fake_xml_remove (driver);
  pci = capability (device, "pci");
  if (pci)
    read_pci (node, pci);
  return node;
}

void
fake_node_free (gpointer data)
{
  FakeNode *node = data;

  g_free (node->name);
  g_free (node->driver);
  g_free (node->host_driver);
  xmlFreeDoc (node->doc);
  g_free (node);
}

FakeNode *
fake_node_find (Fake *fake, const char *name)
{
  for (guint i = 0; i < fake->nodes->len; i++)
    {
      FakeNode *node = g_ptr_array_index (fake->nodes, i);

      if (strcmp (node->name, name) == 0)
        return node;
    }
  return NULL;
}

FakeNode *
fake_host_find (Fake *fake, const MfpPciAddress *address)
{
  for (guint i = 0; i < fake->nodes->len; i++)
    {
      FakeNode *node = g_ptr_array_index (fake->nodes, i);

      if (node->is_pci && mfp_pci_address_equal (&node->address, address))
        return node;
    }
  return NULL;
}

void
fake_host_set_driver (FakeNode *node, const char *driver)
{
  char *copy = g_strdup (driver);

  g_free (node->driver);
  node->driver = copy;
}

gboolean
fake_driver_is_vfio (const char *driver)
{
  return driver && strstr (driver, "vfio");
}

/* Drivers that the kernel allows in an IOMMU group that VFIO uses: see vfio_driver_allowed[],
 * and driver_managed_dma of the pcieport driver. */
static gboolean
is_harmless (const char *driver)
{
  return !driver || fake_driver_is_vfio (driver) || strcmp (driver, "pci-stub") == 0
         || strcmp (driver, "pcieport") == 0;
}

gboolean
fake_group_is_viable (Fake *fake, int group)
{
  for (guint i = 0; i < fake->nodes->len; i++)
    {
      const FakeNode *node = g_ptr_array_index (fake->nodes, i);

      if (node->is_pci && node->group == group && !is_harmless (node->driver))
        return FALSE;
    }
  return TRUE;
}

static gboolean
qemu_has_group (Fake *fake, const FakeDomain *domain, int group)
{
  for (guint i = 0; i < domain->qemu->len; i++)
    {
      const FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);
      const FakeNode *node = device->is_vfio ? fake_host_find (fake, &device->host) : NULL;

      if (node && node->group == group && group != FAKE_NO_GROUP)
        return TRUE;
    }
  return FALSE;
}

FakeDomain *
fake_group_user (Fake *fake, int group)
{
  for (guint i = 0; i < fake->domains->len; i++)
    {
      FakeDomain *domain = g_ptr_array_index (fake->domains, i);

      if (qemu_has_group (fake, domain, group))
        return domain;
    }
  return NULL;
}

gboolean
fake_group_is_held (Fake *fake, int group)
{
  const gint64 *until = g_hash_table_lookup (fake->held_until, GINT_TO_POINTER (group));

  return until && *until > fake->clock;
}

void
fake_group_hold (Fake *fake, int group)
{
  gint64 until = fake->clock + fake->group_held;

  g_hash_table_insert (fake->held_until, GINT_TO_POINTER (group),
                       g_memdup2 (&until, sizeof until));
}

FakeDomain *
fake_host_user (Fake *fake, const MfpPciAddress *address)
{
  for (guint i = 0; i < fake->domains->len; i++)
    {
      FakeDomain *domain = g_ptr_array_index (fake->domains, i);

      if (domain->live && fake_device_by_host (domain->live, address))
        return domain;
    }
  return NULL;
}

/* Removes the <address> of @address from @list. */
static void
forget_address (xmlNode *list, const MfpPciAddress *address)
{
  xmlNode *child = mfp_xml_first_element (list), *next;

  for (; child; child = next)
    {
      MfpPciAddress member;

      next = mfp_xml_next_element (child);
      if (mfp_xml_is (child, "address") && mfp_pci_address_from_xml (child, &member)
          && mfp_pci_address_equal (&member, address))
        fake_xml_remove (child);
    }
}

void
fake_host_remove (Fake *fake, FakeNode *gone)
{
  for (guint i = 0; i < fake->nodes->len; i++)
    {
      FakeNode *node = g_ptr_array_index (fake->nodes, i);
      const xmlNode *pci = capability (fake_xml_root (node->doc), "pci");

      forget_address (mfp_xml_child (pci, "iommuGroup"), &gone->address);
      forget_address (capability (pci, "virt_functions"), &gone->address);
    }
  g_ptr_array_remove (fake->nodes, gone);
}

void
fake_host_destroy_vfs (Fake *fake, FakeNode *node)
{
  const xmlNode *pci = capability (fake_xml_root (node->doc), "pci");
  xmlNode *list = capability (pci, "virt_functions");
  xmlNode *child, *next;

  for (child = mfp_xml_first_element (list); child; child = next)
    {
      MfpPciAddress address;
      FakeNode *vf;

      next = mfp_xml_next_element (child);
      if (!mfp_pci_address_from_xml (child, &address))
        continue;
      if (fake_host_user (fake, &address))
        fake_violate (fake, "a virtual function that a domain has was destroyed");
      vf = fake_host_find (fake, &address);
      if (vf)
        fake_host_remove (fake, vf);
      else
        fake_xml_remove (child);
    }
}
