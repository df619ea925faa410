/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "connection.h"

#include <string.h>

struct _virNodeDevice
{
  int references;
  virConnectPtr connection;
  char *name;
  char *parent; /* nullable */
};

/* ---- handles ---- */

static virNodeDevicePtr
handle_new (virConnectPtr connection, const FakeNode *node)
{
  virNodeDevicePtr device = g_new0 (virNodeDevice, 1);

  fake_connection_ref (connection);
  device->references = 1;
  device->connection = connection;
  device->name = g_strdup (node->name);
  device->parent = fake_xml_child_text (fake_xml_root (node->doc), "parent");
  return device;
}

int
virNodeDeviceFree (virNodeDevicePtr dev)
{
  fake_error_reset ();
  if (!g_atomic_int_dec_and_test (&dev->references))
    return 0;
  fake_lock ();
  fake_connection_unref (dev->connection);
  fake_unlock ();
  g_free (dev->name);
  g_free (dev->parent);
  g_free (dev);
  return 0;
}

const char *
virNodeDeviceGetName (virNodeDevicePtr dev)
{
  return dev->name;
}

const char *
virNodeDeviceGetParent (virNodeDevicePtr dev)
{
  fake_error_reset ();
  return dev->parent;
}

static FakeNode *
find_node (const FakeCall *call, const char *name)
{
  FakeNode *node = fake_node_find (call->fake, name);

  if (!node)
    fake_error (VIR_ERR_NO_NODE_DEVICE, "no node device with matching name '%s'", name);
  return node;
}

virNodeDevicePtr
virNodeDeviceLookupByName (virConnectPtr conn, const char *name)
{
  FakeCall call = { .name = "virNodeDeviceLookupByName", .connection = conn };
  const FakeNode *node;
  virNodeDevicePtr device;

  if (!fake_call_begin (&call))
    return NULL;
  node = find_node (&call, name);
  device = node ? handle_new (conn, node) : NULL;
  if (fake_call_end (&call, device != NULL))
    return device;
  if (device)
    {
      virErrorPtr error = virSaveLastError ();

      virNodeDeviceFree (device);
      fake_error_restore (error);
    }
  return NULL;
}

/* ---- lists ---- */

static gboolean
has_capability (const FakeNode *node, const char *type)
{
  xmlNode *child = mfp_xml_first_element (fake_xml_root (node->doc));

  for (; child; child = mfp_xml_next_element (child))
    if (mfp_xml_is (child, "capability") && mfp_xml_attribute_is (child, "type", type))
      return TRUE;
  return FALSE;
}

