/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Functions of host PCI devices, as libvirt's node devices describe them.
 */
#pragma once

#include "model/pci-address.h"

#define MFP_NO_IOMMU_GROUP (-1)

/**
 * MfpHostFunction:
 * @driver: (nullable): the host driver it is bound to; NULL: none
 * @vendor, @product: (nullable): names, as libvirt knows them
 * @class_code: base class, subclass and interface: 24 bits
 * @is_bridge: a PCI or CardBus bridge, which no guest can be given
 * @iommu_group: its number, or %MFP_NO_IOMMU_GROUP
 * @group: (element-type MfpPciAddress): every function of the IOMMU group,
 *   itself included
 * @is_virtual: a virtual function of an SR-IOV card (VF)
 * @virtual_functions: (element-type MfpPciAddress): those that this physical
 *   function (PF) has now
 */
typedef struct
{
  MfpPciAddress address;
  char *driver;
  char *vendor;
  char *product;
  guint class_code;
  gboolean is_bridge;
  int iommu_group;
  GArray *group;
  gboolean is_virtual;
  GArray *virtual_functions;
} MfpHostFunction;

/**
 * mfp_host_function_parse:
 * @xml: a node device document
 *
 * Returns: the caller frees; NULL on error (MFP_ERROR_FAILED: it is not a
 * PCI node device).
 */
MfpHostFunction *mfp_host_function_parse (const char *xml, GError **error);
void mfp_host_function_free (MfpHostFunction *function);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpHostFunction, mfp_host_function_free)

/**
 * mfp_driver_is_vfio:
 * @driver: (nullable): a host driver's name
 *
 * Whether it hands its device to user space: vfio-pci, or a variant of it
 * such as mlx5_vfio_pci.
 */
gboolean mfp_driver_is_vfio (const char *driver);

/* Whether its IOMMU group has one of @addresses (element-type MfpPciAddress). */
gboolean mfp_host_function_shares_group (const MfpHostFunction *function, const GArray *addresses);

/**
 * mfp_host_function_allows_group:
 *
 * Whether the kernel lets a guest own the rest of the IOMMU group while
 * this function stays as it is: it is a bridge, has no driver, or one that
 * does no DMA of its own (the rule of vfio_dev_driver_allowed() in
 * drivers/vfio/ and of driver_managed_dma drivers).
 */
gboolean mfp_host_function_allows_group (const MfpHostFunction *function);

/* The one of @functions (element-type MfpHostFunction) at @address, or NULL. */
const MfpHostFunction *mfp_host_function_find (const GPtrArray *functions,
                                               const MfpPciAddress *address);

/* The members of the IOMMU groups of @functions (element-type MfpHostFunction) that are not
 * among @functions: (element-type MfpPciAddress), in order; the caller owns it. */
GArray *mfp_host_functions_list_group_others (const GPtrArray *functions);
