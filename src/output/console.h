/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a person is told while a command runs, on standard error: steps, waits,
 * calls, warnings and the error at the end. (Results are standard output's.)
 */
#pragma once

#include <glib.h>
#include <stdio.h>

/**
 * MfpConsoleMode:
 * @MFP_CONSOLE_QUIET: errors only
 * @MFP_CONSOLE_PLAIN: and warnings
 * @MFP_CONSOLE_LIVE: and a line for each step, which a wait rewrites; for a terminal
 * @MFP_CONSOLE_VERBOSE: and each step and each call, a plain line each
 */
typedef enum
{
  MFP_CONSOLE_QUIET,
  MFP_CONSOLE_PLAIN,
  MFP_CONSOLE_LIVE,
  MFP_CONSOLE_VERBOSE,
} MfpConsoleMode;

typedef struct _MfpConsole MfpConsole;

/**
 * mfp_console_new:
 * @stream: where to; not owned
 * @columns: of the terminal; what %MFP_CONSOLE_LIVE rewrites must not need two lines
 * @colour: mark warnings, errors and failed steps with colours
 */
MfpConsole *mfp_console_new (FILE *stream, MfpConsoleMode mode, guint columns,
                             gboolean colour);

/* On standard error: live if that is a terminal that can rewrite a line, and
 * with colours unless NO_COLOR is set (https://no-color.org). */
MfpConsole *mfp_console_for_stderr (gboolean quiet, gboolean verbose);

void mfp_console_free (MfpConsole *console);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpConsole, mfp_console_free)

gboolean mfp_console_is_verbose (const MfpConsole *console);

/* A step begins. @undo: it undoes one. */
void mfp_console_begin_step (MfpConsole *console, const char *text, gboolean undo);

/* The step waits; microseconds. */
void mfp_console_wait (MfpConsole *console, gint64 elapsed, gint64 limit);

/* A signal came, and the run stops when the step under way has ended, or as soon as it can. */
void mfp_console_interrupt (MfpConsole *console);

/* It ended after @duration microseconds. */
void mfp_console_end_step (MfpConsole *console, gint64 duration, gboolean failed);

/* A call of the library's @function on @object (nullable) took @duration
 * microseconds. */
void mfp_console_call (MfpConsole *console, const char *function, const char *object,
                       gint64 duration);

void mfp_console_warn (MfpConsole *console, const char *text);
void mfp_console_error (MfpConsole *console, const char *text);
