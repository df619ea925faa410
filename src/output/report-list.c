/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "output/report-list.h"

#include "base/text.h"
#include "model/slots.h"
#include "output/report-json.h"

#define GAP "  " /* between columns */

/* ---- text ---- */

/* The columns of a terminal that @text takes. */
static guint
text_width (const char *text)
{
  guint width = 0;

  for (const char *p = text; *p; p = g_utf8_next_char (p))
    {
      gunichar character = g_utf8_get_char (p);

      if (!g_unichar_iszerowidth (character))
        width += g_unichar_iswide (character) ? 2 : 1;
    }
  return width;
}

/* The width of each of the columns of @rows (element-type GStrv), which all
 * have as many; the caller frees. */
static guint *
column_widths (const GPtrArray *rows)
{
  guint columns = rows->len ? g_strv_length (g_ptr_array_index (rows, 0)) : 0;
  guint *widths = g_new0 (guint, columns + 1);

  for (guint i = 0; i < rows->len; i++)
    for (guint j = 0; j < columns; j++)
      widths[j] = MAX (widths[j], text_width (((GStrv) g_ptr_array_index (rows, i))[j]));
  return widths;
}

static GPtrArray *
rows_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
}

/* Appends @rows (element-type GStrv), each behind @indent, aligned, with
 * nothing at the end of a line. */
static void
append_rows (GString *text, const char *indent, const GPtrArray *rows)
{
  g_autofree guint *widths = column_widths (rows);

  for (guint i = 0; i < rows->len; i++)
    {
      const GStrv row = g_ptr_array_index (rows, i);
      guint blank = 0;

      g_string_append (text, indent);
      for (guint j = 0; row[j]; j++)
        {
          if (row[j][0])
            {
              g_string_append_printf (text, "%*s%s", (int) blank, "", row[j]);
              blank = 0;
            }
          blank += widths[j] - text_width (row[j]) + (guint) sizeof GAP - 1;
        }
      g_string_append_c (text, '\n');
    }
}

static void
append_count (GString *text, guint count)
{
  g_string_append_printf (text, "%u function%s", count, count == 1 ? "" : "s");
}

/* "Intel Corporation I350", "-"; the caller frees. */
static char *
device_names (const MfpHostFunction *host)
{
  g_autofree char *joined = g_strdup_printf ("%s %s", host->vendor ? host->vendor : "",
                                             host->product ? host->product : "");
  g_autofree char *names = mfp_printable (g_strstrip (joined));

  return *names ? g_steal_pointer (&names) : g_strdup ("-");
}

static char *
describe_group (const MfpHostFunction *host)
{
  return host->iommu_group == MFP_NO_IOMMU_GROUP ? g_strdup ("no group")
                                                 : g_strdup_printf ("group %d", host->iommu_group);
}

/* "'vm' at 0000:02:00.1", "'vm', unassigned", or nothing; the caller frees. */
static char *
describe_holder (const MfpHostEntry *entry)
{
  g_autofree char *name = entry->holder ? mfp_printable (entry->holder->name) : NULL;
  g_autofree char *place = entry->has_place ? mfp_pci_address_format (&entry->place) : NULL;

  if (!name)
    return g_strdup ("");
  return place ? g_strdup_printf ("'%s' at %s", name, place)
               : g_strdup_printf ("'%s', unassigned", name);
}

/* The caller frees. */
static char *
format_class (const MfpHostFunction *host)
{
  return g_strdup_printf ("0x%06x", host->class_code);
}

static GStrv
host_row (const MfpHostEntry *entry)
{
  const MfpHostFunction *host = entry->host;
  GStrv row = g_new0 (char *, 7);

  row[0] = mfp_pci_address_format (&host->address);
  row[1] = host->driver ? mfp_printable (host->driver) : g_strdup ("-");
  row[2] = format_class (host);
  row[3] = device_names (host);
  row[4] = describe_group (host);
  row[5] = describe_holder (entry);
  return row;
}

/* "group 5 also has 0000:03:00.0 (igb), 0000:04:00.0", for each group. */
static void
append_others (GString *text, const MfpHostDevice *device)
{
  int group = MFP_NO_IOMMU_GROUP;

  for (guint i = 0; i < device->others->len; i++)
    {
      const MfpHostFunction *other = g_ptr_array_index (device->others, i);
      g_autofree char *address = mfp_pci_address_format (&other->address);
      g_autofree char *driver = other->driver ? mfp_printable (other->driver) : NULL;

      if (i == 0 || other->iommu_group != group)
        g_string_append_printf (text, "%s" GAP "group %d also has %s", i ? "\n" : "",
                                other->iommu_group, address);
      else
        g_string_append_printf (text, ", %s", address);
      if (driver)
        g_string_append_printf (text, " (%s)", driver);
      group = other->iommu_group;
    }
  if (device->others->len)
    g_string_append_c (text, '\n');
}

