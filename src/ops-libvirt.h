/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations of ops.h on a real connection, and what only a real one has:
 * opening it, finding the domain, looking at the other domains.
 */
#pragma once

#include "guest-pci.h"
#include "host-use.h"
#include "interrupt.h"
#include "ops.h"

typedef struct _MfpLibvirt MfpLibvirt;

/**
 * MfpCallTrace:
 * @call: told of each call of libvirt's that goes to its daemon: the
 *   @function's name, the @object (nullable) that it was about, or the command
 *   for QEMU, and the microseconds that it took
 */
typedef struct
{
  void (*call) (gpointer data, const char *function, const char *object, gint64 duration);
  gpointer data;
} MfpCallTrace;

/**
 * mfp_libvirt_open:
 * @uri: (nullable): NULL: libvirt's default
 * @read_only: nothing will be changed, nor QEMU asked
 * @interrupt: (nullable): what stops a wait; NULL: there will be none
 * @trace: (nullable): outlives the connection
 *
 * Errors: MFP_ERROR_REFUSED.
 */
MfpLibvirt *mfp_libvirt_open (const char *uri, gboolean read_only, MfpInterrupt *interrupt,
                              const MfpCallTrace *trace, GError **error);
void mfp_libvirt_free (MfpLibvirt *libvirt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpLibvirt, mfp_libvirt_free)

/* The operations; owned by @libvirt. */
MfpOps *mfp_libvirt_ops (MfpLibvirt *libvirt);

/* Whether a signal came since it was opened. */
gboolean mfp_libvirt_interrupted (const MfpLibvirt *libvirt);

/* The driver's name as in URIs: "qemu", "test", ...; the caller frees. Libvirt's
 * client knows the URI, whereas it asks for the type. */
char *mfp_libvirt_driver (MfpLibvirt *libvirt);

/**
 * mfp_libvirt_use_domain:
 * @name: id, UUID or name, tried in the order in which virsh does
 *
 * Chooses the domain that the operations are about. Errors: MFP_ERROR_REFUSED.
 */
gboolean mfp_libvirt_use_domain (MfpLibvirt *libvirt, const char *name, GError **error);

const char *mfp_libvirt_domain_name (MfpLibvirt *libvirt);
gboolean mfp_libvirt_domain_is_persistent (MfpLibvirt *libvirt);

/* The running domains other than the chosen one: (element-type MfpGuest); the
 * caller owns it. One that ends meanwhile is left out. NULL when libvirt does
 * not tell (MFP_ERROR_REFUSED): then nobody knows who holds what. */
GPtrArray *mfp_libvirt_other_guests (MfpLibvirt *libvirt, GError **error);

/* Every PCI function of the host: (element-type MfpHostFunction), in no order;
 * the caller owns it. One that vanishes meanwhile is left out. Errors:
 * MFP_ERROR_REFUSED. */
GPtrArray *mfp_libvirt_host_functions (MfpLibvirt *libvirt, GError **error);

/**
 * mfp_libvirt_host_uses:
 * @functions: (element-type MfpPciAddress)
 * @networks, @disks: which kinds to look for: a host can have many
 *
 * What the host uses @functions for: (element-type MfpHostUse), each with its
 * function for parent; the caller owns it. What vanishes meanwhile is left out.
 */
GPtrArray *mfp_libvirt_host_uses (MfpLibvirt *libvirt, GArray *functions, gboolean networks,
                                  gboolean disks, GError **error);
