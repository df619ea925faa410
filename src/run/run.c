/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "run/run.h"

#define TICK (500 * G_TIME_SPAN_MILLISECOND) /* events can be lost: look this often */
#define FAILURES_MAX 3

void
mfp_run_init (MfpRun *run, const MfpPlan *plan, MfpOps *ops, const MfpExecuteOptions *options)
{
  *run = (MfpRun){
    .plan = plan,
    .ops = ops,
    .options = options,
    .was_in_qemu = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
    .awaited = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
    .home = g_hash_table_new (NULL, NULL),
    .ended = plan->host_only,
    .seen = options->seen,
    .started = options->seen.live ? g_strdup (options->seen.live->id) : NULL,
  };
}

void
mfp_run_clear (MfpRun *run)
{
  mfp_run_forget_seen (run);
  g_clear_pointer (&run->started, g_free);
  g_clear_pointer (&run->was_in_qemu, g_hash_table_unref);
  g_clear_pointer (&run->awaited, g_hash_table_unref);
  g_clear_pointer (&run->home, g_hash_table_unref);
}

void
mfp_run_forget_seen (MfpRun *run)
{
  mfp_view_clear (&run->seen);
}

/* Whether the domain that was just seen is the one that the run began with. */
static const MfpGuest *
check_seen (MfpRun *run, GError **error)
{
  const MfpGuest *live = run->seen.live;

  if (!run->started)
    run->started = g_strdup (live->id);
  if (live->id && g_strcmp0 (live->id, run->started) == 0)
    return live;
  mfp_run_forget_seen (run);
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_DOMAIN_GONE, "the domain ended meanwhile");
  return NULL;
}

const MfpGuest *
mfp_run_look (MfpRun *run, GError **error)
{
  return run->seen.live ? run->seen.live : mfp_run_look_again (run, error);
}

const MfpGuest *
mfp_run_look_again (MfpRun *run, GError **error)
{
  g_autofree char *xml = NULL;

  mfp_run_forget_seen (run);
  xml = run->ops->domain_xml (run->ops, MFP_LIVE, error);
  run->seen.live = xml ? mfp_guest_parse (xml, error) : NULL;
  return run->seen.live ? check_seen (run, error) : NULL;
}

const MfpGuest *
mfp_run_look_at (MfpRun *run, MfpLook what, GError **error)
{
  mfp_run_forget_seen (run);
  return run->ops->look (run->ops, what, &run->seen, error) ? check_seen (run, error) : NULL;
}

const MfpGuest *
mfp_run_look_at_both_again (MfpRun *run, GError **error)
{
  return mfp_run_look_at (run, MFP_LOOK_DEVICES | MFP_LOOK_EXPECTANT, error);
}

const MfpGuest *
mfp_run_look_at_both (MfpRun *run, GError **error)
{
  return run->seen.live && run->seen.in_qemu ? run->seen.live : mfp_run_look_at_both_again (run, error);
}

const MfpGuestDevice *
mfp_run_find_hostdev (const MfpGuest *guest, const MfpFunction *function)
{
  const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);

  return device && g_strcmp0 (device->alias, function->alias) == 0 ? device : NULL;
}

/* Waits for an event or a tick. An interruption stops a run that does, not
 * one that undoes. */
static gboolean
wait_tick (MfpRun *run, gint64 until, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *refused = NULL;
  gint64 tick = MIN (until, run->ops->now (run->ops) + TICK);

  if (!run->ops->wait (run->ops, tick, run->awaited, &refused, &local)
      && !(run->undoing && mfp_error_is (local, MFP_ERROR_INTERRUPTED)))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (!refused || !mfp_card_find_alias (run->plan->card, refused))
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_GUEST_REFUSED,
               "the guest's system rejected the removal of '%s'", refused);
  return FALSE;
}

/**
 * Patience:
 * @failures: how many plain failures there were
 * @last: (nullable): the last error that was lived with
 */
typedef struct
{
  guint failures;
  GError *last;
} Patience;

static void
patience_clear (Patience *patience)
{
  g_clear_error (&patience->last);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Patience, patience_clear)

/* Whether a loop that looks at the state can go on after *@error, which it
 * then takes: what passes by itself for as long as it takes, a plain failure
 * FAILURES_MAX times. */
static gboolean
can_go_on (Patience *patience, GError **error)
{
  gboolean passing = mfp_error_is (*error, MFP_ERROR_BUSY) || mfp_error_is (*error, MFP_ERROR_DISCONNECTED);

  if (!passing && !(mfp_error_is (*error, MFP_ERROR_FAILED) && ++patience->failures <= FAILURES_MAX))
    return FALSE;
  g_clear_error (&patience->last);
  patience->last = g_steal_pointer (error);
  return TRUE;
}

static void
tell_of_wait (MfpRun *run, gint64 began)
{
  const MfpObserver *observer = run->options->observer;

  if (observer)
    observer->wait (observer->data, run->ops->now (run->ops) - began, run->options->timeout);
}

gboolean
mfp_run_approach (MfpRun *run, MfpApproach approach, gpointer data, MfpError late, GError **error)
{
  gint64 began = run->ops->now (run->ops);
  gint64 until = began + run->options->timeout;
  g_auto (Patience) patience = { 0 };

  do
    {
      GError *local = NULL;
      gboolean done = FALSE;

      approach (run, data, &done, &local);
      if (done)
        return TRUE;
      if (!local || can_go_on (&patience, &local))
        {
          tell_of_wait (run, began);
          mfp_run_forget_seen (run);
          wait_tick (run, until, &local);
        }
      if (local && !can_go_on (&patience, &local))
        {
          g_propagate_error (error, local);
          return FALSE;
        }
    }
  while (run->ops->now (run->ops) < until);

  g_set_error (error, MFP_ERROR, (int) late, "no end after %" G_GINT64_FORMAT " s%s%s",
               run->options->timeout / G_TIME_SPAN_SECOND, patience.last ? ": " : "",
               patience.last ? patience.last->message : "");
  return FALSE;
}

gboolean
mfp_run_or_ended (MfpRun *run, gboolean done, GError *failure, GError **error)
{
  if (done)
    return TRUE;
  run->ended = run->ended || mfp_error_is (failure, MFP_ERROR_DOMAIN_GONE);
  if (!run->ended)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  g_clear_error (&failure);
  return TRUE;
}