static const char *
availability (const MfpHostDevice *device)
{
  if (!device->reason)
    return "can be attached";
  for (guint i = 0; i < device->functions->len; i++)
    if (g_array_index (device->functions, MfpHostEntry, i).holder)
      return "in use";
  return "cannot be attached";
}

/* "0000:09:00.0 has 7 virtual functions, 2 of them in use; --vfs lists them" */
static void
append_virtual_functions (GString *text, const MfpHostEntry *entry)
{
  g_autofree char *address = mfp_pci_address_format (&entry->host->address);
  guint count = entry->virtual_functions->len, used = 0;

  if (count == 0)
    return;
  for (guint i = 0; i < count; i++)
    used += g_array_index (entry->virtual_functions, MfpHostEntry, i).holder ? 1 : 0;
  g_string_append_printf (text, GAP "%s has %u virtual function%s", address, count,
                          count == 1 ? "" : "s");
  if (used)
    g_string_append_printf (text, ", %u of them in use", used);
  g_string_append (text, "; --vfs lists them\n");
}

/* The rows of @entries, each followed by those of its virtual functions if @vfs. */
static void
add_host_rows (GPtrArray *rows, const GArray *entries, gboolean vfs)
{
  for (guint i = 0; i < entries->len; i++)
    {
      const MfpHostEntry *entry = &g_array_index (entries, MfpHostEntry, i);

      g_ptr_array_add (rows, host_row (entry));
      if (vfs)
        add_host_rows (rows, entry->virtual_functions, vfs);
    }
}

static void
append_device (GString *text, const MfpHostDevice *device, gboolean vfs)
{
  g_autofree char *address = mfp_pci_address_format_slot (&device->address);
  g_autoptr (GPtrArray) rows = rows_new ();

  g_string_append_printf (text, "%s" GAP, address);
  append_count (text, device->functions->len);
  g_string_append_printf (text, GAP "%s\n", availability (device));
  add_host_rows (rows, device->functions, vfs);
  append_rows (text, GAP, rows);
  for (guint i = 0; !vfs && i < device->functions->len; i++)
    append_virtual_functions (text, &g_array_index (device->functions, MfpHostEntry, i));
  append_others (text, device);
  if (device->reason)
    {
      g_autofree char *reason = mfp_printable (device->reason);

      g_string_append_printf (text, GAP "%s\n", reason);
    }
}

static char *
host_text (const MfpHostList *list)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (list->devices->len == 0)
    g_string_append (text, list->all ? "No PCI devices.\n" : "No multifunction devices.\n");
  for (guint i = 0; i < list->devices->len; i++)
    append_device (text, g_ptr_array_index (list->devices, i), list->vfs);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static const char *
state_name (MfpPlugState state)
{
  static const char *const names[] = {
    [MFP_STATE_PLUGGED] = "plugged",
    [MFP_STATE_QUEUED] = "queued",
    [MFP_STATE_UNASSIGNED] = "unassigned",
    [MFP_STATE_DETACHING] = "detaching",
    [MFP_STATE_LOST] = "lost",
    [MFP_STATE_RECORDED] = "recorded",
    [MFP_STATE_CONFIGURED] = "configured",
  };

  return names[state];
}

/* The same for people: each says what it means. */
static const char *
state_text (MfpPlugState state)
{
  static const char *const texts[] = {
    [MFP_STATE_PLUGGED] = "plugged",
    [MFP_STATE_QUEUED] = "queued: not shown without function 0",
    [MFP_STATE_UNASSIGNED] = "unassigned",
    [MFP_STATE_DETACHING] = "detaching: removal pending",
    [MFP_STATE_LOST] = "lost: in the guest, but libvirt does not list it",
    [MFP_STATE_RECORDED] = "recorded: not in the guest",
    [MFP_STATE_CONFIGURED] = "configured: for the next start",
  };

  return texts[state];
}

static GStrv
guest_row (const MfpGuestEntry *entry)
{
  g_autofree char *host = mfp_pci_address_format (&entry->host);
  g_autofree char *guest = entry->has_place ? mfp_pci_address_format (&entry->place)
                                            : g_strdup ("-");
  GStrv row = g_new0 (char *, 4);

  row[0] = g_strdup_printf ("host %s", host);
  row[1] = g_strdup_printf ("guest %s", guest);
  row[2] = g_strdup (state_text (entry->state));
  return row;
}

