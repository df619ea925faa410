/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tests of the fake libvirt itself: how the event loop and a worker share the virtual time,
 * what each fault does, and that a saved state can be read back.
 */
#include "config.h"

#include "fake/fake.h"

#include <glib/gstdio.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DEADLINE 30000 /* ms */
#define QUERY "{\"execute\":\"query-pci\",\"arguments\":{}}"
#define LIST "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/peripheral\"}}"

/* The first cast says that the second one to another type of function is intended. */
#define CALLBACK(function) VIR_DOMAIN_EVENT_CALLBACK ((void (*) (void)) (function))

/* ---- the setup of each test ---- */

typedef struct
{
  Fake *fake;
  virConnectPtr connection;
  virDomainPtr domain;
} World;

static void
ignore_error (void *data G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static void
enter_with (World *world, Fake *fake)
{
  world->fake = fake;
  fake_use (world->fake);
  world->connection = virConnectOpenAuth ("qemu:///system", virConnectAuthPtrDefault, 0);
  g_assert_nonnull (world->connection);
  world->domain = virDomainLookupByName (world->connection, "vm");
  g_assert_nonnull (world->domain);
  fake_clear_calls (world->fake);
}

/* Opens a new connection after the fake has broken the old one. */
static void
reconnect (World *world)
{
  virDomainFree (world->domain);
  virConnectClose (world->connection);
  world->connection = virConnectOpen (NULL);
  world->domain = virDomainLookupByName (world->connection, "vm");
}

static void
enter (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "fake", "host.xml", NULL);

  enter_with (world, fake_new_from_file (path));
}

static void
leave (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_assert_cmpstr (fake_violation (world->fake), ==, NULL);
  virDomainFree (world->domain);
  virConnectClose (world->connection);
  fake_free (world->fake);
}

/* ---- calls that the program makes ---- */

static char *
hostdev (guint function, const char *address)
{
  return g_strdup_printf ("<hostdev mode='subsystem' type='pci' managed='no'><source>"
                          "<address domain='0' bus='1' slot='0' function='%u'/></source>"
                          "<alias name='ua-%u'/>%s</hostdev>",
                          function, function, address);
}

static int
attach_unassigned (World *world, guint function)
{
  g_autofree char *xml = hostdev (function, "<address type='unassigned'/>");

  return virDomainAttachDeviceFlags (world->domain, xml, VIR_DOMAIN_AFFECT_LIVE);
}

static int
detach_unassigned (World *world, guint function)
{
  g_autofree char *xml = hostdev (function, "<address type='unassigned'/>");

  return virDomainDetachDeviceFlags (world->domain, xml, VIR_DOMAIN_AFFECT_LIVE);
}

static int
plug (World *world)
{
  g_autofree char *xml = hostdev (0, "<address type='pci' domain='0' bus='3' slot='0' "
                                     "function='0' multifunction='on'/>");

  return virDomainAttachDeviceFlags (world->domain, xml, VIR_DOMAIN_AFFECT_LIVE);
}

static char *
ask (World *world, const char *command)
{
  char *answer = NULL;

  g_assert_cmpint (virDomainQemuMonitorCommand (world->domain, command, &answer, 0), ==, 0);
  return answer;
}

static char *
queue (World *world, guint function)
{
  g_autofree char *command
      = g_strdup_printf ("{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"vfio-pci\","
                         "\"host\":\"0000:01:00.%u\",\"id\":\"ua-%u\",\"bus\":\"pci.3\","
                         "\"addr\":\"0x0.0x%u\"}}",
                         function, function, function);

  return ask (world, command);
}

static void
assert_queued (World *world, guint function)
{
  g_autofree char *answer = queue (world, function);

  g_assert_nonnull (strstr (answer, "\"return\":{}"));
}

static int
change_driver (World *world, guint function, gboolean detach)
{
  g_autofree char *name = g_strdup_printf ("pci_0000_01_00_%u", function);
  virNodeDevicePtr device = virNodeDeviceLookupByName (world->connection, name);
  int result;

  g_assert_nonnull (device);
  result = detach ? virNodeDeviceDetachFlags (device, NULL, 0) : virNodeDeviceReAttach (device);
  if (result < 0)
    {
      g_autofree char *message = g_strdup (virGetLastErrorMessage ());

      g_test_message ("%s", message);
    }
  virNodeDeviceFree (device);
  return result;
}

