/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "model/qmp.h"

#include <json-glib/json-glib.h>

char *
test_load (const char *directory, const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", directory, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

MfpGuest *
test_guest (const char *xml)
{
  g_autoptr (GError) error = NULL;
  MfpGuest *guest = mfp_guest_parse (xml, &error);

  g_assert_no_error (error);
  g_assert_nonnull (guest);
  return guest;
}

MfpGuest *
test_load_guest (const char *name)
{
  g_autofree char *xml = test_load ("guest", name);

  return test_guest (xml);
}

MfpPciAddress
test_address (const char *text)
{
  MfpPciAddress address = { 0 };
  gboolean valid = strchr (text, '.') ? mfp_pci_address_parse (text, &address, NULL)
                                      : mfp_pci_address_parse_slot (text, &address, NULL);

  g_assert_true (valid);
  return address;
}

GArray *
test_addresses (const char *text)
{
  GArray *addresses = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (guint i = 0; words[i]; i++)
    {
      MfpPciAddress address = test_address (words[i]);

      g_array_append_val (addresses, address);
    }
  return addresses;
}

MfpHostFunction *
test_host_function (const char *address, const char *driver, int group, const char *members)
{
  MfpHostFunction *function = g_new0 (MfpHostFunction, 1);

  function->address = test_address (address);
  function->driver = g_strdup (driver);
  function->iommu_group = group;
  function->group = test_addresses (members);
  function->virtual_functions = test_addresses ("");
  return function;
}

GPtrArray *
test_host_list (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_host_function_free);
}

const GPtrArray *
test_no_uses (void)
{
  static const GPtrArray none;

  return &none;
}

GPtrArray *
test_guest_list (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_guest_free);
}

MfpCard *
test_card (const char *functions)
{
  g_auto (GStrv) words = g_strsplit (functions, " ", -1);
  MfpCard *card = mfp_card_new ();

  for (guint i = 0; words[i]; i++)
    {
      g_auto (GStrv) parts = g_strsplit (words[i], "=", 2);
      MfpPciAddress host = test_address (parts[0]);

      mfp_card_add (card, &host, strcmp (parts[1], "unassigned") == 0 ? MFP_UNASSIGNED
                                                                      : parts[1][0] - '0');
    }
  return card;
}

MfpFunction *
test_function (const MfpCard *card, guint index)
{
  return g_ptr_array_index (card->functions, index);
}

GArray *
test_selections (const char *devices)
{
  g_auto (GStrv) words = g_strsplit (devices, " ", -1);
  g_autoptr (GError) error = NULL;
  GArray *selections = mfp_selection_parse ((const char *const *) words, NULL, &error);

  g_assert_no_error (error);
  return selections;
}

GPtrArray *
test_qemu_devices (const char *members)
{
  g_autofree char *answer = g_strdup_printf ("{\"return\":[{\"devices\":[%s]}]}", members);
  g_autoptr (GError) error = NULL;
  GPtrArray *devices = mfp_qmp_parse_pci (answer, &error);

  g_assert_no_error (error);
  return devices;
}

char *
test_describe_card (const MfpCard *card)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      g_autofree char *host = mfp_pci_address_format (&function->host);

      g_string_append_printf (text, "%s%s=", i ? " " : "", host);
      if (function->guest_function == MFP_UNASSIGNED)
        g_string_append (text, "unassigned");
      else
        g_string_append_printf (text, "%d", function->guest_function);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

void
test_assert_json (const char *actual, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) actual_node = json_from_string (actual, &error);
  g_autoptr (JsonNode) expected_node = NULL;

  g_assert_no_error (error);
  g_assert_nonnull (actual_node);
  expected_node = json_from_string (expected, &error);
  g_assert_no_error (error);
  g_assert_nonnull (expected_node);
  if (!json_node_equal (actual_node, expected_node))
    g_assert_cmpstr (actual, ==, expected);
}

void
test_add_row (const char *prefix, const char *name, gconstpointer row, GTestDataFunc function)
{
  g_autofree char *path = g_strconcat (prefix, name, NULL);

  g_test_add_data_func (path, row, function);
}
