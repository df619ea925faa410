/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run records in the domain. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
#include "base/text.h"
#include "libvirt/domains.h"
#include "run/poll.h"

#include <string.h>

static const MfpRecord *
find_record (const MfpGuest *guest, const char *id)
{
  for (guint i = 0; i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);

      if (strcmp (record->id, id) == 0)
        return record;
    }
  return NULL;
}

static gboolean
write_record (const MfpRun *run, const MfpRecord *record, GError **error)
{
  g_autofree char *uri = mfp_record_uri (record->id);
  g_autofree char *xml = mfp_record_format (record);

  return mfp_domain_set_metadata (run->libvirt, uri, xml, error);
}

gboolean
mfp_step_record (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED,
                 MfpPhase phase G_GNUC_UNUSED, GError **error)
{
  MfpRecord claim = *run->plan->record;

  claim.claiming = TRUE;
  return write_record (run, &claim, error);
}

/* ---- claims ---- */

/*
 * Two runs may want one function, or functions of one IOMMU group, in one domain or in two. Each
 * run writes its record as a claim, and then reads all running domains. So the run that writes
 * later sees the record of the other. A run gives up if the other record is not a claim, or is a
 * claim with a smaller id. If it is a claim with a larger id, the run waits until the other run
 * removes its record or writes it again without the claim. In the second case the other run has
 * won, because it read the domains before this run wrote, and this run gives up. A run that finds
 * no such record writes its own again without the claim. So exactly one of the runs goes on.
 */

/* Whether @record names @host. */
static gboolean
record_names (gconstpointer record, const MfpPciAddress *host)
{
  return mfp_record_find (record, host) != NULL;
}

static gboolean
guest_has (gconstpointer guest, const MfpPciAddress *host)
{
  return mfp_guest_find_holder (guest, host) != NULL;
}

/* The first of our functions, or with @groups of the members of their IOMMU groups, for which
 * @matches is true of @data; NULL: none. */
static const MfpPciAddress *
find_conflict (const MfpCard *card, gboolean groups,
               gboolean (*matches) (gconstpointer data, const MfpPciAddress *host),
               gconstpointer data)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (matches (data, &function->host))
        return &function->host;
      for (guint j = 0; groups && function->group && j < function->group->len; j++)
        {
          const MfpPciAddress *member = &g_array_index (function->group, MfpPciAddress, j);

          if (matches (data, member))
            return member;
        }
    }
  return NULL;
}

/* Fails when @record of @guest makes our run give up, or wait (MFP_ERROR_BUSY). One domain may
 * have the functions of one group in several slots. */
static gboolean
check_record (const MfpRun *run, const MfpRecord *record, const MfpGuest *guest, GError **error)
{
  const char *our_id = run->plan->record->id;
  gboolean is_other = g_strcmp0 (guest->id, run->domain_id) != 0;
  const MfpPciAddress *shared
      = strcmp (our_id, record->id) == 0
            ? NULL
            : find_conflict (run->plan->card, is_other, record_names, record);
  gboolean wait = record->claiming && strcmp (our_id, record->id) < 0;
  g_autofree char *host = NULL, *name = NULL;

  if (!shared)
    return TRUE;
  host = mfp_pci_address_format (shared);
  name = mfp_shell_word (guest->name);
  g_set_error (error, MFP_ERROR, wait ? MFP_ERROR_BUSY : MFP_ERROR_REFUSED,
               "another virt-mfplug is attaching host function %s to domain '%s'; if none is "
               "running, it was interrupted: virt-mfplug recover %s",
               host, guest->name, name);
  return FALSE;
}

static gboolean
check_records (const MfpRun *run, const MfpGuest *guest, GError **error)
{
  for (guint i = 0; i < guest->records->len; i++)
    if (!check_record (run, g_ptr_array_index (guest->records, i), guest, error))
      return FALSE;
  return TRUE;
}

/* Fails when @guest, another domain, has one of the functions, or of their IOMMU groups. */
static gboolean
check_devices (const MfpRun *run, const MfpGuest *guest, GError **error)
{
  const MfpPciAddress *held = find_conflict (run->plan->card, TRUE, guest_has, guest);
  g_autofree char *host = held ? mfp_pci_address_format (held) : NULL;

  if (!held)
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "host function %s has meanwhile been attached to domain '%s'; detach it there first",
               host, guest->name);
  return FALSE;
}

/* Fails when somebody has removed or changed our claim. */
static gboolean
check_own_claim (const MfpRun *run, const MfpGuest *own, GError **error)
{
  const MfpRecord *record = find_record (own, run->plan->record->id);

  if (record && record->claiming)
    return TRUE;
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED,
                       "another virt-mfplug, such as recover, has removed the record of this run");
  return FALSE;
}

