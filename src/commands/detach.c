/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * detach: words or a document -> what the guest has of it -> plan -> print it
 * or run it -> report.
 */
#include "config.h"

#include "base/error.h"
#include "commands/command.h"
#include "model/hostdev-xml.h"
#include "model/qmp.h"
#include "plan/plan.h"

#include <string.h>

static GArray *
read_request (const MfpCommonOptions *options, const GStrv arguments, GError **error)
{
  g_autoptr (MfpCard) document = NULL;

  if (!mfp_check_words ("detach", arguments, options, error))
    return NULL;
  if (!options->file)
    return mfp_selection_parse ((const char *const *) arguments + 1, NULL, error);
  document = mfp_read_document (options->file, error);
  return document ? mfp_card_to_selections (document) : NULL;
}

static gboolean
is_about (const MfpRecord *record, const GArray *selections)
{
  for (guint i = 0; i < record->functions->len; i++)
    {
      const MfpRecordFunction *function = g_ptr_array_index (record->functions, i);

      if (mfp_selection_names (selections, &function->host))
        return TRUE;
    }
  return FALSE;
}

/* The record of an attach that has to do with @selections, or NULL. */
static const MfpRecord *
find_record (const MfpGuest *guest, const GArray *selections)
{
  for (guint i = 0; i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);

      if (is_about (record, selections))
        return record;
    }
  return NULL;
}

/* Refuses what attaches brought into several slots: of an attach that was
 * interrupted the XML may show no slot. */
static gboolean
check_records (const MfpGuest *guest, const GArray *selections, GError **error)
{
  const MfpRecord *first = find_record (guest, selections);

  for (guint i = 0; i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);
      g_autofree char *slot = NULL, *other = NULL;

      if (!is_about (record, selections)
          || mfp_pci_address_same_slot (&record->slot, &first->slot))
        continue;
      slot = mfp_pci_address_format_slot (&first->slot);
      other = mfp_pci_address_format_slot (&record->slot);
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "the functions named are of the guest slots %s and %s; detach one slot at a "
                   "time",
                   slot, other);
      return FALSE;
    }
  return TRUE;
}

/* Refuses functions in several guest slots: each is a card of its own. */
static gboolean
check_one_slot (const MfpCard *card, const MfpGuest *guest, GError **error)
{
  g_autoptr (GString) places = g_string_new (NULL);
  const MfpPciAddress *first = NULL;
  gboolean several = FALSE;

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);
      g_autofree char *host = NULL, *address = NULL;

      if (!device || !device->has_address)
        continue;
      first = first ? first : &device->address;
      several = several || !mfp_pci_address_same_slot (first, &device->address);
      host = mfp_function_describe (function);
      address = mfp_pci_address_format (&device->address);
      g_string_append_printf (places, "%s%s at %s", places->len ? ", " : "", host, address);
    }
  if (several)
    g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                 "the functions named are in several guest slots: %s; detach one slot at a time",
                 places->str);
  return !several;
}

static void
append_item (GString *list, const char *item)
{
  g_string_append_printf (list, "%s%s", list->len ? ", " : "", item);
}

/* Lists what shares the slot of the card in @guest and is not in @selections:
 * by the XML and, for functions that libvirt believes unassigned, by the
 * record. */
static void
list_companions (const MfpCard *card, const MfpGuest *guest, const GArray *selections,
                 GString *list)
{
  const MfpGuestDevice *device = NULL;

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      g_autofree char *host = mfp_function_describe (function);

      if (mfp_function_is_exposed (function) && !mfp_selection_names (selections, &function->host))
        append_item (list, host);
    }
  while (card->has_slot && (device = mfp_guest_next_in_slot (guest, &card->slot, device)))
    {
      g_autofree char *what = mfp_guest_device_describe (device);

      if (!device->is_hostdev
          || !(mfp_card_find_host (card, &device->host)
               || mfp_selection_names (selections, &device->host)))
        append_item (list, what);
    }
}

/* The golden rule: nothing goes that was not named. */
static gboolean
check_consent (const GString *companions, GError **error)
{
  if (companions->len == 0)
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "the guest would lose the whole slot, and with it what was not named: %s; name "
               "the device, or all of its functions, to detach it",
               companions->str);
  return FALSE;
}

static gboolean
same_place (const MfpQemuDevice *a, const MfpQemuDevice *b)
{
  return a->root == b->root && a->slot == b->slot && g_strcmp0 (a->parent, b->parent) == 0;
}

/* Learns from QEMU's @pci (element-type MfpQemuDevice) which functions share the
 * slot of the card's function 0 though libvirt believes them unassigned: those of a
 * card that was plugged by hand, without a record. What was not named goes to
 * @companions. */
