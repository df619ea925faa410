/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "plan/preflight.h"

#define CARD_GROUP "0000:01:00.0 0000:01:00.1"

/* A host with 01:00.0 and 01:00.1, which have these drivers, in group 5. */
static GPtrArray *
host_of (const char *driver0, const char *driver1)
{
  GPtrArray *host = test_host_list ();

  g_ptr_array_add (host, test_host_function ("0000:01:00.0", driver0, 5, CARD_GROUP));
  g_ptr_array_add (host, test_host_function ("0000:01:00.1", driver1, 5, CARD_GROUP));
  return host;
}

#define BOTH "0000:01:00.0=0 0000:01:00.1=1"

/* Asserts that @card is admitted to a change of @form on @host, or refused with @message
 * (nullable). No other device is in its IOMMU group. */
static void
assert_host (const MfpCard *card, const GPtrArray *host, MfpForm form, const char *message)
{
  g_autoptr (GPtrArray) others = test_host_list ();
  g_autoptr (GError) error = NULL;

  assert_admitted (mfp_preflight_host (card, host, others, form, &error), error, message);
}

/* Only mfp_card_adopt_drivers() copies the drivers of the host to the card. */
static void
test_changes_nothing (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "vfio-pci");
  g_autoptr (MfpCard) card = test_card (BOTH);

  assert_host (card, host, MFP_LIVE, NULL);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_null (test_function (card, i)->driver);
      g_assert_false (test_function (card, i)->take);
    }
}

typedef struct
{
  const char *name;
  const char *card;
  const char *driver0, *driver1; /* of 01:00.0 and 01:00.1 */
  gboolean managed;
  MfpForm form;
  const char *message; /* NULL: admitted */
} Row;

static const Row rows[] = {
  { "accepts-unmanaged-functions-with-a-host-driver-for-config", BOTH, "e1000e", NULL, FALSE,
    MFP_CONFIG, NULL },
  { "accepts-unmanaged-functions-on-vfio", BOTH, "vfio-pci", "vfio-pci", FALSE, MFP_LIVE, NULL },
  { "refuses-an-unmanaged-function-with-a-host-driver", BOTH, "vfio-pci", "e1000e", FALSE,
    MFP_LIVE, "host function 0000:01:00.1 is bound to e1000e, and managed='no'" },
  { "refuses-an-unmanaged-function-without-a-driver", BOTH, "vfio-pci", NULL, FALSE, MFP_LIVE,
    "host function 0000:01:00.1 is bound to no driver, and managed='no'" },
  { "refuses-a-function-that-does-not-exist", BOTH " 0000:01:00.2=2", "e1000e", "e1000e", TRUE,
    MFP_LIVE, "host function 0000:01:00.2 does not exist" },
  { "refuses-a-sibling-with-a-host-driver", "0000:01:00.0=0", "e1000e", "snd_hda_intel", TRUE,
    MFP_LIVE, "0000:01:00.1 (snd_hda_intel); --rest unassigned" },
  { "refuses-function-0-as-a-sibling-with-a-host-driver", "0000:01:00.1=0", "e1000e", "e1000e",
    TRUE, MFP_LIVE, "0000:01:00.0 (e1000e); --rest unassigned" },
  { "accepts-a-sibling-without-a-driver", "0000:01:00.0=0", "e1000e", NULL, TRUE, MFP_LIVE, NULL },
  { "accepts-a-sibling-on-vfio", "0000:01:00.0=0", "e1000e", "vfio-pci", TRUE, MFP_LIVE, NULL },
  { "accepts-a-sibling-on-pci-stub", "0000:01:00.0=0", "e1000e", "pci-stub", TRUE, MFP_LIVE, NULL },
  { "accepts-a-sibling-that-is-attached-as-unassigned",
    "0000:01:00.0=0 0000:01:00.1=unassigned", "e1000e", "snd_hda_intel", TRUE, MFP_LIVE, NULL },
};

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GPtrArray) host = host_of (row->driver0, row->driver1);
  g_autoptr (MfpCard) card = test_card (row->card);

  for (guint i = 0; i < card->functions->len; i++)
    test_function (card, i)->managed = row->managed;
  assert_host (card, host, row->form, row->message);
}

static void
test_bridge (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "pcieport");
  g_autoptr (MfpCard) card = test_card (BOTH);

  ((MfpHostFunction *) g_ptr_array_index (host, 1))->is_bridge = TRUE;
  assert_host (card, host, MFP_LIVE, "host function 0000:01:00.1 is a PCI bridge");
}

