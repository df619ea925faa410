/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls that do not depend on each other travel together: over a slow link
 * they cost one round trip then.
 */
#pragma once

#include <glib.h>

/* Makes a call for @subject. NULL and no error: there is no result. */
typedef gpointer (*MfpTask) (gpointer data, gpointer subject, GError **error);

/* Whether the one who is called has gone. */
typedef gboolean (*MfpIsGone) (gpointer data);

/**
 * mfp_together:
 * @task: called for each of @subjects with @data, in threads of their own
 * @is_gone: asked with @data whenever a call has returned
 * @subjects: (element-type gpointer)
 * @at_once: how many calls are under way at the same time at most
 * @free_result: (nullable): for a result
 * @left_behind: (out): whether some have not returned, and perhaps never will;
 *   those keep a reference to @subjects, and @data must stay for them
 *
 * Returns the results, in order, when all calls have returned. Once @is_gone the
 * others have a second for that; where some do not, NULL and
 * MFP_ERROR_DISCONNECTED. NULL and the first error, if there is one other than
 * MFP_ERROR_NOT_FOUND.
 */
GPtrArray *mfp_together (MfpTask task, MfpIsGone is_gone, gpointer data, GPtrArray *subjects,
                         guint at_once, GDestroyNotify free_result, gboolean *left_behind,
                         GError **error);

/**
 * mfp_errands_new:
 *
 * For calls of different kinds that are made together: the subjects of mfp_errand_run(),
 * which makes the call that was added.
 */
GPtrArray *mfp_errands_new (void);

/* @free_subject: (nullable). */
void mfp_errands_add (GPtrArray *errands, MfpTask task, gpointer subject,
                      GDestroyNotify free_subject);
gpointer mfp_errand_run (gpointer data, gpointer errand, GError **error);
