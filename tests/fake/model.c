/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#define GROUP_HELD (400 * G_TIME_SPAN_MILLISECOND) /* by QEMU, after the last removal */
#define FIRST_CLOCK G_TIME_SPAN_HOUR

/* A process has one libvirt, so these are global. */
static GMutex lock;
static GCond changed;
static Fake *current;
static gint64 clock_without_fake = FIRST_CLOCK;

void
fake_lock (void)
{
  g_mutex_lock (&lock);
}

void
fake_unlock (void)
{
  g_mutex_unlock (&lock);
}

void
fake_changed (void)
{
  g_cond_broadcast (&changed);
}

void
fake_wait (void)
{
  g_cond_wait (&changed, &lock);
}

Fake *
fake_current (void)
{
  return current;
}

gint64 *
fake_clock (void)
{
  return current ? &current->clock : &clock_without_fake;
}

void
fake_violate (Fake *fake, const char *what)
{
  if (!fake->violation)
    fake->violation = g_strdup (what);
}

Fake *
fake_new_empty (void)
{
  Fake *fake = g_new0 (Fake, 1);

  fake->clock = FIRST_CLOCK;
  fake->nodes = g_ptr_array_new_with_free_func (fake_node_free);
  fake->domains = g_ptr_array_new_with_free_func (fake_domain_free);
  fake->held_until = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, g_free);
  fake->group_held = GROUP_HELD;
  fake_faults_init (fake);
  return fake;
}

Fake *
fake_new_from_file (const char *path)
{
  return fake_load (path);
}

static void
use (Fake *fake)
{
  gint64 before = *fake_clock ();

  current = fake;
  fake_loop_rebase (*fake_clock () - before);
  fake_changed ();
}

void
fake_use (Fake *fake)
{
  fake_lock ();
  use (fake);
  fake_unlock ();
}

void
fake_free (Fake *fake)
{
  if (!fake)
    return;
  fake_release_hung (fake);
  fake_lock ();
  while (fake->inside > 0)
    fake_wait ();
  if (current == fake)
    use (NULL);
  fake_unlock ();
  fake_faults_clear (fake);
  g_ptr_array_unref (fake->nodes);
  g_ptr_array_unref (fake->domains);
  g_hash_table_unref (fake->held_until);
  g_free (fake->violation);
  g_free (fake->path);
  g_free (fake);
}

gint64
fake_now (Fake *fake)
{
  gint64 now;

  fake_lock ();
  now = fake->clock;
  fake_unlock ();
  return now;
}

const char *
fake_violation (Fake *fake)
{
  const char *violation;

  fake_lock ();
  violation = fake->violation;
  fake_unlock ();
  return violation;
}
