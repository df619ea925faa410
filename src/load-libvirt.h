/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loads the module that knows libvirt. */
#pragma once

#include "ops-libvirt.h"

/* Loads it, once and for good. NULL: MFP_ERROR_REFUSED. */
const MfpLibvirtApi *mfp_libvirt_load (GError **error);
