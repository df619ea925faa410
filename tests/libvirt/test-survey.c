/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "libvirt/survey.h"
#include "plan/preflight.h"
#include "run/execute.h"

/* Operations on a host of a few functions; counts what is asked. */
typedef struct
{
  MfpOps ops;
  const char *const *functions; /* "ADDRESS GROUP-MEMBER..." */
  const char *broken;           /* asking for it fails */
  guint asked;
} FakeHost;

static MfpHostFunction *
fake_host_function (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  FakeHost *host = (FakeHost *) ops;
  g_autofree char *text = mfp_pci_address_format (address);

  host->asked++;
  if (g_strcmp0 (host->broken, text) == 0)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_DISCONNECTED, "gone while asking for %s", text);
      return NULL;
    }
  for (guint i = 0; host->functions[i]; i++)
    if (g_str_has_prefix (host->functions[i], text))
      return test_host_function (text, "e1000e", 1, host->functions[i]);
  g_set_error (error, MFP_ERROR, MFP_ERROR_NOT_FOUND, "no %s", text);
  return NULL;
}

static const char *const functions[] = {
  "0000:01:00.0 0000:01:00.3 0000:02:00.0", "0000:01:00.3 0000:01:00.0 0000:02:00.0",
  "0000:02:00.0 0000:01:00.0 0000:01:00.3", "0000:03:00.7 0000:04:00.0", NULL,
};

static FakeHost
fake_host (void)
{
  return (FakeHost){ .ops = { .host_function = fake_host_function,
                              .host_functions = test_host_functions }, .functions = functions };
}

static GArray *
addresses (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  GArray *array = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; words[i]; i++)
    {
      MfpPciAddress address = test_address (words[i]);

      g_array_append_val (array, address);
    }
  return array;
}

static char *
describe (const GPtrArray *list)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < list->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (list, i);
      g_autofree char *address = mfp_pci_address_format (&function->address);

      g_string_append_printf (text, "%s%s", i ? " " : "", address);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
test_devices (void)
{
  FakeHost host = fake_host ();
  g_autoptr (GArray) wanted = addresses ("0000:01:00.3 0000:03:00.0 0000:01:00.0");
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = mfp_survey_devices (&host.ops, wanted, &error);
  g_autofree char *text = describe (found);

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "0000:01:00.0 0000:01:00.3 0000:03:00.7");
  g_assert_cmpuint (host.asked, ==, 16); /* each of two devices once */
}

static void
test_devices_absent (void)
{
  FakeHost host = fake_host ();
  g_autoptr (GArray) wanted = addresses ("0000:05:00.0");
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = mfp_survey_devices (&host.ops, wanted, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, 0);
}

static void
test_devices_broken (void)
{
  FakeHost host = fake_host ();
  g_autoptr (GArray) wanted = addresses ("0000:01:00.0");
  g_autoptr (GError) error = NULL;

  host.broken = "0000:01:00.5";
  g_assert_null (mfp_survey_devices (&host.ops, wanted, &error));
  assert_error (error, MFP_ERROR_DISCONNECTED, "gone while asking for 0000:01:00.5");
}

static void
test_groups (void)
{
  FakeHost host = fake_host ();
  g_autoptr (GArray) wanted = addresses ("0000:01:00.0");
  g_autoptr (GPtrArray) found = mfp_survey_devices (&host.ops, wanted, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) others = mfp_survey_groups (&host.ops, found, &error);
  g_autofree char *text = describe (others);

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "0000:02:00.0"); /* once, though two name it */
}

/* A stranger that comes first in its group, of a device's only function. */
static void
test_groups_first (void)
{
  static const char *const pair[] = { "0000:05:00.0 0000:05:00.0", "0000:04:00.0 0000:05:00.0",
                                      NULL };
  FakeHost host = fake_host ();
  g_autoptr (GPtrArray) found = test_host_list ();
  g_autoptr (GPtrArray) others = NULL;
  g_autofree char *text = NULL;

  host.functions = pair;
  g_ptr_array_add (found, test_host_function ("0000:05:00.0", NULL, 2,
                                              "0000:04:00.0 0000:05:00.0 0000:06:00.0"));
  others = mfp_survey_groups (&host.ops, found, NULL);
  text = describe (others);
  g_assert_cmpstr (text, ==, "0000:04:00.0"); /* and 06:00.0 is gone */
}

