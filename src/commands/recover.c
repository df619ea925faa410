/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * recover: for each record that an attach left in the running domain, finds
 * out from libvirt and QEMU how far things are, and finishes or undoes them.
 * What has no record of ours is not touched.
 */
#include "config.h"

#include "base/error.h"
#include "commands/run-plan.h"
#include "libvirt/qemu.h"

/* How the card of a record is. */
typedef enum
{
  WHOLE,  /* in the guest, as it should be */
  CLAIMED, /* the run that recorded it took nothing */
  LOOSE,  /* in the guest, but libvirt no longer lists some of it */
  BROKEN, /* anything else, or a detach had begun: to be undone */
} Condition;

/* What to do about one record. */
typedef struct
{
  Condition condition;
  MfpCard *card;
  GPtrArray *lost; /* MfpFunction, owned by the card */
} Finding;

static void
finding_free (gpointer data)
{
  Finding *finding = data;

  mfp_card_free (finding->card);
  g_ptr_array_unref (finding->lost);
  g_free (finding);
}

/* Leaves out unassigned functions that somebody detached, and that QEMU does not have either:
 * the guest never saw them, and they are not to come back unasked. */
static void
skip_detached (MfpCard *card, const MfpGuest *guest, const GPtrArray *lost)
{
  for (guint i = card->functions->len; i-- > 0;)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (!mfp_function_is_exposed (function) && !mfp_guest_find_host (guest, &function->host)
          && !g_ptr_array_find ((GPtrArray *) lost, function, NULL))
        g_ptr_array_remove_index (card->functions, i);
    }
}

static Finding *
examine (const MfpGuest *guest, const MfpRecord *record, GHashTable *devices)
{
  Finding *finding = g_new0 (Finding, 1);
  gboolean complete = TRUE;

  finding->card = mfp_card_from_guest (guest, NULL, record);
  finding->lost = g_ptr_array_new ();
  for (guint i = 0; i < finding->card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (finding->card->functions, i);
      const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);

      if (mfp_function_is_exposed (function))
        complete = complete && g_hash_table_contains (devices, function->alias);
      if (!device && g_hash_table_contains (devices, function->alias))
        g_ptr_array_add (finding->lost, function);
      /* libvirt can own a non-zero function again as unassigned; function 0 has to have its
       * address. */
      if (function->guest_function == 0)
        complete = complete && device && device->has_address;
    }
  if (record->claiming)
    finding->condition = CLAIMED;
  else if (!complete || record->detaching)
    finding->condition = BROKEN;
  else
    finding->condition = finding->lost->len ? LOOSE : WHOLE;
  if (finding->condition == LOOSE)
    skip_detached (finding->card, guest, finding->lost);
  return finding;
}

/* Only what is not as it should be: (element-type Finding). QEMU is asked first: it answers
 * when no change is under way, while libvirt shows its XML at any time. */
static GPtrArray *
examine_all (MfpSession *session, GError **error)
{
  g_autoptr (GPtrArray) findings = g_ptr_array_new_with_free_func (finding_free);
  g_autoptr (GHashTable) devices = NULL;

  /* The records end with the running domain, and so do its hostdevs. */
  if (!session->live || session->live->records->len == 0)
    return g_steal_pointer (&findings);
  devices = mfp_qemu_list_devices (session->libvirt, error);
  mfp_guest_free (session->live);
  session->live = devices ? mfp_domain_read (session->libvirt, MFP_LIVE, error) : NULL;
  for (guint i = 0; session->live && i < session->live->records->len; i++)
    {
      Finding *finding = examine (session->live,
                                  g_ptr_array_index (session->live->records, i), devices);

      if (finding->condition == WHOLE)
        finding_free (finding);
      else
        g_ptr_array_add (findings, finding);
    }
  if (!session->live)
    mfp_error_refuse (error);
  return session->live ? g_steal_pointer (&findings) : NULL;
}

static MfpPlan *
plan_recovery (const MfpSession *session, Finding *finding, MfpUnplug unplug)
{
  const MfpGuest *live = session->live;
  g_autofree char *bus
      = mfp_guest_bus_qemu_name (live, mfp_guest_bus (live, finding->card->slot.bus));
  const MfpRunning running = { .id = live->id, .bus = bus, .unplug = unplug };
  MfpCard *card = g_steal_pointer (&finding->card);

  switch (finding->condition)
    {
    case CLAIMED:
      return mfp_plan_forget (card, &running);
    case LOOSE:
      return mfp_plan_repair (card, &running, finding->lost);
    default:
      return mfp_plan_detach (card, &running, NULL);
    }
}

