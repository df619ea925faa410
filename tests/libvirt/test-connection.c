/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection: calls that hang, connections that break, signals, and the trace. */
#include "config.h"

#include "libvirt/world.h"

#include "libvirt/domain.h"
#include "libvirt/domains.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"

#include <signal.h>
#include <unistd.h>

#define AWAY_TOO_LONG 200 /* failed attempts to connect, at two in a second */
#define RECONNECT_LIMIT (30 * G_TIME_SPAN_SECOND)

static gboolean
read_function (World *world, GError **error)
{
  MfpPciAddress address = test_address ("0000:01:00.0");
  g_autoptr (MfpHostFunction) function = mfp_node_device_read_at (world->libvirt, &address, error);

  return function != NULL;
}

static gboolean
read_domain (World *world, GError **error)
{
  g_autoptr (MfpGuest) guest = mfp_domain_read (world->libvirt, MFP_LIVE, error);

  return guest != NULL;
}

static void
assert_works (World *world, gboolean (*call) (World *world, GError **error))
{
  g_autoptr (GError) error = NULL;
  gboolean done = call (world, &error);

  g_assert_no_error (error);
  g_assert_true (done);
}

static void
assert_fails (World *world, gboolean (*call) (World *world, GError **error), MfpError code,
              const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (call (world, &error));
  assert_error (error, (int) code, part);
}

static void
assert_interrupted_once (World *world)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (mfp_libvirt_check_interrupt (world->libvirt, &error));
  assert_error (error, MFP_ERROR_INTERRUPTED, "interrupted");
  g_assert_true (mfp_libvirt_check_interrupt (world->libvirt, NULL));
}

static void
assert_not_interrupted (World *world)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_libvirt_check_interrupt (world->libvirt, &error));
  g_assert_no_error (error);
}

static void
send_signal (Fake *fake G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  kill (getpid (), SIGINT);
}

/* Makes the next @count attempts to connect fail. */
static void
keep_away (World *world, guint count)
{
  for (guint i = 1; i <= count; i++)
    fake_fault (world->fake, "virConnectOpenAuth", i, FAKE_ERROR_BEFORE);
}

/* ---- opening ---- */

static void
test_opening_is_refused (World *world, gconstpointer data G_GNUC_UNUSED)
{
  keep_away (world, 1);
  assert_fails (world, world_open, MFP_ERROR_REFUSED,
                "cannot connect to " WORLD_URI ": libvirt says: internal error: injected failure");
  world_assert_calls (world, "virConnectOpenAuth");
  g_assert_false (world->left_in_call);
}

static void
test_opening_hangs (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before = fake_now (world->fake);

  fake_fault (world->fake, "virConnectOpenAuth", 1, FAKE_HANG);
  assert_fails (world, world_open, MFP_ERROR_HUNG,
                "libvirt has not returned from virConnectOpenAuth of " WORLD_URI " within 20 s");
  g_assert_cmpint (fake_now (world->fake) - before, ==, WORLD_TIMEOUT);
  g_assert_cmpuint (fake_hanging (world->fake), ==, 1);
  g_assert_true (world->left_in_call);
}

static void
test_a_signal_ends_the_opening (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before = fake_now (world->fake);

  fake_at_call (world->fake, "virConnectOpenAuth", 1, send_signal, NULL);
  fake_fault (world->fake, "virConnectOpenAuth", 1, FAKE_HANG);
  assert_fails (world, world_open, MFP_ERROR_INTERRUPTED, "interrupted");
  g_assert_cmpint (fake_now (world->fake) - before, <, G_TIME_SPAN_SECOND);
  g_assert_true (world->left_in_call);
}

static void
test_read_only_is_passed_on (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world->read_only = TRUE;
  world_connect (world);
  assert_works (world, read_domain);
  g_assert_cmpuint (mfp_qemu_query_version (world->libvirt, &error), ==, 0);
  assert_error (error, MFP_ERROR_REFUSED, "read only");
}

/* ---- a call that hangs ---- */

static void
test_a_call_hangs (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before, calls;

  world_connect (world);
  fake_fault (world->fake, "virNodeDeviceGetXMLDesc", 1, FAKE_HANG);
  before = fake_now (world->fake);
  assert_fails (world, read_function, MFP_ERROR_HUNG,
                "libvirt has not returned from virNodeDeviceGetXMLDesc of pci_0000_01_00_0 within "
                "20 s");
  g_assert_cmpint (fake_now (world->fake) - before, ==, WORLD_TIMEOUT);
  g_assert_true (world->left_in_call);
  g_assert_cmpuint (world->waits, ==, WORLD_TIMEOUT / G_TIME_SPAN_SECOND);
  g_assert_cmpint (world->elapsed, ==, WORLD_TIMEOUT);

  before = fake_now (world->fake);
  calls = fake_count (world->fake, NULL);
  assert_fails (world, read_function, MFP_ERROR_HUNG, "an earlier call");
  assert_fails (world, read_domain, MFP_ERROR_HUNG, "an earlier call");
  g_assert_cmpint (fake_now (world->fake), ==, before);
  g_assert_cmpint (fake_count (world->fake, NULL), ==, calls);
}

