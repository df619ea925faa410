/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "output/step-log.h"

static void
step_free (gpointer data)
{
  MfpJournalStep *step = data;

  g_free (step->function);
  g_free (step->error);
  g_free (step);
}

static void
driver_free (gpointer data)
{
  MfpJournalDriver *driver = data;

  g_free (driver->before);
  g_free (driver->after);
  g_free (driver);
}

MfpJournal *
mfp_journal_new (void)
{
  MfpJournal *journal = g_new0 (MfpJournal, 1);

  journal->steps = g_ptr_array_new_with_free_func (step_free);
  journal->warnings = g_ptr_array_new_with_free_func (g_free);
  journal->drivers = g_ptr_array_new_with_free_func (driver_free);
  return journal;
}

void
mfp_journal_free (MfpJournal *journal)
{
  if (!journal)
    return;
  g_ptr_array_unref (journal->steps);
  g_ptr_array_unref (journal->warnings);
  g_ptr_array_unref (journal->drivers);
  g_free (journal);
}

void
mfp_journal_begin_step (MfpJournal *journal, const MfpStep *step, gboolean undo, gint64 now)
{
  MfpJournalStep *entry = g_new0 (MfpJournalStep, 1);

  entry->kind = step->kind;
  entry->function = step->function ? mfp_function_describe (step->function) : NULL;
  entry->undo = undo;
  entry->began = now;
  g_ptr_array_add (journal->steps, entry);
}

const MfpJournalStep *
mfp_journal_end_step (MfpJournal *journal, const GError *failure, gint64 now)
{
  MfpJournalStep *entry = g_ptr_array_index (journal->steps, journal->steps->len - 1);

  entry->duration = now - entry->began;
  entry->error = failure ? g_strdup (failure->message) : NULL;
  return entry;
}

void
mfp_journal_warn (MfpJournal *journal, const char *text)
{
  g_ptr_array_add (journal->warnings, g_strdup (text));
}

MfpJournalDriver *
mfp_journal_driver (MfpJournal *journal, const MfpPciAddress *host)
{
  MfpJournalDriver *driver;

  for (guint i = 0; i < journal->drivers->len; i++)
    {
      driver = g_ptr_array_index (journal->drivers, i);
      if (mfp_pci_address_equal (&driver->host, host))
        return driver;
    }
  driver = g_new0 (MfpJournalDriver, 1);
  driver->host = *host;
  g_ptr_array_add (journal->drivers, driver);
  return driver;
}
