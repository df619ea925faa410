/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "model/slots.h"
#include "output/report-list.h"

#define GROUP "0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:03:00.0"

static GPtrArray *
sample_host (void)
{
  GPtrArray *host = test_host_list ();
  MfpHostFunction *function = test_host_function ("0000:01:00.0", "nvidia", 5, GROUP);

  function->class_code = 0x030000;
  function->vendor = g_strdup ("\346\227\245\346\234\254"); /* two wide characters */
  function->product = g_strdup ("\302\2331mX\n");
  g_ptr_array_add (host, function);
  function = test_host_function ("0000:01:00.1", NULL, 5, GROUP);
  function->product = g_strdup ("abcdefgh");
  g_ptr_array_add (host, function);
  g_ptr_array_add (host, test_host_function ("0000:02:00.0", "nvme", 5, GROUP));
  g_ptr_array_add (host, test_host_function ("0000:03:00.0", NULL, 5, GROUP));
  return host;
}

static void
assert_host_text (const GPtrArray *guests, const char *expected)
{
  g_autoptr (GPtrArray) host = sample_host ();
  g_autoptr (GPtrArray) devices = mfp_inventory_host (host, guests, test_no_uses (), FALSE);
  g_autofree char *text = mfp_report_host_list (&(MfpHostList){ .devices = devices }, MFP_FORMAT_TEXT);

  g_assert_cmpstr (text, ==, expected);
}

#define REASON                                                                                   \
  "  the card shares its IOMMU group with other devices that have a host driver: 0000:02:00.0 "  \
  "(nvme); a guest can only have the group if nothing else uses it: virsh nodedev-detach them " \
  "if the host can spare them, or move the card to another slot of the host\n"

static void
test_host_text (void)
{
  g_autoptr (GPtrArray) guests = g_ptr_array_new ();

  assert_host_text (guests,
                    "0000:01:00  2 functions  cannot be attached\n"
                    "  0000:01:00.0  nvidia  0x030000  \346\227\245\346\234\254 ?1mX  group 5\n"
                    "  0000:01:00.1  -       0x000000  abcdefgh   group 5\n"
                    "  group 5 also has 0000:02:00.0 (nvme), 0000:03:00.0\n" REASON);
}

static void
test_host_text_unassigned (void)
{
  g_autoptr (GPtrArray) guests = test_guest_list ();

  g_ptr_array_add (guests,
                   test_guest ("<domain type='kvm' id='1'><name>a&#x9b;b</name><devices>"
                               "<hostdev type='pci'><source><address bus='1' slot='0' "
                               "function='1'/></source><address type='unassigned'/></hostdev>"
                               "</devices></domain>"));
  assert_host_text (guests,
                    "0000:01:00  2 functions  in use\n"
                    "  0000:01:00.0  nvidia  0x030000  \346\227\245\346\234\254 ?1mX  group 5\n"
                    "  0000:01:00.1  -       0x000000  abcdefgh   group 5  'a?b', unassigned\n"
                    "  group 5 also has 0000:02:00.0 (nvme), 0000:03:00.0\n" REASON);
}

static void
test_nothing (void)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (MfpGuest) guest = test_guest ("<domain type='kvm'><name>vm</name></domain>");
  MfpGuestList list = { .guest = guest, .cards = none };
  g_autofree char *host = mfp_report_host_list (&(MfpHostList){ .devices = none }, MFP_FORMAT_TEXT);
  g_autofree char *all = mfp_report_host_list (&(MfpHostList){ .devices = none, .all = TRUE }, MFP_FORMAT_TEXT);
  g_autofree char *cards = mfp_report_guest_list (&list, MFP_FORMAT_TEXT);

  g_assert_cmpstr (host, ==, "No multifunction devices.\n");
  g_assert_cmpstr (all, ==, "No PCI devices.\n");
  g_assert_cmpstr (cards, ==, "Domain 'vm' has no multifunction cards.\n");
}

/* JSON escapes control characters, so they need not be replaced. */
static void
test_host_json (void)
{
  g_autoptr (GPtrArray) host = test_host_list (), guests = g_ptr_array_new (), devices = NULL;
  MfpHostFunction *function
      = test_host_function ("0000:01:00.0", "igb", 5, "0000:01:00.0 0000:02:00.0");
  g_autofree char *text = NULL;

  function->class_code = 0x020000;
  function->vendor = g_strdup ("In\ntel");
  g_ptr_array_add (host, function);
  g_ptr_array_add (host, test_host_function ("0000:01:00.1", NULL, MFP_NO_IOMMU_GROUP,
                                             "0000:01:00.1"));
  g_ptr_array_add (host, test_host_function ("0000:02:00.0", "pci-stub", 5, "0000:02:00.0"));
  devices = mfp_inventory_host (host, guests, test_no_uses (), FALSE);
  g_free (((MfpHostDevice *) g_ptr_array_index (devices, 0))->reason);
  ((MfpHostDevice *) g_ptr_array_index (devices, 0))->reason = g_strdup ("so");
  text = mfp_report_host_list (&(MfpHostList){ .devices = devices }, MFP_FORMAT_JSON);
  test_assert_json (
      text, "{\"schema\":1,\"command\":\"list\",\"domain\":null,\"devices\":["
            "{\"device\":\"0000:01:00\",\"attachable\":false,\"reason\":\"so\",\"functions\":["
            "{\"host\":\"0000:01:00.0\",\"host_driver\":\"igb\",\"iommu_group\":5,"
            "\"class\":\"0x020000\",\"vendor\":\"In\\ntel\",\"product\":null,"
            "\"bridge\":false,\"domain\":null,\"guest\":null,\"virtual_functions\":[]},"
            "{\"host\":\"0000:01:00.1\",\"host_driver\":null,\"iommu_group\":null,"
            "\"class\":\"0x000000\",\"vendor\":null,\"product\":null,"
            "\"bridge\":false,\"domain\":null,\"guest\":null,\"virtual_functions\":[]}],"
            "\"group_others\":[{\"host\":\"0000:02:00.0\",\"host_driver\":\"pci-stub\","
            "\"iommu_group\":5}]}]}");
}

