/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands between virt-mfplug and libvirt (LD_PRELOAD) and says that libvirt's test driver is
 * the QEMU driver, so that a run begins there and fails at the first call that the test driver
 * does not have.
 */
#include <libvirt/libvirt.h>
#include <string.h>

char *
virConnectGetURI (virConnectPtr connection)
{
  (void) connection;
  return strdup ("qemu:///system");
}
