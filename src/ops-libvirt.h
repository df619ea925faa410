/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations of ops.h on a real connection, and what only a real one has:
 * opening it, finding the domain, looking at the other domains.
 */
#pragma once

#include "guest-pci.h"
#include "interrupt.h"
#include "ops.h"

typedef struct _MfpLibvirt MfpLibvirt;

/**
 * mfp_libvirt_open:
 * @uri: (nullable): NULL: libvirt's default
 * @interrupt: (nullable): what stops a wait; NULL: nothing will be changed,
 *   and the connection is read-only
 *
 * Errors: MFP_ERROR_REFUSED.
 */
MfpLibvirt *mfp_libvirt_open (const char *uri, MfpInterrupt *interrupt, GError **error);
void mfp_libvirt_free (MfpLibvirt *libvirt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpLibvirt, mfp_libvirt_free)

/* The operations; owned by @libvirt. */
MfpOps *mfp_libvirt_ops (MfpLibvirt *libvirt);

/* The driver's name: "QEMU", "TEST", ...; the caller frees. */
char *mfp_libvirt_driver (MfpLibvirt *libvirt);

/**
 * mfp_libvirt_use_domain:
 * @name: id, UUID or name, tried in the order in which virsh does
 *
 * Chooses the domain that the operations are about and, on a connection that
 * is not read-only, starts to listen to it. Errors: MFP_ERROR_REFUSED.
 */
gboolean mfp_libvirt_use_domain (MfpLibvirt *libvirt, const char *name, GError **error);

const char *mfp_libvirt_domain_name (MfpLibvirt *libvirt);
gboolean mfp_libvirt_domain_is_active (MfpLibvirt *libvirt);
gboolean mfp_libvirt_domain_is_persistent (MfpLibvirt *libvirt);

/* The running domains other than the chosen one: (element-type MfpGuest); the
 * caller owns it. One that ends meanwhile is left out. NULL when libvirt does
 * not tell (MFP_ERROR_REFUSED): then nobody knows who holds what. */
GPtrArray *mfp_libvirt_other_guests (MfpLibvirt *libvirt, GError **error);

/* Every PCI function of the host: (element-type MfpHostFunction), in no order;
 * the caller owns it. One that vanishes meanwhile is left out. Errors:
 * MFP_ERROR_REFUSED. */
GPtrArray *mfp_libvirt_host_functions (MfpLibvirt *libvirt, GError **error);
