/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "model/card.h"

#include <libxml/parser.h>

/* All functions of the devices that @wanted names. The host has two devices: 01:00 with four
 * functions, and 02:00 with two. */
static GPtrArray *
named_devices (const GArray *wanted)
{
  static const char *const addresses[] = {
    "0000:01:00.0", "0000:01:00.1", "0000:01:00.2",
    "0000:01:00.3", "0000:02:00.0", "0000:02:00.1",
  };
  GPtrArray *host = test_host_list ();

  FOR_EACH (i, addresses)
    for (guint j = 0; j < wanted->len; j++)
      {
        MfpPciAddress address = test_address (addresses[i]);

        if (mfp_pci_address_same_slot (&address,
                                       &g_array_index (wanted, MfpSelection, j).host))
          {
            g_ptr_array_add (host, test_host_function (addresses[i], "e1000e",
                                                       MFP_NO_IOMMU_GROUP, addresses[i]));
            break;
          }
      }
  return host;
}

typedef struct
{
  const char *name;
  const char *words;
  MfpRest rest;
  const char *expected;
  const char *message;
} Row;

static const Row selections[] = {
  { "a-whole-device-and-keeps-its-numbers", "01:00", MFP_REST_KEEP,
    "0000:01:00.0=0 0000:01:00.1=1 0000:01:00.2=2 0000:01:00.3=3", NULL },
  { "a-part-and-keeps-its-numbers", "01:00.0,2", MFP_REST_KEEP, "0000:01:00.0=0 0000:01:00.2=2",
    NULL },
  { "a-part-in-any-order", "01:00.2,0", MFP_REST_KEEP, "0000:01:00.2=2 0000:01:00.0=0", NULL },
  { "a-mapping", "01:00.1=0,01:00.3=1", MFP_REST_KEEP, "0000:01:00.1=0 0000:01:00.3=1", NULL },
  { "functions-of-several-devices-and-packs-them", "02:00.1 01:00.3 02:00.0", MFP_REST_KEEP,
    "0000:02:00.1=0 0000:01:00.3=1 0000:02:00.0=2", NULL },
  { "whole-devices-and-packs-them", "02:00 01:00.*", MFP_REST_KEEP,
    "0000:02:00.0=0 0000:02:00.1=1 0000:01:00.0=2 0000:01:00.1=3 0000:01:00.2=4 0000:01:00.3=5",
    NULL },
  { "the-rest-as-unassigned-functions", "01:00.1=0,01:00.3=1 02:00.0=2", MFP_REST_UNASSIGNED,
    "0000:01:00.1=0 0000:01:00.3=1 0000:02:00.0=2 "
    "0000:01:00.0=unassigned 0000:01:00.2=unassigned 0000:02:00.1=unassigned",
    NULL },
  { "a-whole-device-without-a-rest", "02:00", MFP_REST_UNASSIGNED,
    "0000:02:00.0=0 0000:02:00.1=1", NULL },

  { "a-device-that-does-not-exist", "03:00", MFP_REST_KEEP, NULL,
    "the host has no PCI device 0000:03:00" },
  { "a-function-that-does-not-exist-and-lists-the-others", "02:00.0,2", MFP_REST_KEEP, NULL,
    "the host has no PCI device 0000:02:00.2; that device has 0000:02:00.0, 0000:02:00.1" },
  { "no-function-0-and-suggests-a-mapping", "01:00.1,3", MFP_REST_KEEP, NULL,
    "a mapping that works: 0000:01:00.1=0,0000:01:00.3=1" },
  { "a-mapping-without-function-0", "01:00.0=1", MFP_REST_KEEP, NULL,
    "no function becomes guest function 0" },
  { "a-mapping-of-only-some-functions", "01:00.0=0,01:00.1", MFP_REST_KEEP, NULL,
    "some functions have a guest function and some do not" },
  { "two-host-functions-for-one-guest-function", "01:00.0=0,01:00.1=0", MFP_REST_KEEP, NULL,
    "host functions 0000:01:00.0 and 0000:01:00.1 would both become guest function 0" },
};

