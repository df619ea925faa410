/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "output/console.h"

#include <string.h>

#define CLEAR "\r\033[K"

/* A console that writes to memory. */
typedef struct
{
  FILE *stream;
  char *text;
  size_t length;
  MfpConsole *console;
} Sample;

static void
sample_init (Sample *sample, MfpConsoleMode mode, guint columns, gboolean colour)
{
  *sample = (Sample){ 0 };
  sample->stream = open_memstream (&sample->text, &sample->length);
  sample->console = mfp_console_new (sample->stream, mode, columns, colour);
}

static void
sample_clear (Sample *sample)
{
  mfp_console_free (sample->console);
  fclose (sample->stream);
  free (sample->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Sample, sample_clear)

/* Makes the console print everything that it can, and returns the text. */
static const char *
print_all (Sample *sample)
{
  MfpConsole *console = sample->console;

  mfp_console_begin_step (console, "take it", FALSE);
  mfp_console_call (console, "virDomainFrob", "vm", 1234567);
  mfp_console_call (console, "virConnectFrob", NULL, 400);
  mfp_console_end_step (console, 300000, FALSE);
  mfp_console_begin_step (console, "give it back", TRUE);
  mfp_console_wait (console, 1500000, 60000000);
  mfp_console_warn (console, "look");
  mfp_console_end_step (console, 2000000, TRUE);
  mfp_console_warn (console, "out");
  mfp_console_error (console, "two\nlines");
  fflush (sample->stream);
  return sample->text;
}

static void
test_interrupt (void)
{
  g_auto (Sample) sample, quiet;

  sample_init (&sample, MFP_CONSOLE_PLAIN, 80, FALSE);
  mfp_console_interrupt (sample.console);
  mfp_console_begin_step (sample.console, "take it", FALSE);
  mfp_console_interrupt (sample.console);
  fflush (sample.stream);
  g_assert_cmpstr (sample.text, ==,
                   "virt-mfplug: interrupted: stopping as soon as this step allows: take it; a "
                   "second signal ends the program at once\n");
  sample_init (&quiet, MFP_CONSOLE_QUIET, 80, FALSE);
  mfp_console_begin_step (quiet.console, "take it", FALSE);
  mfp_console_interrupt (quiet.console);
  fflush (quiet.stream);
  g_assert_cmpuint (quiet.length, ==, 0);
}

static void
test_quiet (void)
{
  g_auto (Sample) sample;

  sample_init (&sample, MFP_CONSOLE_QUIET, 80, FALSE);
  g_assert_cmpstr (print_all (&sample), ==, "virt-mfplug: error: two\nlines\n");
}

static void
test_plain (void)
{
  g_auto (Sample) sample;

  sample_init (&sample, MFP_CONSOLE_PLAIN, 80, FALSE);
  g_assert_cmpstr (print_all (&sample), ==,
                   "virt-mfplug: warning: look\n"
                   "virt-mfplug: warning: out\n"
                   "virt-mfplug: error: two\nlines\n");
}

static void
test_verbose (void)
{
  g_auto (Sample) sample;

  sample_init (&sample, MFP_CONSOLE_VERBOSE, 80, FALSE);
  g_assert_true (mfp_console_is_verbose (sample.console));
  g_assert_cmpstr (print_all (&sample), ==,
                   "virt-mfplug: take it\n"
                   "virt-mfplug:   virDomainFrob vm: 1.235 s\n"
                   "virt-mfplug:   virConnectFrob: 0.000 s\n"
                   "virt-mfplug: (back) give it back\n"
                   "virt-mfplug: warning: look\n"
                   "virt-mfplug: warning: out\n"
                   "virt-mfplug: error: two\nlines\n");
}

/* A warning and a step never share a line. */
static void
test_live (void)
{
  g_auto (Sample) sample;

  sample_init (&sample, MFP_CONSOLE_LIVE, 80, FALSE);
  g_assert_cmpstr (print_all (&sample), ==,
                   CLEAR "  take it" CLEAR "  take it: done after 0.3 s\n"
                   CLEAR "  (back) give it back"
                   CLEAR "  (back) give it back (1 s of 60 s)"
                   CLEAR "virt-mfplug: warning: look\n"
                   CLEAR "  (back) give it back"
                   CLEAR "  (back) give it back: failed after 2.0 s\n"
                   "virt-mfplug: warning: out\n"
                   "virt-mfplug: error: two\nlines\n");
}

static void
test_colour (void)
{
  g_auto (Sample) sample;

  sample_init (&sample, MFP_CONSOLE_LIVE, 80, TRUE);
  mfp_console_begin_step (sample.console, "take it", FALSE);
  mfp_console_end_step (sample.console, 0, TRUE);
  mfp_console_warn (sample.console, "look");
  mfp_console_error (sample.console, "no");
  fflush (sample.stream);
  g_assert_cmpstr (sample.text, ==,
                   CLEAR "  take it" CLEAR "  take it: \033[1;31mfailed\033[0m after 0.0 s\n"
                   "virt-mfplug: \033[33mwarning:\033[0m look\n"
                   "virt-mfplug: \033[1;31merror:\033[0m no\n");
}

/* A terminal cannot rewrite a line that wraps. */
static void
test_narrow (void)
{
  g_auto (Sample) sample;

  sample_init (&sample, MFP_CONSOLE_LIVE, 10, FALSE);
  mfp_console_begin_step (sample.console, "take something", FALSE);
  mfp_console_wait (sample.console, 0, 1000000);
  mfp_console_end_step (sample.console, 0, FALSE);
  fflush (sample.stream);
  g_assert_cmpstr (sample.text, ==,
                   CLEAR "  take so" CLEAR "  take so"
                   CLEAR "  take something: done after 0.0 s\n");
}

/* A domain's name may contain any character. Only a message may have several lines. */
static void
test_odd_text (void)
{
  g_auto (Sample) sample;

  sample_init (&sample, MFP_CONSOLE_VERBOSE, 80, FALSE);
  mfp_console_warn (sample.console, "a\033[2Jb\r\302\233c\td\n\303\244\377");
  mfp_console_call (sample.console, "virDomainFrob", "a\nb", 0);
  fflush (sample.stream);
  g_assert_cmpstr (sample.text, ==,
                   "virt-mfplug: warning: a?[2Jb ?c d\n\303\244\357\277\275\n"
                   "virt-mfplug:   virDomainFrob a b: 0.000 s\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/console/interrupt/names-the-step-under-way", test_interrupt);
  g_test_add_func ("/console/quiet-prints-only-errors", test_quiet);
  g_test_add_func ("/console/plain-prints-warnings-and-errors", test_plain);
  g_test_add_func ("/console/verbose-prints-steps-and-calls", test_verbose);
  g_test_add_func ("/console/live-rewrites-the-line-of-the-current-step", test_live);
  g_test_add_func ("/console/colours-mark-failures-and-warnings", test_colour);
  g_test_add_func ("/console/a-line-to-rewrite-does-not-wrap", test_narrow);
  g_test_add_func ("/console/no-text-moves-the-cursor", test_odd_text);
  return g_test_run ();
}
