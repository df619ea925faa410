/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Polling: a step looks at the state again and again, and acts on it, until its goal is
 * reached.
 */
#pragma once

#include "base/error.h"
#include "run/run.h"

/* Looks at the state and acts on it. Sets *@done when the goal is reached. */
typedef gboolean (*MfpCheck) (const MfpRun *run, MfpPhase phase, gpointer data, gboolean *done,
                              GError **error);

/**
 * MfpPoll:
 * @check: called with @data until it is done
 * @awaited: (nullable) (element-type utf8): aliases; the next check need not come before
 *   libvirt reported all of them as removed, or some seconds later. @check may change it.
 * @tries: at most so many checks, with a longer pause before each; 0: until time is up
 * @late: the code of the error when time is up
 */
typedef struct
{
  MfpCheck check;
  gpointer data;
  const GPtrArray *awaited;
  guint tries;
  MfpError late;
} MfpPoll;

/* Checks until the goal is reached, waiting in between. Goes on after errors that pass by
 * themselves, and after a few others; when time is up, the last is in the message. */
gboolean mfp_poll (const MfpRun *run, MfpPhase phase, const MfpPoll *poll, GError **error);
