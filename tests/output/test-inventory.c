/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "output/inventory.h"

/* ---- the host ---- */

#define CARD "0000:01:00.0 0000:01:00.1"
#define SHARED "0000:02:00.0 0000:02:00.1 0000:03:00.0"

static MfpHostFunction *
add (GPtrArray *host, const char *address, const char *driver, int group, const char *members)
{
  MfpHostFunction *function = test_host_function (address, driver, group, members);

  g_ptr_array_add (host, function);
  return function;
}

/* A card, a card that shares its group with the single function 03:00.0, and a device of two
 * bridges, in no order. @other: (nullable): the driver of 03:00.0 */
static GPtrArray *
sample_host (const char *other)
{
  GPtrArray *host = test_host_list ();

  add (host, "0000:03:00.0", other, 6, SHARED);
  add (host, "0000:02:00.1", "igb", 6, SHARED);
  add (host, "0000:01:00.1", "vfio-pci", 5, CARD);
  add (host, "0000:01:00.0", "igb", 5, CARD);
  add (host, "0000:02:00.0", "igb", 6, SHARED);
  add (host, "0000:00:1c.0", "pcieport", 1, "0000:00:1c.0")->is_bridge = TRUE;
  add (host, "0000:00:1c.1", "pcieport", 1, "0000:00:1c.1")->is_bridge = TRUE;
  return host;
}

/* A running guest with these devices, and with these records as its metadata. */
static MfpGuest *
guest_of (const char *name, const char *records, const char *devices)
{
  g_autofree char *xml = g_strdup_printf (
      "<domain type='kvm' id='1'><name>%s</name><metadata>%s</metadata>"
      "<devices>%s</devices></domain>",
      name, records, devices);

  return test_guest (xml);
}

#define HOSTDEV(bus, function, alias, address)                                                 \
  "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='" bus                 \
  "' slot='0' function='" function "'/></source><alias name='" alias "'/>" address "</hostdev>"
#define AT(bus, function)                                                                      \
  "<address type='pci' domain='0' bus='" bus "' slot='0' function='" function "'/>"
#define UNASSIGNED "<address type='unassigned'/>"
#define RECORD(id, attributes, functions)                                                      \
  "<m:card xmlns:m='urn:virt-mfplug:card:1:" id "' slot='0000:04:00'" attributes ">" functions \
  "</m:card>"
#define NOTED(function, guest)                                                                 \
  "<m:function host='0000:01:00." function "'" guest " alias='ua-" function                    \
  "' driver='igb' taken='yes'/>"

static const MfpHostDevice *
device_at (const GPtrArray *devices, const char *address)
{
  MfpPciAddress wanted = test_address (address);

  for (guint i = 0; i < devices->len; i++)
    {
      const MfpHostDevice *device = g_ptr_array_index (devices, i);

      if (mfp_pci_address_equal (&device->address, &wanted))
        return device;
    }
  g_assert_not_reached ();
}

