/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes the XML of a domain, and all that the program computes from it. */
#include "config.h"

#include "base/autoptr.h"
#include "base/xml.h"
#include "fuzz.h"
#include "model/hostdev-xml.h"
#include "model/slots.h"
#include "plan/plan.h"
#include "plan/preflight.h"

#include <string.h>

#define DEVICES_MAX 64 /* some checks compare all pairs */

/* A chosen slot must pass the check for a slot that a person chooses, and must be empty. */
static void
check_slots (const MfpGuest *live, const MfpGuest *config)
{
  g_autoptr (GError) error = NULL, check_error = NULL;
  MfpPciAddress slot;
  gboolean found = mfp_guest_choose_slot (live, config, NULL, &slot, &error);

  fuzz_assert_outcome (found, error);
  if (!found)
    return;
  g_assert_true (mfp_guest_check_slot (live, config, &slot, &check_error));
  g_assert_no_error (check_error);
  g_assert_cmpuint (slot.function, ==, 0);
  g_assert_cmpuint (slot.slot, <, MFP_PCI_SLOTS);
  g_assert_null (mfp_guest_next_in_slot (live ? live : config, &slot, NULL));
}

static void
check_buses (const MfpGuest *guest)
{
  guint port;

  for (guint i = 0; i < guest->buses->len; i++)
    {
      const MfpBus *bus = g_ptr_array_index (guest->buses, i);
      g_autofree char *name = mfp_guest_bus_qemu_name (guest, bus);

      g_assert_true (!name || *name != '\0');
      g_assert_nonnull (mfp_guest_bus (guest, bus->index));
    }
  if (mfp_guest_plan_port (guest, &port))
    g_assert_null (mfp_guest_bus (guest, port));
}

static char *
format_with_namespace (const MfpRecord *record)
{
  g_autofree char *xml = mfp_record_format (record), *uri = mfp_record_uri (record->id);
  g_autofree char *escaped = g_markup_escape_text (uri, -1);

  g_assert_true (g_str_has_prefix (xml, "<card "));
  return g_strdup_printf ("<card xmlns='%s' %s", escaped, xml + strlen ("<card "));
}

/* A record that is written again, as by a detach, must stay the same. */
static void
check_record (const MfpRecord *record)
{
  g_autofree char *text = format_with_namespace (record), *text_again = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = mfp_xml_parse (text, strlen (text), "record", &error);
  g_autoptr (MfpRecord) again = NULL;

  g_assert_no_error (error);
  again = mfp_record_parse (xmlDocGetRootElement (doc));
  g_assert_nonnull (again);
  text_again = format_with_namespace (again);
  g_assert_cmpstr (text, ==, text_again);
}

/* The document of a valid card must stay the same when it is read and written again. */
static void
check_document (const MfpCard *card)
{
  g_autofree char *text = NULL, *text_again = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) again = NULL;

  if (!card->has_slot || !mfp_card_check (card, NULL))
    return;
  text = mfp_devices_format (card);
  again = mfp_devices_parse (text, strlen (text), "own", &error);
  g_assert_no_error (error);
  text_again = mfp_devices_format (again);
  g_assert_cmpstr (text, ==, text_again);
}

static void
check_presence (const MfpCard *card, const MfpGuest *guest)
{
  static const MfpForm forms[] = { MFP_LIVE, MFP_CONFIG };

  if (!mfp_card_find_guest (card, 0))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_autoptr (GError) error = NULL;
      MfpPciAddress slot;
      MfpPresence presence;
      gboolean admitted
          = mfp_preflight_presence (card, guest, forms[i], &presence, &slot, &error);

      fuzz_assert_outcome (admitted, error);
      g_assert_cmpint (admitted, ==, presence != MFP_PARTIAL);
    }
}

/* The checks that attach and detach make. */
static void
check_refusals (const MfpCard *card, const MfpGuest *guest, const GArray *selections)
{
  g_autoptr (GError) absent = NULL, unfinished = NULL, records = NULL, slot = NULL, consent = NULL;
  gboolean is_absent = mfp_preflight_absent (card, guest, &absent);
  gboolean is_finished
      = mfp_preflight_unfinished (card, guest, MFP_UNFINISHED_DETACH, &unfinished);
  gboolean is_one_record = mfp_preflight_records (guest, selections, &records);
  gboolean is_one_slot = mfp_preflight_one_slot (card, guest, &slot);
  gboolean has_consent = mfp_preflight_consent (card, guest, selections, NULL, &consent);

  fuzz_assert_outcome (is_absent, absent);
  fuzz_assert_outcome (is_finished, unfinished);
  fuzz_assert_outcome (is_one_record, records);
  fuzz_assert_outcome (is_one_slot, slot);
  fuzz_assert_outcome (has_consent, consent);
}

/* The card and the plan that detach and recover make. */
static void
check_card (const MfpGuest *guest, const GArray *selections, const MfpRecord *record)
{
  static const MfpRunning running = { .id = "1" };
  g_autoptr (MfpCard) card = mfp_card_from_guest (guest, selections, record);
  g_autoptr (GArray) named = mfp_card_to_selections (card);
  g_autoptr (MfpRecord) noted = mfp_card_to_detaching_record (card);
  g_autoptr (MfpPlan) plan = NULL;
  g_autofree char *steps = NULL;

  g_assert_cmpuint (named->len, ==, card->functions->len);
  g_assert_cmpuint (noted->functions->len, ==, card->functions->len);
  check_document (card);
  check_presence (card, guest);
  check_refusals (card, guest, named);
  plan = mfp_plan_detach (g_steal_pointer (&card), &running, NULL);
  steps = mfp_plan_describe (plan);
  g_assert_nonnull (steps);
}

/* The host functions of all devices: (element-type MfpSelection). */
static GArray *
select_all (const MfpGuest *guest)
{
  GArray *selections = g_array_new (FALSE, FALSE, sizeof (MfpSelection));

  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);
      MfpSelection selection = { .host = device->host,
                                 .guest_function = MFP_GUEST_FUNCTION_UNSET };
      g_autofree char *what = mfp_guest_device_describe (device);

      g_assert_true (*what != '\0');
      if (device->holds_host)
        g_array_append_val (selections, selection);
    }
  return selections;
}

static void
check_guest (const MfpGuest *guest)
{
  g_autoptr (GArray) all = select_all (guest);
  g_autoptr (GError) error = NULL;
  gboolean admitted = mfp_preflight_guest (guest, &error);

  fuzz_assert_outcome (admitted, error);
  g_assert_nonnull (guest->name);
  check_buses (guest);
  check_slots (guest, NULL);
  check_slots (NULL, guest);
  check_slots (guest, guest);
  check_card (guest, all, NULL);
  for (guint i = 0; i < guest->records->len; i++)
    {
      check_record (g_ptr_array_index (guest->records, i));
      check_card (guest, all, g_ptr_array_index (guest->records, i));
      check_card (guest, NULL, g_ptr_array_index (guest->records, i));
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *xml = fuzz_text (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpGuest) guest = mfp_guest_parse (xml, &error);

  fuzz_assert_outcome (guest != NULL, error);
  if (guest && guest->devices->len <= DEVICES_MAX && guest->records->len <= DEVICES_MAX)
    check_guest (guest);
  return 0;
}
