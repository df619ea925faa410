/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "base/error.h"
#include "libvirt/together.h"

#define MANY 100

static gboolean
is_there (gpointer data G_GNUC_UNUSED)
{
  return FALSE;
}

static gpointer
count (gpointer total, gpointer subject, GError **error G_GNUC_UNUSED)
{
  g_atomic_int_inc ((gint *) subject);
  g_atomic_int_inc ((gint *) total);
  return g_atomic_int_get ((gint *) subject) == 1 ? subject : NULL;
}

static void
test_each_once (void)
{
  g_autoptr (GPtrArray) subjects = g_ptr_array_new (), none = NULL, results = NULL;
  gint counts[MANY] = { 0 }, total = 0;
  gboolean left_behind;
  GError *error = NULL;

  none = mfp_together (count, is_there, &total, subjects, 8, NULL, &left_behind, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (none->len, ==, 0);
  for (guint i = 0; i < MANY; i++)
    g_ptr_array_add (subjects, &counts[i]);
  results = mfp_together (count, is_there, &total, subjects, 8, NULL, &left_behind, &error);
  g_assert_no_error (error);
  g_assert_false (left_behind);
  g_assert_cmpint (total, ==, MANY);
  g_assert_cmpuint (results->len, ==, MANY);
  for (guint i = 0; i < MANY; i++)
    g_assert_true (g_ptr_array_index (results, i) == &counts[i]);
}

/* Fails with the code that @subject points to; 0: there is no result. */
static gpointer
fail (gpointer data G_GNUC_UNUSED, gpointer subject, GError **error)
{
  int code = *(int *) subject;

  if (code)
    g_set_error (error, MFP_ERROR, code, "%d", code);
  return NULL;
}

static void
test_errors (void)
{
  int codes[] = { MFP_ERROR_NOT_FOUND, 0, MFP_ERROR_FAILED, MFP_ERROR_BUSY };
  g_autoptr (GPtrArray) subjects = g_ptr_array_new (), results = NULL;
  g_autoptr (GError) error = NULL;
  gboolean left_behind;

  for (guint i = 0; i < 2; i++)
    g_ptr_array_add (subjects, &codes[i]);
  results = mfp_together (fail, is_there, NULL, subjects, 8, NULL, &left_behind, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (results->len, ==, 0);
  for (guint i = 2; i < G_N_ELEMENTS (codes); i++)
    g_ptr_array_add (subjects, &codes[i]);
  g_assert_null (mfp_together (fail, is_there, NULL, subjects, 8, NULL, &left_behind, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_FAILED);
  g_assert_false (left_behind);
}

/* How many calls are under way, and were at most; and how many are to come before any goes. */
typedef struct
{
  GMutex mutex;
  GCond came;
  guint now, most, wanted;
} Crowd;

static gpointer
join_crowd (gpointer data, gpointer subject G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
  Crowd *crowd = data;
  gint64 until = g_get_monotonic_time () + 30 * G_TIME_SPAN_SECOND;

  g_mutex_lock (&crowd->mutex);
  crowd->now++;
  crowd->most = MAX (crowd->most, crowd->now);
  g_cond_broadcast (&crowd->came);
  while (crowd->most < crowd->wanted
         && g_cond_wait_until (&crowd->came, &crowd->mutex, until))
    ;
  g_mutex_unlock (&crowd->mutex);
  g_usleep (G_TIME_SPAN_MILLISECOND);
  g_mutex_lock (&crowd->mutex);
  crowd->now--;
  g_mutex_unlock (&crowd->mutex);
  return NULL;
}

static void
test_at_once (void)
{
  g_autoptr (GPtrArray) subjects = g_ptr_array_new (), results = NULL;
  Crowd crowd = { .wanted = 8 };
  gboolean left_behind;

  g_mutex_init (&crowd.mutex);
  g_cond_init (&crowd.came);
  for (guint i = 0; i < MANY; i++)
    g_ptr_array_add (subjects, NULL);
  results = mfp_together (join_crowd, is_there, &crowd, subjects, 8, NULL, &left_behind, NULL);
  g_assert_cmpuint (crowd.most, ==, 8);
  g_mutex_clear (&crowd.mutex);
  g_cond_clear (&crowd.came);
}

/* The other side of calls: the first finds it gone, and the others wait for an
 * answer until the test lets them go. */
typedef struct
{
  GMutex mutex;
  GCond changed;
  guint begun, waiting;
  gboolean gone, let_go;
} Silence;

static gpointer
call_silence (gpointer data, gpointer subject, GError **error G_GNUC_UNUSED)
{
  Silence *silence = data;
  gboolean first = *(guint *) subject == 0;

  g_mutex_lock (&silence->mutex);
  silence->begun++;
  silence->waiting++;
  g_cond_broadcast (&silence->changed);
  while (first ? silence->begun < 4 : !silence->let_go)
    g_cond_wait (&silence->changed, &silence->mutex);
  silence->waiting--;
  silence->gone = silence->gone || first;
  g_cond_broadcast (&silence->changed);
  g_mutex_unlock (&silence->mutex);
  return first ? NULL : g_strdup_printf ("%u", *(guint *) subject);
}

static gboolean
is_silent (gpointer data)
{
  Silence *silence = data;
  gboolean gone;

  g_mutex_lock (&silence->mutex);
  gone = silence->gone;
  g_mutex_unlock (&silence->mutex);
  return gone;
}

static void
test_left_behind (void)
{
  static Silence silence; /* the threads may outlive this function by a moment */
  GPtrArray *subjects = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gboolean left_behind;

  for (guint i = 0; i < 8; i++)
    g_ptr_array_add (subjects, g_memdup2 (&i, sizeof i));
  g_assert_null (mfp_together (call_silence, is_silent, &silence, subjects, 4, g_free, &left_behind, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_DISCONNECTED);
  g_assert_true (left_behind);
  g_ptr_array_unref (subjects); /* those that wait have theirs still */

  g_mutex_lock (&silence.mutex);
  g_assert_cmpuint (silence.waiting, >=, 3);
  silence.let_go = TRUE;
  g_cond_broadcast (&silence.changed);
  while (silence.waiting > 0)
    g_cond_wait (&silence.changed, &silence.mutex);
  g_mutex_unlock (&silence.mutex);
}

static gpointer
say_again (gpointer data G_GNUC_UNUSED, gpointer subject, GError **error G_GNUC_UNUSED)
{
  return subject;
}

static void
note_freed (gpointer freed)
{
  g_atomic_int_inc ((gint *) freed);
}

static void
test_errands (void)
{
  GPtrArray *errands = mfp_errands_new (), *results;
  gint once = 0, total = 0, freed = 0;
  char word[] = "word";
  gboolean left_behind;

  mfp_errands_add (errands, say_again, word, NULL);
  mfp_errands_add (errands, count, &once, NULL);
  mfp_errands_add (errands, say_again, &freed, note_freed);
  results = mfp_together (mfp_errand_run, is_there, &total, errands, 8, NULL, &left_behind, NULL);
  g_assert_cmpuint (results->len, ==, 3);
  g_assert_true (g_ptr_array_index (results, 0) == word);
  g_assert_true (g_ptr_array_index (results, 1) == &once);
  g_assert_cmpint (once, ==, 1);
  g_assert_cmpint (total, ==, 1);
  g_assert_cmpint (freed, ==, 0);
  g_ptr_array_unref (results);
  g_ptr_array_unref (errands);
  g_assert_cmpint (freed, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/together/calls-for-each-once-and-keeps-the-order", test_each_once);
  g_test_add_func ("/together/what-is-not-there-is-left-out-and-other-errors-count", test_errors);
  g_test_add_func ("/together/as-many-calls-are-under-way-as-may-be", test_at_once);
  g_test_add_func ("/together/calls-that-do-not-return-are-left-behind", test_left_behind);
  g_test_add_func ("/together/calls-of-different-kinds", test_errands);
  return g_test_run ();
}
