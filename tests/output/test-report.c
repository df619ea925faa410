/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "base/error.h"
#include "output/report.h"

static void
assert_json (const char *actual, const char *expected)
{
  test_assert_json (actual, expected);
  g_assert_true (g_str_has_prefix (actual, "{\n")); /* people read it too */
  g_assert_true (g_str_has_suffix (actual, "}\n"));
}

static void
add (MfpCard *card, const char *host, int guest_function, const char *driver)
{
  MfpPciAddress address = test_address (host);
  MfpFunction *function = mfp_card_add (card, &address, guest_function);

  function->alias = g_strdup_printf ("ua-%u", address.function);
  function->driver = g_strdup (driver);
}

static const GPtrArray none = { 0 };
static const MfpStepLog nothing_done
    = { .steps = (GPtrArray *) &none, .warnings = (GPtrArray *) &none,
        .drivers = (GPtrArray *) &none };

/* Its functions are not in the guest's order. */
static MfpCard *
sample (void)
{
  MfpCard *card = mfp_card_new ();

  add (card, "0000:01:00.3", MFP_UNASSIGNED, NULL);
  add (card, "0000:01:00.2", 1, "e1000e");
  add (card, "0000:01:00.0", MFP_UNASSIGNED, "vfio-pci");
  add (card, "0000:01:00.1", 0, "e1000e");
  card->slot = test_address ("0000:05:00");
  card->has_slot = TRUE;
  return card;
}

static void
test_text (void)
{
  g_autoptr (MfpCard) card = sample ();
  MfpReport report = { .command = "attach", .domain = "my guest", .changed = TRUE, .card = card,
                       .step_log = &nothing_done };
  g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_TEXT);

  g_assert_cmpstr (text, ==,
                   "Attached to domain 'my guest':\n"
                   "  host 0000:01:00.1  guest 0000:05:00.0\n"
                   "  host 0000:01:00.2  guest 0000:05:00.1\n"
                   "  host 0000:01:00.0  guest - (unassigned)\n"
                   "  host 0000:01:00.3  guest - (unassigned)\n");
}

static void
test_headlines (void)
{
  static const struct
  {
    const char *command, *domain;
    gboolean changed;
    const char *text;
  } rows[] = {
    { "attach", "g", TRUE, "Attached to domain 'g'.\n" },
    { "attach", "g", FALSE, "Already attached to domain 'g'.\n" },
    { "detach", "g", TRUE, "Detached from domain 'g'.\n" },
    { "detach", "g", FALSE, "None of these functions is attached to domain 'g'.\n" },
    { "recover", "g", TRUE, "Recovered in domain 'g'.\n" },
    { "recover", "g", FALSE, "Nothing to recover in domain 'g'.\n" },
    { "reclaim", NULL, TRUE, "Reattached to the host.\n" },
    { "reclaim", NULL, FALSE, "Nothing to reattach to the host.\n" },
  };

  FOR_EACH (i, rows)
    {
      MfpReport report = { .command = rows[i].command, .domain = rows[i].domain,
                           .changed = rows[i].changed, .step_log = &nothing_done };
      g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_TEXT);

      g_assert_cmpstr (text, ==, rows[i].text);
    }
}

/* A reclaim is about no guest. */
static void
test_text_host (void)
{
  g_autoptr (MfpCard) card = sample ();
  MfpReport report = { .command = "reclaim", .changed = TRUE, .card = card,
                       .step_log = &nothing_done };
  g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_TEXT);

  g_assert_true (g_str_has_prefix (text, "Reattached to the host:\n  host 0000:01:00.1\n"));
  assert_lacks (text, "guest");
}

/* The log of a run on the sample, which failed to take a function and reattached it. */
static MfpStepLog *
sample_log (const MfpCard *card)
{
  MfpStepLog *step_log = mfp_step_log_new ();
  const MfpStep take = { .kind = MFP_STEP_TAKE, .function = mfp_card_find_guest (card, 0) };
  const MfpStep reattach = { .kind = MFP_STEP_REATTACH, .function = take.function };
  const MfpStep record = { .kind = MFP_STEP_RECORD };
  g_autoptr (GError) failure = g_error_new_literal (MFP_ERROR, MFP_ERROR_FAILED, "no \"luck\"");
  MfpLoggedDriver *driver = mfp_step_log_driver (step_log, &take.function->host);

  driver->before = g_strdup ("e1000e");
  driver->after = g_strdup ("vfio-pci");
  g_assert_true (mfp_step_log_driver (step_log, &take.function->host) == driver);
  mfp_step_log_begin_step (step_log, &record, FALSE, 1000000);
  mfp_step_log_end_step (step_log, NULL, 1000000);
  mfp_step_log_begin_step (step_log, &take, FALSE, 1000000);
  mfp_step_log_end_step (step_log, failure, 1500000);
  mfp_step_log_begin_step (step_log, &reattach, TRUE, 1500000);
  mfp_step_log_end_step (step_log, NULL, 3750000);
  mfp_step_log_warn (step_log, "look \303\244");
  return step_log;
}

