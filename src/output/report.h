/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a command tells when it has ended, as text or as JSON. The text is
 * made whole and printed once by main().
 */
#pragma once

#include "model/card.h"
#include "output/step-log.h"

typedef enum
{
  MFP_FORMAT_TEXT,
  MFP_FORMAT_JSON,
} MfpFormat;

/**
 * MfpReport:
 * @command: its name
 * @domain: (nullable): the domain's name; NULL: it is about the host alone
 * @changed: FALSE: all was so already
 * @card: (nullable): what it was about; NULL: nothing was found, or @cards
 * @cards: (nullable) (element-type MfpCard): the same of a command that may be
 *   about several
 * @step_log: what was done
 */
typedef struct
{
  const char *command;
  const char *domain;
  gboolean changed;
  const MfpCard *card;
  const GPtrArray *cards;
  const MfpStepLog *step_log;
} MfpReport;

/* "text" or "json"; FALSE for anything else (MFP_ERROR_USAGE). */
gboolean mfp_format_parse (const char *text, MfpFormat *format, GError **error);

/* The caller frees. */
char *mfp_report_format (const MfpReport *report, MfpFormat format);

/* {"schema": 1, "error": ...}, with what had been done by then; the caller
 * frees. */
char *mfp_report_format_error (const GError *error, const MfpStepLog *step_log);
