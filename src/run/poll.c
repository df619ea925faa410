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

/**
 * Patience:
 * @failures: how many failures there were that may not pass by themselves
 * @last: (nullable): the last error after which polling went on
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

static gboolean
wait_for_news (const MfpRun *run, MfpPhase phase, const MfpPoll *poll, const MfpTimer *limit,
               GError **error)
{
  gboolean awaits = poll->awaited && poll->awaited->len > 0;
  gint64 tick = awaits ? MIN (LONG_TICK, run->options->timeout / 4) : TICK;
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
  g_set_error (error, MFP_ERROR, (int) poll->late, "timed out after %" G_GINT64_FORMAT " s%s%s",
               run->options->timeout / G_TIME_SPAN_SECOND, patience->last ? ": " : "",
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
      gboolean is_last = mfp_timer_is_due (limit);
      gboolean done = FALSE;
      GError *local = NULL;

      poll->check (run, phase, poll->data, &done, &local);
      if (done)
        return TRUE;
      if (!is_last && (!local || can_go_on (&patience, &local)))
        wait_for_news (run, phase, poll, limit, &local);
      if (local && !can_go_on (&patience, &local))
        {
          g_propagate_error (error, local);
          return FALSE;
        }
      if (is_last)
        return fail_late (run, poll, &patience, error);
    }
}
