/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "model/hint.h"

/* Messages of libvirt 9.0 and QEMU 7.2, and of libvirt 10. */
static void
test_known (void)
{
  static const struct
  {
    const char *message, *part;
  } rows[] = {
    { "unsupported configuration: host doesn't support VFIO PCI passthrough", "intel_iommu=on" },
    { "unsupported configuration: host doesn't support VFIO PCI passthrough", "vfio-pci" },
    { "internal error: Failed to load PCI stub module vfio-pci: administratively prohibited",
      "modprobe vfio-pci" },
    { "internal error: Failed to load PCI driver module vfio_pci", "modprobe vfio-pci" },
    { "internal error: unable to execute QEMU command 'device_add': vfio 0000:01:00.0: group 12 "
      "is not viable",
      "virt-mfplug list" },
    { "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied",
      "group libvirt" },
    { "authentication unavailable: no polkit agent available to authenticate action "
      "'org.libvirt.unix.manage'",
      "group libvirt" },
  };

  FOR_EACH (i, rows)
    {
      g_assert_nonnull (mfp_hint (rows[i].message));
      assert_contains (mfp_hint (rows[i].message), rows[i].part);
    }
}

static void
test_unknown (void)
{
  static const char *const messages[] = { "", "device not found", "vfio-pci", "viable" };

  FOR_EACH (i, messages)
    g_assert_null (mfp_hint (messages[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/hint/says-what-to-do-about-a-known-message", test_known);
  g_test_add_func ("/hint/there-is-none-for-another-message", test_unknown);
  return g_test_run ();
}
