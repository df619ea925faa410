/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/slots.h"

#include "base/error.h"
#include "base/text.h"

/* What can be plugged below each model, and whether into a running guest:
 * the rules of virDomainPCIAddressBusSetModel() in libvirt. A bus that takes
 * only ports or bridges has no slots for us. */
static const struct
{
  guint first_slot;
  guint slots;
  gboolean hotplug;
  gboolean is_port;
} rules[] = {
  [MFP_BUS_PCI_ROOT] = { .first_slot = 1, .slots = 31, .hotplug = TRUE },
  [MFP_BUS_PCIE_ROOT] = { .slots = 0 },
  [MFP_BUS_PCI_BRIDGE] = { .first_slot = 1, .slots = 31, .hotplug = TRUE },
  [MFP_BUS_DMI_TO_PCI_BRIDGE] = { .slots = 0 },
  [MFP_BUS_PCIE_TO_PCI_BRIDGE] = { .first_slot = 1, .slots = 31, .hotplug = TRUE },
  [MFP_BUS_PCIE_ROOT_PORT] = { .slots = 1, .hotplug = TRUE, .is_port = TRUE },
  [MFP_BUS_PCIE_SWITCH_UPSTREAM_PORT] = { .slots = 0 },
  [MFP_BUS_PCIE_SWITCH_DOWNSTREAM_PORT] = { .slots = 1, .hotplug = TRUE, .is_port = TRUE },
  [MFP_BUS_PCI_EXPANDER_BUS] = { .slots = 32 },
  [MFP_BUS_PCIE_EXPANDER_BUS] = { .slots = 0 },
  [MFP_BUS_UNKNOWN] = { .slots = 0 },
};

#define LINES_MAX 12 /* of an error message */

/* ---- one slot ---- */

static void
slot_free (gpointer data)
{
  MfpSlot *slot = data;

  if (!slot)
    return;
  g_ptr_array_unref (slot->occupants);
  g_free (slot->reason);
  g_free (slot);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpSlot, slot_free)

gboolean
mfp_slot_is_free (const MfpSlot *slot)
{
  return slot->occupants->len == 0 && !slot->reason;
}

/* The chipset of a pc machine lies in slot 1 of its root bus, of whose
 * functions the XML names some. */
static gboolean
is_chipset (const MfpGuest *guest, const MfpBus *bus, guint number)
{
  return bus->model == MFP_BUS_PCI_ROOT && number == 1 && !mfp_guest_is_pseries (guest);
}

static gboolean
slot_exists (const MfpBus *bus, guint number)
{
  return number >= rules[bus->model].first_slot
         && number < rules[bus->model].first_slot + rules[bus->model].slots;
}

static const MfpRecord *
find_record_of_slot (const MfpGuest *guest, const MfpPciAddress *address)
{
  for (guint i = 0; i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);

      if (mfp_pci_address_same_slot (&record->slot, address))
        return record;
    }
  return NULL;
}

/* Adds what @record has in its slot that libvirt does not list there. */
static void
add_recorded_occupants (GPtrArray *occupants, const MfpGuest *guest, const MfpRecord *record)
{
  for (guint i = 0; i < record->functions->len; i++)
    {
      const MfpRecordFunction *function = g_ptr_array_index (record->functions, i);
      const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);
      g_autofree char *host = mfp_pci_address_format (&function->host);

      if (function->guest_function >= 0 && !(device && device->has_address))
        g_ptr_array_add (occupants, g_strdup_printf ("hostdev %s", host));
    }
}

static GPtrArray *
list_occupants (const MfpGuest *guest, const MfpSlot *slot)
{
  GPtrArray *occupants = g_ptr_array_new_with_free_func (g_free);
  const MfpRecord *record = find_record_of_slot (guest, &slot->address);
  const MfpGuestDevice *device = NULL;

  if (is_chipset (guest, slot->bus, slot->address.slot))
    {
      g_ptr_array_add (occupants, g_strdup ("the chipset"));
      return occupants;
    }
  while ((device = mfp_guest_next_in_slot (guest, &slot->address, device)))
    g_ptr_array_add (occupants, mfp_guest_device_describe (device));
  if (record)
    add_recorded_occupants (occupants, guest, record);
  return occupants;
}

