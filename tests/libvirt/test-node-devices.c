/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's PCI functions, and what the host uses them for. */
#include "config.h"

#include "libvirt/world.h"

#include "libvirt/node-devices.h"

/* A node device below @parent, with one capability. */
#define DEVICE(name, parent, type, content)                                                    \
  "<device><name>" name "</name><parent>" parent "</parent><capability type='" type "'>" content \
  "</capability></device>"
#define NET(name, parent, state)                                                               \
  DEVICE ("net_" name, parent, "net",                                                          \
          "<interface>" name "</interface><link state='" state "'/>")
#define DISK(name, parent)                                                                     \
  DEVICE ("block_" name, parent, "storage",                                                    \
          "<block>/dev/" name "</block><drive_type>disk</drive_type>")

static const char uses[] = NET ("eth0", "pci_0000_01_00_0", "up")
    NET ("eth1", "pci_0000_01_00_1", "down")
    NET ("eth9", "pci_0000_02_00_0", "up")
    NET ("lo", "computer", "up")
    DEVICE ("scsi_host0", "pci_0000_01_00_2", "scsi_host", "<host>0</host>")
    DEVICE ("scsi_target0_0_0", "scsi_host0", "scsi_target", "<target>target0:0:0</target>")
    DEVICE ("scsi_0_0_0_0", "scsi_target0_0_0", "scsi", "<host>0</host>")
    DISK ("sda", "scsi_0_0_0_0")
    DEVICE ("block_sr0", "scsi_0_0_0_0", "storage",
            "<block>/dev/sr0</block><drive_type>cdrom</drive_type>")
    DISK ("loop0", "computer");

static const char orphan[] = DISK ("sdz", "scsi_absent") NET ("eth0", "pci_0000_01_00_0", "up");

/* libvirt lists this function after those of the second card. */
static const char late[]
    = DEVICE ("pci_0000_01_00_7", "computer", "pci",
              "<domain>0</domain><bus>1</bus><slot>0</slot><function>7</function>");

static MfpHostFunction *
read_function (World *world, const char *text, GError **error)
{
  MfpPciAddress address = test_address (text);

  return mfp_node_device_read_at (world->libvirt, &address, error);
}

static void
assert_functions (const GPtrArray *functions, const char *expected)
{
  g_autofree char *text = NULL;

  g_assert_nonnull (functions);
  text = world_describe_functions (functions);
  g_assert_cmpstr (text, ==, expected);
}

static void
pull_out (Fake *fake, gpointer host)
{
  fake_pull_out (fake, host);
}

/* ---- one function ---- */

static void
test_a_function_is_read (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpHostFunction) function = NULL;

  world_connect (world);
  function = read_function (world, "0000:01:00.3", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (function->driver, ==, "nic");
  g_assert_cmpuint (function->address.function, ==, 3);
  g_assert_cmpint (function->iommu_group, ==, 1);
  g_assert_cmpuint (function->group->len, ==, 4);
}

static void
test_an_absent_function_is_not_found (World *world, gconstpointer data G_GNUC_UNUSED)
{
  MfpPciAddress address = test_address ("0000:09:00.0");
  g_autoptr (GError) error = NULL;

  world_connect (world);
  g_assert_null (mfp_node_device_read_at (world->libvirt, &address, &error));
  assert_error (error, MFP_ERROR_NOT_FOUND, "pci_0000_09_00_0");
  g_clear_error (&error);
  g_assert_false (world_detach_function (world, &address, &error));
  assert_error (error, MFP_ERROR_NOT_FOUND, "pci_0000_09_00_0");
  g_clear_error (&error);
  g_assert_false (world_reattach_function (world, &address, &error));
  assert_error (error, MFP_ERROR_NOT_FOUND, "pci_0000_09_00_0");
}

