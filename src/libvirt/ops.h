/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The few operations on libvirt that planning and executing need. Real life
 * has them from ops-libvirt.c and what is beside it; the fault tests from a model
 * of libvirt and QEMU.
 *
 * Errors of every operation, besides MFP_ERROR_FAILED with what libvirt said:
 * MFP_ERROR_DISCONNECTED: the connection broke, and whether the operation took
 * place is not known; the next operation connects again.
 * MFP_ERROR_DOMAIN_GONE: the domain is not running any more.
 */
#pragma once

#include "libvirt/view.h"
#include "model/host-device.h"

/* Which form of the domain: as it runs, or as it will start next. */
typedef enum
{
  MFP_LIVE,
  MFP_CONFIG,
} MfpForm;

typedef struct _MfpOps MfpOps;

struct _MfpOps
{
  /* The function at @address as it is now. MFP_ERROR_NOT_FOUND. */
  MfpHostFunction *(*host_function) (MfpOps *ops, const MfpPciAddress *address,
                                     GError **error);

  /* Those of @addresses (element-type MfpPciAddress) that exist, as they are now,
   * in that order: (element-type MfpHostFunction); the caller owns it. */
  GPtrArray *(*host_functions) (MfpOps *ops, const GArray *addresses, GError **error);

  /* The domain's XML; the caller frees. */
  char *(*domain_xml) (MfpOps *ops, MfpForm form, GError **error);

  /* Writes the element @xml as the live domain's metadata under @uri; NULL
   * removes it. */
  gboolean (*set_metadata) (MfpOps *ops, const char *uri, const char *xml,
                            GError **error);

  /* The element that is there under @uri; the caller frees. MFP_ERROR_NOT_FOUND. */
  char *(*metadata) (MfpOps *ops, const char *uri, GError **error);

  /* Binds the function to VFIO; gives it back to the host's driver. */
  gboolean (*take) (MfpOps *ops, const MfpPciAddress *address, GError **error);
  gboolean (*give_back) (MfpOps *ops, const MfpPciAddress *address, GError **error);

  /* Tries to give back, all at once, those of the functions at @addresses (element-type
   * MfpPciAddress) that are on VFIO and share their IOMMU group with none of @held, the
   * same of what a domain has. Returns all that can be read, as they are then:
   * (element-type MfpHostFunction); the caller owns it. The last thing that is asked
   * for, as a rule: the domain is not listened to until the next wait. */
  GPtrArray *(*bring_home) (MfpOps *ops, const GArray *addresses, GArray *held);

  /* The functions at @addresses (element-type MfpPciAddress) will be brought home
   * later: what libvirt can be asked beforehand, while there is nothing else to do,
   * it is. That it fails does no harm. */
  void (*foresee) (MfpOps *ops, const GArray *addresses);

  /* Attaches and detaches the device @xml. MFP_ERROR_ALIAS_TAKEN. A live
   * detach is a request: the device may stay for a while. */
  gboolean (*attach) (MfpOps *ops, MfpForm form, const char *xml, GError **error);
  gboolean (*detach) (MfpOps *ops, MfpForm form, const char *xml, GError **error);

  /* Requests the live detach of the device called @alias and does not wait.
   * MFP_ERROR_BUSY: requested already, or not possible just now. */
  gboolean (*detach_alias) (MfpOps *ops, const char *alias, GError **error);

  /* Passes @command to QEMU; the answer, which may be an error of QEMU's
   * (see qmp.h); the caller frees. */
  char *(*qmp) (MfpOps *ops, const char *command, GError **error);

  /* The live XML, and QEMU's answers, as near to each other in time as can be. @view:
   * (out): empty before, and the caller's. */
  gboolean (*look) (MfpOps *ops, MfpLook what, MfpView *view, GError **error);

  /* Waits until the domain reports something, or until @until (see now).
   * @awaited: (nullable) (element-type utf8): aliases; those that left the domain
   * are taken out, and it is not worth reporting that some did while others are
   * awaited; all are when something else is reported. @refused: (out): the alias of a
   * device whose removal the guest rejected meanwhile, or NULL; the caller frees.
   * MFP_ERROR_INTERRUPTED: a signal came; each is reported once. */
  gboolean (*wait) (MfpOps *ops, gint64 until, GHashTable *awaited, char **refused,
                    GError **error);

  /* Fails with MFP_ERROR_INTERRUPTED if a signal came since it was last
   * reported. */
  gboolean (*check_interrupt) (MfpOps *ops, GError **error);

  /* Monotonic time in microseconds. */
  gint64 (*now) (MfpOps *ops);
};