/* *@done: no other run and no other domain has one of the functions. */
static gboolean
check_claim (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED,
             gboolean *done, GError **error)
{
  g_autoptr (MfpGuest) own = mfp_run_read_guest (run, error);
  g_autoptr (GPtrArray) others = NULL;

  if (!own || !check_own_claim (run, own, error) || !check_records (run, own, error))
    return FALSE;
  others = mfp_domains_read_others (run->libvirt, error);
  for (guint i = 0; others && i < others->len; i++)
    {
      const MfpGuest *guest = g_ptr_array_index (others, i);

      if (!check_devices (run, guest, error) || !check_records (run, guest, error))
        return FALSE;
    }
  *done = others != NULL;
  return *done;
}

gboolean
mfp_step_claim (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED, MfpPhase phase,
                GError **error)
{
  const MfpPoll poll = { .check = check_claim, .late = MFP_ERROR_REFUSED };

  return mfp_poll (run, phase, &poll, error) && write_record (run, run->plan->record, error);
}

/* Whether another run has removed the record that the attach wrote, or has recorded the
 * same detach. What that run wrote or removed stays as it is. */
static gboolean
is_left_to_other (const MfpPlan *plan, const MfpGuest *guest)
{
  const MfpRecord *record = find_record (guest, plan->record->id);

  return record ? record->detaching != NULL : plan->card->record_id != NULL;
}

gboolean
mfp_step_detaching (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED,
                    MfpPhase phase G_GNUC_UNUSED, GError **error)
{
  GError *local = NULL;
  g_autoptr (MfpGuest) guest = mfp_run_read_guest (run, &local);
  gboolean done = guest
                  && (is_left_to_other (run->plan, guest)
                      || write_record (run, run->plan->record, &local));

  return mfp_run_done_or_ended (done, local, error);
}

gboolean
mfp_record_undoing (const MfpRun *run, GError **error)
{
  g_autoptr (MfpRecord) record = NULL;

  /* A new instance of the domain has no record. */
  if (run->plan->record->detaching || g_strcmp0 (run->domain_id, run->plan->domain_id) != 0)
    return TRUE;
  record = mfp_card_to_detaching_record (run->plan->card);
  g_free (record->id);
  record->id = g_strdup (run->plan->record->id);
  return write_record (run, record, error);
}

/* Whether the record says that this very run detaches the card. */
static gboolean
records_our_detach (const MfpPlan *plan, const MfpGuest *guest)
{
  const MfpRecord *record = find_record (guest, plan->record->id);

  return record && g_strcmp0 (record->detaching, plan->record->detaching) == 0;
}

/* Removes the record that the run wrote. */
static gboolean
remove_record (const MfpRun *run, GError **error)
{
  g_autofree char *uri = mfp_record_uri (run->plan->record->id);

  return mfp_domain_set_metadata (run->libvirt, uri, NULL, error);
}

static gboolean
check_restored (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED,
                gboolean *done, GError **error)
{
  g_autoptr (MfpGuest) guest = mfp_run_read_guest (run, error);
  g_autoptr (MfpRecord) record = NULL;

  if (!guest)
    return FALSE;
  if (!records_our_detach (run->plan, guest))
    *done = TRUE;
  else if (!run->plan->card->record_id)
    *done = remove_record (run, error);
  else
    {
      record = mfp_card_to_record (run->plan->card);
      *done = write_record (run, record, error);
    }
  return *done;
}

/* Back to the record of the attach, or to none where the card was attached without. */
gboolean
mfp_step_not_detaching (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED, MfpPhase phase,
                        GError **error)
{
  GError *local = NULL;
  gboolean done = mfp_poll (
      run, phase, &(MfpPoll){ .check = check_restored, .late = MFP_ERROR_FAILED }, &local);

  return mfp_run_done_or_ended (done, local, error);
}

/* Whether libvirt shows the running domain without the record. While another job of the domain
 * is under way, a migration for example, libvirt shows the domain but changes no metadata. */
static gboolean
is_absent (const MfpRun *run)
{
  g_autoptr (MfpGuest) guest = mfp_domain_read (run->libvirt, MFP_LIVE, NULL);

  return guest && !find_record (guest, run->plan->record->id);
}

/* libvirt removes what is not there without an error. */
static gboolean
check_forgotten (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED,
                 gboolean *done, GError **error)
{
  GError *local = NULL;

  *done = remove_record (run, &local) || (!mfp_error_is (local, MFP_ERROR_HUNG) && is_absent (run));
  if (*done)
    g_clear_error (&local);
  else
    g_propagate_error (error, local);
  return *done;
}

gboolean
mfp_step_forget (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED, MfpPhase phase,
                 GError **error)
{
  const MfpPoll poll = { .check = check_forgotten, .late = MFP_ERROR_FAILED };
  GError *local = NULL;
  gboolean done = mfp_poll (run, phase, &poll, &local);

  return mfp_run_done_or_ended (done, local, error);
}
