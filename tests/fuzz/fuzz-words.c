/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes words of the command line. The first line is the value of --functions, or empty if
 * the option is not given. Each other line is a DEVICE. Every line also serves as an address,
 * and as a name in a message.
 */
#include "config.h"

#include "fuzz.h"
#include "base/text.h"
#include "model/selection.h"

#include <string.h>

#define WORDS_MAX 64 /* the program compares all pairs of selections */

static void
assert_same (const MfpPciAddress *address, const MfpPciAddress *again)
{
  g_assert_true (mfp_pci_address_equal (address, again));
  g_assert_true (mfp_pci_address_same_slot (address, again));
  g_assert_cmpint (mfp_pci_address_compare (address, again), ==, 0);
}

static void
assert_in_range (const MfpPciAddress *address)
{
  g_assert_cmpuint (address->slot, <, MFP_PCI_SLOTS);
  g_assert_cmpuint (address->function, <, MFP_PCI_FUNCTIONS);
}

/* Each written form of an address must be read as the same address. */
static void
check_forms (const MfpPciAddress *address)
{
  g_autofree char *text = mfp_pci_address_format (address);
  g_autofree char *slot_text = mfp_pci_address_format_slot (address);
  g_autofree char *node_name = mfp_pci_address_format_node_name (address);
  MfpPciAddress slot = mfp_pci_address_with_function (address, 0);
  MfpPciAddress again;

  assert_in_range (address);
  g_assert_true (mfp_pci_address_parse (text, &again, NULL));
  assert_same (address, &again);
  g_assert_true (mfp_pci_address_parse_node_name (node_name, &again));
  assert_same (address, &again);
  g_assert_true (mfp_pci_address_parse_slot (slot_text, &again, NULL));
  assert_same (&slot, &again);
}

static void
check_address (const char *word)
{
  g_autoptr (GError) error = NULL, slot_error = NULL;
  MfpPciAddress address, slot;
  gboolean is_address = mfp_pci_address_parse (word, &address, &error);
  gboolean is_slot = mfp_pci_address_parse_slot (word, &slot, &slot_error);

  fuzz_assert_outcome (is_address, error);
  fuzz_assert_outcome (is_slot, slot_error);
  if (is_address)
    check_forms (&address);
  if (is_slot)
    {
      g_assert_cmpuint (slot.function, ==, 0);
      check_forms (&slot);
    }
  if (is_address && is_slot)
    assert_same (&address, &slot);
  if (mfp_pci_address_parse_node_name (word, &address))
    {
      g_assert_false (is_address || is_slot);
      check_forms (&address);
    }
}

/* A shell must read the quoted word as the original word, and no program may take it for an
 * option. */
static void
check_shell_word (const char *word)
{
  g_autofree char *quoted = mfp_shell_word (word);
  g_auto (GStrv) words = NULL;
  gboolean guarded = word[0] == '-';

  g_assert_true (g_shell_parse_argv (quoted, NULL, &words, NULL));
  g_assert_cmpuint (g_strv_length (words), ==, guarded ? 2 : 1);
  if (guarded)
    g_assert_cmpstr (words[0], ==, "--");
  g_assert_cmpstr (words[guarded ? 1 : 0], ==, word);
}

static void
check_selections (const GArray *selections)
{
  for (guint i = 0; i < selections->len; i++)
    {
      const MfpSelection *selection = &g_array_index (selections, MfpSelection, i);

      assert_in_range (&selection->host);
      g_assert_true (mfp_selection_names (selections, &selection->host));
      g_assert_cmpint (selection->guest_function, >=, MFP_GUEST_FUNCTION_UNSET);
      g_assert_cmpint (selection->guest_function, <, MFP_PCI_FUNCTIONS);
      if (selection->whole)
        g_assert_cmpuint (selection->host.function, ==, 0);
      for (guint j = 0; j < i; j++)
        g_assert_false (mfp_pci_address_equal (
            &selection->host, &g_array_index (selections, MfpSelection, j).host));
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = fuzz_text (data, size);
  g_auto (GStrv) lines = g_strsplit (text, "\n", WORDS_MAX);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) selections = NULL;

  if (!lines[0])
    return 0;
  for (guint i = 0; lines[i]; i++)
    {
      check_address (lines[i]);
      check_shell_word (lines[i]);
    }
  if (!lines[1])
    return 0;
  selections = mfp_selection_parse ((const char *const *) lines + 1,
                                    *lines[0] ? lines[0] : NULL, &error);
  fuzz_assert_outcome (selections != NULL, error);
  if (selections)
    check_selections (selections);
  else
    g_assert_cmpint (error->code, ==, MFP_ERROR_USAGE);
  return 0;
}
