/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lets every operation of every kind of plan fail in every way, and holds
 * what is left against what was before and what was wanted.
 */
#include "config.h"

#include "base/error.h"
#include "fake/fake-libvirt.h"
#include "libvirt/monitor.h"
#include "run/execute.h"

#include <string.h>

#define TIMEOUT (20 * G_TIME_SPAN_SECOND)
#define OPERATIONS_MAX 400 /* more than any plan needs */
#define SCHEDULES 10000u

/**
 * Scene:
 * @prepare: brings the fake into the state before, with no fault
 * @plan: makes the plan from the fake's state
 * @told: the run is told what was seen for the plan
 */
typedef struct
{
  const char *name;
  FakeHotplug hotplug;
  void (*prepare) (Fake *fake);
  MfpPlan *(*plan) (Fake *fake);
  gboolean told;
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
  { "detach-whole-told", FAKE_ACPI, whole_attached, detach_live, TRUE },
  { "detach-mapped-told", FAKE_NATIVE, mapped_attached, detach_live, TRUE },
  { "detach-cold-plugged-told", FAKE_ACPI, cold_plugged, detach_persistent, TRUE },
};

/* ---- running and judging ---- */

static Fake *
set_scene (const Scene *scene, guint32 seed)
{
  Fake *fake = fake_new (scene->hotplug, seed);

  scene->prepare (fake);
  return fake;
}

