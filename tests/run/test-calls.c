/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many libvirt calls a command makes, from opening the connection to closing it. Each
 * call is a round trip to the daemon.
 */
#include "config.h"

#include "commands/invocation.h"
#include "common.h"
#include "fake/fake.h"

#include <string.h>

#define DOMAIN "vm"

/* How many calls a command may make on its critical path in addition to the bare calls. The
 * critical path ends with the last change. */
#define LIMIT 12
#define LIMIT_FOR_EACH_FUNCTION 2

/**
 * Row:
 * @functions: how many the card has
 * @bare: how many calls nobody can do without: those that open the connection, look objects
 *   up and change something
 * @critical: how many calls the command makes up to the last change
 * @all: how many calls it makes
 */
typedef struct
{
  const char *name;
  const char *card;
  guint functions;
  guint bare;
  guint critical;
  guint all;
} Row;

/* The bare calls of an attach: open, look up the domain; look up and detach each function;
 * prepare and queue each but function 0; plug. */
#define BARE_ATTACH(n) (2 + 2 * (n) + 2 * ((n) - 1) + 1)

/* The bare calls of a detach: open, look up the domain, register an event, detach by alias;
 * look up and reattach each function. */
#define BARE_DETACH(n) (4 + 2 * (n))

static const Row attaches[] = {
  { "1-function", "0000:01:00", 1, BARE_ATTACH (1), 14, 18 },
  { "4-functions", "0000:04:00", 4, BARE_ATTACH (4), 33, 37 },
  { "8-functions", "0000:08:00", 8, BARE_ATTACH (8), 57, 61 },
};

static const Row detaches[] = {
  { "1-function", "0000:01:00", 1, BARE_DETACH (1), 20, 23 },
  { "4-functions", "0000:04:00", 4, BARE_DETACH (4), 32, 35 },
  { "8-functions", "0000:08:00", 8, BARE_DETACH (8), 48, 51 },
};

static Fake *
new_host (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "fake", "cards.xml", NULL);
  Fake *fake = fake_new_from_file (path);

  fake_use (fake);
  fake_release_at_once (fake);
  return fake;
}

static void
run (MfpCommand command, const char *name, const char *card)
{
  char *words[] = { (char *) name, (char *) DOMAIN, (char *) card, NULL };
  g_autoptr (MfpConsole) console = mfp_console_new (stderr, MFP_CONSOLE_QUIET, 80, FALSE);
  g_autoptr (MfpStepLog) step_log = mfp_step_log_new ();
  g_autoptr (GError) error = NULL;
  MfpInvocation invocation
      = { .quiet = TRUE, .words = words, .console = console, .step_log = step_log };
  g_autofree char *output = command (&invocation, &error);

  g_assert_no_error (error);
  g_assert_nonnull (output);
}

static gboolean
is_change (const char *call)
{
  static const char *const changes[] = {
    "virDomainSetMetadata",       "virDomainAttachDeviceFlags", "virDomainDetachDeviceFlags",
    "virDomainDetachDeviceAlias", "virNodeDeviceDetachFlags",   "virNodeDeviceReAttach",
    "device_add",                 "device_del",                 NULL,
  };

  return g_strv_contains (changes, call);
}

static guint
count_until_last_change (const GPtrArray *calls)
{
  guint count = calls->len;

  while (count > 0 && !is_change (g_ptr_array_index (calls, count - 1)))
    count--;
  return count;
}

static void
assert_calls (Fake *fake, const Row *row)
{
  g_autoptr (GPtrArray) calls = fake_calls (fake);
  guint critical = count_until_last_change (calls);

  for (guint i = 0; g_test_verbose () && i < calls->len; i++)
    g_test_message ("%u %s", i + 1, (char *) g_ptr_array_index (calls, i));
  g_assert_cmpuint (critical, <=, row->bare + LIMIT_FOR_EACH_FUNCTION * row->functions + LIMIT);
  g_assert_cmpuint (critical, ==, row->critical);
  g_assert_cmpuint (calls->len, ==, row->all);
}

static void
test_attach (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (Fake) fake = new_host ();

  run (mfp_cmd_attach, "attach", row->card);
  assert_calls (fake, row);
}

static void
test_detach (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (Fake) fake = new_host ();

  run (mfp_cmd_attach, "attach", row->card);
  fake_clear_calls (fake);
  run (mfp_cmd_detach, "detach", row->card);
  assert_calls (fake, row);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  FOR_EACH (i, attaches)
    test_add_row ("/calls/attach-makes-no-more-than-it-needs/", attaches[i].name, &attaches[i],
                  test_attach);
  FOR_EACH (i, detaches)
    test_add_row ("/calls/detach-makes-no-more-than-it-needs/", detaches[i].name, &detaches[i],
                  test_detach);
  return g_test_run ();
}
