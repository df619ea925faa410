/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PCI slots of a guest: what is in them, and which of them a card can have. */
#pragma once

#include "model/guest.h"

/**
 * MfpSlot:
 * @address: its function is 0
 * @occupants: (element-type utf8): names of the devices in the slot, such as "interface net0"
 * @reason: (nullable): why a card could not go there even if nothing were
 *
 * A slot of a guest, on a bus that has slots for cards. It refers to the guest,
 * which has to outlive it.
 */
typedef struct
{
  MfpPciAddress address;
  const MfpBus *bus;
  GPtrArray *occupants;
  char *reason;
} MfpSlot;

/* Whether a card can go there. */
gboolean mfp_slot_is_free (const MfpSlot *slot);

/* What occupies the slot, and any other reason why a card cannot go there:
 * "interface net0; hotplug='off'", or nothing; the caller frees. */
char *mfp_slot_describe (const MfpSlot *slot);

/**
 * mfp_guest_survey_slots:
 * @live: (nullable): the running guest, when it is to be changed: a slot must
 *   take hotplug
 * @config: (nullable): its persistent form, when that is to be changed
 *
 * Returns: (element-type MfpSlot): all slots of the first of them that there
 * is, in the order of their addresses; the caller owns it.
 */
GPtrArray *mfp_guest_survey_slots (const MfpGuest *live, const MfpGuest *config);

/* The end of the run of slots that begins with number @begin: neighbours with
 * nothing in them of which the same is to be told, or one slot. */
guint mfp_slots_run_end (const GPtrArray *slots, guint begin);

/* "0000:01:00", or of a longer run "0000:07:01-1f"; the caller frees. */
char *mfp_slots_run_format (const GPtrArray *slots, guint begin, guint end);

/**
 * MfpSlotWish:
 * @taken: (nullable) (element-type MfpPciAddress): slots not to be chosen
 * @group: (nullable) (element-type MfpPciAddress): the host functions of the
 *   card's IOMMU groups
 */
typedef struct
{
  const GArray *taken;
  const GArray *group;
} MfpSlotWish;

/**
 * mfp_guest_choose_slot:
 * @live: (nullable): the running guest, when it is to be changed
 * @config: (nullable): its persistent form, when that is to be changed
 *
 * Finds the free slot with the highest address, PCIe ports first: libvirt
 * gives its own devices the lowest, and the two should meet last. A live slot
 * must take hotplug. With both, the slot is free in both and its bus is of
 * the same model in both.
 *
 * A pseries guest's PCI host bridges are its isolation groups: one above the
 * first comes before all others if it has nothing but host devices of the
 * card's IOMMU groups, then the first; see virDomainPCIAddressBus's
 * isolationGroup in libvirt, which explicit addresses bypass.
 *
 * Returns: FALSE and an error (MFP_ERROR_REFUSED) which says who occupies
 * what, and how the guest gets more slots, when there is no such slot.
 */
gboolean mfp_guest_choose_slot (const MfpGuest *live, const MfpGuest *config,
                                const MfpSlotWish *wish, MfpPciAddress *slot,
                                GError **error);

/* Whether @slot of a pseries guest lies on a PCI host bridge with devices that
 * are no host functions of @group (element-type MfpPciAddress), or on the
 * first, which libvirt keeps for emulated ones. */
gboolean mfp_guest_slot_is_shared (const MfpGuest *guest, const MfpPciAddress *slot,
                                   const GArray *group);

/**
 * mfp_guest_plan_port:
 * @config: the persistent form of a guest without a free slot
 * @index: (out): index of a pcie-root-port that can be added to it, and so
 *   the bus of the new slot
 *
 * Returns: FALSE when its machine takes no such port.
 */
gboolean mfp_guest_plan_port (const MfpGuest *config, guint *index);

/* Whether @slot is one that mfp_guest_choose_slot() could choose. */
gboolean mfp_guest_check_slot (const MfpGuest *live, const MfpGuest *config,
                               const MfpPciAddress *slot, GError **error);