#define SAMPLE_STEPS                                                                              \
  "\"steps\":["                                                                                   \
  "{\"step\":\"record\",\"function\":null,\"undo\":false,\"seconds\":0.0,\"error\":null},"       \
  "{\"step\":\"take\",\"function\":\"0000:01:00.1\",\"undo\":false,\"seconds\":0.5,"              \
  "\"error\":\"no \\\"luck\\\"\"},"                                                               \
  "{\"step\":\"reattach\",\"function\":\"0000:01:00.1\",\"undo\":true,\"seconds\":2.25,"         \
  "\"error\":null}],\"warnings\":[\"look \303\244\"]"
#define NO_STEPS "\"steps\":[],\"warnings\":[]"

static void
test_json (void)
{
  g_autoptr (MfpCard) card = sample ();
  g_autoptr (MfpStepLog) step_log = sample_log (card);
  MfpReport report = { .command = "attach", .domain = "a \"b\" \303\244",
                       .changed = TRUE, .card = card, .step_log = step_log };
  g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_JSON);

  assert_json (text,
               "{\"schema\":1,\"command\":\"attach\",\"domain\":\"a \\\"b\\\" \303\244\","
               "\"changed\":true,\"slot\":\"0000:05:00\",\"functions\":["
               "{\"host\":\"0000:01:00.1\",\"guest\":\"0000:05:00.0\",\"alias\":\"ua-1\","
               "\"host_driver\":\"e1000e\",\"driver_before\":\"e1000e\","
               "\"driver_after\":\"vfio-pci\"},"
               "{\"host\":\"0000:01:00.2\",\"guest\":\"0000:05:00.1\",\"alias\":\"ua-2\","
               "\"host_driver\":\"e1000e\",\"driver_before\":null,\"driver_after\":null},"
               "{\"host\":\"0000:01:00.0\",\"guest\":null,\"alias\":\"ua-0\","
               "\"host_driver\":\"vfio-pci\",\"driver_before\":null,\"driver_after\":null},"
               "{\"host\":\"0000:01:00.3\",\"guest\":null,\"alias\":\"ua-3\","
               "\"host_driver\":null,\"driver_before\":null,\"driver_after\":null}]," SAMPLE_STEPS
               "}");
}

static void
test_json_nothing (void)
{
  MfpReport report = { .command = "detach", .domain = "g", .changed = FALSE,
                       .step_log = &nothing_done };
  g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_JSON);

  assert_json (text, "{\"schema\":1,\"command\":\"detach\",\"domain\":\"g\",\"changed\":false,"
                     "\"slot\":null,\"functions\":[]," NO_STEPS "}");
}

static void
test_json_without_slot (void)
{
  g_autoptr (MfpCard) card = mfp_card_new ();
  MfpReport report = { .command = "detach", .domain = "g", .changed = TRUE, .card = card,
                       .step_log = &nothing_done };
  g_autofree char *text = NULL;

  add (card, "0000:01:00.1", 1, NULL);
  text = mfp_report_format (&report, MFP_FORMAT_JSON);
  assert_json (text, "{\"schema\":1,\"command\":\"detach\",\"domain\":\"g\",\"changed\":true,"
                     "\"slot\":null,\"functions\":[{\"host\":\"0000:01:00.1\",\"guest\":null,"
                     "\"alias\":\"ua-1\",\"host_driver\":null,\"driver_before\":null,"
                     "\"driver_after\":null}]," NO_STEPS "}");
}

