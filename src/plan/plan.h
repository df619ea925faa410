/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is to be done, as data: ordered steps, each with the kind of step that
 * undoes it. Nothing here touches anything.
 */
#pragma once

#include "model/card.h"

/**
 * MfpStepKind:
 * @MFP_STEP_CONFIG_PORT: add a port to the persistent XML
 * @MFP_STEP_CONFIG_ATTACH: add a function to the persistent XML
 * @MFP_STEP_RECORD: write down what will be taken
 * @MFP_STEP_CLAIM: stand back if another run's record names one of them: of two
 *   that both wrote before they looked, at least one sees the other
 * @MFP_STEP_TAKE: bind a function to VFIO
 * @MFP_STEP_HOLD: attach it live, not visible to the guest: libvirt prepares
 *   its access and owns it from here on
 * @MFP_STEP_QUEUE: tell QEMU of a non-zero function, which shows it to the
 *   guest only when function 0 comes
 * @MFP_STEP_PLUG: attach function 0 live: the guest sees the card
 * @MFP_STEP_LEAVING: note down that the card is to leave
 * @MFP_STEP_VERIFY: ask libvirt and QEMU that all is where it should be
 * @MFP_STEP_ENUMERATE: wait until the guest has assigned BARs
 *
 * and what undoes them:
 *
 * @MFP_STEP_EJECT: ask QEMU, and through it the guest, to let the slot go, and
 *   wait until QEMU has none of its functions
 * @MFP_STEP_DROP: have libvirt forget a function that QEMU does not have
 * @MFP_STEP_UNPLUG: both, for function 0
 * @MFP_STEP_GIVE_BACK: return a function to its host driver, verified
 * @MFP_STEP_FORGET: remove the record
 * @MFP_STEP_STAYING: note down that the card stays, after all
 * @MFP_STEP_CONFIG_DETACH, @MFP_STEP_CONFIG_UNPORT
 *
 * The second group looks at the state first: a step whose goal is reached
 * does nothing, so it serves to undo, to detach and to recover.
 */
typedef enum
{
  MFP_STEP_CONFIG_PORT,
  MFP_STEP_CONFIG_ATTACH,
  MFP_STEP_RECORD,
  MFP_STEP_CLAIM,
  MFP_STEP_TAKE,
  MFP_STEP_HOLD,
  MFP_STEP_QUEUE,
  MFP_STEP_PLUG,
  MFP_STEP_LEAVING,
  MFP_STEP_VERIFY,
  MFP_STEP_ENUMERATE,
  MFP_STEP_EJECT,
  MFP_STEP_DROP,
  MFP_STEP_UNPLUG,
  MFP_STEP_GIVE_BACK,
  MFP_STEP_FORGET,
  MFP_STEP_STAYING,
  MFP_STEP_CONFIG_DETACH,
  MFP_STEP_CONFIG_UNPORT,
  MFP_STEP_KINDS,
} MfpStepKind;

#define MFP_STEP_NOTHING MFP_STEP_KINDS /* undoes a step that changes nothing */

/**
 * MfpStep:
 * @function: (nullable): which function; owned by one of the plan's cards
 * @xml: (nullable): the device, of steps on the persistent XML
 */
typedef struct
{
  MfpStepKind kind;
  MfpFunction *function;
  char *xml;
} MfpStep;

/**
 * MfpPlan:
 * @card: what it is about
 * @persistent: (nullable): the same in the persistent XML
 * @record: (nullable): what MFP_STEP_RECORD or LEAVING writes and FORGET
 *   removes
 * @host_only: no domain has to do with it
 * @bus: (nullable): QEMU's name of the bus that the slot is on
 * @unplug_each: QEMU wants each function asked away, function 0 last, instead
 *   of function 0 alone: pseries before QEMU 4.2
 * @steps: (element-type MfpStep)
 * @strict: how many leading steps are undone when one of them fails; of those
 *   after, each is tried, whatever became of the others
 */
typedef struct
{
  MfpCard *card;
  MfpCard *persistent;
  MfpRecord *record;
  char *bus;
  GPtrArray *steps;
  guint strict;
  gboolean host_only;
  gboolean unplug_each;
} MfpPlan;

void mfp_plan_free (MfpPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpPlan, mfp_plan_free)

/**
 * mfp_plan_attach:
 * @card: (transfer full): with slot, aliases and drivers
 * @bus: (nullable): QEMU's name of the slot's bus; NULL: leave the running
 *   guest alone
 * @config: change the persistent XML; its port first, if the card has one
 * @enumerate: wait for the guest's BARs
 */
MfpPlan *mfp_plan_attach (MfpCard *card, const char *bus, gboolean config,
                          gboolean enumerate);

/* Only verifies that the running guest has @card (transfer full), whose
 * functions have the aliases that the domain knows; and waits for BARs. */
MfpPlan *mfp_plan_verify (MfpCard *card, const char *bus, gboolean enumerate);

/**
 * mfp_plan_mend:
 * @card: (transfer full): as its record has it; the guest has all of it
 * @lost: (element-type MfpFunction): functions of @card that libvirt no longer
 *   lists, though QEMU has them: somebody detached them by hand
 *
 * Has libvirt hold them again.
 */
MfpPlan *mfp_plan_mend (MfpCard *card, const char *bus, const GPtrArray *lost);

/**
 * mfp_plan_detach:
 * @card: (transfer full): as the guest has it
 * @live: change the running guest
 * @persistent: (transfer full) (nullable): the card as the persistent XML has
 *   it, to be removed there
 *
 * Also what finishes an attach that was interrupted by taking it back.
 */
MfpPlan *mfp_plan_detach (MfpCard *card, gboolean live, MfpCard *persistent);

/* Gives each function of @card (transfer full) back to its host driver, which
 * no domain has. */
MfpPlan *mfp_plan_reclaim (MfpCard *card);

/* What undoes a step of @kind, or %MFP_STEP_NOTHING. */
MfpStepKind mfp_step_inverse (MfpStepKind kind);

/* One word for programs: "take", "give-back". */
const char *mfp_step_name (MfpStepKind kind);

/* The host addresses of what @plan gives back: (element-type MfpPciAddress); the caller
 * owns it. */
GArray *mfp_plan_returning (const MfpPlan *plan);

/* The steps of @plan, a line each, for a dry run of what looks first; the
 * caller frees. */
char *mfp_plan_describe (const MfpPlan *plan);

/* "take 0000:01:00.1 from e1000e": for progress and messages; the caller
 * frees. */
char *mfp_step_describe (const MfpStep *step);