static void
test_a_function_that_vanishes_after_the_lookup (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world_connect (world);
  fake_at_call (world->fake, "virNodeDeviceGetXMLDesc", 1, pull_out, (gpointer) "0000:01:00.0");
  g_assert_null (read_function (world, "0000:01:00.0", &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_NOT_FOUND);
}

static void
assert_driver (World *world, const char *driver)
{
  g_autofree char *now = fake_driver (world->fake, "0000:01:00.1");

  g_assert_cmpstr (now, ==, driver);
}

static void
test_a_function_is_detached_and_reattached (World *world, gconstpointer data G_GNUC_UNUSED)
{
  MfpPciAddress address = test_address ("0000:01:00.1");
  g_autoptr (GError) error = NULL;

  world_connect (world);
  g_assert_true (world_detach_function (world, &address, &error));
  g_assert_no_error (error);
  assert_driver (world, "vfio-pci");
  g_assert_true (world_reattach_function (world, &address, &error));
  g_assert_no_error (error);
  assert_driver (world, "nic");
}

static void
test_a_failed_detach_is_an_error (World *world, gconstpointer data G_GNUC_UNUSED)
{
  MfpPciAddress address = test_address ("0000:01:00.1");
  g_autoptr (GError) error = NULL;

  world_connect (world);
  fake_fault (world->fake, "virNodeDeviceDetachFlags", 1, FAKE_ERROR_BEFORE);
  g_assert_false (world_detach_function (world, &address, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_FAILED);
  g_clear_error (&error);
  fake_fault (world->fake, "virNodeDeviceReAttach", 1, FAKE_ERROR_BEFORE);
  g_assert_false (world_reattach_function (world, &address, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_FAILED);
}

/* ---- several functions ---- */

static GPtrArray *
read_slots (World *world, const char *hosts, GError **error)
{
  g_autoptr (GArray) addresses = test_addresses (hosts);

  return mfp_node_devices_read_slots (world->libvirt, addresses, error);
}

static void
test_a_slot_has_all_its_functions (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) functions = NULL;

  world_connect (world);
  functions = read_slots (world, "0000:01:00.2", &error);
  g_assert_no_error (error);
  assert_functions (functions, "0000:01:00.0 0000:01:00.1 0000:01:00.2 0000:01:00.3");
  g_assert_cmpuint (fake_count (world->fake, "virNodeDeviceGetXMLDesc"), ==, 4);
}

static void
test_slots_are_in_the_order_of_addresses (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) functions = NULL;

  world_connect (world);
  fake_pull_out (world->fake, "0000:01:00.1");
  functions = read_slots (world, "0000:02:00.0 0000:01:00.0", &error);
  g_assert_no_error (error);
  assert_functions (functions, "0000:01:00.0 0000:01:00.2 0000:01:00.3 0000:01:00.7 "
                               "0000:02:00.0 0000:02:00.1 0000:02:00.2 0000:02:00.3");
}

static void
test_a_function_that_vanishes_is_left_out (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) functions = NULL;

  world_connect (world);
  fake_at_call (world->fake, "virNodeDeviceLookupByName", 2, pull_out,
                (gpointer) "0000:01:00.1");
  functions = read_slots (world, "0000:01:00.0", &error);
  g_assert_no_error (error);
  assert_functions (functions, "0000:01:00.0 0000:01:00.2 0000:01:00.3");
}

static void
test_an_unreadable_function_is_an_error (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world_connect (world);
  fake_make_unreadable (world->fake, "0000:01:00.1");
  g_assert_null (read_slots (world, "0000:01:00.0", &error));
  assert_error (error, MFP_ERROR_FAILED, "cannot read pci_0000_01_00_1");
}

static void
test_a_failed_list_is_an_error (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world_connect (world);
  fake_fault (world->fake, "virNodeListDevices", 1, FAKE_ERROR_BEFORE);
  g_assert_null (read_slots (world, "0000:01:00.0", &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_FAILED);
}

static void
test_those_that_exist_are_read_in_the_order_asked_for (World *world,
                                                       gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GArray) addresses = test_addresses ("0000:02:00.3 0000:09:00.0 0000:01:00.0");
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) functions = NULL;

  world_connect (world);
  functions = mfp_node_devices_read (world->libvirt, addresses, &error);
  g_assert_no_error (error);
  assert_functions (functions, "0000:02:00.3 0000:01:00.0");
}

static void
test_the_rest_of_groups_is_read_once (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GArray) addresses = test_addresses ("0000:01:00.0 0000:01:00.2");
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) functions = NULL, rest = NULL;

  world_connect (world);
  functions = mfp_node_devices_read (world->libvirt, addresses, &error);
  g_assert_no_error (error);
  world_forget_calls (world);
  rest = mfp_node_devices_read_groups (world->libvirt, functions, &error);
  g_assert_no_error (error);
  assert_functions (rest, "0000:01:00.1 0000:01:00.3");
  g_assert_cmpuint (fake_count (world->fake, "virNodeDeviceGetXMLDesc"), ==, 2);
}

/* ---- all functions ---- */

static GPtrArray *
read_all (World *world)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *functions = mfp_node_devices_read_all (world->libvirt, &error);

  g_assert_no_error (error);
  return functions;
}

