/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/together.h"

#include "base/error.h"

#define GRACE (1 * G_TIME_SPAN_SECOND)

/**
 * Calls:
 * @outcomes: (element-type Outcome): as many as there are subjects
 * @mutex: for what follows
 * @next: index of the call that is to be begun next
 * @left: how many have not returned
 * @gone: when the other side was found gone; 0: it was not
 */
typedef struct
{
  MfpTask task;
  MfpIsGone is_gone;
  gpointer data;
  GPtrArray *subjects;
  GDestroyNotify free_result;
  GArray *outcomes;
  GMutex mutex;
  GCond changed;
  guint next;
  guint left;
  gint64 gone;
} Calls;

typedef struct
{
  gpointer result;
  GError *error;
} Outcome;

static Calls *
calls_new (MfpTask task, MfpIsGone is_gone, gpointer data, GPtrArray *subjects,
           GDestroyNotify free_result)
{
  Calls *calls = g_atomic_rc_box_new0 (Calls);

  calls->task = task;
  calls->is_gone = is_gone;
  calls->data = data;
  calls->subjects = g_ptr_array_ref (subjects);
  calls->free_result = free_result;
  calls->outcomes = g_array_sized_new (FALSE, TRUE, sizeof (Outcome), subjects->len);
  g_array_set_size (calls->outcomes, subjects->len);
  calls->left = subjects->len;
  g_mutex_init (&calls->mutex);
  g_cond_init (&calls->changed);
  return calls;
}

static void
calls_clear (gpointer data)
{
  Calls *calls = data;

  for (guint i = 0; i < calls->outcomes->len; i++)
    {
      Outcome *outcome = &g_array_index (calls->outcomes, Outcome, i);

      if (outcome->result && calls->free_result)
        calls->free_result (outcome->result);
      g_clear_error (&outcome->error);
    }
  g_array_unref (calls->outcomes);
  g_ptr_array_unref (calls->subjects);
  g_mutex_clear (&calls->mutex);
  g_cond_clear (&calls->changed);
}

static void
calls_release (Calls *calls)
{
  g_atomic_rc_box_release_full (calls, calls_clear);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Calls, calls_release)

/* Whether there is a call to begin, which is *@index then. */
static gboolean
begin_call (Calls *calls, guint *index)
{
  gboolean any;

  g_mutex_lock (&calls->mutex);
  any = calls->next < calls->subjects->len;
  *index = calls->next;
  if (any)
    calls->next++;
  g_mutex_unlock (&calls->mutex);
  return any;
}

static void
end_call (Calls *calls)
{
  gboolean gone = calls->is_gone (calls->data);

  g_mutex_lock (&calls->mutex);
  calls->left--;
  if (gone && !calls->gone)
    calls->gone = g_get_monotonic_time ();
  g_cond_signal (&calls->changed);
  g_mutex_unlock (&calls->mutex);
}

static gboolean
any_to_begin (Calls *calls)
{
  gboolean any;

  g_mutex_lock (&calls->mutex);
  any = calls->next < calls->subjects->len;
  g_mutex_unlock (&calls->mutex);
  return any;
}

static gpointer
make_calls (gpointer data)
{
  g_autoptr (Calls) calls = data;
  guint index;

  while (begin_call (calls, &index))
    {
      Outcome *outcome = &g_array_index (calls->outcomes, Outcome, index);

      outcome->result
          = calls->task (calls->data, g_ptr_array_index (calls->subjects, index), &outcome->error);
      end_call (calls);
    }
  return NULL;
}

/* Whether all calls return. If not, no further one is begun. */
static gboolean
wait_for_calls (Calls *calls)
{
  gboolean patient = TRUE, complete;

  g_mutex_lock (&calls->mutex);
  while (calls->left > 0 && patient)
    if (calls->gone)
      patient = g_cond_wait_until (&calls->changed, &calls->mutex, calls->gone + GRACE);
    else
      g_cond_wait (&calls->changed, &calls->mutex);
  complete = calls->left == 0;
  calls->next = calls->subjects->len;
  g_mutex_unlock (&calls->mutex);
  return complete;
}

/* In at most @most threads: what returns at once (a driver in this process) leaves few to begin. */
static gboolean
run_threads (Calls *calls, guint most)
{
  g_autoptr (GPtrArray) threads = g_ptr_array_new ();
  gboolean complete;

  while (threads->len < most && any_to_begin (calls))
    g_ptr_array_add (threads, g_thread_new ("call", make_calls, g_atomic_rc_box_acquire (calls)));
  complete = wait_for_calls (calls);
  for (guint i = 0; i < threads->len; i++)
    if (complete)
      g_thread_join (g_ptr_array_index (threads, i));
    else
      g_thread_unref (g_ptr_array_index (threads, i));
  return complete;
}

static GPtrArray *
take_results (Calls *calls, GError **error)
{
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (calls->free_result);

  for (guint i = 0; i < calls->outcomes->len; i++)
    {
      Outcome *outcome = &g_array_index (calls->outcomes, Outcome, i);

      if (outcome->result)
        g_ptr_array_add (results, g_steal_pointer (&outcome->result));
      if (outcome->error && !mfp_error_is (outcome->error, MFP_ERROR_NOT_FOUND))
        {
          g_propagate_error (error, g_steal_pointer (&outcome->error));
          return NULL;
        }
    }
  return g_steal_pointer (&results);
}

GPtrArray *
mfp_together (MfpTask task, MfpIsGone is_gone, gpointer data, GPtrArray *subjects, guint at_once,
              GDestroyNotify free_result, gboolean *left_behind, GError **error)
{
  g_autoptr (Calls) calls = calls_new (task, is_gone, data, subjects, free_result);

  *left_behind = !run_threads (calls, MIN (at_once, subjects->len));
  if (!*left_behind)
    return take_results (calls, error);
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_DISCONNECTED,
                       "libvirt does not answer any more");
  return NULL;
}

/**
 * Errand:
 * @task, @subject: a call
 */
typedef struct
{
  MfpTask task;
  gpointer subject;
  GDestroyNotify free_subject;
} Errand;

static void
errand_free (gpointer data)
{
  Errand *errand = data;

  if (errand->free_subject)
    errand->free_subject (errand->subject);
  g_free (errand);
}

GPtrArray *
mfp_errands_new (void)
{
  return g_ptr_array_new_with_free_func (errand_free);
}

void
mfp_errands_add (GPtrArray *errands, MfpTask task, gpointer subject, GDestroyNotify free_subject)
{
  Errand *errand = g_new0 (Errand, 1);

  errand->task = task;
  errand->subject = subject;
  errand->free_subject = free_subject;
  g_ptr_array_add (errands, errand);
}

gpointer
mfp_errand_run (gpointer data, gpointer subject, GError **error)
{
  const Errand *errand = subject;

  return errand->task (data, errand->subject, error);
}
