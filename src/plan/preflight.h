/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a card may be attached: everything that can be refused before
 * anything is touched. All errors are MFP_ERROR_REFUSED.
 */
#pragma once

#include "model/card.h"

/* How much of a card a guest has already. */
typedef enum
{
  MFP_ABSENT,
  MFP_PRESENT,
  MFP_PARTIAL,
} MfpPresence;

/**
 * mfp_preflight_host:
 * @card: its functions get the driver they have now, and whether they have
 *   to be taken from it
 * @devices: (element-type MfpHostFunction): the functions of its devices
 * @others: (element-type MfpHostFunction): further members of their groups
 * @live: whether they are to be plugged now, and not at the next start
 *
 * Checks what the host says of each function: that it is there, no bridge, has
 * an IOMMU group which the guest can own, and that its driver suits `managed`.
 */
gboolean mfp_preflight_host (MfpCard *card, const GPtrArray *devices, const GPtrArray *others,
                         gboolean live, GError **error);

/* Whether @host is a function of @card, or shares an IOMMU group with one. */
gboolean mfp_preflight_concerns (const MfpCard *card, const MfpHostFunction *host);

/* Refuses when one of @guests (element-type MfpGuest) has one of @functions
 * (element-type MfpHostFunction), or an attach to it has one in hand. */
gboolean mfp_preflight_holders (const GPtrArray *functions, const GPtrArray *guests, GError **error);

/* Checks the kind of domain: QEMU or KVM, on an architecture and a machine
 * that plan.h knows. */
gboolean mfp_preflight_guest (const MfpGuest *guest, GError **error);

/**
 * mfp_card_presence:
 * @difference: (out): for %MFP_PARTIAL, what is there and what is not; the
 *   caller frees
 * @slot: (out): for %MFP_PRESENT, where
 */
MfpPresence mfp_card_presence (const MfpCard *card, const MfpGuest *guest,
                               MfpPciAddress *slot, char **difference);
