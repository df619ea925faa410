/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <string.h>

/* ---- free addresses ---- */

static gboolean
slot_is_empty (xmlDoc *doc, const MfpPciAddress *slot)
{
  for (guint i = 0; i < MFP_PCI_FUNCTIONS; i++)
    {
      MfpPciAddress address = mfp_pci_address_with_function (slot, i);

      if (fake_device_by_guest (doc, &address))
        return FALSE;
    }
  return TRUE;
}

static gboolean
find_slot (xmlDoc *doc, guint8 bus, guint first, guint last, MfpPciAddress *slot)
{
  *slot = (MfpPciAddress){ .bus = bus };
  for (guint i = first; i <= last; i++)
    {
      slot->slot = (guint8) i;
      if (slot_is_empty (doc, slot))
        return TRUE;
    }
  return FALSE;
}

/* The lowest free slot of a bus that takes hotplug. */
static gboolean
choose_slot (xmlDoc *doc, MfpPciAddress *slot)
{
  for (guint i = 0; i <= G_MAXUINT8; i++)
    {
      const xmlNode *bus = fake_controller_by_index (doc, i);
      g_autofree char *model = mfp_xml_attribute (bus, "model");
      gboolean is_port = model && g_str_has_suffix (model, "-port");

      if (!model || strcmp (model, "pcie-root") == 0)
        continue;
      if (find_slot (doc, (guint8) i, is_port ? 0 : 1, is_port ? 0 : MFP_PCI_SLOTS - 1, slot))
        return TRUE;
    }
  fake_error (VIR_ERR_INTERNAL_ERROR, "No more available PCI slots");
  return FALSE;
}

/* ---- the element as libvirt prints it ---- */

static void
set_guest (xmlNode *device, const MfpPciAddress *guest)
{
  xmlNode *address = fake_xml_required (device, "address");

  fake_xml_set (address, "type", "pci");
  fake_xml_set_address (address, guest);
}

static void
set_alias (xmlNode *device, const char *alias)
{
  xmlNode *element = fake_xml_required (device, "alias");
  xmlNode *address = mfp_xml_child (device, "address");

  fake_xml_set (element, "name", alias);
  if (address)
    xmlAddPrevSibling (address, element);
}

/* libvirt drops an alias that does not begin with "ua-". */
static void
normalize (xmlNode *device)
{
  g_autofree char *alias = fake_device_alias (device);
  MfpPciAddress address;

  mfp_xml_strip (device);
  if (alias && !g_str_has_prefix (alias, "ua-"))
    fake_xml_remove (mfp_xml_child (device, "alias"));
  if (mfp_xml_is (device, "hostdev") && !xmlHasProp (device, BAD_CAST "managed"))
    fake_xml_set (device, "managed", "no");
  if (fake_device_host (device, &address))
    fake_xml_set_address (mfp_xml_child (mfp_xml_child (device, "source"), "address"), &address);
  if (fake_device_guest (device, &address))
    fake_xml_set_address (mfp_xml_child (device, "address"), &address);
}

static xmlNode *
parse_device (const char *xml)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = mfp_xml_parse (xml, strlen (xml), "(device_definition)", &error);
  xmlNode *device;

  if (!doc)
    {
      fake_error (VIR_ERR_XML_ERROR, "%s", error->message);
      return NULL;
    }
  device = xmlDocCopyNode (xmlDocGetRootElement (doc), NULL, 1);
  normalize (device);
  return device;
}

/* ---- attach, live ---- */

static gboolean
check_alias (xmlDoc *doc, xmlNode *device)
{
  g_autofree char *alias = fake_device_alias (device);

  if (alias && fake_device_by_alias (doc, alias))
    {
      fake_error (VIR_ERR_CONFIG_UNSUPPORTED, "non unique alias detected: %s", alias);
      return FALSE;
    }
  return TRUE;
}

/* libvirt checks the host function before it touches anything. */
static FakeNode *
check_host (Fake *fake, const xmlNode *device, const MfpPciAddress *host)
{
  FakeNode *node = fake_host_find (fake, host);
  const FakeDomain *user = fake_host_user (fake, host);
  g_autofree char *address = mfp_pci_address_format (host);

  if (!node)
    fake_error (VIR_ERR_INTERNAL_ERROR, "Device %s not found: could not access "
                                        "/sys/bus/pci/devices/%s/config", address, address);
  else if (user)
    fake_error (VIR_ERR_OPERATION_INVALID, "PCI device %s is in use by driver QEMU, domain %s",
                address, user->name);
  else if (!fake_driver_is_vfio (node->driver)
           && !mfp_xml_attribute_is (device, "managed", "yes"))
    fake_error (VIR_ERR_OPERATION_INVALID,
                "Unmanaged PCI device %s must be manually detached from the host", address);
  else
    return node;
  return NULL;
}

