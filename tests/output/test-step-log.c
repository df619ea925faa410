/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "output/step-log.h"

static void
test_steps (void)
{
  g_autoptr (MfpStepLog) step_log = mfp_step_log_new ();
  g_autoptr (MfpCard) card = test_card ("0000:01:00.1=0");
  g_autoptr (GError) failure = g_error_new_literal (MFP_ERROR, MFP_ERROR_FAILED, "no luck");
  const MfpStep record = { .kind = MFP_STEP_RECORD };
  const MfpStep reattach = { .kind = MFP_STEP_REATTACH, .function = test_function (card, 0) };
  const MfpLoggedStep *first, *second;

  mfp_step_log_begin_step (step_log, &record, FALSE, 1000);
  first = mfp_step_log_last (step_log);
  g_assert_true (mfp_step_log_end_step (step_log, NULL, 1500) == first);
  mfp_step_log_begin_step (step_log, &reattach, TRUE, 2000);
  second = mfp_step_log_last (step_log);
  g_assert_true (second != first);
  g_assert_true (mfp_step_log_end_step (step_log, failure, 5000) == second);
  g_assert_true (mfp_step_log_last (step_log) == second); /* although it has ended */

  g_assert_cmpuint (step_log->steps->len, ==, 2);
  g_assert_cmpint (first->kind, ==, MFP_STEP_RECORD);
  g_assert_null (first->function);
  g_assert_false (first->undo);
  g_assert_cmpint (first->began, ==, 1000);
  g_assert_cmpint (first->duration, ==, 500);
  g_assert_null (first->error);
  g_assert_cmpint (second->kind, ==, MFP_STEP_REATTACH);
  g_assert_cmpstr (second->function, ==, "0000:01:00.1");
  g_assert_true (second->undo);
  g_assert_cmpint (second->duration, ==, 3000);
  g_assert_cmpstr (second->error, ==, "no luck");
}

static void
test_drivers (void)
{
  g_autoptr (MfpStepLog) step_log = mfp_step_log_new ();
  MfpPciAddress one = test_address ("0000:01:00.0"), two = test_address ("0000:01:00.1");
  MfpLoggedDriver *driver;

  g_assert_null (mfp_step_log_find_driver (step_log, &one));
  driver = mfp_step_log_driver (step_log, &one);
  g_assert_true (mfp_pci_address_equal (&driver->host, &one));
  g_assert_null (driver->before);
  g_assert_null (driver->after);
  g_assert_true (mfp_step_log_driver (step_log, &one) == driver);
  g_assert_true (mfp_step_log_find_driver (step_log, &one) == driver);
  g_assert_true (mfp_step_log_driver (step_log, &two) != driver);
  g_assert_cmpuint (step_log->drivers->len, ==, 2);
}

static void
test_warnings (void)
{
  g_autoptr (MfpStepLog) step_log = mfp_step_log_new ();

  mfp_step_log_warn (step_log, "first");
  mfp_step_log_warn (step_log, "second");
  g_assert_cmpuint (step_log->warnings->len, ==, 2);
  g_assert_cmpstr (g_ptr_array_index (step_log->warnings, 0), ==, "first");
  g_assert_cmpstr (g_ptr_array_index (step_log->warnings, 1), ==, "second");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/step-log/steps/have-their-times-and-errors", test_steps);
  g_test_add_func ("/step-log/drivers/have-one-entry-for-each-function", test_drivers);
  g_test_add_func ("/step-log/warnings/keep-their-order", test_warnings);
  return g_test_run ();
}
