/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events: which removals libvirt reported, and what ends a wait. */
#include "config.h"

#include "libvirt/world.h"

#include "libvirt/domain.h"
#include "libvirt/events.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"

#include <signal.h>
#include <unistd.h>

#define TICK G_TIME_SPAN_SECOND
#define LONG (600 * G_TIME_SPAN_SECOND)

/* ---- a guest with a card ---- */

static void
attach (World *world, guint function, const char *address)
{
  g_autofree char *alias = g_strdup_printf ("ua-%u", function);
  g_autofree char *xml = world_hostdev (function, alias, address);
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_domain_attach (world->libvirt, MFP_LIVE, xml, alias, &error));
  g_assert_no_error (error);
}

static void
queue (World *world, guint function)
{
  g_autofree char *command
      = g_strdup_printf ("{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"vfio-pci\","
                         "\"host\":\"0000:01:00.%u\",\"id\":\"ua-%u\",\"bus\":\"pci.3\","
                         "\"addr\":\"0x0.0x%u\"}}",
                         function, function, function);
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_qemu_tell (world->libvirt, command, &error));
  g_assert_no_error (error);
}

static void
connect_with_card (World *world)
{
  world_connect (world);
  world_detach_functions (world, 4);
  attach (world, 1, "<address type='unassigned'/>");
  queue (world, 1);
  attach (world, 0,
          "<address type='pci' domain='0' bus='3' slot='0' function='0' multifunction='on'/>");
  world_forget_calls (world);
}

static void
listen (World *world)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_events_listen (world->libvirt, &error));
  g_assert_no_error (error);
}

static void
request_removal (World *world)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_domain_detach_alias (world->libvirt, "ua-0", &error));
  g_assert_no_error (error);
}

static GPtrArray *
aliases_of (const char *text)
{
  GPtrArray *aliases = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (guint i = 0; words[i]; i++)
    g_ptr_array_add (aliases, g_strdup (words[i]));
  return aliases;
}

static gboolean
are_removed (World *world, const char *text)
{
  g_autoptr (GPtrArray) aliases = aliases_of (text);

  return mfp_events_all_removed (world->libvirt, aliases);
}

/* Waits for @awaited (nullable), for at most @tick and at most @limit, and returns the
 * virtual time that this took. */
static gint64
wait_with (World *world, const char *awaited, gint64 tick, gint64 limit, char **rejected,
           GError **error)
{
  g_autoptr (GPtrArray) aliases = awaited ? aliases_of (awaited) : NULL;
  g_autoptr (MfpTimer) timer = mfp_timer_new (limit);
  gint64 before = fake_now (world->fake);
  gboolean done = mfp_events_wait (world->libvirt, aliases, tick, timer, rejected, error);

  g_assert_cmpint (done, ==, !(error && *error));
  return fake_now (world->fake) - before;
}

