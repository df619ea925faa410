/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What else there is: other domains, all functions of the host, and what the host uses
 * them for.
 */
#pragma once

#include "libvirt/connection.h"

/* As in ops-libvirt.h. */
GPtrArray *mfp_libvirt_list_other_guests (MfpLibvirt *libvirt, GError **error);
GPtrArray *mfp_libvirt_list_host_functions (MfpLibvirt *libvirt, GError **error);
GPtrArray *mfp_libvirt_list_host_uses (MfpLibvirt *libvirt, GArray *functions, gboolean networks,
                                       gboolean disks, GError **error);
