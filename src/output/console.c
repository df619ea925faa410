/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "output/console.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define SECONDS(microseconds) ((double) (microseconds) / G_TIME_SPAN_SECOND)

/* What terminals understand since the VT100 (ECMA-48: EL, SGR). */
#define CLEAR_LINE "\r\033[K"
#define RED "\033[1;31m"
#define YELLOW "\033[33m"
#define NORMAL "\033[0m"

/**
 * MfpConsole:
 * @step: (nullable): the line of the step under way
 */
struct _MfpConsole
{
  FILE *stream;
  MfpConsoleMode mode;
  guint columns;
  gboolean colour;
  char *step;
};

MfpConsole *
mfp_console_new (FILE *stream, MfpConsoleMode mode, guint columns, gboolean colour)
{
  MfpConsole *console = g_new0 (MfpConsole, 1);

  console->stream = stream;
  console->mode = mode;
  console->columns = columns;
  console->colour = colour;
  return console;
}

static guint
terminal_columns (void)
{
  struct winsize size;

  if (ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return COLUMNS_DEFAULT;
}

MfpConsole *
mfp_console_for_stderr (gboolean quiet, gboolean verbose)
{
  const char *terminal = getenv ("TERM"), *no_colour = getenv ("NO_COLOR");
  gboolean capable = isatty (STDERR_FILENO) && terminal && strcmp (terminal, "dumb") != 0;
  MfpConsoleMode mode = quiet     ? MFP_CONSOLE_QUIET
                           : verbose ? MFP_CONSOLE_VERBOSE
                           : capable ? MFP_CONSOLE_LIVE
                                     : MFP_CONSOLE_PLAIN;

  return mfp_console_new (stderr, mode, terminal_columns (),
                          capable && !(no_colour && *no_colour));
}

void
mfp_console_free (MfpConsole *console)
{
  if (!console)
    return;
  g_free (console->step);
  g_free (console);
}

gboolean
mfp_console_is_verbose (const MfpConsole *console)
{
  return console->mode == MFP_CONSOLE_VERBOSE;
}

static const char *
in_colour (const MfpConsole *console, const char *colour)
{
  return console->colour ? colour : "";
}

/* Shows the step under way, and @suffix as far as the line has room. */
static void
show_step (MfpConsole *console, const char *suffix)
{
  g_autofree char *line = g_strdup_printf ("  %s%s", console->step, suffix);

  fprintf (console->stream, CLEAR_LINE "%.*s", (int) console->columns - 1, line);
  fflush (console->stream);
}

void
mfp_console_begin_step (MfpConsole *console, const char *text, gboolean undo)
{
  g_free (console->step);
  console->step = g_strdup_printf ("%s%s", undo ? "(back) " : "", text);
  if (console->mode == MFP_CONSOLE_VERBOSE)
    fprintf (console->stream, "virt-mfplug: %s\n", console->step);
  else if (console->mode == MFP_CONSOLE_LIVE)
    show_step (console, "");
}

void
mfp_console_wait (MfpConsole *console, gint64 elapsed, gint64 limit)
{
  g_autofree char *suffix = NULL;

  if (console->mode != MFP_CONSOLE_LIVE || !console->step)
    return;
  suffix = g_strdup_printf (" (%" G_GINT64_FORMAT " s of %" G_GINT64_FORMAT " s)",
                            elapsed / G_TIME_SPAN_SECOND, limit / G_TIME_SPAN_SECOND);
  show_step (console, suffix);
}

void
mfp_console_end_step (MfpConsole *console, gint64 duration, gboolean failed)
{
  if (console->mode == MFP_CONSOLE_LIVE)
    fprintf (console->stream, CLEAR_LINE "  %s: %s%s%s after %.1f s\n", console->step,
             failed ? in_colour (console, RED) : "", failed ? "failed" : "done",
             failed ? in_colour (console, NORMAL) : "", SECONDS (duration));
  g_clear_pointer (&console->step, g_free);
}

void
mfp_console_call (MfpConsole *console, const char *function, const char *object, gint64 duration)
{
  g_autofree char *about = NULL;

  if (console->mode != MFP_CONSOLE_VERBOSE)
    return;
  about = mfp_printable (object ? object : "");
  fprintf (console->stream, "virt-mfplug:   %s%s%s: %.3f s\n", function, object ? " " : "", about,
           SECONDS (duration));
}

/* @text, which may have several lines, fit for a terminal. */
static char *
printable_lines (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i]; i++)
    {
      char *line = mfp_printable (lines[i]);

      g_free (lines[i]);
      lines[i] = line;
    }
  return g_strjoinv ("\n", lines);
}

/* A message with its mark, on a line of its own; the step goes on below it. */
static void
print_message (MfpConsole *console, const char *colour, const char *mark, const char *text)
{
  gboolean rewrites = console->mode == MFP_CONSOLE_LIVE && console->step;
  g_autofree char *message = printable_lines (text);

  fprintf (console->stream, "%svirt-mfplug: %s%s:%s %s\n", rewrites ? CLEAR_LINE : "",
           in_colour (console, colour), mark, in_colour (console, NORMAL), message);
  if (rewrites)
    show_step (console, "");
}

void
mfp_console_interrupt (MfpConsole *console)
{
  g_autofree char *text = NULL;

  if (console->mode == MFP_CONSOLE_QUIET || !console->step)
    return;
  text = g_strdup_printf ("stopping as soon as this step allows: %s; a second signal ends the program "
                          "at once",
                          console->step);
  print_message (console, YELLOW, "interrupted", text);
}

void
mfp_console_warn (MfpConsole *console, const char *text)
{
  if (console->mode != MFP_CONSOLE_QUIET)
    print_message (console, YELLOW, "warning", text);
}

void
mfp_console_error (MfpConsole *console, const char *text)
{
  print_message (console, RED, "error", text);
}
