/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lets every operation of every kind of plan fail in every way, and holds
 * what is left against what was before and what was wanted.
 */
#include "config.h"

#include "error.h"
#include "execute.h"
#include "fake-libvirt.h"

#include <string.h>

#define TIMEOUT (20 * G_TIME_SPAN_SECOND)
#define OPERATIONS_MAX 400 /* more than any plan needs */
#define SCHEDULES 10000u

/**
 * Scene:
 * @prepare: brings the fake into the state before, with no fault
 * @plan: makes the plan from the fake's state
 */
typedef struct
{
  const char *name;
  FakeHotplug hotplug;
  void (*prepare) (Fake *fake);
  MfpPlan *(*plan) (Fake *fake);
} Scene;

static gboolean
run_plan (Fake *fake, const MfpPlan *plan, GError **error)
{
  MfpExecuteOptions options = { .domain = "vm", .timeout = TIMEOUT };

  return mfp_execute (plan, fake_ops (fake), &options, error);
}

static MfpGuest *
read_guest (Fake *fake, MfpForm form)
{
  g_autofree char *xml = fake_ops (fake)->domain_xml (fake_ops (fake), form, NULL);
  MfpGuest *guest = mfp_guest_parse (xml, NULL);

  g_assert_nonnull (guest);
  return guest;
}

/* ---- plans ---- */

/* A card whose functions have the drivers that the fake's host shows. */
static MfpCard *
make_card (Fake *fake, const char *word, MfpRest rest)
{
  const char *const words[] = { word, NULL };
  g_autoptr (GArray) selections = mfp_selection_parse (words, NULL, NULL);
  g_autoptr (GPtrArray) host
      = g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_host_function_free);
  MfpCard *card;

  for (guint8 i = 0; i < 4; i++)
    g_ptr_array_add (host, fake_ops (fake)->host_function (
                               fake_ops (fake), &(MfpPciAddress){ .bus = 1, .function = i }, NULL));
  card = mfp_card_from_selections (selections, host, rest, NULL);
  g_assert_nonnull (card);
  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpHostFunction *now = g_ptr_array_index (host, function->host.function);

      function->driver = g_strdup (now->driver);
      function->take = !mfp_driver_is_vfio (now->driver);
    }
  card->slot = (MfpPciAddress){ .bus = 3 };
  card->has_slot = TRUE;
  g_assert_true (mfp_card_name_functions (card, NULL));
  return card;
}

static MfpPlan *
attach_whole (Fake *fake)
{
  return mfp_plan_attach (make_card (fake, "01:00", MFP_REST_KEEP), "pci.3", FALSE, TRUE);
}

static MfpPlan *
attach_partial (Fake *fake)
{
  return mfp_plan_attach (make_card (fake, "01:00.0,2", MFP_REST_UNASSIGNED), "pci.3", FALSE, FALSE);
}

static MfpPlan *
attach_mapped (Fake *fake)
{
  return mfp_plan_attach (make_card (fake, "01:00.1=0,01:00.3=1", MFP_REST_UNASSIGNED), "pci.3",
                          FALSE, FALSE);
}

static MfpPlan *
attach_persistent (Fake *fake)
{
  return mfp_plan_attach (make_card (fake, "01:00", MFP_REST_KEEP), "pci.3", TRUE, FALSE);
}

static MfpPlan *
detach_of (Fake *fake, gboolean persistent)
{
  const char *const words[] = { "01:00", NULL };
  g_autoptr (GArray) selections = mfp_selection_parse (words, NULL, NULL);
  g_autoptr (MfpGuest) live = read_guest (fake, MFP_LIVE);
  g_autoptr (MfpGuest) config = read_guest (fake, MFP_CONFIG);
  const MfpRecord *record = live->records->len ? g_ptr_array_index (live->records, 0) : NULL;

  return mfp_plan_detach (mfp_card_from_guest (live, selections, record), TRUE,
                          persistent ? mfp_card_from_guest (config, selections, NULL) : NULL);
}

static MfpPlan *
detach_live (Fake *fake)
{
  return detach_of (fake, FALSE);
}

static MfpPlan *
detach_persistent (Fake *fake)
{
  return detach_of (fake, TRUE);
}

/* ---- states before ---- */

static void
nothing_attached (Fake *fake G_GNUC_UNUSED)
{
}

static void
one_on_vfio (Fake *fake)
{
  fake_bind (fake, "0000:01:00.2", "vfio-pci");
}

static void
attached_by (Fake *fake, MfpPlan *(*make) (Fake *fake))
{
  g_autoptr (MfpPlan) plan = make (fake);
  g_autoptr (GError) error = NULL;

  run_plan (fake, plan, &error);
  g_assert_no_error (error);
}

static void
whole_attached (Fake *fake)
{
  attached_by (fake, attach_whole);
}

static void
partial_attached (Fake *fake)
{
  attached_by (fake, attach_partial);
}

static void
mapped_attached (Fake *fake)
{
  attached_by (fake, attach_mapped);
}

static void
persistent_attached (Fake *fake)
{
  attached_by (fake, attach_persistent);
}