/* Why a card cannot have the slot, even if it is empty, or NULL. */
static const char *
find_reason (const MfpGuest *guest, const MfpSlot *slot, MfpForm form)
{
  const MfpBus *bus = slot->bus;

  if (form == MFP_LIVE && !rules[bus->model].hotplug)
    return "takes no hotplug";
  if (form == MFP_LIVE && !bus->hotplug)
    return "hotplug='off'";
  if (!slot_exists (bus, slot->address.slot))
    return "no place for a card";
  /* Elsewhere functions of one host IOMMU group would need address spaces of
   * their own, which QEMU refuses. */
  if (guest->has_iommu && bus->model != MFP_BUS_PCIE_TO_PCI_BRIDGE)
    return "the guest has an IOMMU, so only a pcie-to-pci-bridge will do";
  if (find_record_of_slot (guest, &slot->address)
      && !mfp_guest_next_in_slot (guest, &slot->address, NULL))
    return "another attach holds it, or was interrupted there";
  return NULL;
}

/* Looks at @guest, which is that form of the domain. */
static MfpSlot *
judge_form (const MfpGuest *guest, MfpForm form, const MfpBus *bus, guint number)
{
  MfpSlot *slot = g_new0 (MfpSlot, 1);

  slot->address = (MfpPciAddress){ .bus = (guint8) bus->index, .slot = (guint8) number };
  slot->bus = bus;
  slot->occupants = list_occupants (guest, slot);
  slot->reason = g_strdup (find_reason (guest, slot, form));
  return slot;
}

static char *
join_occupants (const MfpSlot *slot)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < slot->occupants->len; i++)
    mfp_append_item (text, "%s", (const char *) g_ptr_array_index (slot->occupants, i));
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Why a card cannot have @slot, as a sentence, or NULL; the caller frees. */
static char *
describe_objection (const MfpSlot *slot)
{
  g_autofree char *occupants = join_occupants (slot);

  if (slot->reason || slot->occupants->len == 0)
    return g_strdup (slot->reason);
  return g_strdup_printf ("%s %s there", occupants, slot->occupants->len == 1 ? "is" : "are");
}

/* What keeps @config from having a card in @slot of the running guest, too;
 * NULL: nothing. The caller frees. */
static char *
object_config (const MfpGuest *config, const MfpSlot *slot)
{
  const MfpBus *twin = mfp_guest_bus (config, slot->bus->index);
  g_autoptr (MfpSlot) other = NULL;
  g_autofree char *objection = NULL;

  if (!twin || twin->model != slot->bus->model)
    return g_strdup ("the persistent configuration has no such controller");
  other = judge_form (config, MFP_CONFIG, twin, slot->address.slot);
  objection = describe_objection (other);
  return objection ? g_strdup_printf ("in the persistent configuration: %s", objection) : NULL;
}

/* Looks at every form of the guest that is to be changed. */
static MfpSlot *
judge_slot (const MfpGuest *live, const MfpGuest *config, const MfpBus *bus, guint number)
{
  MfpSlot *slot = live ? judge_form (live, MFP_LIVE, bus, number)
                       : judge_form (config, MFP_CONFIG, bus, number);

  if (live && config && mfp_slot_is_free (slot))
    slot->reason = object_config (config, slot);
  return slot;
}

char *
mfp_slot_describe (const MfpSlot *slot)
{
  g_autofree char *occupants = join_occupants (slot);

  return g_strconcat (occupants, *occupants && slot->reason ? "; " : "",
                      slot->reason ? slot->reason : "", NULL);
}

/* ---- all slots ---- */

static int
compare_slots (gconstpointer a, gconstpointer b)
{
  const MfpSlot *const *left = a, *const *right = b;

  return mfp_pci_address_compare (&(*left)->address, &(*right)->address);
}

GPtrArray *
mfp_guest_survey_slots (const MfpGuest *live, const MfpGuest *config)
{
  const MfpGuest *guest = live ? live : config;
  GPtrArray *slots = g_ptr_array_new_with_free_func (slot_free);

  for (guint i = 0; i < guest->buses->len; i++)
    {
      const MfpBus *bus = g_ptr_array_index (guest->buses, i);

      for (guint number = 0; number < MFP_PCI_SLOTS; number++)
        if (slot_exists (bus, number))
          g_ptr_array_add (slots, judge_slot (live, config, bus, number));
    }
  g_ptr_array_sort (slots, compare_slots);
  return slots;
}

/* Whether both fit on one line: empty slots of one bus with one reason. */
static gboolean
are_alike (const MfpSlot *a, const MfpSlot *b)
{
  return a->bus == b->bus && a->occupants->len == 0 && b->occupants->len == 0
         && g_strcmp0 (a->reason, b->reason) == 0;
}

