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
  MfpExecuteOptions options = { .timeout = TIMEOUT };

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

/* The state that @scene's plan reaches without a fault. */
static char *
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
  return fake_describe (fake);
}

typedef struct
{
  guint restored;
  guint completed;
  guint pending;
  guint needs_recover;
} Outcome;

/* The card as the fake has it, whatever a run left of it, taken back. */
static void
finish_by_undoing (Fake *fake)
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

/* Holds the result of one faulty run against what the exit status says. */
static void
judge (Fake *fake, FakeFault fault, const GError *error, const char *before, const char *goal,
       const char *drivers_before, Outcome *outcome)
{
  g_autofree char *after = fake_describe (fake);
  g_autofree char *drivers_after = fake_describe_drivers (fake);
  int status = mfp_error_exit_status (error);

  g_assert_cmpstr (fake_violation (fake), ==, NULL);
  switch (status)
    {
    case 0:
      if (fault != FAULT_DOMAIN_ENDS)
        g_assert_cmpstr (after, ==, goal);
      outcome->completed++;
      break;
    case MFP_ERROR_FAILED:
      if (fault == FAULT_DOMAIN_ENDS)
        g_assert_cmpstr (drivers_after, ==, drivers_before);
      else
        g_assert_cmpstr (after, ==, before);
      outcome->restored++;
      break;
    case MFP_ERROR_PENDING:
      g_assert_true (fault == FAULT_SILENT_GUEST || fault == FAULT_INTERRUPT);
      outcome->pending++;
      break;
    case MFP_ERROR_LEFT:
      /* One fault is always undone or made up for. */
      g_assert_cmpuint (fault, ==, FAULT_BROKEN);
      g_assert_nonnull (strstr (error->message, "virt-mfplug recover vm"));
      g_assert_nonnull (strstr (error->message, "0000:01:00.0: driver"));
      outcome->needs_recover++;
      break;
    default:
      g_assert_not_reached ();
    }
}

static const char *const fault_names[FAULT_KINDS] = {
  "error", "lost-before", "lost-after", "silent-guest", "domain-ends", "interrupt", "broken",
};

static void
one_fault (const Scene *scene, guint operation, FakeFault fault, const char *goal,
           Outcome *outcome)
{
  g_autoptr (Fake) fake = set_scene (scene, 1);
  g_autoptr (MfpPlan) plan = scene->plan (fake);
  g_autofree char *before = fake_describe (fake);
  g_autofree char *drivers = fake_describe_drivers (fake);
  g_autoptr (GError) error = NULL;

  if (g_test_verbose ())
    g_test_message ("%s: %s at operation %u", scene->name, fault_names[fault], operation);
  fake_fail_at (fake, operation, fault);
  run_plan (fake, plan, &error);
  if (g_test_verbose () && error)
    g_test_message ("%s", error->message);
  judge (fake, fault, error, before, goal, drivers, outcome);

  /* What is left can always be taken back once things work again. */
  fake_mend (fake);
  if (mfp_error_exit_status (error) == MFP_ERROR_LEFT
      && g_str_has_prefix (scene->name, "attach"))
    {
      g_autofree char *after = NULL;

      finish_by_undoing (fake);
      after = fake_describe_drivers (fake);
      g_assert_cmpstr (after, ==, drivers);
    }
}

static void
test_scene (gconstpointer data)
{
  const Scene *scene = data;
  Outcome outcome = { 0 };
  guint operations;
  g_autofree char *goal = goal_of (scene, &operations);

  g_assert_cmpuint (operations, <, OPERATIONS_MAX);
  for (guint i = 0; i < operations; i++)
    for (guint fault = 0; fault < FAULT_KINDS; fault++)
      one_fault (scene, i, (FakeFault) fault, goal, &outcome);
  g_test_message ("%s: %u steps x %u faults, restored %u, completed %u, pending %u, "
                  "needs recover %u, 0 unnoticed",
                  scene->name, operations, FAULT_KINDS, outcome.restored, outcome.completed,
                  outcome.pending, outcome.needs_recover);
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
  after = fake_describe (fake);
  g_assert_nonnull (strstr (after, "qemu net9"));
}

static void
test_lost_events (void)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autofree char *before = fake_describe (fake);
  g_autofree char *after = NULL;
  g_autoptr (MfpPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  whole_attached (fake);
  fake_lose_events (fake, 4);
  plan = detach_live (fake);
  run_plan (fake, plan, &error);
  g_assert_no_error (error);
  after = fake_describe (fake);
  g_assert_cmpstr (after, ==, before);
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
  g_test_add_func ("/faults/a-strangers-function-0-is-never-ejected", test_stranger);
  g_test_add_func ("/faults/lost-removal-events-are-made-up-for", test_lost_events);
  return g_test_run ();
}
