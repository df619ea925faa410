/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domain that the program works on: its XML, its metadata and its devices.
 *
 * Errors besides those of connection.h: MFP_ERROR_DOMAIN_GONE: the domain does not run any
 * more.
 */
#pragma once

#include "libvirt/connection.h"
#include "model/guest.h"

/* Chooses the domain. @name: id, UUID or name, tried in the order in which virsh does.
 * Errors: MFP_ERROR_REFUSED. */
gboolean mfp_domain_choose (MfpLibvirt *libvirt, const char *name, GError **error);

/* Its name; NULL if none was chosen. */
const char *mfp_domain_name (const MfpLibvirt *libvirt);

/* *@persistent: it is not transient: it has persistent XML. */
gboolean mfp_domain_is_persistent (MfpLibvirt *libvirt, gboolean *persistent, GError **error);

/* The domain as its XML shows it now; the caller frees. The live form of a domain that
 * does not run is the persistent one, without an id. */
MfpGuest *mfp_domain_read (MfpLibvirt *libvirt, MfpForm form, GError **error);

/* Writes the element @xml as the live domain's metadata under @uri; NULL removes it. */
gboolean mfp_domain_set_metadata (MfpLibvirt *libvirt, const char *uri, const char *xml,
                                  GError **error);

/* Attaches the device @xml. @alias: (nullable): its alias. MFP_ERROR_ALIAS_TAKEN: another
 * device has that alias. */
gboolean mfp_domain_attach (MfpLibvirt *libvirt, MfpForm form, const char *xml,
                            const char *alias, GError **error);

/* Detaches the device @xml. A live detach is a request: the device may stay for a while.
 * MFP_ERROR_NOT_FOUND. */
gboolean mfp_domain_detach (MfpLibvirt *libvirt, MfpForm form, const char *xml, GError **error);

/* Requests the live detach of the device called @alias and does not wait.
 * MFP_ERROR_NOT_FOUND; MFP_ERROR_BUSY: requested already, or not possible just now. */
gboolean mfp_domain_detach_alias (MfpLibvirt *libvirt, const char *alias, GError **error);
