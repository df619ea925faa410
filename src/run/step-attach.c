/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the host driver into the guest. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"
#include "model/hostdev-xml.h"
#include "run/poll.h"

gboolean
mfp_step_take (const MfpRun *run, const MfpStep *step, MfpPhase phase G_GNUC_UNUSED,
               GError **error)
{
  g_autoptr (MfpNodeDevice) node = mfp_node_device_new (&step->function->host);

  return mfp_node_device_detach (run->libvirt, node, error);
}

/* Attaches @function live. A taken alias means a lost race only for the function whose
 * alias locks the slot. */
static gboolean
attach_live (const MfpRun *run, const MfpFunction *function, MfpHostdevForm form, GError **error)
{
  g_autofree char *xml = mfp_hostdev_format (run->plan->card, function, form);
  GError *local = NULL;

  if (mfp_domain_attach (run->libvirt, MFP_LIVE, xml, function->alias, &local))
    return TRUE;
  if (mfp_error_is (local, MFP_ERROR_ALIAS_TAKEN) && function != mfp_card_lock (run->plan->card))
    mfp_error_recode (&local, MFP_ERROR_FAILED);
  g_propagate_error (error, local);
  return FALSE;
}

gboolean
mfp_step_prepare (const MfpRun *run, const MfpStep *step, MfpPhase phase G_GNUC_UNUSED,
                  GError **error)
{
  return attach_live (run, step->function, MFP_HOSTDEV_UNASSIGNED, error);
}

/* libvirt silently drops an alias that it does not accept. Its events would then miss the
 * device, whose id in QEMU is that alias. */
static gboolean
check_alias (const MfpGuest *guest, const MfpFunction *function, GError **error)
{
  g_autofree char *host = NULL;

  if (mfp_run_find_hostdev (guest, function))
    return TRUE;
  host = mfp_function_describe (function);
  g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
               "libvirt does not list %s under the alias '%s'", host, function->alias);
  return FALSE;
}

gboolean
mfp_step_check_aliases (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED,
                        MfpPhase phase G_GNUC_UNUSED, GError **error)
{
  const MfpCard *card = run->plan->card;
  g_autoptr (MfpGuest) guest = mfp_run_read_guest (run, error);

  for (guint i = 0; guest && i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (function->guest_function > 0 && !check_alias (guest, function, error))
        return FALSE;
    }
  return guest != NULL;
}

gboolean
mfp_step_queue (const MfpRun *run, const MfpStep *step, MfpPhase phase G_GNUC_UNUSED,
                GError **error)
{
  const MfpPlan *plan = run->plan;
  g_autofree char *command
      = mfp_qmp_device_add (step->function, plan->bus, plan->card->slot.slot);

  return mfp_qemu_tell (run->libvirt, command, error);
}

static gboolean
is_plugged (const MfpRun *run, const MfpFunction *function)
{
  g_autoptr (MfpGuest) guest = mfp_run_read_guest (run, NULL);
  g_autoptr (GHashTable) ids = NULL;

  if (!guest || !mfp_run_find_hostdev (guest, function))
    return FALSE;
  ids = mfp_qemu_list_devices (run->libvirt, NULL);
  return ids && g_hash_table_contains (ids, function->alias);
}

/* libvirt may report an error after it plugged the function. */
gboolean
mfp_step_plug (const MfpRun *run, const MfpStep *step, MfpPhase phase G_GNUC_UNUSED,
               GError **error)
{
  GError *local = NULL;

  if (attach_live (run, step->function, MFP_HOSTDEV_PLUG, &local)
      || is_plugged (run, step->function))
    {
      g_clear_error (&local);
      return TRUE;
    }
  g_propagate_error (error, local);
  return FALSE;
}

/* Checks that QEMU has @function where it was planned. */
static gboolean
verify_place (const MfpRun *run, const MfpFunction *function, const MfpQemuDevice *device,
              GError **error)
{
  const MfpCard *card = run->plan->card;
  g_autofree char *host = NULL;

  if (device->slot == card->slot.slot && device->function == (guint) function->guest_function
      && (!device->parent || g_strcmp0 (device->parent, run->plan->bus) == 0))
    return TRUE;
  host = mfp_function_describe (function);
  g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
               "QEMU has %s at slot %x.%x of %s instead of %x.%d of %s", host, device->slot,
               device->function, device->parent ? device->parent : "the root bus",
               card->slot.slot, function->guest_function, run->plan->bus);
  return FALSE;
}

/* QEMU's list @pci misses what is on a bus that the guest has not numbered yet. There the
 * list of all its @ids has to do. */
static gboolean
verify_in_qemu (const MfpRun *run, const MfpFunction *function, const GPtrArray *pci,
                GHashTable *ids, GError **error)
{
  const MfpQemuDevice *device = mfp_qmp_find_device (pci, function->alias);
  g_autofree char *host = NULL;

  if (device)
    return verify_place (run, function, device, error);
  if (mfp_function_is_among (function, ids))
    return TRUE;
  host = mfp_function_describe (function);
  g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED, "QEMU does not have %s", host);
  return FALSE;
}

static gboolean
verify_in_libvirt (const MfpGuest *guest, const MfpFunction *function, GError **error)
{
  g_autofree char *host = NULL;

  if (mfp_run_find_hostdev (guest, function))
    return TRUE;
  host = mfp_function_describe (function);
  g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
               "libvirt does not list %s any more: somebody detached it", host);
  return FALSE;
}

gboolean
mfp_step_verify (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED,
                 MfpPhase phase G_GNUC_UNUSED, GError **error)
{
  const MfpCard *card = run->plan->card;
  g_autoptr (MfpGuest) guest = mfp_run_read_guest (run, error);
  g_autoptr (GPtrArray) pci = guest ? mfp_qemu_query_pci (run->libvirt, error) : NULL;
  g_autoptr (GHashTable) ids = pci ? mfp_qemu_list_devices (run->libvirt, error) : NULL;

  for (guint i = 0; ids && i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (!verify_in_libvirt (guest, function, error)
          || (mfp_function_is_exposed (function)
              && !verify_in_qemu (run, function, pci, ids, error)))
        return FALSE;
    }
  return ids != NULL;
}

static gboolean
check_enumerated (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED,
                  gboolean *done, GError **error)
{
  const MfpCard *card = run->plan->card;
  g_autoptr (MfpGuest) guest = mfp_run_read_guest (run, error);
  g_autoptr (GPtrArray) pci = guest ? mfp_qemu_query_pci (run->libvirt, error) : NULL;

  *done = pci != NULL;
  for (guint i = 0; pci && i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpQemuDevice *device = mfp_qmp_find_device (pci, function->alias);

      if (mfp_function_is_exposed (function) && !(device && device->enumerated))
        *done = FALSE;
    }
  return pci != NULL;
}

gboolean
mfp_step_enumerate (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED, MfpPhase phase,
                    GError **error)
{
  const MfpPoll poll = { .check = check_enumerated, .late = MFP_ERROR_PENDING };
  GError *local = NULL;

  if (mfp_poll (run, phase, &poll, &local))
    return TRUE;
  /* Only the wait was interrupted: the card is in. */
  if (mfp_error_is (local, MFP_ERROR_INTERRUPTED))
    mfp_error_recode (&local, MFP_ERROR_PENDING);
  if (mfp_error_is (local, MFP_ERROR_PENDING))
    g_prefix_error (&local, "the card is plugged, and the guest has not assigned addresses to all "
                            "of its functions: ");
  g_propagate_error (error, local);
  return FALSE;
}