static void
test_pci_domain (void)
{
  g_autoptr (GPtrArray) host = test_host_list ();
  g_autoptr (MfpCard) card = test_card ("10000:01:00.0=0");

  g_ptr_array_add (host, test_host_function ("10000:01:00.0", "nvme", 5, "10000:01:00.0"));
  assert_host (card, host, MFP_LIVE,
               "host function 10000:01:00.0 is in a PCI domain above ffff, which QEMU's vfio-pci "
               "does not take");
  assert_host (card, host, MFP_CONFIG, NULL);
}

/* 01:00.1 is in the group, and libvirt does not list it. */
static void
test_unlisted_member (void)
{
  g_autoptr (GPtrArray) host = test_host_list ();
  g_autoptr (MfpCard) card = test_card ("0000:01:00.0=0");

  g_ptr_array_add (host, test_host_function ("0000:01:00.0", "e1000e", 5, CARD_GROUP));
  assert_host (card, host, MFP_LIVE,
               "host function 0000:01:00.0 shares its IOMMU group with 0000:01:00.1, for which "
               "libvirt has no node device");
}

static void
test_vf_on_vendor_driver (void)
{
  g_autoptr (GPtrArray) host = host_of ("nvidia", NULL);
  g_autoptr (MfpCard) card = test_card ("0000:01:00.0=0");
  g_autoptr (MfpCard) without_driver = test_card ("0000:01:00.1=0");

  for (guint i = 0; i < 2; i++)
    ((MfpHostFunction *) g_ptr_array_index (host, i))->is_virtual = TRUE;
  test_function (card, 0)->managed = FALSE;
  test_function (without_driver, 0)->managed = FALSE;
  assert_host (card, host, MFP_LIVE, NULL);
  assert_host (without_driver, host, MFP_LIVE, "host function 0000:01:00.1 is bound to no driver");
}

static void
test_no_group (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "e1000e");
  g_autoptr (MfpCard) card = test_card (BOTH);

  ((MfpHostFunction *) g_ptr_array_index (host, 0))->iommu_group = MFP_NO_IOMMU_GROUP;
  assert_host (card, host, MFP_LIVE, "host function 0000:01:00.0 has no IOMMU group");
  assert_host (card, host, MFP_LIVE, "intel_iommu=on");
}

static void
test_sibling_in_another_group (void)
{
  g_autoptr (GPtrArray) host = test_host_list ();
  g_autoptr (MfpCard) card = test_card ("0000:01:00.0=0");

  g_ptr_array_add (host, test_host_function ("0000:01:00.0", "e1000e", 5, "0000:01:00.0"));
  g_ptr_array_add (host, test_host_function ("0000:01:00.1", "e1000e", 6, "0000:01:00.1"));
  assert_host (card, host, MFP_LIVE, NULL);
}

static void
test_other_devices (void)
{
  static const char group[] = CARD_GROUP " 0000:00:1c.0 0000:02:00.0 0000:03:00.0";
  g_autoptr (GPtrArray) host = test_host_list (), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card (BOTH);
  g_autoptr (GError) error = NULL;
  MfpHostFunction *port = test_host_function ("0000:00:1c.0", "pcieport", 5, group);

  port->is_bridge = TRUE;
  g_ptr_array_add (host, test_host_function ("0000:01:00.0", "e1000e", 5, group));
  g_ptr_array_add (host, test_host_function ("0000:01:00.1", "e1000e", 5, group));
  g_ptr_array_add (others, port);
  g_ptr_array_add (others, test_host_function ("0000:02:00.0", "nvme", 5, group));
  g_ptr_array_add (others, test_host_function ("0000:03:00.0", "xhci_hcd", 5, group));
  g_assert_false (mfp_preflight_host (card, host, others, MFP_LIVE, &error));
  assert_error (error, MFP_ERROR_REFUSED,
                "other devices that have a host driver: 0000:02:00.0 (nvme), 0000:03:00.0 "
                "(xhci_hcd);");
  assert_lacks (error->message, "0000:00:1c.0");
}