static void
test_all_functions_are_read (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) functions = NULL;

  world_connect (world);
  functions = read_all (world);
  assert_functions (functions, "0000:01:00.0 0000:01:00.1 0000:01:00.2 0000:01:00.3 "
                               "0000:02:00.0 0000:02:00.1 0000:02:00.2 0000:02:00.3");
}

static void
test_one_of_all_that_vanishes_is_left_out (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) functions = NULL;

  world_connect (world);
  fake_at_call (world->fake, "virNodeDeviceGetXMLDesc", 2, pull_out, (gpointer) "0000:02:00.0");
  functions = read_all (world);
  assert_functions (functions, "0000:01:00.0 0000:01:00.1 0000:01:00.2 0000:01:00.3 "
                               "0000:02:00.1 0000:02:00.2 0000:02:00.3");
}

static void
test_failing_to_read_all_is_a_refusal (World *world, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const calls[] = { "virConnectListAllNodeDevices", "virNodeDeviceGetXMLDesc" };

  world_connect (world);
  FOR_EACH (i, calls)
    {
      g_autoptr (GError) error = NULL;

      world_forget_calls (world);
      fake_fault (world->fake, calls[i], 1, FAKE_ERROR_BEFORE);
      g_assert_null (mfp_node_devices_read_all (world->libvirt, &error));
      assert_error (error, MFP_ERROR_REFUSED, "cannot list the PCI devices of the host");
    }
}

/* ---- uses ---- */

static GPtrArray *
find_uses (World *world, const char *functions, MfpUseKinds kinds, GError **error)
{
  g_autoptr (GArray) addresses = test_addresses (functions);

  return mfp_node_devices_find_uses (world->libvirt, addresses, kinds, error);
}

static void
assert_uses (World *world, const char *functions, MfpUseKinds kinds, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = find_uses (world, functions, kinds, &error);
  g_autoptr (GString) text = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < found->len; i++)
    {
      const MfpHostUse *use = g_ptr_array_index (found, i);

      g_string_append_printf (text, "%s%s: %s", i ? "; " : "", use->parent, use->text);
    }
  g_assert_cmpstr (text->str, ==, expected);
}

#define FUNCTIONS "0000:01:00.0 0000:01:00.1 0000:01:00.2"
#define BOTH (MFP_USE_NETWORK | MFP_USE_DISK)

static void
test_only_an_interface_that_is_up_is_a_use (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  assert_uses (world, FUNCTIONS, MFP_USE_NETWORK,
               "pci_0000_01_00_0: network interface eth0, which is up");
}

static void
test_a_disk_is_a_use_of_the_function_far_above (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  assert_uses (world, FUNCTIONS, MFP_USE_DISK, "pci_0000_01_00_2: disk /dev/sda");
}

static void
test_uses_of_both_kinds_are_found (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  assert_uses (world, FUNCTIONS, BOTH,
               "pci_0000_01_00_0: network interface eth0, which is up; "
               "pci_0000_01_00_2: disk /dev/sda");
}

static void
test_a_use_of_another_function_is_not_listed (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  assert_uses (world, "0000:01:00.1 0000:01:00.3", BOTH, "");
}

static void
test_no_kind_needs_no_calls (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  assert_uses (world, FUNCTIONS, 0, "");
  world_assert_calls (world, "");
}

static void
test_an_unreadable_device_is_not_a_use (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  fake_fault (world->fake, "virNodeDeviceGetXMLDesc", 1, FAKE_ERROR_BEFORE);
  assert_uses (world, FUNCTIONS, BOTH, "pci_0000_01_00_2: disk /dev/sda");
}

static void
test_a_device_without_its_parent_is_not_a_use (World *world, gconstpointer data G_GNUC_UNUSED)
{
  world_connect (world);
  assert_uses (world, FUNCTIONS, BOTH, "pci_0000_01_00_0: network interface eth0, which is up");
}

/* Without the answer, the functions must not pass for unused. */
static void
test_a_break_is_an_error (World *world, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const calls[] = { "virNodeDeviceLookupByName", "virNodeDeviceGetXMLDesc" };

  world_connect (world);
  FOR_EACH (i, calls)
    {
      g_autoptr (GError) error = NULL;

      world_forget_calls (world);
      fake_fault (world->fake, calls[i], 1, FAKE_LOST_BEFORE);
      g_assert_null (find_uses (world, FUNCTIONS, BOTH, &error));
      g_assert_error (error, MFP_ERROR, MFP_ERROR_DISCONNECTED);
    }
}

