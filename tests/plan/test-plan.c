/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "plan/plan.h"

#include <string.h>

static const char *const names[MFP_STEP_KINDS + 1] = {
  [MFP_STEP_CONFIG_PORT] = "config-port",
  [MFP_STEP_CONFIG_ATTACH] = "config-attach",
  [MFP_STEP_RECORD] = "record",
  [MFP_STEP_CLAIM] = "claim",
  [MFP_STEP_LEAVING] = "leaving",
  [MFP_STEP_STAYING] = "staying",
  [MFP_STEP_TAKE] = "take",
  [MFP_STEP_HOLD] = "hold",
  [MFP_STEP_QUEUE] = "queue",
  [MFP_STEP_PLUG] = "plug",
  [MFP_STEP_VERIFY] = "verify",
  [MFP_STEP_ENUMERATE] = "enumerate",
  [MFP_STEP_UNPLUG] = "unplug",
  [MFP_STEP_EJECT] = "eject",
  [MFP_STEP_DROP] = "drop",
  [MFP_STEP_GIVE_BACK] = "give-back",
  [MFP_STEP_FORGET] = "forget",
  [MFP_STEP_CONFIG_DETACH] = "config-detach",
  [MFP_STEP_CONFIG_UNPORT] = "config-unport",
  [MFP_STEP_NOTHING] = "nothing",
};

/* A plan as text: "record claim take.0 hold.1 | give-back.0": step and host
 * function, a bar where the strict steps end. */