/* 01:00.0 is a physical function, 01:00.1 and .2 are its virtual functions. */
static GPtrArray *
sriov_host (void)
{
  GPtrArray *host = test_host_list ();
  static const char *const functions[] = { "0000:01:00.0", "0000:01:00.1", "0000:01:00.2" };

  FOR_EACH (i, functions)
    {
      MfpHostFunction *function
          = test_host_function (functions[i], "igb", MFP_NO_IOMMU_GROUP, functions[i]);

      function->is_virtual = i > 0;
      g_ptr_array_add (host, function);
    }
  return host;
}

static const Row sriov_selections[] = {
  { "a-whole-device-means-no-virtual-functions", "01:00", MFP_REST_KEEP, "0000:01:00.0=0", NULL },
  { "the-rest-means-no-virtual-functions", "01:00.0", MFP_REST_UNASSIGNED, "0000:01:00.0=0",
    NULL },
  { "virtual-functions-are-named-one-by-one", "01:00.1=0,01:00.2=1", MFP_REST_KEEP,
    "0000:01:00.1=0 0000:01:00.2=1", NULL },
};

static void
test_sriov (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GArray) wanted = test_selections (row->words);
  g_autoptr (GPtrArray) host = sriov_host ();
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = mfp_card_from_selections (wanted, host, row->rest, &error);
  g_autofree char *text = card ? test_describe_card (card) : NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, row->expected);
}

static void
test_only_virtual (void)
{
  g_autoptr (GArray) wanted = test_selections ("01:00");
  g_autoptr (GPtrArray) host = sriov_host ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_remove_index (host, 0);
  g_assert_null (mfp_card_from_selections (wanted, host, MFP_REST_KEEP, &error));
  assert_error (error, MFP_ERROR_REFUSED,
                "host device 0000:01:00 has only virtual functions; name each that you mean: "
                "0000:01:00.1, 0000:01:00.2");
}

static void
test_from_selections (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GArray) wanted = test_selections (row->words);
  g_autoptr (GPtrArray) host = named_devices (wanted);
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = mfp_card_from_selections (wanted, host, row->rest, &error);
  g_autofree char *text = card ? test_describe_card (card) : NULL;

  g_assert_cmpstr (text, ==, row->expected);
  if (row->expected)
    g_assert_no_error (error);
  else
    assert_error (error, MFP_ERROR_REFUSED, row->message);
}

/* A card of @count functions: @hosts[i] becomes guest function @guests[i]. */
static MfpCard *
card_of (const char *const *hosts, const int *guests, guint count)
{
  MfpCard *card = mfp_card_new ();

  for (guint i = 0; i < count; i++)
    {
      MfpPciAddress host = test_address (hosts[i]);

      mfp_card_add (card, &host, guests[i]);
    }
  return card;
}

/* The same for the host functions 01:00.0 and up. */
static MfpCard *
simple_card (const int *guests, guint count)
{
  static const char *const hosts[] = {
    "0000:01:00.0", "0000:01:00.1", "0000:01:00.2", "0000:01:00.3", "0000:01:00.4",
    "0000:01:00.5", "0000:01:00.6", "0000:01:00.7", "0000:01:01.0", "0000:01:01.1",
  };

  return card_of (hosts, guests, count);
}

static void
test_defaults (void)
{
  g_autoptr (MfpCard) card = simple_card ((int[]){ 3 }, 1);
  const MfpFunction *function = test_function (card, 0);

  g_assert_true (function->managed);
  g_assert_false (function->take);
  g_assert_null (function->alias);
  g_assert_cmpint (function->guest_function, ==, 3);
  g_assert_false (card->has_slot);
}

static void
test_find (void)
{
  g_autoptr (MfpCard) card = simple_card ((int[]){ 2, 0, MFP_UNASSIGNED }, 3);
  MfpPciAddress second = test_address ("0000:01:00.1"), absent = test_address ("0001:01:00.1");

  g_assert_true (mfp_card_find_host (card, &second) == test_function (card, 1));
  g_assert_null (mfp_card_find_host (card, &absent));
  g_assert_true (mfp_card_find_guest (card, 2) == test_function (card, 0));
  g_assert_null (mfp_card_find_guest (card, 1));
}

