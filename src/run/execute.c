/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "run/execute.h"

#include "base/error.h"
#include "base/text.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"
#include "run/steps.h"

#include <string.h>

static gboolean
changes_driver (MfpStepKind kind)
{
  return kind == MFP_STEP_TAKE || kind == MFP_STEP_REATTACH;
}

static gboolean
run_step (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error)
{
  static const MfpStepFunction functions[MFP_STEP_KINDS] = {
    [MFP_STEP_CONFIG_PORT] = mfp_step_config_attach,
    [MFP_STEP_CONFIG_ATTACH] = mfp_step_config_attach,
    [MFP_STEP_RECORD] = mfp_step_record,
    [MFP_STEP_CLAIM] = mfp_step_claim,
    [MFP_STEP_TAKE] = mfp_step_take,
    [MFP_STEP_PREPARE] = mfp_step_prepare,
    [MFP_STEP_CHECK_ALIASES] = mfp_step_check_aliases,
    [MFP_STEP_QUEUE] = mfp_step_queue,
    [MFP_STEP_PLUG] = mfp_step_plug,
    [MFP_STEP_VERIFY] = mfp_step_verify,
    [MFP_STEP_ENUMERATE] = mfp_step_enumerate,
    [MFP_STEP_DETACHING] = mfp_step_detaching,
    [MFP_STEP_EJECT] = mfp_step_eject,
    [MFP_STEP_DROP] = mfp_step_drop,
    [MFP_STEP_UNPLUG] = mfp_step_unplug,
    [MFP_STEP_REATTACH] = mfp_step_reattach,
    [MFP_STEP_FORGET] = mfp_step_forget,
    [MFP_STEP_NOT_DETACHING] = mfp_step_not_detaching,
    [MFP_STEP_CONFIG_DETACH] = mfp_step_config_detach,
    [MFP_STEP_CONFIG_UNPORT] = mfp_step_config_detach,
  };
  const MfpObserver *observer = run->options->observer;
  g_autofree char *text = mfp_step_describe (step);
  GError *local = NULL;
  gboolean done;

  observer->begin (observer->data, step, phase == MFP_PHASE_UNDO);
  done = functions[step->kind](run, step, phase, &local);
  if (mfp_error_is (local, MFP_ERROR_HUNG) && changes_driver (step->kind))
    mfp_error_append (&local, "The function's driver may be waiting for a program that uses the "
                              "device.");
  observer->end (observer->data, local);
  if (done)
    return TRUE;
  g_propagate_prefixed_error (error, local, "cannot %s: ", text);
  return FALSE;
}

static const MfpStep *
get_step (const MfpPlan *plan, guint index)
{
  return g_ptr_array_index (plan->steps, index);
}

/* The record stays for as long as anything is left of what it names. */
static gboolean
applies (const MfpStep *step, const GError *failed)
{
  return !(step->kind == MFP_STEP_FORGET && failed);
}

/* Undoes the steps before @end, last first. Several may have one inverse: the queue is
 * ejected as a whole. */
static gboolean
undo (const MfpRun *run, guint end, GError **error)
{
  MfpStep inverse, last = { .kind = MFP_STEP_KINDS };
  GError *failed = NULL;

  for (guint i = end; i-- > 0;)
    {
      GError *local = NULL;

      if (!mfp_step_inverse (get_step (run->plan, i), &inverse) || !applies (&inverse, failed)
          || mfp_step_equal (&inverse, &last))
        continue;
      if (!run_step (run, &inverse, MFP_PHASE_UNDO, &local))
        mfp_error_collect (&failed, local);
      last = inverse;
    }
  if (failed)
    g_propagate_error (error, failed);
  return !failed;
}

/* ---- what is left ---- */

/* What can be found out about the state after a failure; each may be NULL. */
typedef struct
{
  MfpGuest *live;
  GHashTable *ids;
  MfpGuest *config;
} Traces;

