/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "output/step-log.h"

static void
logged_step_free (gpointer data)
{
  MfpLoggedStep *step = data;

  g_free (step->function);
  g_free (step->error);
  g_free (step);
}

static void
driver_free (gpointer data)
{
  MfpLoggedDriver *driver = data;

  g_free (driver->before);
  g_free (driver->after);
  g_free (driver);
}

MfpStepLog *
mfp_step_log_new (void)
{
  MfpStepLog *step_log = g_new0 (MfpStepLog, 1);

  step_log->steps = g_ptr_array_new_with_free_func (logged_step_free);
  step_log->warnings = g_ptr_array_new_with_free_func (g_free);
  step_log->drivers = g_ptr_array_new_with_free_func (driver_free);
  return step_log;
}

void
mfp_step_log_free (MfpStepLog *step_log)
{
  if (!step_log)
    return;
  g_ptr_array_unref (step_log->steps);
  g_ptr_array_unref (step_log->warnings);
  g_ptr_array_unref (step_log->drivers);
  g_free (step_log);
}

void
mfp_step_log_begin_step (MfpStepLog *step_log, const MfpStep *step, gboolean undo, gint64 now)
{
  MfpLoggedStep *entry = g_new0 (MfpLoggedStep, 1);

  entry->kind = step->kind;
  entry->function = step->function ? mfp_function_describe (step->function) : NULL;
  entry->undo = undo;
  entry->began = now;
  g_ptr_array_add (step_log->steps, entry);
}

const MfpLoggedStep *
mfp_step_log_end_step (MfpStepLog *step_log, const GError *failure, gint64 now)
{
  MfpLoggedStep *entry = g_ptr_array_index (step_log->steps, step_log->steps->len - 1);

  entry->duration = now - entry->began;
  entry->error = failure ? g_strdup (failure->message) : NULL;
  return entry;
}

void
mfp_step_log_warn (MfpStepLog *step_log, const char *text)
{
  g_ptr_array_add (step_log->warnings, g_strdup (text));
}

MfpLoggedDriver *
mfp_step_log_find_driver (const MfpStepLog *step_log, const MfpPciAddress *host)
{
  for (guint i = 0; i < step_log->drivers->len; i++)
    {
      MfpLoggedDriver *driver = g_ptr_array_index (step_log->drivers, i);

      if (mfp_pci_address_equal (&driver->host, host))
        return driver;
    }
  return NULL;
}

MfpLoggedDriver *
mfp_step_log_driver (MfpStepLog *step_log, const MfpPciAddress *host)
{
  MfpLoggedDriver *driver = mfp_step_log_find_driver (step_log, host);

  if (driver)
    return driver;
  driver = g_new0 (MfpLoggedDriver, 1);
  driver->host = *host;
  g_ptr_array_add (step_log->drivers, driver);
  return driver;
}

const MfpLoggedStep *
mfp_step_log_last (const MfpStepLog *step_log)
{
  return g_ptr_array_index (step_log->steps, step_log->steps->len - 1);
}