static void
test_count_exposed (void)
{
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, MFP_UNASSIGNED, 7, MFP_UNASSIGNED }, 4);

  g_assert_cmpuint (mfp_card_count_exposed (card), ==, 2);
  g_assert_true (mfp_function_is_exposed (test_function (card, 0)));
  g_assert_false (mfp_function_is_exposed (test_function (card, 1)));
}

static void
test_check_eight (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card
      = simple_card ((int[]){ 0, 1, 2, 3, 4, 5, 6, 7, MFP_UNASSIGNED, MFP_UNASSIGNED }, 10);

  g_assert_true (mfp_card_check (card, &error));
  g_assert_no_error (error);
}

static void
test_check_nine (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, 1, 2, 3, 4, 5, 6, 7, 8 }, 9);

  g_assert_false (mfp_card_check (card, &error));
  assert_error (error, MFP_ERROR_REFUSED, "9 functions were named, and a guest slot holds 8");
}

static void
test_check_same_host (void)
{
  static const char *const hosts[] = { "0000:01:00.0", "0000:01:00.1", "0000:01:00.0" };
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = card_of (hosts, (int[]){ 0, 1, 2 }, 3);

  test_function (card, 2)->line = 12;
  g_assert_false (mfp_card_check (card, &error));
  assert_error (error, MFP_ERROR_REFUSED, "line 12: host function 0000:01:00.0 is named twice");
}

/* A card has each host function only once, even as unassigned. */
static void
test_check_same_unassigned (void)
{
  static const char *const hosts[] = { "0000:01:00.0", "0000:01:00.1", "0000:01:00.1" };
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = card_of (hosts, (int[]){ 0, MFP_UNASSIGNED, MFP_UNASSIGNED }, 3);

  g_assert_false (mfp_card_check (card, &error));
  assert_error (error, MFP_ERROR_REFUSED, "host function 0000:01:00.1 is named twice");
}

static void
test_check_same_guest (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, 2, 2 }, 3);

  test_function (card, 2)->line = 9;
  g_assert_false (mfp_card_check (card, &error));
  assert_error (error, MFP_ERROR_REFUSED,
                "line 9: host functions 0000:01:00.1 and 0000:01:00.2 would both become guest "
                "function 2");
}

static void
test_check_unassigned_alone (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = simple_card ((int[]){ MFP_UNASSIGNED, MFP_UNASSIGNED }, 2);

  g_assert_false (mfp_card_check (card, &error));
  assert_error (error, MFP_ERROR_REFUSED, "no function becomes guest function 0");
  assert_lacks (error->message, "mapping");
}

static void
test_check_nothing (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = mfp_card_new ();

  g_assert_false (mfp_card_check (card, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_REFUSED);
}

static void
test_number (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = simple_card (
      (int[]){ MFP_GUEST_FUNCTION_UNSET, MFP_UNASSIGNED, MFP_GUEST_FUNCTION_UNSET }, 3);
  g_autofree char *text = NULL;

  g_assert_true (mfp_card_number_functions (card, &error));
  g_assert_no_error (error);
  text = test_describe_card (card);
  g_assert_cmpstr (text, ==, "0000:01:00.0=0 0000:01:00.1=unassigned 0000:01:00.2=2");
}

/* An unassigned function of another device does not change the numbers of the others. */
static void
test_number_foreign_unassigned (void)
{
  static const char *const hosts[] = { "0000:01:00.2", "0000:02:00.0", "0000:01:00.0" };
  g_autoptr (MfpCard) card = card_of (
      hosts, (int[]){ MFP_GUEST_FUNCTION_UNSET, MFP_UNASSIGNED, MFP_GUEST_FUNCTION_UNSET }, 3);
  g_autofree char *text = NULL;

  g_assert_true (mfp_card_number_functions (card, NULL));
  text = test_describe_card (card);
  g_assert_cmpstr (text, ==, "0000:01:00.2=2 0000:02:00.0=unassigned 0000:01:00.0=0");
}

static void
test_number_some (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, MFP_GUEST_FUNCTION_UNSET }, 2);

  g_assert_false (mfp_card_number_functions (card, &error));
  assert_error (error, MFP_ERROR_REFUSED, "give one to each function or to none");
}