static void
attach_card (World *world)
{
  for (guint i = 0; i < 4; i++)
    g_assert_cmpint (change_driver (world, i, TRUE), ==, 0);
  for (guint i = 1; i < 4; i++)
    g_assert_cmpint (attach_unassigned (world, i), ==, 0);
  for (guint i = 1; i < 4; i++)
    assert_queued (world, i);
  g_assert_cmpint (plug (world), ==, 0);
}

static void
assert_driver (World *world, const char *host, const char *driver)
{
  g_autofree char *now = fake_driver (world->fake, host);

  g_assert_cmpstr (now, ==, driver);
}

#define assert_part(text, part)                                                                \
  G_STMT_START                                                                                 \
  {                                                                                            \
    g_autofree char *text_ = (text);                                                           \
    if (!text_ || !strstr (text_, part))                                                       \
      g_error ("'%s' lacks '%s'", text_, part);                                                \
  }                                                                                            \
  G_STMT_END

#define assert_no_part(text, part)                                                             \
  G_STMT_START                                                                                 \
  {                                                                                            \
    g_autofree char *text_ = (text);                                                           \
    if (!text_ || strstr (text_, part))                                                        \
      g_error ("'%s' has '%s'", text_, part);                                                  \
  }                                                                                            \
  G_STMT_END

static char *
live_xml (World *world)
{
  return virDomainGetXMLDesc (world->domain, 0);
}

static void
assert_failed (int result, int code, const char *message)
{
  g_assert_cmpint (result, ==, -1);
  g_assert_cmpint (virGetLastErrorCode (), ==, code);
  g_assert_cmpstr (virGetLastErrorMessage (), ==, message);
}

/* ---- the loop and the worker ---- */

static void
set_flag (int timer G_GNUC_UNUSED, void *flag)
{
  *(gboolean *) flag = TRUE;
}

static void
run_until (gboolean *flag)
{
  while (!*flag)
    g_assert_cmpint (virEventRunDefaultImpl (), ==, 0);
}

static void
let_pass (int milliseconds)
{
  gboolean over = FALSE;
  int timer = virEventAddTimeout (milliseconds, set_flag, &over, NULL);

  run_until (&over);
  virEventRemoveTimeout (timer);
}

typedef struct
{
  World *world;
  int (*call) (World *world);
  int doorbell;
  int result;
} Job;

static gpointer
run_job (gpointer data)
{
  Job *job = data;

  job->result = job->call (job->world);
  virEventUpdateTimeout (job->doorbell, 0);
  return NULL;
}

/* Makes a call in a worker, as the program does. Returns whether the call returned before
 * its deadline. */
static gboolean
call_in_worker (Job *job, GThread **worker)
{
  gboolean rung = FALSE, late = FALSE;
  int deadline;

  job->doorbell = virEventAddTimeout (-1, set_flag, &rung, NULL);
  deadline = virEventAddTimeout (DEADLINE, set_flag, &late, NULL);
  *worker = g_thread_new ("worker", run_job, job);
  while (!rung && !late)
    g_assert_cmpint (virEventRunDefaultImpl (), ==, 0);
  virEventRemoveTimeout (job->doorbell);
  virEventRemoveTimeout (deadline);
  return rung;
}

static int
sleep_and_look (World *world)
{
  g_usleep (20000); /* real time, in which a wrong loop would advance the virtual time */
  g_free (live_xml (world));
  return 0;
}

static void
test_time_stands_still_while_a_worker_works (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before = fake_now (world->fake);
  Job job = { .world = world, .call = sleep_and_look, .result = -1 };
  GThread *worker;

  g_assert_true (call_in_worker (&job, &worker));
  g_thread_join (worker);
  g_assert_cmpint (job.result, ==, 0);
  g_assert_cmpint (fake_now (world->fake) - before, ==, G_TIME_SPAN_MILLISECOND);
}

static void
test_a_timer_fires_at_its_time (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before = fake_now (world->fake);

  let_pass (123456);
  g_assert_cmpint (fake_now (world->fake) - before, ==, 123456 * G_TIME_SPAN_MILLISECOND);
}

static int
look (World *world)
{
  char *xml = live_xml (world);

  g_free (xml);
  return xml ? 0 : -1;
}