/* A recover may be about several cards. */
static void
test_several_cards (void)
{
  g_autoptr (MfpCard) first = mfp_card_new (), second = mfp_card_new ();
  g_autoptr (GPtrArray) cards = g_ptr_array_new ();
  MfpReport report = { .command = "recover", .domain = "g", .changed = TRUE, .cards = cards,
                       .step_log = &nothing_done };
  g_autofree char *text = NULL, *json = NULL;

  add (first, "0000:01:00.0", 0, NULL);
  add (second, "0000:02:00.0", 0, "igb");
  second->slot = test_address ("0000:05:00");
  second->has_slot = TRUE;
  g_ptr_array_add (cards, first);
  g_ptr_array_add (cards, second);
  text = mfp_report_format (&report, MFP_FORMAT_TEXT);
  g_assert_cmpstr (text, ==,
                   "Recovered in domain 'g':\n"
                   "  host 0000:01:00.0  guest - (unassigned)\n"
                   "  host 0000:02:00.0  guest 0000:05:00.0\n");
  json = mfp_report_format (&report, MFP_FORMAT_JSON);
  assert_json (json, "{\"schema\":1,\"command\":\"recover\",\"domain\":\"g\",\"changed\":true,"
                     "\"cards\":[{\"slot\":null,\"functions\":[{\"host\":\"0000:01:00.0\","
                     "\"guest\":null,\"alias\":\"ua-0\",\"host_driver\":null,"
                     "\"driver_before\":null,\"driver_after\":null}]},"
                     "{\"slot\":\"0000:05:00\",\"functions\":[{\"host\":\"0000:02:00.0\","
                     "\"guest\":\"0000:05:00.0\",\"alias\":\"ua-0\",\"host_driver\":\"igb\","
                     "\"driver_before\":null,\"driver_after\":null}]}]," NO_STEPS "}");
}

static void
test_error (void)
{
  g_autoptr (MfpCard) card = sample ();
  g_autoptr (MfpStepLog) step_log = sample_log (card);
  g_autoptr (GError) error
      = g_error_new_literal (MFP_ERROR, MFP_ERROR_LEFT, "two\nlines \"quoted\" \303\244");
  g_autofree char *text = mfp_report_format_error (error, step_log);

  assert_json (text, "{\"schema\":1,\"error\":\"two\\nlines \\\"quoted\\\" \303\244\","
                     "\"status\":5,\"functions\":[{\"host\":\"0000:01:00.1\","
                     "\"driver_before\":\"e1000e\",\"driver_after\":\"vfio-pci\"}]," SAMPLE_STEPS
                     "}");
}

static void
test_error_internal_code (void)
{
  g_autoptr (GError) error = g_error_new_literal (MFP_ERROR, MFP_ERROR_BUSY, "x");
  g_autofree char *text = mfp_report_format_error (error, &nothing_done);

  assert_json (text, "{\"schema\":1,\"error\":\"x\",\"status\":1,\"functions\":[]," NO_STEPS "}");
}

static void
test_format_parse (void)
{
  MfpFormat format = MFP_FORMAT_JSON;
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_format_parse (NULL, &format, &error));
  g_assert_cmpint (format, ==, MFP_FORMAT_TEXT);
  g_assert_true (mfp_format_parse ("json", &format, &error));
  g_assert_cmpint (format, ==, MFP_FORMAT_JSON);
  g_assert_true (mfp_format_parse ("text", &format, &error));
  g_assert_cmpint (format, ==, MFP_FORMAT_TEXT);
  g_assert_no_error (error);
}

static void
test_format_parse_bad (void)
{
  static const char *const texts[] = { "", "JSON", "json ", "xml" };

  FOR_EACH (i, texts)
    {
      MfpFormat format = MFP_FORMAT_TEXT;
      g_autoptr (GError) error = NULL;

      g_assert_false (mfp_format_parse (texts[i], &format, &error));
      assert_error (error, MFP_ERROR_USAGE, "is not a format; use text or json");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/report/text/lists-functions-in-the-guest-s-order", test_text);
  g_test_add_func ("/report/text/has-a-headline-for-each-outcome", test_headlines);
  g_test_add_func ("/report/text/names-no-guest-for-a-reclaim", test_text_host);
  g_test_add_func ("/report/json/has-every-member", test_json);
  g_test_add_func ("/report/json/has-no-functions-without-a-card", test_json_nothing);
  g_test_add_func ("/report/json/has-no-guest-address-without-a-slot", test_json_without_slot);
  g_test_add_func ("/report/several-cards/are-all-listed", test_several_cards);
  g_test_add_func ("/report/error/has-message-status-drivers-and-steps", test_error);
  g_test_add_func ("/report/error/has-status-1-for-an-internal-code", test_error_internal_code);
  g_test_add_func ("/report/format/parses-text-and-json", test_format_parse);
  g_test_add_func ("/report/format/refuses-anything-else", test_format_parse_bad);
  return g_test_run ();
}