static char *
describe_devices (const GPtrArray *devices)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < devices->len; i++)
    {
      const MfpHostDevice *device = g_ptr_array_index (devices, i);
      g_autofree char *address = mfp_pci_address_format_slot (&device->address);

      g_string_append_printf (text, "%s%s:", i ? " " : "", address);
      for (guint j = 0; j < device->functions->len; j++)
        g_string_append_printf (
            text, "%u", g_array_index (device->functions, MfpHostEntry, j).host->address.function);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
test_cards (void)
{
  g_autoptr (GPtrArray) host = sample_host (NULL), guests = test_guest_list ();
  g_autoptr (GPtrArray) devices = mfp_inventory_host (host, guests, test_no_uses (), FALSE);
  g_autofree char *text = describe_devices (devices);

  g_assert_cmpstr (text, ==, "0000:01:00:01 0000:02:00:01");
}

static void
test_all (void)
{
  g_autoptr (GPtrArray) host = sample_host (NULL), guests = test_guest_list ();
  g_autoptr (GPtrArray) devices = mfp_inventory_host (host, guests, test_no_uses (), TRUE);
  g_autofree char *text = describe_devices (devices);

  g_assert_cmpstr (text, ==, "0000:00:1c:01 0000:01:00:01 0000:02:00:01 0000:03:00:0");
  assert_contains (device_at (devices, "0000:00:1c")->reason,
                   "host function 0000:00:1c.0 is a PCI bridge");
}

static void
test_empty_host (void)
{
  g_autoptr (GPtrArray) host = test_host_list (), guests = test_guest_list ();
  g_autoptr (GPtrArray) devices = mfp_inventory_host (host, guests, test_no_uses (), TRUE);

  g_assert_cmpuint (devices->len, ==, 0);
}

/* The other device of the group is always listed. It blocks the group only while it has a
 * host driver. */
static void
test_other_members (void)
{
  static const struct
  {
    const char *driver, *reason;
  } rows[] = {
    { NULL, NULL },
    { "vfio-pci", NULL },
    { "nvme", "shares its IOMMU group with other devices that have a host driver: "
              "0000:03:00.0 (nvme)" },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (GPtrArray) host = sample_host (rows[i].driver), guests = test_guest_list ();
      g_autoptr (GPtrArray) devices = mfp_inventory_host (host, guests, test_no_uses (), FALSE);
      const MfpHostDevice *device = device_at (devices, "0000:02:00");
      const MfpHostFunction *other = g_ptr_array_index (device->others, 0);

      g_assert_cmpuint (device->others->len, ==, 1);
      g_assert_true (other == g_ptr_array_index (host, 0));
      if (rows[i].reason)
        assert_contains (device->reason, rows[i].reason);
      else
        g_assert_null (device->reason);
      g_assert_cmpuint (device_at (devices, "0000:01:00")->others->len, ==, 0);
      g_assert_null (device_at (devices, "0000:01:00")->reason);
    }
}

/* 05:00.0 has the virtual functions 05:00.1, which is in its slot, and 05:10.0, which domain 'vm'
 * has. */
static void
test_virtual_functions (void)
{
  g_autoptr (GPtrArray) host = test_host_list (), guests = test_guest_list ();
  g_autoptr (GPtrArray) devices = NULL;
  MfpHostFunction *physical = add (host, "0000:05:00.0", "igb", 1, "0000:05:00.0");
  const MfpHostEntry *entry, *below;
  g_autofree char *text = NULL;

  g_array_unref (physical->virtual_functions);
  physical->virtual_functions = test_addresses ("0000:05:00.1 0000:05:10.0");
  add (host, "0000:05:10.0", "vfio-pci", 2, "0000:05:10.0")->is_virtual = TRUE;
  add (host, "0000:05:00.1", "igbvf", 3, "0000:05:00.1")->is_virtual = TRUE;
  g_ptr_array_add (guests, guest_of ("vm", "", "<hostdev mode='subsystem' type='pci'><source>"
                                               "<address domain='0' bus='5' slot='16' "
                                               "function='0'/></source></hostdev>"));
  devices = mfp_inventory_host (host, guests, test_no_uses (), FALSE);
  text = describe_devices (devices);
  g_assert_cmpstr (text, ==, "0000:05:00:0");
  entry = &g_array_index (device_at (devices, "0000:05:00")->functions, MfpHostEntry, 0);
  g_assert_cmpuint (entry->virtual_functions->len, ==, 2);
  below = &g_array_index (entry->virtual_functions, MfpHostEntry, 0);
  g_assert_cmpuint (below->host->address.function, ==, 1);
  g_assert_null (below->holder);
  below = &g_array_index (entry->virtual_functions, MfpHostEntry, 1);
  g_assert_cmpuint (below->host->address.slot, ==, 16);
  g_assert_cmpstr (below->holder->name, ==, "vm");
  assert_contains (device_at (devices, "0000:05:00")->reason,
                   "0000:05:00.1 (igbvf), 0000:05:10.0 (vfio-pci, domain 'vm')");
}

static void
test_no_function_0 (void)
{
  g_autoptr (GPtrArray) host = test_host_list (), guests = test_guest_list ();
  g_autoptr (GPtrArray) devices = NULL;

  add (host, "0000:05:10.1", "igbvf", 1, "0000:05:10.1");
  add (host, "0000:05:10.3", "igbvf", 2, "0000:05:10.3");
  devices = mfp_inventory_host (host, guests, test_no_uses (), FALSE);
  assert_contains (device_at (devices, "0000:05:10")->reason,
                   "a mapping that works: 0000:05:10.1=0,0000:05:10.3=1");
}

static void
assert_holder (const GPtrArray *devices, const char *slot, guint index, const char *name,
               const char *place)
{
  const MfpHostEntry *entry
      = &g_array_index (device_at (devices, slot)->functions, MfpHostEntry, index);
  g_autofree char *actual = entry->has_place ? mfp_pci_address_format (&entry->place) : NULL;

  g_assert_cmpstr (entry->holder ? entry->holder->name : NULL, ==, name);
  g_assert_cmpstr (actual, ==, place);
}

/* The record says where a function is that libvirt lists as unassigned. */
static void
test_holder (void)
{
  g_autoptr (GPtrArray) host = sample_host (NULL), guests = test_guest_list ();
  g_autoptr (GPtrArray) devices = NULL;

  g_ptr_array_add (guests, guest_of ("idle", "", ""));
  g_ptr_array_add (guests,
                   guest_of ("vm", RECORD ("1", "", NOTED ("0", " guest='1'") NOTED ("1", "")),
                             HOSTDEV ("1", "0", "ua-0", UNASSIGNED)
                                 HOSTDEV ("1", "1", "ua-1", UNASSIGNED)));
  devices = mfp_inventory_host (host, guests, test_no_uses (), FALSE);
  assert_holder (devices, "0000:01:00", 0, "vm", "0000:04:00.1");
  assert_holder (devices, "0000:01:00", 1, "vm", NULL);
  assert_holder (devices, "0000:02:00", 0, NULL, NULL);
  g_assert_cmpstr (device_at (devices, "0000:01:00")->reason, ==,
                   "host function 0000:01:00.0 is attached to domain 'vm'; detach it there first");
  g_assert_null (device_at (devices, "0000:02:00")->reason);
}

/* A guest that has a function counts, not another guest whose record names it. The order of
 * the guests does not matter. */
static void
test_record_of_another (void)
{
  g_autoptr (GPtrArray) host = sample_host (NULL), guests = test_guest_list ();
  g_autoptr (GPtrArray) devices = NULL;

  g_ptr_array_add (guests, guest_of ("dead", RECORD ("1", "", NOTED ("0", " guest='0'")
                                                                  NOTED ("1", " guest='1'")), ""));
  g_ptr_array_add (guests, guest_of ("vm", "", HOSTDEV ("1", "1", "x", AT ("7", "0"))));
  devices = mfp_inventory_host (host, guests, test_no_uses (), FALSE);
  assert_holder (devices, "0000:01:00", 0, "dead", "0000:04:00.0");
  assert_holder (devices, "0000:01:00", 1, "vm", "0000:07:00.0");
}

/* A group is free only if no guest has any part of it. */
static void
test_group_in_part (void)
{
  g_autoptr (GPtrArray) host = sample_host ("vfio-pci"), guests = test_guest_list ();
  g_autoptr (GPtrArray) devices = NULL;

  g_ptr_array_add (guests, guest_of ("vm", "", HOSTDEV ("3", "0", "x", AT ("7", "0"))));
  devices = mfp_inventory_host (host, guests, test_no_uses (), FALSE);
  assert_holder (devices, "0000:02:00", 0, NULL, NULL);
  assert_contains (device_at (devices, "0000:02:00")->reason,
                   "host function 0000:03:00.0 is attached to domain 'vm'");
}

/* ---- a guest ---- */

static GHashTable *
set_of (const char *ids)
{
  GHashTable *set = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) words = g_strsplit (ids, " ", -1);

  for (guint i = 0; words[i]; i++)
    g_hash_table_add (set, g_strdup (words[i]));
  return set;
}

