/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <string.h>

static void
task_free (gpointer data)
{
  FakeTask *task = data;

  g_free (task->alias);
  g_free (task);
}

FakeDomain *
fake_domain_new (void)
{
  FakeDomain *domain = g_new0 (FakeDomain, 1);

  domain->version_major = 7;
  domain->version_minor = 2;
  domain->qemu = g_ptr_array_new_with_free_func (fake_qemu_free);
  domain->access = g_hash_table_new (g_direct_hash, g_direct_equal);
  domain->tasks = g_ptr_array_new_with_free_func (task_free);
  return domain;
}

void
fake_domain_free (gpointer data)
{
  FakeDomain *domain = data;

  g_free (domain->name);
  g_free (domain->uuid);
  g_clear_pointer (&domain->live, xmlFreeDoc);
  g_clear_pointer (&domain->config, xmlFreeDoc);
  g_ptr_array_unref (domain->qemu);
  g_hash_table_unref (domain->access);
  g_ptr_array_unref (domain->tasks);
  g_free (domain);
}

FakeDomain *
fake_domain_find (Fake *fake, const char *name)
{
  for (guint i = 0; i < fake->domains->len; i++)
    {
      FakeDomain *domain = g_ptr_array_index (fake->domains, i);

      if (strcmp (domain->name, name) == 0)
        return domain;
    }
  return NULL;
}

FakeDomain *
fake_domain_find_uuid (Fake *fake, const char *uuid)
{
  for (guint i = 0; i < fake->domains->len; i++)
    {
      FakeDomain *domain = g_ptr_array_index (fake->domains, i);

      if (g_ascii_strcasecmp (domain->uuid, uuid) == 0)
        return domain;
    }
  return NULL;
}

gboolean
fake_domain_is_stopped (const FakeDomain *domain)
{
  return domain->silent || domain->paused;
}

void
fake_domain_add_task (FakeDomain *domain, gint64 at, FakeTaskKind kind, const char *alias)
{
  FakeTask *task = g_new0 (FakeTask, 1);

  task->at = at;
  task->kind = kind;
  task->alias = g_strdup (alias);
  g_ptr_array_add (domain->tasks, task);
}

/* ---- the devices of a document ---- */

xmlNode *
fake_domain_devices (xmlDoc *doc)
{
  return fake_xml_required (fake_xml_root (doc), "devices");
}

gboolean
fake_device_host (const xmlNode *device, MfpPciAddress *host)
{
  return (mfp_xml_is (device, "hostdev") || mfp_xml_is (device, "interface"))
         && mfp_pci_address_from_xml (mfp_xml_child (mfp_xml_child (device, "source"), "address"),
                                      host);
}

gboolean
fake_device_guest (const xmlNode *device, MfpPciAddress *guest)
{
  const xmlNode *address = mfp_xml_child (device, "address");

  return mfp_xml_attribute_is (address, "type", "pci") && mfp_pci_address_from_xml (address, guest);
}

char *
fake_device_alias (const xmlNode *device)
{
  return mfp_xml_attribute (mfp_xml_child (device, "alias"), "name");
}

gboolean
fake_device_is_pci_controller (const xmlNode *device)
{
  return mfp_xml_is (device, "controller") && mfp_xml_attribute_is (device, "type", "pci");
}

xmlNode *
fake_device_by_host (xmlDoc *doc, const MfpPciAddress *host)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));
  MfpPciAddress address;

  while (device && !(fake_device_host (device, &address) && mfp_pci_address_equal (&address, host)))
    device = mfp_xml_next_element (device);
  return device;
}

xmlNode *
fake_device_by_guest (xmlDoc *doc, const MfpPciAddress *guest)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));
  MfpPciAddress address;

  while (device
         && !(fake_device_guest (device, &address) && mfp_pci_address_equal (&address, guest)))
    device = mfp_xml_next_element (device);
  return device;
}

