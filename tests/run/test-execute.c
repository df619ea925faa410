/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a run reports, what it leaves alone, and what it does when somebody else works on the
 * same card.
 */
#include "config.h"

#include "common.h"
#include "libvirt/domain.h"
#include "run/poll.h"
#include "world.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static void
assert_message (const GError *error, const char *part)
{
  g_assert_nonnull (error);
  assert_contains (error->message, part);
}

static void
assert_status (const GError *error, int status)
{
  g_assert_cmpint (mfp_error_exit_status (error), ==, status);
}

static void
assert_no_violation (Fake *fake)
{
  g_assert_cmpstr (fake_violation (fake), ==, NULL);
}

static void
assert_drivers_as (Fake *fake, const State *expected)
{
  g_autoptr (State) after = state_capture (fake);

  g_assert_cmpstr (after->drivers, ==, expected->drivers);
}

/* Whether the record of the guest's only card says that the card is being detached. */
static gboolean
is_recorded_as_detaching (void)
{
  g_autoptr (MfpGuest) guest = world_read_guest ();

  g_assert_cmpuint (guest->records->len, ==, 1);
  return ((MfpRecord *) g_ptr_array_index (guest->records, 0))->detaching != NULL;
}

/* Records in the domain that another run detaches the domain's only card. */
static void
record_other_detach (void)
{
  g_auto (Connection) connection = { 0 };
  g_autoptr (MfpGuest) guest = world_read_guest ();
  g_autoptr (GError) error = NULL;
  MfpRecord *record = g_ptr_array_index (guest->records, 0);
  g_autofree char *uri = mfp_record_uri (record->id);
  g_autofree char *xml = NULL;

  record->detaching = g_strdup ("of another run");
  xml = mfp_record_format (record);
  connection_open (&connection, &error);
  g_assert_no_error (error);
  mfp_domain_set_metadata (connection.libvirt, uri, xml, &error);
  g_assert_no_error (error);
}

/* ---- claims ---- */

#define SMALLEST_ID "0"
#define LARGEST_ID "z"

/* Writes the record @id, which names 01:00.1, into the domain 'other', or removes it. */
static void
write_other_record (const char *id, gboolean exists, gboolean claiming)
{
  const MfpPciAddress slot = { .bus = 3 };
  const MfpRecordFunction function
      = { .host = test_address ("0000:01:00.1"), .guest_function = 0, .alias = (char *) "ua-x" };
  g_auto (Connection) connection = { 0 };
  g_autoptr (MfpRecord) record = mfp_record_new (id, &slot);
  g_autofree char *uri = mfp_record_uri (id);
  g_autofree char *xml = NULL;
  g_autoptr (GError) error = NULL;

  mfp_record_add (record, &function);
  record->claiming = claiming;
  xml = exists ? mfp_record_format (record) : NULL;
  connection_open_to (&connection, "other", &error);
  g_assert_no_error (error);
  mfp_domain_set_metadata (connection.libvirt, uri, xml, &error);
  g_assert_no_error (error);
}

static void
let_other_stand_back (void)
{
  write_other_record (LARGEST_ID, FALSE, FALSE);
}

static void
let_other_take (void)
{
  write_other_record (LARGEST_ID, TRUE, FALSE);
}

typedef struct
{
  const char *name;
  MakePlan make;
  const char *id;
  gboolean claiming;
  void (*on_wait) (void);
  gboolean goes_on;
} Claim;

static const Claim claims[] = {
  { "a-record-of-another-domain-makes-it-stand-back", attach_whole, LARGEST_ID, FALSE, NULL, FALSE },
  { "a-claim-with-a-smaller-id-makes-it-stand-back", attach_whole, SMALLEST_ID, TRUE, NULL, FALSE },
  { "it-goes-on-when-a-claim-with-a-larger-id-is-gone", attach_whole, LARGEST_ID, TRUE, let_other_stand_back,
    TRUE },
  { "it-stands-back-when-a-claim-with-a-larger-id-has-won", attach_whole, LARGEST_ID, TRUE, let_other_take,
    FALSE },
  { "it-stands-back-at-the-time-out-if-the-other-does-nothing", attach_whole, LARGEST_ID, TRUE, NULL, FALSE },
  { "a-record-about-the-same-iommu-group-makes-it-stand-back", attach_one, LARGEST_ID, FALSE, NULL,
    FALSE },
};

