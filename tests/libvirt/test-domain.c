/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chosen domain, the other domains, and the codes for libvirt's errors. */
#include "config.h"

#include "libvirt/world.h"

#include "libvirt/domain.h"
#include "libvirt/domains.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"

#define URI "urn:virt-mfplug:test"

/* Running domains: a transient one, and one whose name is a number. */
static const char transient[]
    = "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>"
      "<test:transient>1</test:transient>"
      "<name>brief</name><memory unit='MiB'>64</memory>"
      "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><devices/></domain>";
static const char numeric[]
    = "<domain type='test'><name>2</name><memory unit='MiB'>64</memory>"
      "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><devices/></domain>";

/* ---- actions of the tests ---- */

static void
open_only (World *world)
{
  g_autoptr (GError) error = NULL;

  world_open (world, &error);
  g_assert_no_error (error);
  world_forget_calls (world);
}

static void
choose (World *world, const char *name)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_domain_choose (world->libvirt, name, &error));
  g_assert_no_error (error);
}

static MfpGuest *
read_form (World *world, MfpForm form)
{
  g_autoptr (GError) error = NULL;
  MfpGuest *guest = mfp_domain_read (world->libvirt, form, &error);

  g_assert_no_error (error);
  return guest;
}

#define UNASSIGNED "<address type='unassigned'/>"
#define SLOT "<address type='pci' domain='0' bus='3' slot='0' function='0'/>"

static gboolean
attach (World *world, guint function, const char *alias, const char *address, GError **error)
{
  g_autofree char *xml = world_hostdev (function, alias, address);

  return mfp_domain_attach (world->libvirt, MFP_LIVE, xml, alias, error);
}

static void
require_attach (World *world, guint function, const char *alias, const char *address)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (attach (world, function, alias, address, &error));
  g_assert_no_error (error);
}

/* ---- choosing ---- */

static void
test_a_domain_is_chosen_by_name (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MfpGuest) guest = NULL;

  open_only (world);
  g_assert_cmpstr (mfp_domain_name (world->libvirt), ==, NULL);
  choose (world, "other");
  world_assert_calls (world, "virDomainLookupByName");
  g_assert_cmpstr (mfp_domain_name (world->libvirt), ==, "other");
  guest = read_form (world, MFP_LIVE);
  g_assert_cmpstr (guest->name, ==, "other");
}

static void
test_a_domain_is_chosen_by_id (World *world, gconstpointer data G_GNUC_UNUSED)
{
  open_only (world);
  choose (world, "2");
  world_assert_calls (world, "virDomainLookupByID");
  g_assert_cmpstr (mfp_domain_name (world->libvirt), ==, "other");
}

static void
test_a_number_that_is_no_id_is_a_name (World *world, gconstpointer data G_GNUC_UNUSED)
{
  open_only (world);
  fake_end_domain (world->fake, "other"); /* it had the id 2 */
  choose (world, "2");
  world_assert_calls (world, "virDomainLookupByID virDomainLookupByName");
  g_assert_cmpstr (mfp_domain_name (world->libvirt), ==, "2");
}

