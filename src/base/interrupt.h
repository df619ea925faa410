/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SIGINT, SIGTERM and SIGHUP: the first asks the run to stop and to undo what it did,
 * the second ends the program at once.
 */
#pragma once

#include <glib.h>

typedef struct _MfpInterrupt MfpInterrupt;

/**
 * mfp_interrupt_new:
 * @parting: what a second signal prints before it ends the program
 * @status: the exit status of a program that a second signal ends
 *
 * Blocks the signals, and receives them from a file descriptor instead. Threads inherit
 * the blocked signals, so call this before there is a second thread.
 */
MfpInterrupt *mfp_interrupt_new (const char *parting, int status);

/* Has the first signal call @hear with @data, as soon as it is received. */
void mfp_interrupt_on_first (MfpInterrupt *interrupt, void (*hear) (gpointer data), gpointer data);

/* The signals stay blocked. @interrupt: (nullable) */
void mfp_interrupt_free (MfpInterrupt *interrupt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpInterrupt, mfp_interrupt_free)

/* A descriptor that can be read when a signal came: then call mfp_interrupt_receive(). */
int mfp_interrupt_fd (const MfpInterrupt *interrupt);

/* Notes the signals that came. The second one ends the program here. Does not block. */
void mfp_interrupt_receive (MfpInterrupt *interrupt);

/* Whether a signal came that nobody has taken yet. */
gboolean mfp_interrupt_is_pending (MfpInterrupt *interrupt);

/* The same, and takes it. */
gboolean mfp_interrupt_take (MfpInterrupt *interrupt);

/* Whether a signal came at all. */
gboolean mfp_interrupt_came (MfpInterrupt *interrupt);
