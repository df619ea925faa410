/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "plan/plan.h"

#include "model/hostdev-xml.h"

static const struct
{
  const char *name; /* in the JSON of results: not to be changed */
  MfpStepKind inverse;
  const char *text; /* %s: the function */
} kinds[MFP_STEP_KINDS] = {
  [MFP_STEP_CONFIG_PORT] = { "config-port", MFP_STEP_CONFIG_UNPORT,
                             "add a port to the persistent XML" },
  [MFP_STEP_CONFIG_ATTACH] = { "config-attach", MFP_STEP_CONFIG_DETACH,
                               "add %s to the persistent XML" },
  [MFP_STEP_RECORD] = { "record", MFP_STEP_FORGET, "note down what is taken from the host" },
  [MFP_STEP_CLAIM] = { "claim", MFP_STEP_NOTHING, "make sure that no other run has them in hand" },
  [MFP_STEP_TAKE] = { "take", MFP_STEP_GIVE_BACK, "take %s from its host driver" },
  [MFP_STEP_HOLD] = { "hold", MFP_STEP_DROP, "have libvirt prepare %s" },
  [MFP_STEP_QUEUE] = { "queue", MFP_STEP_EJECT, "queue %s in QEMU" },
  [MFP_STEP_PLUG] = { "plug", MFP_STEP_UNPLUG, "plug %s as function 0, and the card with it" },
  [MFP_STEP_LEAVING] = { "leaving", MFP_STEP_STAYING, "note down that the card is to leave" },
  [MFP_STEP_VERIFY] = { "verify", MFP_STEP_NOTHING, "verify the slot" },
  [MFP_STEP_ENUMERATE] = { "enumerate", MFP_STEP_NOTHING,
                           "wait for the guest to assign addresses" },
  [MFP_STEP_UNPLUG] = { "unplug", MFP_STEP_NOTHING, "unplug %s, and the card with it" },
  [MFP_STEP_EJECT] = { "eject", MFP_STEP_NOTHING, "remove %s from the guest" },
  [MFP_STEP_DROP] = { "drop", MFP_STEP_NOTHING, "have libvirt let go of %s" },
  [MFP_STEP_GIVE_BACK] = { "give-back", MFP_STEP_NOTHING, "give %s back to its host driver" },
  [MFP_STEP_FORGET] = { "forget", MFP_STEP_NOTHING, "remove the note" },
  [MFP_STEP_STAYING] = { "staying", MFP_STEP_NOTHING, "note down that the card stays" },
  [MFP_STEP_CONFIG_DETACH] = { "config-detach", MFP_STEP_CONFIG_ATTACH,
                               "remove %s from the persistent XML" },
  [MFP_STEP_CONFIG_UNPORT] = { "config-unport", MFP_STEP_CONFIG_PORT,
                               "remove the port from the persistent XML" },
};

static void
step_free (gpointer data)
{
  MfpStep *step = data;

  g_free (step->xml);
  g_free (step);
}

static MfpPlan *
plan_new (MfpCard *card)
{
  MfpPlan *plan = g_new0 (MfpPlan, 1);

  plan->card = card;
  plan->steps = g_ptr_array_new_with_free_func (step_free);
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
  g_free (plan->bus);
  g_ptr_array_unref (plan->steps);
  g_free (plan);
}

static void
add_step (MfpPlan *plan, MfpStepKind kind, MfpFunction *function, char *xml)
{
  MfpStep *step = g_new0 (MfpStep, 1);

  step->kind = kind;
  step->function = function;
  step->xml = xml;
  g_ptr_array_add (plan->steps, step);
}

/* Which functions a kind of step is for. */
typedef gboolean (*Chosen) (const MfpFunction *function);

static gboolean
every (const MfpFunction *function G_GNUC_UNUSED)
{
  return TRUE;
}

static gboolean
to_take (const MfpFunction *function)
{
  return function->take;
}

static gboolean
not_zero (const MfpFunction *function)
{
  return function->guest_function != 0;
}

static gboolean
queued (const MfpFunction *function)
{
  return function->guest_function > 0;
}

/* libvirt gives managed functions back by itself, which may need mending. */
static gboolean
to_return (const MfpFunction *function)
{
  return function->take || function->managed;
}

static void
add_steps (MfpPlan *plan, MfpStepKind kind, Chosen chosen)
{
  for (guint i = 0; i < plan->card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (plan->card->functions, i);

      if (chosen (function))
        add_step (plan, kind, function, NULL);
    }
}

/* Puts the function whose alias locks the slot first, so that the loser of a
 * race for it has prepared nothing yet. */
static void
lock_first (MfpCard *card)
{
  MfpFunction *lock = mfp_card_lock (card);
  guint index;

  if (lock && g_ptr_array_find (card->functions, lock, &index))
    g_ptr_array_insert (card->functions, 0, g_ptr_array_steal_index (card->functions, index));
}

