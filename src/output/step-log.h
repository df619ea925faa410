/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a command did: the steps with their times, the warnings, and where the
 * functions were before and after. For the result as JSON.
 */
#pragma once

#include "plan/plan.h"

/**
 * MfpLoggedStep:
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
} MfpLoggedStep;

/* The host driver of @host before and after; NULL: none, or not known. */
typedef struct
{
  MfpPciAddress host;
  char *before;
  char *after;
} MfpLoggedDriver;

/**
 * MfpStepLog:
 * @steps: (element-type MfpLoggedStep)
 * @warnings: (element-type utf8)
 * @drivers: (element-type MfpLoggedDriver)
 */
typedef struct
{
  GPtrArray *steps;
  GPtrArray *warnings;
  GPtrArray *drivers;
} MfpStepLog;

MfpStepLog *mfp_step_log_new (void);
void mfp_step_log_free (MfpStepLog *step_log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpStepLog, mfp_step_log_free)

void mfp_step_log_begin_step (MfpStepLog *step_log, const MfpStep *step, gboolean undo, gint64 now);

/* Ends the step that began last, and returns it. @failure: (nullable) */
const MfpLoggedStep *mfp_step_log_end_step (MfpStepLog *step_log, const GError *failure,
                                            gint64 now);

void mfp_step_log_warn (MfpStepLog *step_log, const char *text);

/* The entry of @host, or NULL. */
MfpLoggedDriver *mfp_step_log_find_driver (const MfpStepLog *step_log, const MfpPciAddress *host);

/* The entry of @host, made when there is none. */
MfpLoggedDriver *mfp_step_log_driver (MfpStepLog *step_log, const MfpPciAddress *host);

/* The step that began last. */
const MfpLoggedStep *mfp_step_log_last (const MfpStepLog *step_log);
