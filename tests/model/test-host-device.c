/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"

static MfpHostFunction *
load (const char *name)
{
  g_autofree char *xml = test_load ("host", name);
  g_autoptr (GError) error = NULL;
  MfpHostFunction *function = mfp_host_function_parse (xml, &error);

  g_assert_no_error (error);
  g_assert_nonnull (function);
  return function;
}

static char *
describe_addresses (const GArray *addresses)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < addresses->len; i++)
    {
      g_autofree char *address
          = mfp_pci_address_format (&g_array_index (addresses, MfpPciAddress, i));

      g_string_append_printf (text, "%s%s", i ? " " : "", address);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static char *
describe_group (const MfpHostFunction *function)
{
  return describe_addresses (function->group);
}

static void
test_nic (void)
{
  g_autoptr (MfpHostFunction) function = load ("nic-function-2.xml");
  g_autofree char *address = mfp_pci_address_format (&function->address);
  g_autofree char *group = describe_group (function);

  g_assert_cmpstr (address, ==, "0000:81:00.2");
  g_assert_cmpstr (function->driver, ==, "igb");
  g_assert_cmpstr (function->vendor, ==, "Intel Corporation");
  g_assert_cmpstr (function->product, ==, "I350 Gigabit Network Connection");
  g_assert_cmphex (function->class_code, ==, 0x020000);
  g_assert_false (function->is_bridge);
  g_assert_cmpint (function->iommu_group, ==, 27);
  g_assert_cmpstr (group, ==, "0000:81:00.0 0000:81:00.1 0000:81:00.2 0000:81:00.3");
}

static void
test_long_domain (void)
{
  g_autoptr (MfpHostFunction) function = load ("gpu-audio-vfio.xml");
  g_autofree char *address = mfp_pci_address_format (&function->address);
  g_autofree char *group = describe_group (function);

  g_assert_cmpstr (address, ==, "10000:e1:1f.1");
  g_assert_cmpstr (function->driver, ==, "vfio-pci");
  g_assert_cmpstr (function->product, ==, "");
  g_assert_cmpint (function->iommu_group, ==, 0); /* 0 is a group like any other */
  g_assert_cmpstr (group, ==, "10000:e1:1f.0 10000:e1:1f.1");
}

static void
test_bridge (void)
{
  g_autoptr (MfpHostFunction) function = load ("root-port.xml");

  g_assert_true (function->is_bridge);
  g_assert_cmphex (function->class_code, ==, 0x060400);
  g_assert_cmpstr (function->driver, ==, "pcieport");
}

static void
test_cardbus (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpHostFunction) function = mfp_host_function_parse (
      "<device><name>pci_0000_02_00_0</name><capability type='pci'><class>0x060700</class>"
      "<capability type='cardbus-bridge'/></capability></device>",
      &error);

  g_assert_no_error (error);
  g_assert_true (function->is_bridge);
}

static void
test_bare (void)
{
  g_autoptr (MfpHostFunction) function = load ("no-driver-no-group.xml");

  g_assert_null (function->driver);
  g_assert_cmpint (function->iommu_group, ==, MFP_NO_IOMMU_GROUP);
  g_assert_cmpuint (function->group->len, ==, 0);
  g_assert_false (function->is_bridge);
}

/* The XML of a VF has the address of its PF, which is not in the IOMMU group of the VF. */
static void
test_vf (void)
{
  g_autoptr (MfpHostFunction) function = load ("vf.xml");
  g_autofree char *address = mfp_pci_address_format (&function->address);
  g_autofree char *group = describe_group (function);

  g_assert_cmpstr (address, ==, "0000:81:10.5");
  g_assert_cmpstr (group, ==, "0000:81:10.5");
  g_assert_true (function->is_virtual);
  g_assert_cmpuint (function->virtual_functions->len, ==, 0);
}

static void
test_pf (void)
{
  g_autoptr (MfpHostFunction) function = load ("pf.xml");
  g_autofree char *text = describe_addresses (function->virtual_functions);

  g_assert_false (function->is_virtual);
  g_assert_cmpstr (text, ==, "0000:81:10.1 0000:81:10.5");
}

static void
test_net (void)
{
  g_autofree char *xml = test_load ("host", "net.xml");
  g_autoptr (GError) error = NULL;

  g_assert_null (mfp_host_function_parse (xml, &error));
  assert_error (error, MFP_ERROR_FAILED,
                "node device 'net_enp129s0f2_a0_36_9f_12_34_56' is not a PCI device");
}

typedef struct
{
  const char *name;
  const char *xml;
  MfpError code;
  const char *message;
} Row;

static const Row bad[] = {
  { "a-device-without-a-name", "<device><capability type='pci'/></device>", MFP_ERROR_FAILED,
    "node device '?' is not a PCI device" },
  { "a-device-without-a-capability", "<device><name>pci_0000_01_00_0</name></device>",
    MFP_ERROR_FAILED, "node device 'pci_0000_01_00_0' is not a PCI device" },
  { "a-name-without-an-address", "<device><name>computer</name><capability type='pci'/></device>",
    MFP_ERROR_FAILED, "node device 'computer' is not a PCI device" },
  { "broken-xml", "<device>\n<name>", MFP_ERROR_REFUSED,
    "node device:2: not well-formed XML" },
};