/* @told: the run is told what @fake shows now. */
static MfpExecuteOptions
make_options (Fake *fake, gboolean told)
{
  return (MfpExecuteOptions){
    .domain = "vm",
    .timeout = TIMEOUT,
    .seen = { .live = told ? read_guest (fake, MFP_LIVE) : NULL,
              .in_qemu = told ? mfp_monitor_list_devices (fake_ops (fake), NULL) : NULL },
  };
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

static gboolean
is_same (const State *actual, const State *expected)
{
  return strcmp (actual->live, expected->live) == 0
         && strcmp (actual->config, expected->config) == 0;
}

/* The state that @scene's plan reaches without a fault. */
static State *
goal_of (const Scene *scene, guint *operations)
{
  g_autoptr (Fake) fake = set_scene (scene, 1);
  g_autoptr (MfpPlan) plan = scene->plan (fake);
  MfpExecuteOptions options = make_options (fake, scene->told);
  g_autoptr (GError) error = NULL;

  fake_mend (fake);
  mfp_execute (plan, fake_ops (fake), &options, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (fake_violation (fake), ==, NULL);
  *operations = fake_operations (fake);
  return capture (fake);
}

/**
 * Outcome:
 * @restored, @completed: runs that left things as they were, and as wanted
 * @needs_recover: runs that said that they left something, which could be put
 *   right as they said
 * @pending: those of them that left a request with the guest
 * @unnoticed: runs that left things otherwise than their exit status says
 */
typedef struct
{
  guint restored;
  guint completed;
  guint needs_recover;
  guint pending;
  guint unnoticed;
} Outcome;

/* What recover does: the card of the record, whatever a run left of it, is
 * taken back. */
static gboolean
recover (Fake *fake)
{
  g_autoptr (MfpGuest) live = read_guest (fake, MFP_LIVE);
  g_autoptr (MfpPlan) plan = NULL;

  if (!live->id || live->records->len == 0)
    return TRUE;
  plan = mfp_plan_detach (mfp_card_from_guest (live, NULL, g_ptr_array_index (live->records, 0)),
                          TRUE, NULL);
  return run_plan (fake, plan, NULL);
}

/* Whether what was left can be put right once things work again: an attach is
 * undone, a detach finished. */
static gboolean
is_recoverable (Fake *fake, const Scene *scene, const State *before, const State *goal)
{
  g_autoptr (State) after = NULL;

  fake_mend (fake);
  if (!recover (fake))
    return FALSE;
  after = capture (fake);
  /* A detach that never asked the guest leaves the card in. */
  return strcmp (after->live, before->live) == 0
         || (!g_str_has_prefix (scene->name, "attach") && strcmp (after->live, goal->live) == 0);
}

/* Whether @error says what to do about what was left. */
static gboolean
is_explained (const GError *error)
{
  return mfp_error_is (error, MFP_ERROR_PENDING)
         || (mfp_error_is (error, MFP_ERROR_LEFT)
             && strstr (error->message, "virt-mfplug recover vm")
             && strstr (error->message, "0000:01:00.0: driver"));
}

/* Whether what a faulty run left is what its exit status says; counts it. */
static gboolean
is_told_truly (Fake *fake, const Scene *scene, const GError *error, gboolean domain_ends,
               const State *before, const State *goal, Outcome *outcome)
{
  g_autoptr (State) after = capture (fake);
  int status = mfp_error_exit_status (error);

  if (fake_violation (fake))
    return FALSE;
  switch (status)
    {
    case 0:
      outcome->completed++;
      return domain_ends || is_same (after, goal);
    case MFP_ERROR_FAILED:
      outcome->restored++;
      return domain_ends ? strcmp (after->drivers, before->drivers) == 0
                         : is_same (after, before);
    default:
      outcome->needs_recover++;
      outcome->pending += status == MFP_ERROR_PENDING ? 1 : 0;
      return is_explained (error) && is_recoverable (fake, scene, before, goal)
             && !fake_violation (fake);
    }
}

/* Holds what one faulty run left against what its exit status says. */
static void
judge (Fake *fake, const Scene *scene, const char *fault, const GError *error,
       gboolean domain_ends, const State *before, const State *goal, Outcome *outcome)
{
  gboolean truly = is_told_truly (fake, scene, error, domain_ends, before, goal, outcome);

  if (!truly)
    outcome->unnoticed++;
  if (!truly || g_test_verbose ())
    g_test_message ("%s: %s: %s: %d %s%s%s", truly ? "noticed" : "UNNOTICED", scene->name, fault,
                    mfp_error_exit_status (error), error ? error->message : "",
                    fake_violation (fake) ? ": " : "",
                    fake_violation (fake) ? fake_violation (fake) : "");
}

/* Reports the outcome of @runs runs, and asserts that each was noticed. */
static void
assert_noticed (const char *what, guint runs, const Outcome *outcome)
{
  g_test_message ("%s, restored %u, completed %u, needs recover %u, %u unnoticed", what,
                  outcome->restored, outcome->completed, outcome->needs_recover,
                  outcome->unnoticed);
  g_test_message ("  of those to recover, %u wait for the guest", outcome->pending);
  g_assert_cmpuint (outcome->restored + outcome->completed + outcome->needs_recover, ==, runs);
  g_assert_cmpuint (outcome->unnoticed, ==, 0);
}

static const char *const fault_names[FAULT_KINDS] = {
  "error", "error-after", "lost-before", "lost-after", "silent-guest", "domain-ends", "interrupt", "broken",
};

static void
one_fault (const Scene *scene, guint operation, FakeFault fault, const State *goal,
           Outcome *outcome)
{
  g_autoptr (Fake) fake = set_scene (scene, 1);
  g_autoptr (MfpPlan) plan = scene->plan (fake);
  g_autoptr (State) before = capture (fake);
  MfpExecuteOptions options = make_options (fake, scene->told);
  g_autoptr (GError) error = NULL;
  g_autofree char *what = g_strdup_printf ("%s at operation %u", fault_names[fault], operation);
  int status;

  fake_fail_at (fake, operation, fault);
  mfp_execute (plan, fake_ops (fake), &options, &error);
  status = mfp_error_exit_status (error);

  /* One fault is always undone or made up for; only a guest that does not act,
   * or a person, leaves a request standing. */
  if (status == MFP_ERROR_LEFT)
    g_assert_cmpuint (fault, ==, FAULT_BROKEN);
  if (status == MFP_ERROR_PENDING)
    g_assert_true (fault == FAULT_SILENT_GUEST || fault == FAULT_INTERRUPT
                   || fault == FAULT_BROKEN);
  judge (fake, scene, what, error, fault == FAULT_DOMAIN_ENDS, before, goal, outcome);
}

static void
test_scene (gconstpointer data)
{
  const Scene *scene = data;
  Outcome outcome = { 0 };
  guint operations;
  g_autoptr (State) goal = goal_of (scene, &operations);
  g_autofree char *what = g_strdup_printf ("%u steps x %u faults", operations, FAULT_KINDS);

  g_assert_cmpuint (operations, <, OPERATIONS_MAX);
  for (guint i = 0; i < operations; i++)
    for (guint fault = 0; fault < FAULT_KINDS; fault++)
      one_fault (scene, i, (FakeFault) fault, goal, &outcome);
  assert_noticed (what, operations * FAULT_KINDS, &outcome);
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
  MfpExecuteOptions options = make_options (fake, scene->told);
  g_autofree char *what = g_strdup_printf ("seed %u", seed);

  fake_fail_at_random (fake, 2 + seed % 20);
  mfp_execute (plan, fake_ops (fake), &options, &error);
  judge (fake, scene, what, error, FALSE, before, goals[index], outcome);
}

static void
test_schedules (void)
{
  guint32 first = (guint32) g_test_rand_int ();
  State *goals[G_N_ELEMENTS (scenes)];
  g_autofree char *what = g_strdup_printf ("%u random schedules", SCHEDULES);
  Outcome outcome = { 0 };
  guint operations;

  for (guint i = 0; i < G_N_ELEMENTS (scenes); i++)
    goals[i] = goal_of (&scenes[i], &operations);
  g_test_message ("first seed %u", first);
  for (guint32 i = 0; i < SCHEDULES; i++)
    one_schedule (first + i, goals, &outcome);
  assert_noticed (what, SCHEDULES, &outcome);
  for (guint i = 0; i < G_N_ELEMENTS (scenes); i++)
    state_free (goals[i]);
}

static void
test_rejected (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (State) before = NULL, after = NULL;
  g_autoptr (GError) error = NULL;

  whole_attached (fake);
  before = capture (fake);
  fake_reject_removal (fake);
  plan = detach_live (fake);
  g_assert_false (run_plan (fake, plan, &error));
  g_assert_cmpint (mfp_error_exit_status (error), ==, MFP_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message,
                            "the guest's system rejected the removal of 'ua-mfplug-0000-01-00-0'"));
  g_assert_nonnull (strstr (error->message, "Everything was undone."));
  after = capture (fake);
  g_assert_true (is_same (after, before));
  g_clear_error (&error);
  g_assert_true (run_plan (fake, plan, &error)); /* the guest may be of another mind later */
  g_assert_no_error (error);
}

/* A function vanishes after it was planned: what was taken goes back, and
 * nothing is left that recover could not mend. */
static void
test_pulled_out (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) plan = attach_whole (fake);
  g_autoptr (GError) error = NULL;
  g_autofree char *drivers = NULL;

  fake_pull_out (fake, "0000:01:00.2");
  g_assert_false (run_plan (fake, plan, &error));
  g_assert_cmpint (mfp_error_exit_status (error), ==, MFP_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "cannot take 0000:01:00.2 from its host driver"));
  g_assert_nonnull (strstr (error->message, "Everything was undone."));
  drivers = fake_describe_drivers (fake);
  g_assert_null (strstr (drivers, "vfio"));
}