/* A function of each state. */
static GPtrArray *
sample_entries (void)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i <= MFP_STATE_CONFIGURED; i++)
    {
      MfpGuestEntry *entry = g_new0 (MfpGuestEntry, 1);

      entry->host = test_address ("0000:01:00.0");
      entry->host.function = (guint8) i;
      entry->has_place = i != MFP_STATE_UNASSIGNED;
      entry->place = mfp_pci_address_with_function (&entry->host, 6 - i);
      entry->state = (MfpPlugState) i;
      g_ptr_array_add (entries, entry);
    }
  return entries;
}

static void
test_guest_states (void)
{
  g_autoptr (GPtrArray) cards = g_ptr_array_new ();
  g_autoptr (GPtrArray) entries = sample_entries ();
  MfpGuestCard card = { .functions = entries };
  g_autoptr (MfpGuest) guest = test_guest ("<domain type='kvm' id='3'><name>vm</name></domain>");
  MfpGuestList list = { .guest = guest, .cards = cards, .qemu_asked = TRUE };
  g_autofree char *text = NULL, *json = NULL;

  g_ptr_array_add (cards, &card);
  text = mfp_report_guest_list (&list, MFP_FORMAT_TEXT);
  g_assert_cmpstr (text, ==,
                   "no slot  7 functions\n"
                   "  host 0000:01:00.0  guest 0000:01:00.6  plugged\n"
                   "  host 0000:01:00.1  guest 0000:01:00.5  queued: not shown without function 0\n"
                   "  host 0000:01:00.2  guest -             unassigned\n"
                   "  host 0000:01:00.3  guest 0000:01:00.3  detaching: removal pending\n"
                   "  host 0000:01:00.4  guest 0000:01:00.2  lost: in the guest, but libvirt "
                   "does not list it\n"
                   "  host 0000:01:00.5  guest 0000:01:00.1  recorded: not in the guest\n"
                   "  host 0000:01:00.6  guest 0000:01:00.0  configured: for the next start\n");
  g_ptr_array_set_size (entries, 1);
  card.has_slot = TRUE;
  card.slot = test_address ("0000:01:00");
  json = mfp_report_guest_list (&list, MFP_FORMAT_JSON);
  test_assert_json (json, "{\"schema\":1,\"command\":\"list\",\"domain\":\"vm\",\"running\":true,"
                          "\"qemu_asked\":true,\"cards\":[{\"slot\":\"0000:01:00\","
                          "\"functions\":[{\"host\":\"0000:01:00.0\","
                          "\"guest\":\"0000:01:00.6\",\"alias\":null,\"host_driver\":null,"
                          "\"state\":\"plugged\"}]}]}");
}

/* An alias may contain any text. */
static void
test_slots_text (void)
{
  g_autoptr (MfpGuest) guest = test_guest (
      "<domain type='kvm' id='1'><name>vm</name><devices>"
      "<controller type='pci' index='1' model='pcie-root-port'/>"
      "<controller type='pci' index='2' model='pci-bridge'/>"
      "<disk><alias name='ua-&#x9b;1m&#x65e5;'/><address type='pci' bus='1' slot='0'/></disk>"
      "</devices></domain>");
  g_autoptr (GPtrArray) slots = mfp_guest_survey_slots (guest, NULL), none = g_ptr_array_new ();
  g_autofree char *text = mfp_report_slots (guest, slots, MFP_FORMAT_TEXT);
  g_autofree char *nothing = mfp_report_slots (guest, none, MFP_FORMAT_TEXT);

  g_assert_cmpstr (text, ==,
                   "0000:01:00     in use  pcie-root-port  disk ua-?1m\346\227\245\n"
                   "0000:02:01-1f  free    pci-bridge\n");
  g_assert_cmpstr (nothing, ==, "Domain 'vm' has no PCI bus with slots.\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/report-list/host/text-has-a-line-for-each-function", test_host_text);
  g_test_add_func ("/report-list/host/text-names-the-guest-that-has-a-function-unassigned",
                   test_host_text_unassigned);
  g_test_add_func ("/report-list/host/json-has-every-member", test_host_json);
  g_test_add_func ("/report-list/says-that-there-is-nothing", test_nothing);
  g_test_add_func ("/report-list/guest/names-each-state", test_guest_states);
  g_test_add_func ("/report-list/slots/name-the-devices-in-them", test_slots_text);
  return g_test_run ();
}
