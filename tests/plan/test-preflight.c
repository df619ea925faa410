/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "plan/preflight.h"

#define CARD_GROUP "0000:01:00.0 0000:01:00.1"

/* 01:00.0 and 01:00.1, with these drivers, in group 5. */
static GPtrArray *
host_of (const char *driver0, const char *driver1)
{
  GPtrArray *host = test_host_list ();

  g_ptr_array_add (host, test_host_function ("0000:01:00.0", driver0, 5, CARD_GROUP));
  g_ptr_array_add (host, test_host_function ("0000:01:00.1", driver1, 5, CARD_GROUP));
  return host;
}

static MfpFunction *
add (MfpCard *card, const char *host, int guest_function)
{
  MfpPciAddress address = test_address (host);

  return mfp_card_add (card, &address, guest_function);
}

static MfpCard *
both (void)
{
  MfpCard *card = mfp_card_new ();

  add (card, "0000:01:00.0", 0);
  add (card, "0000:01:00.1", 1);
  return card;
}

static void
assert_function (const MfpCard *card, guint index, const char *driver, gboolean take)
{
  const MfpFunction *function = g_ptr_array_index (card->functions, index);

  g_assert_cmpstr (function->driver, ==, driver);
  g_assert_cmpint (function->take, ==, take);
}

static void
test_takes (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "vfio-pci"), others = test_host_list ();
  g_autoptr (MfpCard) card = both ();
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_preflight_host (card, host, others, TRUE, &error));
  g_assert_no_error (error);
  assert_function (card, 0, "e1000e", TRUE);
  assert_function (card, 1, "vfio-pci", FALSE); /* it stays what it was */
}

static void
test_takes_unbound (void)
{
  g_autoptr (GPtrArray) host = host_of (NULL, "mlx5_vfio_pci"), others = test_host_list ();
  g_autoptr (MfpCard) card = both ();

  g_assert_true (mfp_preflight_host (card, host, others, TRUE, NULL));
  assert_function (card, 0, NULL, TRUE);
  assert_function (card, 1, "mlx5_vfio_pci", FALSE);
}

static void
test_config_takes_nothing (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "e1000e"), others = test_host_list ();
  g_autoptr (MfpCard) card = both ();

  ((MfpFunction *) g_ptr_array_index (card->functions, 1))->managed = FALSE;
  g_assert_true (mfp_preflight_host (card, host, others, FALSE, NULL));
  assert_function (card, 0, "e1000e", FALSE);
  assert_function (card, 1, "e1000e", FALSE);
}

static void
refuse_unmanaged (const char *driver, const char *message)
{
  g_autoptr (GPtrArray) host = host_of ("vfio-pci", driver), others = test_host_list ();
  g_autoptr (MfpCard) card = both ();
  g_autoptr (GError) error = NULL;

  ((MfpFunction *) g_ptr_array_index (card->functions, 0))->managed = FALSE;
  ((MfpFunction *) g_ptr_array_index (card->functions, 1))->managed = FALSE;
  g_assert_false (mfp_preflight_host (card, host, others, TRUE, &error));
  assert_error (error, MFP_ERROR_REFUSED, message);
}

static void
test_unmanaged_on_driver (void)
{
  refuse_unmanaged ("e1000e", "host function 0000:01:00.1 is bound to e1000e, and managed='no'");
}

static void
test_unmanaged_unbound (void)
{
  refuse_unmanaged (NULL, "host function 0000:01:00.1 is bound to no driver, and managed='no'");
}

static void
test_unmanaged_on_vfio (void)
{
  g_autoptr (GPtrArray) host = host_of ("vfio-pci", "vfio-pci"), others = test_host_list ();
  g_autoptr (MfpCard) card = both ();

  ((MfpFunction *) g_ptr_array_index (card->functions, 0))->managed = FALSE;
  g_assert_true (mfp_preflight_host (card, host, others, TRUE, NULL));
  assert_function (card, 0, "vfio-pci", FALSE);
}

static void
test_absent (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "e1000e"), others = test_host_list ();
  g_autoptr (MfpCard) card = both ();
  g_autoptr (GError) error = NULL;

  add (card, "0000:01:00.2", 2);
  g_assert_false (mfp_preflight_host (card, host, others, TRUE, &error));
  assert_error (error, MFP_ERROR_REFUSED, "host function 0000:01:00.2 does not exist");
}

static void
test_bridge (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "pcieport"), others = test_host_list ();
  g_autoptr (MfpCard) card = both ();
  g_autoptr (GError) error = NULL;

  ((MfpHostFunction *) g_ptr_array_index (host, 1))->is_bridge = TRUE;
  g_assert_false (mfp_preflight_host (card, host, others, TRUE, &error));
  assert_error (error, MFP_ERROR_REFUSED, "host function 0000:01:00.1 is a PCI bridge");
}

