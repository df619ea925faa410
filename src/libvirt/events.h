/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt reports of the domain by itself, and waiting for it.
 */
#pragma once

#include "libvirt/connection.h"

/* Libvirt's events come here, and so does the time that tells a silent peer: a
 * call that waits for its answer keeps no time itself. So this runs beside all
 * else, to the end of the process. */
void mfp_libvirt_start_events (void);

/* Listens to the domain, once. What never waits is spared that: it is with an
 * expectant look, before libvirt is asked for a removal, and at a wait at the latest.
 * @only_early: what need not be heard from the beginning is not listened to yet. */
void mfp_libvirt_listen (MfpLibvirt *libvirt, gboolean only_early);

/* Adds to @errands what does the same as mfp_libvirt_listen(), @only_early. */
void mfp_libvirt_add_listening (MfpLibvirt *libvirt, GPtrArray *errands);

/* Ends it. With errands, it has ended when mfp_libvirt_forget_listeners() is called after
 * they have run. */
void mfp_libvirt_stop_listening (MfpLibvirt *libvirt);
void mfp_libvirt_add_stopping (MfpLibvirt *libvirt, GPtrArray *errands);
void mfp_libvirt_forget_listeners (MfpLibvirt *libvirt);

/* Forgets what the guest rejected: before a request, that was somebody else's. */
void mfp_libvirt_drop_refusal (MfpLibvirt *libvirt);

/* As in ops.h. */
gboolean mfp_libvirt_wait (MfpOps *ops, gint64 until, GHashTable *awaited, char **refused,
                           GError **error);
