/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "run.h"

#include "qmp.h"

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
    .seen = options->live,
    .in_qemu = options->in_qemu,
    .started = options->live ? g_strdup (options->live->id) : NULL,
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
  g_clear_pointer (&run->seen, mfp_guest_free);
  g_clear_pointer (&run->in_qemu, g_hash_table_unref);
}

/* Takes @xml for what is seen now; nothing else is. */
static const MfpGuest *
see (MfpRun *run, const char *xml, GError **error)
{
  run->seen = mfp_guest_parse (xml, error);
  if (!run->seen)
    return NULL;
  if (!run->started)
    run->started = g_strdup (run->seen->id);
  if (!run->seen->id || g_strcmp0 (run->seen->id, run->started) != 0)
    {
      mfp_run_forget_seen (run);
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_DOMAIN_GONE,
                           "the domain ended meanwhile");
      return NULL;
    }
  return run->seen;
}

const MfpGuest *
mfp_run_look (MfpRun *run, GError **error)
{
  return run->seen ? run->seen : mfp_run_look_again (run, error);
}

const MfpGuest *
mfp_run_look_again (MfpRun *run, GError **error)
{
  g_autofree char *xml = NULL;

  mfp_run_forget_seen (run);
  xml = run->ops->domain_xml (run->ops, MFP_LIVE, error);
  return xml ? see (run, xml, error) : NULL;
}

/* Reads the domain again; QEMU's answers are in @answers then. */
static const MfpGuest *
look (MfpRun *run, const MfpQuestions *questions, GStrv *answers, GError **error)
{
  g_auto (GStrv) told = NULL;

  mfp_run_forget_seen (run);
  told = run->ops->look (run->ops, questions, error);
  if (!told || !see (run, told[0], error))
    return NULL;
  *answers = g_strdupv (told + 1);
  return run->seen;
}

const MfpGuest *
mfp_run_look_and_ask (MfpRun *run, const char *const *commands, GStrv *answers, GError **error)
{
  const MfpQuestions questions = { .commands = commands };

  return look (run, &questions, answers, error);
}

const MfpGuest *
mfp_run_look_at_both_again (MfpRun *run, GError **error)
{
  g_autofree char *list_devices = mfp_qmp_list_devices ();
  const char *const commands[] = { list_devices, NULL };
  const MfpQuestions questions = { .commands = commands, .expectant = TRUE };
  g_auto (GStrv) answers = NULL;

  if (!look (run, &questions, &answers, error))
    return NULL;
  run->in_qemu = mfp_qmp_parse_devices (answers[0], error);
  if (!run->in_qemu)
    mfp_run_forget_seen (run);
  return run->seen;
}

const MfpGuest *
mfp_run_look_at_both (MfpRun *run, GError **error)
{
  return run->seen && run->in_qemu ? run->seen : mfp_run_look_at_both_again (run, error);
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
  gboolean other = FALSE;
  gint64 tick = MIN (until, run->ops->now (run->ops) + TICK);
  gboolean waited = run->ops->wait (run->ops, tick, run->awaited, &other, &refused, &local);

  run->disturbed = run->disturbed || other;
  if (!waited && !(run->undoing && mfp_error_is (local, MFP_ERROR_INTERRUPTED)))
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
