/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Back to the host driver, verified. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
#include "libvirt/domains.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"
#include "run/poll.h"

#include <string.h>

#define TRIES 5 /* of each function */

/**
 * Return:
 * @function: which function is to be reattached
 * @reattached: whether libvirt has reattached it without an error
 * @closed: the numbers of the IOMMU groups that no guest can open any more, because a function
 *   of the group is on its host driver again
 */
typedef struct
{
  const MfpFunction *function;
  gboolean reattached;
  GHashTable *closed;
} Return;

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

/* Fails while the domain's QEMU has a function of the IOMMU group. */
static gboolean
check_own_domain (const MfpRun *run, const MfpHostFunction *host, GError **error)
{
  g_auto (Holders) own = { 0 };
  g_autoptr (GHashTable) ids = NULL;
  GError *local = NULL;

  if (!read_holders (run, &own, error))
    return FALSE;
  if (!own.guest || !mfp_host_function_shares_group (host, own.held))
    return TRUE;
  ids = mfp_qemu_list_devices (run->libvirt, &local);
  if (!ids)
    return mfp_run_done_or_ended (FALSE, local, error);
  for (guint i = 0; i < host->group->len; i++)
    {
      const MfpPciAddress *member = &g_array_index (host->group, MfpPciAddress, i);
      const MfpGuestDevice *device = mfp_guest_find_holder (own.guest, member);
      g_autofree char *address = mfp_pci_address_format (member);

      /* A device on QEMU's command line has no alias, and stays as long as QEMU runs. */
      if (!device || (device->alias && !g_hash_table_contains (ids, device->alias)))
        continue;
      g_set_error (error, MFP_ERROR, MFP_ERROR_BUSY,
                   "%s of the same IOMMU group is still in the guest", address);
      return FALSE;
    }
  return TRUE;
}

/* Fails if another domain has a function of the IOMMU group. That does not pass by itself. */
static gboolean
check_other_domains (const MfpRun *run, const MfpHostFunction *host, GError **error)
{
  g_autoptr (GPtrArray) guests = mfp_domains_read_others (run->libvirt, error);

  for (guint i = 0; guests && i < host->group->len; i++)
    {
      const MfpPciAddress *member = &g_array_index (host->group, MfpPciAddress, i);
      const MfpGuest *owner = mfp_guests_find_owner (guests, member);
      g_autofree char *address = mfp_pci_address_format (member);

      if (!owner)
        continue;
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "domain '%s' has %s of the same IOMMU group, so no function of the group can be "
                   "reattached; detach it there first",
                   owner->name, address);
      return FALSE;
    }
  return guests != NULL;
}

/* While any QEMU has a function of the IOMMU group, the kernel refuses to bind a host driver to
 * another one, and a kernel before 5.19 crashes. */
