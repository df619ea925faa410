/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of plan.h, one function a kind; MfpStepKind says what each does.
 */
#pragma once

#include "run/run.h"

typedef gboolean (*MfpStepFunction) (const MfpRun *run, const MfpStep *step, MfpPhase phase,
                                     GError **error);

/* step-record.c: what a run records in the domain */
gboolean mfp_step_record (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);
gboolean mfp_step_claim (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);
gboolean mfp_step_detaching (const MfpRun *run, const MfpStep *step, MfpPhase phase,
                             GError **error);
gboolean mfp_step_not_detaching (const MfpRun *run, const MfpStep *step, MfpPhase phase,
                                 GError **error);
gboolean mfp_step_forget (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);

/* For an attach that is undone, before the guest is asked: records that it is being
 * detached. */
gboolean mfp_record_undoing (const MfpRun *run, GError **error);

/* step-attach.c: from the host driver into the guest */
gboolean mfp_step_take (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);
gboolean mfp_step_prepare (const MfpRun *run, const MfpStep *step, MfpPhase phase,
                           GError **error);
gboolean mfp_step_check_aliases (const MfpRun *run, const MfpStep *step, MfpPhase phase,
                                 GError **error);
gboolean mfp_step_queue (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);
gboolean mfp_step_plug (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);
gboolean mfp_step_verify (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);
gboolean mfp_step_enumerate (const MfpRun *run, const MfpStep *step, MfpPhase phase,
                             GError **error);

/* step-config.c: the persistent XML */
gboolean mfp_step_config_attach (const MfpRun *run, const MfpStep *step, MfpPhase phase,
                                 GError **error);
gboolean mfp_step_config_detach (const MfpRun *run, const MfpStep *step, MfpPhase phase,
                                 GError **error);

/* step-remove.c: out of the guest, out of QEMU and out of the domain */
gboolean mfp_step_eject (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);
gboolean mfp_step_drop (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);
gboolean mfp_step_unplug (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error);

/* step-reattach.c: back to the host driver */
gboolean mfp_step_reattach (const MfpRun *run, const MfpStep *step, MfpPhase phase,
                            GError **error);
