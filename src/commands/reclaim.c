/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reclaim: functions that a domain left on VFIO when it ended go back to their
 * host drivers.
 */
#include "config.h"

#include "base/error.h"
#include "base/text.h"
#include "commands/run-plan.h"
#include "libvirt/node-devices.h"

/* Leaves in @functions those that @selections name. */
static void
keep_selected (GPtrArray *functions, const GArray *selections)
{
  for (guint i = functions->len; i-- > 0;)
    {
      const MfpHostFunction *host = g_ptr_array_index (functions, i);

      if (!mfp_selection_names (selections, &host->address))
        g_ptr_array_remove_index (functions, i);
    }
}

/* A card of those @functions that are on VFIO. */
static MfpCard *
card_of (const GPtrArray *functions)
{
  MfpCard *card = mfp_card_new ();

  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *host = g_ptr_array_index (functions, i);

      if (mfp_driver_is_vfio (host->driver))
        mfp_card_add (card, &host->address, MFP_UNASSIGNED);
    }
  return card;
}

/* Refuses when a domain has one of the functions, or one of their IOMMU
 * groups, whose members cannot be rebound while a guest uses any. */
static gboolean
check_free (MfpSession *session, const GPtrArray *functions, GError **error)
{
  g_autoptr (GPtrArray) others
      = mfp_node_devices_read_groups (session->libvirt, functions, error);

  return others && mfp_session_check_others (session, functions, error)
         && mfp_session_check_others (session, others, error);
}

/* The functions that @selections name, as they are now: (element-type MfpHostFunction). */
static GPtrArray *
read_selected (MfpSession *session, const GArray *selections, GError **error)
{
  g_autoptr (GArray) hosts = mfp_selection_hosts (selections);
  g_autoptr (GPtrArray) functions
      = mfp_node_devices_read_slots (session->libvirt, hosts, error);

  if (!functions)
    return NULL;
  keep_selected (functions, selections);
  if (functions->len > 0)
    return g_steal_pointer (&functions);
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED, "the host has no such PCI device");
  return NULL;
}

static char *
describe_plan (const MfpPlan *plan)
{
  g_autofree char *steps = mfp_plan_describe (plan);

  return g_strconcat (steps, MFP_PLAN_LAST_LINE, NULL);
}

static char *
reclaim (MfpSession *session, const MfpInvocation *invocation, const MfpCommonOptions *options,
         const GArray *selections, GError **error)
{
  g_autoptr (GPtrArray) functions = read_selected (session, selections, error);
  g_autoptr (MfpPlan) plan = functions ? mfp_plan_reclaim (card_of (functions)) : NULL;
  gboolean any = plan && plan->card->functions->len > 0;

  if (!plan || (any && !check_free (session, functions, error)))
    return NULL;
  if (options->dry_run)
    return any ? describe_plan (plan) : g_strdup ("");
  if (any && mfp_libvirt_is_session (session->libvirt))
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED,
                           "a user's own libvirt (qemu:///session) cannot reattach functions to "
                           "their host drivers, because it does not run as root; use "
                           "qemu:///system (-c)");
      return NULL;
    }
  if (any && !mfp_run_plan (session, invocation, options, plan, error))
    return NULL;
  return mfp_run_plan_report (
      session, invocation,
      (MfpReport){ .command = "reclaim", .changed = any, .card = plan->card });
}

/* The command that does the same: "reclaim 01:00 02:00"; the caller frees. */
static char *
format_command (const GStrv devices)
{
  g_autoptr (GString) command = g_string_new ("reclaim");

  for (guint i = 0; devices[i]; i++)
    {
      g_autofree char *word = mfp_shell_word (devices[i]);

      g_string_append_printf (command, " %s", word);
    }
  return g_string_free (g_steal_pointer (&command), FALSE);
}

char *
mfp_cmd_reclaim (MfpInvocation *invocation, GError **error)
{
  g_auto (MfpCommonOptions) options = { .timeout = MFP_TIMEOUT_DEFAULT };
  static const char usage[]
      = "[OPTION...] DEVICE...\n\n"
        "Reattaches functions that a guest left on vfio-pci when it ended to their host\n"
        "drivers.\n" MFP_DEVICE_HELP;
  const struct poptOption table[] = {
    MFP_DRY_RUN_OPTION (&options, "print which functions would be reattached, and touch nothing"),
    MFP_WAIT_OPTIONS (&options),
    POPT_TABLEEND,
  };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *help = NULL, *remedy = NULL;
  g_autoptr (GArray) selections = NULL;
  g_autoptr (MfpSession) session = NULL;

  if (!mfp_options_parse (invocation, table, usage, &options, &arguments, &help, error))
    return NULL;
  if (help)
    return g_steal_pointer (&help);
  if (!arguments[0])
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_USAGE, "reclaim takes devices");
      return NULL;
    }
  selections = mfp_selection_parse ((const char *const *) arguments, NULL, error);
  if (!selections)
    return NULL;
  remedy = format_command (arguments);
  session = mfp_session_connect (invocation, &options,
                                 options.dry_run ? MFP_ACCESS_READ : MFP_ACCESS_CHANGE, remedy,
                                 error);
  return session ? reclaim (session, invocation, &options, selections, error) : NULL;
}