static gboolean
check_group_free (const MfpRun *run, const MfpHostFunction *host, const GHashTable *closed,
                  GError **error)
{
  return g_hash_table_contains ((GHashTable *) closed, GINT_TO_POINTER (host->iommu_group))
         || (check_own_domain (run, host, error) && check_other_domains (run, host, error));
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
is_returned (const MfpRun *run, const Return *task, const MfpHostFunction *now)
{
  if (now->driver)
    return may_stay_on_vfio (run, task->function) || !mfp_driver_is_vfio (now->driver);
  return !task->function->driver && task->reattached;
}

/* The host may have more than one driver for a device, and its kernel chooses. */
static void
note_other_driver (const MfpRun *run, const MfpFunction *function, const MfpHostFunction *now)
{
  gboolean had_none = function->take && !function->driver;
  g_autofree char *host = NULL, *text = NULL;

  if (!(function->driver || had_none) || !now->driver || mfp_driver_is_vfio (now->driver)
      || g_strcmp0 (function->driver, now->driver) == 0)
    return;
  host = mfp_function_describe (function);
  text = had_none ? g_strdup_printf ("%s came without a host driver, and is now on %s", host,
                                     now->driver)
                  : g_strdup_printf ("%s came from the host driver %s, and is now on %s", host,
                                     function->driver, now->driver);
  mfp_run_note (run, text);
}

static void
note_vanished (const MfpRun *run, const MfpFunction *function)
{
  g_autofree char *host = mfp_function_describe (function);
  g_autofree char *text
      = g_strdup_printf ("the host does not have %s any more, so it was not reattached", host);

  mfp_run_note (run, text);
}

/* From then on no guest can open the IOMMU group of @now, which is on its host driver. */
static void
close_group (const Return *task, const MfpHostFunction *now)
{
  if (!mfp_host_function_allows_group (now) && now->iommu_group != MFP_NO_IOMMU_GROUP)
    g_hash_table_add (task->closed, GINT_TO_POINTER (now->iommu_group));
}

/* Reads the function, which is @node. *@done: it is where it belongs, or not on the host any
 * more. Otherwise *@now is the function. */
static gboolean
look_at (const MfpRun *run, const Return *task, MfpNodeDevice *node, MfpHostFunction **now,
         gboolean *done, GError **error)
{
  GError *local = NULL;
  g_autoptr (MfpHostFunction) host = mfp_node_device_read (run->libvirt, node, &local);

  if (mfp_error_is (local, MFP_ERROR_NOT_FOUND))
    {
      note_vanished (run, task->function);
      g_clear_error (&local);
      *done = TRUE;
    }
  else if (host && is_returned (run, task, host))
    {
      note_other_driver (run, task->function, host);
      close_group (task, host);
      *done = TRUE;
    }
  else
    *now = g_steal_pointer (&host);
  if (local)
    g_propagate_error (error, local);
  return *done || *now;
}

/* QEMU may hold the group for a moment after the last function has left, so a failure may
 * pass. */
static gboolean
reattach (const MfpRun *run, Return *task, MfpNodeDevice *node, GError **error)
{
  GError *local = NULL;

  task->reattached = mfp_node_device_reattach (run->libvirt, node, &local);
  if (mfp_error_is (local, MFP_ERROR_FAILED))
    mfp_error_recode (&local, MFP_ERROR_BUSY);
  if (local)
    g_propagate_error (error, local);
  return task->reattached;
}

/* libvirt reattached the function, and it is not where it belongs. */
static void
explain_driver (const MfpFunction *function, const MfpHostFunction *now, GError **error)
{
  g_autofree char *host = mfp_function_describe (function);

  if (now->driver)
    g_set_error (error, MFP_ERROR, MFP_ERROR_BUSY,
                 "libvirt reattached it, and the kernel bound it to %s again; the cause may be the "
                 "option ids= of the module %s, or /sys/bus/pci/devices/%s/driver_override",
                 now->driver, now->driver, host);
  else
    g_set_error (error, MFP_ERROR, MFP_ERROR_BUSY,
                 "libvirt reattached it, and no driver has taken it; to try one: modprobe %s",
                 function->driver);
}

/* Brings the function nearer to its host driver. Its driver is read directly before the call. */
static gboolean
check_returned (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data, gboolean *done,
                GError **error)
{
  Return *task = data;
  g_autoptr (MfpNodeDevice) node = mfp_node_device_new (&task->function->host);
  g_autoptr (MfpHostFunction) now = NULL, after = NULL;

  if (!look_at (run, task, node, &now, done, error))
    return FALSE;
  if (*done)
    return TRUE;
  if (!check_group_free (run, now, task->closed, error) || !reattach (run, task, node, error)
      || !look_at (run, task, node, &after, done, error))
    return FALSE;
  if (!*done)
    explain_driver (task->function, after, error);
  return *done;
}

/* ---- all of a step ---- */

/* The functions that @step is about. */
static GPtrArray *
list_functions (const MfpPlan *plan, const MfpStep *step)
{
  GPtrArray *functions = g_ptr_array_new ();

  for (guint i = 0; i < plan->card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (plan->card->functions, i);

      if (step->function ? function == step->function : mfp_plan_returns (plan, function))
        g_ptr_array_add (functions, function);
    }
  return functions;
}

/* Tries one function. Adds the failure to *@failures. */
static void
return_function (const MfpRun *run, MfpPhase phase, const MfpFunction *function,
                 GHashTable *closed, GError **failures)
{
  Return task = { .function = function, .closed = closed };
  const MfpPoll poll
      = { .check = check_returned, .data = &task, .tries = TRIES, .late = MFP_ERROR_FAILED };
  g_autofree char *host = mfp_function_describe (function);
  GError *local = NULL;

  if (mfp_poll (run, phase, &poll, &local))
    return;
  g_prefix_error (&local, "%s: ", host);
  mfp_error_collect (failures, local);
}

gboolean
mfp_step_reattach (const MfpRun *run, const MfpStep *step, MfpPhase phase, GError **error)
{
  g_autoptr (GPtrArray) functions = list_functions (run->plan, step);
  g_autoptr (GHashTable) closed = g_hash_table_new (NULL, NULL);
  GError *failures = NULL;

  for (guint i = 0; i < functions->len && !mfp_error_is (failures, MFP_ERROR_HUNG); i++)
    return_function (run, phase, g_ptr_array_index (functions, i), closed, &failures);
  if (failures)
    g_propagate_error (error, failures);
  return !failures;
}
