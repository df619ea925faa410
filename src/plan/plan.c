/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "plan/plan.h"

#include "model/hostdev-xml.h"

#define NOTHING MFP_STEP_KINDS /* undoes a step that changes nothing */

/**
 * StepRule:
 * @name: in the JSON of results
 * @inverse: undoes it
 * @inverse_for_all: @inverse is about the whole card
 * @text: about one function (%s), or about none
 * @text_for_all: (nullable): about the whole card
 */
typedef struct
{
  const char *name;
  MfpStepKind inverse;
  gboolean inverse_for_all;
  const char *text;
  const char *text_for_all;
} StepRule;

static const StepRule rules[MFP_STEP_KINDS] = {
  [MFP_STEP_CONFIG_PORT] = { "config-port", MFP_STEP_CONFIG_UNPORT, FALSE,
                             "add a port to the persistent XML", NULL },
  [MFP_STEP_CONFIG_ATTACH] = { "config-attach", MFP_STEP_CONFIG_DETACH, FALSE,
                               "add %s to the persistent XML", NULL },
  [MFP_STEP_RECORD] = { "record", MFP_STEP_FORGET, FALSE,
                        "record what is taken from the host", NULL },
  [MFP_STEP_CLAIM] = { "claim", NOTHING, FALSE,
                       "check that no other run and no other domain has these functions", NULL },
  [MFP_STEP_TAKE] = { "take", MFP_STEP_REATTACH, FALSE, "take %s from its host driver", NULL },
  [MFP_STEP_PREPARE] = { "prepare", MFP_STEP_DROP, FALSE,
                         "attach %s to the domain as unassigned", NULL },
  [MFP_STEP_CHECK_ALIASES] = { "check-aliases", NOTHING, FALSE,
                               "check the aliases of the unassigned functions", NULL },
  [MFP_STEP_QUEUE] = { "queue", MFP_STEP_EJECT, TRUE, "queue %s in QEMU", NULL },
  [MFP_STEP_PLUG] = { "plug", MFP_STEP_UNPLUG, FALSE,
                      "plug %s as function 0, and the card with it", NULL },
  [MFP_STEP_VERIFY] = { "verify", NOTHING, FALSE, "verify the slot", NULL },
  [MFP_STEP_ENUMERATE] = { "enumerate", NOTHING, FALSE,
                           "wait for the guest to assign addresses", NULL },
  [MFP_STEP_DETACHING] = { "detaching", MFP_STEP_NOT_DETACHING, FALSE,
                           "record that the card is being detached", NULL },
  [MFP_STEP_EJECT] = { "eject", NOTHING, FALSE, NULL, "remove the card from the guest" },
  [MFP_STEP_DROP] = { "drop", NOTHING, FALSE, "have libvirt drop %s",
                      "have libvirt drop the functions" },
  [MFP_STEP_UNPLUG] = { "unplug", NOTHING, FALSE, "unplug %s, and the card with it", NULL },
  [MFP_STEP_REATTACH] = { "reattach", NOTHING, FALSE, "reattach %s to its host driver",
                          "reattach the functions to their host drivers" },
  [MFP_STEP_FORGET] = { "forget", NOTHING, FALSE, "remove the record", NULL },
  [MFP_STEP_NOT_DETACHING] = { "not-detaching", NOTHING, FALSE,
                               "record that the card stays", NULL },
  [MFP_STEP_CONFIG_DETACH] = { "config-detach", MFP_STEP_CONFIG_ATTACH, FALSE,
                               "remove %s from the persistent XML", NULL },
  [MFP_STEP_CONFIG_UNPORT] = { "config-unport", MFP_STEP_CONFIG_PORT, FALSE,
                               "remove the port from the persistent XML", NULL },
};

static void
step_free (gpointer data)
{
  MfpStep *step = data;

  g_free (step->xml);
  g_free (step);
}

static MfpPlan *
plan_new (MfpCard *card, const MfpRunning *running)
{
  MfpPlan *plan = g_new0 (MfpPlan, 1);

  plan->card = card;
  plan->steps = g_ptr_array_new_with_free_func (step_free);
  if (running)
    {
      plan->domain_id = g_strdup (running->id);
      plan->bus = g_strdup (running->bus);
      plan->unplug = running->unplug;
    }
  return plan;
}

