/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of plan.h, one function a kind; see MfpStepKind for what each does.
 */
#pragma once

#include "run/run.h"

typedef gboolean (*MfpStepFunction) (MfpRun *run, const MfpStep *step, GError **error);

/* step-record.c: the notes that a run leaves in the domain */
gboolean mfp_step_record (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_claim (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_leaving (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_staying (MfpRun *run, const MfpStep *step, GError **error);
/* For an attach that is undone: that it is, for when the guest is asked. */
gboolean mfp_note_leaving (MfpRun *run, GError **error);
gboolean mfp_step_forget (MfpRun *run, const MfpStep *step, GError **error);

/* step-attach.c: from the host driver into the guest */
gboolean mfp_step_take (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_hold (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_queue (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_plug (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_verify (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_enumerate (MfpRun *run, const MfpStep *step, GError **error);

/* step-direct.c: what libvirt does alone */
gboolean mfp_step_config_attach (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_config_detach (MfpRun *run, const MfpStep *step, GError **error);

/* step-remove.c: out of the guest, out of QEMU and out of the domain: each looks first */
gboolean mfp_step_eject (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_drop (MfpRun *run, const MfpStep *step, GError **error);
gboolean mfp_step_unplug (MfpRun *run, const MfpStep *step, GError **error);

/* step-return.c: back to the host driver, verified */
gboolean mfp_step_give_back (MfpRun *run, const MfpStep *step, GError **error);
