/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run records in the domain. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
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
 * Two runs may want one function, in one domain or in two. Each writes its record as a claim,
 * and then looks at all running domains. So the later of the two sees the record of the earlier.
 * A run that sees a claim with a smaller id, or a record that is no claim any more, stands back.
 * A run that sees a claim with a larger id waits until that run stands back, or until its record
 * is no claim any more: then it had looked earlier. A run whose claim stands writes its record
 * again, as no claim. So exactly one of the runs goes on.
 */

/* The function of @ours that @other names, too; NULL: none. */
static const MfpRecordFunction *
find_shared (const MfpRecord *ours, const MfpRecord *other)
{
  for (guint i = 0; i < ours->functions->len; i++)
    {
      const MfpRecordFunction *function = g_ptr_array_index (ours->functions, i);

      if (mfp_record_find (other, &function->host))
        return function;
    }
  return NULL;
}

/* Fails when @other, which the domain @name has, makes our run stand back or wait
 * (MFP_ERROR_BUSY). */
static gboolean
check_record (const MfpRecord *ours, const MfpRecord *other, const char *name, GError **error)
{
  const MfpRecordFunction *shared
      = strcmp (ours->id, other->id) == 0 ? NULL : find_shared (ours, other);
  gboolean wait = other->claiming && strcmp (ours->id, other->id) < 0;
  g_autofree char *host = NULL;

  if (!shared)
    return TRUE;
  host = mfp_pci_address_format (&shared->host);
  g_set_error (error, MFP_ERROR, wait ? MFP_ERROR_BUSY : MFP_ERROR_REFUSED,
               "another virt-mfplug is attaching host function %s to domain '%s', or was "
               "interrupted: virt-mfplug recover %s",
               host, name, name);
  return FALSE;
}

/* Fails when @guest, another domain, has one of the functions. */
static gboolean
check_devices (const MfpRecord *ours, const MfpGuest *guest, GError **error)
{
  for (guint i = 0; i < ours->functions->len; i++)
    {
      const MfpRecordFunction *function = g_ptr_array_index (ours->functions, i);
      g_autofree char *host = mfp_pci_address_format (&function->host);

      if (!mfp_guest_find_holder (guest, &function->host))
        continue;
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "host function %s is attached to domain '%s' by now; detach it there first",
                   host, guest->name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_records (const MfpRecord *ours, const MfpGuest *guest, GError **error)
{
  for (guint i = 0; i < guest->records->len; i++)
    if (!check_record (ours, g_ptr_array_index (guest->records, i), guest->name, error))
      return FALSE;
  return TRUE;
}

/* *@done: no other run and no other domain has one of the functions. */
static gboolean
check_claim (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED,
             gboolean *done, GError **error)
{
  const MfpRecord *ours = run->plan->record;
  g_autoptr (MfpGuest) own = mfp_run_read_guest (run, error);
  g_autoptr (GPtrArray) others = NULL;

  if (!own || !check_records (ours, own, error))
    return FALSE;
  others = mfp_domains_read_others (run->libvirt, error);
  for (guint i = 0; others && i < others->len; i++)
    {
      const MfpGuest *guest = g_ptr_array_index (others, i);

      if (!check_devices (ours, guest, error) || !check_records (ours, guest, error))
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

/* Removes what is not there without an error, if another run detached the card, too. */
static gboolean
check_forgotten (const MfpRun *run, MfpPhase phase G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED,
                 gboolean *done, GError **error)
{
  *done = remove_record (run, error);
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
