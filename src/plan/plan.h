/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is to be done, as data: ordered steps, each with the step that undoes it. Nothing
 * here touches anything.
 */
#pragma once

#include "model/card.h"

/**
 * MfpStepKind:
 * @MFP_STEP_CONFIG_PORT: add a port to the persistent XML
 * @MFP_STEP_CONFIG_ATTACH: add a function to the persistent XML
 * @MFP_STEP_RECORD: record in the domain what the run claims, and will take
 * @MFP_STEP_CLAIM: fail if another run or another domain has one of the functions. Of two runs
 *   that claim one, exactly one goes on, and records that it takes the functions
 * @MFP_STEP_TAKE: detach a function from its host driver, and bind it to VFIO
 * @MFP_STEP_PREPARE: attach a function live as unassigned: libvirt gives QEMU access to
 *   it, and owns it from then on
 * @MFP_STEP_CHECK_ALIASES: check that libvirt knows the unassigned functions by the aliases
 *   that QEMU will get as ids
 * @MFP_STEP_QUEUE: have QEMU queue a non-zero function, which it shows to the guest only
 *   when function 0 comes
 * @MFP_STEP_PLUG: attach function 0 live: the guest sees the card
 * @MFP_STEP_VERIFY: check in libvirt and in QEMU that each function is in its place
 * @MFP_STEP_ENUMERATE: wait until the guest has assigned addresses to the BARs
 * @MFP_STEP_DETACHING: record that the card is being detached
 *
 * and those which undo them, detach or recover. These look at the state first, and do
 * nothing where their goal is reached:
 *
 * @MFP_STEP_EJECT: request the removal of the slot, and wait until QEMU has none of the
 *   functions
 * @MFP_STEP_DROP: have libvirt drop a function that QEMU does not have, or all of them
 * @MFP_STEP_UNPLUG: eject the slot, and have libvirt drop function 0
 * @MFP_STEP_REATTACH: reattach a function to its host driver, or all of those that the
 *   plan has to return, and verify that
 * @MFP_STEP_FORGET: remove the record
 * @MFP_STEP_NOT_DETACHING: record that the card stays
 * @MFP_STEP_CONFIG_DETACH, @MFP_STEP_CONFIG_UNPORT
 */
typedef enum
{
  MFP_STEP_CONFIG_PORT,
  MFP_STEP_CONFIG_ATTACH,
  MFP_STEP_RECORD,
  MFP_STEP_CLAIM,
  MFP_STEP_TAKE,
  MFP_STEP_PREPARE,
  MFP_STEP_CHECK_ALIASES,
  MFP_STEP_QUEUE,
  MFP_STEP_PLUG,
  MFP_STEP_VERIFY,
  MFP_STEP_ENUMERATE,
  MFP_STEP_DETACHING,
  MFP_STEP_EJECT,
  MFP_STEP_DROP,
  MFP_STEP_UNPLUG,
  MFP_STEP_REATTACH,
  MFP_STEP_FORGET,
  MFP_STEP_NOT_DETACHING,
  MFP_STEP_CONFIG_DETACH,
  MFP_STEP_CONFIG_UNPORT,
  MFP_STEP_KINDS,
} MfpStepKind;

/**
 * MfpStep:
 * @function: (nullable): which function; NULL: the whole card, or none. Owned by one of
 *   the plan's cards
 * @xml: (nullable): the device, of steps on the persistent XML. Owned by the step
 */
typedef struct
{
  MfpStepKind kind;
  const MfpFunction *function;
  char *xml;
} MfpStep;

/* How QEMU wants the removal of a card to be requested. */
typedef enum
{
  MFP_UNPLUG_SLOT, /* function 0 takes the others along */
  MFP_UNPLUG_EACH, /* each function, function 0 last: pseries before QEMU 4.2 */
} MfpUnplug;

/**
 * MfpRunning:
 * @id: of the running domain, another one at each start
 * @bus: (nullable): QEMU's name of the bus that the slot is on, where something is plugged
 *
 * The running guest that a plan is made for.
 */
