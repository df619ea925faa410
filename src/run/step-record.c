/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run records in the domain. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"
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
  return write_record (run, run->plan->record, error);
}

/* Fails when @other, the record of another run, names one of our host functions. */
static gboolean
check_other (const MfpRecord *ours, const MfpRecord *other, GError **error)
{
  for (guint i = 0; i < ours->functions->len; i++)
    {
      const MfpRecordFunction *function = g_ptr_array_index (ours->functions, i);
      g_autofree char *host = mfp_pci_address_format (&function->host);

      if (!mfp_record_find (other, &function->host))
        continue;
      g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED,
                   "another virt-mfplug is attaching host function %s to this domain", host);
      return FALSE;
    }
  return TRUE;
}

gboolean
mfp_step_claim (const MfpRun *run, const MfpStep *step G_GNUC_UNUSED,
                MfpPhase phase G_GNUC_UNUSED, GError **error)
{
  const MfpRecord *ours = run->plan->record;
  g_autoptr (MfpGuest) guest = mfp_run_read_guest (run, error);

  for (guint i = 0; guest && i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);

      if (strcmp (record->id, ours->id) != 0 && !check_other (ours, record, error))
        return FALSE;
    }
  return guest != NULL;
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

  if (run->plan->record->detaching)
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
