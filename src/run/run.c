/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "run/run.h"

#include "base/error.h"

MfpGuest *
mfp_run_read_guest (const MfpRun *run, GError **error)
{
  g_autoptr (MfpGuest) guest = mfp_domain_read (run->libvirt, MFP_LIVE, error);

  if (!guest || g_strcmp0 (guest->id, run->plan->domain_id) == 0)
    return g_steal_pointer (&guest);
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_DOMAIN_GONE, "the domain ended meanwhile");
  return NULL;
}

const MfpGuestDevice *
mfp_run_find_hostdev (const MfpGuest *guest, const MfpFunction *function)
{
  const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);

  return device && g_strcmp0 (device->alias, function->alias) == 0 ? device : NULL;
}

void
mfp_run_note (const MfpRun *run, const char *text)
{
  run->options->observer->note (run->options->observer->data, text);
}

gboolean
mfp_run_done_or_ended (gboolean done, GError *failure, GError **error)
{
  if (!done && !mfp_error_is (failure, MFP_ERROR_DOMAIN_GONE))
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  g_clear_error (&failure);
  return TRUE;
}
