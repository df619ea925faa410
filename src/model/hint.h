/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What to do about errors of the host that libvirt and QEMU only name.
 */
#pragma once

#define MFP_HINT_IOMMU                                                                          \
  "switch the IOMMU on in the firmware's setup and on the kernel's command line "                 \
  "(intel_iommu=on; amd_iommu is on by default)"

/* A sentence for a message of libvirt's or QEMU's, or NULL: nothing is known
 * about it. Libvirt's it knows in English only. */
const char *mfp_hint (const char *message);
