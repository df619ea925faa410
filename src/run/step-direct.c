/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of the persistent XML. */
#include "config.h"

#include "run/steps.h"

/**
 * Goal:
 * @attach: whether the persistent XML is to have what @step names
 */
typedef struct
{
  const MfpStep *step;
  gboolean attach;
} Goal;

/* Whether @guest has the function of @step at its guest address. */
static gboolean
is_in_place (const MfpRun *run, const MfpStep *step, const MfpGuest *guest)
{
  const MfpGuestDevice *device = mfp_guest_find_host (guest, &step->function->host);
  const MfpCard *card = run->plan->persistent ? run->plan->persistent : run->plan->card;
  MfpPciAddress place;

  if (!device || !mfp_function_is_exposed (step->function))
    return device && !device->has_address;
  place = mfp_pci_address_with_function (&card->slot,
                                         (guint) step->function->guest_function);
  return device->has_address && mfp_pci_address_equal (&device->address, &place);
}

/* Whether the persistent XML is as it is to be: with or without the function of the
 * step, or, where that is about none, the port. */
static gboolean
check_goal (MfpRun *run, const Goal *goal, gboolean *reached, GError **error)
{
  g_autofree char *xml = run->ops->domain_xml (run->ops, MFP_CONFIG, error);
  g_autoptr (MfpGuest) guest = xml ? mfp_guest_parse (xml, error) : NULL;
  const MfpStep *step = goal->step;

  if (!guest)
    return FALSE;
  if (!step->function)
    *reached = goal->attach == (mfp_guest_bus (guest, run->plan->card->port) != NULL);
  else if (goal->attach)
    *reached = is_in_place (run, step, guest);
  else
    *reached = !mfp_guest_find_host (guest, &step->function->host);
  return TRUE;
}

static gboolean
change (MfpRun *run, const Goal *goal, GError **error)
{
  mfp_run_forget_seen (run);
  return goal->attach ? run->ops->attach (run->ops, MFP_CONFIG, goal->step->xml, error)
                      : run->ops->detach (run->ops, MFP_CONFIG, goal->step->xml, error);
}

static gboolean
approach_goal (MfpRun *run, gpointer data, gboolean *done, GError **error)
{
  const Goal *goal = data;

  if (!check_goal (run, goal, done, error))
    return FALSE;
  if (*done)
    return TRUE;
  *done = change (run, goal, error);
  return *done;
}

/* Whether a change that failed with *@error took place all the same, which is
 * as good; that it is not known either makes it MFP_ERROR_DISCONNECTED. */
static gboolean
happened (MfpRun *run, const Goal *goal, GError **error)
{
  gboolean reached;

  if (!mfp_error_is (*error, MFP_ERROR_FAILED))
    return FALSE;
  if (check_goal (run, goal, &reached, NULL))
    return reached;
  mfp_error_recode (error, MFP_ERROR_DISCONNECTED);
  return FALSE;
}

/* An inverse looks first, since the step may not have taken place. */
static gboolean
reach (MfpRun *run, Goal goal, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (run->undoing)
    return mfp_run_approach (run, approach_goal, &goal, MFP_ERROR_FAILED, error);
  if (change (run, &goal, &local) || happened (run, &goal, &local))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
mfp_step_config_attach (MfpRun *run, const MfpStep *step, GError **error)
{
  return reach (run, (Goal){ .step = step, .attach = TRUE }, error);
}

gboolean
mfp_step_config_detach (MfpRun *run, const MfpStep *step, GError **error)
{
  return reach (run, (Goal){ .step = step, .attach = FALSE }, error);
}