static void
test_a_hung_call_outlives_its_deadline (World *world, gconstpointer data G_GNUC_UNUSED)
{
  gint64 before = fake_now (world->fake);
  Job job = { .world = world, .call = look };
  GThread *worker;

  fake_fault (world->fake, "virDomainGetXMLDesc", 1, FAKE_HANG);
  g_assert_false (call_in_worker (&job, &worker));
  g_assert_cmpuint (fake_hanging (world->fake), ==, 1);
  g_assert_cmpint (fake_now (world->fake) - before, ==, DEADLINE * G_TIME_SPAN_MILLISECOND);
  fake_release_hung (world->fake);
  g_thread_join (worker);
  g_assert_cmpint (job.result, ==, -1);
  g_assert_cmpuint (fake_hanging (world->fake), ==, 0);
}

/* ---- events ---- */

typedef struct
{
  GString *text;
  guint count;
  gboolean freed;
} Heard;

static void
hear_alias (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain, const char *alias,
            void *data)
{
  Heard *heard = data;

  heard->count++;
  g_string_append_printf (heard->text, "%s:%s ", virDomainGetName (domain), alias);
}

static int
hear_lifecycle (virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain, int event,
                int detail G_GNUC_UNUSED, void *data)
{
  Heard *heard = data;

  heard->count++;
  g_string_append_printf (heard->text, "%s=%d ", virDomainGetName (domain), event);
  return 0;
}

static void
hear_no_more (void *data)
{
  ((Heard *) data)->freed = TRUE;
}

static int
listen_to (World *world, int event, virConnectDomainEventGenericCallback callback, Heard *heard)
{
  int id = virConnectDomainEventRegisterAny (world->connection, world->domain, event, callback,
                                             heard, hear_no_more);

  g_assert_cmpint (id, >=, 0);
  return id;
}

static void
test_libvirt_reports_each_function_that_it_has_dropped (World *world,
                                                        gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) text = g_string_new (NULL);
  Heard heard = { .text = text };
  int id = listen_to (world, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                      CALLBACK (hear_alias), &heard);

  attach_card (world);
  g_assert_cmpint (virDomainDetachDeviceAlias (world->domain, "ua-0", 0), ==, 0);
  let_pass (700);
  assert_no_part (ask (world, LIST), "ua-");
  assert_part (live_xml (world), "ua-0");
  g_assert_cmpuint (heard.count, ==, 0);
  while (heard.count < 4)
    virEventRunDefaultImpl ();
  g_assert_cmpstr (text->str, ==, "vm:ua-0 vm:ua-3 vm:ua-2 vm:ua-1 ");
  assert_no_part (live_xml (world), "ua-");
  g_assert_false (heard.freed);
  g_assert_cmpint (virConnectDomainEventDeregisterAny (world->connection, id), ==, 0);
  g_assert_true (heard.freed);

  /* QEMU still uses the IOMMU group for a moment. */
  g_assert_cmpint (change_driver (world, 0, FALSE), ==, -1);
  assert_driver (world, "0000:01:00.0", NULL);
  let_pass (400);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpint (change_driver (world, i, FALSE), ==, 0);
  assert_driver (world, "0000:01:00.0", "nic");
}

static void
test_a_rejected_removal_is_reported (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) text = g_string_new (NULL);
  Heard heard = { .text = text };
  int id = listen_to (world, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
                      CALLBACK (hear_alias), &heard);

  attach_card (world);
  fake_reject_removal (world->fake, "vm");
  g_assert_cmpint (virDomainDetachDeviceAlias (world->domain, "ua-0", 0), ==, 0);
  let_pass (2000);
  g_assert_cmpstr (text->str, ==, "vm:ua-0 ");
  assert_part (ask (world, LIST), "ua-0");
  virConnectDomainEventDeregisterAny (world->connection, id);
}

static void
test_a_broken_connection_reports_nothing (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) text = g_string_new (NULL);
  Heard heard = { .text = text };

  listen_to (world, VIR_DOMAIN_EVENT_ID_LIFECYCLE, CALLBACK (hear_lifecycle),
             &heard);
  fake_end_domain (world->fake, "vm");
  fake_start_domain (world->fake, "vm");
  let_pass (1);
  g_assert_cmpstr (text->str, ==, "vm=5 vm=2 ");
  fake_fault (world->fake, "virDomainGetXMLDesc", 1, FAKE_LOST_BEFORE);
  g_assert_null (live_xml (world));
  fake_end_domain (world->fake, "vm");
  let_pass (1000);
  g_assert_cmpuint (heard.count, ==, 2);
  reconnect (world);
  g_assert_true (heard.freed);
}

/* ---- the rules ---- */