static gboolean
is_listed (const FakeNode *node, unsigned int flags)
{
  static const struct
  {
    unsigned int flag;
    const char *type;
  } kinds[] = {
    { VIR_CONNECT_LIST_NODE_DEVICES_CAP_SYSTEM, "system" },
    { VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV, "pci" },
    { VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV, "usb_device" },
    { VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET, "net" },
    { VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_HOST, "scsi_host" },
    { VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI, "scsi" },
    { VIR_CONNECT_LIST_NODE_DEVICES_CAP_STORAGE, "storage" },
    { VIR_CONNECT_LIST_NODE_DEVICES_CAP_DRM, "drm" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if ((flags & kinds[i].flag) && has_capability (node, kinds[i].type))
      return TRUE;
  return flags == 0;
}

static void
free_handles (GPtrArray *list)
{
  virErrorPtr error = virSaveLastError ();

  for (guint i = 0; i < list->len; i++)
    virNodeDeviceFree (g_ptr_array_index (list, i));
  fake_error_restore (error);
}

int
virConnectListAllNodeDevices (virConnectPtr conn, virNodeDevicePtr **devices, unsigned int flags)
{
  FakeCall call = { .name = "virConnectListAllNodeDevices", .connection = conn };
  g_autoptr (GPtrArray) list = g_ptr_array_new ();

  if (!fake_call_begin (&call))
    return -1;
  for (guint i = 0; i < call.fake->nodes->len; i++)
    {
      const FakeNode *node = g_ptr_array_index (call.fake->nodes, i);

      if (is_listed (node, flags))
        g_ptr_array_add (list, handle_new (conn, node));
    }
  if (!fake_call_end (&call, TRUE))
    {
      free_handles (list);
      return -1;
    }
  if (!devices)
    {
      free_handles (list);
      return (int) list->len;
    }
  g_ptr_array_add (list, NULL);
  *devices = g_memdup2 (list->pdata, list->len * sizeof (virNodeDevicePtr));
  return (int) list->len - 1;
}

int
virNodeListDevices (virConnectPtr conn, const char *cap, char **const names, int maxnames,
                    unsigned int flags G_GNUC_UNUSED)
{
  FakeCall call = { .name = "virNodeListDevices", .connection = conn };
  int count = 0;

  if (!fake_call_begin (&call))
    return -1;
  for (guint i = 0; i < call.fake->nodes->len && count < maxnames; i++)
    {
      const FakeNode *node = g_ptr_array_index (call.fake->nodes, i);

      if (!cap || has_capability (node, cap))
        names[count++] = g_strdup (node->name);
    }
  if (fake_call_end (&call, TRUE))
    return count;
  while (count > 0)
    g_free (names[--count]);
  return -1;
}

/* ---- reading ---- */

/* The device's XML, with <driver> where libvirt prints it. */
static char *
describe (const FakeNode *node)
{
  g_autoptr (xmlDoc) doc = xmlCopyDoc (node->doc, 1);
  xmlNode *root = fake_xml_root (doc);
  xmlNode *before = mfp_xml_child (root, "parent");
  xmlNode *driver;

  if (node->driver)
    {
      driver = xmlNewDocNode (doc, NULL, BAD_CAST "driver", NULL);
      xmlAddNextSibling (before ? before : mfp_xml_child (root, "name"), driver);
      xmlNewTextChild (driver, NULL, BAD_CAST "name", BAD_CAST node->driver);
    }
  return mfp_xml_serialize (root);
}

char *
virNodeDeviceGetXMLDesc (virNodeDevicePtr dev, unsigned int flags G_GNUC_UNUSED)
{
  FakeCall call = { .name = "virNodeDeviceGetXMLDesc", .connection = dev->connection };
  const FakeNode *node;
  g_autofree char *xml = NULL;

  if (!fake_call_begin (&call))
    return NULL;
  node = find_node (&call, dev->name);
  if (node && node->unreadable)
    fake_error (VIR_ERR_INTERNAL_ERROR, "cannot read %s", dev->name);
  else if (node)
    xml = describe (node);
  return fake_call_end (&call, xml != NULL) ? g_steal_pointer (&xml) : NULL;
}

/* ---- drivers ---- */

/* The function of the call's handle, unless a running domain has it. */
static FakeNode *
find_unused (const FakeCall *call, const char *name)
{
  FakeNode *node = find_node (call, name);
  const FakeDomain *user = node && node->is_pci ? fake_host_user (call->fake, &node->address)
                                                : NULL;
  g_autofree char *address = node ? mfp_pci_address_format (&node->address) : NULL;

  if (node && !node->is_pci)
    fake_error (VIR_ERR_OPERATION_INVALID, "Device %s is not a PCI device", name);
  else if (user)
    fake_error (VIR_ERR_OPERATION_INVALID, "PCI device %s is in use by driver QEMU, domain %s",
                address, user->name);
  else
    return node;
  return NULL;
}

int
virNodeDeviceDetachFlags (virNodeDevicePtr dev, const char *driverName G_GNUC_UNUSED,
                          unsigned int flags G_GNUC_UNUSED)
{
  FakeCall call = { .name = "virNodeDeviceDetachFlags",
                    .connection = dev->connection,
                    .changes = TRUE };
  FakeNode *node;

  if (!fake_call_begin (&call))
    return -1;
  node = find_unused (&call, dev->name);
  if (node && !fake_driver_is_vfio (node->driver))
    {
      fake_host_destroy_vfs (call.fake, node);
      fake_host_set_driver (node, "vfio-pci");
    }
  if (node)
    node->detached = TRUE;
  return fake_call_end (&call, node != NULL) ? 0 : -1;
}

/* The kernel binds no driver to a function whose IOMMU group is in use. The function is left
 * without a driver. */
static gboolean
reattach (Fake *fake, FakeNode *node)
{
  g_autofree char *address = mfp_pci_address_format (&node->address);
  gboolean used = fake_group_user (fake, node->group) != NULL;

  if (used)
    fake_violate (fake, "a function was reattached while QEMU has its IOMMU group");
  if (used || fake_group_is_held (fake, node->group))
    {
      fake_host_set_driver (node, NULL);
      fake_error (VIR_ERR_SYSTEM_ERROR,
                  "Failed to trigger a probe for PCI device '%s': Invalid argument", address);
      return FALSE;
    }
  fake_host_set_driver (node, node->host_driver);
  node->detached = FALSE;
  return TRUE;
}

int
virNodeDeviceReAttach (virNodeDevicePtr dev)
{
  FakeCall call = { .name = "virNodeDeviceReAttach",
                    .connection = dev->connection,
                    .changes = TRUE };
  FakeNode *node;

  if (!fake_call_begin (&call))
    return -1;
  node = find_unused (&call, dev->name);
  return fake_call_end (&call, node && reattach (call.fake, node)) ? 0 : -1;
}