static gboolean
check_guest (const FakeDomain *domain, xmlDoc *doc, const MfpPciAddress *guest)
{
  g_autofree char *address = mfp_pci_address_format (guest);

  if (guest->function != 0 && domain->hotplug != FAKE_PLAIN)
    fake_error (VIR_ERR_INTERNAL_ERROR, "Only PCI device addresses with function=0 are supported");
  else if (!fake_controller_by_index (doc, guest->bus))
    fake_error (VIR_ERR_XML_ERROR, "Invalid PCI address %s. There is no such PCI bus", address);
  else if (fake_device_by_guest (doc, guest))
    fake_error (VIR_ERR_XML_ERROR, "Attempted double use of PCI Address %s", address);
  else
    return TRUE;
  return FALSE;
}

/* Plugs the device in QEMU, unless it is unassigned. */
static gboolean
plug (Fake *fake, FakeDomain *domain, xmlNode *device, const MfpPciAddress *host)
{
  g_autofree char *alias = fake_device_alias (device);
  g_autofree char *message = NULL;
  FakeQemuDevice wanted = { .id = alias, .host = *host };

  if (mfp_xml_attribute_is (mfp_xml_child (device, "address"), "type", "unassigned"))
    return TRUE;
  if (!mfp_xml_child (device, "address"))
    {
      if (!choose_slot (domain->live, &wanted.guest))
        return FALSE;
      set_guest (device, &wanted.guest);
    }
  else if (!fake_device_guest (device, &wanted.guest))
    {
      fake_error (VIR_ERR_XML_ERROR, "Cannot parse the <address> of the device");
      return FALSE;
    }
  if (!check_guest (domain, domain->live, &wanted.guest))
    return FALSE;
  if (fake_qemu_plug (fake, domain, &wanted,
                      mfp_xml_attribute_is (mfp_xml_child (device, "address"), "multifunction",
                                            "on"),
                      &message))
    return TRUE;
  fake_error (VIR_ERR_INTERNAL_ERROR, "unable to execute QEMU command 'device_add': %s", message);
  return FALSE;
}

/* Whether libvirt hands @device to QEMU by IOMMUFD, and not by its VFIO group: libvirt 12.2
 * does so in a domain that says so, unless the device says otherwise. */
static gboolean
goes_by_iommufd (const FakeDomain *domain, const xmlNode *device)
{
  const xmlNode *iommufd = mfp_xml_child (fake_xml_root (domain->live), "iommufd");

  return mfp_xml_attribute_is (iommufd, "enabled", "yes")
         && !mfp_xml_attribute_is (mfp_xml_child (device, "driver"), "iommufd", "no");
}

/* libvirt takes a managed function from its host driver, and reattaches it if the attach
 * fails. */
static gboolean
plug_managed (Fake *fake, FakeDomain *domain, xmlNode *device, FakeNode *node)
{
  gboolean takes = !fake_driver_is_vfio (node->driver);
  gboolean done;

  if (takes)
    {
      fake_host_destroy_vfs (fake, node);
      fake_host_set_driver (node, "vfio-pci");
    }
  if (!goes_by_iommufd (domain, device))
    g_hash_table_add (domain->access, GINT_TO_POINTER (node->group));
  done = plug (fake, domain, device, &node->address);
  if (done)
    return TRUE;
  /* The failure takes away the access to the whole IOMMU group. */
  g_hash_table_remove (domain->access, GINT_TO_POINTER (node->group));
  if (takes)
    fake_host_set_driver (node, fake_group_user (fake, node->group) ? NULL : node->host_driver);
  return FALSE;
}

static gboolean
attach_live (Fake *fake, FakeDomain *domain, xmlNode *device)
{
  MfpPciAddress host;
  FakeNode *node;

  if (!mfp_xml_is (device, "hostdev") || !fake_device_host (device, &host))
    {
      fake_error (VIR_ERR_OPERATION_UNSUPPORTED, "live attach of device '%s' is not supported",
                  (const char *) device->name);
      return FALSE;
    }
  if (!check_alias (domain->live, device) || !(node = check_host (fake, device, &host)))
    return FALSE;
  if (!mfp_xml_child (device, "alias"))
    {
      g_autofree char *alias = fake_domain_new_alias (domain->live, device);

      set_alias (device, alias);
    }
  if (!mfp_xml_child (device, "driver"))
    xmlAddPrevSibling (mfp_xml_first_element (device),
                       xmlNewDocNode (NULL, NULL, BAD_CAST "driver", NULL));
  fake_xml_set (mfp_xml_child (device, "driver"), "name", "vfio");
  if (!plug_managed (fake, domain, device, node))
    return FALSE;
  xmlAddChild (fake_domain_devices (domain->live), xmlDocCopyNode (device, domain->live, 1));
  return TRUE;
}