guint
mfp_slots_run_end (const GPtrArray *slots, guint begin)
{
  guint end = begin + 1;

  while (end < slots->len
         && are_alike (g_ptr_array_index (slots, begin), g_ptr_array_index (slots, end)))
    end++;
  return end;
}

char *
mfp_slots_run_format (const GPtrArray *slots, guint begin, guint end)
{
  const MfpSlot *first = g_ptr_array_index (slots, begin);
  const MfpSlot *last = g_ptr_array_index (slots, end - 1);
  g_autofree char *address = mfp_pci_address_format_slot (&first->address);

  return first == last ? g_steal_pointer (&address)
                       : g_strdup_printf ("%s-%02x", address, last->address.slot);
}

/* ---- no free slot ---- */

/* Index of one more controller; 0: there can be none. */
static guint
next_bus (const MfpGuest *guest)
{
  guint highest = 0;

  for (guint i = 0; i < guest->buses->len; i++)
    highest = MAX (highest, ((const MfpBus *) g_ptr_array_index (guest->buses, i))->index);
  return highest < G_MAXUINT8 ? highest + 1 : 0;
}

/* Where an added bridge goes. */
typedef enum
{
  BEHIND_PORT,
  ELSEWHERE,
} BridgePlace;

/* Whether a bridge has an empty slot to go to: behind a port, or elsewhere. */
static gboolean
has_room (const GPtrArray *slots, BridgePlace place)
{
  for (guint i = 0; i < slots->len; i++)
    {
      const MfpSlot *slot = g_ptr_array_index (slots, i);

      if (rules[slot->bus->model].is_port == (place == BEHIND_PORT) && slot->occupants->len == 0)
        return TRUE;
    }
  return FALSE;
}

/* The name comes last, as it may need "--" before it. */
static void
append_command (GString *text, const char *model, const MfpGuest *guest)
{
  g_autofree char *name = mfp_shell_word (guest->name);

  g_string_append_printf (text, "\n  virt-xml --add-device --controller type=pci,model=%s %s",
                          model, name);
}

/* libvirt adds a port by itself for a card, but not for a bridge
 * (virDomainPCIAddressSetGrow()). */
static void
append_pcie_remedy (GString *text, const MfpGuest *guest, const GPtrArray *slots)
{
  if (!guest->has_iommu)
    {
      g_string_append (text, "\nIts root bus takes none. To add a port for its next start:");
      append_command (text, "pcie-root-port", guest);
      return;
    }
  g_string_append (text, "\nTo add a bridge with 31 slots for its next start:");
  if (!has_room (slots, BEHIND_PORT))
    append_command (text, "pcie-root-port", guest);
  append_command (text, "pcie-to-pci-bridge", guest);
}

/* How the guest gets more slots. */
static void
append_remedy (GString *text, const MfpGuest *guest, const GPtrArray *slots)
{
  const MfpBus *root = mfp_guest_bus (guest, 0);

  if (!root || next_bus (guest) == 0)
    return;
  if (mfp_guest_is_pseries (guest))
    {
      g_string_append (text, "\nTo add a PCI host bridge for its next start:");
      append_command (text, "pci-root", guest);
    }
  else if (root->model == MFP_BUS_PCIE_ROOT)
    append_pcie_remedy (text, guest, slots);
  else if (has_room (slots, ELSEWHERE))
    {
      g_string_append (text, "\nTo add a bridge with 31 slots for its next start:");
      append_command (text, "pci-bridge", guest);
    }
  else
    g_string_append (text, "\nIt has no slot for one more bridge either: remove a device first.");
}

/* Who occupies what, in so many lines as somebody reads. */
static void
append_slots (GString *text, const MfpGuest *guest, const GPtrArray *slots)
{
  guint lines = 0;

  for (guint i = 0, end; i < slots->len; i = end)
    {
      const MfpSlot *slot = g_ptr_array_index (slots, i);
      g_autofree char *name = NULL, *what = mfp_slot_describe (slot);

      end = mfp_slots_run_end (slots, i);
      if (lines++ == LINES_MAX)
        {
          name = mfp_shell_word (guest->name);
          g_string_append_printf (text, "\n  and so on: virt-mfplug list --slots %s", name);
          return;
        }
      name = mfp_slots_run_format (slots, i, end);
      g_string_append_printf (text, "\n  %s %s: %s", name, mfp_bus_model_name (slot->bus->model),
                              what);
    }
}