static void
test_a_hung_call_is_an_error (World *world, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  world_connect (world);
  fake_fault (world->fake, "virNodeDeviceLookupByName", 1, FAKE_HANG);
  g_assert_null (find_uses (world, FUNCTIONS, MFP_USE_NETWORK, &error));
  assert_error (error, MFP_ERROR_HUNG, "net_eth0");
}

static void
test_a_failed_list_of_uses_is_an_error (World *world, gconstpointer data G_GNUC_UNUSED)
{
  static const MfpUseKinds kinds[] = { MFP_USE_NETWORK, MFP_USE_DISK };

  world_connect (world);
  FOR_EACH (i, kinds)
    {
      g_autoptr (GError) error = NULL;

      world_forget_calls (world);
      fake_fault (world->fake, "virNodeListDevices", 1, FAKE_ERROR_BEFORE);
      g_assert_null (find_uses (world, FUNCTIONS, kinds[i], &error));
      g_assert_error (error, MFP_ERROR, MFP_ERROR_FAILED);
    }
}

static void
add_function_tests (void)
{
  world_add ("/node-devices/a-function-is-read", NULL, test_a_function_is_read);
  world_add ("/node-devices/an-absent-function-is-not-found", NULL,
             test_an_absent_function_is_not_found);
  world_add ("/node-devices/a-function-that-vanishes-after-the-lookup-is-not-found", NULL,
             test_a_function_that_vanishes_after_the_lookup);
  world_add ("/node-devices/a-function-is-detached-and-reattached", NULL,
             test_a_function_is_detached_and_reattached);
  world_add ("/node-devices/a-failed-detach-or-reattach-is-an-error", NULL,
             test_a_failed_detach_is_an_error);
}

static void
add_list_tests (void)
{
  world_add ("/node-devices/reading-a-slot-reads-all-its-functions-and-no-others", uses,
             test_a_slot_has_all_its_functions);
  world_add ("/node-devices/slots-are-in-the-order-of-addresses", late,
             test_slots_are_in_the_order_of_addresses);
  world_add ("/node-devices/a-function-that-vanishes-after-the-list-is-left-out", NULL,
             test_a_function_that_vanishes_is_left_out);
  world_add ("/node-devices/an-unreadable-function-is-an-error", NULL,
             test_an_unreadable_function_is_an_error);
  world_add ("/node-devices/a-failed-list-is-an-error", NULL, test_a_failed_list_is_an_error);
  world_add ("/node-devices/those-that-exist-are-read-in-the-order-asked-for", NULL,
             test_those_that_exist_are_read_in_the_order_asked_for);
  world_add ("/node-devices/the-rest-of-groups-is-read-once", NULL,
             test_the_rest_of_groups_is_read_once);
  world_add ("/node-devices/all-functions-are-read", uses, test_all_functions_are_read);
  world_add ("/node-devices/a-function-that-vanishes-is-left-out-of-all", NULL,
             test_one_of_all_that_vanishes_is_left_out);
  world_add ("/node-devices/failing-to-read-all-is-a-refusal", NULL,
             test_failing_to_read_all_is_a_refusal);
}

static void
add_use_tests (void)
{
  world_add ("/uses/an-interface-is-a-use-only-if-it-is-up", uses,
             test_only_an_interface_that_is_up_is_a_use);
  world_add ("/uses/a-disk-is-a-use-of-the-function-several-levels-above", uses,
             test_a_disk_is_a_use_of_the_function_far_above);
  world_add ("/uses/both-kinds-are-found", uses, test_uses_of_both_kinds_are_found);
  world_add ("/uses/a-use-of-another-function-is-not-listed", uses,
             test_a_use_of_another_function_is_not_listed);
  world_add ("/uses/no-kind-needs-no-calls", uses, test_no_kind_needs_no_calls);
  world_add ("/uses/an-unreadable-device-is-not-a-use", uses,
             test_an_unreadable_device_is_not_a_use);
  world_add ("/uses/a-connection-that-breaks-is-an-error", uses, test_a_break_is_an_error);
  world_add ("/uses/a-call-that-hangs-is-an-error", uses, test_a_hung_call_is_an_error);
  world_add ("/uses/a-device-whose-parent-is-absent-is-not-a-use", orphan,
             test_a_device_without_its_parent_is_not_a_use);
  world_add ("/uses/a-failed-list-is-an-error", uses, test_a_failed_list_of_uses_is_an_error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_function_tests ();
  add_list_tests ();
  add_use_tests ();
  return g_test_run ();
}
