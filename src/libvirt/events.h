/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt reports of the chosen domain by itself, and waiting for it. Reports arrive
 * in the main thread, while it runs the event loop.
 */
#pragma once

#include "libvirt/connection.h"
#include "libvirt/loop.h"

/* Has libvirt report removals of devices from now on, and forgets earlier reports. To be
 * called before a removal is requested. A driver without events is polled. */
gboolean mfp_events_listen (MfpLibvirt *libvirt, GError **error);

/* Whether libvirt reported each of @aliases (element-type utf8) as removed since
 * mfp_events_listen(). */
gboolean mfp_events_all_removed (const MfpLibvirt *libvirt, const GPtrArray *aliases);

/**
 * mfp_events_wait:
 * @awaited: (nullable) (element-type utf8): aliases of devices that are to leave
 * @tick: microseconds; the longest wait, as a report can be lost
 * @limit: ends the wait earlier
 * @rejected: (out): the one of @awaited whose removal the guest rejected, or NULL; the
 *   caller frees
 *
 * Waits until all of @awaited were reported as removed, the guest rejected one removal, or a
 * signal came. Errors: MFP_ERROR_INTERRUPTED; each signal is reported once.
 */
gboolean mfp_events_wait (MfpLibvirt *libvirt, const GPtrArray *awaited, gint64 tick,
                          const MfpTimer *limit, char **rejected, GError **error);
