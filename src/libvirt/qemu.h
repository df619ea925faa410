/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands and questions to the chosen domain's QEMU, in the words of model/qmp.h. libvirt
 * passes them on. Errors: as in domain.h.
 */
#pragma once

#include "libvirt/connection.h"
#include "model/qmp.h"

/* Passes a command to QEMU and checks its answer; errors as mfp_qmp_check() has them. */
gboolean mfp_qemu_tell (MfpLibvirt *libvirt, const char *command, GError **error);

/* The ids of the devices that QEMU has, as a set; the caller owns it. */
GHashTable *mfp_qemu_list_devices (MfpLibvirt *libvirt, GError **error);

/* Its PCI devices with ids: (element-type MfpQemuDevice); the caller owns it. A device
 * behind a bus that the guest has not numbered yet is missing here. */
GPtrArray *mfp_qemu_query_pci (MfpLibvirt *libvirt, GError **error);

/* QEMU's version, as %MFP_QEMU_VERSION makes it; 0 on error. */
guint mfp_qemu_query_version (MfpLibvirt *libvirt, GError **error);