static void
cold_plugged (Fake *fake)
{
  g_autoptr (MfpPlan) plan
      = mfp_plan_attach (make_card (fake, "01:00", MFP_REST_KEEP), NULL, TRUE, FALSE);
  g_autoptr (GError) error = NULL;

  run_plan (fake, plan, &error);
  g_assert_no_error (error);
  fake_restart_domain (fake);
}

static const Scene scenes[] = {
  { "attach-whole-acpi", FAKE_ACPI, nothing_attached, attach_whole },
  { "attach-whole-native", FAKE_NATIVE, nothing_attached, attach_whole },
  { "attach-partial", FAKE_ACPI, nothing_attached, attach_partial },
  { "attach-mapped", FAKE_NATIVE, nothing_attached, attach_mapped },
  { "attach-with-one-on-vfio", FAKE_ACPI, one_on_vfio, attach_whole },
  { "attach-persistent", FAKE_ACPI, nothing_attached, attach_persistent },
  { "detach-whole", FAKE_ACPI, whole_attached, detach_live },
  { "detach-partial", FAKE_ACPI, partial_attached, detach_live },
  { "detach-mapped", FAKE_NATIVE, mapped_attached, detach_live },
  { "detach-persistent", FAKE_ACPI, persistent_attached, detach_persistent },
  { "detach-cold-plugged", FAKE_ACPI, cold_plugged, detach_persistent },
};

/* ---- running and judging ---- */

static Fake *
set_scene (const Scene *scene, guint32 seed)
{
  Fake *fake = fake_new (scene->hotplug, seed);

  scene->prepare (fake);
  return fake;
}

/* What is compared; see fake_describe_live() and the like. */
typedef struct
{
  char *live;
  char *config;
  char *drivers;
} State;

static State *
capture (const Fake *fake)
{
  State *state = g_new0 (State, 1);

  state->live = fake_describe_live (fake);
  state->config = fake_describe_config (fake);
  state->drivers = fake_describe_drivers (fake);
  return state;
}

