/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a plan, and undoes it when a step fails.
 */
#pragma once

#include "libvirt/connection.h"
#include "plan/plan.h"

/**
 * MfpObserver:
 * @begin: a step begins; @undo: it undoes one
 * @end: that step has ended; @failure: (nullable)
 * @wait: the step goes on waiting, for at most @limit microseconds in all
 * @note: something that the person may want to know
 *
 * Is told of a run as it goes.
 */
typedef struct
{
  void (*begin) (gpointer data, const MfpStep *step, gboolean undo);
  void (*end) (gpointer data, const GError *failure);
  void (*wait) (gpointer data, gint64 limit);
  void (*note) (gpointer data, const char *text);
  gpointer data;
} MfpObserver;

/**
 * MfpExecuteOptions:
 * @domain: (nullable): the domain's name, for messages; NULL: none is involved
 * @timeout: microseconds; how long each wait for the guest, for QEMU or for
 *   the host may take
 * @observer: whom to tell
 */
typedef struct
{
  const char *domain;
  gint64 timeout;
  const MfpObserver *observer;
} MfpExecuteOptions;

/**
 * mfp_execute:
 *
 * Runs the strict steps of @plan in order; when one fails, undoes what was
 * done, in reverse, except where the guest is merely late
 * (MFP_ERROR_PENDING). Then runs the others, each whatever became of those
 * before.
 *
 * Returns: TRUE when the goal is reached. Errors: MFP_ERROR_PENDING: the
 * request stands; MFP_ERROR_LEFT: undoing or completing failed, and the
 * message lists where each function is; MFP_ERROR_ALIAS_TAKEN: another run has
 * the slot, and all was undone; anything else: failed, and all was undone.
 */
gboolean mfp_execute (const MfpPlan *plan, MfpLibvirt *libvirt, const MfpExecuteOptions *options,
                      GError **error);
