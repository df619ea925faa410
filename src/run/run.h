/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One run of a plan: what it has seen, and how it waits. For execute.c and the
 * steps.
 */
#pragma once

#include "base/error.h"
#include "model/guest-pci.h"
#include "run/execute.h"

/**
 * MfpRun:
 * @started: the id of the running domain when the run began; NULL: not known
 * @seen: the live domain, and what QEMU has, as last read; emptied by whatever changes
 *   it
 * @was_in_qemu: (element-type utf8): aliases whose removal QEMU reports
 * @awaited: (element-type utf8): those of them that were asked away
 * @asked: this run's request that the slot go was accepted
 * @home: (element-type MfpFunction): what was seen on its host driver when all
 *   were given back at once
 * @tried_all: that was tried
 * @ended: the domain ended meanwhile, so nothing of it needs undoing
 * @noted: this run may have written down that the card is leaving
 * @overtaken: another run removed the record that this one is about
 * @undoing: a signal no longer stops the run
 */
typedef struct
{
  const MfpPlan *plan;
  MfpOps *ops;
  const MfpExecuteOptions *options;
  char *started;
  MfpView seen;
  GHashTable *was_in_qemu;
  GHashTable *awaited;
  GHashTable *home;
  gboolean tried_all;
  gboolean ended;
  gboolean noted;
  gboolean overtaken;
  gboolean undoing;
  gboolean asked;
} MfpRun;

void mfp_run_init (MfpRun *run, const MfpPlan *plan, MfpOps *ops,
                   const MfpExecuteOptions *options);
void mfp_run_clear (MfpRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MfpRun, mfp_run_clear)

/* The running domain, as last read or read again; owned by the run. It must
 * be the one that the run began with: MFP_ERROR_DOMAIN_GONE. */
const MfpGuest *mfp_run_look (MfpRun *run, GError **error);
const MfpGuest *mfp_run_look_again (MfpRun *run, GError **error);

/* Reads it again, and asks QEMU: @seen has it then. */
const MfpGuest *mfp_run_look_at (MfpRun *run, MfpLook what, GError **error);

/* It together with the devices that QEMU has: as last read together, or read again, for
 * a run that will wait for the guest. */
const MfpGuest *mfp_run_look_at_both (MfpRun *run, GError **error);
const MfpGuest *mfp_run_look_at_both_again (MfpRun *run, GError **error);

/* To be called by what changes the domain; it is before every wait. */
void mfp_run_forget_seen (MfpRun *run);

/* The hostdev of @function that this tool, or this plan, knows by its alias:
 * a stranger's use of the host function is not it. */
const MfpGuestDevice *mfp_run_find_hostdev (const MfpGuest *guest, const MfpFunction *function);

/* Looks at the state and nudges it. Sets @done when the goal is reached. */
typedef gboolean (*MfpApproach) (MfpRun *run, gpointer data, gboolean *done, GError **error);

/**
 * mfp_run_approach:
 * @approach: called until it is done
 * @late: the code of the error when time is up
 *
 * Waits for events in between. Lives with errors that pass by themselves, and
 * with a few that may not; the last is in the message when time is up.
 */
gboolean mfp_run_approach (MfpRun *run, MfpApproach approach, gpointer data, MfpError late,
                           GError **error);

/* The outcome of something that the end of the domain makes needless: that
 * takes away @failure (transfer full). */
gboolean mfp_run_or_ended (MfpRun *run, gboolean done, GError *failure, GError **error);
