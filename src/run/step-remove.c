/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Out of the guest, out of QEMU and out of the domain: each looks first. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
#include "libvirt/monitor.h"
#include "model/hostdev-xml.h"

#define EVENT_GRACE (3 * G_TIME_SPAN_SECOND) /* for libvirt to act on QEMU's event */
/* How often to look while libvirt's reports are awaited, some of which may be lost:
 * QEMU's answer waits for libvirt, which is busy with the removal. */
#define LOOK_PERIOD (2 * G_TIME_SPAN_SECOND)

/* A function 0 that is not ours, in our slot: it made QEMU show our queue to
 * the guest, and asking any of them to leave would eject it too. */
static gboolean
check_stranger (MfpRun *run, const MfpGuest *guest, GError **error)
{
  const MfpCard *card = run->plan->card;
  const MfpGuestDevice *device = NULL;

  while ((device = mfp_guest_next_in_slot (guest, &card->slot, device)))
    if (device->address.function == 0
        && !(device->is_hostdev && mfp_card_find_host (card, &device->host)))
      {
        g_autofree char *what = mfp_guest_device_describe (device);
        g_autofree char *slot = mfp_pci_address_format_slot (&card->slot);

        g_set_error (error, MFP_ERROR, MFP_ERROR_LEFT,
                     "%s came into guest slot %s, and removing our functions there would "
                     "take it along: detach it first",
                     what, slot);
        return FALSE;
      }
  return TRUE;
}

/* Whether function 0 shares its slot with others that libvirt shows there:
 * then the guest was started with them, and libvirt's own detach refuses. */
static gboolean
slot_is_native (const MfpGuest *guest, const MfpPciAddress *slot)
{
  const MfpGuestDevice *first = mfp_guest_next_in_slot (guest, slot, NULL);

  return first && mfp_guest_next_in_slot (guest, slot, first);
}