static char *
describe (const MfpPlan *plan)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i <= plan->steps->len; i++)
    {
      const MfpStep *step;

      if (i == plan->strict)
        g_string_append (text, text->len ? " |" : "|");
      if (i == plan->steps->len)
        break;
      step = g_ptr_array_index (plan->steps, i);
      g_string_append_printf (text, "%s%s", text->len ? " " : "", names[step->kind]);
      if (step->function)
        g_string_append_printf (text, ".%u", step->function->host.function);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/**
 * A card of 01:00's functions for slot 05:00.
 * @text: "0=0t 1=1 2=-": host function 0 becomes 0 and is to be taken, 1
 *   becomes 1, 2 is held. "u": unmanaged.
 */
static MfpCard *
card_of (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  MfpCard *card = mfp_card_new ();

  card->slot = test_address ("0000:05:00");
  card->has_slot = TRUE;
  for (guint i = 0; words[i] && *words[i]; i++)
    {
      MfpPciAddress host = test_address ("0000:01:00.0");
      MfpFunction *function;

      host.function = (guint8) (words[i][0] - '0');
      function = mfp_card_add (card, &host,
                               words[i][2] == '-' ? MFP_UNASSIGNED : words[i][2] - '0');
      function->take = strchr (words[i], 't') != NULL;
      function->managed = strchr (words[i], 'u') == NULL;
      if (function->take)
        function->driver = g_strdup ("e1000e");
    }
  if (card->functions->len > 0)
    g_assert_true (mfp_card_name_functions (card, NULL));
  return card;
}

typedef struct
{
  const char *name;
  const char *card;
  gboolean live;
  gboolean config;
  guint port;
  gboolean enumerate;
  const char *steps;
} Attach;

static const Attach attaches[] = {
  /* The function whose alias locks the slot is prepared first. */
  { "whole-card", "0=0t 1=1t 2=2t 3=3t", TRUE, FALSE, 0, FALSE,
    "record claim take.1 take.0 take.2 take.3 hold.1 hold.2 hold.3 queue.1 queue.2 queue.3 plug.0 "
    "verify |" },
  { "bound-functions-are-not-taken", "0=0 1=1t 2=2", TRUE, FALSE, 0, FALSE,
    "record claim take.1 hold.1 hold.2 queue.1 queue.2 plug.0 verify |" },
  { "all-bound", "0=0u 1=1u", TRUE, FALSE, 0, FALSE,
    "record claim hold.1 queue.1 plug.0 verify |" },
  { "partial", "0=0t 2=2t", TRUE, FALSE, 0, FALSE,
    "record claim take.2 take.0 hold.2 queue.2 plug.0 verify |" },
  { "leftovers-are-held-and-not-queued", "0=0t 2=2t 1=-t 3=-", TRUE, FALSE, 0, FALSE,
    "record claim take.2 take.0 take.1 hold.2 hold.1 hold.3 queue.2 plug.0 verify |" },
  { "mapped", "0=-t 1=0t 2=-t 3=1t", TRUE, FALSE, 0, FALSE,
    "record claim take.3 take.0 take.1 take.2 hold.3 hold.0 hold.2 queue.3 plug.1 verify |" },
  { "single-function", "0=0t", TRUE, FALSE, 0, FALSE, "record claim take.0 plug.0 verify |" },
  { "single-function-and-leftover", "0=0t 1=-t", TRUE, FALSE, 0, FALSE,
    "record claim take.0 take.1 hold.1 plug.0 verify |" },
  { "waiting-for-the-guest", "0=0t 1=1t", TRUE, FALSE, 0, TRUE,
    "record claim take.1 take.0 hold.1 queue.1 plug.0 verify enumerate |" },
  { "config", "0=0 1=1 2=-", FALSE, TRUE, 0, FALSE,
    "config-attach.0 config-attach.1 config-attach.2 |" },
  { "config-does-not-wait", "0=0 1=1", FALSE, TRUE, 0, TRUE,
    "config-attach.0 config-attach.1 |" },
  { "config-with-a-new-port", "0=0 1=1", FALSE, TRUE, 5, FALSE,
    "config-port config-attach.0 config-attach.1 |" },
  { "live-adds-no-port", "0=0t", TRUE, FALSE, 5, FALSE, "record claim take.0 plug.0 verify |" },
  { "persistent-changes-the-config-first", "0=0t 1=1t", TRUE, TRUE, 0, FALSE,
    "config-attach.0 config-attach.1 record claim take.1 take.0 hold.1 queue.1 plug.0 verify |" },
  { "nothing-to-do", "0=0 1=1", FALSE, FALSE, 0, FALSE, "|" },
};

static void
test_attach (gconstpointer data)
{
  const Attach *row = data;
  MfpCard *card = card_of (row->card);
  g_autoptr (MfpPlan) plan = NULL;
  g_autofree char *steps = NULL;

  card->port = row->port;
  plan = mfp_plan_attach (card, row->live ? "pci.5" : NULL, row->config, row->enumerate);
  steps = describe (plan);

  g_assert_cmpstr (steps, ==, row->steps);
  g_assert_cmpstr (plan->bus, ==, row->live ? "pci.5" : NULL);
  g_assert_cmpint (plan->record != NULL, ==, row->live);
  g_assert_false (plan->host_only);
}

static void
test_attach_record (void)
{
  g_autoptr (MfpPlan) plan
      = mfp_plan_attach (card_of ("0=0t 1=1 2=-t"), "pci.5", FALSE, FALSE);
  const MfpRecordFunction *noted;

  g_assert_cmpuint (plan->record->functions->len, ==, 3);
  g_assert_false (plan->record->leaving);
  noted = g_ptr_array_index (plan->record->functions, 0);
  g_assert_true (noted->taken);
  g_assert_cmpstr (noted->driver, ==, "e1000e");
  noted = g_ptr_array_index (plan->record->functions, 1);
  g_assert_false (noted->taken);
  g_assert_cmpstr (noted->alias, ==, "ua-mfplug-slot-0000-05-00");
  noted = g_ptr_array_index (plan->record->functions, 2);
  g_assert_cmpint (noted->guest_function, ==, MFP_UNASSIGNED);
}

static void
test_attach_config_xml (void)
{
  MfpCard *card = card_of ("0=0t 1=1u 2=-t");
  g_autoptr (MfpPlan) plan = NULL;
  const char *port, *zero, *one, *rest;

  card->port = 5;
  plan = mfp_plan_attach (card, NULL, TRUE, FALSE);
  port = ((MfpStep *) g_ptr_array_index (plan->steps, 0))->xml;
  zero = ((MfpStep *) g_ptr_array_index (plan->steps, 1))->xml;
  one = ((MfpStep *) g_ptr_array_index (plan->steps, 2))->xml;
  rest = ((MfpStep *) g_ptr_array_index (plan->steps, 3))->xml;
  assert_contains (port, "<controller type=\"pci\" index=\"5\" model=\"pcie-root-port\"");
  assert_contains (zero, "managed=\"yes\"");
  assert_contains (zero, "bus=\"0x05\" slot=\"0x00\" function=\"0x0\" multifunction=\"on\"");
  assert_lacks (zero, "<alias");
  assert_contains (one, "managed=\"no\"");
  assert_contains (one, "bus=\"0x05\" slot=\"0x00\" function=\"0x1\"");
  assert_lacks (one, "multifunction");
  assert_contains (rest, "<address type=\"unassigned\"/>");
}

static void
test_attach_lock_first (void)
{
  g_autoptr (MfpPlan) plan
      = mfp_plan_attach (card_of ("0=0t 3=-t 2=1t"), "pci.5", FALSE, FALSE);
  const MfpFunction *first = g_ptr_array_index (plan->card->functions, 0);
  g_autofree char *steps = describe (plan);

  g_assert_cmpstr (first->alias, ==, "ua-mfplug-slot-0000-05-00");
  g_assert_cmpuint (plan->card->functions->len, ==, 3);
  assert_contains (steps, "hold.2 hold.3 queue.2");
}

typedef struct
{
  const char *name;
  const char *card;
  gboolean live;
  const char *persistent; /* the card of the persistent XML */
  gboolean recorded;
  const char *steps;
} Detach;

static const Detach detaches[] = {
  { "whole-card", "0=0t 1=1t 2=2t", TRUE, NULL, TRUE,
    "leaving eject.0 | drop.0 drop.1 drop.2 give-back.0 give-back.1 give-back.2 forget" },
  { "bound-functions-are-not-given-back", "0=0tu 1=1u", TRUE, NULL, TRUE,
    "leaving eject.0 | drop.0 drop.1 give-back.0 forget" },
  { "leftovers-are-dropped", "1=0t 0=- 2=-t", TRUE, NULL, TRUE,
    "leaving eject.1 | drop.1 drop.0 drop.2 give-back.1 give-back.0 give-back.2 forget" },
  { "cold-plugged-managed-is-mended", "0=0 1=1", TRUE, NULL, FALSE,
    "leaving eject.0 | drop.0 drop.1 give-back.0 give-back.1 forget" },
  { "cold-plugged-unmanaged-is-left-on-vfio", "0=0u 1=1u", TRUE, NULL, FALSE,
    "leaving eject.0 | drop.0 drop.1 forget" },
  { "without-function-0-leaves-the-queue", "1=1t 2=2tu 3=-t", TRUE, NULL, TRUE,
    "leaving eject.1 eject.2 | drop.1 drop.2 drop.3 give-back.1 give-back.2 give-back.3 forget" },
  { "leftovers-alone-never-ask-the-guest", "1=-t", TRUE, NULL, TRUE,
    "leaving | drop.1 give-back.1 forget" },
  { "config", "", FALSE, "0=0 1=1", FALSE, "config-detach.1 config-detach.0 |" },
  { "persistent-changes-the-config-first", "0=0t 1=1t", TRUE, "0=0 1=1 2=-", TRUE,
    "config-detach.2 config-detach.1 config-detach.0 leaving eject.0 | drop.0 drop.1 "
    "give-back.0 give-back.1 forget" },
  { "persistent-need-not-have-what-runs", "0=0t", TRUE, "3=0", TRUE,
    "config-detach.3 leaving eject.0 | drop.0 give-back.0 forget" },
  { "nothing-to-do", "0=0 1=1", FALSE, NULL, FALSE, "|" },
};

static void
test_detach (gconstpointer data)
{
  const Detach *row = data;
  MfpCard *card = card_of (row->card);
  MfpCard *persistent = row->persistent ? card_of (row->persistent) : NULL;
  g_autoptr (MfpPlan) plan = NULL;
  g_autofree char *steps = NULL;

  card->record_id = row->recorded ? g_strdup ("run") : NULL;
  plan = mfp_plan_detach (card, row->live, persistent);
  steps = describe (plan);
  g_assert_cmpstr (steps, ==, row->steps);
  g_assert_true (plan->card == card);
  g_assert_true (plan->persistent == persistent);
  g_assert_cmpint (plan->record != NULL, ==, row->live);
  if (row->live)
    g_assert_true (plan->record->leaving);
  if (row->recorded)
    g_assert_cmpstr (plan->record->id, ==, "run");
  g_assert_false (plan->host_only);
}

/* The steps on the persistent XML have its elements, as they are there. */
static void
test_detach_config_xml (void)
{
  static const char *const elements[] = { "<hostdev n='0'/>", "<hostdev n='1'/>" };
  MfpCard *persistent = card_of ("0=0 1=1");
  g_autoptr (MfpPlan) plan = NULL;

  for (guint i = 0; i < 2; i++)
    ((MfpFunction *) g_ptr_array_index (persistent->functions, i))->xml = g_strdup (elements[i]);
  plan = mfp_plan_detach (mfp_card_new (), FALSE, persistent);
  g_assert_cmpuint (plan->steps->len, ==, 2);
  for (guint i = 0; i < 2; i++)
    {
      const MfpStep *step = g_ptr_array_index (plan->steps, i);

      /* the last first, so that taking it back restores their order */
      g_assert_cmpstr (step->xml, ==, elements[1 - i]);
      g_assert_true (step->function == g_ptr_array_index (persistent->functions, 1 - i));
    }
}

static void
test_verify (void)
{
  g_autoptr (MfpPlan) plan = mfp_plan_verify (card_of ("0=0 1=1"), "pci.5", FALSE);
  g_autoptr (MfpPlan) wait = mfp_plan_verify (card_of ("0=0 1=1"), "pci.5", TRUE);
  g_autofree char *steps = describe (plan), *wait_steps = describe (wait);

  g_assert_cmpstr (steps, ==, "verify |");
  g_assert_cmpstr (wait_steps, ==, "verify enumerate |");
  g_assert_cmpstr (plan->bus, ==, "pci.5");
  g_assert_null (plan->record);
}

static void
test_mend (void)
{
  MfpCard *card = card_of ("0=0t 1=1t 2=2t");
  g_autoptr (GPtrArray) lost = g_ptr_array_new ();
  g_autoptr (MfpPlan) plan = NULL;
  g_autofree char *steps = NULL;

  g_ptr_array_add (lost, g_ptr_array_index (card->functions, 1));
  g_ptr_array_add (lost, g_ptr_array_index (card->functions, 2));
  plan = mfp_plan_mend (card, "pci.5", lost);
  steps = describe (plan);
  g_assert_cmpstr (steps, ==, "| hold.1 hold.2 verify"); /* nothing is taken back */
  g_assert_cmpstr (plan->bus, ==, "pci.5");
}

static void
test_reclaim (void)
{
  g_autoptr (MfpPlan) plan = mfp_plan_reclaim (card_of ("0=0 1=1u 2=-t"));
  g_autofree char *steps = describe (plan);

  g_assert_cmpstr (steps, ==, "| give-back.0 give-back.1 give-back.2");
  g_assert_true (plan->host_only);
}

static void
test_inverse (void)
{
  static const MfpStepKind inverses[MFP_STEP_KINDS] = {
    [MFP_STEP_CONFIG_PORT] = MFP_STEP_CONFIG_UNPORT,
    [MFP_STEP_CONFIG_ATTACH] = MFP_STEP_CONFIG_DETACH,
    [MFP_STEP_RECORD] = MFP_STEP_FORGET,
    [MFP_STEP_CLAIM] = MFP_STEP_NOTHING,
    [MFP_STEP_LEAVING] = MFP_STEP_STAYING,
    [MFP_STEP_STAYING] = MFP_STEP_NOTHING,
    [MFP_STEP_TAKE] = MFP_STEP_GIVE_BACK,
    [MFP_STEP_HOLD] = MFP_STEP_DROP,
    [MFP_STEP_QUEUE] = MFP_STEP_EJECT,
    [MFP_STEP_PLUG] = MFP_STEP_UNPLUG,
    [MFP_STEP_VERIFY] = MFP_STEP_NOTHING,
    [MFP_STEP_ENUMERATE] = MFP_STEP_NOTHING,
    [MFP_STEP_UNPLUG] = MFP_STEP_NOTHING,
    [MFP_STEP_EJECT] = MFP_STEP_NOTHING,
    [MFP_STEP_DROP] = MFP_STEP_NOTHING,
    [MFP_STEP_GIVE_BACK] = MFP_STEP_NOTHING,
    [MFP_STEP_FORGET] = MFP_STEP_NOTHING,
    [MFP_STEP_CONFIG_DETACH] = MFP_STEP_CONFIG_ATTACH,
    [MFP_STEP_CONFIG_UNPORT] = MFP_STEP_CONFIG_PORT,
  };

  FOR_EACH (kind, inverses)
    g_assert_cmpstr (names[mfp_step_inverse ((MfpStepKind) kind)], ==, names[inverses[kind]]);
}

/* Every kind says what it does, and of which function. */
static void
test_describe (void)
{
  g_autoptr (MfpCard) card = card_of ("1=0");
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint kind = 0; kind < MFP_STEP_KINDS; kind++)
    {
      MfpStep with = { .kind = (MfpStepKind) kind,
                       .function = g_ptr_array_index (card->functions, 0) };
      MfpStep without = { .kind = (MfpStepKind) kind };
      g_autofree char *text = mfp_step_describe (&with);
      g_autofree char *bare = mfp_step_describe (&without);

      assert_lacks (text, "%");
      assert_lacks (bare, "%");
      g_assert_cmpuint (strlen (text), >, 5);
      g_assert_true (g_hash_table_add (seen, g_strdup (text)));
      switch ((MfpStepKind) kind)
        {
        case MFP_STEP_CONFIG_ATTACH:
        case MFP_STEP_TAKE:
        case MFP_STEP_HOLD:
        case MFP_STEP_QUEUE:
        case MFP_STEP_PLUG:
        case MFP_STEP_UNPLUG:
        case MFP_STEP_EJECT:
        case MFP_STEP_DROP:
        case MFP_STEP_GIVE_BACK:
        case MFP_STEP_CONFIG_DETACH:
          assert_contains (text, "0000:01:00.1");
          break;
        default:
          break;
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  FOR_EACH (i, attaches)
    test_add_row ("/plan/attach/", attaches[i].name, &attaches[i], test_attach);
  g_test_add_func ("/plan/attach/records-what-will-be-taken", test_attach_record);
  g_test_add_func ("/plan/attach/config-is-what-the-person-asked-for", test_attach_config_xml);
  g_test_add_func ("/plan/attach/prepares-the-lock-first", test_attach_lock_first);
  FOR_EACH (i, detaches)
    test_add_row ("/plan/detach/", detaches[i].name, &detaches[i], test_detach);
  g_test_add_func ("/plan/detach/removes-each-persistent-element", test_detach_config_xml);
  g_test_add_func ("/plan/verify/changes-nothing", test_verify);
  g_test_add_func ("/plan/mend/holds-what-was-lost-and-takes-nothing-back", test_mend);
  g_test_add_func ("/plan/reclaim/gives-each-function-back", test_reclaim);
  g_test_add_func ("/plan/inverse/of-every-kind", test_inverse);
  g_test_add_func ("/plan/describe/says-what-and-of-which-function", test_describe);
  return g_test_run ();
}
