/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What there is to tell of a host's devices and of a guest's cards, put
 * together from what libvirt and QEMU said. What is returned refers to what
 * was handed in, which has to outlive it.
 */
#pragma once

#include "model/guest.h"
#include "model/host-device.h"

/**
 * MfpHostEntry:
 * @host: the function
 * @holder: (nullable): the running guest that has it, or whose record names it
 * @has_place: @place is known: the function is, or is to be, shown to @holder
 * @place: its guest address
 * @virtual_functions: (element-type MfpHostEntry): those that it has, in order
 */
typedef struct
{
  const MfpHostFunction *host;
  const MfpGuest *holder;
  gboolean has_place;
  MfpPciAddress place;
  GArray *virtual_functions;
} MfpHostEntry;

/**
 * MfpHostDevice:
 * @address: its slot; the function is 0
 * @functions: (element-type MfpHostEntry): in order; no virtual functions
 * @others: (element-type MfpHostFunction): the further members of their IOMMU
 *   groups, in order
 * @reason: why an attach of the whole device with no options would be refused,
 *   whatever the domain; NULL: it would not
 */
typedef struct
{
  MfpPciAddress address;
  GArray *functions;
  GPtrArray *others;
  char *reason;
} MfpHostDevice;

/**
 * mfp_inventory_host:
 * @functions: (element-type MfpHostFunction): all of the host, in any order
 * @guests: (element-type MfpGuest): all that run
 * @uses: (element-type MfpHostUse): what the host uses the virtual functions for
 * @all: devices of one function and bridges, too
 *
 * A physical function with virtual functions is always listed, and these are listed below it.
 *
 * Returns: (element-type MfpHostDevice): in order; the caller owns it.
 */
GPtrArray *mfp_inventory_host (const GPtrArray *functions, const GPtrArray *guests,
                               const GPtrArray *uses, gboolean all);

/**
 * MfpPlugState:
 * @MFP_STATE_PLUGGED: the guest sees it
 * @MFP_STATE_QUEUED: QEMU has it, but not function 0 of its slot: the guest does not
 *   look at it
 * @MFP_STATE_UNASSIGNED: the domain has it as unassigned, and QEMU does not have it
 * @MFP_STATE_DETACHING: a detach has begun
 * @MFP_STATE_LOST: QEMU has it, and libvirt does not list it any more
 * @MFP_STATE_RECORDED: a record names it, and neither libvirt nor QEMU has it
 * @MFP_STATE_CONFIGURED: the domain does not run; the guest will see it
 */
typedef enum
{
  MFP_STATE_PLUGGED,
  MFP_STATE_QUEUED,
  MFP_STATE_UNASSIGNED,
  MFP_STATE_DETACHING,
  MFP_STATE_LOST,
  MFP_STATE_RECORDED,
  MFP_STATE_CONFIGURED,
} MfpPlugState;

/**
 * MfpGuestEntry:
 * @host: the host function
 * @has_place: @place is known: the guest sees it there, or is to
 * @place: its guest address
 * @alias: (nullable)
 * @driver: (nullable): the host driver that it came from, if a record tells
 */
typedef struct
{
  MfpPciAddress host;
  gboolean has_place;
  MfpPciAddress place;
  char *alias;
  char *driver;
  MfpPlugState state;
} MfpGuestEntry;

/**
 * MfpGuestCard:
 * @has_slot: @slot is known; otherwise it has only unassigned functions
 * @slot: the guest slot
 * @has_record: an attach or a detach of this program's wrote it down
 * @functions: (element-type MfpGuestEntry): those with a place first
 */
typedef struct
{
  gboolean has_slot;
  MfpPciAddress slot;
  gboolean has_record;
  GPtrArray *functions;
} MfpGuestCard;

/* Whether libvirt does not know all about the cards of @guest, so that QEMU
 * has to be asked: libvirt lists functions that wait in QEMU as unassigned. */
gboolean mfp_inventory_needs_qemu (const MfpGuest *guest);

/**
 * mfp_inventory_guest:
 * @in_qemu: (nullable): the ids of the devices that QEMU has, as a set; NULL:
 *   it was not asked, and is thought to have what libvirt and the records say
 * @all: slots with one function that no record names, too
 *
 * Returns: (element-type MfpGuestCard): in the order of their slots; the
 * caller owns it.
 */
GPtrArray *mfp_inventory_guest (const MfpGuest *guest, GHashTable *in_qemu, gboolean all);