static void
test_claim (gconstpointer data)
{
  const Claim *row = data;
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = world_plan (row->make);
  g_autoptr (State) before = state_capture (fake);
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { .on_wait = row->on_wait };

  write_other_record (row->id, TRUE, row->claiming);
  g_assert_cmpint (world_run (plan, &told, &error), ==, row->goes_on);
  if (row->goes_on)
    return;
  g_assert_error (error, MFP_ERROR, MFP_ERROR_REFUSED);
  assert_message (error, "another virt-mfplug is attaching host function 0000:01:00.1 to domain "
                         "'other'; if none is running, it was interrupted: virt-mfplug recover other");
  g_assert_cmpstr (told.steps->str, ==, " record claim! <forget");
  assert_state (fake, before);
}

/* Removes the only record of the domain, as recover does with a claim. */
static void
remove_claim (void)
{
  g_auto (Connection) connection = { 0 };
  g_autoptr (MfpGuest) guest = world_read_guest ();
  g_autoptr (GError) error = NULL;
  const MfpRecord *record = g_ptr_array_index (guest->records, 0);
  g_autofree char *uri = mfp_record_uri (record->id);

  g_assert_true (record->claiming);
  g_assert_false (((const MfpRecordFunction *) g_ptr_array_index (record->functions, 0))->taken);
  connection_open (&connection, &error);
  g_assert_no_error (error);
  mfp_domain_set_metadata (connection.libvirt, uri, NULL, &error);
  g_assert_no_error (error);
}

