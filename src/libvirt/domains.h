/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other domains of the host. */
#pragma once

#include "libvirt/connection.h"
#include "model/guest.h"

/* The running domains other than the chosen one: (element-type MfpGuest); the caller owns
 * it. One that ends meanwhile is left out. */
GPtrArray *mfp_domains_read_others (MfpLibvirt *libvirt, GError **error);
