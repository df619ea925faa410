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

/* Only mfp_card_adopt_drivers() copies the drivers of the host to the card. */
static void
test_changes_nothing (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "vfio-pci"), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card (BOTH);
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_preflight_host (card, host, others, MFP_LIVE, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_null (test_function (card, i)->driver);
      g_assert_false (test_function (card, i)->take);
    }
}

static void
test_unmanaged_config (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", NULL), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card (BOTH);
  g_autoptr (GError) error = NULL;

  test_function (card, 0)->managed = FALSE;
  test_function (card, 1)->managed = FALSE;
  g_assert_true (mfp_preflight_host (card, host, others, MFP_CONFIG, &error));
  g_assert_no_error (error);
}

static void
refuse_unmanaged (const char *driver, const char *message)
{
  g_autoptr (GPtrArray) host = host_of ("vfio-pci", driver), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card (BOTH);
  g_autoptr (GError) error = NULL;

  test_function (card, 0)->managed = FALSE;
  test_function (card, 1)->managed = FALSE;
  g_assert_false (mfp_preflight_host (card, host, others, MFP_LIVE, &error));
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
  g_autoptr (MfpCard) card = test_card (BOTH);

  test_function (card, 0)->managed = FALSE;
  test_function (card, 1)->managed = FALSE;
  g_assert_true (mfp_preflight_host (card, host, others, MFP_LIVE, NULL));
}

static void
test_missing (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "e1000e"), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card (BOTH " 0000:01:00.2=2");
  g_autoptr (GError) error = NULL;

  g_assert_false (mfp_preflight_host (card, host, others, MFP_LIVE, &error));
  assert_error (error, MFP_ERROR_REFUSED, "host function 0000:01:00.2 does not exist");
}

static void
test_bridge (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "pcieport"), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card (BOTH);
  g_autoptr (GError) error = NULL;

  ((MfpHostFunction *) g_ptr_array_index (host, 1))->is_bridge = TRUE;
  g_assert_false (mfp_preflight_host (card, host, others, MFP_LIVE, &error));
  assert_error (error, MFP_ERROR_REFUSED, "host function 0000:01:00.1 is a PCI bridge");
}

static void
test_no_group (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "e1000e"), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card (BOTH);
  g_autoptr (GError) error = NULL;

  ((MfpHostFunction *) g_ptr_array_index (host, 0))->iommu_group = MFP_NO_IOMMU_GROUP;
  g_assert_false (mfp_preflight_host (card, host, others, MFP_LIVE, &error));
  assert_error (error, MFP_ERROR_REFUSED, "host function 0000:01:00.0 has no IOMMU group");
  assert_contains (error->message, "intel_iommu=on");
}

/* Checks a card of 01:00.0 alone, while 01:00.1 has @other_driver. */
static gboolean
admit_first_only (const char *other_driver, GError **error)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", other_driver), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card ("0000:01:00.0=0");

  return mfp_preflight_host (card, host, others, MFP_LIVE, error);
}

static void
test_rest_in_the_way (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (admit_first_only ("snd_hda_intel", &error));
  assert_error (error, MFP_ERROR_REFUSED, "0000:01:00.1 (snd_hda_intel); --rest unassigned");
}

/* Here function 0 of the device is in the way. */
static void
test_first_in_the_way (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "e1000e"), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card ("0000:01:00.1=0");
  g_autoptr (GError) error = NULL;

  g_assert_false (mfp_preflight_host (card, host, others, MFP_LIVE, &error));
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
  g_autoptr (MfpCard) card = test_card ("0000:01:00.0=0");
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (host, test_host_function ("0000:01:00.0", "e1000e", 5, "0000:01:00.0"));
  g_ptr_array_add (host, test_host_function ("0000:01:00.1", "e1000e", 6, "0000:01:00.1"));
  g_assert_true (mfp_preflight_host (card, host, others, MFP_LIVE, &error));
  g_assert_no_error (error);
}

static void
test_rest_unassigned (void)
{
  g_autoptr (GPtrArray) host = host_of ("e1000e", "snd_hda_intel"), others = test_host_list ();
  g_autoptr (MfpCard) card = test_card ("0000:01:00.0=0 0000:01:00.1=unassigned");
  g_autoptr (GError) error = NULL;

  g_assert_true (mfp_preflight_host (card, host, others, MFP_LIVE, &error));
  g_assert_no_error (error);
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
  g_test_add_func ("/preflight/host/accepts-an-unmanaged-function-with-a-host-driver-for-config",
                   test_unmanaged_config);
  g_test_add_func ("/preflight/host/refuses-an-unmanaged-function-with-a-host-driver",
                   test_unmanaged_on_driver);
  g_test_add_func ("/preflight/host/refuses-an-unmanaged-function-without-a-driver",
                   test_unmanaged_unbound);
  g_test_add_func ("/preflight/host/accepts-an-unmanaged-function-on-vfio",
                   test_unmanaged_on_vfio);
  g_test_add_func ("/preflight/host/refuses-a-function-that-does-not-exist", test_missing);
  g_test_add_func ("/preflight/host/refuses-a-bridge", test_bridge);
  g_test_add_func ("/preflight/host/refuses-a-function-without-an-iommu-group", test_no_group);
  g_test_add_func ("/preflight/group/refuses-a-sibling-on-a-host-driver", test_rest_in_the_way);
  g_test_add_func ("/preflight/group/refuses-function-0-on-a-host-driver",
                   test_first_in_the_way);
  g_test_add_func ("/preflight/group/accepts-siblings-that-do-no-dma", test_rest_not_in_the_way);
  g_test_add_func ("/preflight/group/ignores-siblings-in-another-group",
                   test_rest_in_another_group);
  g_test_add_func ("/preflight/group/accepts-a-sibling-that-is-attached-as-unassigned",
                   test_rest_unassigned);
  g_test_add_func ("/preflight/group/names-other-devices-with-a-host-driver-but-no-bridges",
                   test_other_devices);
  g_test_add_func ("/preflight/holders/refuses-what-another-guest-has", test_holders);
  g_test_add_func ("/preflight/concerns/matches-own-functions-and-group-members", test_concerns);
  return g_test_run ();
}
