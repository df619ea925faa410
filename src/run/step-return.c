/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Back to the host driver, verified. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
#include "libvirt/monitor.h"

#include <string.h>

/* Fails while QEMU has a function of the IOMMU group: a rebind of another one
 * fails then, or on old kernels brings the host down. */
static gboolean
check_group_free (MfpRun *run, const MfpHostFunction *host, GError **error)
{
  GError *local = NULL;
  const MfpGuest *guest = run->ended ? NULL : mfp_run_look (run, &local);
  g_autoptr (GArray) held = guest ? mfp_guest_list_held (guest) : NULL;
  g_autoptr (GHashTable) present = NULL;

  if (held && !mfp_host_function_shares_group (host, held))
    return TRUE;
  present = guest ? mfp_monitor_list_devices (run->ops, &local) : NULL;
  if (!present)
    return mfp_run_or_ended (run, run->ended, local, error);
  for (guint i = 0; i < host->group->len; i++)
    {
      const MfpPciAddress *member = &g_array_index (host->group, MfpPciAddress, i);
      const MfpGuestDevice *device = mfp_guest_find_holder (guest, member);

      if (device && device->alias && g_hash_table_contains (present, device->alias))
        {
          g_autofree char *address = mfp_pci_address_format (member);

          g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                       "%s of the same IOMMU group is still in the guest", address);
          return FALSE;
        }
    }
  return TRUE;
}

/**
 * Return:
 * @function: what is to go back to its host driver
 * @given_back: libvirt has been asked to, without an error
 */
typedef struct
{
  const MfpFunction *function;
  gboolean given_back;
} Return;

/* One that libvirt itself gives back may belong on VFIO, where it was before the domain
 * started. */
static gboolean
may_be_vfio (const MfpRun *run, const MfpFunction *function)
{
  return !function->take && !run->plan->host_only;
}

/* Whether @now is where it belongs: on a host driver, as a rule. Without a driver is
 * right only for a function that had none, or that no driver wanted when it was
 * offered. */
static gboolean
is_home (const MfpRun *run, const Return *task, const MfpHostFunction *now)
{
  if (now->driver)
    return may_be_vfio (run, task->function) || !mfp_driver_is_vfio (now->driver);
  return task->given_back && !task->function->driver;
}

/* The host may have more than one driver for a device, and its kernel chooses. */
static void
note_other_driver (const MfpRun *run, const MfpFunction *function, const MfpHostFunction *now)
{
  const MfpObserver *observer = run->options->observer;
  g_autofree char *host = mfp_function_describe (function);
  g_autofree char *text = NULL;

  if (!observer || !function->driver || !now->driver || mfp_driver_is_vfio (now->driver)
      || strcmp (function->driver, now->driver) == 0)
    return;
  text = g_strdup_printf ("%s is back on the host driver %s, and came from %s", host, now->driver,
                          function->driver);
  observer->note (observer->data, text);
}

/* A function that is not on the host any more has nothing to go back to. */
static gboolean
has_left_host (gboolean *done, GError **error)
{
  *done = mfp_error_is (*error, MFP_ERROR_NOT_FOUND);
  if (*done)
    g_clear_error (error);
  return *done;
}

/* @now: (out): what is to be brought home, unless @done */
static gboolean
look_for_it (MfpRun *run, const Return *task, MfpHostFunction **now, gboolean *done, GError **error)
{
  g_autoptr (MfpHostFunction) seen
      = run->ops->host_function (run->ops, &task->function->host, error);

  if (!seen)
    return has_left_host (done, error);
  *done = is_home (run, task, seen);
  if (*done)
    note_other_driver (run, task->function, seen);
  else
    *now = g_steal_pointer (&seen);
  return TRUE;
}

static gboolean
approach_home (MfpRun *run, gpointer data, gboolean *done, GError **error)
{
  Return *task = data;
  g_autoptr (MfpHostFunction) now = NULL, after = NULL;
  g_autoptr (GError) local = NULL;

  if (!look_for_it (run, task, &now, done, error))
    return FALSE;
  if (*done)
    return TRUE;
  if (!check_group_free (run, now, error))
    return FALSE;
  mfp_run_forget_seen (run); /* it may last */
  task->given_back = run->ops->give_back (run->ops, &task->function->host, &local);
  if (task->given_back)
    return look_for_it (run, task, &after, done, error);
  /* QEMU may hold the group for a moment yet. */
  if (!mfp_error_is (local, MFP_ERROR_NOT_FOUND))
    mfp_error_recode (&local, MFP_ERROR_BUSY);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* Notes which of @functions (nullable) (element-type MfpHostFunction) are where they
 * belong. */
static void
note_who_is_home (MfpRun *run, const GPtrArray *functions)
{
  for (guint i = 0; functions && i < functions->len; i++)
    {
      const MfpHostFunction *now = g_ptr_array_index (functions, i);
      const Return task = { mfp_card_find_host (run->plan->card, &now->address) };

      if (is_home (run, &task, now) && g_hash_table_add (run->home, (gpointer) task.function))
        note_other_driver (run, task.function, now);
    }
}

/* Those of the plan's functions that have to leave VFIO, or the others: (element-type
 * MfpPciAddress). */
static GArray *
list_returning (const MfpRun *run, gboolean off_vfio)
{
  GArray *returning = mfp_plan_returning (run->plan);

  for (guint i = returning->len; i-- > 0;)
    if (may_be_vfio (run, mfp_card_find_host (run->plan->card,
                                              &g_array_index (returning, MfpPciAddress, i)))
        == off_vfio)
      g_array_remove_index (returning, i);
  return returning;
}

/* What the domain holds; nothing if it ended. NULL: that is not known. */
static GArray *
list_held (MfpRun *run)
{
  const MfpGuest *guest = run->ended ? NULL : mfp_run_look (run, NULL);

  if (guest)
    return mfp_guest_list_held (guest);
  return run->ended ? g_array_new (FALSE, FALSE, sizeof (MfpPciAddress)) : NULL;
}

/* The first gives back all at once, as far as that goes without waiting. What does
 * not get home that way is seen to by a step of its own. */
static void
try_all (MfpRun *run)
{
  g_autoptr (GArray) ours = list_returning (run, TRUE), others = list_returning (run, FALSE);
  g_autoptr (GArray) held = list_held (run);
  g_autoptr (GPtrArray) brought = NULL, seen = NULL;

  run->tried_all = TRUE;
  if (held && ours->len > 0)
    brought = run->ops->bring_home (run->ops, ours, held);
  if (held && others->len > 0)
    seen = run->ops->host_functions (run->ops, others, NULL);
  mfp_run_forget_seen (run); /* it may have lasted */
  note_who_is_home (run, brought);
  note_who_is_home (run, seen);
}

gboolean
mfp_step_give_back (MfpRun *run, const MfpStep *step, GError **error)
{
  Return task = { .function = step->function };

  if (!run->tried_all)
    try_all (run);
  return g_hash_table_contains (run->home, step->function)
         || mfp_run_approach (run, approach_home, &task, MFP_ERROR_FAILED, error);
}