static void
set_no_slot_error (GError **error, const MfpGuest *guest, MfpForm form, const GPtrArray *slots)
{
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_append_printf (text, "domain '%s' has no free slot that takes %s:%s", guest->name,
                          form == MFP_LIVE ? "a hot-plugged card" : "the card",
                          slots->len ? "" : " it has no PCI bus with slots");
  append_slots (text, guest, slots);
  append_remedy (text, guest, slots);
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED, text->str);
}

/* ---- choosing one ---- */

/* Whether a PCI host bridge of a pseries guest has, or is for, what is not of
 * @group. */
static gboolean
bus_is_shared (const MfpGuest *guest, const MfpBus *bus, const GArray *group)
{
  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (device->has_address && device->address.bus == bus->index
          && !(device->is_hostdev && mfp_pci_addresses_contain (group, &device->host)))
        return TRUE;
    }
  return bus->phb == 0;
}

static gboolean
is_host_bridge (const MfpGuest *guest, const MfpBus *bus)
{
  return bus->model == MFP_BUS_PCI_ROOT && mfp_guest_is_pseries (guest);
}

gboolean
mfp_guest_slot_is_shared (const MfpGuest *guest, const MfpPciAddress *slot, const GArray *group)
{
  const MfpBus *bus = mfp_guest_bus (guest, slot->bus);

  return bus && is_host_bridge (guest, bus) && bus_is_shared (guest, bus, group);
}

/* How welcome a card is on @bus, before the address counts. */
static guint
bus_rank (const MfpGuest *guest, const MfpBus *bus, const GArray *group)
{
  if (!is_host_bridge (guest, bus))
    return rules[bus->model].is_port ? 2 : 1;
  if (!bus_is_shared (guest, bus, group))
    return 2;
  return bus->phb == 0 ? 1 : 0;
}

/* Notes which of @slots somebody else got first. */
static void
mark_taken (const GPtrArray *slots, const GArray *taken)
{
  for (guint i = 0; i < slots->len; i++)
    {
      MfpSlot *slot = g_ptr_array_index (slots, i);

      if (mfp_slot_is_free (slot) && mfp_pci_addresses_contain (taken, &slot->address))
        slot->reason = g_strdup ("another device or run has just taken it");
    }
}

gboolean
mfp_guest_choose_slot (const MfpGuest *live, const MfpGuest *config,
                       const MfpSlotWish *wish, MfpPciAddress *slot, GError **error)
{
  const MfpGuest *guest = live ? live : config;
  g_autoptr (GPtrArray) slots = mfp_guest_survey_slots (live, config);
  const MfpSlot *best = NULL;
  guint best_rank = 0;

  mark_taken (slots, wish ? wish->taken : NULL);
  for (guint i = 0; i < slots->len; i++)
    {
      const MfpSlot *candidate = g_ptr_array_index (slots, i);
      guint rank = bus_rank (guest, candidate->bus, wish ? wish->group : NULL);

      /* The addresses rise, so of equals the last is the highest. */
      if (!mfp_slot_is_free (candidate) || rank < best_rank)
        continue;
      best = candidate;
      best_rank = rank;
    }
  if (!best)
    {
      set_no_slot_error (error, guest, live ? MFP_LIVE : MFP_CONFIG, slots);
      return FALSE;
    }
  *slot = best->address;
  return TRUE;
}

gboolean
mfp_guest_plan_port (const MfpGuest *config, guint *index)
{
  const MfpBus *root = mfp_guest_bus (config, 0);

  *index = next_bus (config);
  return root && root->model == MFP_BUS_PCIE_ROOT && !config->has_iommu && *index != 0;
}

static gboolean
set_slot_error (GError **error, const MfpGuest *guest, const char *slot, const char *reason)
{
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "guest slot %s of domain '%s' cannot be used: %s", slot, guest->name, reason);
  return FALSE;
}

gboolean
mfp_guest_check_slot (const MfpGuest *live, const MfpGuest *config,
                      const MfpPciAddress *slot, GError **error)
{
  const MfpGuest *guest = live ? live : config;
  const MfpBus *bus = slot->domain == 0 ? mfp_guest_bus (guest, slot->bus) : NULL;
  g_autofree char *address = mfp_pci_address_format_slot (slot), *name = NULL, *objection = NULL;
  g_autoptr (MfpSlot) judged = NULL;

  if (!bus)
    return set_slot_error (error, guest, address, "the domain has no such bus");
  judged = judge_slot (live, config, bus, slot->slot);
  objection = describe_objection (judged);
  name = g_strdup_printf ("%s (%s)", address, mfp_bus_model_name (bus->model));
  return !objection || set_slot_error (error, guest, name, objection);
}