static void
set_slot (MfpCard *card, const char *slot)
{
  card->slot = test_address (slot);
  card->has_slot = TRUE;
}

static const char *
alias_at (const MfpCard *card, guint index)
{
  return test_function (card, index)->alias;
}

static void
set_user_alias (MfpCard *card, guint index, const char *alias)
{
  MfpFunction *function = test_function (card, index);

  g_free (function->user_alias);
  function->user_alias = g_strdup (alias);
}

static void
test_name (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = simple_card ((int[]){ MFP_UNASSIGNED, 0, 3, 1 }, 4);

  set_slot (card, "0000:05:1f");
  g_assert_true (mfp_card_name_functions (card, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (alias_at (card, 0), ==, "ua-mfplug-0000-01-00-0");
  g_assert_cmpstr (alias_at (card, 1), ==, "ua-mfplug-0000-01-00-1");
  g_assert_cmpstr (alias_at (card, 2), ==, "ua-mfplug-slot-0000-05-1f");
  g_assert_cmpstr (alias_at (card, 3), ==, "ua-mfplug-0000-01-00-3");
  g_assert_true (mfp_card_lock (card) == test_function (card, 2));
}

static void
test_name_again (void)
{
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, 1 }, 2);

  set_slot (card, "0000:05:00");
  g_assert_true (mfp_card_name_functions (card, NULL));
  set_slot (card, "0000:04:00");
  g_assert_true (mfp_card_name_functions (card, NULL));
  g_assert_cmpstr (alias_at (card, 1), ==, "ua-mfplug-slot-0000-04-00");
}

static void
test_name_keeps_user_alias (void)
{
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, 1, 2 }, 3);

  set_slot (card, "0000:05:00");
  set_user_alias (card, 0, "ua-mine");
  set_user_alias (card, 1, "ua-own");
  g_assert_true (mfp_card_name_functions (card, NULL));
  g_assert_cmpstr (alias_at (card, 0), ==, "ua-mine");
  g_assert_cmpstr (alias_at (card, 1), ==, "ua-own");
  g_assert_cmpstr (alias_at (card, 2), ==, "ua-mfplug-slot-0000-05-00");
}

static void
test_name_no_lock (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, 1, MFP_UNASSIGNED }, 3);

  set_slot (card, "0000:05:00");
  set_user_alias (card, 1, "ua-own");
  g_assert_null (mfp_card_lock (card));
  g_assert_false (mfp_card_name_functions (card, &error));
  assert_error (error, MFP_ERROR_REFUSED, "every non-zero function has its own <alias>");
}

static void
test_lock_first (void)
{
  g_autoptr (MfpCard) card = simple_card ((int[]){ 1, 0 }, 2);

  set_slot (card, "0000:05:00");
  g_assert_true (mfp_card_lock (card) == test_function (card, 0));
  g_assert_true (mfp_card_name_functions (card, NULL));
  g_assert_cmpstr (alias_at (card, 0), ==, "ua-mfplug-slot-0000-05-00");
}

/* The plug of a single function is atomic, so the slot needs no lock. An unassigned function
 * never has the lock, because it may outlive the slot. */
static void
test_lock_single (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, MFP_UNASSIGNED }, 2);

  set_slot (card, "0000:05:00");
  g_assert_null (mfp_card_lock (card));
  g_assert_true (mfp_card_name_functions (card, &error));
  g_assert_cmpstr (alias_at (card, 0), ==, "ua-mfplug-0000-01-00-0");
  g_assert_cmpstr (alias_at (card, 1), ==, "ua-mfplug-0000-01-00-1");
}