static void
test_the_guest_enumerates_the_card_soon_after_the_plug (World *world,
                                                        gconstpointer data G_GNUC_UNUSED)
{
  attach_card (world);
  assert_part (ask (world, QUERY), "\"address\":-1");
  let_pass (200);
  assert_no_part (ask (world, QUERY), "\"address\":-1");
  assert_part (ask (world, QUERY), "\"qdev_id\":\"pci.3\"");
}

static void
test_dropping_a_function_takes_away_access_to_its_group (World *world,
                                                         gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < 4; i++)
    change_driver (world, i, TRUE);
  attach_unassigned (world, 1);
  attach_unassigned (world, 2);
  g_assert_cmpint (detach_unassigned (world, 2), ==, 0);
  assert_part (queue (world, 1), "failed to open /dev/vfio/1");
  attach_unassigned (world, 2);
  assert_queued (world, 1);
}

static void
test_a_function_of_another_domain_is_refused (World *world, gconstpointer data G_GNUC_UNUSED)
{
  virDomainPtr other = virDomainLookupByName (world->connection, "other");
  virDomainPtr mine = world->domain;

  change_driver (world, 1, TRUE);
  g_assert_cmpint (attach_unassigned (world, 1), ==, 0);
  world->domain = other;
  assert_failed (attach_unassigned (world, 1), VIR_ERR_OPERATION_INVALID,
                 "Requested operation is not valid: PCI device 0000:01:00.1 is in use by driver "
                 "QEMU, domain vm");
  g_assert_cmpint (change_driver (world, 1, FALSE), ==, -1);
  world->domain = mine;
  virDomainFree (other);
}

static void
test_errors_have_the_text_of_libvirt (World *world, gconstpointer data G_GNUC_UNUSED)
{
  change_driver (world, 1, TRUE);
  attach_unassigned (world, 1);
  assert_failed (attach_unassigned (world, 1), VIR_ERR_CONFIG_UNSUPPORTED,
                 "unsupported configuration: non unique alias detected: ua-1");
  assert_failed (detach_unassigned (world, 2), VIR_ERR_DEVICE_MISSING,
                 "device not found: host pci device 0000:01:00.2 not found");
  assert_failed (virDomainDetachDeviceAlias (world->domain, "ua-2", 0), VIR_ERR_INTERNAL_ERROR,
                 "internal error: no device found with alias ua-2");
  g_assert_null (virNodeDeviceLookupByName (world->connection, "pci_0000_09_00_0"));
  g_assert_cmpint (virGetLastErrorCode (), ==, VIR_ERR_NO_NODE_DEVICE);
  g_assert_null (virDomainLookupByName (world->connection, "none"));
  g_assert_cmpint (virGetLastErrorCode (), ==, VIR_ERR_NO_DOMAIN);
  fake_end_domain (world->fake, "vm");
  assert_failed (attach_unassigned (world, 1), VIR_ERR_OPERATION_INVALID,
                 "Requested operation is not valid: domain is not running");
}

static void
test_a_read_only_connection_changes_nothing (World *world, gconstpointer data G_GNUC_UNUSED)
{
  virConnectPtr connection = virConnectOpenAuth (NULL, NULL, VIR_CONNECT_RO);
  virDomainPtr domain = virDomainLookupByName (connection, "vm");

  g_assert_cmpint (virDomainSuspend (domain), ==, -1);
  g_assert_cmpint (virGetLastErrorCode (), ==, VIR_ERR_OPERATION_DENIED);
  g_assert_cmpuint (fake_count (world->fake, "virDomainSuspend"), ==, 0);
  virDomainFree (domain);
  virConnectClose (connection);
}

static void
test_metadata_is_written_and_removed (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_assert_cmpint (virDomainSetMetadata (world->domain, VIR_DOMAIN_METADATA_ELEMENT,
                                         "<r a='1'><f/></r>", "k", "urn:x",
                                         VIR_DOMAIN_AFFECT_LIVE), ==, 0);
  assert_part (live_xml (world), "<k:r xmlns:k=\"urn:x\" a=\"1\">");
  g_assert_cmpint (virDomainSetMetadata (world->domain, VIR_DOMAIN_METADATA_ELEMENT, NULL, "k",
                                         "urn:x", VIR_DOMAIN_AFFECT_LIVE), ==, 0);
  assert_no_part (live_xml (world), "urn:x");
}

/* ---- faults ---- */