/* ---- attach, persistent ---- */

static gboolean
add_controller (xmlDoc *doc, xmlNode *controller)
{
  MfpPciAddress slot;
  guint index;

  if (!mfp_xml_attribute_uint (controller, "index", G_MAXUINT8, &index))
    for (index = 0; fake_controller_by_index (doc, index);)
      index++;
  if (fake_controller_by_index (doc, index))
    {
      fake_error (VIR_ERR_OPERATION_INVALID, "controller index='%u' already exists", index);
      return FALSE;
    }
  if (!mfp_xml_child (controller, "address"))
    {
      if (!find_slot (doc, 0, 1, MFP_PCI_SLOTS - 1, &slot))
        {
          fake_error (VIR_ERR_INTERNAL_ERROR, "No more available PCI slots");
          return FALSE;
        }
      set_guest (controller, &slot);
    }
  xmlAddChild (fake_domain_devices (doc), xmlDocCopyNode (controller, doc, 1));
  return TRUE;
}

/* libvirt adds the missing controllers up to the bus of a device. */
static gboolean
ensure_bus (xmlDoc *doc, guint bus)
{
  const xmlNode *root = fake_controller_by_index (doc, 0);
  gboolean is_pcie = root && mfp_xml_attribute_is (root, "model", "pcie-root");

  for (guint i = 1; i <= bus; i++)
    {
      g_autofree char *index = g_strdup_printf ("%u", i);
      g_autoptr (xmlNode) controller = NULL;

      if (fake_controller_by_index (doc, i))
        continue;
      controller = xmlNewNode (NULL, BAD_CAST "controller");
      fake_xml_set (controller, "type", "pci");
      fake_xml_set (controller, "index", index);
      fake_xml_set (controller, "model", is_pcie ? "pcie-root-port" : "pci-bridge");
      if (!add_controller (doc, controller))
        return FALSE;
    }
  return TRUE;
}

static gboolean
place_config (xmlDoc *doc, xmlNode *device)
{
  g_autofree char *address = NULL;
  MfpPciAddress guest;

  if (!mfp_xml_child (device, "address"))
    {
      if (!choose_slot (doc, &guest))
        return FALSE;
      set_guest (device, &guest);
      return TRUE;
    }
  if (!fake_device_guest (device, &guest))
    return TRUE;
  address = mfp_pci_address_format (&guest);
  if (fake_device_by_guest (doc, &guest))
    {
      fake_error (VIR_ERR_XML_ERROR, "Attempted double use of PCI Address %s", address);
      return FALSE;
    }
  return ensure_bus (doc, guest.bus);
}

static gboolean
attach_config (xmlDoc *doc, xmlNode *device)
{
  MfpPciAddress host;

  if (fake_device_is_pci_controller (device))
    return add_controller (doc, device);
  if (!check_alias (doc, device))
    return FALSE;
  if (fake_device_host (device, &host) && fake_device_by_host (doc, &host))
    {
      fake_error (VIR_ERR_OPERATION_INVALID, "device is already in the domain configuration");
      return FALSE;
    }
  if (mfp_xml_is (device, "hostdev") && !place_config (doc, device))
    return FALSE;
  xmlAddChild (fake_domain_devices (doc), xmlDocCopyNode (device, doc, 1));
  return TRUE;
}

/* ---- which form of the domain to change ---- */

/* As virDomainObjUpdateModificationImpact() in libvirt. */
static gboolean
resolve_flags (const FakeDomain *domain, unsigned int *flags)
{
  if (!(*flags & (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)))
    *flags |= domain->live ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG;
  if ((*flags & VIR_DOMAIN_AFFECT_LIVE) && !domain->live)
    fake_error (VIR_ERR_OPERATION_INVALID, "domain is not running");
  else if ((*flags & VIR_DOMAIN_AFFECT_CONFIG) && !domain->config)
    fake_error (VIR_ERR_OPERATION_INVALID,
                "transient domains do not have any persistent config");
  else
    return TRUE;
  return FALSE;
}

static void
replace_config (FakeDomain *domain, xmlDoc **config)
{
  if (!*config)
    return;
  xmlFreeDoc (domain->config);
  domain->config = g_steal_pointer (config);
}

gboolean
fake_attach (Fake *fake, FakeDomain *domain, const char *xml, unsigned int flags)
{
  g_autoptr (xmlNode) device = NULL, live = NULL;
  g_autoptr (xmlDoc) config = NULL;

  if (!resolve_flags (domain, &flags) || !(device = parse_device (xml)))
    return FALSE;
  live = xmlCopyNode (device, 1);
  if (flags & VIR_DOMAIN_AFFECT_CONFIG)
    config = xmlCopyDoc (domain->config, 1);
  if (config && !attach_config (config, device))
    return FALSE;
  if ((flags & VIR_DOMAIN_AFFECT_LIVE) && !attach_live (fake, domain, live))
    return FALSE;
  replace_config (domain, &config);
  return TRUE;
}

