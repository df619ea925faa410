/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a plan for a command: tells the console and the step log about each step, and makes
 * the result at the end.
 */
#pragma once

#include "commands/session.h"
#include "plan/plan.h"

/* How the running domain's QEMU wants removals to be requested. FALSE: QEMU does not tell
 * its version. */
gboolean mfp_run_plan_find_unplug (const MfpSession *session, MfpUnplug *unplug, GError **error);

/* Runs @plan; tells the console and the step log. */
gboolean mfp_run_plan (const MfpSession *session, const MfpInvocation *invocation,
                       const MfpCommonOptions *options, const MfpPlan *plan, GError **error);

/* The result of a command, for stdout, and nothing with --quiet; the caller
 * frees. @report: all but the domain and the step log. */
char *mfp_run_plan_report (const MfpSession *session, const MfpInvocation *invocation,
                           MfpReport report);
