/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "execute.h"

#include "error.h"
#include "hostdev-xml.h"
#include "qmp.h"
#include "text.h"

#include <string.h>

#define TICK (500 * G_TIME_SPAN_MILLISECOND) /* events can be lost: look this often */
#define EVENT_GRACE (3 * G_TIME_SPAN_SECOND) /* for libvirt to act on QEMU's event */
#define FAILURES_MAX 3

/**
 * Run:
 * @started: the id of the running domain when the run began; NULL: not known
 * @seen: (nullable): the live domain as last read; unset by whatever changes it
 * @was_in_qemu: (element-type utf8): aliases whose removal QEMU reports
 * @ended: the domain ended meanwhile, so nothing of it needs undoing
 * @undoing: a signal no longer stops the run
 */
typedef struct
{
  const MfpPlan *plan;
  MfpOps *ops;
  const MfpExecuteOptions *options;
  char *started;
  MfpGuest *seen;
  GHashTable *was_in_qemu;
  gboolean ended;
  gboolean undoing;
} Run;

static gboolean
is_error (const GError *error, MfpError code)
{
  return g_error_matches (error, MFP_ERROR, (int) code);
}

/* ---- looking ---- */

static void
forget_seen (Run *run)
{
  g_clear_pointer (&run->seen, mfp_guest_free);
}

/* The running domain; it must be the one the run began with. */
static const MfpGuest *
look (Run *run, GError **error)
{
  g_autofree char *xml = NULL;

  if (run->seen)
    return run->seen;
  xml = run->ops->domain_xml (run->ops, MFP_LIVE, error);
  if (!xml)
    return NULL;
  run->seen = mfp_guest_parse (xml, error);
  if (!run->seen)
    return NULL;
  if (!run->started)
    run->started = g_strdup (run->seen->id);
  if (!run->seen->id || g_strcmp0 (run->seen->id, run->started) != 0)
    {
      forget_seen (run);
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_DOMAIN_GONE,
                           "the domain ended meanwhile");
      return NULL;
    }
  return run->seen;
}

static const MfpGuest *
look_again (Run *run, GError **error)
{
  forget_seen (run);
  return look (run, error);
}

/* The hostdev of @function that this tool, or this plan, knows by its alias:
 * a stranger's use of the host function is not it. */
static const MfpGuestDevice *
find_hostdev (const MfpGuest *guest, const MfpFunction *function)
{
  const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);

  return device && g_strcmp0 (device->alias, function->alias) == 0 ? device : NULL;
}

/* Passes a command to QEMU and checks its answer, which is dropped. */
static gboolean
tell_qemu (Run *run, const char *command, GError **error)
{
  g_autofree char *answer = run->ops->qmp (run->ops, command, error);

  return answer && mfp_qmp_check (answer, error);
}

/* The ids of the devices that QEMU has. */
static GHashTable *
list_devices (Run *run, GError **error)
{
  g_autofree char *command = mfp_qmp_list_devices ();
  g_autofree char *answer = run->ops->qmp (run->ops, command, error);

  return answer ? mfp_qmp_parse_devices (answer, error) : NULL;
}

static GPtrArray *
query_pci (Run *run, GError **error)
{
  g_autofree char *command = mfp_qmp_query_pci ();
  g_autofree char *answer = run->ops->qmp (run->ops, command, error);

  return answer ? mfp_qmp_parse_pci (answer, error) : NULL;
}

/* ---- waiting ---- */

/* Waits for an event or a tick. An interruption stops a run that does, not
 * one that undoes. */
