/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SIGINT, SIGTERM and SIGHUP: the first asks the run to stop and undo, the second
 * ends the program at once.
 */
#pragma once

#include <glib.h>

typedef struct _MfpInterrupt MfpInterrupt;

/**
 * mfp_interrupt_new:
 * @parting: what a second signal prints before it ends the program
 * @status: the exit status then
 *
 * Signals are received by a thread of its own, so this comes before any other
 * thread is made. Lives until the program ends.
 */
MfpInterrupt *mfp_interrupt_new (const char *parting, int status);

/* Whether a signal came since this was last asked. */
gboolean mfp_interrupt_take (MfpInterrupt *interrupt);

/* Whether one came at all. */
gboolean mfp_interrupt_came (MfpInterrupt *interrupt);