static void
state_free (State *state)
{
  g_free (state->live);
  g_free (state->config);
  g_free (state->drivers);
  g_free (state);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (State, state_free)

static void
assert_same (const State *actual, const State *expected)
{
  g_assert_cmpstr (actual->live, ==, expected->live);
  g_assert_cmpstr (actual->config, ==, expected->config);
}

/* The state that @scene's plan reaches without a fault. */
static State *
goal_of (const Scene *scene, guint *operations)
{
  g_autoptr (Fake) fake = set_scene (scene, 1);
  g_autoptr (MfpPlan) plan = scene->plan (fake);
  g_autoptr (GError) error = NULL;

  fake_mend (fake);
  run_plan (fake, plan, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (fake_violation (fake), ==, NULL);
  *operations = fake_operations (fake);
  return capture (fake);
}

typedef struct
{
  guint restored;
  guint completed;
  guint pending;
  guint needs_recover;
} Outcome;

/* What recover does: the card of the record, whatever a run left of it, is
 * taken back. */
static void
recover (Fake *fake)
{
  g_autoptr (MfpGuest) live = read_guest (fake, MFP_LIVE);
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  if (!live->id || live->records->len == 0)
    return;
  plan = mfp_plan_detach (mfp_card_from_guest (live, NULL, g_ptr_array_index (live->records, 0)),
                          TRUE, NULL);
  run_plan (fake, plan, &error);
  g_assert_no_error (error);
}

/* What was left can be put right once things work again: an attach is undone,
 * a detach finished. */
static void
check_recovery (Fake *fake, const Scene *scene, const State *before, const State *goal)
{
  g_autoptr (State) after = NULL;

  fake_mend (fake);
  recover (fake);
  after = capture (fake);
  /* A detach that never asked the guest leaves the card in. */
  if (g_str_has_prefix (scene->name, "attach") || strcmp (after->live, goal->live) != 0)
    g_assert_cmpstr (after->live, ==, before->live);
}

/* Holds what one faulty run left against what its exit status says. */
static void
judge (Fake *fake, const Scene *scene, const GError *error, gboolean domain_ends,
       const State *before, const State *goal, Outcome *outcome)
{
  g_autoptr (State) after = capture (fake);
  int status = mfp_error_exit_status (error);

  g_assert_cmpstr (fake_violation (fake), ==, NULL);
  switch (status)
    {
    case 0:
      if (!domain_ends)
        assert_same (after, goal);
      outcome->completed++;
      break;
    case MFP_ERROR_FAILED:
      if (domain_ends)
        g_assert_cmpstr (after->drivers, ==, before->drivers);
      else
        assert_same (after, before);
      outcome->restored++;
      break;
    case MFP_ERROR_PENDING:
      check_recovery (fake, scene, before, goal);
      outcome->pending++;
      break;
    default:
      g_assert_cmpint (status, ==, MFP_ERROR_LEFT);
      g_assert_nonnull (strstr (error->message, "virt-mfplug recover vm"));
      g_assert_nonnull (strstr (error->message, "0000:01:00.0: driver"));
      check_recovery (fake, scene, before, goal);
      outcome->needs_recover++;
      break;
    }
}

static const char *const fault_names[FAULT_KINDS] = {
  "error", "lost-before", "lost-after", "silent-guest", "domain-ends", "interrupt", "broken",
};

static void
one_fault (const Scene *scene, guint operation, FakeFault fault, const State *goal,
           Outcome *outcome)
{
  g_autoptr (Fake) fake = set_scene (scene, 1);
  g_autoptr (MfpPlan) plan = scene->plan (fake);
  g_autoptr (State) before = capture (fake);
  g_autoptr (GError) error = NULL;
  int status;

  fake_fail_at (fake, operation, fault);
  run_plan (fake, plan, &error);
  status = mfp_error_exit_status (error);
  if (g_test_verbose ())
    g_test_message ("%s: %s at operation %u: %d %s", scene->name, fault_names[fault], operation,
                    status, error ? error->message : "");

  /* One fault is always undone or made up for; only a guest that does not act,
   * or a person, leaves a request standing. */
  if (status == MFP_ERROR_LEFT)
    g_assert_cmpuint (fault, ==, FAULT_BROKEN);
  if (status == MFP_ERROR_PENDING)
    g_assert_true (fault == FAULT_SILENT_GUEST || fault == FAULT_INTERRUPT
                   || fault == FAULT_BROKEN);
  judge (fake, scene, error, fault == FAULT_DOMAIN_ENDS, before, goal, outcome);
}

static void
test_scene (gconstpointer data)
{
  const Scene *scene = data;
  Outcome outcome = { 0 };
  guint operations;
  g_autoptr (State) goal = goal_of (scene, &operations);

  g_assert_cmpuint (operations, <, OPERATIONS_MAX);
  for (guint i = 0; i < operations; i++)
    for (guint fault = 0; fault < FAULT_KINDS; fault++)
      one_fault (scene, i, (FakeFault) fault, goal, &outcome);
  g_test_message ("%s: %u steps x %u faults, restored %u, completed %u, pending %u, "
                  "needs recover %u, 0 unnoticed",
                  scene->name, operations, FAULT_KINDS, outcome.restored, outcome.completed,
                  outcome.pending, outcome.needs_recover);
}

/* Several faults in one run, as the seed has it. */
static void
one_schedule (guint32 seed, State *const *goals, Outcome *outcome)
{
  guint index = seed % G_N_ELEMENTS (scenes);
  const Scene *scene = &scenes[index];
  g_autoptr (Fake) fake = set_scene (scene, seed);
  g_autoptr (MfpPlan) plan = scene->plan (fake);
  g_autoptr (State) before = capture (fake);
  g_autoptr (GError) error = NULL;

  fake_fail_at_random (fake, 2 + seed % 20);
  run_plan (fake, plan, &error);
  if (g_test_verbose ())
    g_test_message ("%s: seed %u: %s", scene->name, seed, error ? error->message : "done");
  judge (fake, scene, error, FALSE, before, goals[index], outcome);
}

static void
test_schedules (void)
{
  guint32 first = (guint32) g_test_rand_int ();
  State *goals[G_N_ELEMENTS (scenes)];
  Outcome outcome = { 0 };
  guint operations;

  for (guint i = 0; i < G_N_ELEMENTS (scenes); i++)
    goals[i] = goal_of (&scenes[i], &operations);
  g_test_message ("first seed %u", first);
  for (guint32 i = 0; i < SCHEDULES; i++)
    one_schedule (first + i, goals, &outcome);
  g_test_message ("%u random schedules, restored %u, completed %u, pending %u, needs recover %u, "
                  "0 unnoticed",
                  SCHEDULES, outcome.restored, outcome.completed, outcome.pending,
                  outcome.needs_recover);
  for (guint i = 0; i < G_N_ELEMENTS (scenes); i++)
    state_free (goals[i]);
}

static void
test_stranger (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) plan = attach_whole (fake);
  g_autoptr (GError) error = NULL;
  g_autofree char *after = NULL;

  fake_send_stranger (fake);
  g_assert_false (run_plan (fake, plan, &error));
  g_assert_cmpint (mfp_error_exit_status (error), ==, MFP_ERROR_LEFT);
  after = fake_describe_live (fake);
  g_assert_nonnull (strstr (after, "qemu net9"));
}

static void
test_lost_events (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (State) before = capture (fake);
  g_autoptr (State) after = NULL;
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  whole_attached (fake);
  fake_lose_events (fake, 4);
  plan = detach_live (fake);
  run_plan (fake, plan, &error);
  g_assert_no_error (error);
  after = capture (fake);
  assert_same (after, before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (scenes); i++)
    {
      g_autofree char *path = g_strconcat ("/faults/every-operation-of/", scenes[i].name, NULL);

      g_test_add_data_func (path, &scenes[i], test_scene);
    }
  g_test_add_func ("/faults/random-schedules-are-restored-completed-or-recoverable",
                   test_schedules);
  g_test_add_func ("/faults/a-strangers-function-0-is-never-ejected", test_stranger);
  g_test_add_func ("/faults/lost-removal-events-are-made-up-for", test_lost_events);
  return g_test_run ();
}