static void
append_guest_card (GString *text, const MfpGuestCard *card)
{
  g_autofree char *slot = card->has_slot ? mfp_pci_address_format_slot (&card->slot) : NULL;
  g_autoptr (GPtrArray) rows = rows_new ();

  g_string_append (text, slot ? slot : "no slot");
  g_string_append (text, GAP);
  append_count (text, card->functions->len);
  g_string_append_c (text, '\n');
  for (guint i = 0; i < card->functions->len; i++)
    g_ptr_array_add (rows, guest_row (g_ptr_array_index (card->functions, i)));
  append_rows (text, GAP, rows);
}

static char *
guest_text (const MfpGuestList *list)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *name = mfp_printable (list->guest->name);

  if (list->cards->len == 0)
    g_string_append_printf (text, "Domain '%s' has no %s.\n", name,
                            list->all ? "host devices" : "multifunction cards");
  for (guint i = 0; i < list->cards->len; i++)
    append_guest_card (text, g_ptr_array_index (list->cards, i));
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static const char *
slot_status (const MfpSlot *slot)
{
  if (mfp_slot_is_free (slot))
    return "free";
  return slot->occupants->len ? "in use" : "unusable";
}

/* One line for the slots from @begin to before @end. */
static GStrv
slots_row (const GPtrArray *slots, guint begin, guint end)
{
  const MfpSlot *slot = g_ptr_array_index (slots, begin);
  g_autofree char *description = mfp_slot_describe (slot);
  GStrv row = g_new0 (char *, 5);

  row[0] = mfp_slots_run_format (slots, begin, end);
  row[1] = g_strdup (slot_status (slot));
  row[2] = g_strdup (mfp_bus_model_name (slot->bus->model));
  row[3] = mfp_printable (description);
  return row;
}

static char *
slots_text (const MfpGuest *guest, const GPtrArray *slots)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GPtrArray) rows = rows_new ();
  g_autofree char *name = mfp_printable (guest->name);

  if (slots->len == 0)
    g_string_append_printf (text, "Domain '%s' has no PCI bus with slots.\n", name);
  for (guint i = 0, end; i < slots->len; i = end)
    {
      end = mfp_slots_run_end (slots, i);
      g_ptr_array_add (rows, slots_row (slots, i, end));
    }
  append_rows (text, "", rows);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* ---- JSON ---- */

static void
add_address (JsonBuilder *builder, const char *name, const MfpPciAddress *address)
{
  g_autofree char *text = address ? mfp_pci_address_format (address) : NULL;

  mfp_json_add_string (builder, name, text);
}

static void
add_slot (JsonBuilder *builder, const char *name, const MfpPciAddress *slot)
{
  g_autofree char *text = slot ? mfp_pci_address_format_slot (slot) : NULL;

  mfp_json_add_string (builder, name, text);
}

/* libvirt has an empty name for what it knows none for. */
static void
add_name (JsonBuilder *builder, const char *member, const char *name)
{
  mfp_json_add_string (builder, member, name && *name ? name : NULL);
}

/* What is told of every function of the host. */
static void
add_host_function (JsonBuilder *builder, const MfpHostFunction *host)
{
  add_address (builder, "host", &host->address);
  mfp_json_add_string (builder, "host_driver", host->driver);
  json_builder_set_member_name (builder, "iommu_group");
  if (host->iommu_group == MFP_NO_IOMMU_GROUP)
    json_builder_add_null_value (builder);
  else
    json_builder_add_int_value (builder, host->iommu_group);
}

static void add_host_entries (JsonBuilder *builder, const char *name, const GArray *entries);

static void
add_host_entry (JsonBuilder *builder, const MfpHostEntry *entry)
{
  g_autofree char *class_code = format_class (entry->host);

  json_builder_begin_object (builder);
  add_host_function (builder, entry->host);
  mfp_json_add_string (builder, "class", class_code);
  add_name (builder, "vendor", entry->host->vendor);
  add_name (builder, "product", entry->host->product);
  mfp_json_add_boolean (builder, "bridge", entry->host->is_bridge);
  mfp_json_add_string (builder, "domain", entry->holder ? entry->holder->name : NULL);
  add_address (builder, "guest", entry->has_place ? &entry->place : NULL);
  add_host_entries (builder, "virtual_functions", entry->virtual_functions);
  json_builder_end_object (builder);
}

