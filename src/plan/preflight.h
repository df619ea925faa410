/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that is refused before anything is touched, whichever command asks. All
 * errors are MFP_ERROR_REFUSED.
 */
#pragma once

#include "model/card.h"
#include "model/host-use.h"
#include "model/qmp.h"

/* ---- preflight-host.c: what the host and its other domains say ---- */

/**
 * mfp_preflight_host:
 * @devices: (element-type MfpHostFunction): the functions of the card's devices
 * @others: (element-type MfpHostFunction): further members of their groups
 * @form: whether the card is to be plugged now, or at the next start
 *
 * Checks what the host says of each function: that it is there, no bridge, has
 * an IOMMU group which the guest can own, and that its driver suits `managed`.
 */
gboolean mfp_preflight_host (const MfpCard *card, const GPtrArray *devices,
                             const GPtrArray *others, MfpForm form, GError **error);

/* The virtual functions that the host would lose with @card's functions: (element-type
 * MfpPciAddress); the caller owns it. @devices: as for mfp_preflight_host() */
GArray *mfp_preflight_list_virtual (const MfpCard *card, const GPtrArray *devices);

/**
 * mfp_preflight_physical:
 * @devices: as for mfp_preflight_host()
 * @virtual_functions: (element-type MfpHostFunction): those of mfp_preflight_list_virtual()
 * @guests: (element-type MfpGuest): all that run
 * @uses: (element-type MfpHostUse): what the host uses @virtual_functions for
 *
 * Refuses a physical function that has virtual functions: they vanish when it leaves its host
 * driver, whoever has them. The message tells who has each.
 */
gboolean mfp_preflight_physical (const MfpCard *card, const GPtrArray *devices,
                                 const GPtrArray *virtual_functions, const GPtrArray *guests,
                                 const GPtrArray *uses, GError **error);

/* For a user's own libvirt, which cannot bind drivers: refuses a card of which a function has
 * to be taken from its host driver. */
gboolean mfp_preflight_session (const MfpCard *card, GError **error);

/* Whether @host is a function of @card, or shares an IOMMU group with one. */
gboolean mfp_preflight_concerns (const MfpCard *card, const MfpHostFunction *host);

/* Refuses when one of @guests (element-type MfpGuest) has one of @functions
 * (element-type MfpHostFunction), or its record names one. */
gboolean mfp_preflight_holders (const GPtrArray *functions, const GPtrArray *guests,
                                GError **error);

/* ---- preflight-guest.c: what the domain says, for an attach ---- */

/* Refuses a domain of a libvirt driver that only plays a hypervisor. */
gboolean mfp_preflight_driver (const MfpGuest *guest, GError **error);

/* Checks the kind of domain: QEMU or KVM, on a supported architecture. */
gboolean mfp_preflight_guest (const MfpGuest *guest, GError **error);

/* Which unfinished runs matter. */
typedef enum
{
  MFP_UNFINISHED_ANY,
  MFP_UNFINISHED_DETACH,
} MfpUnfinished;

/* Refuses a card that another run is working on, or was working on when it was
 * interrupted: only its record tells where the functions came from. */
gboolean mfp_preflight_unfinished (const MfpCard *card, const MfpGuest *guest,
                                   MfpUnfinished which, GError **error);

/* Refuses when the running @guest has one of the card's functions, in whatever way. */
gboolean mfp_preflight_absent (const MfpCard *card, const MfpGuest *guest, GError **error);

/* How much of a card a guest has already. */
typedef enum
{
  MFP_ABSENT,
  MFP_PRESENT,
  MFP_PARTIAL,
} MfpPresence;

/**
 * mfp_preflight_presence:
 * @form: which form of the domain @guest is
 * @presence: (out): %MFP_ABSENT or %MFP_PRESENT
 * @slot: (out): for %MFP_PRESENT, where
 *
 * Finds out whether @guest has the card. Refuses when it has a part of it.
 */
gboolean mfp_preflight_presence (const MfpCard *card, const MfpGuest *guest, MfpForm form,
                                 MfpPresence *presence, MfpPciAddress *slot, GError **error);

/* ---- preflight-detach.c: what may be detached together ---- */

/* The record that names one of @selections. A record that is only a claim is returned if there
 * is no other. NULL: none. */
const MfpRecord *mfp_preflight_find_record (const MfpGuest *guest, const GArray *selections);

/* Refuses functions that attaches brought into several slots. The XML may show no slot of
 * an attach that was interrupted. */
gboolean mfp_preflight_records (const MfpGuest *guest, const GArray *selections, GError **error);

/* Refuses functions in several guest slots: each slot is a card of its own. */
gboolean mfp_preflight_one_slot (const MfpCard *card, const MfpGuest *guest, GError **error);

/* Refuses when the slot holds something that @selections do not name. @pci: (nullable)
 * (element-type MfpQemuDevice): QEMU's devices */
gboolean mfp_preflight_consent (const MfpCard *card, const MfpGuest *guest,
                                const GArray *selections, const GPtrArray *pci, GError **error);
