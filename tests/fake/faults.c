/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define CALL_TIME G_TIME_SPAN_MILLISECOND
#define NO_FAULT (-1)

typedef struct
{
  char *name;
  guint occurrence;
  FakeFaultKind kind;
} Fault;

typedef struct
{
  char *name;
  guint occurrence;
  FakeHook hook;
  gpointer data;
} Hook;

static void
fault_free (gpointer data)
{
  Fault *fault = data;

  g_free (fault->name);
  g_free (fault);
}

static void
hook_free (gpointer data)
{
  Hook *hook = data;

  g_free (hook->name);
  g_free (hook);
}

void
fake_faults_init (Fake *fake)
{
  fake->calls = g_ptr_array_new_with_free_func (g_free);
  fake->faults = g_ptr_array_new_with_free_func (fault_free);
  fake->hooks = g_ptr_array_new_with_free_func (hook_free);
  fake->random = g_rand_new_with_seed (1);
}

void
fake_faults_clear (Fake *fake)
{
  g_ptr_array_unref (fake->calls);
  g_ptr_array_unref (fake->faults);
  g_ptr_array_unref (fake->hooks);
  g_rand_free (fake->random);
}

/* ---- what a test sets ---- */

void
fake_fault (Fake *fake, const char *name, guint occurrence, FakeFaultKind kind)
{
  Fault *fault = g_new0 (Fault, 1);

  fault->name = g_strdup (name);
  fault->occurrence = occurrence;
  fault->kind = kind;
  fake_lock ();
  g_ptr_array_add (fake->faults, fault);
  fake_unlock ();
}