static void
test_no_group (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "e1000e"), others = test_host_list ();
  g_autoptr (MfpCard) card = both ();
  g_autoptr (GError) error = NULL;

  ((MfpHostFunction *) g_ptr_array_index (host, 0))->iommu_group = MFP_NO_IOMMU_GROUP;
  g_assert_false (mfp_preflight_host (card, host, others, TRUE, &error));
  assert_error (error, MFP_ERROR_REFUSED, "host function 0000:01:00.0 has no IOMMU group");
  assert_contains (error->message, "intel_iommu=on");
}

/* A function of the same device that was not asked for. */
static gboolean
admit_first_only (const char *other_driver, GError **error)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", other_driver), others = test_host_list ();
  g_autoptr (MfpCard) card = mfp_card_new ();

  add (card, "0000:01:00.0", 0);
  return mfp_preflight_host (card, host, others, TRUE, error);
}

static void
test_rest_in_the_way (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (admit_first_only ("snd_hda_intel", &error));
  assert_error (error, MFP_ERROR_REFUSED, "0000:01:00.1 (snd_hda_intel); --rest unassigned");
}

/* The one in the way is the device's function 0. */
static void
test_first_in_the_way (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "e1000e"), others = test_host_list ();
  g_autoptr (MfpCard) card = mfp_card_new ();
  g_autoptr (GError) error = NULL;

  add (card, "0000:01:00.1", 0);
  g_assert_false (mfp_preflight_host (card, host, others, TRUE, &error));
  assert_error (error, MFP_ERROR_REFUSED, "0000:01:00.0 (e1000e); --rest unassigned");
}

static void
test_rest_not_in_the_way (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (admit_first_only (NULL, &error));
  g_assert_true (admit_first_only ("vfio-pci", &error));
  g_assert_true (admit_first_only ("pci-stub", &error));
  g_assert_no_error (error);
}

static void
test_rest_in_another_group (void)
{
  g_autoptr (GPtrArray) host = test_host_list (), others = test_host_list ();
  g_autoptr (MfpCard) card = mfp_card_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (host, test_host_function ("0000:01:00.0", "e1000e", 5, "0000:01:00.0"));
  g_ptr_array_add (host, test_host_function ("0000:01:00.1", "e1000e", 6, "0000:01:00.1"));
  add (card, "0000:01:00.0", 0);
  g_assert_true (mfp_preflight_host (card, host, others, TRUE, &error));
  g_assert_no_error (error);
}

static void
test_rest_held (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "snd_hda_intel"), others = test_host_list ();
  g_autoptr (MfpCard) card = mfp_card_new ();

  add (card, "0000:01:00.0", 0);
  add (card, "0000:01:00.1", MFP_UNASSIGNED);
  g_assert_true (mfp_preflight_host (card, host, others, TRUE, NULL));
  assert_function (card, 1, "snd_hda_intel", TRUE);
}

static void
test_strangers (void)
{
  static const char group[] = CARD_GROUP " 0000:00:1c.0 0000:02:00.0 0000:03:00.0";
  g_autoptr (GPtrArray) host = test_host_list (), others = test_host_list ();
  g_autoptr (MfpCard) card = both ();
  g_autoptr (GError) error = NULL;
  MfpHostFunction *port = test_host_function ("0000:00:1c.0", "pcieport", 5, group);

  port->is_bridge = TRUE;
  g_ptr_array_add (host, test_host_function ("0000:01:00.0", "e1000e", 5, group));
  g_ptr_array_add (host, test_host_function ("0000:01:00.1", "e1000e", 5, group));
  g_ptr_array_add (others, port);
  g_ptr_array_add (others, test_host_function ("0000:02:00.0", "nvme", 5, group));
  g_ptr_array_add (others, test_host_function ("0000:03:00.0", "xhci_hcd", 5, group));
  g_assert_false (mfp_preflight_host (card, host, others, TRUE, &error));
  assert_error (error, MFP_ERROR_REFUSED,
                "other devices that have a host driver: 0000:02:00.0 (nvme), 0000:03:00.0 "
                "(xhci_hcd);");
  assert_lacks (error->message, "0000:00:1c.0");
}

