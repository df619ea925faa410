/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <string.h>

#define EJECT_DELAY (700 * G_TIME_SPAN_MILLISECOND)
#define EVENT_DELAY (50 * G_TIME_SPAN_MILLISECOND)
#define ENUMERATION (200 * G_TIME_SPAN_MILLISECOND)
#define LINGER (1 * G_TIME_SPAN_SECOND)
#define ASK_AGAIN (5 * G_TIME_SPAN_SECOND) /* pcie_cap_slot_unplug_request_cb() in hw/pci/pcie.c */

void
fake_qemu_free (gpointer data)
{
  FakeQemuDevice *device = data;

  g_free (device->id);
  g_free (device);
}

FakeQemuDevice *
fake_qemu_find (const FakeDomain *domain, const char *id)
{
  for (guint i = 0; i < domain->qemu->len; i++)
    {
      FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);

      if (strcmp (device->id, id) == 0)
        return device;
    }
  return NULL;
}

FakeQemuDevice *
fake_qemu_at (const FakeDomain *domain, const MfpPciAddress *guest)
{
  for (guint i = 0; i < domain->qemu->len; i++)
    {
      FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);

      if (mfp_pci_address_equal (&device->guest, guest))
        return device;
    }
  return NULL;
}

FakeQemuDevice *
fake_qemu_add (FakeDomain *domain, const char *id, const MfpPciAddress *host,
               const MfpPciAddress *guest)
{
  FakeQemuDevice *device = g_new0 (FakeQemuDevice, 1);

  device->id = g_strdup (id);
  device->guest = *guest;
  device->is_vfio = host != NULL;
  if (host)
    device->host = *host;
  device->asked_at = FAKE_NEVER;
  device->gone_at = FAKE_NEVER;
  device->enumerated_at = FAKE_NEVER;
  g_ptr_array_add (domain->qemu, device);
  return device;
}

/* ---- what the guest does ---- */

/* The guest enumerates a slot as soon as its function 0 is there. */
void
fake_qemu_enumerate (Fake *fake, FakeDomain *domain, const MfpPciAddress *guest)
{
  MfpPciAddress zero = mfp_pci_address_with_function (guest, 0);

  if (!fake_qemu_at (domain, &zero) || fake_domain_is_stopped (domain))
    return;
  for (guint i = 0; i < domain->qemu->len; i++)
    {
      FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);

      if (mfp_pci_address_same_slot (&device->guest, guest))
        device->enumerated_at = MIN (device->enumerated_at, fake->clock + ENUMERATION);
    }
}

/* Somebody makes libvirt drop the device while QEMU still has it. */
static void
drop_early (Fake *fake, FakeDomain *domain, FakeQemuDevice *device)
{
  xmlNode *hostdev = fake_device_by_host (domain->live, &device->host);

  device->gone_at = fake->clock + EJECT_DELAY + LINGER;
  fake_xml_remove (hostdev);
  if (hostdev)
    fake_events_queue_alias (domain, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, device->id);
}

static void
eject (Fake *fake, FakeDomain *domain, FakeQemuDevice *device)
{
  const FakeNode *node = device->is_vfio ? fake_host_find (fake, &device->host) : NULL;

  device->gone_at = MIN (device->gone_at, fake->clock + EJECT_DELAY);
  if (node && node->dropped_early)
    drop_early (fake, domain, device);
}

/* QEMU asks the guest to eject the slot of @asked. The guest does so unless it is stopped. */
static void
request_eject (Fake *fake, FakeDomain *domain, FakeQemuDevice *asked)
{
  if (domain->rejects)
    {
      domain->rejects = FALSE;
      fake_domain_add_task (domain, fake->clock + EVENT_DELAY, FAKE_REPORT_REJECTED, asked->id);
      return;
    }
  asked->asked_at = fake->clock;
  for (guint i = 0; i < domain->qemu->len; i++)
    {
      FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);

      if (!mfp_pci_address_same_slot (&device->guest, &asked->guest))
        continue;
      device->leaves = TRUE;
      if (!fake_domain_is_stopped (domain))
        eject (fake, domain, device);
    }
}

/* The guest does not finish an enumeration that it has begun. */
void
fake_domain_stopped (Fake *fake, FakeDomain *domain)
{
  for (guint i = 0; i < domain->qemu->len; i++)
    {
      FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);

      if (device->enumerated_at > fake->clock)
        device->enumerated_at = FAKE_NEVER;
    }
}

