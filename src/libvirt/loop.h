/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's event loop, which the main thread runs whenever it waits. All time limits
 * are timers of this loop, so a fake libvirt decides how time passes.
 */
#pragma once

#include <glib.h>

/* Prepares the loop. To be called before a connection is opened; a further call has no
 * effect. */
void mfp_loop_init (void);

typedef struct _MfpTimer MfpTimer;

/* A timer that becomes due once, @duration microseconds from now. Main thread only. */
MfpTimer *mfp_timer_new (gint64 duration);
void mfp_timer_free (MfpTimer *timer); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpTimer, mfp_timer_free)

/* Whether its time is over. It becomes due only while mfp_loop_wait() runs. */
gboolean mfp_timer_is_due (const MfpTimer *timer);

/**
 * mfp_loop_wait:
 * @is_over: asked with @data after everything that happens in the loop
 * @limit: (nullable): a timer that ends the wait
 *
 * The only place where the program waits: for a call, an event, a signal or a time limit.
 */
void mfp_loop_wait (gboolean (*is_over) (gpointer data), gpointer data, const MfpTimer *limit);
