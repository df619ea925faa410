/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was seen of a running domain in one go.
 */
#pragma once

#include "model/guest-pci.h"

/**
 * MfpView:
 * @live: (nullable): the domain's XML; NULL: nothing was seen
 * @in_qemu: (nullable) (element-type utf8): the aliases that QEMU has, if it was asked
 * @pci: (nullable) (element-type MfpQemuDevice): QEMU's PCI devices with ids, likewise
 */
typedef struct
{
  MfpGuest *live;
  GHashTable *in_qemu;
  GPtrArray *pci;
} MfpView;

/* What is to be known, besides the XML. */
typedef enum
{
  MFP_LOOK_DEVICES = 1 << 0,   /* of QEMU */
  MFP_LOOK_PCI = 1 << 1,       /* of QEMU */
  MFP_LOOK_EXPECTANT = 1 << 2, /* what the domain reports from then on will be waited for */
} MfpLook;

void mfp_view_clear (MfpView *view);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MfpView, mfp_view_clear)

/* Moves what @part has into @view. */
void mfp_view_take (MfpView *view, MfpView *part);

/* Moves all that @view has. */
MfpView mfp_view_steal (MfpView *view);