void
fake_domain_resumed (Fake *fake, FakeDomain *domain)
{
  if (fake_domain_is_stopped (domain))
    return;
  for (guint i = 0; i < domain->qemu->len; i++)
    {
      FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);

      if (device->leaves)
        device->gone_at = MIN (device->gone_at, fake->clock + EJECT_DELAY);
      fake_qemu_enumerate (fake, domain, &device->guest);
    }
}

/* ---- plug ---- */

static gboolean G_GNUC_PRINTF (2, 3)
refuse (char **message, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  *message = g_strdup_vprintf (format, args);
  va_end (args);
  return FALSE;
}

/* Whether QEMU can open the function. */
static gboolean
check_open (Fake *fake, const FakeDomain *domain, const MfpPciAddress *host, char **message)
{
  const FakeNode *node = fake_host_find (fake, host);
  g_autofree char *address = mfp_pci_address_format (host);
  FakeDomain *user;

  if (!node || !fake_driver_is_vfio (node->driver))
    return refuse (message, "vfio %s: no such device in the group", address);
  if (node->group == FAKE_NO_GROUP)
    return refuse (message, "vfio %s: no iommu_group found: No such file or directory", address);
  if (!fake_group_is_viable (fake, node->group))
    return refuse (message, "vfio %s: group %d is not viable", address, node->group);
  user = fake_group_user (fake, node->group);
  if (user && user != domain)
    return refuse (message, "vfio %s: failed to open /dev/vfio/%d: Device or resource busy",
                   address, node->group);
  if (!user && !g_hash_table_contains (domain->access, GINT_TO_POINTER (node->group)))
    return refuse (message, "vfio %s: failed to open /dev/vfio/%d: No such file or directory",
                   address, node->group);
  return TRUE;
}

/* Whether the slot takes a device at @guest. The messages are QEMU's. */
static gboolean
check_slot (const FakeDomain *domain, const MfpPciAddress *guest, gboolean multifunction,
            char **message)
{
  MfpPciAddress zero = mfp_pci_address_with_function (guest, 0);
  const FakeQemuDevice *present = fake_qemu_at (domain, guest);

  if (present)
    return refuse (message, "PCI: slot %u function %u not available for vfio-pci, "
                            "in use by vfio-pci,id=%s",
                   (guint) guest->slot, (guint) guest->function, present->id);
  if (guest->function != 0 && fake_qemu_at (domain, &zero))
    return refuse (message, "PCI: slot %u function 0 already occupied by vfio-pci, new func "
                            "vfio-pci cannot be exposed to guest.",
                   (guint) guest->slot);
  for (guint i = 1; guest->function == 0 && !multifunction && i < MFP_PCI_FUNCTIONS; i++)
    {
      MfpPciAddress sibling = mfp_pci_address_with_function (guest, i);

      if (fake_qemu_at (domain, &sibling))
        return refuse (message,
                       "PCI: %x.0 indicates single function, but %x.%x is already populated.",
                       (guint) guest->slot, (guint) guest->slot, i);
    }
  return TRUE;
}

/* Whether the bus takes a device now. */
static gboolean
check_bus (const FakeDomain *domain, const MfpPciAddress *guest, char **message)
{
  const xmlNode *bus = fake_controller_by_index (domain->live, guest->bus);
  g_autofree char *model = mfp_xml_attribute (bus, "model");
  gboolean is_port = model && g_str_has_suffix (model, "-port");

  if (!bus)
    return refuse (message, "Bus 'pci.%u' not found", (guint) guest->bus);
  if (g_strcmp0 (model, "pcie-root") == 0
      || mfp_xml_attribute_is (mfp_xml_child (bus, "target"), "hotplug", "off"))
    return refuse (message, "Bus '%s%u' does not support hotplugging",
                   guest->bus == 0 ? "pcie." : "pci.", (guint) guest->bus);
  if (is_port && guest->slot != 0)
    return refuse (message, "PCI: slot %u is not valid for vfio-pci, parent device only allows "
                            "plugging into slot 0.",
                   (guint) guest->slot);
  return TRUE;
}