static void
append_guest_entry (GString *text, const MfpGuestEntry *entry)
{
  static const char *const states[] = {
    [MFP_STATE_PLUGGED] = "plugged",
    [MFP_STATE_QUEUED] = "queued",
    [MFP_STATE_UNASSIGNED] = "unassigned",
    [MFP_STATE_DETACHING] = "detaching",
    [MFP_STATE_LOST] = "lost",
    [MFP_STATE_RECORDED] = "recorded",
    [MFP_STATE_CONFIGURED] = "configured",
  };
  g_autofree char *host = mfp_pci_address_format (&entry->host);
  g_autofree char *place = entry->has_place ? mfp_pci_address_format (&entry->place) : NULL;

  g_string_append_printf (text, " %s=%s %s", host, place ? place : "-", states[entry->state]);
}

/* "0000:04:00: 0000:01:00.0=0000:04:00.0 plugged; ..." */
static char *
describe_cards (const GPtrArray *cards)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < cards->len; i++)
    {
      const MfpGuestCard *card = g_ptr_array_index (cards, i);
      g_autofree char *slot = card->has_slot ? mfp_pci_address_format_slot (&card->slot) : NULL;

      g_string_append_printf (text, "%s%s:", i ? "; " : "", slot ? slot : "-");
      for (guint j = 0; j < card->functions->len; j++)
        append_guest_entry (text, g_ptr_array_index (card->functions, j));
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
assert_cards (const MfpGuest *guest, const char *in_qemu, gboolean all, const char *expected)
{
  g_autoptr (GHashTable) set = in_qemu ? set_of (in_qemu) : NULL;
  g_autoptr (GPtrArray) cards = mfp_inventory_guest (guest, set, all);
  g_autofree char *text = describe_cards (cards);

  g_assert_cmpstr (text, ==, expected);
}

#define RECORDED_FUNCTIONS NOTED ("0", " guest='0'") NOTED ("1", " guest='1'") NOTED ("2", "")
#define ZERO HOSTDEV ("1", "0", "ua-0", AT ("4", "0"))
#define ONE HOSTDEV ("1", "1", "ua-1", UNASSIGNED)
#define TWO HOSTDEV ("1", "2", "ua-2", UNASSIGNED)

/* The states of an attach, from its first step to its last, and what can go wrong later. */
static void
test_states (void)
{
  static const struct
  {
    const char *attributes, *devices, *in_qemu, *zero, *one, *two;
  } rows[] = {
    { "", "", "", "recorded", "recorded", "recorded" },
    { "", ONE TWO, "", "recorded", "unassigned", "unassigned" },
    { "", ONE TWO, "ua-1 other", "recorded", "queued", "unassigned" },
    { "", ONE TWO ZERO, "ua-1 ua-0", "plugged", "plugged", "unassigned" },
    { "", ONE TWO ZERO, "ua-1", "unassigned", "queued", "unassigned" },
    { "", TWO ZERO, "ua-1 ua-0", "plugged", "lost", "unassigned" },
    { "", ONE TWO, "ua-1 ua-0", "lost", "plugged", "unassigned" },
    { " detaching='run'", ONE TWO ZERO, "ua-1 ua-0", "detaching", "detaching", "detaching" },
    { " detaching='run'", TWO, "", "detaching", "detaching", "detaching" },
    /* QEMU was not asked */
    { "", "", NULL, "recorded", "recorded", "recorded" },
    { "", ONE TWO, NULL, "recorded", "queued", "unassigned" },
    { "", ONE TWO ZERO, NULL, "plugged", "plugged", "unassigned" },
    { " detaching='run'", ONE TWO ZERO, NULL, "detaching", "detaching", "detaching" },
  };

  FOR_EACH (i, rows)
    {
      g_autofree char *record
          = g_strdup_printf (RECORD ("1", "%s", RECORDED_FUNCTIONS), rows[i].attributes);
      g_autoptr (MfpGuest) guest = guest_of ("vm", record, rows[i].devices);
      g_autofree char *expected
          = g_strdup_printf ("0000:04:00: 0000:01:00.0=0000:04:00.0 %s "
                             "0000:01:00.1=0000:04:00.1 %s 0000:01:00.2=- %s",
                             rows[i].zero, rows[i].one, rows[i].two);

      assert_cards (guest, rows[i].in_qemu, FALSE, expected);
    }
}

static void
test_driver_from_record (void)
{
  g_autoptr (MfpGuest) guest
      = guest_of ("vm", RECORD ("1", "", NOTED ("0", " guest='0'")), ZERO);
  g_autoptr (GPtrArray) cards = mfp_inventory_guest (guest, NULL, FALSE);
  const MfpGuestCard *card = g_ptr_array_index (cards, 0);
  const MfpGuestEntry *entry = g_ptr_array_index (card->functions, 0);

  g_assert_true (card->has_record);
  g_assert_cmpstr (entry->alias, ==, "ua-0");
  g_assert_cmpstr (entry->driver, ==, "igb");
}

/* Native multifunction, as libvirt itself starts it. The XML lists function 1 first. */
static void
test_native (void)
{
  g_autoptr (MfpGuest) guest = guest_of (
      "vm", "",
      HOSTDEV ("1", "1", "hostdev1", AT ("6", "1")) HOSTDEV ("1", "0", "hostdev0", AT ("6", "0"))
          HOSTDEV ("2", "0", "hostdev2", AT ("5", "0")));

  g_assert_false (mfp_inventory_needs_qemu (guest));
  assert_cards (guest, NULL, FALSE,
                "0000:06:00: 0000:01:00.0=0000:06:00.0 plugged "
                "0000:01:00.1=0000:06:00.1 plugged");
  assert_cards (guest, "hostdev0 hostdev1 hostdev2", TRUE,
                "0000:05:00: 0000:02:00.0=0000:05:00.0 plugged; "
                "0000:06:00: 0000:01:00.0=0000:06:00.0 plugged "
                "0000:01:00.1=0000:06:00.1 plugged");
}

/* An unassigned function without a record belongs to the card of its host device. If there is
 * no such card, it has no slot, and is listed although it is alone. */
static void
test_unassigned_unrecorded (void)
{
  g_autoptr (MfpGuest) guest
      = guest_of ("vm", "",
                  HOSTDEV ("2", "1", "b", UNASSIGNED) HOSTDEV ("1", "1", "a", UNASSIGNED)
                      HOSTDEV ("1", "0", "z", AT ("4", "0")));

  g_assert_true (mfp_inventory_needs_qemu (guest));
  assert_cards (guest, "z", FALSE,
                "0000:04:00: 0000:01:00.0=0000:04:00.0 plugged 0000:01:00.1=- unassigned; "
                "-: 0000:02:00.1=- unassigned");
  /* libvirt does not know the place of a function that somebody queued by hand. */
  assert_cards (guest, "z a", FALSE,
                "0000:04:00: 0000:01:00.0=0000:04:00.0 plugged 0000:01:00.1=- plugged; "
                "-: 0000:02:00.1=- unassigned");
}

/* Somebody else has plugged function 0 of another device into the slot of the card. */
static void
test_other_device_in_slot (void)
{
  g_autoptr (MfpGuest) guest
      = guest_of ("vm", RECORD ("1", "", RECORDED_FUNCTIONS),
                  ONE HOSTDEV ("9", "0", "x", AT ("4", "0")));

  assert_cards (guest, "ua-1 x", FALSE,
                "0000:04:00: 0000:01:00.0=0000:04:00.0 recorded "
                "0000:09:00.0=0000:04:00.0 plugged "
                "0000:01:00.1=0000:04:00.1 plugged 0000:01:00.2=- recorded");
}

static void
test_interface (void)
{
  g_autoptr (MfpGuest) guest = guest_of (
      "vm", "",
      "<interface type='hostdev'><source><address type='pci' domain='0' bus='3' slot='16' "
      "function='1'/></source>" AT ("4", "0") "</interface>");

  assert_cards (guest, NULL, FALSE, "");
  assert_cards (guest, NULL, TRUE, "0000:04:00: 0000:03:10.1=0000:04:00.0 plugged");
}

static void
test_shut_off (void)
{
  g_autoptr (MfpGuest) guest = test_guest (
      "<domain type='kvm'><name>vm</name><devices>" ZERO ONE "</devices></domain>");

  assert_cards (guest, NULL, FALSE,
                "0000:04:00: 0000:01:00.0=0000:04:00.0 configured 0000:01:00.1=- unassigned");
}

static void
test_needs_qemu (void)
{
  g_autoptr (MfpGuest) nothing = guest_of ("vm", "", "");
  g_autoptr (MfpGuest) recorded = guest_of ("vm", RECORD ("1", "", RECORDED_FUNCTIONS), "");

  g_assert_false (mfp_inventory_needs_qemu (nothing));
  g_assert_true (mfp_inventory_needs_qemu (recorded));
  assert_cards (nothing, NULL, TRUE, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/inventory/host/lists-cards-in-order", test_cards);
  g_test_add_func ("/inventory/host/lists-all-if-asked", test_all);
  g_test_add_func ("/inventory/host/accepts-an-empty-host", test_empty_host);
  g_test_add_func ("/inventory/host/lists-other-members-of-the-iommu-groups",
                   test_other_members);
  g_test_add_func ("/inventory/host/lists-virtual-functions-below-their-physical-function",
                   test_virtual_functions);
  g_test_add_func ("/inventory/host/suggests-a-mapping-for-a-card-without-function-0",
                   test_no_function_0);
  g_test_add_func ("/inventory/host/says-which-guest-has-a-function-and-where",
                   test_holder);
  g_test_add_func ("/inventory/host/prefers-devices-to-records", test_record_of_another);
  g_test_add_func ("/inventory/host/a-card-is-in-use-if-a-guest-has-part-of-its-group",
                   test_group_in_part);
  g_test_add_func ("/inventory/guest/states-follow-libvirt-qemu-and-the-record", test_states);
  g_test_add_func ("/inventory/guest/reads-the-driver-from-the-record", test_driver_from_record);
  g_test_add_func ("/inventory/guest/lists-native-multifunction", test_native);
  g_test_add_func ("/inventory/guest/lists-unassigned-functions-without-a-record",
                   test_unassigned_unrecorded);
  g_test_add_func ("/inventory/guest/lists-another-device-in-the-slot",
                   test_other_device_in_slot);
  g_test_add_func ("/inventory/guest/lists-an-interface-only-if-asked", test_interface);
  g_test_add_func ("/inventory/guest/lists-what-a-shut-off-domain-will-have", test_shut_off);
  g_test_add_func ("/inventory/guest/needs-qemu-for-a-record-and-not-for-an-empty-guest",
                   test_needs_qemu);
  return g_test_run ();
}
