/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every step of a run is given, and what several steps do. A run keeps nothing of
 * what it saw: each step reads what it needs.
 */
#pragma once

#include "libvirt/domain.h"
#include "run/execute.h"

/**
 * MfpRun:
 * @domain_id: (nullable): the id of the running domain that the steps are about; NULL: none. It is
 *   that of the plan, but a run that undoes may have to do so in the next instance of the domain
 *
 * One run of a plan.
 */
typedef struct
{
  const MfpPlan *plan;
  MfpLibvirt *libvirt;
  const MfpExecuteOptions *options;
  const char *domain_id;
} MfpRun;

/**
 * MfpPhase:
 * @MFP_PHASE_STRICT: if the step fails, the run undoes the steps before it; a signal
 *   stops it
 * @MFP_PHASE_UNDO: the step undoes another; a signal does not stop it
 * @MFP_PHASE_FINISH: there is no way back; a signal does not stop it
 *
 * Which part of a run a step belongs to.
 */
typedef enum
{
  MFP_PHASE_STRICT,
  MFP_PHASE_UNDO,
  MFP_PHASE_FINISH,
} MfpPhase;

/* The running domain as it is now; the caller frees. It must be the instance that the run is
 * about: MFP_ERROR_DOMAIN_GONE, MFP_ERROR_DOMAIN_RESTARTED. */
MfpGuest *mfp_run_read_guest (const MfpRun *run, GError **error);

/* The hostdev of @function in @guest, which is ours if it has the function's alias; NULL:
 * there is none, or it belongs to somebody else. */
const MfpGuestDevice *mfp_run_find_hostdev (const MfpGuest *guest, const MfpFunction *function);

/* Tells the person @text. */
void mfp_run_note (const MfpRun *run, const char *text);

/* Turns a failure because the domain ended, after which there is nothing left to do, into
 * success. @failure: (transfer full) (nullable): why it was not @done */
gboolean mfp_run_done_or_ended (gboolean done, GError *failure, GError **error);