void
mfp_plan_free (MfpPlan *plan)
{
  if (!plan)
    return;
  mfp_card_free (plan->card);
  mfp_card_free (plan->persistent);
  mfp_record_free (plan->record);
  g_free (plan->domain_id);
  g_free (plan->bus);
  g_ptr_array_unref (plan->steps);
  g_free (plan);
}

static void
add_step (MfpPlan *plan, MfpStepKind kind, const MfpFunction *function, char *xml)
{
  MfpStep *step = g_new0 (MfpStep, 1);

  step->kind = kind;
  step->function = function;
  step->xml = xml;
  g_ptr_array_add (plan->steps, step);
}

/* A step about the whole card, or about none of its functions. */
static void
add_common_step (MfpPlan *plan, MfpStepKind kind)
{
  add_step (plan, kind, NULL, NULL);
}

/* Which functions a kind of step is for. */
typedef gboolean (*Chosen) (const MfpFunction *function);

static gboolean
has_to_be_taken (const MfpFunction *function)
{
  return function->take;
}

static gboolean
is_not_zero (const MfpFunction *function)
{
  return function->guest_function != 0;
}

static gboolean
is_queued (const MfpFunction *function)
{
  return function->guest_function > 0;
}

static void
add_steps (MfpPlan *plan, MfpStepKind kind, Chosen chosen)
{
  for (guint i = 0; i < plan->card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (plan->card->functions, i);

      if (chosen (function))
        add_step (plan, kind, function, NULL);
    }
}

/* The function whose alias locks the slot comes first: who loses a race for the slot has
 * prepared nothing yet. */
static void
add_preparation (MfpPlan *plan)
{
  const MfpFunction *lock = mfp_card_lock (plan->card);

  if (lock)
    add_step (plan, MFP_STEP_PREPARE, lock, NULL);
  for (guint i = 0; i < plan->card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (plan->card->functions, i);

      if (function != lock && is_not_zero (function))
        add_step (plan, MFP_STEP_PREPARE, function, NULL);
    }
}

static void
add_enumeration (MfpPlan *plan, MfpPlanFlags flags)
{
  if (flags & MFP_PLAN_ENUMERATE)
    add_common_step (plan, MFP_STEP_ENUMERATE);
}

static void
add_live_attach (MfpPlan *plan, MfpPlanFlags flags)
{
  plan->record = mfp_card_to_record (plan->card);
  add_common_step (plan, MFP_STEP_RECORD);
  add_common_step (plan, MFP_STEP_CLAIM);
  add_steps (plan, MFP_STEP_TAKE, has_to_be_taken);
  add_preparation (plan);
  if (mfp_card_count_exposed (plan->card) > 1)
    add_common_step (plan, MFP_STEP_CHECK_ALIASES);
  add_steps (plan, MFP_STEP_QUEUE, is_queued);
  add_step (plan, MFP_STEP_PLUG, mfp_card_find_guest (plan->card, 0), NULL);
  add_common_step (plan, MFP_STEP_VERIFY);
  add_enumeration (plan, flags);
}

static void
add_config_attach (MfpPlan *plan)
{
  const MfpCard *card = plan->card;

  if (card->port)
    add_step (plan, MFP_STEP_CONFIG_PORT, NULL, mfp_port_format (card));
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      add_step (plan, MFP_STEP_CONFIG_ATTACH, function,
                mfp_hostdev_format (card, function, MFP_HOSTDEV_ASKED));
    }
}

MfpPlan *
mfp_plan_attach (MfpCard *card, const MfpRunning *running, MfpPlanFlags flags)
{
  MfpPlan *plan = plan_new (card, running);

  if (flags & MFP_PLAN_CONFIG)
    add_config_attach (plan);
  if (running)
    add_live_attach (plan, flags);
  plan->strict = plan->steps->len;
  return plan;
}

MfpPlan *
mfp_plan_verify (MfpCard *card, const MfpRunning *running, MfpPlanFlags flags)
{
  MfpPlan *plan = plan_new (card, running);

  add_common_step (plan, MFP_STEP_VERIFY);
  add_enumeration (plan, flags);
  plan->strict = plan->steps->len;
  return plan;
}

