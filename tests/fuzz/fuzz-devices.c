/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes a document for --file, and all that the program makes from it. */
#include "config.h"

#include "base/autoptr.h"
#include "fuzz.h"
#include "model/hostdev-xml.h"
#include "model/qmp.h"

#include <json-glib/json-glib.h>
#include <string.h>

static MfpCard *
parse_own (const char *text)
{
  g_autoptr (GError) error = NULL;
  MfpCard *card = mfp_devices_parse (text, strlen (text), "own", &error);

  g_assert_no_error (error);
  g_assert_nonnull (card);
  return card;
}

/* --file must read what --dry-run prints. */
static void
check_round_trip (const MfpCard *card)
{
  g_autofree char *text = mfp_devices_format (card);
  g_autoptr (MfpCard) again = parse_own (text);
  g_autofree char *text_again = mfp_devices_format (again);

  g_assert_cmpstr (text, ==, text_again);
  g_assert_cmpuint (card->functions->len, ==, again->functions->len);
  g_assert_cmpuint (mfp_card_count_exposed (card), ==, mfp_card_count_exposed (again));
  g_assert_true (mfp_pci_address_same_slot (&card->slot, &again->slot));
}

static void
check_command (const MfpFunction *function, guint slot)
{
  g_autofree char *command = mfp_qmp_device_add (function, "pci.1", slot);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (command, &error);

  g_assert_no_error (error);
  g_assert_true (JSON_NODE_HOLDS_OBJECT (node));
}

static void
check_function (const MfpCard *card, const MfpFunction *function)
{
  for (int form = MFP_HOSTDEV_PLUG; form <= MFP_HOSTDEV_ASKED; form++)
    {
      g_autofree char *xml = mfp_hostdev_format (card, function, (MfpHostdevForm) form);
      g_autoptr (xmlDoc) doc = xmlReadMemory (xml, (int) strlen (xml), NULL, NULL, 0);

      g_assert_nonnull (doc);
    }
  g_assert_nonnull (function->alias);
  if (mfp_function_is_exposed (function))
    check_command (function, card->slot.slot);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL, name_error = NULL;
  g_autoptr (MfpCard) card = mfp_devices_parse ((const char *) data, size, "input", &error);
  gboolean named;

  fuzz_assert_outcome (card != NULL, error);
  if (!card)
    {
      g_assert_cmpint (error->code, ==, MFP_ERROR_REFUSED);
      return 0;
    }
  g_assert_true (mfp_card_check (card, NULL));
  check_round_trip (card);
  named = mfp_card_name_functions (card, &name_error);
  fuzz_assert_outcome (named, name_error);
  for (guint i = 0; named && i < card->functions->len; i++)
    check_function (card, g_ptr_array_index (card->functions, i));
  return 0;
}
