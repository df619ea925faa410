/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The persistent XML. */
#include "config.h"

#include "steps.h"

/* Whether the persistent XML has the function of @step, or, where it is about
 * none, the port. */
static gboolean
config_has (MfpRun *run, const MfpStep *step, gboolean *has, GError **error)
{
  g_autofree char *xml = run->ops->domain_xml (run->ops, MFP_CONFIG, error);
  g_autoptr (MfpGuest) guest = xml ? mfp_guest_parse (xml, error) : NULL;

  if (!guest)
    return FALSE;
  *has = step->function ? mfp_guest_find_host (guest, &step->function->host) != NULL
                        : mfp_guest_bus (guest, run->plan->card->port) != NULL;
  return TRUE;
}

static gboolean
change_config (MfpRun *run, const MfpStep *step, gboolean attach, GError **error)
{
  return attach ? run->ops->attach (run->ops, MFP_CONFIG, step->xml, error)
                : run->ops->detach (run->ops, MFP_CONFIG, step->xml, error);
}

/**
 * ConfigGoal:
 * @attach: whether the persistent XML is to have what @step names
 */
typedef struct
{
  const MfpStep *step;
  gboolean attach;
} ConfigGoal;

static gboolean
approach_config (MfpRun *run, gpointer data, gboolean *done, GError **error)
{
  const ConfigGoal *goal = data;
  gboolean has;

  if (!config_has (run, goal->step, &has, error))
    return FALSE;
  *done = has == goal->attach || change_config (run, goal->step, goal->attach, error);
  return *done;
}

/* An inverse looks first, since the step may not have taken place. */
static gboolean
do_config (MfpRun *run, const MfpStep *step, gboolean attach, GError **error)
{
  ConfigGoal goal = { .step = step, .attach = attach };

  return run->undoing ? mfp_run_approach (run, approach_config, &goal, MFP_ERROR_FAILED, error)
                      : change_config (run, step, attach, error);
}

gboolean
mfp_step_config_attach (MfpRun *run, const MfpStep *step, GError **error)
{
  return do_config (run, step, TRUE, error);
}

gboolean
mfp_step_config_detach (MfpRun *run, const MfpStep *step, GError **error)
{
  return do_config (run, step, FALSE, error);
}
