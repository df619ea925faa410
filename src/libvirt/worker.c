/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/worker.h"

#include <stdlib.h>

#define DISABLED (-1)

/**
 * MfpWorker:
 * @jobs: (element-type MfpJob): from the main thread to the worker
 */
struct _MfpWorker
{
  GThread *thread;
  GAsyncQueue *jobs;
};

/* ---- jobs ---- */

MfpJob *
mfp_job_new (MfpJobFunction run, const char *subject)
{
  MfpJob *job = g_atomic_rc_box_new0 (MfpJob);

  job->run = run;
  job->subject = g_strdup (subject);
  job->calls = g_array_new (FALSE, FALSE, sizeof (MfpCallMade));
  return job;
}

static void
job_clear (gpointer data)
{
  MfpJob *job = data;

  g_clear_pointer (&job->domain, virDomainFree);
  g_clear_pointer (&job->list, g_ptr_array_unref);
  g_clear_pointer (&job->error, virFreeError);
  if (job->free_data)
    job->free_data (job->data);
  g_array_unref (job->calls);
  free (job->answer);
  g_free (job->subject);
  g_free (job->text);
  g_free (job->uri);
  g_free (job->command);
}

void
mfp_job_unref (MfpJob *job)
{
  g_atomic_rc_box_release_full (job, job_clear);
}

gboolean
mfp_job_fail (MfpJob *job)
{
  if (!job->error)
    job->error = virSaveLastError ();
  return FALSE;
}

MfpJob *
mfp_job_begin_call (MfpJob *job, const char *function)
{
  MfpCallMade call = { .function = function, .duration = -g_get_monotonic_time () };

  g_array_append_val (job->calls, call);
  g_atomic_pointer_set (&job->current, function);
  return job;
}

void
mfp_job_end_call (MfpJob *job)
{
  g_array_index (job->calls, MfpCallMade, job->calls->len - 1).duration
      += g_get_monotonic_time ();
}

/* ---- the thread ---- */

static gboolean
is_dead (const MfpJob *job)
{
  return job->connection && virConnectIsAlive (job->connection) == 0;
}

/* libvirt no longer knows a transient domain that has ended. */
static gboolean
has_ended (MfpJob *job)
{
  int active = MFP_CALL (job, virDomainIsActive, job->domain);

  return active == 0 || (active < 0 && virGetLastErrorCode () == VIR_ERR_NO_DOMAIN);
}

static void
run_job (MfpJob *job)
{
  job->unsent = !job->even_if_lost && is_dead (job);
  if (job->unsent)
    return;
  job->succeeded = job->run (job);
  if (job->succeeded)
    return;
  mfp_job_fail (job);
  job->lost = is_dead (job);
  if (job->about_running && job->domain && !job->lost)
    job->ended = has_ended (job);
}

/* A job without a function ends the thread. */
static gpointer
work (gpointer data)
{
  GAsyncQueue *jobs = data;
  gboolean works = TRUE;

  while (works)
    {
      g_autoptr (MfpJob) job = g_async_queue_pop (jobs);

      works = job->run != NULL;
      if (!works)
        continue;
      run_job (job);
      virEventUpdateTimeout (job->doorbell, 0);
    }
  g_async_queue_unref (jobs);
  return NULL;
}

MfpWorker *
mfp_worker_new (void)
{
  MfpWorker *worker = g_new0 (MfpWorker, 1);

  worker->jobs = g_async_queue_new ();
  worker->thread = g_thread_new ("libvirt", work, g_async_queue_ref (worker->jobs));
  return worker;
}

/* Tells the thread to end when it has done what it has to do. */
static void
dismiss (MfpWorker *worker)
{
  g_async_queue_push (worker->jobs, mfp_job_new (NULL, NULL));
  g_async_queue_unref (worker->jobs);
}

void
mfp_worker_free (MfpWorker *worker)
{
  if (!worker)
    return;
  dismiss (worker);
  g_thread_join (worker->thread);
  g_free (worker);
}

void
mfp_worker_abandon (MfpWorker *worker)
{
  dismiss (worker);
  g_thread_unref (worker->thread);
  g_free (worker);
}

/* ---- the hand-over, in the main thread ---- */

static void
on_doorbell (int id, void *data)
{
  MfpJob *job = data;

  virEventRemoveTimeout (id);
  job->returned = TRUE;
}

typedef struct
{
  const MfpJob *job;
  gboolean (*is_over) (gpointer data);
  gpointer data;
} Wait;

static gboolean
has_returned (gpointer data)
{
  const Wait *wait = data;

  return wait->job->returned || (wait->is_over && wait->is_over (wait->data));
}

gboolean
mfp_worker_do (MfpWorker *worker, MfpJob *job, gint64 timeout,
               gboolean (*is_over) (gpointer data), gpointer data)
{
  g_autoptr (MfpTimer) limit = mfp_timer_new (timeout);
  Wait wait = { .job = job, .is_over = is_over, .data = data };

  job->returned = FALSE; /* it may be the second attempt */
  /* The worker enables this timer when the job is done: that wakes the loop. */
  job->doorbell = virEventAddTimeout (DISABLED, on_doorbell, job, NULL);
  g_async_queue_push (worker->jobs, g_atomic_rc_box_acquire (job));
  mfp_loop_wait (has_returned, &wait, limit);
  if (job->returned)
    return TRUE;
  virEventRemoveTimeout (job->doorbell);
  return FALSE;
}