MfpPlan *
mfp_plan_repair (MfpCard *card, const MfpRunning *running, const GPtrArray *lost)
{
  MfpPlan *plan = plan_new (card, running);

  for (guint i = 0; i < lost->len; i++)
    add_step (plan, MFP_STEP_PREPARE, g_ptr_array_index (lost, i), NULL);
  add_common_step (plan, MFP_STEP_VERIFY);
  return plan; /* no step is strict: what libvirt owns again stays so */
}

/* The domain's own XML of each function, the last first. */
static void
add_config_detach (MfpPlan *plan, MfpCard *persistent)
{
  plan->persistent = persistent;
  for (guint i = persistent->functions->len; i-- > 0;)
    {
      const MfpFunction *function = g_ptr_array_index (persistent->functions, i);

      add_step (plan, MFP_STEP_CONFIG_DETACH, function, g_strdup (function->xml));
    }
}

static void
add_live_detach (MfpPlan *plan)
{
  plan->record = mfp_card_to_detaching_record (plan->card);
  add_common_step (plan, MFP_STEP_DETACHING);
  add_common_step (plan, MFP_STEP_EJECT);
  plan->strict = plan->steps->len;
  add_common_step (plan, MFP_STEP_DROP);
  add_common_step (plan, MFP_STEP_REATTACH);
  add_common_step (plan, MFP_STEP_FORGET);
}

MfpPlan *
mfp_plan_detach (MfpCard *card, const MfpRunning *running, MfpCard *persistent)
{
  MfpPlan *plan = plan_new (card ? card : mfp_card_new (), running);

  if (persistent)
    add_config_detach (plan, persistent);
  plan->strict = plan->steps->len;
  if (card)
    add_live_detach (plan);
  return plan;
}

MfpPlan *
mfp_plan_forget (MfpCard *card, const MfpRunning *running)
{
  MfpPlan *plan = plan_new (card, running);

  plan->record = mfp_card_to_record (card);
  add_common_step (plan, MFP_STEP_FORGET);
  return plan;
}

MfpPlan *
mfp_plan_reclaim (MfpCard *card)
{
  MfpPlan *plan = plan_new (card, NULL);

  add_common_step (plan, MFP_STEP_REATTACH);
  return plan;
}

/* libvirt itself reattaches managed functions, and may fail to: the plan verifies that. */
gboolean
mfp_plan_returns (const MfpPlan *plan, const MfpFunction *function)
{
  return !plan->domain_id || function->take || function->managed;
}

gboolean
mfp_step_inverse (const MfpStep *step, MfpStep *inverse)
{
  const StepRule *rule = &rules[step->kind];

  *inverse = (MfpStep){
    .kind = rule->inverse,
    .function = rule->inverse_for_all ? NULL : step->function,
    .xml = step->xml,
  };
  return rule->inverse != NOTHING;
}

gboolean
mfp_step_equal (const MfpStep *a, const MfpStep *b)
{
  return a->kind == b->kind && a->function == b->function;
}

const char *
mfp_step_name (MfpStepKind kind)
{
  return rules[kind].name;
}

char *
mfp_step_describe (const MfpStep *step)
{
  const StepRule *rule = &rules[step->kind];
  g_autofree char *function = step->function ? mfp_function_describe (step->function) : NULL;
  g_auto (GStrv) parts = NULL;

  if (!function)
    return g_strdup (rule->text_for_all ? rule->text_for_all : rule->text);
  parts = g_strsplit (rule->text, "%s", 2);
  return g_strjoinv (function, parts);
}

static void
append_step (GString *text, const MfpStep *step)
{
  g_autofree char *description = mfp_step_describe (step);

  g_string_append_printf (text, "would %s\n", description);
}

/* The person wants to know which functions go back to their host drivers. */
static void
append_reattachments (GString *text, const MfpPlan *plan)
{
  for (guint i = 0; i < plan->card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (plan->card->functions, i);

      if (mfp_plan_returns (plan, function))
        append_step (text, &(MfpStep){ .kind = MFP_STEP_REATTACH, .function = function });
    }
}

char *
mfp_plan_describe (const MfpPlan *plan)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const MfpStep *step = g_ptr_array_index (plan->steps, i);

      if (step->kind == MFP_STEP_REATTACH && !step->function)
        append_reattachments (text, plan);
      else
        append_step (text, step);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