static void
test_guest_kinds (void)
{
  static const struct
  {
    const char *type, *arch;
    const char *message; /* NULL: admitted */
  } rows[] = {
    { "kvm", "x86_64", NULL },
    { "qemu", "i686", NULL },
    { "kvm", "ppc64le", NULL },
    { "kvm", "ppc64", NULL },
    { "qemu", "aarch64", NULL },
    { "test", "x86_64", NULL },
    { "xen", "x86_64", "domain 'g' is of type 'xen'; supported are kvm and qemu" },
    { "lxc", "x86_64", "domain 'g' is of type 'lxc'" },
    { "kvm", "s390x", "domain 'g' is a s390x machine" },
    { "kvm", "riscv64", "domain 'g' is a riscv64 machine" },
  };

  FOR_EACH (i, rows)
    {
      MfpGuest guest = { .name = (char *) "g", .type = (char *) rows[i].type,
                         .arch = (char *) rows[i].arch };
      g_autoptr (GError) error = NULL;

      g_assert_cmpint (mfp_preflight_guest (&guest, &error), ==, rows[i].message == NULL);
      if (rows[i].message)
        assert_error (error, MFP_ERROR_REFUSED, rows[i].message);
    }
}

/* ---- what of the card a guest has already ---- */

#define SOURCE(f)                                                                              \
  "<source><address domain='0' bus='1' slot='0' function='" #f "'/></source>"
#define SHOWN(f, bus, guest)                                                                   \
  "<hostdev mode='subsystem' type='pci'>" SOURCE (f) "<address type='pci' bus='" #bus          \
  "' slot='0' function='" #guest "'/></hostdev>"
#define HELD(f)                                                                                \
  "<hostdev mode='subsystem' type='pci'>" SOURCE (f) "<address type='unassigned'/></hostdev>"

#define RECORD                                                                                 \
  "<metadata><card xmlns='urn:virt-mfplug:card:1:x' slot='06:00'>"                             \
  "<function host='01:00.0' guest='0' alias='ua-0'/><function host='01:00.1' guest='1' "       \
  "alias='ua-1'/><function host='01:00.2' alias='ua-2'/></card></metadata>"

#define LIVE "<domain type='kvm' id='1'><name>g</name>"
#define CONFIG "<domain type='kvm'><name>g</name>"
#define DEVICES(...) "<devices>" __VA_ARGS__ "</devices></domain>"

typedef struct
{
  const char *name;
  const char *xml;
  int second; /* what 01:00.1 is to be; 01:00.0 is to be 0 */
  MfpPresence expected;
  const char *difference;
} Presence;

static const Presence presences[] = {
  { "a-guest-without-it-is-absent", LIVE DEVICES (""), 1, MFP_ABSENT, NULL },
  { "a-stranger-is-absent", LIVE DEVICES (SHOWN (5, 6, 0)), 1, MFP_ABSENT, NULL },
  { "cold-plugged-whole-is-present", LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 6, 1)), 1,
    MFP_PRESENT, NULL },
  { "hot-plugged-whole-is-present", LIVE RECORD DEVICES (SHOWN (0, 6, 0) HELD (1)), 1,
    MFP_PRESENT, NULL },
  { "a-leftover-that-is-asked-for-is-present", LIVE DEVICES (SHOWN (0, 6, 0) HELD (1)),
    MFP_UNASSIGNED, MFP_PRESENT, NULL },
  { "function-0-alone-is-partial", LIVE DEVICES (SHOWN (0, 6, 0)), 1, MFP_PARTIAL,
    "attached: 0000:01:00.0; not attached as asked: 0000:01:00.1" },
  { "a-held-function-alone-is-partial", LIVE RECORD DEVICES (HELD (1)), 1, MFP_PARTIAL,
    "attached: 0000:01:00.1; not attached as asked: 0000:01:00.0" },
  { "function-0-held-is-partial", LIVE DEVICES (HELD (0) HELD (1)), 1, MFP_PARTIAL,
    "not attached as asked: 0000:01:00.0 (elsewhere in the guest)" },
  { "another-guest-function-is-partial", LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 6, 3)), 1,
    MFP_PARTIAL, "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "shown-instead-of-held-is-partial", LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 6, 1)),
    MFP_UNASSIGNED, MFP_PARTIAL, "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "another-number-on-record-is-partial", LIVE RECORD DEVICES (SHOWN (0, 6, 0) HELD (1)), 2,
    MFP_PARTIAL, "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "on-record-as-shown-and-wanted-as-leftover-is-partial",
    LIVE RECORD DEVICES (SHOWN (0, 6, 0) HELD (1)), MFP_UNASSIGNED, MFP_PARTIAL,
    "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "both-as-function-0-is-partial", LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 7, 0)), 1,
    MFP_PARTIAL, "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "the-right-function-in-another-slot-is-partial",
    LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 7, 1)), 1, MFP_PARTIAL,
    "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  /* Nothing is queued for a guest that does not run: what the persistent XML
   * holds unassigned is a leftover. */
  { "a-leftover-of-the-config-is-not-shown-at-its-start",
    CONFIG DEVICES (SHOWN (0, 6, 0) HELD (1)), 1, MFP_PARTIAL,
    "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
};

