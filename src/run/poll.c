/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "run/poll.h"

#include "base/error.h"
#include "libvirt/events.h"

#define TICK (500 * G_TIME_SPAN_MILLISECOND) /* between two checks */
/* The interval while reports are awaited. It is longer because each check has to wait for
 * libvirt, and not infinite because a report may be lost. */
#define LONG_TICK (2 * G_TIME_SPAN_SECOND)
#define FAILURES_MAX 3
#define GROWTH 3 /* of the pauses between tries: 20 s for five tries */

/**
 * Patience:
 * @checks: how many checks there were
 * @failures: how many failures there were that may not pass by themselves
 * @last: (nullable): the last error after which polling went on
 */
typedef struct
{
  guint checks;
  guint failures;
  GError *last;
} Patience;

static void
patience_clear (Patience *patience)
{
  g_clear_error (&patience->last);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Patience, patience_clear)

/* Whether polling can go on after *@error, which is taken then. */
static gboolean
can_go_on (Patience *patience, GError **error)
{
  gboolean passes = mfp_error_is (*error, MFP_ERROR_BUSY)
                    || mfp_error_is (*error, MFP_ERROR_DISCONNECTED);

  if (!passes
      && !(mfp_error_is (*error, MFP_ERROR_FAILED) && ++patience->failures <= FAILURES_MAX))
    return FALSE;
  g_clear_error (&patience->last);
  patience->last = g_steal_pointer (error);
  return TRUE;
}

/* How long to wait before the next check. */
static gint64
choose_pause (const MfpRun *run, const MfpPoll *poll, const Patience *patience)
{
  gint64 pause = TICK;

  for (guint i = 0; poll->tries && i < patience->checks; i++)
    pause *= GROWTH;
  if (poll->tries)
    return pause;
  return poll->awaited && poll->awaited->len > 0 ? MIN (LONG_TICK, run->options->timeout / 4)
                                                 : TICK;
}

static gboolean
wait_for_news (const MfpRun *run, MfpPhase phase, const MfpPoll *poll, const Patience *patience,
               const MfpTimer *limit, GError **error)
{
  gint64 tick = choose_pause (run, poll, patience);
  g_autofree char *rejected = NULL;
  g_autoptr (GError) local = NULL;

  run->options->observer->wait (run->options->observer->data, run->options->timeout);
  if (!mfp_events_wait (run->libvirt, poll->awaited, tick, limit, &rejected, &local)
      && phase == MFP_PHASE_STRICT)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (!rejected)
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_GUEST_REFUSED,
               "the guest's system rejected the removal of '%s'", rejected);
  return FALSE;
}

static gboolean
fail_late (const MfpRun *run, const MfpPoll *poll, const Patience *patience, GError **error)
{
  g_autofree char *when
      = poll->tries && patience->checks >= poll->tries
            ? g_strdup_printf ("failed %u times", patience->checks)
            : g_strdup_printf ("timed out after %" G_GINT64_FORMAT " s",
                               run->options->timeout / G_TIME_SPAN_SECOND);

  g_set_error (error, MFP_ERROR, (int) poll->late, "%s%s%s", when, patience->last ? ": " : "",
               patience->last ? patience->last->message : "");
  return FALSE;
}

gboolean
mfp_poll (const MfpRun *run, MfpPhase phase, const MfpPoll *poll, GError **error)
{
  g_autoptr (MfpTimer) limit = mfp_timer_new (run->options->timeout);
  g_auto (Patience) patience = { 0 };

  while (TRUE)
    {
      gboolean is_last
          = mfp_timer_is_due (limit) || (poll->tries && patience.checks + 1 >= poll->tries);
      gboolean done = FALSE;
      GError *local = NULL;

      poll->check (run, phase, poll->data, &done, &local);
      if (done)
        return TRUE;
      if (!is_last && (!local || can_go_on (&patience, &local)))
        wait_for_news (run, phase, poll, &patience, limit, &local);
      patience.checks++;
      if (local && !can_go_on (&patience, &local))
        {
          g_propagate_error (error, local);
          return FALSE;
        }
      if (is_last)
        return fail_late (run, poll, &patience, error);
    }
}