static char *
describe_state (const MfpCard *card)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      g_autofree char *host = mfp_function_describe (function);

      g_string_append_printf (text, "%s%s=%d %s %s%s%s", i ? "\n" : "", host,
                              function->guest_function, function->alias ? function->alias : "-",
                              function->driver ? function->driver : "-",
                              function->take ? " take" : "", function->managed ? " managed" : "");
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* The record says which of the unassigned functions the guest sees. */
static void
test_from_guest_record (void)
{
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-card.xml");
  const MfpRecord *record = g_ptr_array_index (guest->records, 0);
  g_autoptr (MfpCard) card = mfp_card_from_guest (guest, NULL, record);
  g_autofree char *slot = mfp_pci_address_format_slot (&card->slot);
  g_autofree char *text = describe_state (card);

  g_assert_cmpstr (text, ==,
                   "0000:81:00.2=2 ua-mfplug-slot-0000-06-00 igb take managed\n"
                   "0000:81:00.1=-2 ua-mfplug-0000-81-00-1 vfio-pci\n"
                   "0000:81:00.3=-2 ua-mfplug-0000-81-00-3 - take managed\n"
                   "0000:81:00.0=0 ua-mfplug-0000-81-00-0 igb take managed");
  g_assert_true (card->has_slot);
  g_assert_cmpstr (slot, ==, "0000:06:00");
  g_assert_cmpstr (card->record_id, ==, "0011223344556677");
}

static void
test_from_guest_selection (void)
{
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-card.xml");
  g_autoptr (GArray) wanted = test_selections ("02:00");
  g_autoptr (MfpCard) card = mfp_card_from_guest (guest, wanted, NULL);
  g_autofree char *slot = mfp_pci_address_format_slot (&card->slot);
  g_autofree char *text = describe_state (card);

  g_assert_cmpstr (text, ==, "0000:02:00.0=0 hostdev0 - managed");
  g_assert_cmpstr (slot, ==, "0000:07:00");
  g_assert_true (card->has_slot);
  g_assert_null (card->record_id);
}

/* Without the record, the guest function of an unassigned function is unknown. */
static void
test_from_guest_unassigned (void)
{
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-card.xml");
  g_autoptr (GArray) wanted = test_selections ("81:00.2");
  g_autoptr (MfpCard) card = mfp_card_from_guest (guest, wanted, NULL);
  g_autofree char *text = describe_state (card);

  g_assert_cmpstr (text, ==, "0000:81:00.2=-2 ua-mfplug-slot-0000-06-00 -");
  g_assert_false (card->has_slot);
}

/* The record of an attach that was interrupted early names more than the guest has. */
static void
test_from_guest_recorded_alone (void)
{
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-free.xml");
  MfpPciAddress slot = test_address ("0000:07:00");
  g_autoptr (MfpRecord) record = mfp_record_new ("run", &slot);
  g_autoptr (MfpCard) card = NULL;
  g_autofree char *text = NULL;

  mfp_record_add (record, &(MfpRecordFunction){ .host = test_address ("0000:01:00.0"),
                                                .guest_function = 0,
                                                .alias = (char *) "ua-x",
                                                .driver = (char *) "e1000e",
                                                .taken = TRUE });
  card = mfp_card_from_guest (guest, NULL, record);
  text = describe_state (card);
  g_assert_cmpstr (text, ==, "0000:01:00.0=0 ua-x e1000e take");
  g_assert_cmpstr (card->record_id, ==, "run");
}

static void
test_from_guest_first_device (void)
{
  g_autoptr (MfpGuest) guest = test_guest (
      "<domain type='kvm'><name>vm</name><devices>"
      "<hostdev mode='subsystem' type='pci' managed='yes'><source>"
      "<address bus='1' slot='0'/></source><address type='pci' bus='4' slot='0' function='3'/>"
      "</hostdev></devices></domain>");
  g_autoptr (GArray) wanted = test_selections ("01:00");
  g_autoptr (MfpCard) card = mfp_card_from_guest (guest, wanted, NULL);
  g_autofree char *slot = mfp_pci_address_format (&card->slot);
  g_autofree char *text = describe_state (card);

  g_assert_cmpstr (text, ==, "0000:01:00.0=3 - - managed");
  g_assert_cmpstr (slot, ==, "0000:04:00.0"); /* although the device is function 3 */
  assert_contains (test_function (card, 0)->xml, "<hostdev ");
}