xmlNode *
fake_device_by_alias (xmlDoc *doc, const char *alias)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));

  while (device && !mfp_xml_attribute_is (mfp_xml_child (device, "alias"), "name", alias))
    device = mfp_xml_next_element (device);
  return device;
}

xmlNode *
fake_controller_by_index (xmlDoc *doc, guint index)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));
  guint number;

  while (device
         && !(fake_device_is_pci_controller (device)
              && mfp_xml_attribute_uint (device, "index", G_MAXUINT, &number) && number == index))
    device = mfp_xml_next_element (device);
  return device;
}

/* ---- aliases ---- */

/* The part of libvirt's alias before the number. */
static const char *
alias_stem (const xmlNode *device)
{
  static const char *const stems[][2] = {
    { "interface", "net" },      { "disk", "virtio-disk" },  { "hostdev", "hostdev" },
    { "memballoon", "balloon" }, { "graphics", "graphics" }, { "serial", "serial" },
    { "filesystem", "fs" },      { "redirdev", "redir" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (stems); i++)
    if (mfp_xml_is (device, stems[i][0]))
      return stems[i][1];
  return (const char *) device->name;
}

static char *
controller_alias (const xmlNode *controller)
{
  g_autofree char *type = mfp_xml_attribute (controller, "type");
  g_autofree char *index = mfp_xml_attribute (controller, "index");
  gboolean first = g_strcmp0 (index, "0") == 0;

  if (first && mfp_xml_attribute_is (controller, "model", "pcie-root"))
    return g_strdup ("pcie.0");
  return type && strcmp (type, "pci") == 0 ? g_strdup_printf ("pci.%s", index ? index : "0")
                                           : g_strdup_printf ("%s%s", type ? type : "controller",
                                                              index ? index : "0");
}

char *
fake_domain_new_alias (xmlDoc *doc, const xmlNode *device)
{
  char *alias;

  if (mfp_xml_is (device, "controller"))
    return controller_alias (device);
  for (guint i = 0;; i++)
    {
      alias = g_strdup_printf ("%s%u", alias_stem (device), i);
      if (!fake_device_by_alias (doc, alias))
        return alias;
      g_free (alias);
    }
}

static gboolean
takes_alias (const xmlNode *device)
{
  return !mfp_xml_is (device, "emulator") && !mfp_xml_child (device, "alias");
}

void
fake_domain_give_aliases (xmlDoc *doc)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));

  for (; device; device = mfp_xml_next_element (device))
    {
      g_autofree char *alias = NULL;

      if (!takes_alias (device))
        continue;
      alias = fake_domain_new_alias (doc, device);
      fake_xml_set (fake_xml_required (device, "alias"), "name", alias);
    }
}

/* The persistent XML keeps the user's aliases only. */
void
fake_domain_strip_aliases (xmlDoc *doc)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));

  for (; device; device = mfp_xml_next_element (device))
    {
      g_autofree char *alias = fake_device_alias (device);

      if (alias && !g_str_has_prefix (alias, "ua-"))
        fake_xml_remove (mfp_xml_child (device, "alias"));
    }
}

/* ---- start and end ---- */

/* Gives QEMU the devices that the guest has from its start. */
void
fake_domain_fill_qemu (Fake *fake, FakeDomain *domain)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (domain->live));

  for (; device; device = mfp_xml_next_element (device))
    {
      g_autofree char *alias = fake_device_alias (device);
      MfpPciAddress host, guest;
      gboolean is_host = fake_device_host (device, &host);
      const FakeNode *node = is_host ? fake_host_find (fake, &host) : NULL;

      if (node)
        g_hash_table_add (domain->access, GINT_TO_POINTER (node->group));
      if (alias && fake_device_guest (device, &guest))
        fake_qemu_add (domain, alias, is_host ? &host : NULL, &guest)->enumerated_at = 0;
    }
}

