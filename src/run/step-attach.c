/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the host driver into the guest. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
#include "libvirt/monitor.h"
#include "model/hostdev-xml.h"

gboolean
mfp_step_take (MfpRun *run, const MfpStep *step, GError **error)
{
  return run->ops->take (run->ops, &step->function->host, error);
}

/* Attaches @function live. That its alias is taken means a lost race only for
 * the one that locks the slot. */
static gboolean
attach_live (MfpRun *run, const MfpFunction *function, MfpHostdevForm form, GError **error)
{
  g_autofree char *xml = mfp_hostdev_format (run->plan->card, function, form);
  g_autoptr (GError) local = NULL;

  mfp_run_forget_seen (run);
  if (run->ops->attach (run->ops, MFP_LIVE, xml, &local))
    return TRUE;
  if (mfp_error_is (local, MFP_ERROR_ALIAS_TAKEN) && function != mfp_card_lock (run->plan->card))
    mfp_error_recode (&local, MFP_ERROR_FAILED);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
mfp_step_hold (MfpRun *run, const MfpStep *step, GError **error)
{
  return attach_live (run, step->function, MFP_HOSTDEV_HOLD, error);
}

gboolean
mfp_step_queue (MfpRun *run, const MfpStep *step, GError **error)
{
  const MfpFunction *function = step->function;
  const MfpGuest *guest = mfp_run_look (run, error);
  g_autofree char *command = NULL;

  if (!guest)
    return FALSE;
  /* libvirt drops an alias that it does not like in silence, and its events
   * then miss the device. */
  if (!mfp_run_find_hostdev (guest, function))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                   "libvirt does not list it under the alias '%s'", function->alias);
      return FALSE;
    }
  command = mfp_qmp_device_add (function, run->plan->bus, run->plan->card->slot.slot);
  return mfp_monitor_tell (run->ops, command, error);
}

static gboolean
is_plugged (MfpRun *run, const MfpFunction *function)
{
  const MfpGuest *guest = mfp_run_look_at_both_again (run, NULL);

  return guest && mfp_run_find_hostdev (guest, function)
         && g_hash_table_contains (run->seen.in_qemu, function->alias);
}

gboolean
mfp_step_plug (MfpRun *run, const MfpStep *step, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (attach_live (run, step->function, MFP_HOSTDEV_PLUG, &local))
    return TRUE;
  /* The error may have come after the plug. */
  if (is_plugged (run, step->function))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* Whether QEMU has @function where it was planned. A bus that the guest has
 * not enumerated yet is absent from query-pci; there the list of all devices has to do. */
static gboolean
verify_function (MfpRun *run, const MfpFunction *function, GError **error)
{
  const MfpQemuDevice *device = mfp_qmp_find_device (run->seen.pci, function->alias);
  const MfpCard *card = run->plan->card;
  g_autofree char *host = mfp_function_describe (function);

  if (!device && g_hash_table_contains (run->seen.in_qemu, function->alias))
    return TRUE;
  if (device && device->slot == card->slot.slot
      && device->function == (guint) function->guest_function
      && (!device->parent || g_strcmp0 (device->parent, run->plan->bus) == 0))
    return TRUE;
  if (device)
    g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                 "QEMU has %s at slot %x.%x of %s instead of %x.%d of %s", host, device->slot,
                 device->function, device->parent ? device->parent : "the root bus",
                 card->slot.slot, function->guest_function, run->plan->bus);
  else
    g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED, "QEMU does not have %s", host);
  return FALSE;
}

gboolean
mfp_step_verify (MfpRun *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  const MfpCard *card = run->plan->card;
  const MfpGuest *guest = mfp_run_look_at (run, MFP_LOOK_DEVICES | MFP_LOOK_PCI, error);

  if (!guest)
    return FALSE;
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (!mfp_run_find_hostdev (guest, function))
        {
          g_autofree char *host = mfp_function_describe (function);

          g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                       "libvirt does not list %s any more: somebody detached it", host);
          return FALSE;
        }
      if (mfp_function_is_exposed (function) && !verify_function (run, function, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
approach_enumerated (MfpRun *run, gpointer data G_GNUC_UNUSED, gboolean *done, GError **error)
{
  const MfpCard *card = run->plan->card;

  if (!mfp_run_look_at (run, MFP_LOOK_PCI, error))
    return FALSE;
  *done = TRUE;
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpQemuDevice *device = mfp_qmp_find_device (run->seen.pci, function->alias);

      if (mfp_function_is_exposed (function) && !(device && device->enumerated))
        *done = FALSE;
    }
  return TRUE;
}

gboolean
mfp_step_enumerate (MfpRun *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (mfp_run_approach (run, approach_enumerated, NULL, MFP_ERROR_PENDING, &local))
    return TRUE;
  /* Only the wait was interrupted: the card is in. */
  if (mfp_error_is (local, MFP_ERROR_INTERRUPTED))
    mfp_error_recode (&local, MFP_ERROR_PENDING);
  if (mfp_error_is (local, MFP_ERROR_PENDING))
    g_prefix_error (&local, "the card is plugged, and the guest has not assigned addresses to all "
                            "of its functions: ");
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}
