/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's PCI functions, which are node devices of libvirt's: reading them, detaching
 * them from their host drivers and reattaching them; and what the host uses them for.
 */
#pragma once

#include "libvirt/connection.h"
#include "model/host-device.h"
#include "model/host-use.h"

/* A PCI function of the host, as libvirt knows it. */
typedef struct _MfpNodeDevice MfpNodeDevice;

/* Several calls about one function look it up once. Asks libvirt nothing. */
MfpNodeDevice *mfp_node_device_new (const MfpPciAddress *address);
void mfp_node_device_unref (MfpNodeDevice *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpNodeDevice, mfp_node_device_unref)

/* The function as it is now; the caller owns it. MFP_ERROR_NOT_FOUND. */
MfpHostFunction *mfp_node_device_read (MfpLibvirt *libvirt, MfpNodeDevice *node, GError **error);

/* The same for a single look. */
MfpHostFunction *mfp_node_device_read_at (MfpLibvirt *libvirt, const MfpPciAddress *address,
                                          GError **error);

/* Detaches the function from its host driver and binds it to VFIO. MFP_ERROR_NOT_FOUND. */
gboolean mfp_node_device_detach (MfpLibvirt *libvirt, MfpNodeDevice *node, GError **error);

/* Reattaches the function to the driver that the kernel chooses. MFP_ERROR_NOT_FOUND. */
gboolean mfp_node_device_reattach (MfpLibvirt *libvirt, MfpNodeDevice *node, GError **error);

/* Those of @addresses (element-type MfpPciAddress) that exist, as they are now, in that
 * order: (element-type MfpHostFunction); the caller owns it. */
GPtrArray *mfp_node_devices_read (MfpLibvirt *libvirt, const GArray *addresses, GError **error);

/* Every function of the devices that @hosts (element-type MfpPciAddress) are functions of,
 * in the order of their addresses: (element-type MfpHostFunction); the caller owns it. */
GPtrArray *mfp_node_devices_read_slots (MfpLibvirt *libvirt, const GArray *hosts, GError **error);

/* The members of the IOMMU groups of @functions (element-type MfpHostFunction) that are not
 * among @functions: (element-type MfpHostFunction); the caller owns it. */
GPtrArray *mfp_node_devices_read_groups (MfpLibvirt *libvirt, const GPtrArray *functions,
                                         GError **error);

/* Every PCI function of the host, in no order: (element-type MfpHostFunction); the caller
 * owns it. One that vanishes meanwhile is left out. Errors: MFP_ERROR_REFUSED. */
GPtrArray *mfp_node_devices_read_all (MfpLibvirt *libvirt, GError **error);

/* Which kinds of uses to look for: a host can have many of each. */
typedef enum
{
  MFP_USE_NETWORK = 1 << 0,
  MFP_USE_DISK = 1 << 1,
  MFP_USE_DISPLAY = 1 << 2,
} MfpUseKinds;

/* What the host uses @functions (element-type MfpPciAddress) for: (element-type MfpHostUse),
 * each with its function's name as its parent; the caller owns it. What vanishes meanwhile
 * is left out. */
GPtrArray *mfp_node_devices_find_uses (MfpLibvirt *libvirt, const GArray *functions,
                                       MfpUseKinds kinds, GError **error);