static char *
read_uuid (World *world)
{
  g_autofree char *folder = g_dir_make_tmp ("test-domain-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "state.xml", NULL);
  g_autofree char *text = NULL;
  const char *start;

  fake_save (world->fake, path);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpint (remove (path), ==, 0);
  g_assert_cmpint (remove (folder), ==, 0);
  start = strstr (text, "<uuid>");
  g_assert_nonnull (start);
  return g_strndup (start + strlen ("<uuid>"), 36);
}

static void
test_a_domain_is_chosen_by_uuid (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *uuid = read_uuid (world);

  open_only (world);
  choose (world, uuid);
  world_assert_calls (world, "virDomainLookupByUUIDString");
  g_assert_cmpstr (mfp_domain_name (world->libvirt), ==, "vm");
}

static void
test_no_such_domain (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  open_only (world);
  g_assert_false (mfp_domain_choose (world->libvirt, "absent", &error));
  assert_error (error, MFP_ERROR_REFUSED, "no domain 'absent': libvirt says: Domain not found");
  g_assert_cmpstr (mfp_domain_name (world->libvirt), ==, NULL);
}

static void
assert_persistent (World *world, const char *name, gboolean expected)
{
  g_autoptr (GError) error = NULL;
  gboolean persistent = !expected, asked;

  open_only (world);
  choose (world, name);
  asked = mfp_domain_is_persistent (world->libvirt, &persistent, &error);
  g_assert_no_error (error);
  g_assert_true (asked);
  g_assert_cmpint (persistent, ==, expected);
  g_clear_pointer (&world->libvirt, mfp_libvirt_free);
}

static void
test_persistence (World *world, gconstpointer data G_GNUC_UNUSED)
{
  assert_persistent (world, "brief", FALSE);
  assert_persistent (world, "vm", TRUE);
}

static void
test_persistence_unknown (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  gboolean persistent;

  open_only (world);
  choose (world, "vm");
  fake_fault (world->fake, "virDomainIsPersistent", 1, FAKE_ERROR_BEFORE);
  g_assert_false (mfp_domain_is_persistent (world->libvirt, &persistent, &error));
  assert_error (error, MFP_ERROR_FAILED, "injected failure");
}

/* ---- a domain that ended ---- */

static void
test_a_transient_domain_that_ended_is_gone (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  open_only (world);
  choose (world, "brief");
  fake_end_domain (world->fake, "brief");
  g_assert_null (mfp_domain_read (world->libvirt, MFP_LIVE, &error));
  assert_error (error, MFP_ERROR_DOMAIN_GONE, "Domain not found");
}

static void
test_a_persistent_domain_that_ended_is_gone (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world_connect (world);
  fake_end_domain (world->fake, "vm");
  g_assert_false (mfp_domain_set_metadata (world->libvirt, URI, "<a/>", &error));
  assert_error (error, MFP_ERROR_DOMAIN_GONE, "domain is not running\nThe domain ended meanwhile.");
  world_assert_calls (world, "virDomainSetMetadata virDomainIsActive");
  g_clear_error (&error);
  g_assert_cmpuint (mfp_qemu_query_version (world->libvirt, &error), ==, 0);
  g_assert_error (error, MFP_ERROR, MFP_ERROR_DOMAIN_GONE);
  g_clear_error (&error);
  world_detach_functions (world, 1);
  g_assert_false (attach (world, 0, "ua-0", SLOT, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_DOMAIN_GONE);
  g_clear_error (&error);
  g_assert_false (mfp_domain_detach_alias (world->libvirt, "ua-0", &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_DOMAIN_GONE);
}

static void
test_a_domain_that_ended_has_no_id (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MfpGuest) before = NULL, after = NULL;

  world_connect (world);
  before = read_form (world, MFP_LIVE);
  g_assert_nonnull (before->id);
  fake_end_domain (world->fake, "vm");
  after = read_form (world, MFP_LIVE);
  g_assert_cmpstr (after->id, ==, NULL);
}

static void
test_a_change_of_the_config_ignores_the_running_domain (World *world,
                                                        gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *xml = world_hostdev (0, "ua-0", SLOT);
  g_autoptr (GError) error = NULL;

  world_connect (world);
  fake_end_domain (world->fake, "vm");
  g_assert_false (mfp_domain_detach (world->libvirt, MFP_CONFIG, xml, &error));
  assert_error (error, MFP_ERROR_NOT_FOUND, "not present");
  world_assert_calls (world, "virDomainDetachDeviceFlags");
}

/* ---- metadata ---- */

/* How many records the domain has. */
static guint
count_records (World *world)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpGuest) guest = mfp_domain_read (world->libvirt, MFP_LIVE, &error);

  g_assert_no_error (error);
  return guest->records->len;
}

