/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QMP commands and answers, as JSON text. libvirt passes them to QEMU and
 * back unseen: an answer that holds an error is a success for libvirt.
 */
#pragma once

#include "model/card.h"

/**
 * MfpQemuDevice:
 * @id: QEMU's device id, which is libvirt's alias
 * @parent: (nullable): the id of the bridge or port above; NULL: a root bus
 * @root: which of the root buses it is on or below, from 0
 * @slot, @function: its place on that bus
 * @enumerated: whether each of its memory BARs has an address that the guest has
 *   switched on: QEMU shows none before (pci_bar_address() in hw/pci/pci.c)
 *
 * One device of `query-pci` (qapi/pci.json in QEMU).
 */
typedef struct
{
  char *id;
  char *parent;
  guint root;
  guint slot;
  guint function;
  gboolean enumerated;
} MfpQemuDevice;

/**
 * mfp_qmp_device_add:
 * @function: exposed, with its alias
 * @bus: QEMU's name of the bus
 * @slot: the slot's number there
 *
 * What libvirt itself would pass for this hostdev
 * (qemuBuildPCIHostdevDevProps()): ROM and boot index included. A failover
 * pair is not: QEMU wants its primary alone in a slot.
 * The caller frees.
 */
char *mfp_qmp_device_add (const MfpFunction *function, const char *bus, guint slot);

/* The caller frees. */
char *mfp_qmp_device_del (const char *id);
char *mfp_qmp_list_devices (void); /* every device that has an id */
char *mfp_qmp_query_pci (void);
char *mfp_qmp_query_version (void);

/* The name of one of these commands: "device_add"; the caller frees. */
char *mfp_qmp_command_name (const char *command);

/**
 * mfp_qmp_check:
 * @answer: QEMU's answer
 *
 * Returns: FALSE when it is an error. MFP_ERROR_NOT_FOUND: no such device;
 * MFP_ERROR_BUSY: an unplug is under way already, the guest is busy or a
 * migration runs; else MFP_ERROR_FAILED.
 */
gboolean mfp_qmp_check (const char *answer, GError **error);

/* Whether QEMU's refusal @description is one that passes by itself: an unplug
 * is under way, the guest is busy, a migration runs. libvirt hands the text
 * on in errors of its own. */
gboolean mfp_qmp_refusal_passes (const char *description);

/* The ids in an answer to mfp_qmp_list_devices(), as a set; NULL on error. */
GHashTable *mfp_qmp_parse_devices (const char *answer, GError **error);

/* (element-type MfpQemuDevice): those of an answer to mfp_qmp_query_pci()
 * that have an id; NULL on error. */
GPtrArray *mfp_qmp_parse_pci (const char *answer, GError **error);

/* The version in an answer to mfp_qmp_query_version(), as %MFP_QEMU_VERSION
 * makes it; 0 on error. */
guint mfp_qmp_parse_version (const char *answer, GError **error);
#define MFP_QEMU_VERSION(major, minor) ((guint) (major) * 1000 + (guint) (minor))

/* The device called @id, or NULL. */
const MfpQemuDevice *mfp_qmp_find_device (const GPtrArray *devices, const char *id);

/* Whether two devices are in one slot. */
gboolean mfp_qemu_device_same_slot (const MfpQemuDevice *a, const MfpQemuDevice *b);

/* Gives the functions of @card that libvirt lists as unassigned the guest functions that QEMU
 * has them at, beside the card's function 0. @pci: (element-type MfpQemuDevice) */
void mfp_card_adopt_places (MfpCard *card, const MfpGuest *guest, const GPtrArray *pci);
