/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "model/selection.h"

typedef struct
{
  const char *name;
  const char *words; /* separated by spaces */
  const char *functions;
  const char *expected; /* the selections */
  const char *message;  /* or the error */
} Row;

static const Row rows[] = {
  { "a-device-with-its-domain", "0001:02:03", NULL, "0001:02:03.*", NULL },
  { "a-device-without-its-domain", "02:03", NULL, "0000:02:03.*", NULL },
  { "a-device-with-a-star", "02:03.*", NULL, "0000:02:03.*", NULL },
  { "one-function", "02:03.4", NULL, "0000:02:03.4", NULL },
  { "a-list-with-a-range", "01:00.0,2-3", NULL, "0000:01:00.0 0000:01:00.2 0000:01:00.3", NULL },
  { "a-range-of-one-function", "01:00.2-2", NULL, "0000:01:00.2", NULL },
  { "functions-in-any-order", "01:00.3,0-1", NULL, "0000:01:00.3 0000:01:00.0 0000:01:00.1", NULL },
  { "a-mapping", "01:00.1=0,01:00.3=1", NULL, "0000:01:00.1=0 0000:01:00.3=1", NULL },
  { "a-short-mapping", "01:00.1=0,3=7", NULL, "0000:01:00.1=0 0000:01:00.3=7", NULL },
  { "a-node-name", "pci_0001_02_03_4", NULL, "0001:02:03.4", NULL },
  { "a-node-name-with-more-functions", "pci_0000_01_00_0,2", NULL, "0000:01:00.0 0000:01:00.2",
    NULL },
  { "a-second-device-in-a-word", "01:00.0,02:00.1,3", NULL,
    "0000:01:00.0 0000:02:00.1 0000:02:00.3", NULL },
  { "two-devices-in-a-word", "01:00,02:00", NULL, "0000:01:00.* 0000:02:00.*", NULL },
  { "several-words", "01:00.0 02:00 pci_0000_03_00_1", NULL,
    "0000:01:00.0 0000:02:00.* 0000:03:00.1", NULL },
  { "a-list-of-functions-for-a-device", "01:00", "0,2-3",
    "0000:01:00.0 0000:01:00.2 0000:01:00.3", NULL },
  { "a-list-of-functions-for-a-device-with-a-star", "01:00.*", "1=0,3=1",
    "0000:01:00.1=0 0000:01:00.3=1", NULL },

  { "a-function-twice", "01:00.0,0", NULL, NULL, "host function 0000:01:00.0 is named twice" },
  { "a-function-twice-by-a-range", "01:00.0-2 01:00.1", NULL, NULL,
    "host function 0000:01:00.1 is named twice" },
  { "a-function-of-a-whole-device", "01:00 01:00.1", NULL, NULL,
    "host function 0000:01:00.1 is named twice" },
  { "a-whole-device-after-its-function", "01:00.1 01:00", NULL, NULL,
    "host function 0000:01:00.0 is named twice" },
  { "a-device-and-its-function-in-a-word", "01:00.*,1", NULL, NULL, "named twice" },
  { "a-mapping-and-the-same-by-node-name", "01:00.1=0 pci_0000_01_00_1", NULL, NULL,
    "host function 0000:01:00.1 is named twice" },
  { "a-backward-range", "01:00.3-1", NULL, NULL, "in '01:00.3-1': '3-1' does not name" },
  { "an-open-range", "01:00.1-", NULL, NULL, "'1-' does not name" },
  { "a-range-to-8", "01:00.0-8", NULL, NULL, "'0-8' does not name" },
  { "function-8", "01:00.8", NULL, NULL, "'8' does not name" },
  { "function-a", "01:00.a", NULL, NULL, "'a' does not name" },
  { "function-10", "01:00.10", NULL, NULL, "'10' does not name" },
  { "guest-function-8", "01:00.0=8", NULL, NULL, "'0=8' does not name" },
  { "a-missing-guest-function", "01:00.0=", NULL, NULL, "'0=' does not name" },
  { "a-negative-guest-function", "01:00.0=-1", NULL, NULL, "'0=-1' does not name" },
  { "a-mapping-of-a-range", "01:00.0-1=0", NULL, NULL, "'0-1=0' does not name" },
  { "a-mapping-with-two-guest-functions", "01:00.0=0=1", NULL, NULL, "'0=0=1' does not name" },
  { "a-point-without-a-function", "01:00.", NULL, NULL, "'' does not name" },
  { "two-stars", "01:00.**", NULL, NULL, "'**' does not name" },
  { "a-trailing-comma", "01:00.0,", NULL, NULL, "in '01:00.0,': '' does not name" },
  { "a-leading-comma", ",01:00.0", NULL, NULL, "in ',01:00.0': '' does not name" },
  { "a-function-without-a-device", "2", NULL, NULL, "'2' does not name" },
  { "junk-after-the-slot", "01:00x", NULL, NULL, "'01:00x' does not name" },
  { "a-slot-above-1f", "01:20.0", NULL, NULL, "'01:20.0' does not name" },
  { "a-wrong-node-name", "pci_0000_01_00_9", NULL, NULL, "does not name" },
  { "a-list-of-functions-for-two-devices", "01:00 02:00", "0", NULL,
    "--functions goes with exactly one whole device" },
  { "a-list-of-functions-for-a-function", "01:00.1", "0", NULL,
    "--functions goes with exactly one whole device" },
  { "an-empty-list-of-functions", "01:00", "", NULL, "--functions is empty" },
  { "junk-in-the-list-of-functions", "01:00", "0;1", NULL,
    "in --functions '0;1': '0;1' does not name" },
  { "an-address-in-the-list-of-functions", "01:00", "01:00.0", NULL, "in --functions '01:00.0'" },
  { "a-function-twice-in-the-list-of-functions", "01:00", "1,1", NULL,
    "host function 0000:01:00.1 is named twice" },
};

