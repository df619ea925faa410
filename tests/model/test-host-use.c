/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "base/error.h"
#include "model/host-use.h"

#define NET(link)                                                                                 \
  "<device><name>net_eth0_52</name><parent>pci_0000_01_00_0</parent><capability type='net'>"      \
  "<interface>eth0</interface><address>52:54:00:00:00:01</address>" link                          \
  "<capability type='80203'/></capability></device>"
#define DISK(type, block)                                                                         \
  "<device><name>block_sda</name><parent>scsi_0_0_0_0</parent><capability type='storage'>" block  \
  "<bus>scsi</bus><drive_type>" type "</drive_type></capability></device>"

#define DRM(type, node)                                                                           \
  "<device><name>drm_card0</name>" node "<parent>pci_0000_01_00_0</parent>"                       \
  "<capability type='drm'><type>" type "</type></capability></device>"
#define CARD0 "<devnode type='dev'>/dev/dri/card0</devnode>"

static void
test_uses (void)
{
  static const struct
  {
    const char *xml, *parent, *text;
  } rows[] = {
    { NET ("<link speed='1000' state='up'/>"), "pci_0000_01_00_0",
      "network interface eth0, which is up" },
    { NET ("<link state='down'/>"), "pci_0000_01_00_0", NULL },
    { NET (""), "pci_0000_01_00_0", NULL },
    { DISK ("disk", "<block>/dev/sda</block>"), "scsi_0_0_0_0", "disk /dev/sda" },
    { DISK ("sd", "<block>/dev/mmcblk0</block>"), "scsi_0_0_0_0", "disk /dev/mmcblk0" },
    { DRM ("primary", CARD0), "pci_0000_01_00_0", "display /dev/dri/card0" },
    { DRM ("render", CARD0), "pci_0000_01_00_0", NULL },
    { DRM ("primary", ""), "pci_0000_01_00_0", NULL },
    { DISK ("cdrom", "<block>/dev/sr0</block>"), "scsi_0_0_0_0", NULL },
    { DISK ("disk", ""), "scsi_0_0_0_0", NULL },
    { "<device><parent>x</parent><capability type='usb'/></device>", "x", NULL },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MfpHostUse) use = mfp_host_use_parse (rows[i].xml, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (use->parent, ==, rows[i].parent);
      g_assert_cmpstr (use->text, ==, rows[i].text);
    }
}

static void
test_no_parent (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mfp_host_use_parse ("<device/>", &error));
  assert_error (error, MFP_ERROR_FAILED, "has no parent");
}

/* The classes of Ethernet and InfiniBand controllers; of SATA, NVMe and USB; and of a GPU. */
static void
test_classes (void)
{
  g_assert_true (mfp_class_has_networks (0x020000));
  g_assert_true (mfp_class_has_networks (0x020700));
  g_assert_false (mfp_class_has_networks (0x010802));
  g_assert_true (mfp_class_has_disks (0x010601));
  g_assert_true (mfp_class_has_disks (0x010802));
  g_assert_true (mfp_class_has_disks (0x0c0330));
  g_assert_false (mfp_class_has_disks (0x020000));
  g_assert_false (mfp_class_has_disks (0x030000));
  g_assert_false (mfp_class_has_networks (0));
  g_assert_true (mfp_class_has_disks (0x080501));
  g_assert_false (mfp_class_has_disks (0x080000));
  g_assert_true (mfp_class_has_displays (0x030200));
  g_assert_false (mfp_class_has_displays (0x040300));
  g_assert_cmpstr (mfp_class_describe_controller (0x030000), ==, "a display controller");
  g_assert_cmpstr (mfp_class_describe_controller (0x010802), ==, "a storage controller");
  g_assert_null (mfp_class_describe_controller (0x0c0330));
}

static void
test_interfaces (void)
{
  static const struct
  {
    const char *name;
    gboolean may;
  } rows[] = {
    { "net_enp1s0f1_52_54_00_12_34_56", TRUE },
    { "net_enp1s0f2_52_54_00_12_34_56", FALSE },
    { "net_enp1s0_52_54_00_12_34_56", TRUE },
    { "net_enp2s0_52_54_00_12_34_56", FALSE },
    { "net_enP1p1s0_52_54_00_12_34_56", FALSE },
    { "net_enp129s3f7np1_52_54_00_12_34_56", TRUE },
    { "net_enp129s3f6np1_52_54_00_12_34_56", FALSE },
    { "net_enp2s0d1_52_54_00_12_34_56", FALSE },
    { "net_wlp2s0_52_54_00_12_34_56", FALSE },
    /* a virtual function has the address of its physical function in its name */
    { "net_enp2s0f0v3_52_54_00_12_34_56", TRUE },
    { "net_enp2s0f0r3_52_54_00_12_34_56", TRUE },
    { "net_enp2s0f0u1_52_54_00_12_34_56", TRUE },
    { "net_ens2f0_52_54_00_12_34_56", TRUE },
    { "net_eno1_52_54_00_12_34_56", TRUE },
    { "net_eth0_52_54_00_12_34_56", TRUE },
    { "net_vnet12_fe_54_00_12_34_56", FALSE },
    { "net_macvtap0_52_54_00_12_34_56", FALSE },
    { "net_virbr0_52_54_00_12_34_56", FALSE },
    { "net_lo_00_00_00_00_00_00", FALSE },
    { "net_vnet_52_54_00_12_34_56", TRUE },
    { "block_sda", TRUE },
  };
  g_autoptr (GArray) functions = test_addresses ("0000:01:00.0 0000:01:00.1 0000:81:03.7");

  FOR_EACH (i, rows)
    {
      g_test_message ("%s", rows[i].name);
      g_assert_cmpint (mfp_interface_may_be_of (rows[i].name, functions), ==, rows[i].may);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/host-use/is-a-disk-a-display-or-a-network-interface-that-is-up", test_uses);
  g_test_add_func ("/host-use/refuses-a-device-without-a-parent", test_no_parent);
  g_test_add_func ("/host-use/an-interface-is-not-of-the-card-if-its-name-says-so",
                   test_interfaces);
  g_test_add_func ("/host-use/the-class-says-which-uses-are-possible", test_classes);
  return g_test_run ();
}
