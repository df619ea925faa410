/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the list command tells, as text or as JSON.
 */
#pragma once

#include "output/inventory.h"
#include "output/report.h"

/**
 * MfpHostList:
 * @devices: (element-type MfpHostDevice)
 * @all: whether these are all devices of the host, and not its cards alone
 * @vfs: whether the text lists each virtual function, instead of their number
 */
typedef struct
{
  const GPtrArray *devices;
  gboolean all;
  gboolean vfs;
} MfpHostList;

/* The caller frees. */
char *mfp_report_host_list (const MfpHostList *list, MfpFormat format);

/**
 * MfpGuestList:
 * @cards: (element-type MfpGuestCard)
 * @all: whether these are all host devices of the guest
 * @qemu_asked: whether QEMU was asked for them
 */
typedef struct
{
  const MfpGuest *guest;
  const GPtrArray *cards;
  gboolean all;
  gboolean qemu_asked;
} MfpGuestList;

/* The caller frees. */
char *mfp_report_guest_list (const MfpGuestList *list, MfpFormat format);

/**
 * mfp_report_slots:
 * @slots: (element-type MfpSlot): those of @guest
 *
 * The caller frees.
 */
char *mfp_report_slots (const MfpGuest *guest, const GPtrArray *slots, MfpFormat format);