static gboolean
parse_kind (const char *text, FakeFaultKind *kind)
{
  static const char *const names[FAKE_FAULT_KINDS] = {
    "error-before", "error-after", "lost-before",  "lost-after",
    "hang",         "silent-guest", "domain-ends", "domain-restarts",
    "signal",       "broken",      "killed-before", "killed-after",
  };

  for (guint i = 0; i < FAKE_FAULT_KINDS; i++)
    if (strcmp (names[i], text) == 0)
      {
        *kind = (FakeFaultKind) i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
set_one (Fake *fake, char *text)
{
  char *number = strchr (text, '#'), *kind_text = strchr (text, '=');
  FakeFaultKind kind;
  guint64 occurrence;

  if (!number || !kind_text || kind_text < number)
    return FALSE;
  *number = '\0';
  *kind_text = '\0';
  if (!g_ascii_string_to_unsigned (number + 1, 10, 1, G_MAXUINT, &occurrence, NULL)
      || !parse_kind (kind_text + 1, &kind))
    return FALSE;
  fake_fault (fake, text, (guint) occurrence, kind);
  return TRUE;
}

gboolean
fake_fault_by_text (Fake *fake, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);

  for (guint i = 0; parts[i]; i++)
    if (!set_one (fake, g_strstrip (parts[i])))
      return FALSE;
  return TRUE;
}

void
fake_fault_at_random (Fake *fake, guint odds)
{
  fake_lock ();
  fake->odds = odds;
  fake_unlock ();
}

void
fake_seed (Fake *fake, guint32 seed)
{
  fake_lock ();
  g_rand_set_seed (fake->random, seed);
  fake_unlock ();
}

void
fake_mend (Fake *fake)
{
  fake_lock ();
  g_ptr_array_set_size (fake->faults, 0);
  g_ptr_array_set_size (fake->hooks, 0);
  g_ptr_array_set_size (fake->calls, 0);
  fake->odds = 0;
  fake->broken = FALSE;
  for (guint i = 0; i < fake->domains->len; i++)
    {
      FakeDomain *domain = g_ptr_array_index (fake->domains, i);

      domain->silent = FALSE;
      fake_domain_resumed (fake, domain);
    }
  fake_changed ();
  fake_unlock ();
}

void
fake_release_hung (Fake *fake)
{
  fake_lock ();
  fake->releases++;
  if (fake->hanging > 0)
    fake_loop_unmark_hung ();
  fake_changed ();
  fake_unlock ();
}

guint
fake_hanging (Fake *fake)
{
  guint hanging;

  fake_lock ();
  hanging = fake->hanging;
  fake_unlock ();
  return hanging;
}

void
fake_at_call (Fake *fake, const char *name, guint occurrence, FakeHook hook, gpointer data)
{
  Hook *entry = g_new0 (Hook, 1);

  entry->name = g_strdup (name);
  entry->occurrence = occurrence;
  entry->hook = hook;
  entry->data = data;
  fake_lock ();
  g_ptr_array_add (fake->hooks, entry);
  fake_unlock ();
}

/* ---- the log ---- */

static guint
count_calls (const Fake *fake, const char *name)
{
  guint count = 0;

  for (guint i = 0; i < fake->calls->len; i++)
    if (!name || strcmp (g_ptr_array_index (fake->calls, i), name) == 0)
      count++;
  return count;
}

GPtrArray *
fake_calls (Fake *fake)
{
  GPtrArray *calls = g_ptr_array_new_with_free_func (g_free);

  fake_lock ();
  for (guint i = 0; i < fake->calls->len; i++)
    g_ptr_array_add (calls, g_strdup (g_ptr_array_index (fake->calls, i)));
  fake_unlock ();
  return calls;
}

guint
fake_count (Fake *fake, const char *name)
{
  guint count;

  fake_lock ();
  count = count_calls (fake, name);
  fake_unlock ();
  return count;
}

void
fake_clear_calls (Fake *fake)
{
  fake_lock ();
  g_ptr_array_set_size (fake->calls, 0);
  fake_unlock ();
}

/* ---- what happens at a call ---- */

void
fake_lost_error (void)
{
  fake_error (VIR_ERR_INTERNAL_ERROR, "client socket is closed");
}

static void
lose (const FakeCall *call)
{
  if (call->connection)
    fake_connection_break (call->connection);
  fake_lost_error ();
}

static void
run_hooks (FakeCall *call, guint occurrence)
{
  Fake *fake = call->fake;

  for (guint i = 0; i < fake->hooks->len;)
    {
      Hook hook = *(Hook *) g_ptr_array_index (fake->hooks, i);

      if (strcmp (hook.name, call->name) != 0
          || (hook.occurrence != 0 && hook.occurrence != occurrence))
        {
          i++;
          continue;
        }
      if (hook.occurrence != 0)
        g_ptr_array_remove_index (fake->hooks, i);
      else
        i++;
      fake->in_hook = TRUE;
      fake_unlock ();
      hook.hook (fake, hook.data);
      fake_lock ();
      fake->in_hook = FALSE;
    }
  fake_error_reset ();
}

/* A random fault, or NO_FAULT. */
static int
roll (Fake *fake)
{
  int kind = g_rand_int_range (fake->random, FAKE_ERROR_BEFORE, FAKE_LOST_AFTER + 1);

  if (fake->odds == 0 || g_rand_int_range (fake->random, 0, (gint32) fake->odds) != 0)
    return NO_FAULT;
  return kind;
}

static int
take_fault (FakeCall *call, guint occurrence)
{
  Fake *fake = call->fake;
  int kind = roll (fake);

  for (guint i = 0; i < fake->faults->len; i++)
    {
      const Fault *fault = g_ptr_array_index (fake->faults, i);

      if (fault->occurrence != occurrence || strcmp (fault->name, call->name) != 0)
        continue;
      kind = (int) fault->kind;
      g_ptr_array_remove_index (fake->faults, i);
      return kind;
    }
  return kind;
}

/* The domain that the call is about, or else the first one. */
static FakeDomain *
domain_of (const FakeCall *call)
{
  Fake *fake = call->fake;

  if (call->uuid)
    return fake_domain_find_uuid (fake, call->uuid);
  return fake->domains->len > 0 ? g_ptr_array_index (fake->domains, 0) : NULL;
}

static void
change_domain (FakeCall *call)
{
  FakeDomain *domain = domain_of (call);

  if (!domain)
    return;
  if (call->fault == FAKE_SILENT_GUEST)
    {
      domain->silent = TRUE;
      fake_domain_stopped (call->fake, domain);
    }
  if (call->fault == FAKE_DOMAIN_ENDS || call->fault == FAKE_DOMAIN_RESTARTS)
    {
      gboolean restarts = call->fault == FAKE_DOMAIN_RESTARTS && domain->config;

      fake_domain_end (call->fake, domain);
      if (restarts)
        fake_domain_start (call->fake, domain);
    }
}

/* Does the part of a fault that comes just before the call. */
static void
change_world (FakeCall *call)
{
  change_domain (call);
  if (call->fault == FAKE_SIGNAL)
    kill (getpid (), SIGINT);
  if (call->fault == FAKE_KILLED_BEFORE)
    kill (getpid (), SIGKILL);
  if (call->fault == FAKE_BROKEN)
    call->fake->broken = TRUE;
}

static void
hang (FakeCall *call)
{
  Fake *fake = call->fake;
  guint releases = fake->releases;

  fake_store (fake);
  fake->hanging++;
  fake_loop_mark_hung ();
  fake_changed ();
  while (fake->releases == releases)
    fake_wait ();
  fake->hanging--;
}

/* ---- from the beginning to the end of a call ---- */

static gboolean
leave (FakeCall *call, gboolean done)
{
  call->fake->inside--;
  fake_changed ();
  fake_unlock ();
  if (!done)
    fake_error_dispatch ();
  return done;
}

/* libvirt's client refuses some calls without asking the daemon. */
static gboolean
check_client (const FakeCall *call)
{
  if (!call->connection)
    return TRUE;
  if (!fake_connection_is_usable (call->connection))
    {
      fake_lost_error ();
      return FALSE;
    }
  if ((call->changes || call->needs_writing) && fake_connection_is_read_only (call->connection))
    {
      fake_error (VIR_ERR_OPERATION_DENIED, "read only access prevents %s", call->name);
      return FALSE;
    }
  return TRUE;
}

/* Returns FALSE if the call fails before it acts. */
static gboolean
apply_faults (FakeCall *call)
{
  Fake *fake = call->fake;

  change_world (call);
  fake_settle (fake);
  if (call->fault == FAKE_HANG)
    hang (call);
  if (call->fault == FAKE_HANG || call->fault == FAKE_LOST_BEFORE)
    {
      lose (call);
      return FALSE;
    }
  if (call->fault == FAKE_ERROR_BEFORE || (fake->broken && call->changes))
    {
      fake_error (VIR_ERR_INTERNAL_ERROR, "injected failure");
      return FALSE;
    }
  return TRUE;
}

gboolean
fake_call_begin (FakeCall *call)
{
  guint occurrence;

  fake_error_reset ();
  fake_lock ();
  call->fake = fake_current ();
  call->fault = NO_FAULT;
  if (!call->fake)
    {
      fake_unlock ();
      fake_error (VIR_ERR_INTERNAL_ERROR, "no fake libvirt is in use");
      return FALSE;
    }
  call->fake->inside++;
  if (!check_client (call))
    return leave (call, FALSE);
  call->fake->clock += CALL_TIME;
  if (!call->fake->in_hook)
    {
      g_ptr_array_add (call->fake->calls, g_strdup (call->name));
      occurrence = count_calls (call->fake, call->name);
      run_hooks (call, occurrence);
      call->fault = take_fault (call, occurrence);
    }
  if (apply_faults (call))
    return TRUE;
  fake_store (call->fake);
  return leave (call, FALSE);
}

gboolean
fake_call_end (FakeCall *call, gboolean done)
{
  if (call->fault == FAKE_LOST_AFTER)
    {
      lose (call);
      done = FALSE;
    }
  else if (done && call->fault == FAKE_ERROR_AFTER && !call->is_request)
    {
      fake_error (VIR_ERR_INTERNAL_ERROR, "injected failure");
      done = FALSE;
    }
  fake_store (call->fake);
  if (call->fault == FAKE_KILLED_AFTER)
    kill (getpid (), SIGKILL);
  return leave (call, done);
}