static void
test_a_call_that_returns_does_not_hang (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  assert_works (world, read_function);
  g_assert_cmpuint (world->waits, ==, 0);
  g_assert_false (world->left_in_call);
}

/* ---- signals ---- */

static void
test_a_signal_does_not_end_a_call (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  fake_fault (world->fake, "virNodeDeviceLookupByName", 1, FAKE_SIGNAL);
  assert_works (world, read_function);
  world_assert_calls (world, "virNodeDeviceLookupByName virNodeDeviceGetXMLDesc");
  assert_interrupted_once (world);
}

static void
test_a_signal_does_not_shorten_a_call (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before;

  world_connect (world);
  fake_at_call (world->fake, "virNodeDeviceLookupByName", 1, send_signal, NULL);
  fake_fault (world->fake, "virNodeDeviceLookupByName", 1, FAKE_HANG);
  before = fake_now (world->fake);
  assert_fails (world, read_function, MFP_ERROR_HUNG, "virNodeDeviceLookupByName");
  g_assert_cmpint (fake_now (world->fake) - before, ==, WORLD_TIMEOUT);
  assert_interrupted_once (world);
}

static void
test_no_signal_is_reported_without_one (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  assert_not_interrupted (world);
}

/* ---- connections that break ---- */

static void
test_a_broken_connection_is_opened_again (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  fake_break_connections (world->fake);
  assert_works (world, read_function);
  world_assert_calls (world, "virConnectClose virConnectOpenAuth "
                             "virNodeDeviceLookupByName virNodeDeviceGetXMLDesc");
}

static void
test_the_domain_is_found_again_by_its_uuid (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  fake_break_connections (world->fake);
  assert_works (world, read_domain);
  world_assert_calls (world, "virConnectClose virConnectOpenAuth "
                             "virDomainLookupByUUIDString virDomainGetXMLDesc");
}

static void
check_break (World *world, FakeFaultKind kind)
{
  world_connect (world);
  fake_fault (world->fake, "virDomainGetXMLDesc", 1, kind);
  assert_fails (world, read_domain, MFP_ERROR_DISCONNECTED, "client socket is closed");
  world_assert_calls (world, "virDomainGetXMLDesc");
  assert_works (world, read_domain);
  world_assert_calls (world, "virDomainGetXMLDesc virConnectClose virConnectOpenAuth "
                             "virDomainLookupByUUIDString "
                             "virDomainGetXMLDesc");
}

static void
test_a_call_breaks_the_connection_before (World *world, gconstpointer data G_GNUC_UNUSED)
{
  check_break (world, FAKE_LOST_BEFORE);
}

static void
test_a_call_breaks_the_connection_after (World *world, gconstpointer data G_GNUC_UNUSED)
{
  check_break (world, FAKE_LOST_AFTER);
}

static void
test_a_change_is_not_made_twice (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world_connect (world);
  fake_fault (world->fake, "virDomainSetMetadata", 1, FAKE_LOST_AFTER);
  g_assert_false (mfp_domain_set_metadata (world->libvirt, "urn:test", "<a/>", &error));
  assert_error (error, MFP_ERROR_DISCONNECTED, "");
  g_assert_cmpuint (fake_count (world->fake, "virDomainSetMetadata"), ==, 1);
}

static void
test_reconnecting_waits_for_libvirtd (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before;

  world_connect (world);
  keep_away (world, 20);
  fake_break_connections (world->fake);
  before = fake_now (world->fake);
  assert_works (world, read_domain);
  g_assert_cmpint (fake_now (world->fake) - before, >=, 10 * G_TIME_SPAN_SECOND);
  g_assert_cmpint (fake_now (world->fake) - before, <, 11 * G_TIME_SPAN_SECOND);
}