/* The same for a wait that must succeed, without a rejection. */
static gint64
wait_for (World *world, const char *awaited, gint64 tick, gint64 limit)
{
  g_autofree char *rejected = NULL;
  g_autoptr (GError) error = NULL;
  gint64 duration = wait_with (world, awaited, tick, limit, &rejected, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (rejected, ==, NULL);
  return duration;
}

/* ---- reports ---- */

static void
test_removals_end_the_wait (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  g_assert_false (are_removed (world, "ua-0"));
  request_removal (world);
  g_assert_cmpint (wait_for (world, "ua-0 ua-1", LONG, LONG), <, 10 * G_TIME_SPAN_SECOND);
  g_assert_true (are_removed (world, "ua-0 ua-1"));
  g_assert_false (are_removed (world, "ua-0 ua-2"));
}

static void
test_a_removal_that_was_reported_needs_no_wait (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  request_removal (world);
  wait_for (world, "ua-0 ua-1", LONG, LONG);
  g_assert_cmpint (wait_for (world, "ua-0 ua-1", LONG, LONG), ==, 0);
}

static void
test_listening_forgets_earlier_reports (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  request_removal (world);
  wait_for (world, "ua-0 ua-1", LONG, LONG);
  world_forget_calls (world);
  listen (world);
  g_assert_false (are_removed (world, "ua-0"));
  world_assert_calls (world, ""); /* the callbacks are registered already */
}

static void
test_no_aliases_count_as_removed (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();

  world_connect (world);
  g_assert_true (mfp_events_all_removed (world->libvirt, none));
}

static void
test_a_rejection_ends_the_wait_once (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *rejected = NULL;
  g_autoptr (GError) error = NULL;

  connect_with_card (world);
  listen (world);
  fake_reject_removal (world->fake, "vm");
  request_removal (world);
  g_assert_cmpint (wait_with (world, "ua-0 ua-1", LONG, LONG, &rejected, &error), <,
                   10 * G_TIME_SPAN_SECOND);
  g_assert_no_error (error);
  g_assert_cmpstr (rejected, ==, "ua-0");
  g_assert_false (are_removed (world, "ua-0"));
  g_assert_cmpint (wait_for (world, "ua-0 ua-1", TICK, LONG), ==, TICK);
}

static void
test_another_rejection_does_not_hide_it (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *rejected = NULL;

  connect_with_card (world);
  listen (world);
  fake_reject_removal (world->fake, "vm");
  request_removal (world);
  g_assert_cmpint (wait_for (world, "ua-other", TICK, LONG), ==, TICK);
  wait_with (world, "ua-0", LONG, LONG, &rejected, NULL);
  g_assert_cmpstr (rejected, ==, "ua-0");
}

static void
test_another_event_does_not_end_the_wait (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  fake_report_other (world->fake, "vm");
  g_assert_cmpint (wait_for (world, "ua-0", TICK, LONG), ==, TICK);
}

/* ---- time ---- */

static void
test_a_tick_ends_the_wait (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  g_assert_cmpint (wait_for (world, "ua-0", TICK, LONG), ==, TICK);
  g_assert_cmpint (wait_for (world, NULL, TICK, LONG), ==, TICK);
}

static void
test_the_limit_ends_the_wait (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  g_assert_cmpint (wait_for (world, "ua-0", LONG, TICK), ==, TICK);
}

static void
test_a_lost_report_ends_the_wait_by_tick (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  fake_lose_events (world->fake, "vm", 1);
  request_removal (world);
  g_assert_cmpint (wait_for (world, "ua-0 ua-1", 60 * TICK, LONG), ==, 60 * TICK);
  g_assert_false (are_removed (world, "ua-0 ua-1"));
}

/* ---- signals ---- */

static void
test_a_signal_ends_the_wait_once (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *rejected = NULL;
  g_autoptr (GError) error = NULL;

  connect_with_card (world);
  listen (world);
  kill (getpid (), SIGTERM);
  g_assert_cmpint (wait_with (world, "ua-0", LONG, LONG, &rejected, &error), ==, 0);
  assert_error (error, MFP_ERROR_INTERRUPTED, "interrupted");
  g_assert_cmpint (wait_for (world, "ua-0", TICK, LONG), ==, TICK);
}

/* ---- registering ---- */

static void
test_both_kinds_are_registered_once (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  listen (world);
  listen (world);
  world_assert_calls (world,
                      "virConnectDomainEventRegisterAny virConnectDomainEventRegisterAny");
  world_forget_calls (world);
  g_clear_pointer (&world->libvirt, mfp_libvirt_free);
  world_assert_calls (world, "virConnectDomainEventDeregisterAny "
                             "virConnectDomainEventDeregisterAny virConnectClose");
}

static void
test_a_failure_to_register_is_an_error (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world_connect (world);
  fake_fault (world->fake, "virConnectDomainEventRegisterAny", 2, FAKE_ERROR_BEFORE);
  g_assert_false (mfp_events_listen (world->libvirt, &error));
  assert_error (error, MFP_ERROR_FAILED, "injected failure");

  /* The callback that was registered is deregistered. */
  world_forget_calls (world);
  g_clear_pointer (&world->libvirt, mfp_libvirt_free);
  world_assert_calls (world, "virConnectDomainEventDeregisterAny virConnectClose");
}

static void
break_and_read (World *world)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpGuest) guest = NULL;

  fake_break_connections (world->fake);
  guest = mfp_domain_read (world->libvirt, MFP_LIVE, &error);
  g_assert_no_error (error);
}