static void
test_from_guest_nothing (void)
{
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-card.xml");
  g_autoptr (GArray) wanted = test_selections ("03:00");
  g_autoptr (MfpCard) card = mfp_card_from_guest (guest, wanted, NULL);

  g_assert_cmpuint (card->functions->len, ==, 0);
  g_assert_false (card->has_slot);
}

static void
test_to_record (void)
{
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, MFP_UNASSIGNED }, 2);
  MfpFunction *first = test_function (card, 0);
  g_autoptr (MfpRecord) record = NULL;
  const MfpRecordFunction *noted;

  set_slot (card, "0000:05:00");
  mfp_card_name_functions (card, NULL);
  first->driver = g_strdup ("e1000e");
  first->take = TRUE;
  card->record_id = g_strdup ("run");
  record = mfp_card_to_record (card);

  g_assert_cmpstr (record->id, ==, "run");
  g_assert_null (record->detaching);
  g_assert_true (mfp_pci_address_equal (&record->slot, &card->slot));
  g_assert_cmpuint (record->functions->len, ==, 2);
  noted = g_ptr_array_index (record->functions, 0);
  g_assert_cmpint (noted->guest_function, ==, 0);
  g_assert_cmpstr (noted->alias, ==, "ua-mfplug-0000-01-00-0");
  g_assert_cmpstr (noted->driver, ==, "e1000e");
  g_assert_true (noted->taken);
  noted = g_ptr_array_index (record->functions, 1);
  g_assert_cmpint (noted->guest_function, ==, MFP_UNASSIGNED);
  g_assert_null (noted->driver);
  g_assert_false (noted->taken);
  g_assert_false (noted->managed); /* after an attach, libvirt itself reattaches nothing */
}

static void
test_detaching_names_the_run (void)
{
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0 }, 1);
  g_autoptr (MfpRecord) first = NULL, second = NULL;

  set_slot (card, "0000:05:00");
  mfp_card_name_functions (card, NULL);
  card->record_id = g_strdup ("run");
  first = mfp_card_to_detaching_record (card);
  second = mfp_card_to_detaching_record (card);
  g_assert_cmpstr (first->id, ==, "run");
  g_assert_cmpstr (second->id, ==, "run");
  g_assert_nonnull (first->detaching);
  g_assert_nonnull (second->detaching);
  g_assert_cmpstr (first->detaching, !=, "");
  g_assert_cmpstr (first->detaching, !=, second->detaching);
}

/* libvirt itself reattaches a managed function that no run took, but it may fail. A run
 * reattaches the functions that a run took. */
static void
test_detaching_managed (void)
{
  static const struct
  {
    gboolean managed, take;
    gboolean noted_managed, noted_taken;
  } rows[] = {
    { TRUE, FALSE, TRUE, FALSE },
    { FALSE, FALSE, FALSE, FALSE },
    { FALSE, TRUE, FALSE, TRUE },
    { TRUE, TRUE, FALSE, TRUE },
  };
  g_autoptr (MfpCard) card = simple_card ((int[]){ 0, 1, 2, 3 }, 4);
  g_autoptr (MfpRecord) record = NULL;

  set_slot (card, "0000:05:00");
  mfp_card_name_functions (card, NULL);
  FOR_EACH (i, rows)
    {
      test_function (card, (guint) i)->managed = rows[i].managed;
      test_function (card, (guint) i)->take = rows[i].take;
    }
  record = mfp_card_to_detaching_record (card);
  FOR_EACH (i, rows)
    {
      const MfpRecordFunction *noted = g_ptr_array_index (record->functions, i);

      g_assert_cmpint (noted->managed, ==, rows[i].noted_managed);
      g_assert_cmpint (noted->taken, ==, rows[i].noted_taken);
    }
}

