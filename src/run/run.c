/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "run/run.h"

#include "base/error.h"

/* The first function of @card that @guest has, or NULL. */
static const MfpFunction *
find_held (const MfpCard *card, const MfpGuest *guest)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (mfp_guest_find_holder (guest, &function->host))
        return function;
    }
  return NULL;
}

MfpGuest *
mfp_run_read_guest (const MfpRun *run, GError **error)
{
  g_autoptr (MfpGuest) guest = mfp_domain_read (run->libvirt, MFP_LIVE, error);
  const MfpFunction *held;

  if (!guest || g_strcmp0 (guest->id, run->domain_id) == 0)
    return g_steal_pointer (&guest);
  held = guest->id ? find_held (run->plan->card, guest) : NULL;
  if (held)
    {
      g_autofree char *host = mfp_function_describe (held);

      g_set_error (error, MFP_ERROR, MFP_ERROR_DOMAIN_RESTARTED,
                   "the domain ended and started again meanwhile, and has %s now", host);
    }
  else
    g_set_error (error, MFP_ERROR, MFP_ERROR_DOMAIN_GONE, "the domain ended%s meanwhile",
                 guest->id ? " and started again" : "");
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