static void
learn_from_qemu (MfpCard *card, const MfpGuest *guest, const GPtrArray *pci, GString *companions)
{
  const MfpFunction *zero = mfp_card_find_guest (card, 0);
  const MfpQemuDevice *first = zero ? mfp_qmp_find_device (pci, zero->alias) : NULL;

  for (guint i = 0; first && i < pci->len; i++)
    {
      const MfpQemuDevice *device = g_ptr_array_index (pci, i);
      const MfpGuestDevice *known = mfp_guest_find_alias (guest, device->id);
      MfpFunction *function;

      if (!same_place (device, first) || (known && known->has_address))
        continue;
      function = known && known->is_hostdev ? mfp_card_find_host (card, &known->host) : NULL;
      if (function)
        function->guest_function = (int) device->function;
      else
        append_item (companions, device->id);
    }
}

/* What of @selections @guest has, by its XML and the record. */
static MfpCard *
find_card (const MfpGuest *guest, const GArray *selections)
{
  return mfp_card_from_guest (guest, selections, find_record (guest, selections));
}

/* What of @selections the running guest has, consent checked. */
static MfpCard *
find_live (MfpTarget *target, const GArray *selections, const MfpCommonOptions *options,
           GError **error)
{
  g_autoptr (MfpCard) card = find_card (target->seen.live, selections);
  g_autoptr (GString) companions = g_string_new (NULL);

  if (!options->dry_run && card->functions->len > 0)
    {
      if (!mfp_target_look_at_both (target, error))
        return NULL;
      mfp_card_free (card);
      card = find_card (target->seen.live, selections);
    }
  if (!check_records (target->seen.live, selections, error))
    return NULL;
  if (card->functions->len == 0)
    return g_steal_pointer (&card);
  if (!check_one_slot (card, target->seen.live, error))
    return NULL;
  list_companions (card, target->seen.live, selections, companions);
  if (target->seen.pci)
    learn_from_qemu (card, target->seen.live, target->seen.pci, companions);
  if (!check_consent (companions, error))
    return NULL;
  return g_steal_pointer (&card);
}

/* What of @selections the persistent XML has, consent checked. */
static MfpCard *
find_persistent (const MfpGuest *guest, const GArray *selections, GError **error)
{
  g_autoptr (MfpCard) card = mfp_card_from_guest (guest, selections, NULL);
  g_autoptr (GString) companions = g_string_new (NULL);

  if (!check_one_slot (card, guest, error))
    return NULL;
  list_companions (card, guest, selections, companions);
  if (!check_consent (companions, error))
    return NULL;
  return g_steal_pointer (&card);
}

/* From the open domain on. */
static char *
detach_from (MfpTarget *target, MfpInvocation *invocation, const MfpCommonOptions *options,
             const GArray *selections, GError **error)
{
  g_autoptr (MfpCard) live = NULL, config = NULL;
  g_autoptr (MfpPlan) plan = NULL;
  const MfpCard *shown;
  gboolean has_live;

  if (target->seen.live && !(live = find_live (target, selections, options, error)))
    return NULL;
  if (target->config && !(config = find_persistent (target->config, selections, error)))
    return NULL;
  shown = live && live->functions->len > 0 ? live : config ? config : live;
  if (options->dry_run)
    return mfp_devices_format (shown);
  if (shown->functions->len == 0)
    return mfp_target_report (target, invocation, (MfpReport){ .command = "detach" });
  if (!mfp_target_can_change (target, error))
    return NULL;
  has_live = live && live->functions->len > 0;
  plan = mfp_plan_detach (live ? live : mfp_card_new (), has_live, config);
  live = NULL;
  config = NULL;
  if (!mfp_target_execute (target, invocation, options, plan, error))
    return NULL;
  return mfp_target_report (
      target, invocation, (MfpReport){ .command = "detach", .changed = TRUE, .card = shown });
}

char *
mfp_cmd_detach (MfpInvocation *invocation, GError **error)
{
  g_auto (MfpCommonOptions) options = { .timeout = MFP_TIMEOUT_DEFAULT };
  static const char usage[]
      = "[OPTION...] DOMAIN DEVICE...\n\n"
        "Unplugs the guest slot that has the functions, and gives them back to their\n"
        "host drivers. Every function in the slot has to be named.\n" MFP_DOMAIN_HELP
        MFP_DEVICE_HELP;
  const struct poptOption table[] = {
    MFP_FORM_OPTIONS (&options),
    MFP_DRY_RUN_OPTION (&options, "print the <devices> document and touch nothing"),
    MFP_WAIT_OPTIONS (&options),
    POPT_TABLEEND,
  };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *help = NULL;
  g_autoptr (GArray) selections = NULL;
  g_autoptr (MfpTarget) target = NULL;

  if (!mfp_parse_options (invocation, table, usage, &options, &arguments, &help, error))
    return NULL;
  if (help)
    return g_steal_pointer (&help);
  selections = read_request (&options, arguments, error);
  if (!selections)
    return NULL;
  target = mfp_target_open (invocation, &options,
                            options.dry_run ? MFP_ACCESS_READ : MFP_ACCESS_CHANGE, arguments[0],
                            error);
  return target ? detach_from (target, invocation, &options, selections, error) : NULL;
}