static void
add_host_entries (JsonBuilder *builder, const char *name, const GArray *entries)
{
  mfp_json_begin_list (builder, name);
  for (guint i = 0; i < entries->len; i++)
    add_host_entry (builder, &g_array_index (entries, MfpHostEntry, i));
  json_builder_end_array (builder);
}

static void
add_host_device (JsonBuilder *builder, const MfpHostDevice *device)
{
  json_builder_begin_object (builder);
  add_slot (builder, "device", &device->address);
  mfp_json_add_boolean (builder, "attachable", device->reason == NULL);
  mfp_json_add_string (builder, "reason", device->reason);
  add_host_entries (builder, "functions", device->functions);
  mfp_json_begin_list (builder, "group_others");
  for (guint i = 0; i < device->others->len; i++)
    {
      json_builder_begin_object (builder);
      add_host_function (builder, g_ptr_array_index (device->others, i));
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static char *
host_json (const GPtrArray *devices)
{
  g_autoptr (JsonBuilder) builder = mfp_json_begin ("list", NULL);

  mfp_json_begin_list (builder, "devices");
  for (guint i = 0; i < devices->len; i++)
    add_host_device (builder, g_ptr_array_index (devices, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return mfp_json_to_text (builder);
}

static void
add_guest_entry (JsonBuilder *builder, const MfpGuestEntry *entry)
{
  json_builder_begin_object (builder);
  add_address (builder, "host", &entry->host);
  add_address (builder, "guest", entry->has_place ? &entry->place : NULL);
  mfp_json_add_string (builder, "alias", entry->alias);
  mfp_json_add_string (builder, "host_driver", entry->driver);
  mfp_json_add_string (builder, "state", state_name (entry->state));
  json_builder_end_object (builder);
}

static void
add_card_entry (JsonBuilder *builder, const MfpGuestCard *card)
{
  json_builder_begin_object (builder);
  add_slot (builder, "slot", card->has_slot ? &card->slot : NULL);
  mfp_json_begin_list (builder, "functions");
  for (guint i = 0; i < card->functions->len; i++)
    add_guest_entry (builder, g_ptr_array_index (card->functions, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static char *
guest_json (const MfpGuestList *list)
{
  g_autoptr (JsonBuilder) builder = mfp_json_begin ("list", list->guest->name);

  mfp_json_add_boolean (builder, "running", list->guest->id != NULL);
  mfp_json_add_boolean (builder, "qemu_asked", list->qemu_asked);
  mfp_json_begin_list (builder, "cards");
  for (guint i = 0; i < list->cards->len; i++)
    add_card_entry (builder, g_ptr_array_index (list->cards, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return mfp_json_to_text (builder);
}

static void
add_slot_entry (JsonBuilder *builder, const MfpSlot *slot)
{
  json_builder_begin_object (builder);
  add_slot (builder, "slot", &slot->address);
  mfp_json_add_string (builder, "controller", mfp_bus_model_name (slot->bus->model));
  mfp_json_add_boolean (builder, "free", mfp_slot_is_free (slot));
  mfp_json_begin_list (builder, "occupants");
  for (guint i = 0; i < slot->occupants->len; i++)
    json_builder_add_string_value (builder, g_ptr_array_index (slot->occupants, i));
  json_builder_end_array (builder);
  mfp_json_add_string (builder, "reason", slot->reason);
  json_builder_end_object (builder);
}

static char *
slots_json (const MfpGuest *guest, const GPtrArray *slots)
{
  g_autoptr (JsonBuilder) builder = mfp_json_begin ("list", guest->name);

  mfp_json_add_boolean (builder, "running", guest->id != NULL);
  mfp_json_begin_list (builder, "slots");
  for (guint i = 0; i < slots->len; i++)
    add_slot_entry (builder, g_ptr_array_index (slots, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return mfp_json_to_text (builder);
}

char *
mfp_report_host_list (const MfpHostList *list, MfpFormat format)
{
  return format == MFP_FORMAT_JSON ? host_json (list->devices) : host_text (list);
}

char *
mfp_report_guest_list (const MfpGuestList *list, MfpFormat format)
{
  return format == MFP_FORMAT_JSON ? guest_json (list) : guest_text (list);
}

char *
mfp_report_slots (const MfpGuest *guest, const GPtrArray *slots, MfpFormat format)
{
  return format == MFP_FORMAT_JSON ? slots_json (guest, slots) : slots_text (guest, slots);
}