/* What an observer was told: the steps in order, "<" before one that undoes,
 * "!" behind one that failed; and the rest. */
typedef struct
{
  GString *steps;
  gboolean in_step;
  guint notes;
  char *last_note;
  guint waits;
  gint64 longest;
} Told;

static void
hear_begin (gpointer data, const MfpStep *step, gboolean undo)
{
  Told *told = data;

  g_assert_false (told->in_step);
  told->in_step = TRUE;
  g_string_append_printf (told->steps, " %s%s", undo ? "<" : "", mfp_step_name (step->kind));
}

static void
hear_end (gpointer data, const GError *failure)
{
  Told *told = data;

  g_assert_true (told->in_step);
  told->in_step = FALSE;
  g_string_append (told->steps, failure ? "!" : "");
}

static void
hear_wait (gpointer data, gint64 elapsed, gint64 limit)
{
  Told *told = data;

  g_assert_true (told->in_step);
  g_assert_cmpint (limit, ==, TIMEOUT);
  told->waits++;
  told->longest = MAX (told->longest, elapsed);
}

static void
hear_note (gpointer data, const char *text)
{
  Told *told = data;

  told->notes++;
  g_free (told->last_note);
  told->last_note = g_strdup (text);
}

static void
told_clear (Told *told)
{
  g_string_free (told->steps, TRUE);
  g_free (told->last_note);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Told, told_clear)

