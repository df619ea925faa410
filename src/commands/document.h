/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/card.h"

/* The card of the <devices> document in @file; "-" is standard input. The caller frees.
 * MFP_ERROR_REFUSED. */
MfpCard *mfp_document_read (const char *file, GError **error);