static char *
describe (const GArray *selections)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < selections->len; i++)
    {
      const MfpSelection *selection = &g_array_index (selections, MfpSelection, i);
      g_autofree char *slot = mfp_pci_address_format_slot (&selection->host);

      g_string_append_printf (text, "%s%s.", i ? " " : "", slot);
      if (selection->whole)
        {
          g_assert_cmpuint (selection->host.function, ==, 0);
          g_assert_cmpint (selection->guest_function, ==, MFP_GUEST_FUNCTION_UNSET);
          g_string_append_c (text, '*');
        }
      else
        g_string_append_printf (text, "%x", selection->host.function);
      if (selection->guest_function != MFP_GUEST_FUNCTION_UNSET)
        g_string_append_printf (text, "=%d", selection->guest_function);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
test_parse (gconstpointer data)
{
  const Row *row = data;
  g_auto (GStrv) words = g_strsplit (row->words, " ", -1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) selections
      = mfp_selection_parse ((const char *const *) words, row->functions, &error);
  g_autofree char *text = selections ? describe (selections) : NULL;

  g_assert_cmpstr (text, ==, row->expected);
  if (row->expected)
    g_assert_no_error (error);
  else
    assert_error (error, MFP_ERROR_USAGE, row->message);
}

static void
test_empty_word (void)
{
  static const char *const words[] = { "", NULL };
  g_autoptr (GError) error = NULL;

  g_assert_null (mfp_selection_parse (words, NULL, &error));
  assert_error (error, MFP_ERROR_USAGE, "'' does not name a device");
  assert_contains (error->message, "01:00.1=0,01:00.3=1"); /* one of the examples */
}

static void
test_names (void)
{
  static const struct
  {
    const char *address;
    gboolean named;
  } cases[] = {
    { "0000:01:00.0", TRUE },  { "0000:01:00.7", TRUE },  { "0000:02:00.1", TRUE },
    { "0000:02:00.0", FALSE }, { "0000:01:01.0", FALSE }, { "0001:01:00.0", FALSE },
  };
  g_autoptr (GArray) selections = test_selections ("01:00 02:00.1");

  FOR_EACH (i, cases)
    {
      MfpPciAddress address = test_address (cases[i].address);

      g_assert_cmpint (mfp_selection_names (selections, &address), ==, cases[i].named);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  FOR_EACH (i, rows)
    test_add_row (rows[i].expected ? "/selection/parse/accepts-" : "/selection/parse/refuses-",
                  rows[i].name, &rows[i], test_parse);
  g_test_add_func ("/selection/parse/refuses-an-empty-word", test_empty_word);
  g_test_add_func ("/selection/names/knows-whole-devices-and-single-functions", test_names);
  return g_test_run ();
}