/* Runs @plan with @options, and forgets what was told before. */
static gboolean
run_told_with (Fake *fake, const MfpPlan *plan, MfpExecuteOptions options, Told *told,
               GError **error)
{
  const MfpObserver observer = { .begin = hear_begin, .end = hear_end, .wait = hear_wait,
                                 .note = hear_note, .data = told };

  options.observer = &observer;
  if (told->steps)
    told_clear (told);
  *told = (Told){ .steps = g_string_new (NULL) };
  return mfp_execute (plan, fake_ops (fake), &options, error);
}

static gboolean
run_told (Fake *fake, const MfpPlan *plan, Told *told, GError **error)
{
  return run_told_with (fake, plan, make_options (fake, FALSE), told, error);
}

/* The observer hears of each step, done or undone, and of the waits. */
static void
test_observer (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) attach = attach_whole (fake), detach = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  fake_fail_at (fake, 2, FAULT_ERROR);
  g_assert_false (run_told (fake, attach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==, " record claim take! <give-back <forget");
  g_clear_error (&error);
  fake_mend (fake);
  g_assert_true (run_told (fake, attach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==,
                   " record claim take take take take hold hold hold queue queue queue plug verify"
                   " enumerate");
  detach = detach_live (fake);
  fake_stop_guest (fake);
  g_assert_false (run_told (fake, detach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==, " leaving eject!");
  g_assert_cmpuint (told.waits, >=, 10);
  g_assert_cmpint (told.longest, >, TIMEOUT / 2);
  g_assert_cmpint (told.longest, <=, TIMEOUT);
}

/* What is given back is looked at right away: only the guest makes a run wait. */
static void
test_undo_waits_for_nothing (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) attach = attach_whole (fake);
  g_autoptr (State) before = capture (fake), after = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  fake_fail_at (fake, 5, FAULT_ERROR);
  g_assert_false (run_told (fake, attach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==,
                   " record claim take take take take! <give-back <give-back <give-back"
                   " <give-back <forget");
  g_assert_cmpuint (told.waits, ==, 0);
  after = capture (fake);
  g_assert_true (is_same (after, before));
  g_assert_cmpstr (after->drivers, ==, before->drivers);
}

/* After a first look at the guest: a note, a request, two waits, in which the functions
 * are found by their names; XML together with QEMU's list; the first function read; each
 * read, given back and read beside the others; the note read and removed. */
static void
test_detach_takes_few_trips (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) detach = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };
  MfpExecuteOptions options;

  fake_release_at_once (fake);
  whole_attached (fake);
  detach = detach_live (fake);
  options = make_options (fake, TRUE);
  fake_mend (fake);
  g_assert_true (run_told_with (fake, detach, options, &told, &error));
  g_assert_cmpuint (fake_trips (fake), ==, 4 + 1 + 4 + 2);
  g_assert_cmpuint (fake_host_reads (fake), ==, 2 * 4);
}

/* The other functions go home, and which one does not is told. */
static void
test_unreadable_function (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) detach = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  whole_attached (fake);
  detach = detach_live (fake);
  fake_make_unreadable (fake, "0000:01:00.2");
  g_assert_false (run_told (fake, detach, &told, &error));
  g_assert_cmpstr (told.steps->str, ==,
                   " leaving eject drop drop drop drop give-back give-back! give-back give-back");
  g_assert_error (error, MFP_ERROR, MFP_ERROR_LEFT);
  g_assert_true (g_str_has_prefix (error->message,
                                   "cannot give 0000:01:00.2 back to its host driver: "));
}

/* A host function that is read while QEMU lets go of it makes that last longer. */
static void
test_waiting_leaves_the_host_alone (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) detach = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  whole_attached (fake);
  detach = detach_live (fake);
  fake_mend (fake);
  fake_stop_guest (fake);
  fake_report_other (fake);
  g_assert_false (run_told (fake, detach, &told, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_PENDING);
  g_assert_cmpuint (fake_host_reads (fake), ==, 0);
}

/* Detaches what @prepare attached, while @meddle comes between for @host: all
 * functions get home, and nothing is done to them that a host would not forgive. */