typedef struct
{
  const char *name;
  const char *driver; /* on the host */
  gboolean managed;
  MfpForm form;
  gboolean take;
} Driver;

static const Driver drivers[] = {
  { "takes-from-a-host-driver", "e1000e", TRUE, MFP_LIVE, TRUE },
  { "takes-a-function-without-a-driver", NULL, TRUE, MFP_LIVE, TRUE },
  { "does-not-take-what-is-on-vfio", "vfio-pci", TRUE, MFP_LIVE, FALSE },
  { "does-not-take-what-is-on-a-variant-of-vfio", "mlx5_vfio_pci", TRUE, MFP_LIVE, FALSE },
  { "does-not-take-an-unmanaged-function", "e1000e", FALSE, MFP_LIVE, FALSE },
  { "takes-nothing-for-the-next-start", "e1000e", TRUE, MFP_CONFIG, FALSE },
};

static void
test_adopt_drivers (gconstpointer data)
{
  const Driver *row = data;
  g_autoptr (GPtrArray) host = test_host_list ();
  g_autoptr (MfpCard) card = test_card ("0000:01:00.0=0 0000:01:00.1=unassigned");

  g_ptr_array_add (host, test_host_function ("0000:01:00.1", row->driver, 5, "0000:01:00.1"));
  g_ptr_array_add (host, test_host_function ("0000:01:00.0", "vfio-pci", 5, "0000:01:00.0"));
  test_function (card, 1)->managed = row->managed;
  /* These values must be overwritten. */
  test_function (card, 1)->driver = g_strdup ("nvme");
  test_function (card, 1)->take = !row->take;
  mfp_card_adopt_drivers (card, host, row->form);
  g_assert_cmpstr (test_function (card, 0)->driver, ==, "vfio-pci");
  g_assert_false (test_function (card, 0)->take);
  g_assert_cmpstr (test_function (card, 1)->driver, ==, row->driver);
  g_assert_cmpint (test_function (card, 1)->take, ==, row->take);
  g_assert_cmpint (test_function (card, 1)->managed, ==, row->managed);
}

static void
test_to_selections (void)
{
  static const char *const hosts[] = { "0000:02:00.1", "0000:01:00.3" };
  g_autoptr (MfpCard) card = card_of (hosts, (int[]){ 0, MFP_UNASSIGNED }, 2);
  g_autoptr (GArray) named = mfp_card_to_selections (card);

  g_assert_cmpuint (named->len, ==, 2);
  for (guint i = 0; i < 2; i++)
    {
      const MfpSelection *selection = &g_array_index (named, MfpSelection, i);
      g_autofree char *text = mfp_pci_address_format (&selection->host);

      g_assert_cmpstr (text, ==, hosts[i]);
      g_assert_false (selection->whole);
      g_assert_cmpint (selection->guest_function, ==, MFP_GUEST_FUNCTION_UNSET);
    }
}

static void
test_adopt_aliases (void)
{
  static const char *const hosts[] = { "0000:02:00.0", "0000:81:00.2", "0000:01:00.0" };
  g_autoptr (MfpCard) card = card_of (hosts, (int[]){ 0, 1, 2 }, 3);
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-card.xml");

  set_slot (card, "0000:05:00");
  mfp_card_name_functions (card, NULL);
  mfp_card_adopt_aliases (card, guest);
  g_assert_cmpstr (alias_at (card, 0), ==, "hostdev0");
  g_assert_cmpstr (alias_at (card, 1), ==, "ua-mfplug-slot-0000-06-00");
  g_assert_null (alias_at (card, 2));
}

