/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes every call of every kind of run fail in every way, and compares the state after the
 * run with the state before it and with its goal.
 */
#include "config.h"

#include "base/error.h"
#include "libvirt/domain.h"
#include "world.h"

#include <string.h>

#define SCHEDULES 10000u
#define STOPPED_GUEST_EVERY 5 /* schedules of a scene */

/**
 * Scene:
 * @prepare: brings the fake into the state before the run, without a fault
 * @plan: makes the plan
 */
typedef struct
{
  const char *name;
  FakeHotplug hotplug;
  void (*prepare) (Fake *fake);
  MakePlan plan;
} Scene;

/* ---- states before a run ---- */

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
whole_attached (Fake *fake G_GNUC_UNUSED)
{
  world_do (attach_whole);
}

static void
partial_attached (Fake *fake G_GNUC_UNUSED)
{
  world_do (attach_partial);
}

static void
mapped_attached (Fake *fake G_GNUC_UNUSED)
{
  world_do (attach_mapped);
}

static void
persistent_attached (Fake *fake G_GNUC_UNUSED)
{
  world_do (attach_persistent);
}

static void
cold_plugged (Fake *fake)
{
  world_do (attach_cold);
  g_assert_true (fake_restart_domain (fake, DOMAIN));
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

static gboolean
is_attach (const Scene *scene)
{
  return g_str_has_prefix (scene->name, "attach");
}

static Fake *
set_scene (const Scene *scene)
{
  Fake *fake = world_new (scene->hotplug);

  scene->prepare (fake);
  fake_clear_calls (fake);
  return fake;
}

/* Does what a command does, from opening the connection to closing it. @odds: the odds of
 * random faults once there is a plan, or 0. @left_in_call: (out): see MfpLibvirtOptions. */
static void
run_command (const Scene *scene, Fake *fake, guint odds, gboolean *left_in_call, GError **error)
{
  Connection connection = { 0 };
  g_autoptr (MfpPlan) plan
      = connection_open (&connection, error) ? scene->plan (connection.libvirt, error) : NULL;

  fake_fault_at_random (fake, odds);
  if (plan)
    connection_run (&connection, plan, NULL, error);
  connection_close (&connection);
  *left_in_call = connection.left_in_call;
}

/**
 * Success:
 * @goal: the state that the run reaches
 * @calls: (element-type utf8): the names of the calls that it makes
 *
 * What a run without a fault does.
 */
typedef struct
{
  State *goal;
  GPtrArray *calls;
} Success;

static void
success_clear (Success *success)
{
  g_clear_pointer (&success->goal, state_free);
  g_clear_pointer (&success->calls, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Success, success_clear)

static Success
succeed (const Scene *scene)
{
  g_autoptr (Fake) fake = set_scene (scene);
  g_autoptr (GError) error = NULL;
  gboolean left_in_call;

  run_command (scene, fake, 0, &left_in_call, &error);
  g_assert_no_error (error);
  g_assert_false (left_in_call);
  g_assert_cmpstr (fake_violation (fake), ==, NULL);
  return (Success){ .goal = state_capture (fake), .calls = fake_calls (fake) };
}

/* ---- faults ---- */

static const struct
{
  FakeFaultKind kind;
  const char *name;
} faults[] = {
  { FAKE_ERROR_BEFORE, "error-before" }, { FAKE_ERROR_AFTER, "error-after" },
  { FAKE_LOST_BEFORE, "lost-before" },   { FAKE_LOST_AFTER, "lost-after" },
  { FAKE_HANG, "hang" },                 { FAKE_SILENT_GUEST, "silent-guest" },
  { FAKE_DOMAIN_ENDS, "domain-ends" },   { FAKE_DOMAIN_RESTARTS, "domain-restarts" },
  { FAKE_SIGNAL, "signal" },             { FAKE_BROKEN, "broken" },
};

/**
 * Trial:
 * @fault: describes the fault, for messages
 * @domain_ends: whether the fault is that the domain ends
 * @restarts: whether it starts again at once
 * @before: the state before the run
 * @error: (nullable): what the run ended with
 *
 * One run with a fault.
 */
typedef struct
{
  const Scene *scene;
  const Success *success;
  Fake *fake;
  char *fault;
  gboolean domain_ends;
  gboolean restarts;
  State *before;
  GError *error;
} Trial;

static void
trial_clear (Trial *trial)
{
  g_clear_pointer (&trial->before, state_free);
  g_clear_pointer (&trial->fake, fake_free);
  g_clear_error (&trial->error);
  g_free (trial->fault);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Trial, trial_clear)

/**
 * Outcome:
 * @restored: runs that left the state as it was before
 * @completed: runs that reached their goal
 * @needs_recover: runs that said that they left something behind
 * @pending: those of them that left a request with the guest
 * @unnoticed: runs whose exit status does not fit the state that they left, or that recover
 *   could not put right
 */
typedef struct
{
  guint restored;
  guint completed;
  guint needs_recover;
  guint pending;
  guint unnoticed;
} Outcome;

/* Detaches what is left of the card, as its record says and as the command recover does. */
static gboolean
recover (void)
{
  g_auto (Connection) connection = { 0 };
  g_autoptr (MfpGuest) live = NULL;
  g_autoptr (MfpPlan) plan = NULL;

  if (!connection_open (&connection, NULL)
      || !(live = mfp_domain_read (connection.libvirt, MFP_LIVE, NULL)))
    return FALSE;
  if (!live->id || live->records->len == 0)
    return TRUE;
  plan = mfp_plan_detach (mfp_card_from_guest (live, NULL, g_ptr_array_index (live->records, 0)),
                          &(MfpRunning){ .id = live->id }, NULL);
  return connection_run (&connection, plan, NULL, NULL);
}

/* Whether recover puts right what the run left, once calls succeed again. It undoes an
 * attach, and finishes a detach. A detach that never asked the guest may leave the card
 * attached. */
static gboolean
is_recoverable (const Trial *trial)
{
  g_autoptr (State) after = NULL;

  fake_mend (trial->fake);
  if (!recover ())
    return FALSE;
  after = state_capture (trial->fake);
  return strcmp (after->live, trial->before->live) == 0
         || (!is_attach (trial->scene) && strcmp (after->live, trial->success->goal->live) == 0);
}

/* Whether the error says what to do about the state that the run left. */
static gboolean
is_explained (const GError *error)
{
  return mfp_error_is (error, MFP_ERROR_PENDING)
         || (mfp_error_is (error, MFP_ERROR_LEFT)
             && strstr (error->message, "virt-mfplug recover vm")
             && strstr (error->message, "0000:01:00.0: driver"));
}

/* Whether the next instance of the domain, if there is one, has nothing that it was not started
 * with. */
static gboolean
has_clean_instance (const Trial *trial, const State *after)
{
  return !trial->restarts || strcmp (after->live, trial->before->live) == 0
         || (!is_attach (trial->scene) && strcmp (after->live, trial->success->goal->live) == 0);
}

/* A domain that started again before the run read it has nothing to detach. */
static gboolean
has_drivers_of_goal (const Trial *trial, const State *after)
{
  return strcmp (after->drivers, trial->success->goal->drivers) == 0
         || (trial->restarts && fake_count (trial->fake, "virNodeDeviceReAttach") == 0
             && strcmp (after->drivers, trial->before->drivers) == 0);
}

/* Whether the drivers are as before, or as libvirt itself restores those of managed functions
 * when the domain ends. */
static gboolean
has_drivers_restored (const Trial *trial, const State *after)
{
  return strcmp (after->drivers, trial->before->drivers) == 0
         || (!is_attach (trial->scene)
             && strcmp (after->drivers, trial->success->goal->drivers) == 0);
}

/* @live without the id of the record, which differs from run to run. */
static char *
hide_id (const char *live)
{
  g_autoptr (GRegex) id = g_regex_new (MFP_RECORD_NAMESPACE "[^\"]*", 0, 0, NULL);

  return g_regex_replace_literal (id, live, -1, 0, "ID", 0, NULL);
}

static gboolean
is_goal (const State *actual, const State *goal)
{
  g_autofree char *actual_live = hide_id (actual->live), *goal_live = hide_id (goal->live);

  return strcmp (actual_live, goal_live) == 0 && strcmp (actual->config, goal->config) == 0;
}

/* Whether the exit status of the run fits the state that the run left. Counts the run. */
static gboolean
has_fitting_status (const Trial *trial, Outcome *outcome)
{
  g_autoptr (State) after = state_capture (trial->fake);
  const State *goal = trial->success->goal;
  int status = mfp_error_exit_status (trial->error);

  if (fake_violation (trial->fake))
    return FALSE;
  switch (status)
    {
    case 0:
      outcome->completed++;
      return trial->domain_ends ? has_drivers_of_goal (trial, after) : is_goal (after, goal);
    case MFP_ERROR_FAILED:
    case MFP_ERROR_REFUSED:
      outcome->restored++;
      return trial->domain_ends ? has_drivers_restored (trial, after)
                                      && has_clean_instance (trial, after)
                                : state_is_same (after, trial->before);
    default:
      outcome->needs_recover++;
      outcome->pending += status == MFP_ERROR_PENDING ? 1 : 0;
      return is_explained (trial->error) && (trial->restarts || is_recoverable (trial))
             && !fake_violation (trial->fake);
    }
}

/* Counts a run, and reports one whose exit status does not fit the state that it left. */
static void
judge (const Trial *trial, Outcome *outcome)
{
  gboolean fits = has_fitting_status (trial, outcome);
  const char *violation = fake_violation (trial->fake);

  if (!fits)
    outcome->unnoticed++;
  if (!fits || g_test_verbose ())
    g_test_message ("%s: %s: %s: %d %s%s%s", fits ? "noticed" : "UNNOTICED",
                    trial->scene->name, trial->fault, mfp_error_exit_status (trial->error),
                    trial->error ? trial->error->message : "", violation ? ": " : "",
                    violation ? violation : "");
}

/* Reports the outcome of @runs runs, and asserts that none is unnoticed. */
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

/* ---- one fault ---- */

/* A run with one fault leaves something behind only if a call does not return, if libvirt
 * refuses every further change, or if the domain has started again with the card. It leaves a request with the guest only if the guest does not
 * act, if a signal comes, or if libvirt refuses every further change. */
static void
assert_expected_status (FakeFaultKind fault, const GError *error)
{
  int status = mfp_error_exit_status (error);

  if (status == MFP_ERROR_LEFT)
    g_assert_true (fault == FAKE_HANG || fault == FAKE_BROKEN || fault == FAKE_DOMAIN_RESTARTS);
  if (status == MFP_ERROR_PENDING)
    g_assert_true (fault == FAKE_SILENT_GUEST || fault == FAKE_SIGNAL || fault == FAKE_BROKEN);
}

static gboolean
closes_connection (const char *call)
{
  return strcmp (call, "virConnectDomainEventDeregisterAny") == 0
         || strcmp (call, "virConnectClose") == 0;
}

/* A run whose call @name does not return says so, unless the call only closes the
 * connection. */
static void
assert_hang_reported (const char *name, const GError *error)
{
  const char *function = g_str_has_prefix (name, "vir") ? name : "virDomainQemuMonitorCommand";
  g_autofree char *words = g_strdup_printf ("libvirt has not returned from %s", function);

  if (closes_connection (name))
    g_assert_no_error (error);
  else
    {
      g_assert_nonnull (error);
      g_assert_nonnull (strstr (error->message, words));
    }
}

/* Whether @fault at the call @name leaves the worker in that call. A signal does so while the
 * connection opens, because it ends the wait. */
static gboolean
leaves_in_call (FakeFaultKind fault, const char *name)
{
  return fault == FAKE_HANG
         || (fault == FAKE_SIGNAL && strcmp (name, "virConnectOpenAuth") == 0);
}

static void
try_fault (const Scene *scene, const Success *success, const char *name, guint occurrence,
           guint fault, Outcome *outcome)
{
  Fake *fake = set_scene (scene);
  g_auto (Trial) trial = {
    .scene = scene,
    .success = success,
    .fake = fake,
    .fault = g_strdup_printf ("%s#%u=%s", name, occurrence, faults[fault].name),
    .domain_ends = faults[fault].kind == FAKE_DOMAIN_ENDS
                   || faults[fault].kind == FAKE_DOMAIN_RESTARTS,
    .restarts = faults[fault].kind == FAKE_DOMAIN_RESTARTS,
    .before = state_capture (fake),
  };
  gboolean left_in_call;

  fake_fault (fake, name, occurrence, faults[fault].kind);
  run_command (scene, fake, 0, &left_in_call, &trial.error);
  g_assert_true (left_in_call == leaves_in_call (faults[fault].kind, name));
  if (faults[fault].kind == FAKE_HANG)
    assert_hang_reported (name, trial.error);
  fake_release_hung (fake);
  assert_expected_status (faults[fault].kind, trial.error);
  judge (&trial, outcome);
}

/* How many of the first @count of @calls have the same name as the last of them. */
static guint
count_occurrences (const GPtrArray *calls, guint count)
{
  const char *name = g_ptr_array_index (calls, count - 1);
  guint occurrence = 0;

  for (guint i = 0; i < count; i++)
    if (strcmp (g_ptr_array_index (calls, i), name) == 0)
      occurrence++;
  return occurrence;
}

static void
test_scene (gconstpointer data)
{
  const Scene *scene = data;
  Outcome outcome = { 0 };
  g_auto (Success) success = succeed (scene);
  g_autofree char *what = g_strdup_printf ("%u calls x %u faults", success.calls->len,
                                           (guint) G_N_ELEMENTS (faults));

  for (guint i = 0; i < success.calls->len; i++)
    for (guint fault = 0; fault < G_N_ELEMENTS (faults); fault++)
      try_fault (scene, &success, g_ptr_array_index (success.calls, i),
                 count_occurrences (success.calls, i + 1), fault, &outcome);
  assert_noticed (what, success.calls->len * (guint) G_N_ELEMENTS (faults), &outcome);
}

/* ---- several faults ---- */

/* Makes one run with several random faults, which depend on @seed. Some guests are stopped. */
static void
try_schedule (guint32 seed, const Success *successes, Outcome *outcome)
{
  guint index = seed % G_N_ELEMENTS (scenes);
  Fake *fake = set_scene (&scenes[index]);
  g_auto (Trial) trial = {
    .scene = &scenes[index],
    .success = &successes[index],
    .fake = fake,
    .fault = g_strdup_printf ("seed %u", seed),
    .before = state_capture (fake),
  };
  gboolean left_in_call;

  fake_seed (fake, seed);
  if (seed / G_N_ELEMENTS (scenes) % STOPPED_GUEST_EVERY == 0)
    fake_stop_guest (fake, DOMAIN);
  run_command (&scenes[index], fake, 2 + seed % 20, &left_in_call, &trial.error);
  g_assert_false (left_in_call);
  judge (&trial, outcome);
}

static void
test_schedules (void)
{
  guint32 first = (guint32) g_test_rand_int ();
  Success successes[G_N_ELEMENTS (scenes)];
  g_autofree char *what = g_strdup_printf ("%u random schedules", SCHEDULES);
  Outcome outcome = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (scenes); i++)
    successes[i] = succeed (&scenes[i]);
  g_test_message ("first seed %u", first);
  for (guint32 i = 0; i < SCHEDULES; i++)
    try_schedule (first + i, successes, &outcome);
  assert_noticed (what, SCHEDULES, &outcome);
  for (guint i = 0; i < G_N_ELEMENTS (scenes); i++)
    success_clear (&successes[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (scenes); i++)
    {
      g_autofree char *path
          = g_strconcat ("/faults/the-exit-status-fits-the-state-left/", scenes[i].name, NULL);

      g_test_add_data_func (path, &scenes[i], test_scene);
    }
  g_test_add_func ("/faults/runs-with-random-faults-are-restored-completed-or-recoverable",
                   test_schedules);
  return g_test_run ();
}