static void
assert_gets_home (void (*prepare) (Fake *fake), void (*meddle) (Fake *fake, const char *host),
                  const char *host)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (State) before = capture (fake), after = NULL;
  g_autoptr (MfpPlan) detach = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  prepare (fake);
  detach = detach_live (fake);
  meddle (fake, host);
  g_assert_true (run_told (fake, detach, &told, &error));
  g_assert_cmpstr (fake_violation (fake), ==, NULL);
  after = capture (fake);
  g_assert_cmpstr (after->drivers, ==, before->drivers);
}

/* Libvirt gives a cold-plugged card back by itself, and fails to for one function. */
static void
test_failed_rebind (void)
{
  assert_gets_home (cold_plugged, fake_fail_rebind, "0000:01:00.2");
}

/* That a function has left the domain does not say that it has left QEMU. */
static void
test_dropped_early (void)
{
  assert_gets_home (whole_attached, fake_drop_early, "0000:01:00.1");
}

/* Two detaches of one card, planned at the same time: the later one finds all
 * done, and says so. */
static void
test_two_detaches (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) first = NULL, second = NULL;
  g_autoptr (State) before = capture (fake), after = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };

  whole_attached (fake);
  first = detach_live (fake);
  second = detach_live (fake);
  g_assert_true (run_told (fake, first, &told, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (told.notes, ==, 0);
  g_assert_true (run_told (fake, second, &told, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (told.notes, ==, 1);
  g_assert_cmpstr (told.last_note, ==, "another run detached it at the same time");
  after = capture (fake);
  g_assert_cmpstr (after->drivers, ==, before->drivers);
}

/* Writes into the domain that its one card is leaving. */
static void
note_leaving (Fake *fake)
{
  g_autoptr (MfpGuest) live = read_guest (fake, MFP_LIVE);
  MfpRecord *record = g_ptr_array_index (live->records, 0);
  g_autofree char *uri = mfp_record_uri (record->id);
  g_autofree char *xml = NULL;

  record->leaving = TRUE;
  xml = mfp_record_format (record);
  g_assert_true (fake_ops (fake)->set_metadata (fake_ops (fake), uri, xml, NULL));
}

/* One that was planned when another had noted the card as leaving, and begins when
 * that has ended: it does not bring the record back. */
static void
test_late_detach (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) first = NULL, second = NULL;
  g_autoptr (State) before = capture (fake), after = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };
  MfpExecuteOptions options;

  whole_attached (fake);
  first = detach_live (fake);
  note_leaving (fake);
  second = detach_live (fake);
  options = make_options (fake, TRUE);
  g_assert_true (run_told (fake, first, &told, &error));
  g_assert_no_error (error);
  g_assert_true (run_told_with (fake, second, options, &told, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (told.notes, ==, 1);
  g_assert_cmpstr (told.last_note, ==, "another run detached it at the same time");
  after = capture (fake);
  g_assert_true (is_same (after, before));
  g_assert_cmpstr (after->drivers, ==, before->drivers);
}

/* The note that another run has written, which may be waiting for the guest, stays as
 * it is when this one fails. */
static void
test_second_detach_fails (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (State) before = NULL, after = NULL;
  g_autoptr (GError) error = NULL;
  MfpExecuteOptions options;

  whole_attached (fake);
  note_leaving (fake);
  plan = detach_live (fake);
  options = make_options (fake, TRUE);
  before = capture (fake);
  fake_fail_at (fake, 0, FAULT_BROKEN);
  g_assert_false (mfp_execute (plan, fake_ops (fake), &options, &error));
  g_assert_cmpint (mfp_error_exit_status (error), ==, MFP_ERROR_FAILED); /* no write was tried */
  after = capture (fake);
  g_assert_true (is_same (after, before));
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

/* An attach that is undone when the guest has the card asks for it back, and the
 * guest does not answer: who comes next has to know that it was asked. */
static void
test_undone_is_leaving (void)
{
  gboolean failed = TRUE;
  guint asked = 0;

  for (guint i = 0; failed; i++)
    {
      g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
      g_autoptr (MfpPlan) plan = attach_whole (fake);
      g_autoptr (MfpGuest) guest = NULL;
      g_autoptr (GError) error = NULL;
      const MfpRecord *record;

      fake_stop_guest (fake);
      fake_fail_at (fake, i, FAULT_ERROR);
      g_assert_false (run_plan (fake, plan, &error));
      g_assert_cmpuint (i, <, OPERATIONS_MAX);
      failed = mfp_error_exit_status (error) != MFP_ERROR_PENDING; /* it waits for the guest */
      if (mfp_error_exit_status (error) != MFP_ERROR_LEFT)
        continue;
      guest = read_guest (fake, MFP_LIVE);
      g_assert_cmpuint (guest->records->len, ==, 1);
      record = g_ptr_array_index (guest->records, 0);
      g_assert_true (record->leaving);
      asked++;
    }
  g_assert_cmpuint (asked, >, 0);
}

/* The kernel may choose another driver than the function came from. */
static void
test_other_driver (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Told) told = { 0 };
  MfpFunction *function;

  whole_attached (fake);
  plan = detach_live (fake);
  function = mfp_card_find_guest (plan->card, 2);
  g_free (function->driver);
  function->driver = g_strdup ("better-nic");
  run_told (fake, plan, &told, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (told.notes, ==, 1);
  g_assert_cmpstr (told.last_note, ==,
                   "0000:01:00.2 is back on the host driver nic, and came from better-nic");
}

/* What only looks has nothing to undo, and does not say that it did. */
static void
test_nothing_to_undo (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (MfpPlan) plan
      = mfp_plan_verify (make_card (fake, "01:00", MFP_REST_KEEP), "pci.3", TRUE);
  g_autoptr (GError) error = NULL;

  g_assert_false (run_plan (fake, plan, &error));
  g_assert_null (strstr (error->message, "undone"));
}

static void
test_given_back_at_once (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autoptr (State) before = capture (fake), after = NULL;
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  whole_attached (fake);
  plan = detach_live (fake);
  run_plan (fake, plan, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fake_given_back_at_once (fake), ==, 4);
  after = capture (fake);
  g_assert_true (is_same (after, before));
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
  g_assert_cmpstr (after->live, ==, before->live);
  g_assert_cmpstr (after->config, ==, before->config);
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
  g_test_add_func ("/faults/a-rejected-removal-is-reported-and-undone", test_rejected);
  g_test_add_func ("/faults/a-function-that-is-pulled-out-keeps-nothing-from-going-back",
                   test_pulled_out);
  g_test_add_func ("/faults/observer/hears-of-each-step-and-wait", test_observer);
  g_test_add_func ("/faults/undo/waits-for-nothing-that-is-there-at-once",
                   test_undo_waits_for_nothing);
  g_test_add_func ("/faults/detach/takes-few-trips", test_detach_takes_few_trips);
  g_test_add_func ("/faults/detach/gives-back-beside-an-unreadable-function",
                   test_unreadable_function);
  g_test_add_func ("/faults/detach/leaves-the-host-alone-while-it-waits",
                   test_waiting_leaves_the_host_alone);
  g_test_add_func ("/faults/detach/mends-what-libvirt-fails-to-give-back", test_failed_rebind);
  g_test_add_func ("/faults/detach/believes-qemu-not-libvirt-that-a-function-is-gone",
                   test_dropped_early);
  g_test_add_func ("/faults/of-two-detaches-one-says-that-it-was-not-alone", test_two_detaches);
  g_test_add_func ("/faults/a-detach-that-begins-late-does-not-bring-the-note-back",
                   test_late_detach);
  g_test_add_func ("/faults/a-detach-that-fails-leaves-the-note-of-another-as-it-is",
                   test_second_detach_fails);
  g_test_add_func ("/faults/an-undone-attach-that-asked-the-guest-is-noted-as-leaving",
                   test_undone_is_leaving);
  g_test_add_func ("/faults/what-only-looks-has-nothing-to-undo", test_nothing_to_undo);
  g_test_add_func ("/faults/another-driver-than-before-is-told", test_other_driver);
  g_test_add_func ("/faults/a-detach-gives-all-functions-back-at-once", test_given_back_at_once);
  g_test_add_func ("/faults/lost-removal-events-are-made-up-for", test_lost_events);
  return g_test_run ();
}