static void
test_metadata_is_written_and_removed (World *world, gconstpointer data G_GNUC_UNUSED)
{
  const MfpPciAddress slot = { .bus = 4 };
  g_autoptr (MfpRecord) record = mfp_record_new (NULL, &slot);
  g_autofree char *uri = mfp_record_uri (record->id);
  g_autofree char *xml = mfp_record_format (record);
  g_autoptr (GError) error = NULL;

  world_connect (world);
  g_assert_cmpuint (count_records (world), ==, 0);
  g_assert_true (mfp_domain_set_metadata (world->libvirt, uri, xml, &error));
  g_assert_cmpuint (count_records (world), ==, 1);
  g_assert_true (mfp_domain_set_metadata (world->libvirt, uri, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_records (world), ==, 0);
}

/* ---- what libvirt's errors mean ---- */

static void
test_a_taken_alias (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world_connect (world);
  world_detach_functions (world, 4);
  require_attach (world, 1, "ua-1", UNASSIGNED);
  g_assert_false (attach (world, 2, "ua-1", UNASSIGNED, &error));
  assert_error (error, MFP_ERROR_ALIAS_TAKEN, "ua-1");
}

static void
test_another_refusal_is_not_a_taken_alias (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *xml = world_hostdev (2, "ua-1", UNASSIGNED);
  g_autoptr (GError) error = NULL;

  world_connect (world);
  world_detach_functions (world, 4);
  require_attach (world, 1, "ua-1", UNASSIGNED);
  g_assert_false (attach (world, 1, "ua-9", UNASSIGNED, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_FAILED);
  g_clear_error (&error);
  /* libvirt's error has the same code, but is not about the alias that the caller passed. */
  g_assert_false (mfp_domain_attach (world->libvirt, MFP_LIVE, xml, "ua-9", &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_FAILED);
  g_clear_error (&error);
  g_assert_false (mfp_domain_attach (world->libvirt, MFP_LIVE, xml, NULL, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_FAILED);
}

static void
test_an_absent_device_is_not_found (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *xml = world_hostdev (0, "ua-0", UNASSIGNED);
  g_autoptr (GError) error = NULL;

  world_connect (world);
  g_assert_false (mfp_domain_detach (world->libvirt, MFP_LIVE, xml, &error));
  assert_error (error, MFP_ERROR_NOT_FOUND, "0000:01:00.0");
  g_clear_error (&error);
  g_assert_false (mfp_domain_detach_alias (world->libvirt, "ua-0", &error));
  assert_error (error, MFP_ERROR_NOT_FOUND, "ua-0");
}

static void
test_a_present_device_is_not_reported_as_absent (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world_connect (world);
  world_detach_functions (world, 4);
  require_attach (world, 0, "ua-0", SLOT);
  fake_fault (world->fake, "virDomainDetachDeviceAlias", 1, FAKE_ERROR_BEFORE);
  g_assert_false (mfp_domain_detach_alias (world->libvirt, "ua-0", &error));
  assert_error (error, MFP_ERROR_FAILED, "injected failure");
}

static void
test_a_second_request_is_busy (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  fake_set_hotplug (world->fake, "vm", FAKE_NATIVE);
  world_connect (world);
  world_detach_functions (world, 4);
  require_attach (world, 0, "ua-0", SLOT);
  fake_stop_guest (world->fake, "vm");
  g_assert_true (mfp_domain_detach_alias (world->libvirt, "ua-0", &error));
  g_assert_false (mfp_domain_detach_alias (world->libvirt, "ua-0", &error));
  assert_error (error, MFP_ERROR_BUSY, "already in the process of unplug");
}

static void
test_a_read_only_connection_refuses (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world->read_only = TRUE;
  world_connect (world);
  g_assert_false (mfp_domain_set_metadata (world->libvirt, URI, "<a/>", &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_REFUSED);
}

static void
test_an_error_of_qemu_is_reported (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *command = mfp_qmp_device_del ("ua-absent");
  g_autoptr (GError) error = NULL;

  world_connect (world);
  g_assert_false (mfp_qemu_tell (world->libvirt, command, &error));
  assert_error (error, MFP_ERROR_NOT_FOUND, "ua-absent");
}

/* ---- QEMU ---- */

static void
test_qemu_answers (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) ids = NULL;
  g_autoptr (GPtrArray) pci = NULL;

  fake_set_qemu_version (world->fake, "vm", 8, 1);
  world_connect (world);
  world_detach_functions (world, 4);
  require_attach (world, 0, "ua-0", SLOT);
  g_assert_cmpuint (mfp_qemu_query_version (world->libvirt, &error), ==, MFP_QEMU_VERSION (8, 1));
  ids = mfp_qemu_list_devices (world->libvirt, &error);
  g_assert_no_error (error);
  g_assert_true (g_hash_table_contains (ids, "ua-0"));
  pci = mfp_qemu_query_pci (world->libvirt, &error);
  g_assert_no_error (error);
  g_assert_nonnull (mfp_qmp_find_device (pci, "ua-0"));
}

/* ---- other domains ---- */

static char *
describe_others (World *world)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) guests = mfp_domains_read_others (world->libvirt, &error);
  g_autoptr (GString) text = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < guests->len; i++)
    g_string_append_printf (text, "%s%s", i ? " " : "",
                            ((MfpGuest *) g_ptr_array_index (guests, i))->name);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
assert_others (World *world, const char *expected)
{
  g_autofree char *others = describe_others (world);

  g_assert_cmpstr (others, ==, expected);
}

static void
test_the_chosen_domain_is_no_other (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  assert_others (world, "other brief");
  world_assert_calls (world, "virConnectListAllDomains virDomainGetXMLDesc virDomainGetXMLDesc");
}

static void
test_without_a_chosen_domain_all_are_others (World *world, gconstpointer data G_GNUC_UNUSED)
{
  open_only (world);
  assert_others (world, "vm other brief");
}

static void
test_a_stopped_domain_is_left_out (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  fake_end_domain (world->fake, "other");
  assert_others (world, "brief");
}

static void
end_domain (Fake *fake, gpointer name)
{
  fake_end_domain (fake, name);
}

static void
test_a_transient_domain_that_ends_is_left_out (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  fake_at_call (world->fake, "virDomainGetXMLDesc", 2, end_domain, (gpointer) "brief");
  assert_others (world, "other");
}

static void
test_a_persistent_domain_that_ends_is_left_out (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  fake_at_call (world->fake, "virDomainGetXMLDesc", 1, end_domain, (gpointer) "other");
  assert_others (world, "brief");
}

static void
test_an_unreadable_domain_is_an_error (World *world, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const calls[] = { "virConnectListAllDomains", "virDomainGetXMLDesc" };

  world_connect (world);
  FOR_EACH (i, calls)
    {
      g_autoptr (GError) error = NULL;

      world_forget_calls (world);
      fake_fault (world->fake, calls[i], 1, FAKE_ERROR_BEFORE);
      g_assert_null (mfp_domains_read_others (world->libvirt, &error));
      assert_error (error, MFP_ERROR_FAILED, "cannot find out which functions other domains have");
    }
}

static void
add_domain_tests (void)
{
  world_add ("/domain/it-is-chosen-by-its-name", NULL, test_a_domain_is_chosen_by_name);
  world_add ("/domain/a-number-is-an-id-before-it-is-a-name", numeric,
             test_a_domain_is_chosen_by_id);
  world_add ("/domain/a-number-that-is-no-id-is-a-name", numeric,
             test_a_number_that_is_no_id_is_a_name);
  world_add ("/domain/it-is-chosen-by-its-uuid", NULL, test_a_domain_is_chosen_by_uuid);
  world_add ("/domain/an-unknown-name-is-refused", NULL, test_no_such_domain);
  world_add ("/domain/only-a-defined-one-is-persistent", transient, test_persistence);
  world_add ("/domain/whether-it-is-persistent-may-be-unknown", transient,
             test_persistence_unknown);
  world_add ("/domain/a-transient-one-that-ended-is-gone", transient,
             test_a_transient_domain_that_ended_is_gone);
  world_add ("/domain/a-persistent-one-that-ended-is-gone-for-live-calls", NULL,
             test_a_persistent_domain_that_ended_is_gone);
  world_add ("/domain/a-persistent-one-that-ended-is-read-without-an-id", NULL,
             test_a_domain_that_ended_has_no_id);
  world_add ("/domain/a-failed-change-of-the-config-does-not-ask-whether-it-runs", NULL,
             test_a_change_of_the_config_ignores_the_running_domain);
  world_add ("/domain/metadata-is-written-and-removed", NULL,
             test_metadata_is_written_and_removed);
}

static void
add_error_tests (void)
{
  world_add ("/errors/an-alias-that-another-device-has-is-taken", NULL, test_a_taken_alias);
  world_add ("/errors/another-refusal-is-not-a-taken-alias", NULL,
             test_another_refusal_is_not_a_taken_alias);
  world_add ("/errors/an-absent-device-is-not-found", NULL, test_an_absent_device_is_not_found);
  world_add ("/errors/a-failed-detach-of-a-present-device-is-a-failure", NULL,
             test_a_present_device_is_not_reported_as_absent);
  world_add ("/errors/a-second-request-too-soon-is-busy", NULL, test_a_second_request_is_busy);
  world_add ("/errors/a-change-on-a-read-only-connection-is-refused", NULL,
             test_a_read_only_connection_refuses);
  world_add ("/errors/an-error-in-qemu-s-answer-is-an-error", NULL,
             test_an_error_of_qemu_is_reported);
}

static void
add_other_tests (void)
{
  world_add ("/qemu/it-answers-queries", NULL, test_qemu_answers);
  world_add ("/domains/the-chosen-one-is-left-out", transient, test_the_chosen_domain_is_no_other);
  world_add ("/domains/without-a-chosen-one-all-running-ones-are-read", transient,
             test_without_a_chosen_domain_all_are_others);
  world_add ("/domains/one-that-does-not-run-is-left-out", transient,
             test_a_stopped_domain_is_left_out);
  world_add ("/domains/a-transient-one-that-ends-meanwhile-is-left-out", transient,
             test_a_transient_domain_that_ends_is_left_out);
  world_add ("/domains/a-persistent-one-that-ends-meanwhile-is-left-out", transient,
             test_a_persistent_domain_that_ends_is_left_out);
  world_add ("/domains/one-that-cannot-be-read-is-an-error", NULL,
             test_an_unreadable_domain_is_an_error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_domain_tests ();
  add_error_tests ();
  add_other_tests ();
  return g_test_run ();
}