static void
test_groups_broken (void)
{
  FakeHost host = fake_host ();
  g_autoptr (GArray) wanted = addresses ("0000:01:00.0");
  g_autoptr (GPtrArray) found = mfp_survey_devices (&host.ops, wanted, NULL);
  g_autoptr (GError) error = NULL;

  host.broken = "0000:02:00.0";
  g_assert_null (mfp_survey_groups (&host.ops, found, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_DISCONNECTED);
}

/* ---- a function that vanishes between two calls ---- */

#define VANISHING "0000:01:00.3"

/* What is left of the functions above. */
static const char *const without_vanishing[] = { "0000:01:00.0 0000:01:00.0", NULL };

static MfpCard *
card_of_two (void)
{
  MfpCard *card = mfp_card_new ();
  MfpPciAddress zero = test_address ("0000:01:00.0"), three = test_address (VANISHING);

  mfp_card_add (card, &zero, 0);
  mfp_card_add (card, &three, 3);
  card->slot = test_address ("0000:04:00");
  card->has_slot = TRUE;
  return card;
}

static void
test_vanished_selected (void)
{
  static const char *const words[] = { "01:00.0,3", NULL };
  FakeHost host = fake_host ();
  g_autoptr (GArray) wanted = addresses ("0000:01:00.0 " VANISHING);
  g_autoptr (GArray) selections = mfp_selection_parse (words, NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = NULL;

  host.functions = without_vanishing;
  found = mfp_survey_devices (&host.ops, wanted, NULL);
  g_assert_null (mfp_card_from_selections (selections, found, MFP_REST_KEEP, &error));
  assert_error (error, MFP_ERROR_REFUSED,
                "the host has no PCI device " VANISHING "; that device has 0000:01:00.0");
}

static void
test_vanished_in_document (void)
{
  FakeHost host = fake_host ();
  g_autoptr (MfpCard) card = card_of_two ();
  g_autoptr (GArray) wanted = addresses ("0000:01:00.0 " VANISHING);
  g_autoptr (GPtrArray) none = test_host_list ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = NULL;

  host.functions = without_vanishing;
  found = mfp_survey_devices (&host.ops, wanted, NULL);
  g_assert_false (mfp_preflight_host (card, found, none, TRUE, &error));
  assert_error (error, MFP_ERROR_REFUSED, "host function " VANISHING " does not exist");
}

/* It was there when the host was surveyed, and is gone when it is to be taken. */
static gboolean
take_what_is_there (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  FakeHost *host = (FakeHost *) ops;
  g_autofree char *text = mfp_pci_address_format (address);

  if (strcmp (text, VANISHING) != 0)
    return TRUE;
  host->functions = without_vanishing;
  g_set_error (error, MFP_ERROR, MFP_ERROR_NOT_FOUND, "libvirt says: no such node device");
  return FALSE;
}

static char *
running_domain (MfpOps *ops G_GNUC_UNUSED, MfpForm form G_GNUC_UNUSED,
                GError **error G_GNUC_UNUSED)
{
  return g_strdup ("<domain type='kvm' id='1'><name>vm</name></domain>");
}

static gboolean
note (MfpOps *ops G_GNUC_UNUSED, const char *uri G_GNUC_UNUSED, const char *xml G_GNUC_UNUSED,
      GError **error G_GNUC_UNUSED)
{
  return TRUE;
}

static char *
no_devices (MfpOps *ops G_GNUC_UNUSED, const char *command G_GNUC_UNUSED,
            GError **error G_GNUC_UNUSED)
{
  return g_strdup ("{\"return\":[]}");
}

static gboolean
no_interrupt (MfpOps *ops G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
  return TRUE;
}

static char *
read_note (MfpOps *ops G_GNUC_UNUSED, const char *uri G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
  return g_strdup ("<card/>");
}

static gboolean
no_event (MfpOps *ops G_GNUC_UNUSED, gint64 until G_GNUC_UNUSED,
          GHashTable *awaited G_GNUC_UNUSED, char **refused G_GNUC_UNUSED,
          GError **error G_GNUC_UNUSED)
{
  return TRUE;
}

static gint64
count_seconds (MfpOps *ops)
{
  return ((FakeHost *) ops)->asked++ * G_TIME_SPAN_SECOND;
}

static void
test_vanished_when_taken (void)
{
  static const MfpExecuteOptions options = { .domain = "vm", .timeout = 5 * G_TIME_SPAN_SECOND };
  FakeHost host = fake_host ();
  g_autoptr (MfpCard) card = card_of_two ();
  g_autoptr (GArray) wanted = addresses ("0000:01:00.0 " VANISHING);
  g_autoptr (GPtrArray) found = mfp_survey_devices (&host.ops, wanted, NULL);
  g_autoptr (GPtrArray) none = test_host_list ();
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  host.ops = (MfpOps){ .host_function = fake_host_function,
                       .host_functions = test_host_functions,
                       .domain_xml = running_domain,
                       .set_metadata = note,
                       .metadata = read_note,
                       .take = take_what_is_there,
                       .qmp = no_devices,
                       .wait = no_event,
                       .check_interrupt = no_interrupt,
                       .now = count_seconds };
  g_assert_true (mfp_preflight_host (card, found, none, TRUE, &error));
  g_assert_true (mfp_card_name_functions (card, &error));
  plan = mfp_plan_attach (g_steal_pointer (&card), "pci.4", FALSE, FALSE);
  g_assert_false (mfp_execute (plan, &host.ops, &options, &error));
  g_assert_true (g_str_has_prefix (error->message, "cannot take " VANISHING
                                                   " from its host driver: libvirt says: "
                                                   "no such node device\n"));
}

static void
test_find (void)
{
  FakeHost host = fake_host ();
  g_autoptr (GArray) wanted = addresses ("0000:01:00.0");
  g_autoptr (GPtrArray) found = mfp_survey_devices (&host.ops, wanted, NULL);
  MfpPciAddress there = test_address ("0000:01:00.3"), absent = test_address ("0001:01:00.3");

  g_assert_true (mfp_host_function_find (found, &there) == g_ptr_array_index (found, 1));
  g_assert_null (mfp_host_function_find (found, &absent));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/survey/devices/asks-for-each-function-once", test_devices);
  g_test_add_func ("/survey/devices/finds-nothing-without-error", test_devices_absent);
  g_test_add_func ("/survey/devices/fails-when-the-host-does", test_devices_broken);
  g_test_add_func ("/survey/groups/finds-strangers-once", test_groups);
  g_test_add_func ("/survey/groups/finds-the-first-and-skips-the-gone", test_groups_first);
  g_test_add_func ("/survey/groups/fails-when-the-host-does", test_groups_broken);
  g_test_add_func ("/survey/vanished/is-named-when-it-was-selected", test_vanished_selected);
  g_test_add_func ("/survey/vanished/is-named-when-it-was-in-a-document",
                   test_vanished_in_document);
  g_test_add_func ("/survey/vanished/is-named-when-it-goes-before-it-is-taken",
                   test_vanished_when_taken);
  g_test_add_func ("/survey/find/compares-the-whole-address", test_find);
  return g_test_run ();
}
