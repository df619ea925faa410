/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's functions, which are node devices of libvirt's: looked at, taken and given
 * back.
 */
#pragma once

#include "libvirt/connection.h"

/* The function @device as it is now; the caller owns it. MFP_ERROR_NOT_FOUND. */
MfpHostFunction *mfp_libvirt_read_node_device (MfpLibvirt *libvirt, virNodeDevicePtr device,
                                               GError **error);

/* As in ops.h. */
MfpHostFunction *mfp_libvirt_host_function (MfpOps *ops, const MfpPciAddress *address,
                                            GError **error);
GPtrArray *mfp_libvirt_host_functions (MfpOps *ops, const GArray *addresses, GError **error);
gboolean mfp_libvirt_take (MfpOps *ops, const MfpPciAddress *address, GError **error);
gboolean mfp_libvirt_give_back (MfpOps *ops, const MfpPciAddress *address, GError **error);
GPtrArray *mfp_libvirt_bring_home (MfpOps *ops, const GArray *addresses, GArray *held);
void mfp_libvirt_foresee (MfpOps *ops, const GArray *addresses);