static void
test_claim_removed (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = world_plan (attach_whole);
  g_autoptr (State) before = state_capture (fake);
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { .on_wait = remove_claim };

  write_other_record (LARGEST_ID, TRUE, TRUE);
  g_assert_false (world_run (plan, &told, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_REFUSED);
  assert_message (error, "another virt-mfplug, such as recover, has removed the record of this run");
  assert_state (fake, before);
}

/* A run gives up, too, if the other record is in its own domain. */
static void
test_claim_in_own_domain (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) rival = world_plan (attach_whole);
  g_autoptr (State) before = NULL;
  g_autoptr (GError) error = NULL;

  world_do (attach_whole);
  before = state_capture (fake);
  g_assert_false (world_run (rival, NULL, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_REFUSED);
  assert_message (error, "to domain 'vm'; if none is running, it was interrupted: "
                         "virt-mfplug recover vm");
  assert_state (fake, before);
}

/* ---- what an observer hears ---- */

static void
test_observer (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) attach = world_plan (attach_whole), detach = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { .fake = fake };

  fake_mend (fake);
  fake_fault (fake, "virNodeDeviceDetachFlags", 1, FAKE_ERROR_BEFORE);
  g_assert_false (world_run (attach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==, " record claim take! <reattach <forget");
  g_clear_error (&error);
  g_assert_true (world_run (attach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==,
                   " record claim take take take take prepare prepare prepare check-aliases"
                   " queue queue queue plug verify enumerate");
  detach = world_plan (detach_live);
  fake_stop_guest (fake, DOMAIN);
  g_assert_false (world_run (detach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==, " detaching eject!");
  g_assert_cmpuint (told.waits, >=, 10);
  g_assert_cmpint (told.longest, >, TIMEOUT / 2);
  g_assert_cmpint (told.longest, <=, TIMEOUT);
}

/* No guest has the functions yet, so they can be reattached at once. */
static void
test_undo_waits_for_nothing (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) attach = world_plan (attach_whole);
  g_autoptr (State) before = state_capture (fake);
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { .fake = fake };

  fake_fault (fake, "virNodeDeviceDetachFlags", 4, FAKE_ERROR_BEFORE);
  g_assert_false (world_run (attach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==,
                   " record claim take take take take! <reattach <reattach <reattach <reattach"
                   " <forget");
  g_assert_cmpuint (told.waits, ==, 0);
  assert_state (fake, before);
}

/* A run that changes nothing does not say that it undid something. */
static void
test_nothing_to_undo (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = world_plan (verify_whole);
  g_autoptr (GError) error = NULL;

  g_assert_false (world_run (plan, NULL, &error));
  assert_no_violation (fake);
  assert_lacks (error->message, "undone");
}

/* The kernel may bind another driver than before. */
static void
test_other_driver (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  world_do (attach_whole);
  plan = world_plan (detach_live);
  fake_set_host_driver (fake, "0000:01:00.2", "better-nic");
  g_assert_true (world_run (plan, &told, &error));
  g_assert_cmpuint (told.notes, ==, 1);
  g_assert_cmpstr (told.last_note, ==,
                   "0000:01:00.2 came from the host driver nic, and is now on better-nic");
}

/* ---- calls ---- */

/* Attaches the whole card and detaches it. QEMU releases the IOMMU group at once. */
static void
detach_promptly (Fake *fake, Told *told)
{
  g_autoptr (MfpPlan) detach = NULL;
  g_autoptr (GError) error = NULL;

  world_do (attach_whole);
  fake_release_at_once (fake);
  detach = world_plan (detach_live);
  fake_clear_calls (fake);
  world_run (detach, told, &error);
  g_assert_no_error (error);
}

static void
test_one_pass (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (State) before = state_capture (fake);
  g_auto (Told) told = { 0 };

  detach_promptly (fake, &told);
  g_assert_cmpuint (fake_count (fake, "virNodeDeviceReAttach"), ==, 4);
  g_assert_cmpuint (fake_count (fake, "virNodeDeviceGetXMLDesc"), ==, 2 * 4);
  assert_state (fake, before);
}

/* The run waits once, until the slot has left QEMU and libvirt has dropped the functions. */
static void
test_waits_for_removal_only (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_auto (Told) told = { 0 };

  detach_promptly (fake, &told);
  g_assert_cmpuint (told.waits, ==, 1);
}

/* Reading a host function slows QEMU down while it closes the function. */
static void
test_waiting_leaves_the_host_alone (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) detach = NULL;
  g_autoptr (GError) error = NULL;

  world_do (attach_whole);
  detach = world_plan (detach_live);
  fake_mend (fake);
  fake_stop_guest (fake, DOMAIN);
  fake_report_other (fake, DOMAIN);
  g_assert_false (world_run (detach, NULL, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_PENDING);
  g_assert_cmpuint (fake_count (fake, "virNodeDeviceLookupByName"), ==, 0);
  g_assert_cmpuint (fake_count (fake, "virNodeDeviceGetXMLDesc"), ==, 0);
}

/* The connection breaks after a call has failed, so that only the next call finds it dead.
 * That call is made on a new connection, and the run goes on. */
static void
test_connection_found_dead (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (State) before = state_capture (fake);
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  world_do (attach_whole);
  plan = world_plan (detach_live);
  fake_mend (fake);
  fake_fault (fake, "virDomainDetachDeviceAlias", 1, FAKE_ERROR_BEFORE);
  fake_fault (fake, "virDomainIsActive", 1, FAKE_LOST_BEFORE);
  world_run (plan, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fake_count (fake, "virConnectOpenAuth"), ==, 2);
  g_assert_cmpuint (fake_count (fake, NULL), ==, 49);
  assert_state (fake, before);
}

/* ---- signals ---- */

static void
send_signal (Fake *fake G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  kill (getpid (), SIGINT);
}

/* A function without a driver has nothing to be reattached to, unless it was taken. */
static void
test_signal_before_step (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (State) before = NULL;
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  fake_bind (fake, "0000:01:00.2", NULL);
  before = state_capture (fake);
  plan = world_plan (attach_whole);
  fake_mend (fake);
  fake_at_call (fake, "virNodeDeviceDetachFlags", 2, send_signal, NULL);
  g_assert_false (world_run (plan, &told, &error));
  assert_message (error, "interrupted\nEverything was undone.");
  g_assert_cmpstr (told.steps->str, ==, " record claim take take <reattach <reattach <forget");
  g_assert_cmpuint (fake_count (fake, "virNodeDeviceReAttach"), ==, 2);
  assert_state (fake, before);
}

static void
test_signal_before_run (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = world_plan (attach_whole);
  g_auto (Connection) connection = { 0 };
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  g_assert_true (connection_open (&connection, &error));
  kill (getpid (), SIGINT);
  g_assert_false (connection_run (&connection, plan, &told, &error));
  g_assert_cmpstr (error->message, ==, "interrupted");
  g_assert_cmpstr (told.steps->str, ==, "");
  g_assert_cmpuint (fake_count (fake, "virDomainSetMetadata"), ==, 0);
}

/* ---- polling ---- */

static void
ignore_wait (gpointer data G_GNUC_UNUSED, gint64 limit G_GNUC_UNUSED)
{
}

typedef struct
{
  Fake *fake;
  gint64 when;
} Moment;

static gboolean
has_come (const MfpRun *run G_GNUC_UNUSED, MfpPhase phase G_GNUC_UNUSED, gpointer data,
          gboolean *done, GError **error G_GNUC_UNUSED)
{
  const Moment *moment = data;

  *done = fake_now (moment->fake) >= moment->when;
  return TRUE;
}

/* What happens just before the limit is still seen. */
static void
test_last_check (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = world_plan (attach_whole);
  g_auto (Connection) connection = { 0 };
  g_autoptr (GError) error = NULL;
  const MfpObserver observer = { .wait = ignore_wait };
  const MfpExecuteOptions options = { .timeout = TIMEOUT, .observer = &observer };
  Moment moment = { .fake = fake };
  MfpRun run = { .plan = plan, .options = &options };
  gboolean done;

  g_assert_true (connection_open (&connection, &error));
  run.libvirt = connection.libvirt;
  moment.when = fake_now (fake) + TIMEOUT;
  done = mfp_poll (&run, MFP_PHASE_STRICT, &(MfpPoll){ .check = has_come, .data = &moment },
                   &error);
  g_assert_no_error (error);
  g_assert_true (done);
}

/* ---- trouble with one function ---- */

/* A function vanishes after the run was planned. */
static void
test_pulled_out (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = world_plan (attach_whole);
  g_autoptr (GError) error = NULL;
  g_autofree char *drivers = NULL;

  fake_pull_out (fake, "0000:01:00.2");
  g_assert_false (world_run (plan, NULL, &error));
  assert_status (error, MFP_ERROR_FAILED);
  assert_message (error, "cannot take 0000:01:00.2 from its host driver");
  assert_message (error, "Everything was undone.");
  drivers = fake_describe_drivers (fake);
  assert_lacks (drivers, "vfio");
}

/* The message names the function that could not be read. */
static void
test_unreadable_function (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) detach = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  world_do (attach_whole);
  detach = world_plan (detach_live);
  fake_make_unreadable (fake, "0000:01:00.2");
  g_assert_false (world_run (detach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==, " detaching eject drop reattach!");
  g_assert_error (error, MFP_ERROR, MFP_ERROR_LEFT);
  assert_message (error, "cannot reattach the functions to their host drivers: ");
  assert_message (error, "0000:01:00.2: libvirt says: ");
  for (guint i = 0; i < 4; i++)
    {
      g_autofree char *host = g_strdup_printf ("0000:01:00.%u", i);
      g_autofree char *driver = fake_driver (fake, host);

      g_assert_cmpstr (driver, ==, i == 2 ? "vfio-pci" : "nic");
    }
}

static void
make_vanish (Fake *fake, gpointer data)
{
  fake_pull_out (fake, data);
}

/* The host withdraws a virtual function, or somebody pulls out the card. */
static void
test_vanished (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) detach = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  world_do (attach_whole);
  detach = world_plan (detach_live);
  fake_mend (fake);
  fake_at_call (fake, "virDomainDetachDeviceAlias", 1, make_vanish, (gpointer) "0000:01:00.2");
  world_run (detach, &told, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (told.notes, ==, 1);
  g_assert_cmpstr (told.last_note, ==,
                   "the host does not have 0000:01:00.2 any more, so it was not reattached");
}

/* What takes 01:00.2 each time that libvirt reattaches it. */
static const struct
{
  const char *driver, *message;
} takers[] = {
  { "vfio-pci", "0000:01:00.2: failed 5 times: libvirt reattached it, and the kernel bound it to "
                "vfio-pci again; the cause may be the option ids= of the module vfio-pci, or "
                "/sys/bus/pci/devices/0000:01:00.2/driver_override" },
  { NULL, "0000:01:00.2: failed 5 times: libvirt reattached it, and no driver has taken it; to "
          "try one: modprobe nic" },
};

static void
test_taken_back (void)
{
  FOR_EACH (i, takers)
    {
      g_autoptr (Fake) fake = world_new (FAKE_ACPI);
      g_autoptr (MfpPlan) detach = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *other = NULL;

      world_do (attach_whole);
      fake_release_at_once (fake);
      fake_set_host_driver (fake, "0000:01:00.2", takers[i].driver);
      detach = world_plan (detach_live);
      fake_mend (fake);
      g_assert_false (world_run (detach, NULL, &error));
      g_assert_error (error, MFP_ERROR, MFP_ERROR_LEFT);
      assert_message (error, takers[i].message);
      g_assert_cmpuint (fake_count (fake, "virNodeDeviceReAttach"), ==, 3 + 5);
      other = fake_driver (fake, "0000:01:00.3");
      g_assert_cmpstr (other, ==, "nic");
    }
}

/* Detaches the card that @attach attached, while @meddle interferes with the function @host.
 * Asserts that every function returns to its host driver, and that nothing was done that
 * would have damaged a real host. */
static void
assert_returned (MakePlan attach, gboolean restart, void (*meddle) (Fake *fake, const char *host),
                 const char *host)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (State) before = state_capture (fake);
  g_autoptr (MfpPlan) detach = NULL;
  g_autoptr (GError) error = NULL;

  world_do (attach);
  if (restart)
    g_assert_true (fake_restart_domain (fake, DOMAIN));
  detach = world_plan (detach_live);
  meddle (fake, host);
  world_run (detach, NULL, &error);
  g_assert_no_error (error);
  assert_no_violation (fake);
  assert_drivers_as (fake, before);
}

/* libvirt reattaches a cold-plugged card on its own. Here it fails for one function. */
static void
test_failed_rebind (void)
{
  assert_returned (attach_cold, TRUE, fake_fail_rebind, "0000:01:00.2");
}

/* A function that has left the domain may still be in QEMU. */
static void
test_dropped_early (void)
{
  assert_returned (attach_whole, FALSE, fake_drop_early, "0000:01:00.1");
}

/* ---- the guest ---- */

static void
test_rejected (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (State) before = NULL;
  g_autoptr (GError) error = NULL;

  world_do (attach_whole);
  before = state_capture (fake);
  fake_reject_removal (fake, DOMAIN);
  plan = world_plan (detach_live);
  g_assert_false (world_run (plan, NULL, &error));
  assert_status (error, MFP_ERROR_FAILED);
  assert_message (error, "the guest's system rejected the removal of 'ua-mfplug-0000-01-00-0'");
  assert_message (error, "Everything was undone.");
  assert_state (fake, before);
  g_clear_error (&error);
  world_run (plan, NULL, &error); /* the guest may accept the next request */
  g_assert_no_error (error);
}

static void
test_stranger (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = world_plan (attach_whole);
  g_autoptr (GError) error = NULL;
  g_autofree char *after = NULL;

  fake_send_stranger (fake, DOMAIN);
  g_assert_false (world_run (plan, NULL, &error));
  assert_status (error, MFP_ERROR_LEFT);
  after = fake_describe_live (fake, DOMAIN);
  assert_contains (after, "qemu net9");
}

/* Attaches by @make to a stopped guest, while the call @index of the run fails. Returns
 * whether the undo asked the guest to release the card. If it did, asserts that the record
 * says that the card is being detached. */
static gboolean
fail_with_stopped_guest (MakePlan make, const GPtrArray *calls, guint index)
{
  const char *name = g_ptr_array_index (calls, index);
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = world_plan (make);
  g_autoptr (GError) error = NULL;
  guint occurrence = 1;

  for (guint i = 0; i < index; i++)
    occurrence += strcmp (g_ptr_array_index (calls, i), name) == 0 ? 1 : 0;
  fake_mend (fake);
  fake_stop_guest (fake, DOMAIN);
  fake_fault (fake, name, occurrence, FAKE_ERROR_BEFORE);
  world_run (plan, NULL, &error);
  assert_no_violation (fake);
  if (mfp_error_exit_status (error) != MFP_ERROR_LEFT)
    return FALSE;
  g_assert_true (is_recorded_as_detaching ());
  return TRUE;
}

static GPtrArray *
list_calls (MakePlan make)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = world_plan (make);

  fake_mend (fake);
  g_assert_true (world_run (plan, NULL, NULL));
  return fake_calls (fake);
}

/* The next run must know whether the guest was asked. While QEMU has one function of the
 * IOMMU group, no function may be dropped or reattached. */
static void
assert_undone_is_detaching (MakePlan make)
{
  g_autoptr (GPtrArray) calls = list_calls (make);
  guint asked = 0;

  for (guint i = 0; i < calls->len; i++)
    asked += fail_with_stopped_guest (make, calls, i) ? 1 : 0;
  g_assert_cmpuint (asked, >, 0);
}

static void
test_undone_is_detaching (void)
{
  assert_undone_is_detaching (attach_whole);
  assert_undone_is_detaching (attach_partial);
}

static void
test_lost_events (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (State) before = state_capture (fake);
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  world_do (attach_whole);
  fake_lose_events (fake, DOMAIN, 4);
  plan = world_plan (detach_live);
  world_run (plan, NULL, &error);
  g_assert_no_error (error);
  assert_no_violation (fake);
  assert_state (fake, before);
}

/* ---- two runs ---- */

/* Runs the later of two detaches of one card. */
static void
run_second_detach (Fake *fake, MfpPlan *second, const State *before)
{
  g_autoptr (GError) error = NULL;

  world_run (second, NULL, &error);
  g_assert_no_error (error);
  assert_state (fake, before);
}

/* Both detaches are planned before either runs. */
static void
test_two_detaches (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) first = NULL, second = NULL;
  g_autoptr (State) before = state_capture (fake);
  g_autoptr (GError) error = NULL;

  world_do (attach_whole);
  first = world_plan (detach_live);
  second = world_plan (detach_live);
  world_run (first, NULL, &error);
  g_assert_no_error (error);
  run_second_detach (fake, second, before);
}

