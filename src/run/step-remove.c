/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Out of the guest, out of QEMU and out of the domain. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
#include "libvirt/events.h"
#include "libvirt/qemu.h"
#include "model/hostdev-xml.h"
#include "run/poll.h"

#define EVENT_GRACE (3 * G_TIME_SPAN_SECOND) /* for libvirt to act on QEMU's report */

/* ---- requesting the removal ---- */

/* Fails if a function 0 that is not ours is in our slot. It made QEMU show our queued
 * functions to the guest, and their removal would eject it, too. */
static gboolean
check_stranger (const MfpCard *card, const MfpGuest *guest, GError **error)
{
  const MfpGuestDevice *device = NULL;
  g_autofree char *what = NULL, *slot = NULL;

  while ((device = mfp_guest_next_in_slot (guest, &card->slot, device)))
    if (device->address.function == 0
        && !(device->is_hostdev && mfp_card_find_host (card, &device->host)))
      break;
  if (!device)
    return TRUE;
  what = mfp_guest_device_describe (device);
  slot = mfp_pci_address_format_slot (&card->slot);
  g_set_error (error, MFP_ERROR, MFP_ERROR_LEFT,
               "%s came into guest slot %s, and the removal of our functions there would remove "
               "it, too: detach it first",
               what, slot);
  return FALSE;
}

/* Whether libvirt lists several functions at the slot. Then the guest was started with
 * them, and libvirt refuses to detach function 0. */
static gboolean
slot_is_native (const MfpGuest *guest, const MfpPciAddress *slot)
{
  const MfpGuestDevice *first = mfp_guest_next_in_slot (guest, slot, NULL);

  return first && mfp_guest_next_in_slot (guest, slot, first);
}

/* Asks QEMU itself. A function that QEMU does not have needs no removal. */
static gboolean
request_of_qemu (const MfpRun *run, const MfpFunction *function, GError **error)
{
  g_autofree char *command = mfp_qmp_device_del (function->alias);
  GError *local = NULL;

  if (mfp_qemu_tell (run->libvirt, command, &local)
      || mfp_error_is (local, MFP_ERROR_NOT_FOUND))
    {
      g_clear_error (&local);
      return TRUE;
    }
  g_propagate_error (error, local);
  return FALSE;
}

/* Requests the removal of @function, and with function 0 of the whole slot: through
 * libvirt, unless it refuses or no longer knows the function. */
static gboolean
request_removal (const MfpRun *run, const MfpGuest *guest, const MfpFunction *function,
                 GError **error)
{
  GError *local = NULL;

  if (function->guest_function != 0 || slot_is_native (guest, &run->plan->card->slot))
    return request_of_qemu (run, function, error);
  if (mfp_domain_detach_alias (run->libvirt, function->alias, &local))
    return TRUE;
  if (mfp_error_is (local, MFP_ERROR_NOT_FOUND))
    {
      g_clear_error (&local);
      return request_of_qemu (run, function, error);
    }
  g_propagate_error (error, local);
  return FALSE;
}

static const MfpFunction *
find_zero (const GPtrArray *functions)
{
  for (guint i = 0; i < functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (functions, i);

      if (function->guest_function == 0)
        return function;
    }
  return NULL;
}

/* Requests the removal of every non-zero function of @present. If QEMU wants a request for
 * each, an earlier request for one of them is no failure. */
