/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "plan/plan.h"

#include <string.h>

/* A plan as text: "record claim take.0 prepare.1 | drop". Each step comes with its host
 * function, and the bar stands where the strict steps end. */
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
      g_string_append_printf (text, "%s%s", text->len ? " " : "",
                              mfp_step_name (step->kind));
      if (step->function)
        g_string_append_printf (text, ".%u", step->function->host.function);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/**
 * card_of:
 * @text: "0=0t 1=1 2=-": host function 0 becomes guest function 0 and has to be taken,
 *   1 becomes 1, and 2 is unassigned. "u" means unmanaged, and "a" means that the person has
 *   given an alias
 *
 * Makes a card of functions of 01:00 for slot 05:00.
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
      if (strchr (words[i], 'a'))
        function->user_alias = g_strdup_printf ("ua-own-%u", host.function);
    }
  if (card->functions->len > 0)
    g_assert_true (mfp_card_name_functions (card, NULL));
  return card;
}

/* The running guest of all plans in this file. */
static const MfpRunning running = { .id = "7", .bus = "pci.5", .unplug = MFP_UNPLUG_EACH };

static void
assert_running (const MfpPlan *plan, gboolean live)
{
  g_assert_cmpstr (plan->domain_id, ==, live ? running.id : NULL);
  g_assert_cmpstr (plan->bus, ==, live ? running.bus : NULL);
  g_assert_cmpint (plan->unplug, ==, live ? running.unplug : MFP_UNPLUG_SLOT);
}

typedef struct
{
  const char *name;
  const char *card;
  gboolean live;
  MfpPlanFlags flags;
  guint port;
  const char *steps;
} Attach;

static const Attach attaches[] = {
  { "queues-a-whole-card-and-plugs-function-0", "0=0t 1=1t 2=2t 3=3t", TRUE, MFP_PLAN_DEFAULT, 0,
    "record claim take.0 take.1 take.2 take.3 prepare.1 prepare.2 prepare.3 check-aliases "
    "queue.1 queue.2 queue.3 plug.0 verify |" },
  { "does-not-take-what-is-on-vfio", "0=0 1=1t 2=2", TRUE, MFP_PLAN_DEFAULT, 0,
    "record claim take.1 prepare.1 prepare.2 check-aliases queue.1 queue.2 plug.0 verify |" },
  { "takes-nothing-when-all-is-on-vfio", "0=0u 1=1u", TRUE, MFP_PLAN_DEFAULT, 0,
    "record claim prepare.1 check-aliases queue.1 plug.0 verify |" },
  { "attaches-only-the-functions-of-the-card", "0=0t 2=2t", TRUE, MFP_PLAN_DEFAULT, 0,
    "record claim take.0 take.2 prepare.2 check-aliases queue.2 plug.0 verify |" },
  { "prepares-unassigned-functions-and-does-not-queue-them", "0=0t 2=2t 1=-t 3=-", TRUE,
    MFP_PLAN_DEFAULT, 0,
    "record claim take.0 take.2 take.1 prepare.2 prepare.1 prepare.3 check-aliases queue.2 "
    "plug.0 verify |" },
  { "plugs-the-host-function-that-becomes-function-0", "0=-t 1=0t 2=-t 3=1t", TRUE,
    MFP_PLAN_DEFAULT, 0,
    "record claim take.0 take.1 take.2 take.3 prepare.3 prepare.0 prepare.2 check-aliases "
    "queue.3 plug.1 verify |" },
  /* The person's own alias cannot lock the slot. */
  { "prepares-the-function-with-the-lock-first", "0=0t 1=1ta 3=3t 2=2t", TRUE, MFP_PLAN_DEFAULT, 0,
    "record claim take.0 take.1 take.3 take.2 prepare.3 prepare.1 prepare.2 check-aliases "
    "queue.1 queue.3 queue.2 plug.0 verify |" },
  { "checks-no-aliases-of-a-single-function", "0=0t", TRUE, MFP_PLAN_DEFAULT, 0,
    "record claim take.0 plug.0 verify |" },
  { "checks-no-aliases-of-a-single-function-and-an-unassigned-one", "0=0t 1=-t", TRUE,
    MFP_PLAN_DEFAULT, 0, "record claim take.0 take.1 prepare.1 plug.0 verify |" },
  { "waits-for-the-guest-at-the-end", "0=0t 1=1t", TRUE, MFP_PLAN_ENUMERATE, 0,
    "record claim take.0 take.1 prepare.1 check-aliases queue.1 plug.0 verify enumerate |" },
  { "config-adds-each-function-to-the-persistent-xml", "0=0 1=1 2=-", FALSE, MFP_PLAN_CONFIG, 0,
    "config-attach.0 config-attach.1 config-attach.2 |" },
  { "config-does-not-wait", "0=0 1=1", FALSE, MFP_PLAN_CONFIG | MFP_PLAN_ENUMERATE, 0,
    "config-attach.0 config-attach.1 |" },
  { "config-adds-a-new-port-first", "0=0 1=1", FALSE, MFP_PLAN_CONFIG, 5,
    "config-port config-attach.0 config-attach.1 |" },
  { "live-adds-no-port", "0=0t", TRUE, MFP_PLAN_DEFAULT, 5,
    "record claim take.0 plug.0 verify |" },
  { "persistent-changes-the-config-first", "0=0t 1=1t", TRUE, MFP_PLAN_CONFIG, 0,
    "config-attach.0 config-attach.1 record claim take.0 take.1 prepare.1 check-aliases "
    "queue.1 plug.0 verify |" },
  { "does-nothing-without-a-form-to-change", "0=0 1=1", FALSE, MFP_PLAN_DEFAULT, 0, "|" },
};