static gboolean
is_managed (const xmlNode *device)
{
  return mfp_xml_attribute_is (device, "managed", "yes");
}

/* QEMU has ended with its domain, so the IOMMU groups are free. */
static void
return_managed (Fake *fake, xmlDoc *doc)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));

  for (; device; device = mfp_xml_next_element (device))
    {
      MfpPciAddress host;
      FakeNode *node = fake_device_host (device, &host) ? fake_host_find (fake, &host) : NULL;

      if (node && is_managed (device) && !node->detached)
        fake_host_set_driver (node, node->host_driver);
    }
}

void
fake_domain_end (Fake *fake, FakeDomain *domain)
{
  g_autoptr (xmlDoc) live = g_steal_pointer (&domain->live);

  if (!live)
    return;
  g_ptr_array_set_size (domain->qemu, 0);
  g_ptr_array_set_size (domain->tasks, 0);
  g_hash_table_remove_all (domain->access);
  return_managed (fake, live);
  domain->paused = FALSE;
  domain->id = -1;
  fake_events_queue_lifecycle (domain, VIR_DOMAIN_EVENT_STOPPED,
                               VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
  if (!domain->config)
    g_ptr_array_remove (fake->domains, domain);
}

/* Whether a domain with @doc can get its host functions. */
static gboolean
can_start (Fake *fake, xmlDoc *doc)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));

  for (; device; device = mfp_xml_next_element (device))
    {
      MfpPciAddress host;
      const FakeNode *node;

      if (!fake_device_host (device, &host))
        continue;
      node = fake_host_find (fake, &host);
      if (!node || fake_host_user (fake, &host)
          || (!is_managed (device) && !fake_driver_is_vfio (node->driver)))
        return FALSE;
    }
  return TRUE;
}

static void
take_functions (Fake *fake, xmlDoc *doc)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (doc));

  for (; device; device = mfp_xml_next_element (device))
    {
      MfpPciAddress host;

      if (fake_device_host (device, &host))
        fake_host_set_driver (fake_host_find (fake, &host), "vfio-pci");
    }
}

void
fake_domain_show_id (FakeDomain *domain)
{
  g_autofree char *id = g_strdup_printf ("%d", domain->id);

  fake_xml_set (fake_xml_root (domain->live), "id", id);
}

gboolean
fake_domain_start (Fake *fake, FakeDomain *domain)
{
  if (domain->live || !domain->config || !can_start (fake, domain->config))
    return FALSE;
  take_functions (fake, domain->config);
  domain->live = xmlCopyDoc (domain->config, 1);
  domain->id = ++fake->last_id;
  fake_domain_show_id (domain);
  fake_domain_give_aliases (domain->live);
  fake_domain_fill_qemu (fake, domain);
  fake_events_queue_lifecycle (domain, VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED);
  return TRUE;
}

/* ---- a device leaves ---- */

/* A rebind by libvirt on its own fails while QEMU has a sibling in the IOMMU group. */
static void
rebind (Fake *fake, FakeNode *node)
{
  gboolean fails = fake_group_user (fake, node->group) || node->stuck;

  fake_host_set_driver (node, fails ? NULL : node->host_driver);
}

void
fake_domain_drop (Fake *fake, FakeDomain *domain, xmlNode *device)
{
  g_autofree char *alias = fake_device_alias (device);
  MfpPciAddress host;
  FakeNode *node = fake_device_host (device, &host) ? fake_host_find (fake, &host) : NULL;

  if (alias && fake_qemu_find (domain, alias))
    fake_violate (fake, "libvirt dropped a device that QEMU has");
  if (node)
    {
      g_hash_table_remove (domain->access, GINT_TO_POINTER (node->group));
      if (is_managed (device) && !node->detached)
        rebind (fake, node);
      node->stuck = FALSE;
    }
  fake_xml_remove (device);
  if (alias)
    fake_events_queue_alias (domain, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, alias);
}
