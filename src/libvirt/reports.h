/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "libvirt/connection-private.h"

/**
 * MfpReports:
 * @removed: (element-type utf8): aliases of devices that left the domain
 * @rejected: (element-type utf8): aliases of devices whose removal the guest rejected
 *
 * What libvirt reported of the chosen domain. libvirt holds a reference for each callback,
 * and may release it in either thread. Only the main thread reads and writes the rest.
 */
struct _MfpReports
{
  GHashTable *removed;
  GHashTable *rejected;
};

MfpReports *mfp_reports_new (void);
MfpReports *mfp_reports_ref (MfpReports *reports);
void mfp_reports_unref (MfpReports *reports);