static void
test_reconnecting_gives_up (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before;

  world_connect (world);
  keep_away (world, AWAY_TOO_LONG);
  fake_break_connections (world->fake);
  before = fake_now (world->fake);
  assert_fails (world, read_domain, MFP_ERROR_FAILED, "injected failure");
  g_assert_cmpint (fake_now (world->fake) - before, >=, RECONNECT_LIMIT);
  g_assert_cmpint (fake_now (world->fake) - before, <, RECONNECT_LIMIT + G_TIME_SPAN_SECOND);

  fake_mend (world->fake);
  before = fake_now (world->fake);
  assert_fails (world, read_domain, MFP_ERROR_FAILED, "the connection to libvirt is lost");
  assert_fails (world, read_function, MFP_ERROR_FAILED, "the connection to libvirt is lost");
  world_assert_calls (world, "");
  g_assert_cmpint (fake_now (world->fake), ==, before);
}

/* An interrupted run needs the connection to undo its changes. */
static void
test_a_signal_does_not_end_reconnecting (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  keep_away (world, 4);
  fake_at_call (world->fake, "virConnectOpenAuth", 3, send_signal, NULL);
  fake_break_connections (world->fake);
  assert_works (world, read_domain);
  g_assert_false (world->left_in_call);
  assert_interrupted_once (world);
}

/* The signal came in an earlier call, and the caller has not checked for it yet. */
static void
test_an_earlier_signal_does_not_prevent_reconnecting (World *world,
                                                      gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  fake_fault (world->fake, "virDomainGetXMLDesc", 1, FAKE_LOST_AFTER);
  fake_at_call (world->fake, "virDomainGetXMLDesc", 1, send_signal, NULL);
  assert_fails (world, read_domain, MFP_ERROR_DISCONNECTED, "");
  assert_works (world, read_domain);
  g_assert_false (world->left_in_call);
  assert_interrupted_once (world);
}

/* Breaks every connection after a call whose name begins with @prefix (nullable). */
typedef struct
{
  Fake *fake;
  const char *prefix;
} Breaker;

static void
break_after (gpointer data, const char *function, const char *object G_GNUC_UNUSED,
             gint64 duration G_GNUC_UNUSED)
{
  const Breaker *breaker = data;

  if (breaker->prefix && g_str_has_prefix (function, breaker->prefix))
    fake_break_connections (breaker->fake);
}

static void
test_dropped_connections_are_given_up (World *world, gconstpointer data G_GNUC_UNUSED)
{
  Breaker breaker = { world->fake, "virConnectOpen" };
  gint64 before;

  world_connect (world);
  world->call_trace = (MfpCallTrace){ .call = break_after, .data = &breaker };
  fake_break_connections (world->fake);
  before = fake_now (world->fake);
  assert_fails (world, read_function, MFP_ERROR_DISCONNECTED,
                "libvirt accepts a connection and drops it at once; gave up after 30 s");
  g_assert_cmpint (fake_now (world->fake) - before, <, RECONNECT_LIMIT + G_TIME_SPAN_SECOND);
}

static void
assert_lost (GPtrArray *(*read) (MfpLibvirt *libvirt, GError **error), World *world,
             MfpError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (read (world->libvirt, &error));
  assert_error (error, (int) code, "the connection to libvirt was lost, and opened again");
}

/* Handles of a broken connection are of no use on the new one. */
static void
test_listed_handles_do_not_outlive_their_connection (World *world,
                                                     gconstpointer data G_GNUC_UNUSED)
{
  Breaker breaker = { world->fake, "virConnectListAll" };

  world_connect (world);
  world->call_trace = (MfpCallTrace){ .call = break_after, .data = &breaker };
  assert_lost (mfp_domains_read_others, world, MFP_ERROR_DISCONNECTED);
  assert_lost (mfp_node_devices_read_all, world, MFP_ERROR_REFUSED);
}

static void
test_reconnecting_hangs (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before;

  world_connect (world);
  fake_fault (world->fake, "virConnectOpenAuth", 1, FAKE_HANG);
  fake_break_connections (world->fake);
  assert_fails (world, read_domain, MFP_ERROR_HUNG, "virConnectOpenAuth");
  g_assert_true (world->left_in_call);
  before = fake_now (world->fake);
  assert_fails (world, read_function, MFP_ERROR_HUNG, "an earlier call");
  assert_fails (world, read_domain, MFP_ERROR_HUNG, "an earlier call");
  g_assert_cmpint (fake_now (world->fake), ==, before);
}

/* ---- the trace ---- */

