/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a command did: the steps with their times, the warnings, and where the
 * functions were before and after. For the result as JSON.
 */
#pragma once

#include "plan/plan.h"

/**
 * MfpJournalStep:
 * @function: (nullable): the host function that it was about
 * @undo: it undid another step
 * @began: monotonic time in microseconds
 * @duration: microseconds
 * @error: (nullable): why it failed
 */
typedef struct
{
  MfpStepKind kind;
  char *function;
  gboolean undo;
  gint64 began;
  gint64 duration;
  char *error;
} MfpJournalStep;

/* The host driver of @host before and after; NULL: none, or not known. */
typedef struct
{
  MfpPciAddress host;
  char *before;
  char *after;
} MfpJournalDriver;

/**
 * MfpJournal:
 * @steps: (element-type MfpJournalStep)
 * @warnings: (element-type utf8)
 * @drivers: (element-type MfpJournalDriver)
 */
typedef struct
{
  GPtrArray *steps;
  GPtrArray *warnings;
  GPtrArray *drivers;
} MfpJournal;

MfpJournal *mfp_journal_new (void);
void mfp_journal_free (MfpJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpJournal, mfp_journal_free)

void mfp_journal_begin_step (MfpJournal *journal, const MfpStep *step, gboolean undo, gint64 now);

/* Ends the step that began last, and returns it. @failure: (nullable) */
const MfpJournalStep *mfp_journal_end_step (MfpJournal *journal, const GError *failure,
                                            gint64 now);

void mfp_journal_warn (MfpJournal *journal, const char *text);

/* The entry of @host, made when there is none. */
MfpJournalDriver *mfp_journal_driver (MfpJournal *journal, const MfpPciAddress *host);
