/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations of ops.h on a real connection, and what only a real one has:
 * opening it, finding the domain, looking at the other domains.
 */
#pragma once

#include "base/interrupt.h"
#include "libvirt/ops.h"
#include "model/guest-pci.h"
#include "model/host-use.h"

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

typedef struct
{
  /* Connects. @uri: (nullable): NULL: libvirt's default. @read_only: nothing will be
   * changed, nor QEMU asked. @interrupt: (nullable): what stops a wait; NULL: there
   * will be none. @trace: (nullable): outlives the connection. Errors:
   * MFP_ERROR_REFUSED. */
  MfpLibvirt *(*open) (const char *uri, gboolean read_only, MfpInterrupt *interrupt,
                       const MfpCallTrace *trace, GError **error);
  void (*free) (MfpLibvirt *libvirt); /* nullable */

  /* The operations; owned by @libvirt. */
  MfpOps *(*ops) (MfpLibvirt *libvirt);

  /* The driver's name as in URIs: "qemu", "test", ...; the caller frees. Libvirt's
   * client knows the URI, whereas it asks for the type. */
  char *(*driver) (MfpLibvirt *libvirt);

  /* Chooses the domain that the operations are about. @name: id, UUID or name, tried
   * in the order in which virsh does. Errors: MFP_ERROR_REFUSED. */
  gboolean (*use_domain) (MfpLibvirt *libvirt, const char *name, GError **error);

  const char *(*domain_name) (MfpLibvirt *libvirt);
  gboolean (*domain_is_persistent) (MfpLibvirt *libvirt);

  /* The running domains other than the chosen one: (element-type MfpGuest); the
   * caller owns it. One that ends meanwhile is left out. NULL when libvirt does
   * not tell (MFP_ERROR_REFUSED): then nobody knows who holds what. */
  GPtrArray *(*other_guests) (MfpLibvirt *libvirt, GError **error);

  /* Every PCI function of the host: (element-type MfpHostFunction), in no order;
   * the caller owns it. One that vanishes meanwhile is left out. Errors:
   * MFP_ERROR_REFUSED. */
  GPtrArray *(*host_functions) (MfpLibvirt *libvirt, GError **error);

  /* What the host uses @functions (element-type MfpPciAddress) for: (element-type
   * MfpHostUse), each with its function for parent; the caller owns it. @networks,
   * @disks: which kinds to look for: a host can have many. What vanishes meanwhile is
   * left out. */
  GPtrArray *(*host_uses) (MfpLibvirt *libvirt, GArray *functions, gboolean networks,
                           gboolean disks, GError **error);
} MfpLibvirtApi;

extern const MfpLibvirtApi mfp_libvirt_api;