/* ---- detach ---- */

static xmlNode *
find_like (xmlDoc *doc, const xmlNode *wanted)
{
  g_autofree char *alias = fake_device_alias (wanted);
  MfpPciAddress host;
  guint index;

  if (fake_device_host (wanted, &host))
    return fake_device_by_host (doc, &host);
  if (fake_device_is_pci_controller (wanted))
    return mfp_xml_attribute_uint (wanted, "index", G_MAXUINT, &index)
               ? fake_controller_by_index (doc, index)
               : NULL;
  return alias ? fake_device_by_alias (doc, alias) : NULL;
}

static gboolean
shares_slot (xmlDoc *doc, const xmlNode *device, const MfpPciAddress *guest)
{
  xmlNode *other = mfp_xml_first_element (fake_domain_devices (doc));
  MfpPciAddress address;

  for (; other; other = mfp_xml_next_element (other))
    if (other != device && fake_device_guest (other, &address)
        && mfp_pci_address_same_slot (&address, guest))
      return TRUE;
  return FALSE;
}

static gboolean
detach_live (Fake *fake, FakeDomain *domain, xmlNode *device)
{
  g_autofree char *alias = fake_device_alias (device);
  g_autofree char *message = NULL;
  FakeQemuDevice *in_qemu = alias ? fake_qemu_find (domain, alias) : NULL;
  MfpPciAddress guest;
  gboolean assigned = fake_device_guest (device, &guest);

  if (assigned && domain->hotplug != FAKE_PLAIN && shares_slot (domain->live, device, &guest))
    {
      g_autofree char *address = mfp_pci_address_format (&guest);

      fake_error (VIR_ERR_OPERATION_FAILED,
                  "cannot hot unplug %s device with multifunction PCI guest address: %s",
                  (const char *) device->name, address);
      return FALSE;
    }
  if (!assigned || !in_qemu)
    {
      fake_domain_drop (fake, domain, device);
      return TRUE;
    }
  if (fake_qemu_unplug (fake, domain, in_qemu, &message))
    return TRUE;
  fake_error (VIR_ERR_INTERNAL_ERROR, "unable to execute QEMU command 'device_del': %s", message);
  return FALSE;
}

static gboolean
refuse_absent (const xmlNode *wanted)
{
  g_autofree char *address = NULL;
  MfpPciAddress host;

  if (!fake_device_host (wanted, &host))
    {
      fake_error (VIR_ERR_DEVICE_MISSING, "matching device not found");
      return FALSE;
    }
  address = mfp_pci_address_format (&host);
  fake_error (VIR_ERR_DEVICE_MISSING, "host pci device %s not found", address);
  return FALSE;
}

static gboolean
detach_config (xmlDoc *config, const xmlNode *wanted)
{
  xmlNode *device = find_like (config, wanted);

  if (!device)
    {
      fake_error (VIR_ERR_DEVICE_MISSING, "device not present in domain configuration");
      return FALSE;
    }
  fake_xml_remove (device);
  return TRUE;
}

gboolean
fake_detach (Fake *fake, FakeDomain *domain, const char *xml, unsigned int flags)
{
  g_autoptr (xmlNode) wanted = NULL;
  g_autoptr (xmlDoc) config = NULL;
  xmlNode *device;

  if (!resolve_flags (domain, &flags) || !(wanted = parse_device (xml)))
    return FALSE;
  if (flags & VIR_DOMAIN_AFFECT_CONFIG)
    config = xmlCopyDoc (domain->config, 1);
  if (config && !detach_config (config, wanted))
    return FALSE;
  device = flags & VIR_DOMAIN_AFFECT_LIVE ? find_like (domain->live, wanted) : NULL;
  if ((flags & VIR_DOMAIN_AFFECT_LIVE)
      && (device ? !detach_live (fake, domain, device) : !refuse_absent (wanted)))
    return FALSE;
  replace_config (domain, &config);
  return TRUE;
}

gboolean
fake_detach_alias (Fake *fake, FakeDomain *domain, const char *alias)
{
  xmlNode *device;

  if (!domain->live)
    {
      fake_error (VIR_ERR_OPERATION_INVALID, "domain is not running");
      return FALSE;
    }
  device = fake_device_by_alias (domain->live, alias);
  if (!device)
    {
      fake_error (VIR_ERR_INTERNAL_ERROR, "no device found with alias %s", alias);
      return FALSE;
    }
  return detach_live (fake, domain, device);
}