static void
test_an_error_before_the_call_changes_nothing (World *world, gconstpointer data G_GNUC_UNUSED)
{
  fake_fault (world->fake, "virNodeDeviceDetachFlags", 2, FAKE_ERROR_BEFORE);
  g_assert_cmpint (change_driver (world, 0, TRUE), ==, 0);
  g_assert_cmpint (change_driver (world, 1, TRUE), ==, -1);
  assert_driver (world, "0000:01:00.0", "vfio-pci");
  assert_driver (world, "0000:01:00.1", "nic");
  g_assert_cmpint (change_driver (world, 1, TRUE), ==, 0);
}

static void
test_an_error_after_the_call_hides_its_effect (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_assert_true (fake_fault_by_text (world->fake, "virNodeDeviceDetachFlags#1=error-after, "
                                                  "virDomainDetachDeviceAlias#1=error-after"));
  g_assert_cmpint (change_driver (world, 0, TRUE), ==, -1);
  assert_driver (world, "0000:01:00.0", "vfio-pci");
  attach_card (world);
  /* The removal is a request, which succeeds once QEMU has it. */
  g_assert_cmpint (virDomainDetachDeviceAlias (world->domain, "ua-0", 0), ==, 0);
}

static void
test_a_lost_connection_stays_lost (World *world, gconstpointer data G_GNUC_UNUSED)
{
  change_driver (world, 1, TRUE);
  fake_fault (world->fake, "virDomainAttachDeviceFlags", 1, FAKE_LOST_AFTER);
  assert_failed (attach_unassigned (world, 1), VIR_ERR_INTERNAL_ERROR,
                 "internal error: client socket is closed");
  g_assert_cmpint (virConnectIsAlive (world->connection), ==, 0);
  g_assert_cmpint (virDomainIsActive (world->domain), ==, -1);
  g_assert_cmpuint (fake_count (world->fake, "virDomainIsActive"), ==, 0);
  reconnect (world);
  assert_part (live_xml (world), "ua-1");
}

static void
test_a_silent_guest_keeps_the_card_until_it_resumes (World *world,
                                                     gconstpointer data G_GNUC_UNUSED)
{
  fake_fault (world->fake, "virDomainDetachDeviceAlias", 1, FAKE_SILENT_GUEST);
  attach_card (world);
  g_assert_cmpint (virDomainDetachDeviceAlias (world->domain, "ua-0", 0), ==, 0);
  let_pass (60000);
  assert_part (ask (world, LIST), "ua-0");
  fake_mend (world->fake);
  let_pass (1000);
  assert_no_part (ask (world, LIST), "ua-");
}

static void
test_a_call_can_restart_and_end_the_domain (World *world, gconstpointer data G_GNUC_UNUSED)
{
  attach_card (world);
  fake_fault (world->fake, "virDomainGetXMLDesc", 1, FAKE_DOMAIN_RESTARTS);
  fake_fault (world->fake, "virDomainGetXMLDesc", 2, FAKE_DOMAIN_ENDS);
  assert_part (live_xml (world), "id=\"3\"");
  assert_no_part (live_xml (world), "id=\"");
  g_assert_cmpint (virDomainIsActive (world->domain), ==, 0);
  /* Unmanaged functions stay on VFIO. */
  assert_driver (world, "0000:01:00.1", "vfio-pci");
}

static void
read_signal (int watch G_GNUC_UNUSED, int fd, int events G_GNUC_UNUSED, void *data)
{
  struct signalfd_siginfo info;

  g_assert_cmpint (read (fd, &info, sizeof info), ==, sizeof info);
  *(gboolean *) data = info.ssi_signo == SIGINT;
}

static void
test_a_signal_reaches_the_loop (World *world, gconstpointer data G_GNUC_UNUSED)
{
  Job job = { .world = world, .call = look };
  gboolean came = FALSE;
  GThread *worker;
  sigset_t set, before;
  int fd, watch;

  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  pthread_sigmask (SIG_BLOCK, &set, &before);
  fd = signalfd (-1, &set, SFD_CLOEXEC);
  watch = virEventAddHandle (fd, VIR_EVENT_HANDLE_READABLE, read_signal, &came, NULL);
  fake_fault (world->fake, "virDomainGetXMLDesc", 1, FAKE_SIGNAL);
  g_assert_true (call_in_worker (&job, &worker));
  g_thread_join (worker);
  g_assert_true (came);
  virEventRemoveHandle (watch);
  close (fd);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
}

