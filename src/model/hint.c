/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/hint.h"

#include <glib.h>
#include <string.h>

#define HINT_USER                                                                               \
  "As a rule only root and the members of the group libvirt may change domains. virt-mfplug "    \
  "list and attach --dry-run only read."

const char *
mfp_hint (const char *message)
{
  static const struct
  {
    const char *part;
    const char *hint;
  } known[] = {
    /* qemuHostdevPreparePCIDevicesCheckSupport(): no IOMMU group, or no /dev/vfio/vfio */
    { "host doesn't support VFIO PCI passthrough",
      "The host has no IOMMU, or no VFIO: " MFP_HINT_IOMMU ", and load the module vfio-pci "
      "(modprobe vfio-pci)." },
    /* virPCIProbeStubDriver(), later virPCIProbeDriver() */
    { "module vfio",
      "The host's kernel has no module vfio-pci, or does not let it be loaded: modprobe vfio-pci "
      "says why." },
    /* vfio_get_group() in hw/vfio/common.c */
    { "is not viable",
      "Another device in the card's IOMMU group now has a host driver: virt-mfplug list "
      "shows the group." },
    /* virNetSocketNewConnectUNIX(): the socket is not for this user */
    { "-sock': Permission denied", HINT_USER },
    /* virPolkitCheckAuth(), and what it says where there is no D-Bus */
    { "polkit", HINT_USER },
  };

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (strstr (message, known[i].part))
      return known[i].hint;
  return NULL;
}