typedef struct
{
  const char *id;
  const char *bus;
  MfpUnplug unplug;
} MfpRunning;

/**
 * MfpPlan:
 * @card: what the running guest has, or is to have, of it
 * @persistent: (nullable): the same in the persistent XML, where that is another card
 * @record: (nullable): what RECORD or DETACHING writes and FORGET removes
 * @domain_id: (nullable): the id of the running domain; NULL: no running domain is changed
 * @bus: (nullable): see MfpRunning
 * @steps: (element-type MfpStep)
 * @strict: how many leading steps are undone when one of them fails; of those
 *   after, each is tried, whatever became of the others
 */
typedef struct
{
  MfpCard *card;
  MfpCard *persistent;
  MfpRecord *record;
  char *domain_id;
  char *bus;
  MfpUnplug unplug;
  GPtrArray *steps;
  guint strict;
} MfpPlan;

void mfp_plan_free (MfpPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpPlan, mfp_plan_free)

/* What a plan includes besides what is always there. */
typedef enum
{
  MFP_PLAN_DEFAULT = 0,
  MFP_PLAN_CONFIG = 1 << 0,    /* change the persistent XML; the card's port first */
  MFP_PLAN_ENUMERATE = 1 << 1, /* wait until the guest has assigned addresses to the BARs */
} MfpPlanFlags;

/**
 * mfp_plan_attach:
 * @card: (transfer full): with slot, aliases and drivers
 * @running: (nullable): NULL: leave the running guest alone
 */
MfpPlan *mfp_plan_attach (MfpCard *card, const MfpRunning *running, MfpPlanFlags flags);

/* Only verifies that the running guest has @card (transfer full), whose functions have the
 * aliases that the domain knows. */
MfpPlan *mfp_plan_verify (MfpCard *card, const MfpRunning *running, MfpPlanFlags flags);

/**
 * mfp_plan_repair:
 * @card: (transfer full): as its record has it; the guest has all of it
 * @lost: (element-type MfpFunction): functions of @card that libvirt no longer
 *   lists, though QEMU has them: somebody detached them by hand
 *
 * Has libvirt own them again.
 */
MfpPlan *mfp_plan_repair (MfpCard *card, const MfpRunning *running, const GPtrArray *lost);

/**
 * mfp_plan_detach:
 * @card: (transfer full) (nullable): as the running guest has it; NULL: leave that alone
 * @running: (nullable): given with @card
 * @persistent: (transfer full) (nullable): the card as the persistent XML has
 *   it, to be removed there
 *
 * Also what finishes an attach that was interrupted by undoing it.
 */
MfpPlan *mfp_plan_detach (MfpCard *card, const MfpRunning *running, MfpCard *persistent);

/* Only removes the record of @card (transfer full), whose run claimed its functions and took
 * none. */
MfpPlan *mfp_plan_forget (MfpCard *card, const MfpRunning *running);

/* Reattaches each function of @card (transfer full), which no domain has, to its host
 * driver. */
MfpPlan *mfp_plan_reclaim (MfpCard *card);

/* Whether the plan reattaches @function of its card. */
gboolean mfp_plan_returns (const MfpPlan *plan, const MfpFunction *function);

/* What undoes @step, in *@inverse, which refers to the same function and XML. FALSE: there is
 * nothing to undo. */
gboolean mfp_step_inverse (const MfpStep *step, MfpStep *inverse);

/* Whether two steps do the same. */
gboolean mfp_step_equal (const MfpStep *a, const MfpStep *b);

/* One word for programs: "take", "reattach". */
const char *mfp_step_name (MfpStepKind kind);

/* The steps of @plan, a line each, for a dry run; the caller frees. After the last plan comes
 * MFP_PLAN_LAST_LINE. */
char *mfp_plan_describe (const MfpPlan *plan);

#define MFP_PLAN_LAST_LINE "Steps that are done already are skipped.\n"

/* "take 0000:01:00.1 from its host driver": for progress and messages; the caller frees. */
char *mfp_step_describe (const MfpStep *step);