static void
test_each_call_is_traced (World *world, gconstpointer data G_GNUC_UNUSED)
{
  static const char expected[] = "virConnectOpenAuth " WORLD_URI "\n"
                                 "virConnectSetKeepAlive " WORLD_URI "\n"
                                 "virDomainLookupByName vm\n"
                                 "virDomainGetXMLDesc vm\n"
                                 "virNodeDeviceLookupByName pci_0000_01_00_0\n"
                                 "virNodeDeviceGetXMLDesc pci_0000_01_00_0\n"
                                 "virDomainQemuMonitorCommand {\"execute\":\"query-version\","
                                 "\"arguments\":{}}\n"
                                 "virConnectListAllDomains -\n"
                                 "virDomainGetXMLDesc other\n"
                                 "virConnectClose -";
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) others = NULL;
  g_autofree char *text = NULL;

  world_open (world, &error);
  g_assert_true (mfp_domain_choose (world->libvirt, "vm", &error));
  assert_works (world, read_domain);
  assert_works (world, read_function);
  g_assert_cmpuint (mfp_qemu_query_version (world->libvirt, &error), >, 0);
  others = mfp_domains_read_others (world->libvirt, &error);
  g_assert_no_error (error);
  g_clear_pointer (&world->libvirt, mfp_libvirt_free);
  g_ptr_array_add (world->trace, NULL);
  text = g_strjoinv ("\n", (char **) world->trace->pdata);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_a_failed_call_is_traced (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  fake_fault (world->fake, "virNodeDeviceLookupByName", 1, FAKE_ERROR_BEFORE);
  assert_fails (world, read_function, MFP_ERROR_FAILED,
                "libvirt says: internal error: injected failure");
  g_assert_cmpuint (world->trace->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (world->trace, 0), ==,
                   "virNodeDeviceLookupByName pci_0000_01_00_0");
}

static void
add_opening_tests (void)
{
  world_add ("/connection/a-failure-to-open-it-is-a-refusal", NULL, test_opening_is_refused);
  world_add ("/connection/opening-it-hangs-no-longer-than-the-timeout", NULL, test_opening_hangs);
  world_add ("/connection/a-signal-ends-the-wait-for-opening-it", NULL,
             test_a_signal_ends_the_opening);
  world_add ("/connection/a-read-only-one-refuses-calls-that-write", NULL,
             test_read_only_is_passed_on);
}

static void
add_call_tests (void)
{
  world_add ("/connection/a-call-that-hangs-fails-after-the-timeout-and-is-the-last", NULL,
             test_a_call_hangs);
  world_add ("/connection/a-call-that-returns-does-not-count-as-hung", NULL,
             test_a_call_that_returns_does_not_hang);
  world_add ("/connection/a-signal-does-not-end-a-call-and-is-reported-once", NULL,
             test_a_signal_does_not_end_a_call);
  world_add ("/connection/a-signal-does-not-shorten-the-wait-for-a-call", NULL,
             test_a_signal_does_not_shorten_a_call);
  world_add ("/connection/no-signal-is-reported-without-one", NULL,
             test_no_signal_is_reported_without_one);
  world_add ("/connection/each-call-is-traced-with-its-object", NULL, test_each_call_is_traced);
  world_add ("/connection/a-failed-call-is-traced", NULL, test_a_failed_call_is_traced);
}

static void
add_breaking_tests (void)
{
  world_add ("/connection/one-that-broke-before-a-call-is-opened-again", NULL,
             test_a_broken_connection_is_opened_again);
  world_add ("/connection/a-new-one-finds-the-domain-by-its-uuid", NULL,
             test_the_domain_is_found_again_by_its_uuid);
  world_add ("/connection/one-that-breaks-before-a-call-acts-is-one-error", NULL,
             test_a_call_breaks_the_connection_before);
  world_add ("/connection/one-that-breaks-after-a-call-has-acted-is-one-error", NULL,
             test_a_call_breaks_the_connection_after);
  world_add ("/connection/a-change-is-not-repeated-after-it-broke", NULL,
             test_a_change_is_not_made_twice);
  world_add ("/connection/reconnecting-waits-for-a-libvirtd-that-restarts", NULL,
             test_reconnecting_waits_for_libvirtd);
  world_add ("/connection/reconnecting-gives-up-for-good-on-a-libvirtd-that-stays-away", NULL,
             test_reconnecting_gives_up);
  world_add ("/connection/a-signal-does-not-end-reconnecting", NULL,
             test_a_signal_does_not_end_reconnecting);
  world_add ("/connection/an-earlier-signal-does-not-prevent-reconnecting", NULL,
             test_an_earlier_signal_does_not_prevent_reconnecting);
  world_add ("/connection/connections-that-are-dropped-at-once-are-given-up", NULL,
             test_dropped_connections_are_given_up);
  world_add ("/connection/listed-handles-do-not-outlive-it", NULL,
             test_listed_handles_do_not_outlive_their_connection);
  world_add ("/connection/a-hang-while-reconnecting-is-the-last-call", NULL,
             test_reconnecting_hangs);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_opening_tests ();
  add_call_tests ();
  add_breaking_tests ();
  return g_test_run ();
}
