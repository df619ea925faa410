/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of the persistent XML. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
#include "run/poll.h"

/**
 * Goal:
 * @step: names the function or the port
 * @attach: whether the persistent XML is to have it
 */
typedef struct
{
  const MfpStep *step;
  gboolean attach;
} Goal;

/* Whether @guest has the function of @step at its guest address. */
static gboolean
is_at_its_address (const MfpPlan *plan, const MfpStep *step, const MfpGuest *guest)
{
  const MfpGuestDevice *device = mfp_guest_find_host (guest, &step->function->host);
  const MfpCard *card = plan->persistent ? plan->persistent : plan->card;
  MfpPciAddress place;

  if (!device || !mfp_function_is_exposed (step->function))
    return device && !device->has_address;
  place = mfp_pci_address_with_function (&card->slot,
                                         (guint) step->function->guest_function);
  return device->has_address && mfp_pci_address_equal (&device->address, &place);
}

/* Whether the persistent XML is as it is to be: with or without the function of the step,
 * or, where that names none, the port. */
static gboolean
check_goal (const MfpRun *run, const Goal *goal, gboolean *reached, GError **error)
{
  g_autoptr (MfpGuest) guest = mfp_domain_read (run->libvirt, MFP_CONFIG, error);
  const MfpStep *step = goal->step;

  if (!guest)
    return FALSE;
  if (!step->function)
    *reached = goal->attach == (mfp_guest_bus (guest, run->plan->card->port) != NULL);
  else if (goal->attach)
    *reached = is_at_its_address (run->plan, step, guest);
  else
    *reached = !mfp_guest_find_host (guest, &step->function->host);
  return TRUE;
}

static gboolean
change (const MfpRun *run, const Goal *goal, GError **error)
{
  return goal->attach
             ? mfp_domain_attach (run->libvirt, MFP_CONFIG, goal->step->xml, NULL, error)
             : mfp_domain_detach (run->libvirt, MFP_CONFIG, goal->step->xml, error);
}

static gboolean
check_changed (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data, gboolean *done,
               GError **error)
{
  const Goal *goal = data;

  if (!check_goal (run, goal, done, error))
    return FALSE;
  *done = *done || change (run, goal, error);
  return *done;
}

/* Whether a change that failed with *@error took effect all the same. If that is not known
 * either, the error becomes MFP_ERROR_DISCONNECTED. */
static gboolean
took_effect (const MfpRun *run, const Goal *goal, GError **error)
{
  gboolean reached;

  if (!mfp_error_is (*error, MFP_ERROR_FAILED))
    return FALSE;
  if (check_goal (run, goal, &reached, NULL))
    return reached;
  mfp_error_recode (error, MFP_ERROR_DISCONNECTED);
  return FALSE;
}

/* A step that undoes another looks first: the other may not have taken effect. */
static gboolean
reach (const MfpRun *run, MfpPhase phase, Goal goal, GError **error)
{
  const MfpPoll poll = { .check = check_changed, .data = &goal, .late = MFP_ERROR_FAILED };
  GError *local = NULL;

  if (phase == MFP_PHASE_UNDO)
    return mfp_poll (run, phase, &poll, error);
  if (change (run, &goal, &local) || took_effect (run, &goal, &local))
    {
      g_clear_error (&local);
      return TRUE;
    }
  g_propagate_error (error, local);
  return FALSE;
}

gboolean
mfp_step_config_attach (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error)
{
  return reach (run, phase, (Goal){ .step = step, .attach = TRUE }, error);
}

gboolean
mfp_step_config_detach (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error)
{
  return reach (run, phase, (Goal){ .step = step, .attach = FALSE }, error);
}