static gboolean
wait_tick (Run *run, gint64 until, GError **error)
{
  g_autoptr (GError) local = NULL;
  gint64 tick = MIN (until, run->ops->now (run->ops) + TICK);

  if (run->ops->wait (run->ops, tick, &local)
      || (run->undoing && is_error (local, MFP_ERROR_INTERRUPTED)))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/**
 * Patience:
 * @failures: how many plain failures there were
 * @last: (nullable): the last error that was lived with
 */
typedef struct
{
  guint failures;
  GError *last;
} Patience;

static void
patience_clear (Patience *patience)
{
  g_clear_error (&patience->last);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Patience, patience_clear)

/* Whether a loop that looks at the state can go on after *@error, which it
 * then takes: what passes by itself for as long as it takes, a plain failure
 * FAILURES_MAX times. */
static gboolean
can_go_on (Patience *patience, GError **error)
{
  gboolean passing = is_error (*error, MFP_ERROR_BUSY) || is_error (*error, MFP_ERROR_DISCONNECTED);

  if (!passing && !(is_error (*error, MFP_ERROR_FAILED) && ++patience->failures <= FAILURES_MAX))
    return FALSE;
  g_clear_error (&patience->last);
  patience->last = g_steal_pointer (error);
  return TRUE;
}

/* Looks at the state and nudges it. Sets @done when the goal is reached. */
typedef gboolean (*Approach) (Run *run, gpointer data, gboolean *done, GError **error);

/* Calls @approach until it is done. When time is up, fails with @late, the
 * last error that was lived with in its message. */
static gboolean
approach_until (Run *run, Approach approach, gpointer data, MfpError late, GError **error)
{
  gint64 until = run->ops->now (run->ops) + run->options->timeout;
  g_auto (Patience) patience = { 0 };

  do
    {
      GError *local = NULL;
      gboolean done = FALSE;

      approach (run, data, &done, &local);
      if (done)
        return TRUE;
      if (!local || can_go_on (&patience, &local))
        wait_tick (run, until, &local);
      if (local && !can_go_on (&patience, &local))
        {
          g_propagate_error (error, local);
          return FALSE;
        }
    }
  while (run->ops->now (run->ops) < until);

  g_set_error (error, MFP_ERROR, (int) late, "no end after %" G_GINT64_FORMAT " s%s%s",
               run->options->timeout / G_TIME_SPAN_SECOND, patience.last ? ": " : "",
               patience.last ? patience.last->message : "");
  return FALSE;
}

/* ---- doing ---- */

/* The outcome of something that the end of the domain makes needless: that
 * takes away @failure (transfer full). */
static gboolean
or_ended (Run *run, gboolean done, GError *failure, GError **error)
{
  if (done)
    return TRUE;
  run->ended = run->ended || is_error (failure, MFP_ERROR_DOMAIN_GONE);
  if (!run->ended)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  g_clear_error (&failure);
  return TRUE;
}

static gboolean
approach_forgotten (Run *run, gpointer uri, gboolean *done, GError **error)
{
  *done = run->ops->set_metadata (run->ops, uri, NULL, error);
  return *done;
}

static gboolean
do_forget (Run *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  g_autofree char *uri = mfp_record_uri (run->plan->record->id);
  GError *local = NULL;
  gboolean done
      = run->ended || approach_until (run, approach_forgotten, uri, MFP_ERROR_FAILED, &local);

  return or_ended (run, done, local, error);
}

static gboolean
write_record (Run *run, const MfpRecord *record, GError **error)
{
  g_autofree char *uri = mfp_record_uri (record->id);
  g_autofree char *xml = mfp_record_format (record);

  forget_seen (run);
  return run->ops->set_metadata (run->ops, uri, xml, error);
}

static gboolean
do_leaving (Run *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  GError *local = NULL;
  gboolean done = write_record (run, run->plan->record, &local);

  return or_ended (run, done, local, error);
}

/* Back to the record of the attach, or to none where there was none. */
static gboolean
do_staying (Run *run, const MfpStep *step, GError **error)
{
  g_autoptr (MfpRecord) record = NULL;

  if (run->ended || !run->plan->card->record_id)
    return do_forget (run, step, error);
  record = mfp_card_to_record (run->plan->card, FALSE);
  return write_record (run, record, error);
}

static gboolean
do_record (Run *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  return write_record (run, run->plan->record, error);
}

/* Fails when a record other than ours names one of our host functions. */
static gboolean
do_claim (Run *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  const MfpRecord *ours = run->plan->record;
  const MfpGuest *guest = look_again (run, error);

  if (!guest)
    return FALSE;
  for (guint i = 0; i < guest->records->len; i++)
    {
      const MfpRecord *other = g_ptr_array_index (guest->records, i);

      for (guint j = 0; strcmp (other->id, ours->id) != 0 && j < ours->functions->len; j++)
        {
          const MfpRecordFunction *function = g_ptr_array_index (ours->functions, j);
          g_autofree char *host = mfp_pci_address_format (&function->host);

          if (!mfp_record_find (other, &function->host))
            continue;
          g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                       "another attach to this domain has host function %s in hand", host);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
do_take (Run *run, const MfpStep *step, GError **error)
{
  return run->ops->take (run->ops, &step->function->host, error);
}

/* Attaches @function live. That its alias is taken means a lost race only for
 * the one that locks the slot. */
static gboolean
attach_live (Run *run, const MfpFunction *function, MfpHostdevForm form, GError **error)
{
  g_autofree char *xml = mfp_hostdev_format (run->plan->card, function, form);
  g_autoptr (GError) local = NULL;

  forget_seen (run);
  if (run->ops->attach (run->ops, MFP_LIVE, xml, &local))
    return TRUE;
  if (is_error (local, MFP_ERROR_ALIAS_TAKEN) && function != mfp_card_lock (run->plan->card))
    mfp_error_recode (&local, MFP_ERROR_FAILED);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static gboolean
do_hold (Run *run, const MfpStep *step, GError **error)
{
  return attach_live (run, step->function, MFP_HOSTDEV_HOLD, error);
}

static gboolean
do_queue (Run *run, const MfpStep *step, GError **error)
{
  const MfpFunction *function = step->function;
  const MfpGuest *guest = look (run, error);
  g_autofree char *command = NULL;

  if (!guest)
    return FALSE;
  /* libvirt drops an alias that it does not like in silence, and its events
   * then miss the device. */
  if (!find_hostdev (guest, function))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                   "libvirt does not list it under the alias '%s'", function->alias);
      return FALSE;
    }
  command = mfp_qmp_device_add (function, run->plan->bus, run->plan->card->slot.slot);
  return tell_qemu (run, command, error);
}

static gboolean
is_plugged (Run *run, const MfpFunction *function)
{
  const MfpGuest *guest = look_again (run, NULL);
  g_autoptr (GHashTable) devices = guest ? list_devices (run, NULL) : NULL;

  return devices && find_hostdev (guest, function)
         && g_hash_table_contains (devices, function->alias);
}

static gboolean
do_plug (Run *run, const MfpStep *step, GError **error)
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
 * not enumerated yet is absent from query-pci; there @devices has to do. */
static gboolean
verify_function (Run *run, const MfpFunction *function, const GPtrArray *pci,
                 GHashTable *devices, GError **error)
{
  const MfpQemuDevice *device = mfp_qmp_find_device (pci, function->alias);
  const MfpCard *card = run->plan->card;
  g_autofree char *host = mfp_function_describe (function);

  if (!device && g_hash_table_contains (devices, function->alias))
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

static gboolean
do_verify (Run *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  const MfpCard *card = run->plan->card;
  const MfpGuest *guest = look_again (run, error);
  g_autoptr (GPtrArray) pci = guest ? query_pci (run, error) : NULL;
  g_autoptr (GHashTable) devices = pci ? list_devices (run, error) : NULL;

  if (!devices)
    return FALSE;
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (!find_hostdev (guest, function))
        {
          g_autofree char *host = mfp_function_describe (function);

          g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                       "libvirt does not list %s any more: somebody detached it", host);
          return FALSE;
        }
      if (mfp_function_is_exposed (function)
          && !verify_function (run, function, pci, devices, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
approach_enumerated (Run *run, gpointer data G_GNUC_UNUSED, gboolean *done, GError **error)
{
  const MfpCard *card = run->plan->card;
  const MfpGuest *guest = look_again (run, error);
  g_autoptr (GPtrArray) pci = guest ? query_pci (run, error) : NULL;

  if (!pci)
    return FALSE;
  *done = TRUE;
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpQemuDevice *device = mfp_qmp_find_device (pci, function->alias);

      if (mfp_function_is_exposed (function) && !(device && device->enumerated))
        *done = FALSE;
    }
  return TRUE;
}

static gboolean
do_enumerate (Run *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (approach_until (run, approach_enumerated, NULL, MFP_ERROR_PENDING, &local))
    return TRUE;
  /* Only the wait was interrupted: the card is in. */
  if (is_error (local, MFP_ERROR_INTERRUPTED))
    mfp_error_recode (&local, MFP_ERROR_PENDING);
  g_propagate_error (error, g_steal_pointer (&local));
  g_prefix_error (error, "the card is plugged, and the guest has not assigned addresses to all "
                         "of its functions: ");
  return FALSE;
}

/* Whether the persistent XML has the function of @step, or, where it is about
 * none, the port. */
static gboolean
config_has (Run *run, const MfpStep *step, gboolean *has, GError **error)
{
  g_autofree char *xml = run->ops->domain_xml (run->ops, MFP_CONFIG, error);
  g_autoptr (MfpGuest) guest = xml ? mfp_guest_parse (xml, error) : NULL;

  if (!guest)
    return FALSE;
  *has = step->function ? mfp_guest_find_host (guest, &step->function->host) != NULL
                        : mfp_guest_bus (guest, run->plan->card->port) != NULL;
  return TRUE;
}

static gboolean
change_config (Run *run, const MfpStep *step, gboolean attach, GError **error)
{
  return attach ? run->ops->attach (run->ops, MFP_CONFIG, step->xml, error)
                : run->ops->detach (run->ops, MFP_CONFIG, step->xml, error);
}

/**
 * ConfigGoal:
 * @attach: whether the persistent XML is to have what @step names
 */
typedef struct
{
  const MfpStep *step;
  gboolean attach;
} ConfigGoal;

static gboolean
approach_config (Run *run, gpointer data, gboolean *done, GError **error)
{
  const ConfigGoal *goal = data;
  gboolean has;

  if (!config_has (run, goal->step, &has, error))
    return FALSE;
  *done = has == goal->attach || change_config (run, goal->step, goal->attach, error);
  return *done;
}

/* An inverse looks first, since the step may not have taken place. */
static gboolean
do_config (Run *run, const MfpStep *step, gboolean attach, GError **error)
{
  ConfigGoal goal = { .step = step, .attach = attach };

  return run->undoing ? approach_until (run, approach_config, &goal, MFP_ERROR_FAILED, error)
                      : change_config (run, step, attach, error);
}

static gboolean
do_config_attach (Run *run, const MfpStep *step, GError **error)
{
  return do_config (run, step, TRUE, error);
}

static gboolean
do_config_detach (Run *run, const MfpStep *step, GError **error)
{
  return do_config (run, step, FALSE, error);
}

/* ---- undoing: each looks first ---- */

/* A function 0 that is not ours, in our slot: it made QEMU show our queue to
 * the guest, and asking any of them to leave would eject it too. */
static gboolean
check_stranger (Run *run, const MfpGuest *guest, GError **error)
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

/* Asks that @function leave the guest, and with function 0 the whole slot. */
static gboolean
request_removal (Run *run, const MfpGuest *guest, const MfpFunction *function, GError **error)
{
  g_autofree char *command = mfp_qmp_device_del (function->alias);
  g_autoptr (GError) local = NULL;

  if (function->guest_function == 0 && !slot_is_native (guest, &run->plan->card->slot))
    return run->ops->detach_alias (run->ops, function->alias, error);
  if (tell_qemu (run, command, &local) || is_error (local, MFP_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* The card's functions that QEMU still has: (element-type MfpFunction). */
static GPtrArray *
still_in_qemu (Run *run, GError **error)
{
  const MfpCard *card = run->plan->card;
  g_autoptr (GHashTable) devices = list_devices (run, error);
  g_autoptr (GPtrArray) functions = g_ptr_array_new ();

  if (!devices)
    return NULL;
  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (function->alias && g_hash_table_contains (devices, function->alias))
        {
          g_ptr_array_add (functions, function);
          g_hash_table_add (run->was_in_qemu, g_strdup (function->alias));
        }
    }
  return g_steal_pointer (&functions);
}

/* The functions to ask away: function 0, which takes the others along, or, in
 * a queue without one, each. */
static gboolean
request_each (Run *run, const GPtrArray *present, GError **error)
{
  const MfpGuest *guest = look_again (run, error);
  gboolean has_zero = FALSE;

  if (!guest || !check_stranger (run, guest, error))
    return FALSE;
  for (guint i = 0; i < present->len; i++)
    has_zero = has_zero
               || ((const MfpFunction *) g_ptr_array_index (present, i))->guest_function == 0;
  for (guint i = 0; i < present->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (present, i);
      g_autoptr (GError) local = NULL;

      if ((has_zero && function->guest_function != 0)
          || request_removal (run, guest, function, &local))
        continue;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return TRUE;
}

/**
 * Removal:
 * @requested: QEMU has accepted the request; asking again could cancel it (a
 *   second press of a native port's attention button)
 * @possible: a removal may be under way without that: the answer to a request
 *   was lost, or says that one is
 */
typedef struct
{
  gboolean requested;
  gboolean possible;
} Removal;

/* Brings QEMU to have none of the card's functions. */
static gboolean
approach_removed (Run *run, gpointer data, gboolean *done, GError **error)
{
  Removal *removal = data;
  g_autoptr (GPtrArray) present = still_in_qemu (run, error);
  GError *local = NULL;

  if (!present)
    return FALSE;
  *done = present->len == 0;
  if (*done || removal->requested)
    return TRUE;
  removal->requested = request_each (run, present, &local);
  removal->possible = removal->requested || is_error (local, MFP_ERROR_BUSY)
                      || is_error (local, MFP_ERROR_DISCONNECTED) || removal->possible;
  if (local)
    g_propagate_error (error, local);
  return removal->requested;
}

/* A request cannot be taken back: once there may be one, whatever went wrong
 * leaves it standing, unless the guest rejected it. */
static void
explain_request (const Removal *removal, GError **error)
{
  if (is_error (*error, MFP_ERROR_GUEST_REFUSED) || is_error (*error, MFP_ERROR_DOMAIN_GONE)
      || is_error (*error, MFP_ERROR_LEFT))
    return;
  mfp_error_recode (error, removal->possible ? MFP_ERROR_PENDING : MFP_ERROR_FAILED);
  if (removal->possible)
    g_prefix_error (error, "the guest was asked to let the slot go; run the command again to go "
                           "on waiting: ");
}

static gboolean
do_eject (Run *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  Removal removal = { 0 };
  GError *local = NULL;
  MfpError late = run->undoing ? MFP_ERROR_FAILED : MFP_ERROR_PENDING;
  gboolean done = run->ended || approach_until (run, approach_removed, &removal, late, &local);

  forget_seen (run);
  if (local)
    explain_request (&removal, &local);
  return or_ended (run, done, local, error);
}

/**
 * Drop:
 * @function: what libvirt is to forget
 * @since: when the wait for libvirt's own action began
 */
typedef struct
{
  const MfpFunction *function;
  gint64 since;
} Drop;

static gboolean
approach_dropped (Run *run, gpointer data, gboolean *done, GError **error)
{
  const Drop *drop = data;
  const MfpFunction *function = drop->function;
  const MfpGuest *guest = look_again (run, error);
  const MfpGuestDevice *device = guest ? find_hostdev (guest, function) : NULL;
  g_autoptr (GHashTable) devices = NULL;
  g_autofree char *xml = NULL;
  gboolean has_address;

  *done = guest && !device;
  if (!device)
    return guest != NULL;
  if (g_hash_table_contains (run->was_in_qemu, function->alias)
      && run->ops->now (run->ops) < drop->since + EVENT_GRACE)
    return TRUE;

  /* libvirt takes away the access of a function that it believes unassigned
   * without asking QEMU, which may still use it. */
  devices = list_devices (run, error);
  if (!devices)
    return FALSE;
  if (g_hash_table_contains (devices, function->alias))
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_FAILED, "QEMU still has it");
      return FALSE;
    }
  has_address = device->has_address;
  forget_seen (run); /* and @device with it */
  if (has_address)
    return run->ops->detach_alias (run->ops, function->alias, error);
  xml = mfp_hostdev_format (run->plan->card, function, MFP_HOSTDEV_HOLD);
  return run->ops->detach (run->ops, MFP_LIVE, xml, error);
}

static gboolean
do_drop (Run *run, const MfpStep *step, GError **error)
{
  Drop drop = { .function = step->function, .since = run->ops->now (run->ops) };
  GError *local = NULL;
  gboolean done
      = run->ended || approach_until (run, approach_dropped, &drop, MFP_ERROR_FAILED, &local);

  return or_ended (run, done, local, error);
}

static gboolean
do_unplug (Run *run, const MfpStep *step, GError **error)
{
  return do_eject (run, step, error) && do_drop (run, step, error);
}

/* Fails while QEMU has a function of the IOMMU group: a rebind of another one
 * fails then, or on old kernels brings the host down. */
static gboolean
check_group_free (Run *run, const MfpHostFunction *host, GError **error)
{
  GError *local = NULL;
  const MfpGuest *guest = run->ended ? NULL : look (run, &local);
  g_autoptr (GHashTable) devices = guest ? list_devices (run, &local) : NULL;

  if (!devices)
    return or_ended (run, run->ended, local, error);
  for (guint i = 0; i < host->group->len; i++)
    {
      const MfpPciAddress *member = &g_array_index (host->group, MfpPciAddress, i);
      const MfpGuestDevice *device = mfp_guest_find_host (guest, member);

      if (device && device->alias && g_hash_table_contains (devices, device->alias))
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

/* Whether @now is where it belongs: on the driver it came from, or, where that
 * is not known, on any that is not VFIO; none is right only for a function
 * which no driver wanted when it was offered. */
static gboolean
is_home (const Return *task, const MfpHostFunction *now)
{
  if (task->function->driver)
    return g_strcmp0 (now->driver, task->function->driver) == 0;
  return !mfp_driver_is_vfio (now->driver) && (now->driver || task->given_back);
}

static gboolean
approach_home (Run *run, gpointer data, gboolean *done, GError **error)
{
  Return *task = data;
  const MfpPciAddress *address = &task->function->host;
  g_autoptr (MfpHostFunction) now = run->ops->host_function (run->ops, address, error);
  g_autoptr (GError) local = NULL;

  if (!now)
    return FALSE;
  *done = is_home (task, now);
  if (*done)
    return TRUE;
  if (!check_group_free (run, now, error))
    return FALSE;
  task->given_back = run->ops->give_back (run->ops, address, &local);
  if (task->given_back)
    return TRUE;
  /* QEMU may hold the group for a moment yet. */
  if (!is_error (local, MFP_ERROR_NOT_FOUND))
    mfp_error_recode (&local, MFP_ERROR_BUSY);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static gboolean
do_give_back (Run *run, const MfpStep *step, GError **error)
{
  Return task = { .function = step->function };

  return approach_until (run, approach_home, &task, MFP_ERROR_FAILED, error);
}

/* ---- running ---- */

static gboolean
run_step (Run *run, const MfpStep *step, MfpStepKind kind, gboolean back, GError **error)
{
  static gboolean (*const run_kind[MFP_STEP_KINDS]) (Run *, const MfpStep *, GError **) = {
    [MFP_STEP_CONFIG_PORT] = do_config_attach,
    [MFP_STEP_CONFIG_ATTACH] = do_config_attach,
    [MFP_STEP_RECORD] = do_record,
    [MFP_STEP_CLAIM] = do_claim,
    [MFP_STEP_TAKE] = do_take,
    [MFP_STEP_HOLD] = do_hold,
    [MFP_STEP_QUEUE] = do_queue,
    [MFP_STEP_PLUG] = do_plug,
    [MFP_STEP_LEAVING] = do_leaving,
    [MFP_STEP_VERIFY] = do_verify,
    [MFP_STEP_ENUMERATE] = do_enumerate,
    [MFP_STEP_UNPLUG] = do_unplug,
    [MFP_STEP_EJECT] = do_eject,
    [MFP_STEP_DROP] = do_drop,
    [MFP_STEP_GIVE_BACK] = do_give_back,
    [MFP_STEP_FORGET] = do_forget,
    [MFP_STEP_STAYING] = do_staying,
    [MFP_STEP_CONFIG_DETACH] = do_config_detach,
    [MFP_STEP_CONFIG_UNPORT] = do_config_detach,
  };
  MfpStep described = { .kind = kind, .function = step->function };
  g_autofree char *text = mfp_step_describe (&described);

  if (run->options->progress)
    run->options->progress (run->options->data, text, back);
  if (run_kind[kind](run, step, error))
    return TRUE;
  g_prefix_error (error, "cannot %s: ", text);
  return FALSE;
}

/* Adds @from to @all, a line each. */
static void
collect (GError **all, GError *from)
{
  if (!*all)
    {
      *all = from;
      return;
    }
  mfp_error_append (all, "%s", from->message);
  g_error_free (from);
}

/* The record stays for as long as anything is left of what it names. */
static gboolean
step_applies (MfpStepKind kind, const GError *failed)
{
  return kind != MFP_STEP_NOTHING && !(kind == MFP_STEP_FORGET && failed);
}

/* Undoes the steps before @end, last first. */
static gboolean
undo (Run *run, guint end, GError **error)
{
  g_autoptr (GError) failed = NULL;

  run->undoing = TRUE;
  for (guint i = end; i-- > 0;)
    {
      const MfpStep *step = g_ptr_array_index (run->plan->steps, i);
      MfpStepKind kind = mfp_step_inverse (step->kind);
      GError *local = NULL;

      if (step_applies (kind, failed) && !run_step (run, step, kind, TRUE, &local))
        collect (&failed, local);
    }
  if (failed)
    g_propagate_error (error, g_steal_pointer (&failed));
  return *error == NULL;
}

/* What can be found out about the state after a failure; each may be NULL. */
typedef struct
{
  const MfpGuest *live;
  GHashTable *devices;
  MfpGuest *config;
} Traces;

static const char *
say (gboolean known, gboolean is, const char *yes, const char *no, const char *unknown)
{
  return !known ? unknown : is ? yes : no;
}

/* Where a function is now, in words: its driver, and who has it. */
static char *
describe_place (Run *run, const MfpFunction *function, const Traces *traces)
{
  g_autoptr (MfpHostFunction) now = run->ops->host_function (run->ops, &function->host, NULL);
  g_autofree char *host = mfp_function_describe (function);
  gboolean held = traces->live && find_hostdev (traces->live, function);
  gboolean in_qemu = traces->devices && function->alias
                     && g_hash_table_contains (traces->devices, function->alias);
  gboolean in_config = traces->config && mfp_guest_find_host (traces->config, &function->host);

  return g_strdup_printf (
      "  %s: driver %s%s%s%s", host, !now ? "unknown" : now->driver ? now->driver : "none",
      say (traces->live != NULL, held, ", held by the domain", ", not held by the domain",
           ", libvirt does not say whether the domain holds it"),
      say (traces->devices != NULL, in_qemu, ", in QEMU", ", not in QEMU",
           ", QEMU does not say whether it has it"),
      say (traces->config != NULL, in_config, ", in the persistent XML",
           ", not in the persistent XML", ""));
}

static gboolean
touches_config (const MfpPlan *plan)
{
  const MfpStep *first = g_ptr_array_index (plan->steps, 0);

  return first->kind == MFP_STEP_CONFIG_PORT || first->kind == MFP_STEP_CONFIG_ATTACH
         || first->kind == MFP_STEP_CONFIG_DETACH;
}

/* Completes an error after which things are neither as before nor as wanted. */
static void
tell_what_is_left (Run *run, GError **error)
{
  const MfpGuest *live = run->ended ? NULL : look_again (run, NULL);
  g_autoptr (GHashTable) devices = live ? list_devices (run, NULL) : NULL;
  g_autofree char *xml = touches_config (run->plan)
                             ? run->ops->domain_xml (run->ops, MFP_CONFIG, NULL)
                             : NULL;
  g_autoptr (MfpGuest) config = xml ? mfp_guest_parse (xml, NULL) : NULL;
  const Traces traces = { .live = live, .devices = devices, .config = config };
  const MfpCard *card = run->plan->card;

  mfp_error_append (error, "What is left:");
  for (guint i = 0; i < card->functions->len; i++)
    {
      g_autofree char *place = describe_place (run, g_ptr_array_index (card->functions, i), &traces);

      mfp_error_append (error, "%s", place);
    }
  if (run->options->domain)
    {
      g_autofree char *name = mfp_shell_word (run->options->domain);

      mfp_error_append (error, "To mend it: virt-mfplug recover %s", name);
    }
  mfp_error_recode (error, MFP_ERROR_LEFT);
}

/* After the strict step @index failed with *@error. */
static void
fall_back (Run *run, guint index, GError **error)
{
  /* Whether it took place is not known, and its inverse looks first. */
  gboolean unknown = is_error (*error, MFP_ERROR_DISCONNECTED);
  guint end = index + (unknown ? 1 : 0);
  g_autoptr (GError) failed = NULL;

  if (is_error (*error, MFP_ERROR_PENDING) || end == 0)
    return;
  if (undo (run, end, &failed))
    {
      mfp_error_append (error, "Everything was undone.");
      return;
    }
  mfp_error_append (error, "Undoing that failed: %s", failed->message);
  tell_what_is_left (run, error);
}

static gboolean
run_strict (Run *run, GError **error)
{
  for (guint i = 0; i < run->plan->strict; i++)
    {
      const MfpStep *step = g_ptr_array_index (run->plan->steps, i);
      g_autoptr (GError) local = NULL;

      if (run->ops->check_interrupt (run->ops, &local)
          && run_step (run, step, step->kind, FALSE, &local))
        continue;
      fall_back (run, i, &local);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return TRUE;
}

static gboolean
run_rest (Run *run, GError **error)
{
  g_autoptr (GError) failed = NULL;

  run->undoing = TRUE; /* there is no way back from here */
  for (guint i = run->plan->strict; i < run->plan->steps->len; i++)
    {
      const MfpStep *step = g_ptr_array_index (run->plan->steps, i);
      GError *local = NULL;

      if (step_applies (step->kind, failed) && !run_step (run, step, step->kind, FALSE, &local))
        collect (&failed, local);
    }
  if (!failed)
    return TRUE;
  tell_what_is_left (run, &failed);
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

gboolean
mfp_execute (const MfpPlan *plan, MfpOps *ops, const MfpExecuteOptions *options, GError **error)
{
  g_autoptr (GHashTable) was_in_qemu = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Run run = { .plan = plan, .ops = ops, .options = options, .was_in_qemu = was_in_qemu,
              .ended = plan->host_only };
  gboolean done = run_strict (&run, error) && run_rest (&run, error);

  forget_seen (&run);
  g_free (run.started);
  return done;
}