static void
test_bad (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GError) error = NULL;

  g_assert_null (mfp_host_function_parse (row->xml, &error));
  assert_error (error, (int) row->code, row->message);
}

static void
test_sparse (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpHostFunction) function = mfp_host_function_parse (
      "<device><name>pci_0000_01_00_0</name><capability type='pci'/></device>", &error);

  g_assert_no_error (error);
  g_assert_cmphex (function->class_code, ==, 0);
  g_assert_null (function->vendor);
  g_assert_null (function->product);
  mfp_host_function_free (NULL);
}

static void
test_class_of_too_many_bits (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpHostFunction) function = mfp_host_function_parse (
      "<device><name>pci_0000_01_00_0</name><capability type='pci'><class>0x1000000</class>"
      "</capability></device>",
      &error);

  g_assert_no_error (error);
  g_assert_cmphex (function->class_code, ==, 0);
}

static void
test_is_vfio (void)
{
  static const struct
  {
    const char *driver;
    gboolean is_vfio;
  } rows[] = {
    { "vfio-pci", TRUE },
    { "vfio_pci", TRUE },
    { "mlx5_vfio_pci", TRUE },
    { "hisi_acc_vfio_pci", TRUE },
    { "nvgrace_gpu_vfio_pci", TRUE },
    { "vfio-pci-core", TRUE },
    { "e1000e", FALSE },
    { "pci-stub", FALSE },
    { "vfio", FALSE },
    { "vfio-platform", FALSE },
    { "vfio-pcix", FALSE },
    { "xvfio-pci", FALSE },
    { "", FALSE },
    { NULL, FALSE },
  };

  FOR_EACH (i, rows)
    {
      g_test_message ("%s", rows[i].driver ? rows[i].driver : "(none)");
      g_assert_cmpint (mfp_driver_is_vfio (rows[i].driver), ==, rows[i].is_vfio);
    }
}

static void
test_shares_group (void)
{
  static const struct
  {
    const char *address;
    gboolean shares;
  } rows[] = {
    { "", FALSE },
    { "0000:02:00.0", FALSE },
    { "0000:01:00.1", TRUE },
    { "0000:01:00.0", TRUE },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (MfpHostFunction) function
          = test_host_function ("0000:01:00.0", "vfio-pci", 1, "0000:01:00.0 0000:01:00.1");
      g_autoptr (GArray) addresses = test_addresses (rows[i].address);

      g_assert_cmpint (mfp_host_function_shares_group (function, addresses), ==, rows[i].shares);
    }
}

static void
test_allows_group (void)
{
  static const struct
  {
    const char *driver;
    gboolean is_bridge;
    gboolean allows;
  } rows[] = {
    { NULL, FALSE, TRUE },          { "pci-stub", FALSE, TRUE }, { "pcieport", FALSE, TRUE },
    { "vfio-pci", FALSE, TRUE },    { "e1000e", FALSE, FALSE },  { "pci-stub2", FALSE, FALSE },
    { "shpchp-like", TRUE, TRUE },  { "", FALSE, FALSE },        { "mlx5_vfio_pci", FALSE, TRUE },
  };

  FOR_EACH (i, rows)
    {
      MfpHostFunction function = { .driver = (char *) rows[i].driver,
                                   .is_bridge = rows[i].is_bridge };

      g_test_message ("%s", rows[i].driver ? rows[i].driver : "(none)");
      g_assert_cmpint (mfp_host_function_allows_group (&function), ==, rows[i].allows);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/host-device/parse/reads-a-nic", test_nic);
  g_test_add_func ("/host-device/parse/reads-a-domain-of-five-digits-and-group-0",
                   test_long_domain);
  g_test_add_func ("/host-device/parse/recognizes-a-bridge", test_bridge);
  g_test_add_func ("/host-device/parse/recognizes-a-cardbus-bridge", test_cardbus);
  g_test_add_func ("/host-device/parse/accepts-a-device-without-driver-and-group", test_bare);
  g_test_add_func ("/host-device/parse/keeps-a-vf-apart-from-its-pf", test_vf);
  g_test_add_func ("/host-device/parse/reads-the-virtual-functions-of-a-pf", test_pf);
  g_test_add_func ("/host-device/parse/refuses-another-kind-of-device", test_net);
  FOR_EACH (i, bad)
    test_add_row ("/host-device/parse/refuses-", bad[i].name, &bad[i], test_bad);
  g_test_add_func ("/host-device/parse/needs-only-name-and-capability", test_sparse);
  g_test_add_func ("/host-device/parse/drops-a-class-of-too-many-bits",
                   test_class_of_too_many_bits);
  g_test_add_func ("/host-device/driver-is-vfio/knows-the-variants", test_is_vfio);
  g_test_add_func ("/host-device/allows-group/agrees-with-the-kernel", test_allows_group);
  g_test_add_func ("/host-device/shares-group/only-with-its-members", test_shares_group);
  return g_test_run ();
}