static void
test_a_broken_libvirt_still_answers_queries (World *world, gconstpointer data G_GNUC_UNUSED)
{
  fake_fault (world->fake, "virNodeDeviceDetachFlags", 1, FAKE_BROKEN);
  g_assert_cmpint (change_driver (world, 0, TRUE), ==, -1);
  g_assert_cmpint (change_driver (world, 1, TRUE), ==, -1);
  assert_part (ask (world, LIST), "pci.3");
  fake_mend (world->fake);
  g_assert_cmpint (change_driver (world, 1, TRUE), ==, 0);
}

static void
steal_function (Fake *fake, gpointer data)
{
  World *world = data;
  virDomainPtr mine = world->domain;

  fake_bind (fake, "0000:01:00.1", "vfio-pci");
  world->domain = virDomainLookupByName (world->connection, "other");
  g_assert_cmpint (attach_unassigned (world, 1), ==, 0);
  virDomainFree (world->domain);
  world->domain = mine;
}

static void
test_a_hook_runs_before_the_call_acts (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) calls = NULL;

  change_driver (world, 1, TRUE);
  fake_clear_calls (world->fake);
  fake_at_call (world->fake, "virDomainAttachDeviceFlags", 1, steal_function, world);
  assert_failed (attach_unassigned (world, 1), VIR_ERR_OPERATION_INVALID,
                 "Requested operation is not valid: PCI device 0000:01:00.1 is in use by driver "
                 "QEMU, domain other");
  calls = fake_calls (world->fake);
  g_assert_cmpuint (calls->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (calls, 0), ==, "virDomainAttachDeviceFlags");
}

/* ---- state ---- */

static void
test_a_saved_state_continues_where_it_was (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *directory = g_dir_make_tmp ("fake-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "state.xml", NULL);
  g_autofree char *live = NULL, *again = NULL;
  g_autofree char *xml = NULL, *xml_again = NULL;
  gint64 now;

  attach_card (world);
  g_assert_cmpint (virDomainSetMetadata (world->domain, VIR_DOMAIN_METADATA_ELEMENT, "<r/>", "k",
                                         "urn:x", VIR_DOMAIN_AFFECT_LIVE), ==, 0);
  g_assert_cmpint (virDomainDetachDeviceAlias (world->domain, "ua-0", 0), ==, 0);
  live = fake_describe_live (world->fake, "vm");
  xml = live_xml (world);
  now = fake_now (world->fake);
  fake_save (world->fake, path);
  leave (world, NULL);

  enter_with (world, fake_new_from_file (path));
  again = fake_describe_live (world->fake, "vm");
  xml_again = live_xml (world);
  g_assert_cmpstr (again, ==, live);
  g_assert_cmpstr (xml_again, ==, xml);
  g_assert_cmpint (fake_now (world->fake), >, now);
  let_pass (1000);
  assert_no_part (ask (world, LIST), "ua-");
  assert_no_part (live_xml (world), "ua-");
  assert_no_part (virDomainGetXMLDesc (world->domain, VIR_DOMAIN_XML_INACTIVE), "urn:x");
  g_unlink (path);
  g_rmdir (directory);
}

#define ADD(name) g_test_add ("/fake/" #name, World, NULL, enter, test_##name, leave)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  virSetErrorFunc (NULL, ignore_error);
  g_assert_cmpint (virEventRegisterDefaultImpl (), ==, 0);
  ADD (time_stands_still_while_a_worker_works);
  ADD (a_timer_fires_at_its_time);
  ADD (a_hung_call_outlives_its_deadline);
  ADD (libvirt_reports_each_function_that_it_has_dropped);
  ADD (a_rejected_removal_is_reported);
  ADD (a_broken_connection_reports_nothing);
  ADD (the_guest_enumerates_the_card_soon_after_the_plug);
  ADD (dropping_a_function_takes_away_access_to_its_group);
  ADD (a_function_of_another_domain_is_refused);
  ADD (errors_have_the_text_of_libvirt);
  ADD (a_read_only_connection_changes_nothing);
  ADD (metadata_is_written_and_removed);
  ADD (an_error_before_the_call_changes_nothing);
  ADD (an_error_after_the_call_hides_its_effect);
  ADD (a_lost_connection_stays_lost);
  ADD (a_silent_guest_keeps_the_card_until_it_resumes);
  ADD (a_call_can_restart_and_end_the_domain);
  ADD (a_signal_reaches_the_loop);
  ADD (a_broken_libvirt_still_answers_queries);
  ADD (a_hook_runs_before_the_call_acts);
  ADD (a_saved_state_continues_where_it_was);
  return g_test_run ();
}
