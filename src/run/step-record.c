/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The notes that a run leaves in the domain. */
#include "config.h"

#include "run/steps.h"

#include "base/error.h"

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

typedef const MfpGuest *(*Look) (MfpRun *run, GError **error);

/* Of two detaches of one card both do what is left to do; the one that finds
 * the record gone says, once, that it was not alone. That its request was accepted
 * does not tell: QEMU may accept a second one. */
static gboolean
is_overtaken (MfpRun *run, Look look)
{
  const char *id = run->plan->card->record_id;
  gboolean unsure = id && !run->ended && !run->overtaken;
  const MfpGuest *guest = unsure ? look (run, NULL) : NULL;

  if (!guest || find_record (guest, id))
    return run->overtaken;
  run->overtaken = TRUE;
  if (run->options->observer)
    run->options->observer->note (run->options->observer->data,
                                  "another run detached it at the same time");
  return TRUE;
}

static gboolean
approach_forgotten (MfpRun *run, gpointer uri, gboolean *done, GError **error)
{
  *done = run->ops->set_metadata (run->ops, uri, NULL, error);
  return *done;
}

/* Whether the record that the run is about is there no more. It is asked for by itself:
 * the whole XML is much longer. */
static gboolean
record_has_gone (MfpRun *run)
{
  const char *id = run->ended || run->overtaken ? NULL : run->plan->card->record_id;
  g_autofree char *uri = id ? mfp_record_uri (id) : NULL;
  g_autoptr (GError) local = NULL;
  g_autofree char *record = uri ? run->ops->metadata (run->ops, uri, &local) : NULL;

  return !record && mfp_error_is (local, MFP_ERROR_NOT_FOUND);
}

gboolean
mfp_step_forget (MfpRun *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  g_autofree char *uri = mfp_record_uri (run->plan->record->id);
  GError *local = NULL;
  gboolean done;

  done = run->overtaken || run->ended
         || (record_has_gone (run) && is_overtaken (run, mfp_run_look_again))
         || mfp_run_approach (run, approach_forgotten, uri, MFP_ERROR_FAILED, &local);
  return mfp_run_or_ended (run, done, local, error);
}

static gboolean
write_record (MfpRun *run, const MfpRecord *record, GError **error)
{
  g_autofree char *uri = mfp_record_uri (record->id);
  g_autofree char *xml = mfp_record_format (record);

  return run->ops->set_metadata (run->ops, uri, xml, error);
}

gboolean
mfp_note_leaving (MfpRun *run, GError **error)
{
  MfpRecord leaving;

  if (!run->plan->record || run->plan->record->leaving)
    return TRUE;
  leaving = *run->plan->record;
  leaving.leaving = TRUE;
  return write_record (run, &leaving, error);
}

/* Another run may have written the same down, and remove it any moment: it must not
 * come back then. */
static gboolean
is_noted (const MfpRun *run)
{
  const MfpRecord *record = run->seen.live ? find_record (run->seen.live, run->plan->record->id) : NULL;
  g_autofree char *theirs = record ? mfp_record_format (record) : NULL;
  g_autofree char *ours = mfp_record_format (run->plan->record);

  return g_strcmp0 (theirs, ours) == 0;
}

gboolean
mfp_step_leaving (MfpRun *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  GError *local = NULL;
  gboolean done = is_overtaken (run, mfp_run_look_at_both) || is_noted (run);

  if (!done)
    {
      run->noted = TRUE;
      done = write_record (run, run->plan->record, &local);
    }
  return mfp_run_or_ended (run, done, local, error);
}

/* Back to the record of the attach, or to none where there was none; what another
 * run wrote or removed stays as it is. */
gboolean
mfp_step_staying (MfpRun *run, const MfpStep *step, GError **error)
{
  g_autoptr (MfpRecord) record = NULL;

  if (!run->noted || is_overtaken (run, mfp_run_look_again))
    return TRUE;
  if (run->ended || !run->plan->card->record_id)
    return mfp_step_forget (run, step, error);
  record = mfp_card_to_record (run->plan->card, FALSE);
  return write_record (run, record, error);
}

gboolean
mfp_step_record (MfpRun *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  return write_record (run, run->plan->record, error);
}

/* Fails when a record other than ours names one of our host functions. */
gboolean
mfp_step_claim (MfpRun *run, const MfpStep *step G_GNUC_UNUSED, GError **error)
{
  const MfpRecord *ours = run->plan->record;
  const MfpGuest *guest = mfp_run_look_again (run, error);

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