/* Asks QEMU itself; that it does not have the function is as good. */
static gboolean
request_of_qemu (MfpRun *run, const MfpFunction *function, GError **error)
{
  g_autofree char *command = mfp_qmp_device_del (function->alias);
  g_autoptr (GError) local = NULL;
  gboolean accepted = mfp_monitor_tell (run->ops, command, &local);

  run->asked = run->asked || accepted;
  if (accepted || mfp_error_is (local, MFP_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* Asks that @function leave the guest, and with function 0 the whole slot:
 * through libvirt, unless it refuses or no longer knows the function. */
static gboolean
request_removal (MfpRun *run, const MfpGuest *guest, const MfpFunction *function, GError **error)
{
  g_autoptr (GError) local = NULL;
  gboolean accepted;

  if (function->guest_function != 0 || slot_is_native (guest, &run->plan->card->slot))
    return request_of_qemu (run, function, error);
  accepted = run->ops->detach_alias (run->ops, function->alias, &local);
  run->asked = run->asked || accepted;
  if (accepted)
    return TRUE;
  if (mfp_error_is (local, MFP_ERROR_NOT_FOUND))
    return request_of_qemu (run, function, error);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* The card's functions that QEMU still has, or had when it was just looked at:
 * (element-type MfpFunction). */
static GPtrArray *
still_in_qemu (MfpRun *run, GError **error)
{
  const MfpCard *card = run->plan->card;
  g_autoptr (GPtrArray) functions = g_ptr_array_new ();

  if (!mfp_run_look_at_both (run, error))
    return NULL;
  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (mfp_function_is_among (function, run->seen.in_qemu))
        {
          g_ptr_array_add (functions, function);
          g_hash_table_add (run->was_in_qemu, g_strdup (function->alias));
        }
    }
  return g_steal_pointer (&functions);
}

static gboolean
is_zero (const MfpFunction *function)
{
  return function->guest_function == 0;
}

/* Asks for those of @present that are function 0, or those that are not. One
 * of several that was asked already is as good as asked. */
static gboolean
request_those (MfpRun *run, const MfpGuest *guest, const GPtrArray *present, gboolean zero,
               GError **error)
{
  for (guint i = 0; i < present->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (present, i);
      g_autoptr (GError) local = NULL;

      if (is_zero (function) != zero || request_removal (run, guest, function, &local)
          || (!zero && run->plan->unplug_each && mfp_error_is (local, MFP_ERROR_BUSY)))
        continue;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return TRUE;
}

/* Asks the functions away: function 0, which takes the others along, or, in a
 * queue without one or where QEMU wants that, each, and function 0 last. */
static gboolean
request_each (MfpRun *run, const GPtrArray *present, GError **error)
{
  const MfpGuest *guest;
  gboolean has_zero = FALSE;

  if (run->undoing && !mfp_note_leaving (run, error))
    return FALSE;
  for (guint i = 0; i < present->len; i++)
    has_zero = has_zero || is_zero (g_ptr_array_index (present, i));
  /* Where function 0 is not ours it may be a stranger's. Libvirt lets QEMU be asked
   * when no change is under way, but shows its XML at any time: what a stranger is
   * attaching would be missing in an older one. */
  guest = has_zero ? mfp_run_look (run, error) : mfp_run_look_again (run, error);
  if (!guest || !check_stranger (run, guest, error))
    return FALSE;
  return ((has_zero && !run->plan->unplug_each)
          || request_those (run, guest, present, FALSE, error))
         && request_those (run, guest, present, TRUE, error);
}

/**
 * Removal:
 * @requested: QEMU has accepted the request; asking again could cancel it (a
 *   second press of a native port's attention button)
 * @possible: a removal may be under way without that: the answer to a request
 *   was lost, or says that one is
 * @look_at: when to look though not all has been reported that is awaited
 */
typedef struct
{
  gboolean requested;
  gboolean possible;
  gint64 look_at;
} Removal;

static void
await (MfpRun *run, const GPtrArray *present)
{
  for (guint i = 0; i < present->len; i++)
    g_hash_table_add (run->awaited,
                      g_strdup (((const MfpFunction *) g_ptr_array_index (present, i))->alias));
}

static gboolean
can_wait (MfpRun *run, const Removal *removal)
{
  return g_hash_table_size (run->awaited) > 0 && run->ops->now (run->ops) < removal->look_at;
}

/* What libvirt can be asked about the host while the guest takes its time. */
static void
foresee (MfpRun *run)
{
  g_autoptr (GArray) returning = mfp_plan_returning (run->plan);

  run->ops->foresee (run->ops, returning);
}

/* Brings QEMU to have none of the card's functions. */
static gboolean
approach_removed (MfpRun *run, gpointer data, gboolean *done, GError **error)
{
  Removal *removal = data;
  g_autoptr (GPtrArray) present = NULL;
  GError *local = NULL;

  if (can_wait (run, removal))
    return TRUE;
  /* Libvirt reports an unassigned function gone, too, that somebody had it drop while
   * QEMU has it: QEMU is asked in any case. */
  present = still_in_qemu (run, error);
  if (!present)
    return FALSE;
  *done = present->len == 0;
  if (*done)
    return TRUE;
  removal->look_at = run->ops->now (run->ops) + MIN (LOOK_PERIOD, run->options->timeout / 4);
  if (!removal->requested)
    {
      removal->requested = request_each (run, present, &local);
      if (removal->requested)
        foresee (run);
    }
  if (removal->requested) /* again, too: other reports end a wait for all */
    await (run, present);
  mfp_run_forget_seen (run);
  removal->possible = removal->requested || run->asked || mfp_error_is (local, MFP_ERROR_BUSY)
                      || mfp_error_is (local, MFP_ERROR_DISCONNECTED) || removal->possible;
  if (local)
    g_propagate_error (error, local);
  return removal->requested;
}

/* A request cannot be taken back: once there may be one, whatever went wrong
 * leaves it standing, unless the guest rejected it. */
static void
explain_request (const Removal *removal, GError **error)
{
  if (mfp_error_is (*error, MFP_ERROR_GUEST_REFUSED) || mfp_error_is (*error, MFP_ERROR_DOMAIN_GONE)
      || mfp_error_is (*error, MFP_ERROR_LEFT))
    return;
  mfp_error_recode (error, removal->possible ? MFP_ERROR_PENDING : MFP_ERROR_FAILED);
  if (removal->possible)
    g_prefix_error (error, "the guest was asked to let the slot go; run the command again to go "
                           "on waiting: ");
}

gboolean
mfp_step_eject (MfpRun *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  Removal removal = { 0 };
  GError *local = NULL;
  MfpError late = run->undoing ? MFP_ERROR_FAILED : MFP_ERROR_PENDING;
  gboolean done = run->ended || mfp_run_approach (run, approach_removed, &removal, late, &local);

  if (!done)
    g_hash_table_remove_all (run->awaited);
  if (local)
    explain_request (&removal, &local);
  return mfp_run_or_ended (run, done, local, error);
}

/**
 * Drop:
 * @function: what libvirt is to forget
 * @since: when the wait for libvirt's own action began
 * @waited: that began with a wait for the events that are still to come
 */
typedef struct
{
  const MfpFunction *function;
  gint64 since;
  gboolean waited;
} Drop;

static gboolean
approach_dropped (MfpRun *run, gpointer data, gboolean *done, GError **error)
{
  Drop *drop = data;
  const MfpFunction *function = drop->function;
  const MfpGuest *guest = mfp_run_look (run, error);
  const MfpGuestDevice *device = guest ? mfp_run_find_hostdev (guest, function) : NULL;
  g_autoptr (GHashTable) devices = NULL;
  g_autofree char *xml = NULL;
  GError *local = NULL;
  gboolean has_address;

  if (device && !drop->waited && g_hash_table_contains (run->awaited, function->alias))
    {
      drop->waited = TRUE;
      return TRUE;
    }
  /* What is gone stays gone; what was there may have gone meanwhile. */
  if (device)
    guest = mfp_run_look_again (run, error);
  device = device && guest ? mfp_run_find_hostdev (guest, function) : NULL;
  *done = guest && !device;
  if (!device)
    return guest != NULL;
  if (g_hash_table_contains (run->was_in_qemu, function->alias)
      && run->ops->now (run->ops) < drop->since + EVENT_GRACE)
    return TRUE;

  /* libvirt takes away the access of a function that it believes unassigned
   * without asking QEMU, which may still use it. */
  devices = mfp_monitor_list_devices (run->ops, error);
  if (!devices)
    return FALSE;
  if (g_hash_table_contains (devices, function->alias))
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_FAILED, "QEMU still has it");
      return FALSE;
    }
  has_address = device->has_address;
  mfp_run_forget_seen (run); /* and @device with it */
  xml = mfp_hostdev_format (run->plan->card, function, MFP_HOSTDEV_HOLD);
  if (has_address ? run->ops->detach_alias (run->ops, function->alias, &local)
                  : run->ops->detach (run->ops, MFP_LIVE, xml, &local))
    return TRUE;
  /* libvirt was quicker: look again. */
  if (mfp_error_is (local, MFP_ERROR_NOT_FOUND))
    mfp_error_recode (&local, MFP_ERROR_BUSY);
  g_propagate_error (error, local);
  return FALSE;
}

gboolean
mfp_step_drop (MfpRun *run, const MfpStep *step, GError **error)
{
  Drop drop = { .function = step->function, .since = run->ops->now (run->ops) };
  GError *local = NULL;
  gboolean done
      = run->ended || mfp_run_approach (run, approach_dropped, &drop, MFP_ERROR_FAILED, &local);

  return mfp_run_or_ended (run, done, local, error);
}

gboolean
mfp_step_unplug (MfpRun *run, const MfpStep *step, GError **error)
{
  return mfp_step_eject (run, step, error) && mfp_step_drop (run, step, error);
}
