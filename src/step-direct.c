/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt does alone: changes of the persistent XML, and of the running
 * domain where its driver takes multifunction addresses as they are.
 */
#include "config.h"

#include "steps.h"

/**
 * Goal:
 * @form: of which domain
 * @attach: whether it is to have what @step names
 */
typedef struct
{
  const MfpStep *step;
  MfpForm form;
  gboolean attach;
} Goal;

/* Whether the domain has the function of the step, or, where that is about
 * none, the port. */
static gboolean
domain_has (MfpRun *run, const Goal *goal, gboolean *has, GError **error)
{
  g_autofree char *xml = run->ops->domain_xml (run->ops, goal->form, error);
  g_autoptr (MfpGuest) guest = xml ? mfp_guest_parse (xml, error) : NULL;

  if (!guest)
    return FALSE;
  *has = goal->step->function
             ? mfp_guest_find_host (guest, &goal->step->function->host) != NULL
             : mfp_guest_bus (guest, run->plan->card->port) != NULL;
  return TRUE;
}

static gboolean
change (MfpRun *run, const Goal *goal, GError **error)
{
  mfp_run_forget_seen (run);
  return goal->attach ? run->ops->attach (run->ops, goal->form, goal->step->xml, error)
                      : run->ops->detach (run->ops, goal->form, goal->step->xml, error);
}

/* A live detach is a request: the next look tells. */
static gboolean
approach_goal (MfpRun *run, gpointer data, gboolean *done, GError **error)
{
  const Goal *goal = data;
  gboolean has;

  if (!domain_has (run, goal, &has, error))
    return FALSE;
  *done = has == goal->attach;
  if (*done)
    return TRUE;
  if (!change (run, goal, error))
    return FALSE;
  *done = goal->attach || goal->form == MFP_CONFIG;
  return TRUE;
}

/* An inverse looks first, since the step may not have taken place. */
static gboolean
reach (MfpRun *run, Goal goal, GError **error)
{
  return run->undoing ? mfp_run_approach (run, approach_goal, &goal, MFP_ERROR_FAILED, error)
                      : change (run, &goal, error);
}

gboolean
mfp_step_config_attach (MfpRun *run, const MfpStep *step, GError **error)
{
  return reach (run, (Goal){ .step = step, .form = MFP_CONFIG, .attach = TRUE }, error);
}

gboolean
mfp_step_config_detach (MfpRun *run, const MfpStep *step, GError **error)
{
  return reach (run, (Goal){ .step = step, .form = MFP_CONFIG, .attach = FALSE }, error);
}

gboolean
mfp_step_live_attach (MfpRun *run, const MfpStep *step, GError **error)
{
  return reach (run, (Goal){ .step = step, .form = MFP_LIVE, .attach = TRUE }, error);
}

/* The guest has to let it go, and may take its time. */
gboolean
mfp_step_live_detach (MfpRun *run, const MfpStep *step, GError **error)
{
  Goal goal = { .step = step, .form = MFP_LIVE, .attach = FALSE };
  MfpError late = run->undoing ? MFP_ERROR_FAILED : MFP_ERROR_PENDING;
  GError *local = NULL;
  gboolean done = run->ended || mfp_run_approach (run, approach_goal, &goal, late, &local);

  return mfp_run_or_ended (run, done, local, error);
}
