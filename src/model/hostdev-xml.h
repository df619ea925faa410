/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <hostdev> elements and <devices> documents, in and out.
 */
#pragma once

#include "model/card.h"

#define MFP_UNSET (-1)

/* Bytes that a document may have; a card's has a few thousand. */
#define MFP_DOCUMENT_MAX (1024 * 1024)

/**
 * MfpTuning:
 * @rom_bar: 0, 1 or %MFP_UNSET
 * @rom_file: (nullable): "" where the person switched the ROM off
 * @boot_order: 1 and up, or 0: not set
 *
 * What a person's <hostdev> asks of QEMU beyond its address.
 */
typedef struct
{
  int rom_bar;
  char *rom_file;
  guint boot_order;
} MfpTuning;

/* The tuning in @doc, a MfpFunction's; all unset for NULL. The caller owns
 * it. */
MfpTuning *mfp_tuning_read (const xmlDoc *doc);
void mfp_tuning_free (MfpTuning *tuning);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpTuning, mfp_tuning_free)

/* How a <hostdev> is to be written. */
typedef enum
{
  /* for libvirt, live: our alias, managed='no', its guest address */
  MFP_HOSTDEV_PLUG,
  /* for libvirt, live: our alias, managed='no', unassigned */
  MFP_HOSTDEV_UNASSIGNED,
  /* for a person or the persistent XML: what the person asked for */
  MFP_HOSTDEV_ASKED,
} MfpHostdevForm;

/* One <hostdev> of @card; the caller frees. */
char *mfp_hostdev_format (const MfpCard *card, const MfpFunction *function,
                          MfpHostdevForm form);

/* The <controller> of @card's port; the caller frees. */
char *mfp_port_format (const MfpCard *card);

/* The <devices> document of @card, as --dry-run prints it and --file reads
 * it; the caller frees. */
char *mfp_devices_format (const MfpCard *card);

/**
 * mfp_devices_parse:
 * @text: a <devices> document, or a single <hostdev>; @length bytes. Among
 *   its <hostdev> elements a document may have one <controller>: the
 *   pcie-root-port that --dry-run planned
 * @name: its file's name, for messages
 *
 * Without guest addresses the functions keep their numbers, as on the
 * command line, and the slot is left open.
 *
 * Returns: the caller owns it; NULL on error (MFP_ERROR_REFUSED, with the
 * line).
 */
MfpCard *mfp_devices_parse (const char *text, gsize length, const char *name,
                            GError **error);