static void
test_free (void)
{
  MfpCard *card = simple_card ((int[]){ 0 }, 1);
  MfpFunction *function = test_function (card, 0);

  function->tuning = xmlParseDoc (BAD_CAST "<hostdev><rom bar='on'/></hostdev>");
  mfp_card_free (card);
  mfp_card_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  FOR_EACH (i, selections)
    test_add_row (selections[i].expected ? "/card/from-selections/accepts-"
                                         : "/card/from-selections/refuses-",
                  selections[i].name, &selections[i], test_from_selections);
  FOR_EACH (i, sriov_selections)
    test_add_row ("/card/from-selections/", sriov_selections[i].name, &sriov_selections[i],
                  test_sriov);
  g_test_add_func ("/card/from-selections/refuses-a-device-of-virtual-functions-only",
                   test_only_virtual);
  g_test_add_func ("/card/add/is-managed-by-default", test_defaults);
  g_test_add_func ("/card/find/finds-by-host-and-by-guest-function", test_find);
  g_test_add_func ("/card/count-exposed/leaves-out-unassigned-functions", test_count_exposed);
  g_test_add_func ("/card/check/accepts-eight-functions-and-unassigned-ones", test_check_eight);
  g_test_add_func ("/card/check/refuses-nine-functions", test_check_nine);
  g_test_add_func ("/card/check/refuses-a-host-function-twice-and-names-its-line",
                   test_check_same_host);
  g_test_add_func ("/card/check/refuses-an-unassigned-function-twice", test_check_same_unassigned);
  g_test_add_func ("/card/check/refuses-a-guest-function-twice-and-names-its-line",
                   test_check_same_guest);
  g_test_add_func ("/card/check/refuses-unassigned-functions-alone", test_check_unassigned_alone);
  g_test_add_func ("/card/check/refuses-an-empty-card", test_check_nothing);
  g_test_add_func ("/card/number/keeps-numbers-and-unassigned-functions", test_number);
  g_test_add_func ("/card/number/ignores-unassigned-functions-of-another-device",
                   test_number_foreign_unassigned);
  g_test_add_func ("/card/number/refuses-numbers-of-only-some-functions", test_number_some);
  g_test_add_func ("/card/name/gives-the-lock-to-the-first-exposed-non-zero-function", test_name);
  g_test_add_func ("/card/name/follows-the-slot", test_name_again);
  g_test_add_func ("/card/name/keeps-user-aliases", test_name_keeps_user_alias);
  g_test_add_func ("/card/name/refuses-when-no-function-can-lock-the-slot", test_name_no_lock);
  g_test_add_func ("/card/lock/may-be-the-first-function-of-the-list", test_lock_first);
  g_test_add_func ("/card/lock/a-single-function-with-unassigned-ones-needs-none",
                   test_lock_single);
  g_test_add_func ("/card/from-guest/reads-the-record", test_from_guest_record);
  g_test_add_func ("/card/from-guest/reads-a-selection", test_from_guest_selection);
  g_test_add_func ("/card/from-guest/an-unassigned-function-without-a-record-stays-unassigned",
                   test_from_guest_unassigned);
  g_test_add_func ("/card/from-guest/includes-what-only-the-record-has",
                   test_from_guest_recorded_alone);
  g_test_add_func ("/card/from-guest/keeps-the-element-and-the-slot",
                   test_from_guest_first_device);
  g_test_add_func ("/card/from-guest/may-be-empty", test_from_guest_nothing);
  g_test_add_func ("/card/to-record/has-all-that-a-reattach-needs", test_to_record);
  g_test_add_func ("/card/to-detaching-record/names-the-run", test_detaching_names_the_run);
  g_test_add_func ("/card/to-detaching-record/names-what-libvirt-itself-reattaches",
                   test_detaching_managed);
  g_test_add_func ("/card/to-selections/names-each-function", test_to_selections);
  g_test_add_func ("/card/adopt-aliases/takes-the-aliases-of-the-guest", test_adopt_aliases);
  FOR_EACH (i, drivers)
    test_add_row ("/card/adopt-drivers/", drivers[i].name, &drivers[i], test_adopt_drivers);
  g_test_add_func ("/card/free/frees-tuning-and-accepts-null", test_free);
  return g_test_run ();
}
