/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reclaim: functions that a domain left on VFIO when it ended go back to their
 * host drivers.
 */
#include "config.h"

#include "base/error.h"
#include "commands/command.h"
#include "libvirt/survey.h"
#include "plan/plan.h"

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
check_free (MfpTarget *target, const GPtrArray *functions, GError **error)
{
  g_autoptr (GPtrArray) others
      = mfp_survey_groups (target->ops, functions, error);

  return others && mfp_target_check_free (target, functions, error)
         && mfp_target_check_free (target, others, error);
}

static char *
reclaim (MfpTarget *target, const MfpInvocation *invocation, const MfpCommonOptions *options,
         const GArray *selections, GError **error)
{
  g_autoptr (GArray) hosts = mfp_selection_hosts (selections);
  g_autoptr (GPtrArray) devices
      = mfp_survey_devices (target->ops, hosts, error);
  g_autoptr (MfpPlan) plan = NULL;

  if (!devices)
    return NULL;
  keep_selected (devices, selections);
  if (devices->len == 0)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED, "the host has no such PCI device");
      return NULL;
    }
  plan = mfp_plan_reclaim (card_of (devices));
  if (plan->card->functions->len > 0
      && (!check_free (target, devices, error)
          || (!options->dry_run
              && !mfp_target_execute (target, invocation, options, plan, error))))
    return NULL;
  return options->dry_run ? mfp_plan_describe (plan)
                          : mfp_target_report (target, invocation,
                                               (MfpReport){ .command = "reclaim",
                                                            .changed
                                                            = plan->card->functions->len > 0,
                                                            .card = plan->card });
}

char *
mfp_cmd_reclaim (MfpInvocation *invocation, GError **error)
{
  g_auto (MfpCommonOptions) options = { .timeout = MFP_TIMEOUT_DEFAULT };
  static const char usage[]
      = "[OPTION...] DEVICE...\n\n"
        "Gives functions that a guest left on vfio-pci when it ended back to their\n"
        "host drivers.\n" MFP_DEVICE_HELP;
  const struct poptOption table[] = {
    MFP_DRY_RUN_OPTION (&options, "print which functions would go back and touch nothing"),
    MFP_WAIT_OPTIONS (&options),
    POPT_TABLEEND,
  };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *help = NULL;
  g_autoptr (GArray) selections = NULL;
  g_autoptr (MfpTarget) target = NULL;

  if (!mfp_parse_options (invocation, table, usage, &options, &arguments, &help, error))
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
  target = mfp_target_connect (invocation, options.dry_run ? MFP_ACCESS_READ : MFP_ACCESS_CHANGE,
                               "reclaim, with the same devices", error);
  return target ? reclaim (target, invocation, &options, selections, error) : NULL;
}
