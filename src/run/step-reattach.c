/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Back to the host driver, verified. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"
#include "run/poll.h"

#include <string.h>

/**
 * Return:
 * @left: (element-type MfpFunction): those that are not yet where they belong
 * @reattached: (element-type MfpFunction): those that libvirt has reattached without an
 *   error
 */
typedef struct
{
  GPtrArray *left;
  GHashTable *reattached;
} Return;

static void
return_clear (Return *task)
{
  g_clear_pointer (&task->left, g_ptr_array_unref);
  g_clear_pointer (&task->reattached, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Return, return_clear)

/* ---- whether the IOMMU group is free ---- */

/**
 * Holders:
 * @held: (element-type MfpPciAddress): the host functions that the domain has
 * @guest: (nullable): the domain, which may have ended and started again; NULL: it does not
 *   run, or none is involved
 */
typedef struct
{
  GArray *held;
  MfpGuest *guest;
} Holders;

static void
holders_clear (Holders *holders)
{
  g_clear_pointer (&holders->held, g_array_unref);
  g_clear_pointer (&holders->guest, mfp_guest_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Holders, holders_clear)

static gboolean
read_holders (const MfpRun *run, Holders *holders, GError **error)
{
  GError *local = NULL;

  if (run->plan->domain_id)
    holders->guest = mfp_domain_read (run->libvirt, MFP_LIVE, &local);
  if (holders->guest && !holders->guest->id)
    g_clear_pointer (&holders->guest, mfp_guest_free);
  holders->held = holders->guest ? mfp_guest_list_held (holders->guest)
                                 : g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  return mfp_run_done_or_ended (!local, local, error);
}

/* Fails while QEMU has a function of the IOMMU group: the kernel refuses to bind a driver to
 * another one then, and a kernel before 5.19 crashes. */
static gboolean
check_group_free (const MfpRun *run, const MfpHostFunction *host, const Holders *holders,
                  GError **error)
{
  g_autoptr (GHashTable) ids = NULL;
  GError *local = NULL;

  if (!holders->guest || !mfp_host_function_shares_group (host, holders->held))
    return TRUE;
  ids = mfp_qemu_list_devices (run->libvirt, &local);
  if (!ids)
    return mfp_run_done_or_ended (FALSE, local, error);
  for (guint i = 0; i < host->group->len; i++)
    {
      const MfpPciAddress *member = &g_array_index (host->group, MfpPciAddress, i);
      const MfpGuestDevice *device = mfp_guest_find_holder (holders->guest, member);
      g_autofree char *address = mfp_pci_address_format (member);

      if (!device || !device->alias || !g_hash_table_contains (ids, device->alias))
        continue;
      g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                   "%s of the same IOMMU group is still in the guest", address);
      return FALSE;
    }
  return TRUE;
}

/* ---- one function ---- */

/* A function that libvirt itself reattaches may belong on VFIO, if it was there before the
 * domain started. */
static gboolean
may_stay_on_vfio (const MfpRun *run, const MfpFunction *function)
{
  return run->plan->domain_id && !function->take;
}

/* Whether @now is where it belongs: on a host driver, as a rule. No driver is right only
 * for a function that had none before and got none when it was reattached. */
static gboolean
is_returned (const MfpRun *run, const Return *task, const MfpFunction *function,
             const MfpHostFunction *now)
{
  if (now->driver)
    return may_stay_on_vfio (run, function) || !mfp_driver_is_vfio (now->driver);
  return !function->driver && g_hash_table_contains (task->reattached, function);
}

/* The host may have more than one driver for a device, and its kernel chooses. */
static void
note_other_driver (const MfpRun *run, const MfpFunction *function, const MfpHostFunction *now)
{
  g_autofree char *host = NULL, *text = NULL;

  if (!function->driver || !now->driver || mfp_driver_is_vfio (now->driver)
      || strcmp (function->driver, now->driver) == 0)
    return;
  host = mfp_function_describe (function);
  text = g_strdup_printf ("%s came from the host driver %s, and is now on %s", host,
                          function->driver, now->driver);
  mfp_run_note (run, text);
}

/* Reads @function, which is @node. *@done: it is where it belongs, or not on the host any
 * more. Otherwise *@now is the function. */
static gboolean
look_at (const MfpRun *run, const Return *task, const MfpFunction *function,
         MfpNodeDevice *node, MfpHostFunction **now, gboolean *done, GError **error)
{
  GError *local = NULL;
  g_autoptr (MfpHostFunction) host = mfp_node_device_read (run->libvirt, node, &local);

  *done = host ? is_returned (run, task, function, host)
               : mfp_error_is (local, MFP_ERROR_NOT_FOUND);
  if (*done && host)
    note_other_driver (run, function, host);
  if (*done)
    g_clear_error (&local);
  else
    *now = g_steal_pointer (&host);
  if (local)
    g_propagate_error (error, local);
  return *done || *now;
}

/* QEMU may hold the group for a moment after the last function has left, so a failure may
 * pass. */
static gboolean
reattach (const MfpRun *run, Return *task, const MfpFunction *function, MfpNodeDevice *node,
          GError **error)
{
  GError *local = NULL;

  if (mfp_node_device_reattach (run->libvirt, node, &local))
    {
      g_hash_table_add (task->reattached, (gpointer) function);
      return TRUE;
    }
  if (mfp_error_is (local, MFP_ERROR_FAILED))
    mfp_error_recode (&local, MFP_ERROR_BUSY);
  g_propagate_error (error, local);
  return FALSE;
}

/* Brings one function nearer to its host driver. *@done: it is there. */
static gboolean
return_function (const MfpRun *run, Return *task, const MfpFunction *function,
                 const Holders *holders, gboolean *done, GError **error)
{
  g_autoptr (MfpNodeDevice) node = mfp_node_device_new (&function->host);
  g_autoptr (MfpHostFunction) now = NULL, after = NULL;

  if (!look_at (run, task, function, node, &now, done, error))
    return FALSE;
  if (*done)
    return TRUE;
  return check_group_free (run, now, holders, error) && reattach (run, task, function, node, error)
         && look_at (run, task, function, node, &after, done, error);
}

/* ---- all that are left ---- */

/* Keeps the first error; a later one replaces it only if the kept one is
 * MFP_ERROR_BUSY. */
static void
keep_error (GError **kept, GError *failure)
{
  gboolean replaces = failure && (!*kept || mfp_error_is (*kept, MFP_ERROR_BUSY));

  if (!replaces)
    {
      g_clear_error (&failure);
      return;
    }
  g_clear_error (kept);
  *kept = failure;
}

/* Tries each function that is left, whatever becomes of the others. */
static gboolean
check_returned (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data, gboolean *done,
                GError **error)
{
  Return *task = data;
  g_auto (Holders) holders = { 0 };
  GError *kept = NULL;

  if (!read_holders (run, &holders, error))
    return FALSE;
  for (guint i = task->left->len; i-- > 0;)
    {
      const MfpFunction *function = g_ptr_array_index (task->left, i);
      g_autofree char *host = mfp_function_describe (function);
      GError *local = NULL;
      gboolean returned = FALSE;

      if (!return_function (run, task, function, &holders, &returned, &local))
        g_prefix_error (&local, "%s: ", host);
      if (returned)
        g_ptr_array_remove_index (task->left, i);
      keep_error (&kept, local);
    }
  *done = task->left->len == 0;
  if (kept)
    g_propagate_error (error, kept);
  return *done;
}

/* The functions that @step is about, the last first. */
static GPtrArray *
list_functions (const MfpPlan *plan, const MfpStep *step)
{
  GPtrArray *functions = g_ptr_array_new ();

  for (guint i = plan->card->functions->len; i-- > 0;)
    {
      MfpFunction *function = g_ptr_array_index (plan->card->functions, i);

      if (step->function ? function == step->function : mfp_plan_returns (plan, function))
        g_ptr_array_add (functions, function);
    }
  return functions;
}

gboolean
mfp_step_reattach (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error)
{
  g_auto (Return) task = {
    .left = list_functions (run->plan, step),
    .reattached = g_hash_table_new (NULL, NULL),
  };
  const MfpPoll poll
      = { .check = check_returned, .data = &task, .late = MFP_ERROR_FAILED };

  return task.left->len == 0 || mfp_poll (run, phase, &poll, error);
}
