/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks at the host's side of a card: the functions of the devices that it is
 * made of, and whatever shares their IOMMU groups. Asked of libvirt function
 * by function; the rest of the host is not read.
 */
#pragma once

#include "libvirt/ops.h"

/**
 * mfp_survey_devices:
 * @hosts: (element-type MfpPciAddress): functions of the devices of interest
 *
 * Returns: (element-type MfpHostFunction): every function of those devices,
 * in order; the caller owns it. NULL on error.
 */
GPtrArray *mfp_survey_devices (MfpOps *ops, const GArray *hosts, GError **error);

/**
 * mfp_survey_groups:
 * @functions: (element-type MfpHostFunction)
 *
 * Returns: (element-type MfpHostFunction): the members of their IOMMU groups
 * that are not among @functions; the caller owns it. NULL on error.
 */
GPtrArray *mfp_survey_groups (MfpOps *ops, const GPtrArray *functions, GError **error);