static void
test_attach (gconstpointer data)
{
  const Attach *row = data;
  MfpCard *card = card_of (row->card);
  g_autofree char *order = test_describe_card (card);
  g_autofree char *order_after = NULL, *steps = NULL;
  g_autoptr (MfpPlan) plan = NULL;

  card->port = row->port;
  plan = mfp_plan_attach (card, row->live ? &running : NULL, row->flags);
  steps = describe (plan);
  order_after = test_describe_card (plan->card);

  g_assert_cmpstr (steps, ==, row->steps);
  g_assert_true (plan->card == card);
  g_assert_cmpstr (order_after, ==, order);
  g_assert_cmpint (plan->record != NULL, ==, row->live);
  assert_running (plan, row->live);
}

static void
test_attach_record (void)
{
  g_autoptr (MfpPlan) plan
      = mfp_plan_attach (card_of ("0=0t 1=1 2=-t"), &running, MFP_PLAN_DEFAULT);
  const MfpRecordFunction *noted;

  g_assert_cmpuint (plan->record->functions->len, ==, 3);
  g_assert_null (plan->record->detaching);
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
  plan = mfp_plan_attach (card, NULL, MFP_PLAN_CONFIG);
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

/* The functions of its card that the plan reattaches, as the numbers of host functions:
 * "0 2". */
static char *
describe_returns (const MfpPlan *plan)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < plan->card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (plan->card->functions, i);

      if (mfp_plan_returns (plan, function))
        g_string_append_printf (text, "%s%u", text->len ? " " : "", function->host.function);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

typedef struct
{
  const char *name;
  const char *card;       /* NULL: the plan leaves the running guest alone */
  const char *persistent; /* the card of the persistent XML */
  gboolean recorded;
  const char *steps;
  const char *returns;
} Detach;

#define LIVE_DETACH "detaching eject | drop reattach forget"

static const Detach detaches[] = {
  { "returns-what-was-taken", "0=0t 1=1t 2=2t", NULL, TRUE, LIVE_DETACH, "0 1 2" },
  { "does-not-return-what-was-on-vfio", "0=0tu 1=1u", NULL, TRUE, LIVE_DETACH, "0" },
  { "returns-unassigned-functions-that-were-taken", "1=0t 0=-u 2=-tu", NULL, TRUE, LIVE_DETACH,
    "1 2" },
  { "returns-managed-functions-that-libvirt-may-fail-to-reattach", "0=0 1=1", NULL, FALSE,
    LIVE_DETACH, "0 1" },
  { "leaves-unmanaged-functions-without-a-record-on-vfio", "0=0u 1=1u", NULL, FALSE, LIVE_DETACH,
    "" },
  { "undoes-an-attach-that-never-plugged-function-0", "1=1t 2=2tu 3=-t", NULL, TRUE, LIVE_DETACH,
    "1 2 3" },
  { "config-removes-each-function-from-the-persistent-xml", NULL, "0=0 1=1", FALSE,
    "config-detach.1 config-detach.0 |", "" },
  { "persistent-changes-the-config-first", "0=0t 1=1t", "0=0 1=1 2=-", TRUE,
    "config-detach.2 config-detach.1 config-detach.0 " LIVE_DETACH, "0 1" },
  { "the-persistent-xml-may-have-another-card-than-the-running-guest", "0=0t", "3=0", TRUE,
    "config-detach.3 " LIVE_DETACH, "0" },
  { "does-nothing-without-a-form-to-change", NULL, NULL, FALSE, "|", "" },
};

static void
test_detach (gconstpointer data)
{
  const Detach *row = data;
  gboolean live = row->card != NULL;
  MfpCard *card = live ? card_of (row->card) : NULL;
  MfpCard *persistent = row->persistent ? card_of (row->persistent) : NULL;
  g_autoptr (MfpPlan) plan = NULL;
  g_autofree char *steps = NULL, *returns = NULL;

  if (row->recorded)
    card->record_id = g_strdup ("run");
  plan = mfp_plan_detach (card, live ? &running : NULL, persistent);
  steps = describe (plan);
  returns = describe_returns (plan);
  g_assert_cmpstr (steps, ==, row->steps);
  g_assert_cmpstr (returns, ==, row->returns);
  g_assert_nonnull (plan->card);
  g_assert_true (!live || plan->card == card);
  g_assert_true (plan->persistent == persistent);
  g_assert_cmpint (plan->record != NULL, ==, live);
  if (live)
    g_assert_nonnull (plan->record->detaching);
  if (row->recorded)
    g_assert_cmpstr (plan->record->id, ==, "run");
  assert_running (plan, live);
}

/* The steps on the persistent XML keep its elements unchanged. */
static void
test_detach_config_xml (void)
{
  static const char *const elements[] = { "<hostdev n='0'/>", "<hostdev n='1'/>" };
  MfpCard *persistent = card_of ("0=0 1=1");
  g_autoptr (MfpPlan) plan = NULL;

  for (guint i = 0; i < 2; i++)
    test_function (persistent, i)->xml = g_strdup (elements[i]);
  plan = mfp_plan_detach (NULL, NULL, persistent);
  g_assert_cmpuint (plan->steps->len, ==, 2);
  for (guint i = 0; i < 2; i++)
    {
      const MfpStep *step = g_ptr_array_index (plan->steps, i);

      /* the last first, so that undoing it restores their order */
      g_assert_cmpstr (step->xml, ==, elements[1 - i]);
      g_assert_true (step->function == test_function (persistent, 1 - i));
    }
}

static void
test_verify (void)
{
  g_autoptr (MfpPlan) plan = mfp_plan_verify (card_of ("0=0 1=1"), &running, MFP_PLAN_DEFAULT);
  g_autoptr (MfpPlan) wait = mfp_plan_verify (card_of ("0=0 1=1"), &running, MFP_PLAN_ENUMERATE);
  g_autofree char *steps = describe (plan), *wait_steps = describe (wait);

  g_assert_cmpstr (steps, ==, "verify |");
  g_assert_cmpstr (wait_steps, ==, "verify enumerate |");
  g_assert_null (plan->record);
  assert_running (plan, TRUE);
}

static void
test_repair (void)
{
  MfpCard *card = card_of ("0=0t 1=1t 2=2t");
  g_autoptr (GPtrArray) lost = g_ptr_array_new ();
  g_autoptr (MfpPlan) plan = NULL;
  g_autofree char *steps = NULL;

  g_ptr_array_add (lost, test_function (card, 1));
  g_ptr_array_add (lost, test_function (card, 2));
  plan = mfp_plan_repair (card, &running, lost);
  steps = describe (plan);
  g_assert_cmpstr (steps, ==, "| prepare.1 prepare.2 verify"); /* no step is undone */
  g_assert_null (plan->record);
  assert_running (plan, TRUE);
}

static void
test_reclaim (void)
{
  g_autoptr (MfpPlan) plan = mfp_plan_reclaim (card_of ("0=0 1=1u 2=-t"));
  g_autofree char *steps = describe (plan), *returns = describe_returns (plan);

  g_assert_cmpstr (steps, ==, "| reattach");
  g_assert_cmpstr (returns, ==, "0 1 2"); /* no domain decides what to keep */
  g_assert_null (plan->record);
  assert_running (plan, FALSE);
}

/* ---- steps ---- */

#define NOTHING MFP_STEP_KINDS

/**
 * Kind:
 * @name: its name in the JSON of results
 * @inverse: the step that undoes it, or %NOTHING
 * @of_function: whether it can be about one function
 * @of_card: whether it can be about the whole card, or about no function
 */
typedef struct
{
  const char *name;
  MfpStepKind inverse;
  gboolean of_function;
  gboolean of_card;
} Kind;

static const Kind kinds[MFP_STEP_KINDS] = {
  [MFP_STEP_CONFIG_PORT] = { "config-port", MFP_STEP_CONFIG_UNPORT, FALSE, TRUE },
  [MFP_STEP_CONFIG_ATTACH] = { "config-attach", MFP_STEP_CONFIG_DETACH, TRUE, FALSE },
  [MFP_STEP_RECORD] = { "record", MFP_STEP_FORGET, FALSE, TRUE },
  [MFP_STEP_CLAIM] = { "claim", NOTHING, FALSE, TRUE },
  [MFP_STEP_TAKE] = { "take", MFP_STEP_REATTACH, TRUE, FALSE },
  [MFP_STEP_PREPARE] = { "prepare", MFP_STEP_DROP, TRUE, FALSE },
  [MFP_STEP_CHECK_ALIASES] = { "check-aliases", NOTHING, FALSE, TRUE },
  [MFP_STEP_QUEUE] = { "queue", MFP_STEP_EJECT, TRUE, FALSE },
  [MFP_STEP_PLUG] = { "plug", MFP_STEP_UNPLUG, TRUE, FALSE },
  [MFP_STEP_VERIFY] = { "verify", NOTHING, FALSE, TRUE },
  [MFP_STEP_ENUMERATE] = { "enumerate", NOTHING, FALSE, TRUE },
  [MFP_STEP_DETACHING] = { "detaching", MFP_STEP_NOT_DETACHING, FALSE, TRUE },
  [MFP_STEP_EJECT] = { "eject", NOTHING, FALSE, TRUE },
  [MFP_STEP_DROP] = { "drop", NOTHING, TRUE, TRUE },
  [MFP_STEP_UNPLUG] = { "unplug", NOTHING, TRUE, FALSE },
  [MFP_STEP_REATTACH] = { "reattach", NOTHING, TRUE, TRUE },
  [MFP_STEP_FORGET] = { "forget", NOTHING, FALSE, TRUE },
  [MFP_STEP_NOT_DETACHING] = { "not-detaching", NOTHING, FALSE, TRUE },
  [MFP_STEP_CONFIG_DETACH] = { "config-detach", MFP_STEP_CONFIG_ATTACH, TRUE, FALSE },
  [MFP_STEP_CONFIG_UNPORT] = { "config-unport", MFP_STEP_CONFIG_PORT, FALSE, TRUE },
};

static void
test_name (void)
{
  FOR_EACH (kind, kinds)
    g_assert_cmpstr (mfp_step_name ((MfpStepKind) kind), ==, kinds[kind].name);
}

static void
test_inverse (gconstpointer data)
{
  const Kind *kind = data;
  g_autoptr (MfpCard) card = card_of ("1=0");
  g_autofree char *xml = g_strdup ("<hostdev/>");
  MfpStep step = { .kind = (MfpStepKind) (kind - kinds), .xml = xml };
  MfpStep inverse;

  if (kind->of_function)
    step.function = test_function (card, 0);
  g_assert_cmpint (mfp_step_inverse (&step, &inverse), ==, kind->inverse != NOTHING);
  if (kind->inverse == NOTHING)
    return;
  g_assert_cmpstr (mfp_step_name (inverse.kind), ==, kinds[kind->inverse].name);
  g_assert_true (inverse.xml == xml);
  /* The inverse of a queue step is for the whole slot: QEMU removes all queued functions. */
  g_assert_true (inverse.function == (kinds[kind->inverse].of_function ? step.function : NULL));
}

static void
test_equal (gconstpointer data)
{
  const Kind *kind = data;
  g_autoptr (MfpCard) card = card_of ("0=0 1=1");
  MfpStep step = { .kind = (MfpStepKind) (kind - kinds),
                   .function = test_function (card, 0) };
  MfpStep same = step, of_other = step, of_card = step, of_card_too = step;

  of_other.function = test_function (card, 1);
  of_card.function = NULL;
  of_card_too.function = NULL;
  g_assert_true (mfp_step_equal (&step, &same));
  g_assert_true (mfp_step_equal (&of_card, &of_card_too));
  g_assert_false (mfp_step_equal (&step, &of_other));
  g_assert_false (mfp_step_equal (&step, &of_card));
  g_assert_false (mfp_step_equal (&of_card, &step));
  FOR_EACH (i, kinds)
    {
      MfpStep other = { .kind = (MfpStepKind) i, .function = step.function };

      g_assert_cmpint (mfp_step_equal (&step, &other), ==, &kinds[i] == kind);
    }
}

/* One step undoes all queue steps, but each take step has a step of its own that undoes it. */
static void
test_equal_inverses (void)
{
  g_autoptr (MfpCard) card = card_of ("0=0 1=1 2=2");
  MfpStep first = { .kind = MFP_STEP_QUEUE, .function = test_function (card, 1) };
  MfpStep second = { .kind = MFP_STEP_QUEUE, .function = test_function (card, 2) };
  MfpStep first_inverse, second_inverse;

  g_assert_true (mfp_step_inverse (&first, &first_inverse));
  g_assert_true (mfp_step_inverse (&second, &second_inverse));
  g_assert_true (mfp_step_equal (&first_inverse, &second_inverse));
  first.kind = second.kind = MFP_STEP_TAKE;
  g_assert_true (mfp_step_inverse (&first, &first_inverse));
  g_assert_true (mfp_step_inverse (&second, &second_inverse));
  g_assert_false (mfp_step_equal (&first_inverse, &second_inverse));
}

/* Adds the description of @step to @seen, where it must be new, and returns it. */
static const char *
add_description (GHashTable *seen, const MfpStep *step)
{
  char *text = mfp_step_describe (step);

  assert_lacks (text, "%");
  g_assert_cmpuint (strlen (text), >, 5);
  g_assert_true (g_hash_table_add (seen, text));
  return text;
}

static void
test_describe (void)
{
  g_autoptr (MfpCard) card = card_of ("1=0");
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  FOR_EACH (i, kinds)
    {
      MfpStep step = { .kind = (MfpStepKind) i };

      if (kinds[i].of_card)
        assert_lacks (add_description (seen, &step), "0000:");
      step.function = test_function (card, 0);
      if (kinds[i].of_function)
        assert_contains (add_description (seen, &step), "0000:01:00.1");
    }
}

static void
test_describe_plan (void)
{
  g_autoptr (MfpPlan) plan
      = mfp_plan_attach (card_of ("0=0t 1=1t"), &running, MFP_PLAN_CONFIG | MFP_PLAN_ENUMERATE);
  g_autofree char *text = mfp_plan_describe (plan);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  g_assert_cmpuint (g_strv_length (lines), ==, plan->steps->len + 1);
  g_assert_cmpstr (lines[plan->steps->len], ==, "");
  for (guint i = 0; i < plan->steps->len; i++)
    {
      g_autofree char *step = mfp_step_describe (g_ptr_array_index (plan->steps, i));
      g_autofree char *line = g_strdup_printf ("would %s", step);

      g_assert_cmpstr (lines[i], ==, line);
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
  FOR_EACH (i, detaches)
    test_add_row ("/plan/detach/", detaches[i].name, &detaches[i], test_detach);
  g_test_add_func ("/plan/detach/removes-each-persistent-element", test_detach_config_xml);
  g_test_add_func ("/plan/verify/changes-nothing", test_verify);
  g_test_add_func ("/plan/repair/prepares-what-was-lost-and-undoes-nothing", test_repair);
  g_test_add_func ("/plan/reclaim/reattaches-every-function", test_reclaim);
  g_test_add_func ("/plan/step-name/every-kind-has-its-name", test_name);
  FOR_EACH (i, kinds)
    {
      test_add_row ("/plan/inverse/is-known-for-", kinds[i].name, &kinds[i], test_inverse);
      test_add_row ("/plan/equal/compares-kind-and-function-of-", kinds[i].name, &kinds[i],
                    test_equal);
    }
  g_test_add_func ("/plan/equal/all-queued-functions-have-one-inverse", test_equal_inverses);
  g_test_add_func ("/plan/describe/every-kind-says-what-it-does-and-to-which-function",
                   test_describe);
  g_test_add_func ("/plan/describe/has-a-line-for-each-step", test_describe_plan);
  return g_test_run ();
}
