/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "report.h"

#include <json-glib/json-glib.h>

static void
assert_json (const char *actual, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) left = json_from_string (actual, &error);
  g_autoptr (JsonNode) right = json_from_string (expected, &error);

  g_assert_no_error (error);
  if (!json_node_equal (left, right))
    g_assert_cmpstr (actual, ==, expected);
  g_assert_true (g_str_has_prefix (actual, "{\n")); /* for people, too */
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

/* Not in the guest's order. */
static MfpCard *
sample (void)
{
  MfpCard *card = mfp_card_new ();

  add (card, "0000:01:00.3", MFP_LEFTOVER, NULL);
  add (card, "0000:01:00.2", 1, "e1000e");
  add (card, "0000:01:00.0", MFP_LEFTOVER, "vfio-pci");
  add (card, "0000:01:00.1", 0, "e1000e");
  card->slot = test_address ("0000:05:00");
  card->has_slot = TRUE;
  return card;
}

static void
test_text (void)
{
  g_autoptr (MfpCard) card = sample ();
  MfpReport report = { .command = "attach", .domain = "my guest", .changed = TRUE, .card = card };
  g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_TEXT);

  g_assert_cmpstr (text, ==,
                   "Attached to domain 'my guest':\n"
                   "  host 0000:01:00.1  guest 0000:05:00.0\n"
                   "  host 0000:01:00.2  guest 0000:05:00.1\n"
                   "  host 0000:01:00.0  guest - (held, not shown)\n"
                   "  host 0000:01:00.3  guest - (held, not shown)\n");
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
    { "detach", "g", FALSE, "Nothing of it is attached to domain 'g'.\n" },
    { "recover", "g", TRUE, "Mended in domain 'g'.\n" },
    { "recover", "g", FALSE, "Nothing is to be mended in domain 'g'.\n" },
    { "reclaim", NULL, TRUE, "Given back to the host.\n" },
    { "reclaim", NULL, FALSE, "Nothing is to be given back to the host.\n" },
  };

  FOR_EACH (i, rows)
    {
      MfpReport report = { .command = rows[i].command, .domain = rows[i].domain,
                           .changed = rows[i].changed };
      g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_TEXT);

      g_assert_cmpstr (text, ==, rows[i].text);
    }
}

/* No guest has to do with it. */
static void
test_text_host (void)
{
  g_autoptr (MfpCard) card = sample ();
  MfpReport report = { .command = "reclaim", .changed = TRUE, .card = card };
  g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_TEXT);

  g_assert_true (g_str_has_prefix (text, "Given back to the host:\n  host 0000:01:00.1\n"));
  assert_lacks (text, "guest");
}

static void
test_json (void)
{
  g_autoptr (MfpCard) card = sample ();
  MfpReport report = { .command = "attach", .domain = "a \"b\" \303\244",
                       .changed = TRUE, .card = card };
  g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_JSON);

  assert_json (text,
               "{\"schema\":1,\"command\":\"attach\",\"domain\":\"a \\\"b\\\" \303\244\","
               "\"changed\":true,\"slot\":\"0000:05:00\",\"functions\":["
               "{\"host\":\"0000:01:00.1\",\"guest\":\"0000:05:00.0\",\"alias\":\"ua-1\","
               "\"host_driver\":\"e1000e\"},"
               "{\"host\":\"0000:01:00.2\",\"guest\":\"0000:05:00.1\",\"alias\":\"ua-2\","
               "\"host_driver\":\"e1000e\"},"
               "{\"host\":\"0000:01:00.0\",\"guest\":null,\"alias\":\"ua-0\","
               "\"host_driver\":\"vfio-pci\"},"
               "{\"host\":\"0000:01:00.3\",\"guest\":null,\"alias\":\"ua-3\","
               "\"host_driver\":null}]}");
}

static void
test_json_nothing (void)
{
  MfpReport report = { .command = "detach", .domain = "g", .changed = FALSE };
  g_autofree char *text = mfp_report_format (&report, MFP_FORMAT_JSON);

  assert_json (text, "{\"schema\":1,\"command\":\"detach\",\"domain\":\"g\",\"changed\":false,"
                     "\"slot\":null,\"functions\":[]}");
}

static void
test_json_without_slot (void)
{
  g_autoptr (MfpCard) card = mfp_card_new ();
  MfpReport report = { .command = "detach", .domain = "g", .changed = TRUE, .card = card };
  g_autofree char *text = NULL;

  add (card, "0000:01:00.1", 1, NULL);
  text = mfp_report_format (&report, MFP_FORMAT_JSON);
  assert_json (text, "{\"schema\":1,\"command\":\"detach\",\"domain\":\"g\",\"changed\":true,"
                     "\"slot\":null,\"functions\":[{\"host\":\"0000:01:00.1\",\"guest\":null,"
                     "\"alias\":\"ua-1\",\"host_driver\":null}]}");
}

static void
test_error (void)
{
  g_autoptr (GError) error
      = g_error_new_literal (MFP_ERROR, MFP_ERROR_LEFT, "two\nlines \"quoted\" \303\244");
  g_autofree char *text = mfp_report_format_error (error);

  assert_json (text, "{\"schema\":1,\"error\":\"two\\nlines \\\"quoted\\\" \303\244\","
                     "\"status\":5}");
}

static void
test_error_internal_code (void)
{
  g_autoptr (GError) error = g_error_new_literal (MFP_ERROR, MFP_ERROR_BUSY, "x");
  g_autofree char *text = mfp_report_format_error (error);

  assert_json (text, "{\"schema\":1,\"error\":\"x\",\"status\":1}");
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
      assert_error (error, MFP_ERROR_USAGE, "is no format; there are text and json");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/report/text/lists-functions-in-the-guest-s-order", test_text);
  g_test_add_func ("/report/text/headline-of-each-outcome", test_headlines);
  g_test_add_func ("/report/text/of-the-host-alone-names-no-guest", test_text_host);
  g_test_add_func ("/report/json/has-every-member", test_json);
  g_test_add_func ("/report/json/of-nothing", test_json_nothing);
  g_test_add_func ("/report/json/without-slot-has-no-guest-address", test_json_without_slot);
  g_test_add_func ("/report/error/has-message-and-status", test_error);
  g_test_add_func ("/report/error/status-of-an-internal-code-is-1", test_error_internal_code);
  g_test_add_func ("/report/format/parses-text-and-json", test_format_parse);
  g_test_add_func ("/report/format/refuses-anything-else", test_format_parse_bad);
  return g_test_run ();
}