/* q35-card.xml has 81:00.3, and no guest has 81:00.4. */
static void
test_holders (void)
{
  g_autoptr (GPtrArray) busy = test_host_list (), idle = test_host_list ();
  g_autoptr (GPtrArray) guests = test_guest_list ();
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

/* 81:00.0 is a physical function with the virtual functions 81:10.0, which an unknown driver has,
 * 81:00.3, which domain 'q35-card' has, and 81:10.2, whose interface is up. */
static void
test_physical (void)
{
  g_autoptr (GPtrArray) host = test_host_list (), virtual_functions = test_host_list ();
  g_autoptr (GPtrArray) guests = test_guest_list (), uses = g_ptr_array_new ();
  g_autoptr (MfpCard) card = test_card ("0000:81:00.0=0");
  g_autoptr (GArray) listed = NULL;
  g_autoptr (GError) error = NULL;
  MfpHostFunction *physical = test_host_function ("0000:81:00.0", "igb", 5, "0000:81:00.0");
  MfpHostUse use = { .parent = (char *) "pci_0000_81_10_2", .text = (char *) "network interface e1" };

  g_array_unref (physical->virtual_functions);
  physical->virtual_functions = test_addresses ("0000:81:10.0 0000:81:00.3 0000:81:10.2");
  g_ptr_array_add (host, physical);
  g_ptr_array_add (virtual_functions, test_host_function ("0000:81:10.0", NULL, 6, ""));
  g_ptr_array_add (virtual_functions, test_host_function ("0000:81:00.3", "vfio-pci", 7, ""));
  g_ptr_array_add (virtual_functions, test_host_function ("0000:81:10.2", "igbvf", 8, ""));
  g_ptr_array_add (guests, test_load_guest ("pc.xml"));
  g_ptr_array_add (guests, test_load_guest ("q35-card.xml"));
  g_ptr_array_add (uses, &use);
  listed = mfp_preflight_list_virtual (card, host);
  g_assert_cmpuint (listed->len, ==, 3);
  g_assert_false (
      mfp_preflight_physical (card, host, virtual_functions, guests, uses, &error));
  assert_error (error, MFP_ERROR_REFUSED,
                "host function 0000:81:00.0 has virtual functions, which would vanish with it: "
                "0000:81:10.0 (no driver), 0000:81:00.3 (vfio-pci, domain 'q35-card'), "
                "0000:81:10.2 (igbvf, network interface e1); ");
  assert_error (error, MFP_ERROR_REFUSED, "echo 0 > /sys/bus/pci/devices/0000:81:00.0/sriov_numvfs");
}

static void
test_no_virtual_functions (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "e1000e"), none = g_ptr_array_new ();
  g_autoptr (MfpCard) card = test_card (BOTH);
  g_autoptr (GArray) listed = mfp_preflight_list_virtual (card, host);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (listed->len, ==, 0);
  g_assert_true (mfp_preflight_physical (card, host, none, none, none, &error));
  g_assert_no_error (error);
}

static void
test_concerns (void)
{
  g_autoptr (MfpCard) card = test_card ("0000:01:00.0=0");
  g_autoptr (MfpHostFunction) own
      = test_host_function ("0000:01:00.0", "vfio-pci", 5, "0000:01:00.0");
  g_autoptr (MfpHostFunction) member
      = test_host_function ("0000:01:00.1", "vfio-pci", 5, CARD_GROUP);
  g_autoptr (MfpHostFunction) other
      = test_host_function ("0000:01:00.2", "vfio-pci", 6, "0000:01:00.2");

  g_assert_true (mfp_preflight_concerns (card, own));
  g_assert_true (mfp_preflight_concerns (card, member));
  g_assert_false (mfp_preflight_concerns (card, other));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/preflight/host/leaves-the-card-as-it-is", test_changes_nothing);
  FOR_EACH (i, rows)
    test_add_row ("/preflight/host/", rows[i].name, &rows[i], test_row);
  g_test_add_func ("/preflight/host/refuses-a-bridge", test_bridge);
  g_test_add_func ("/preflight/host/refuses-a-function-without-an-iommu-group", test_no_group);
  g_test_add_func ("/preflight/host/refuses-a-pci-domain-that-qemu-does-not-take", test_pci_domain);
  g_test_add_func ("/preflight/host/accepts-an-unmanaged-vf-on-a-vendor-driver",
                   test_vf_on_vendor_driver);
  g_test_add_func ("/preflight/group/refuses-a-member-that-libvirt-does-not-list",
                   test_unlisted_member);
  g_test_add_func ("/preflight/group/ignores-siblings-in-another-group",
                   test_sibling_in_another_group);
  g_test_add_func ("/preflight/group/names-other-devices-with-a-host-driver-but-no-bridges",
                   test_other_devices);
  g_test_add_func ("/preflight/holders/refuses-what-another-guest-has", test_holders);
  g_test_add_func ("/preflight/physical/refuses-a-function-with-virtual-functions-and-tells-who-has-"
                   "them",
                   test_physical);
  g_test_add_func ("/preflight/physical/accepts-a-card-without-virtual-functions",
                   test_no_virtual_functions);
  g_test_add_func ("/preflight/concerns/matches-own-functions-and-group-members", test_concerns);
  return g_test_run ();
}