/* The second detach is planned while the record says that another run detaches the card. It
 * runs after the first one has ended. */
static void
test_late_detach (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) first = NULL, second = NULL;
  g_autoptr (State) before = state_capture (fake);
  g_autoptr (GError) error = NULL;

  world_do (attach_whole);
  first = world_plan (detach_live);
  record_other_detach ();
  second = world_plan (detach_live);
  world_run (first, NULL, &error);
  g_assert_no_error (error);
  run_second_detach (fake, second, before);
}

/* The other run may still be waiting for the guest. */
static void
test_second_detach_fails (void)
{
  g_autoptr (Fake) fake = world_new (FAKE_ACPI);
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (State) before = NULL;
  g_autoptr (GError) error = NULL;

  world_do (attach_whole);
  record_other_detach ();
  plan = world_plan (detach_live);
  before = state_capture (fake);
  fake_mend (fake);
  fake_fault (fake, "virDomainGetXMLDesc", 1, FAKE_BROKEN);
  g_assert_false (world_run (plan, NULL, &error));
  assert_status (error, MFP_ERROR_FAILED);
  g_assert_cmpuint (fake_count (fake, "virDomainSetMetadata"), ==, 0);
  assert_state (fake, before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/execute/signal/a-step-that-was-not-begun-is-not-undone",
                   test_signal_before_step);
  g_test_add_func ("/execute/signal/before-the-first-step-nothing-happens", test_signal_before_run);
  g_test_add_func ("/execute/poll/checks-once-more-at-the-limit", test_last_check);
  g_test_add_func ("/execute/observer/hears-of-each-step-and-wait", test_observer);
  g_test_add_func ("/execute/undo/reattaches-without-waiting", test_undo_waits_for_nothing);
  g_test_add_func ("/execute/verify/has-nothing-to-undo", test_nothing_to_undo);
  g_test_add_func ("/execute/detach/notes-another-driver-than-before", test_other_driver);
  g_test_add_func ("/execute/detach/reattaches-all-functions-in-one-pass", test_one_pass);
  g_test_add_func ("/execute/detach/waits-only-for-the-removal", test_waits_for_removal_only);
  g_test_add_func ("/execute/detach/leaves-the-host-alone-while-it-waits",
                   test_waiting_leaves_the_host_alone);
  g_test_add_func ("/execute/a-connection-found-dead-is-opened-again",
                   test_connection_found_dead);
  g_test_add_func ("/execute/attach/reattaches-the-others-when-a-function-is-pulled-out",
                   test_pulled_out);
  g_test_add_func ("/execute/detach/reattaches-the-others-if-one-function-is-unreadable",
                   test_unreadable_function);
  g_test_add_func ("/execute/detach/tells-of-a-function-that-the-host-lost", test_vanished);
  g_test_add_func ("/execute/detach/tries-five-times-and-tells-who-took-the-function",
                   test_taken_back);
  g_test_add_func ("/execute/detach/reattaches-what-libvirt-fails-to-reattach",
                   test_failed_rebind);
  g_test_add_func ("/execute/detach/asks-qemu-and-not-libvirt-whether-a-function-is-gone",
                   test_dropped_early);
  g_test_add_func ("/execute/detach/reports-a-rejected-removal-and-undoes", test_rejected);
  g_test_add_func ("/execute/attach/never-ejects-function-0-of-another-device", test_stranger);
  g_test_add_func ("/execute/attach/an-undo-that-asks-the-guest-is-recorded-as-a-detach",
                   test_undone_is_detaching);
  g_test_add_func ("/execute/detach/succeeds-although-reports-are-lost", test_lost_events);
  FOR_EACH (i, claims)
    test_add_row ("/execute/claim/", claims[i].name, &claims[i], test_claim);
  g_test_add_func ("/execute/claim/it-stands-back-when-its-claim-was-removed", test_claim_removed);
  g_test_add_func ("/execute/claim/a-record-in-its-own-domain-makes-it-stand-back",
                   test_claim_in_own_domain);
  g_test_add_func ("/execute/two-detaches/the-later-one-finds-nothing-to-do", test_two_detaches);
  g_test_add_func ("/execute/two-detaches/the-later-one-does-not-write-the-record-again",
                   test_late_detach);
  g_test_add_func ("/execute/two-detaches/one-that-fails-keeps-the-record-of-the-other",
                   test_second_detach_fails);
  return g_test_run ();
}