static void
add_live_attach (MfpPlan *plan, const char *bus, gboolean enumerate)
{
  plan->bus = g_strdup (bus);
  plan->record = mfp_card_to_record (plan->card, FALSE);
  lock_first (plan->card);
  add_step (plan, MFP_STEP_RECORD, NULL, NULL);
  add_step (plan, MFP_STEP_CLAIM, NULL, NULL);
  add_steps (plan, MFP_STEP_TAKE, to_take);
  add_steps (plan, MFP_STEP_HOLD, not_zero);
  add_steps (plan, MFP_STEP_QUEUE, queued);
  add_step (plan, MFP_STEP_PLUG, mfp_card_find_guest (plan->card, 0), NULL);
  add_step (plan, MFP_STEP_VERIFY, NULL, NULL);
  if (enumerate)
    add_step (plan, MFP_STEP_ENUMERATE, NULL, NULL);
}

static void
add_config_attach (MfpPlan *plan)
{
  if (plan->card->port)
    add_step (plan, MFP_STEP_CONFIG_PORT, NULL, mfp_port_format (plan->card));
  for (guint i = 0; i < plan->card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (plan->card->functions, i);

      add_step (plan, MFP_STEP_CONFIG_ATTACH, function,
                mfp_hostdev_format (plan->card, function, MFP_HOSTDEV_ASKED));
    }
}

MfpPlan *
mfp_plan_attach (MfpCard *card, const char *bus, gboolean config, gboolean enumerate)
{
  MfpPlan *plan = plan_new (card);

  if (config)
    add_config_attach (plan);
  if (bus)
    add_live_attach (plan, bus, enumerate);
  plan->strict = plan->steps->len;
  return plan;
}

MfpPlan *
mfp_plan_verify (MfpCard *card, const char *bus, gboolean enumerate)
{
  MfpPlan *plan = plan_new (card);

  plan->bus = g_strdup (bus);
  add_step (plan, MFP_STEP_VERIFY, NULL, NULL);
  if (enumerate)
    add_step (plan, MFP_STEP_ENUMERATE, NULL, NULL);
  plan->strict = plan->steps->len;
  return plan;
}

MfpPlan *
mfp_plan_mend (MfpCard *card, const char *bus, const GPtrArray *lost)
{
  MfpPlan *plan = plan_new (card);

  plan->bus = g_strdup (bus);
  for (guint i = 0; i < lost->len; i++)
    add_step (plan, MFP_STEP_HOLD, g_ptr_array_index (lost, i), NULL);
  add_step (plan, MFP_STEP_VERIFY, NULL, NULL);
  return plan; /* nothing strict: a hold that worked is not taken back */
}

static void
add_live_detach (MfpPlan *plan)
{
  MfpFunction *first = mfp_card_find_guest (plan->card, 0);

  plan->record = mfp_card_to_record (plan->card, TRUE);
  add_step (plan, MFP_STEP_LEAVING, NULL, NULL);
  if (first)
    add_step (plan, MFP_STEP_EJECT, first, NULL);
  else
    add_steps (plan, MFP_STEP_EJECT, queued);
  plan->strict = plan->steps->len;
  add_steps (plan, MFP_STEP_DROP, every);
  add_steps (plan, MFP_STEP_GIVE_BACK, to_return);
  add_step (plan, MFP_STEP_FORGET, NULL, NULL);
}

/* A step with the XML that the domain has for each function, the last first. */
static void
add_config_detach (MfpPlan *plan, MfpCard *persistent)
{
  plan->persistent = persistent;
  for (guint i = persistent ? persistent->functions->len : 0; i-- > 0;)
    {
      MfpFunction *function = g_ptr_array_index (persistent->functions, i);

      add_step (plan, MFP_STEP_CONFIG_DETACH, function, g_strdup (function->xml));
    }
}

MfpPlan *
mfp_plan_detach (MfpCard *card, gboolean live, MfpCard *persistent)
{
  MfpPlan *plan = plan_new (card);

  add_config_detach (plan, persistent);
  plan->strict = plan->steps->len;
  if (live)
    add_live_detach (plan);
  return plan;
}

MfpPlan *
mfp_plan_reclaim (MfpCard *card)
{
  MfpPlan *plan = plan_new (card);

  plan->host_only = TRUE;
  add_steps (plan, MFP_STEP_GIVE_BACK, every);
  return plan;
}

GArray *
mfp_plan_returning (const MfpPlan *plan)
{
  GArray *addresses = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const MfpStep *step = g_ptr_array_index (plan->steps, i);

      if (step->kind == MFP_STEP_GIVE_BACK)
        g_array_append_val (addresses, step->function->host);
    }
  return addresses;
}

MfpStepKind
mfp_step_inverse (MfpStepKind kind)
{
  return kinds[kind].inverse;
}

const char *
mfp_step_name (MfpStepKind kind)
{
  return kinds[kind].name;
}

char *
mfp_step_describe (const MfpStep *step)
{
  g_autofree char *function = step->function ? mfp_function_describe (step->function)
                                             : g_strdup ("a function");
  g_auto (GStrv) parts = g_strsplit (kinds[step->kind].text, "%s", 2);

  return g_strjoinv (function, parts);
}

char *
mfp_plan_describe (const MfpPlan *plan)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < plan->steps->len; i++)
    {
      g_autofree char *step = mfp_step_describe (g_ptr_array_index (plan->steps, i));

      g_string_append_printf (text, "would %s, if it is not so\n", step);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