static void
test_after_reconnecting_the_tick_ends_the_wait (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  break_and_read (world);
  request_removal (world);
  g_assert_cmpint (wait_for (world, "ua-0 ua-1", 60 * TICK, LONG), ==, 60 * TICK);
  g_assert_false (are_removed (world, "ua-0 ua-1"));
}

static void
test_after_reconnecting_listening_registers_again (World *world,
                                                   gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  break_and_read (world);
  listen (world);
  request_removal (world);
  g_assert_cmpint (wait_for (world, "ua-0 ua-1", LONG, LONG), <, 10 * G_TIME_SPAN_SECOND);
  g_assert_true (are_removed (world, "ua-0 ua-1"));
}

static void
test_listening_on_a_broken_connection_registers (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  fake_break_connections (world->fake);
  listen (world);
  request_removal (world);
  wait_for (world, "ua-0 ua-1", LONG, LONG);
  g_assert_true (are_removed (world, "ua-0 ua-1"));
}

static void
test_reports_before_a_break_are_kept (World *world, gconstpointer data G_GNUC_UNUSED)
{
  connect_with_card (world);
  listen (world);
  request_removal (world);
  wait_for (world, "ua-0", LONG, LONG);
  break_and_read (world);
  g_assert_true (are_removed (world, "ua-0"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  world_add ("/events/reported-removals-end-the-wait", NULL, test_removals_end_the_wait);
  world_add ("/events/a-removal-that-was-reported-needs-no-wait", NULL,
             test_a_removal_that_was_reported_needs_no_wait);
  world_add ("/events/listening-forgets-earlier-reports", NULL,
             test_listening_forgets_earlier_reports);
  world_add ("/events/no-aliases-count-as-removed", NULL, test_no_aliases_count_as_removed);
  world_add ("/events/a-rejection-ends-one-wait", NULL, test_a_rejection_ends_the_wait_once);
  world_add ("/events/a-rejection-is-kept-while-others-are-awaited", NULL,
             test_another_rejection_does_not_hide_it);
  world_add ("/events/another-event-does-not-end-the-wait", NULL,
             test_another_event_does_not_end_the_wait);
  world_add ("/events/a-tick-ends-the-wait", NULL, test_a_tick_ends_the_wait);
  world_add ("/events/the-limit-ends-the-wait", NULL, test_the_limit_ends_the_wait);
  world_add ("/events/after-a-lost-report-the-tick-ends-the-wait", NULL,
             test_a_lost_report_ends_the_wait_by_tick);
  world_add ("/events/a-signal-ends-one-wait", NULL, test_a_signal_ends_the_wait_once);
  world_add ("/events/each-kind-is-registered-once-and-deregistered", NULL,
             test_both_kinds_are_registered_once);
  world_add ("/events/a-failure-to-register-is-an-error-and-leaves-nothing", NULL,
             test_a_failure_to_register_is_an_error);
  world_add ("/events/after-reconnecting-the-tick-ends-the-wait", NULL,
             test_after_reconnecting_the_tick_ends_the_wait);
  world_add ("/events/after-reconnecting-listening-registers-again", NULL,
             test_after_reconnecting_listening_registers_again);
  world_add ("/events/listening-on-a-broken-connection-registers-on-a-new-one", NULL,
             test_listening_on_a_broken_connection_registers);
  world_add ("/events/reports-outlive-the-connection", NULL, test_reports_before_a_break_are_kept);
  return g_test_run ();
}
