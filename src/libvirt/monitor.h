/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions to QEMU, by the operations of ops.h and the words of qmp.h.
 */
#pragma once

#include "libvirt/ops.h"
#include "model/qmp.h"

/* Passes a command to QEMU and checks its answer, which is dropped; errors as
 * mfp_qmp_check() has them. */
gboolean mfp_monitor_tell (MfpOps *ops, const char *command, GError **error);

/* The ids of the devices that QEMU has, as a set; the caller owns it. */
GHashTable *mfp_monitor_list_devices (MfpOps *ops, GError **error);

/* Its PCI devices with ids: (element-type MfpQemuDevice); the caller owns it. */
GPtrArray *mfp_monitor_query_pci (MfpOps *ops, GError **error);

/* QEMU's version, as %MFP_QEMU_VERSION makes it; 0 on error. */
guint mfp_monitor_query_version (MfpOps *ops, GError **error);