static void
test_presence (gconstpointer data)
{
  const Presence *row = data;
  g_autoptr (MfpGuest) guest = test_guest (row->xml);
  g_autoptr (MfpCard) card = mfp_card_new ();
  g_autofree char *difference = NULL, *slot_text = NULL;
  MfpPciAddress slot = { 0 };

  add (card, "0000:01:00.0", 0);
  add (card, "0000:01:00.1", row->second);
  g_assert_cmpint (mfp_card_presence (card, guest, &slot, &difference), ==, row->expected);
  slot_text = mfp_pci_address_format (&slot);
  g_assert_cmpstr (slot_text, ==,
                   row->expected == MFP_PRESENT ? "0000:06:00.0" : "0000:00:00.0");
  if (row->difference)
    assert_contains (difference, row->difference);
  else
    g_assert_null (difference);
}

/* What q35-card.xml has, and what no guest has. */
static void
test_holders (void)
{
  g_autoptr (GPtrArray) busy = test_host_list (), idle = test_host_list ();
  g_autoptr (GPtrArray) guests
      = g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_guest_free);
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (idle, test_host_function ("0000:81:00.4", "vfio-pci", 5, "0000:81:00.4"));
  g_ptr_array_add (busy, test_host_function ("0000:81:00.4", "vfio-pci", 5, "0000:81:00.4"));
  g_ptr_array_add (busy, test_host_function ("0000:81:00.3", "vfio-pci", 6, "0000:81:00.3"));
  g_ptr_array_add (guests, test_load_guest ("pc.xml"));
  g_ptr_array_add (guests, test_load_guest ("q35-card.xml"));
  g_ptr_array_add (guests, test_load_guest ("aarch64-virt.xml"));
  g_assert_true (mfp_preflight_holders (idle, guests, &error));
  g_assert_no_error (error);
  g_assert_false (mfp_preflight_holders (busy, guests, &error));
  assert_error (error, MFP_ERROR_REFUSED,
                "host function 0000:81:00.3 is attached to domain 'q35-card'; detach it there "
                "first");
}

static void
test_concerns (void)
{
  g_autoptr (MfpCard) card = mfp_card_new ();
  g_autoptr (MfpHostFunction) own
      = test_host_function ("0000:01:00.0", "vfio-pci", 5, "0000:01:00.0");
  g_autoptr (MfpHostFunction) member = test_host_function ("0000:01:00.1", "vfio-pci", 5, CARD_GROUP);
  g_autoptr (MfpHostFunction) other
      = test_host_function ("0000:01:00.2", "vfio-pci", 6, "0000:01:00.2");

  add (card, "0000:01:00.0", 0);
  g_assert_true (mfp_preflight_concerns (card, own));
  g_assert_true (mfp_preflight_concerns (card, member));
  g_assert_false (mfp_preflight_concerns (card, other));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/preflight/host/takes-from-host-drivers-and-leaves-vfio-alone", test_takes);
  g_test_add_func ("/preflight/host/takes-an-unbound-function", test_takes_unbound);
  g_test_add_func ("/preflight/host/config-takes-nothing", test_config_takes_nothing);
  g_test_add_func ("/preflight/host/refuses-unmanaged-on-a-host-driver",
                   test_unmanaged_on_driver);
  g_test_add_func ("/preflight/host/refuses-unmanaged-without-driver", test_unmanaged_unbound);
  g_test_add_func ("/preflight/host/accepts-unmanaged-on-vfio", test_unmanaged_on_vfio);
  g_test_add_func ("/preflight/host/refuses-an-absent-function", test_absent);
  g_test_add_func ("/preflight/host/refuses-a-bridge", test_bridge);
  g_test_add_func ("/preflight/host/refuses-a-function-without-iommu-group", test_no_group);
  g_test_add_func ("/preflight/group/refuses-a-sibling-on-a-host-driver", test_rest_in_the_way);
  g_test_add_func ("/preflight/group/refuses-function-0-on-a-host-driver",
                   test_first_in_the_way);
  g_test_add_func ("/preflight/group/accepts-siblings-that-do-no-dma", test_rest_not_in_the_way);
  g_test_add_func ("/preflight/group/ignores-siblings-in-another-group",
                   test_rest_in_another_group);
  g_test_add_func ("/preflight/group/accepts-a-sibling-that-is-held-too", test_rest_held);
  g_test_add_func ("/preflight/group/names-the-strangers-and-no-bridge", test_strangers);
  g_test_add_func ("/preflight/holders/refuses-what-another-guest-has", test_holders);
  g_test_add_func ("/preflight/concerns/own-functions-and-group-members", test_concerns);
  g_test_add_func ("/preflight/guest/by-type-and-architecture", test_guest_kinds);
  FOR_EACH (i, presences)
    test_add_row ("/preflight/presence/", presences[i].name, &presences[i], test_presence);
  return g_test_run ();
}
