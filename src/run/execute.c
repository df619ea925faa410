/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "run/execute.h"

#include "base/error.h"
#include "base/text.h"
#include "libvirt/monitor.h"
#include "run/steps.h"

static gboolean
run_step (MfpRun *run, const MfpStep *step, MfpStepKind kind, gboolean back, GError **error)
{
  static const MfpStepFunction functions[MFP_STEP_KINDS] = {
    [MFP_STEP_CONFIG_PORT] = mfp_step_config_attach,
    [MFP_STEP_CONFIG_ATTACH] = mfp_step_config_attach,
    [MFP_STEP_RECORD] = mfp_step_record,
    [MFP_STEP_CLAIM] = mfp_step_claim,
    [MFP_STEP_TAKE] = mfp_step_take,
    [MFP_STEP_HOLD] = mfp_step_hold,
    [MFP_STEP_QUEUE] = mfp_step_queue,
    [MFP_STEP_PLUG] = mfp_step_plug,
    [MFP_STEP_LEAVING] = mfp_step_leaving,
    [MFP_STEP_VERIFY] = mfp_step_verify,
    [MFP_STEP_ENUMERATE] = mfp_step_enumerate,
    [MFP_STEP_UNPLUG] = mfp_step_unplug,
    [MFP_STEP_EJECT] = mfp_step_eject,
    [MFP_STEP_DROP] = mfp_step_drop,
    [MFP_STEP_GIVE_BACK] = mfp_step_give_back,
    [MFP_STEP_FORGET] = mfp_step_forget,
    [MFP_STEP_STAYING] = mfp_step_staying,
    [MFP_STEP_CONFIG_DETACH] = mfp_step_config_detach,
    [MFP_STEP_CONFIG_UNPORT] = mfp_step_config_detach,
  };
  const MfpObserver *observer = run->options->observer;
  const MfpStep actual = { .kind = kind, .function = step->function };
  g_autofree char *text = mfp_step_describe (&actual);
  GError *local = NULL;
  gboolean done;

  if (observer)
    observer->begin (observer->data, &actual, back);
  done = functions[kind](run, step, &local);
  if (observer)
    observer->end (observer->data, local);
  if (done)
    return TRUE;
  g_propagate_prefixed_error (error, local, "cannot %s: ", text);
  return FALSE;
}

/* Adds @from to @all, a line each. */
static void
collect (GError **all, GError *from)
{
  if (!*all)
    {
      *all = from;
      return;
    }
  mfp_error_append (all, "%s", from->message);
  g_error_free (from);
}

/* The record stays for as long as anything is left of what it names. */
static gboolean
step_applies (MfpStepKind kind, const GError *failed)
{
  return kind != MFP_STEP_NOTHING && !(kind == MFP_STEP_FORGET && failed);
}

/* Undoes the steps before @end, last first. */
static gboolean
undo (MfpRun *run, guint end, GError **error)
{
  g_autoptr (GError) failed = NULL;

  run->undoing = TRUE;
  mfp_run_forget_seen (run); /* what failed may have changed it */
  for (guint i = end; i-- > 0;)
    {
      const MfpStep *step = g_ptr_array_index (run->plan->steps, i);
      MfpStepKind kind = mfp_step_inverse (step->kind);
      GError *local = NULL;

      if (step_applies (kind, failed) && !run_step (run, step, kind, TRUE, &local))
        collect (&failed, local);
    }
  if (failed)
    g_propagate_error (error, g_steal_pointer (&failed));
  return *error == NULL;
}

/* What can be found out about the state after a failure; each may be NULL. */
typedef struct
{
  const MfpGuest *live;
  GHashTable *devices;
  MfpGuest *config;
} Traces;

static const char *
say (gboolean known, gboolean is, const char *yes, const char *no, const char *unknown)
{
  return !known ? unknown : is ? yes : no;
}

/* Where a function is now, in words: its driver, and who has it. */
static char *
describe_place (MfpRun *run, const MfpFunction *function, const Traces *traces)
{
  g_autoptr (MfpHostFunction) now = run->ops->host_function (run->ops, &function->host, NULL);
  g_autofree char *host = mfp_function_describe (function);
  gboolean held = traces->live && mfp_run_find_hostdev (traces->live, function);
  gboolean in_qemu = traces->devices && mfp_function_is_among (function, traces->devices);
  gboolean in_config = traces->config && mfp_guest_find_host (traces->config, &function->host);

  return g_strdup_printf (
      "  %s: driver %s%s%s%s", host, !now ? "unknown" : now->driver ? now->driver : "none",
      say (traces->live != NULL, held, ", held by the domain", ", not held by the domain",
           ", libvirt does not say whether the domain holds it"),
      say (traces->devices != NULL, in_qemu, ", in QEMU", ", not in QEMU",
           ", QEMU does not say whether it has it"),
      say (traces->config != NULL, in_config, ", in the persistent XML",
           ", not in the persistent XML", ""));
}

static gboolean
touches_config (const MfpPlan *plan)
{
  const MfpStep *first = g_ptr_array_index (plan->steps, 0);

  return first->kind == MFP_STEP_CONFIG_PORT || first->kind == MFP_STEP_CONFIG_ATTACH
         || first->kind == MFP_STEP_CONFIG_DETACH;
}