static gboolean
request_others (const MfpRun *run, const MfpGuest *guest, const GPtrArray *present,
                GError **error)
{
  for (guint i = 0; i < present->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (present, i);
      g_autoptr (GError) local = NULL;

      if (function->guest_function == 0 || request_removal (run, guest, function, &local)
          || (run->plan->unplug == MFP_UNPLUG_EACH && mfp_error_is (local, MFP_ERROR_BUSY)))
        continue;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return TRUE;
}

/* Requests the removal of @present: of function 0, which takes the others along; or, in a
 * queue without function 0 or where QEMU wants that, of each, function 0 last. */
static gboolean
request_all (const MfpRun *run, const GPtrArray *present, GError **error)
{
  const MfpFunction *zero = find_zero (present);
  g_autoptr (MfpGuest) guest = mfp_run_read_guest (run, error);

  if (!guest || !check_stranger (run->plan->card, guest, error))
    return FALSE;
  if ((!zero || run->plan->unplug == MFP_UNPLUG_EACH)
      && !request_others (run, guest, present, error))
    return FALSE;
  return !zero || request_removal (run, guest, zero, error);
}

/* ---- waiting for it ---- */

/**
 * Removal:
 * @requested: QEMU has accepted the request; a second one could cancel it (a second press
 *   of a native port's attention button)
 * @possible: a removal may be under way: the request was accepted, or its answer was lost,
 *   or says that one is under way
 * @gone: QEMU has none of the functions any more
 * @awaited: (element-type utf8): aliases of the functions that are to leave
 * @grace: (nullable): how long to wait for libvirt after QEMU has none of them
 */
typedef struct
{
  gboolean requested;
  gboolean possible;
  gboolean gone;
  GPtrArray *awaited;
  MfpTimer *grace;
} Removal;

static void
removal_clear (Removal *removal)
{
  g_clear_pointer (&removal->awaited, g_ptr_array_unref);
  g_clear_pointer (&removal->grace, mfp_timer_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Removal, removal_clear)

/* The functions of the card that QEMU has: (element-type MfpFunction). */
static GPtrArray *
list_present (const MfpRun *run, GError **error)
{
  g_autoptr (GHashTable) ids = mfp_qemu_list_devices (run->libvirt, error);
  g_autoptr (GPtrArray) present = g_ptr_array_new ();
  const MfpCard *card = run->plan->card;

  for (guint i = 0; ids && i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (mfp_function_is_among (function, ids))
        g_ptr_array_add (present, function);
    }
  return ids ? g_steal_pointer (&present) : NULL;
}

static void
await (Removal *removal, const GPtrArray *present)
{
  g_ptr_array_set_size (removal->awaited, 0);
  for (guint i = 0; i < present->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (present, i);

      g_ptr_array_add (removal->awaited, g_strdup (function->alias));
    }
}

static gboolean
request (const MfpRun *run, MfpPhase phase, Removal *removal, const GPtrArray *present,
         GError **error)
{
  GError *local = NULL;

  removal->requested = (phase != MFP_PHASE_UNDO || mfp_record_undoing (run, &local))
                       && mfp_events_listen (run->libvirt, &local)
                       && request_all (run, present, &local);
  removal->possible = removal->possible || removal->requested
                      || mfp_error_is (local, MFP_ERROR_BUSY)
                      || mfp_error_is (local, MFP_ERROR_DISCONNECTED);
  if (removal->requested)
    await (removal, present);
  else
    g_propagate_error (error, local);
  return removal->requested;
}

static gboolean
lists_any (const MfpGuest *guest, const GPtrArray *aliases)
{
  for (guint i = 0; i < aliases->len; i++)
    if (mfp_guest_find_alias (guest, g_ptr_array_index (aliases, i)))
      return TRUE;
  return FALSE;
}

/* QEMU has none of the functions any more. libvirt drops them when QEMU reports that to it,
 * unless a report was lost. */
static gboolean
check_libvirt_knows (const MfpRun *run, Removal *removal, gboolean *done, GError **error)
{
  g_autoptr (MfpGuest) guest = NULL;

  *done = mfp_events_all_removed (run->libvirt, removal->awaited);
  if (*done)
    return TRUE;
  guest = mfp_run_read_guest (run, error);
  if (!removal->grace)
    removal->grace = mfp_timer_new (EVENT_GRACE);
  *done = guest
          && (!lists_any (guest, removal->awaited) || mfp_timer_is_due (removal->grace));
  return guest != NULL;
}

/* libvirt reports an unassigned function as removed even if QEMU still has it, after
 * somebody had libvirt drop it. So only QEMU is believed. */
static gboolean
check_removed (const MfpRun *run, MfpPhase phase, gpointer data, gboolean *done, GError **error)
{
  Removal *removal = data;
  g_autoptr (GPtrArray) present = removal->gone ? NULL : list_present (run, error);

  if (!present && !removal->gone)
    return FALSE;
  removal->gone = removal->gone || present->len == 0;
  if (removal->gone)
    return check_libvirt_knows (run, removal, done, error);
  if (mfp_events_all_removed (run->libvirt, removal->awaited))
    g_ptr_array_set_size (removal->awaited, 0); /* no further report will come */
  return removal->requested || request (run, phase, removal, present, error);
}

/* A request cannot be withdrawn: once there may be one, it stands whatever went wrong,
 * unless the guest rejected it. */
static void
explain_request (const Removal *removal, MfpPhase phase, GError **error)
{
  static const MfpError told[] = { MFP_ERROR_GUEST_REFUSED, MFP_ERROR_DOMAIN_GONE,
                                   MFP_ERROR_DOMAIN_RESTARTED, MFP_ERROR_LEFT, MFP_ERROR_HUNG };

  for (guint i = 0; i < G_N_ELEMENTS (told); i++)
    if (mfp_error_is (*error, told[i]))
      return;
  mfp_error_recode (error, removal->possible ? MFP_ERROR_PENDING : MFP_ERROR_FAILED);
  if (removal->possible)
    g_prefix_error (error, "the guest was asked to release the slot%s: ",
                    phase == MFP_PHASE_UNDO ? "" : "; run the command again to go on waiting");
}

gboolean
mfp_step_eject (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED, MfpPhase phase,
                GError **error)
{
  g_auto (Removal) removal = { .awaited = g_ptr_array_new_with_free_func (g_free) };
  const MfpPoll poll = {
    .check = check_removed,
    .data = &removal,
    .awaited = removal.awaited,
    .late = phase == MFP_PHASE_UNDO ? MFP_ERROR_FAILED : MFP_ERROR_PENDING,
  };
  GError *local = NULL;
  gboolean done = mfp_poll (run, phase, &poll, &local);

  if (!done)
    explain_request (&removal, phase, &local);
  return mfp_run_done_or_ended (done, local, error);
}

/* ---- dropping what QEMU does not have ---- */

/* Our functions that libvirt still lists: @function, or for NULL all of the card:
 * (element-type MfpFunction). */
static GPtrArray *
list_remaining (const MfpCard *card, const MfpFunction *only, const MfpGuest *guest)
{
  GPtrArray *remaining = g_ptr_array_new ();

  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);

      if ((!only || function == only) && mfp_run_find_hostdev (guest, function))
        g_ptr_array_add (remaining, function);
    }
  return remaining;
}