static void
traces_clear (Traces *traces)
{
  g_clear_pointer (&traces->live, mfp_guest_free);
  g_clear_pointer (&traces->ids, g_hash_table_unref);
  g_clear_pointer (&traces->config, mfp_guest_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Traces, traces_clear)

static gboolean
touches_config (const MfpPlan *plan)
{
  MfpStepKind first = get_step (plan, 0)->kind;

  return first == MFP_STEP_CONFIG_PORT || first == MFP_STEP_CONFIG_ATTACH
         || first == MFP_STEP_CONFIG_DETACH;
}

static Traces
find_traces (const MfpRun *run)
{
  Traces traces = { 0 };

  if (run->plan->domain_id)
    traces.live = mfp_run_read_guest (run, NULL);
  if (traces.live)
    traces.ids = mfp_qemu_list_devices (run->libvirt, NULL);
  if (touches_config (run->plan))
    traces.config = mfp_domain_read (run->libvirt, MFP_CONFIG, NULL);
  return traces;
}

static const char *
choose (gboolean known, gboolean is, const char *yes, const char *no, const char *unknown)
{
  return !known ? unknown : is ? yes : no;
}

/* Says where a function is now: its host driver, and whether the guest or QEMU has it. */
static char *
describe_place (const MfpRun *run, const MfpFunction *function, const Traces *traces)
{
  g_autoptr (MfpHostFunction) now = mfp_node_device_read_at (run->libvirt, &function->host, NULL);
  g_autofree char *host = mfp_function_describe (function);
  gboolean held = traces->live && mfp_run_find_hostdev (traces->live, function);
  gboolean in_qemu = traces->ids && mfp_function_is_among (function, traces->ids);
  gboolean in_config = traces->config && mfp_guest_find_host (traces->config, &function->host);

  return g_strdup_printf (
      "  %s: driver %s%s%s%s", host, !now ? "unknown" : now->driver ? now->driver : "none",
      choose (traces->live != NULL, held, ", owned by the domain", ", not owned by the domain",
              ", libvirt does not say whether the domain owns it"),
      choose (traces->ids != NULL, in_qemu, ", in QEMU", ", not in QEMU",
              ", QEMU does not say whether it has it"),
      choose (traces->config != NULL, in_config, ", in the persistent XML",
              ", not in the persistent XML", ""));
}

/* What the person can do about what is left. */
static void
append_remedies (const MfpPlan *plan, const char *domain, GError **error)
{
  g_autofree char *name = domain ? mfp_shell_word (domain) : NULL;

  if (!name)
    mfp_error_append (error, "To finish: run the command again");
  if (plan->domain_id && name)
    mfp_error_append (error, "To finish or undo: virt-mfplug recover %s", name);
  if (touches_config (plan) && name)
    mfp_error_append (error, "To correct the persistent XML: virsh edit %s", name);
}

/* Completes an error after which things are neither as before nor as wanted. */
static void
append_what_is_left (const MfpRun *run, GError **error)
{
  const MfpPlan *plan = run->plan;
  g_auto (Traces) traces = find_traces (run);
  const MfpCard *card
      = plan->card->functions->len == 0 && plan->persistent ? plan->persistent : plan->card;

  mfp_error_append (error, "What is left:");
  for (guint i = 0; i < card->functions->len; i++)
    {
      g_autofree char *place
          = describe_place (run, g_ptr_array_index (card->functions, i), &traces);

      mfp_error_append (error, "%s", place);
    }
  append_remedies (plan, run->options->domain, error);
  mfp_error_recode (error, MFP_ERROR_LEFT);
}

/* ---- after a failure ---- */

/* Whether @step, which failed with @failure, may have taken effect all the same: nobody
 * heard the outcome, or libvirt failed only when it noted the change. The inverses of these
 * look at the state first. */
static gboolean
may_have_taken_effect (const MfpStep *step, const GError *failure)
{
  if (mfp_error_is (failure, MFP_ERROR_REFUSED))
    return FALSE;
  switch (step->kind)
    {
    case MFP_STEP_RECORD:
    case MFP_STEP_DETACHING:
    case MFP_STEP_TAKE:
    case MFP_STEP_PREPARE:
    case MFP_STEP_QUEUE:
      return TRUE;
    default:
      return mfp_error_is (failure, MFP_ERROR_DISCONNECTED)
             || mfp_error_is (failure, MFP_ERROR_HUNG);
    }
}

/* Whether one of the steps before @end has something to undo. */
static gboolean
can_undo (const MfpPlan *plan, guint end)
{
  MfpStep inverse;

  for (guint i = 0; i < end; i++)
    if (mfp_step_inverse (get_step (plan, i), &inverse))
      return TRUE;
  return FALSE;
}

/* Whether the persistent XML of the domain has one of the functions of @card. */
static gboolean
is_configured (const MfpRun *run, const MfpCard *card)
{
  g_autoptr (MfpGuest) config = mfp_domain_read (run->libvirt, MFP_CONFIG, NULL);

  for (guint i = 0; config && i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (mfp_guest_find_host (config, &function->host))
        return TRUE;
    }
  return FALSE;
}

/* The id of the instance of the domain in which the steps are to be undone; the caller frees. If
 * the domain has ended and started again, some steps may have changed the new instance. But what
 * that instance was started with stays in it. */
static char *
find_instance (const MfpRun *run)
{
  g_autoptr (MfpGuest) guest
      = run->domain_id ? mfp_domain_read (run->libvirt, MFP_LIVE, NULL) : NULL;

  if (!guest || !guest->id || strcmp (guest->id, run->domain_id) == 0
      || is_configured (run, run->plan->card))
    return g_strdup (run->domain_id);
  return g_strdup (guest->id);
}

/* Whether the domain has not started again with a function of the card, which would stay in it. */
static gboolean
check_next_instance (const MfpRun *run, GError **error)
{
  g_autoptr (MfpGuest) guest = NULL;
  GError *local = NULL;

  if (run->domain_id)
    guest = mfp_run_read_guest (run, &local);
  if (!mfp_error_is (local, MFP_ERROR_DOMAIN_RESTARTED))
    {
      g_clear_error (&local);
      return TRUE;
    }
  g_propagate_error (error, local);
  return FALSE;
}

/* Tells that the domain for which the plan was made has ended, unless *@error says so. */
static void
tell_end (const MfpRun *run, GError **error)
{
  g_autoptr (MfpGuest) guest = NULL;
  g_autoptr (GError) local = NULL;

  if (!run->domain_id || mfp_error_is (*error, MFP_ERROR_DOMAIN_GONE)
      || mfp_error_is (*error, MFP_ERROR_DOMAIN_RESTARTED))
    return;
  guest = mfp_run_read_guest (run, &local);
  if (mfp_error_is (local, MFP_ERROR_DOMAIN_GONE))
    mfp_error_append (error, "Also, %s.", local->message);
}

/* Whether the steps before @end changed nothing but the record. */
static gboolean
only_recorded (const MfpPlan *plan, guint end)
{
  for (guint i = 0; i < end; i++)
    {
      MfpStep inverse;

      if (mfp_step_inverse (get_step (plan, i), &inverse) && inverse.kind != MFP_STEP_FORGET)
        return FALSE;
    }
  return TRUE;
}

/* @end: how many steps were undone */
static void
tell_undone (const MfpRun *run, guint end, GError **error)
{
  if (mfp_error_is (*error, MFP_ERROR_REFUSED) && !only_recorded (run->plan, end))
    mfp_error_recode (error, MFP_ERROR_FAILED);
  tell_end (run, error);
  mfp_error_append (error, "Everything was undone.");
}

/* No further call is possible, so nothing can be undone. */
static void
tell_hung (const MfpRun *run, GError **error)
{
  mfp_error_append (error, "Nothing was undone, as libvirt does not return.");
  append_what_is_left (run, error);
}

/* After *@error, undoes the steps before @end. */
static void
fall_back (const MfpRun *run, guint end, GError **error)
{
  g_autofree char *instance = NULL;
  MfpRun undoing = *run;
  GError *failed = NULL;

  if (mfp_error_is (*error, MFP_ERROR_PENDING) || !can_undo (run->plan, end))
    return;
  if (mfp_error_is (*error, MFP_ERROR_HUNG))
    {
      tell_hung (run, error);
      return;
    }
  undoing.domain_id = instance = find_instance (run);
  if (undo (&undoing, end, &failed) && check_next_instance (run, &failed))
    {
      tell_undone (run, end, error);
      return;
    }
  mfp_error_append (error, "Undoing that failed: %s", failed->message);
  append_what_is_left (&undoing, error);
  g_error_free (failed);
}

/* ---- the run ---- */

/* Runs the step at *@i, unless a signal asks to stop before it, and adds 1 to *@i if the
 * step may have taken effect. */
static gboolean
run_next (const MfpRun *run, guint *i, GError **error)
{
  const MfpStep *step = get_step (run->plan, *i);
  GError *local = NULL;
  gboolean done;

  if (!mfp_libvirt_check_interrupt (run->libvirt, error))
    return FALSE;
  done = run_step (run, step, MFP_PHASE_STRICT, &local);
  if (done || may_have_taken_effect (step, local))
    *i += 1;
  if (local)
    g_propagate_error (error, local);
  return done;
}

static gboolean
run_strict (const MfpRun *run, GError **error)
{
  guint i = 0;

  while (i < run->plan->strict)
    {
      GError *local = NULL;

      if (run_next (run, &i, &local))
        continue;
      fall_back (run, i, &local);
      g_propagate_error (error, local);
      return FALSE;
    }
  return TRUE;
}

static gboolean
run_rest (const MfpRun *run, GError **error)
{
  GError *failed = NULL;

  for (guint i = run->plan->strict; i < run->plan->steps->len; i++)
    {
      const MfpStep *step = get_step (run->plan, i);
      GError *local = NULL;

      if (applies (step, failed) && !run_step (run, step, MFP_PHASE_FINISH, &local))
        mfp_error_collect (&failed, local);
    }
  if (!failed)
    return TRUE;
  append_what_is_left (run, &failed);
  g_propagate_error (error, failed);
  return FALSE;
}

gboolean
mfp_execute (const MfpPlan *plan, MfpLibvirt *libvirt, const MfpExecuteOptions *options,
             GError **error)
{
  const MfpRun run = { .plan = plan,
                       .libvirt = libvirt,
                       .options = options,
                       .domain_id = plan->domain_id };

  return run_strict (&run, error) && run_rest (&run, error);
}