/* What the person can do about what is left. */
static void
tell_remedies (const MfpPlan *plan, const char *domain, GError **error)
{
  g_autofree char *name = domain ? mfp_shell_word (domain) : NULL;

  if (plan->host_only)
    mfp_error_append (error, "To mend it: run the command again");
  if ((plan->record || plan->bus) && name)
    mfp_error_append (error, "To mend it: virt-mfplug recover %s", name);
  if (touches_config (plan) && name)
    mfp_error_append (error, "To mend the persistent XML: virsh edit %s", name);
}

/* Completes an error after which things are neither as before nor as wanted. */
static void
tell_what_is_left (MfpRun *run, GError **error)
{
  const MfpGuest *live = run->ended ? NULL : mfp_run_look_again (run, NULL);
  g_autoptr (GHashTable) devices = live ? mfp_monitor_list_devices (run->ops, NULL) : NULL;
  g_autofree char *xml = touches_config (run->plan)
                             ? run->ops->domain_xml (run->ops, MFP_CONFIG, NULL)
                             : NULL;
  g_autoptr (MfpGuest) config = xml ? mfp_guest_parse (xml, NULL) : NULL;
  const Traces traces = { .live = live, .devices = devices, .config = config };
  /* With --config the running guest's card is none. */
  gboolean only_config = run->plan->card->functions->len == 0 && run->plan->persistent;
  const MfpCard *card = only_config ? run->plan->persistent : run->plan->card;

  mfp_error_append (error, "What is left:");
  for (guint i = 0; i < card->functions->len; i++)
    {
      g_autofree char *place = describe_place (run, g_ptr_array_index (card->functions, i), &traces);

      mfp_error_append (error, "%s", place);
    }
  tell_remedies (run->plan, run->options->domain, error);
  mfp_error_recode (error, MFP_ERROR_LEFT);
}

/* Whether @step, which failed with @failure, may have changed something all the
 * same: nobody heard of the outcome, or libvirt fails when the change was made
 * and only its own note of it was not. The inverses of these look first, and
 * know what is ours. */
static gboolean
may_have_happened (const MfpStep *step, const GError *failure)
{
  if (mfp_error_is (failure, MFP_ERROR_REFUSED))
    return FALSE;
  switch (step->kind)
    {
    case MFP_STEP_RECORD:
    case MFP_STEP_LEAVING:
    case MFP_STEP_TAKE:
    case MFP_STEP_HOLD:
    case MFP_STEP_QUEUE:
      return TRUE;
    default:
      return mfp_error_is (failure, MFP_ERROR_DISCONNECTED);
    }
}

/* Whether one of the steps before @end has something to undo. */
static gboolean
can_undo (const MfpPlan *plan, guint end)
{
  for (guint i = 0; i < end; i++)
    if (mfp_step_inverse (((const MfpStep *) g_ptr_array_index (plan->steps, i))->kind)
        != MFP_STEP_NOTHING)
      return TRUE;
  return FALSE;
}

/* After the strict step @index failed with *@error. */
static void
fall_back (MfpRun *run, guint index, GError **error)
{
  const MfpStep *step = g_ptr_array_index (run->plan->steps, index);
  guint end = index + (may_have_happened (step, *error) ? 1 : 0);
  g_autoptr (GError) failed = NULL;

  if (mfp_error_is (*error, MFP_ERROR_PENDING) || !can_undo (run->plan, end))
    return;
  if (undo (run, end, &failed))
    {
      /* Something had been touched by then. */
      if (mfp_error_is (*error, MFP_ERROR_REFUSED))
        mfp_error_recode (error, MFP_ERROR_FAILED);
      if (run->ended && !mfp_error_is (*error, MFP_ERROR_DOMAIN_GONE))
        mfp_error_append (error, "The domain ended meanwhile.");
      mfp_error_append (error, "Everything was undone.");
      return;
    }
  mfp_error_append (error, "Undoing that failed: %s", failed->message);
  tell_what_is_left (run, error);
}

static gboolean
run_strict (MfpRun *run, GError **error)
{
  for (guint i = 0; i < run->plan->strict; i++)
    {
      const MfpStep *step = g_ptr_array_index (run->plan->steps, i);
      g_autoptr (GError) local = NULL;

      if (run->ops->check_interrupt (run->ops, &local)
          && run_step (run, step, step->kind, FALSE, &local))
        continue;
      fall_back (run, i, &local);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return TRUE;
}

static gboolean
run_rest (MfpRun *run, GError **error)
{
  g_autoptr (GError) failed = NULL;

  run->undoing = TRUE; /* there is no way back from here */
  for (guint i = run->plan->strict; i < run->plan->steps->len; i++)
    {
      const MfpStep *step = g_ptr_array_index (run->plan->steps, i);
      GError *local = NULL;

      if (step_applies (step->kind, failed) && !run_step (run, step, step->kind, FALSE, &local))
        collect (&failed, local);
    }
  if (!failed)
    return TRUE;
  tell_what_is_left (run, &failed);
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

gboolean
mfp_execute (const MfpPlan *plan, MfpOps *ops, const MfpExecuteOptions *options, GError **error)
{
  g_auto (MfpRun) run = { 0 };

  mfp_run_init (&run, plan, ops, options);
  return run_strict (&run, error) && run_rest (&run, error);
}