gboolean
fake_qemu_plug (Fake *fake, FakeDomain *domain, const FakeQemuDevice *wanted,
                gboolean multifunction, char **message)
{
  if (fake_qemu_find (domain, wanted->id))
    return refuse (message, "Duplicate device ID '%s' for device", wanted->id);
  if (!check_bus (domain, &wanted->guest, message)
      || !check_slot (domain, &wanted->guest, multifunction, message)
      || !check_open (fake, domain, &wanted->host, message))
    return FALSE;
  fake_qemu_add (domain, wanted->id, &wanted->host, &wanted->guest);
  fake_qemu_enumerate (fake, domain, &wanted->guest);
  return TRUE;
}

/* ---- unplug ---- */

static void
remove_device (Fake *fake, FakeDomain *domain, FakeQemuDevice *device)
{
  const FakeNode *node = device->is_vfio ? fake_host_find (fake, &device->host) : NULL;

  if (fake_device_by_alias (domain->live, device->id))
    {
      if (domain->lost_events > 0)
        domain->lost_events--;
      else
        fake_domain_add_task (domain, fake->clock + EVENT_DELAY, FAKE_DROP, device->id);
    }
  if (node)
    fake_group_hold (fake, node->group);
  g_ptr_array_remove (domain->qemu, device);
}

/* Whether QEMU refuses to request the removal of @device again. A native port refuses for
 * some time, which passes only while the guest runs. With ACPI, QEMU does not refuse (since
 * 7.2.3). */
static gboolean
is_asked_too_soon (const Fake *fake, const FakeDomain *domain, const FakeQemuDevice *device)
{
  return domain->hotplug == FAKE_NATIVE && device->asked_at != FAKE_NEVER
         && (fake_domain_is_stopped (domain) || fake->clock < device->asked_at + ASK_AGAIN);
}

gboolean
fake_qemu_unplug (Fake *fake, FakeDomain *domain, FakeQemuDevice *device, char **message)
{
  MfpPciAddress zero = mfp_pci_address_with_function (&device->guest, 0);

  if (is_asked_too_soon (fake, domain, device))
    return refuse (message, "Device %s is already in the process of unplug", device->id);
  if (domain->hotplug == FAKE_NATIVE && !fake_qemu_at (domain, &zero))
    remove_device (fake, domain, device);
  else
    request_eject (fake, domain, device);
  return TRUE;
}

/* ---- time ---- */

static void
do_task (Fake *fake, FakeDomain *domain, const FakeTask *task)
{
  xmlNode *device;

  switch (task->kind)
    {
    case FAKE_DROP:
      device = fake_device_by_alias (domain->live, task->alias);
      if (device)
        fake_domain_drop (fake, domain, device);
      break;
    case FAKE_REPORT_REJECTED:
      fake_events_queue_alias (domain, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, task->alias);
      break;
    case FAKE_REPORT_RESUMED:
    default:
      fake_events_queue_lifecycle (domain, VIR_DOMAIN_EVENT_RESUMED,
                                   VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
      break;
    }
}

static void
settle_domain (Fake *fake, FakeDomain *domain)
{
  for (guint i = domain->qemu->len; i-- > 0;)
    {
      FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);

      if (device->gone_at <= fake->clock)
        remove_device (fake, domain, device);
    }
  for (guint i = 0; i < domain->tasks->len;)
    {
      FakeTask *task = g_ptr_array_index (domain->tasks, i);

      if (task->at > fake->clock)
        {
          i++;
          continue;
        }
      do_task (fake, domain, task);
      g_ptr_array_remove_index (domain->tasks, i);
    }
}

void
fake_settle (Fake *fake)
{
  for (guint i = 0; i < fake->domains->len; i++)
    {
      FakeDomain *domain = g_ptr_array_index (fake->domains, i);

      if (domain->live)
        settle_domain (fake, domain);
    }
}

gint64
fake_next_due (Fake *fake)
{
  gint64 next = FAKE_NEVER;

  for (guint i = 0; i < fake->domains->len; i++)
    {
      const FakeDomain *domain = g_ptr_array_index (fake->domains, i);

      for (guint j = 0; j < domain->qemu->len; j++)
        next = MIN (next, ((FakeQemuDevice *) g_ptr_array_index (domain->qemu, j))->gone_at);
      for (guint j = 0; j < domain->tasks->len; j++)
        next = MIN (next, ((FakeTask *) g_ptr_array_index (domain->tasks, j))->at);
    }
  return next;
}