/* A plan for each of @findings (element-type Finding): (element-type MfpPlan). */
static GPtrArray *
make_plans (const MfpSession *session, const GPtrArray *findings, GError **error)
{
  GPtrArray *plans = g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_plan_free);
  MfpUnplug unplug;

  if (findings->len > 0 && !mfp_run_plan_find_unplug (session, &unplug, error))
    {
      g_ptr_array_unref (plans);
      return NULL;
    }
  for (guint i = 0; i < findings->len; i++)
    g_ptr_array_add (plans, plan_recovery (session, g_ptr_array_index (findings, i), unplug));
  return plans;
}

static char *
describe_plans (const GPtrArray *plans)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < plans->len; i++)
    {
      g_autofree char *steps = mfp_plan_describe (g_ptr_array_index (plans, i));

      g_string_append (text, steps);
    }
  g_string_append (text, MFP_PLAN_LAST_LINE);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Adds the failure of a further card to *@all (nullable), whose exit status is that
 * of the gravest: what is left, then what is pending. */
static void
add_failure (GError **all, GError *failure)
{
  int status = mfp_error_exit_status (failure);

  if (!*all)
    {
      *all = failure;
      return;
    }
  mfp_error_append (all, "%s", failure->message);
  if (status == MFP_ERROR_LEFT
      || (status == MFP_ERROR_PENDING && mfp_error_exit_status (*all) != MFP_ERROR_LEFT))
    mfp_error_recode (all, (MfpError) status);
  g_error_free (failure);
}

/* Runs each plan, whatever became of those before, until a signal comes. */
static gboolean
run_plans (const MfpSession *session, const MfpInvocation *invocation,
           const MfpCommonOptions *options, const GPtrArray *plans, GError **error)
{
  GError *failures = NULL;
  guint i;

  for (i = 0; i < plans->len && !mfp_interrupt_came (session->interrupt); i++)
    {
      GError *local = NULL;

      if (!mfp_run_plan (session, invocation, options, g_ptr_array_index (plans, i), &local))
        add_failure (&failures, local);
    }
  if (i < plans->len)
    add_failure (&failures,
                 g_error_new (MFP_ERROR, MFP_ERROR_LEFT,
                              "interrupted before %u of %u cards were recovered; run the command "
                              "again",
                              plans->len - i, plans->len));
  if (failures)
    g_propagate_error (error, failures);
  return !failures;
}

static char *
report_recovery (const MfpSession *session, const MfpInvocation *invocation, const GPtrArray *plans)
{
  g_autoptr (GPtrArray) cards = g_ptr_array_new ();

  for (guint i = 0; i < plans->len; i++)
    g_ptr_array_add (cards, ((const MfpPlan *) g_ptr_array_index (plans, i))->card);
  return mfp_run_plan_report (
      session, invocation,
      (MfpReport){ .command = "recover", .changed = plans->len > 0, .cards = cards });
}

static char *
recover (MfpSession *session, const MfpInvocation *invocation, const MfpCommonOptions *options,
         GError **error)
{
  g_autoptr (GPtrArray) findings = examine_all (session, error);
  g_autoptr (GPtrArray) plans = findings ? make_plans (session, findings, error) : NULL;

  if (!plans)
    return NULL;
  if (options->dry_run && plans->len > 0)
    return describe_plans (plans);
  if (!run_plans (session, invocation, options, plans, error))
    return NULL;
  return report_recovery (session, invocation, plans);
}

char *
mfp_cmd_recover (MfpInvocation *invocation, GError **error)
{
  g_auto (MfpCommonOptions) options = { .timeout = MFP_TIMEOUT_DEFAULT };
  static const char usage[]
      = "[OPTION...] DOMAIN\n\n"
        "Finishes or undoes what interrupted runs left in the running domain.\n"
        "With --dry-run it shows what would be done.\n" MFP_DOMAIN_HELP;
  const struct poptOption table[] = {
    MFP_DRY_RUN_OPTION (&options, "print what would be done and touch nothing"),
    MFP_WAIT_OPTIONS (&options),
    POPT_TABLEEND,
  };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *help = NULL;
  g_autoptr (MfpSession) session = NULL;

  if (!mfp_options_parse (invocation, table, usage, &options, &arguments, &help, error))
    return NULL;
  if (help)
    return g_steal_pointer (&help);
  if (g_strv_length (arguments) != 1)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_USAGE, "recover takes one domain");
      return NULL;
    }
  session = mfp_session_open (invocation, &options,
                              options.dry_run ? MFP_ACCESS_ASK : MFP_ACCESS_CHANGE, arguments[0],
                              error);
  return session ? recover (session, invocation, &options, error) : NULL;
}