/* If libvirt was quicker, the next check finds that. */
static gboolean
drop_function (const MfpRun *run, const MfpFunction *function, const MfpGuest *guest,
               GError **error)
{
  gboolean is_shown = mfp_run_find_hostdev (guest, function)->has_address;
  g_autofree char *xml = mfp_hostdev_format (run->plan->card, function, MFP_HOSTDEV_UNASSIGNED);
  GError *local = NULL;

  if (is_shown ? mfp_domain_detach_alias (run->libvirt, function->alias, &local)
               : mfp_domain_detach (run->libvirt, MFP_LIVE, xml, &local))
    return TRUE;
  if (mfp_error_is (local, MFP_ERROR_NOT_FOUND))
    mfp_error_recode (&local, MFP_ERROR_BUSY);
  g_propagate_error (error, local);
  return FALSE;
}

/* libvirt removes the access of a function that it believes unassigned without asking QEMU,
 * which may still use it. */
static gboolean
drop_functions (const MfpRun *run, const GPtrArray *functions, const MfpGuest *guest,
                GError **error)
{
  g_autoptr (GHashTable) ids = mfp_qemu_list_devices (run->libvirt, error);

  for (guint i = 0; ids && i < functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (functions, i);
      g_autofree char *host = mfp_function_describe (function);

      if (mfp_function_is_among (function, ids))
        {
          g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED, "QEMU still has %s", host);
          return FALSE;
        }
      if (!drop_function (run, function, guest, error))
        return FALSE;
    }
  return ids != NULL;
}

static gboolean
is_dropped (const MfpRun *run, const MfpFunction *function, gboolean *done, GError **error)
{
  g_autoptr (MfpGuest) guest = mfp_run_read_guest (run, error);
  g_autoptr (GPtrArray) remaining = NULL;

  if (!guest)
    return FALSE;
  remaining = list_remaining (run->plan->card, function, guest);
  *done = remaining->len == 0;
  return *done || drop_functions (run, remaining, guest, error);
}

/* An unassigned function goes at once. */
static gboolean
check_dropped (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data, gboolean *done,
               GError **error)
{
  return is_dropped (run, data, done, error) && (*done || is_dropped (run, data, done, error));
}

gboolean
mfp_step_drop (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error)
{
  const MfpPoll poll = {
    .check = check_dropped,
    .data = (gpointer) step->function,
    .late = MFP_ERROR_FAILED,
  };
  GError *local = NULL;
  gboolean done = mfp_poll (run, phase, &poll, &local);

  return mfp_run_done_or_ended (done, local, error);
}

gboolean
mfp_step_unplug (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error)
{
  return mfp_step_eject (run, step, phase, error) && mfp_step_drop (run, step, phase, error);
}
