/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a person names on the command line: devices, functions of them, and
 * the guest functions that they are to become.
 */
#pragma once

#include "model/pci-address.h"

/**
 * MfpSelection:
 * @host: a function; of a whole device, its function 0
 * @whole: every function of the device at @host is meant
 * @guest_function: 0 to 7, or %MFP_GUEST_FUNCTION_UNSET: not said
 */
typedef struct
{
  MfpPciAddress host;
  gboolean whole;
  int guest_function;
} MfpSelection;

/**
 * mfp_selection_parse:
 * @words: NULL-terminated DEVICE words: 0000:01:00, 01:00.*, 01:00.0,2-3,
 *   01:00.1=0,01:00.3=1 or pci_0000_01_00_0
 * @functions: (nullable): the list of --functions, which then narrows the one
 *   whole device that @words name
 *
 * Returns: (element-type MfpSelection): in the order given, each function at
 *   most once; the caller owns it. NULL on error (MFP_ERROR_USAGE).
 */
GArray *mfp_selection_parse (const char *const *words, const char *functions,
                             GError **error);

/* Whether @selection means the function at @host. */
gboolean mfp_selection_matches (const MfpSelection *selection, const MfpPciAddress *host);

/* Whether @selections name the function at @host. */
gboolean mfp_selection_names (const GArray *selections,
                              const MfpPciAddress *host);

/* The host address of each of @selections: (element-type MfpPciAddress); the
 * caller owns it. */
GArray *mfp_selection_hosts (const GArray *selections);
