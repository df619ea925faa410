/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"

static void
test_exit_status (void)
{
  static const struct
  {
    MfpError code;
    int status;
  } rows[] = {
    { MFP_ERROR_FAILED, 1 },        { MFP_ERROR_USAGE, 2 },
    { MFP_ERROR_REFUSED, 3 },       { MFP_ERROR_PENDING, 4 },
    { MFP_ERROR_LEFT, 5 },          { MFP_ERROR_NOT_FOUND, 1 },
    { MFP_ERROR_ALIAS_TAKEN, 1 },   { MFP_ERROR_BUSY, 1 },
    { MFP_ERROR_GUEST_REFUSED, 1 }, { MFP_ERROR_DOMAIN_GONE, 1 },
    { MFP_ERROR_DISCONNECTED, 1 },  { MFP_ERROR_INTERRUPTED, 1 },
    { MFP_ERROR_HUNG, 3 },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (GError) error = g_error_new_literal (MFP_ERROR, (int) rows[i].code, "x");

      g_assert_cmpint (mfp_error_exit_status (error), ==, rows[i].status);
    }
}

static void
test_exit_status_success (void)
{
  g_assert_cmpint (mfp_error_exit_status (NULL), ==, 0);
}

static void
test_exit_status_foreign (void)
{
  g_autoptr (GError) error
      = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_NOENT /* 4 */, "no such file");

  g_assert_cmpint (mfp_error_exit_status (error), ==, 1);
}

static void
test_recode (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_NOENT, "no file");

  mfp_error_recode (&error, MFP_ERROR_REFUSED);
  g_assert_error (error, MFP_ERROR, MFP_ERROR_REFUSED);
  g_assert_cmpstr (error->message, ==, "no file");
}

static void
test_recode_nothing (void)
{
  GError *error = NULL;

  mfp_error_recode (NULL, MFP_ERROR_REFUSED);
  mfp_error_recode (&error, MFP_ERROR_REFUSED);
  g_assert_null (error);
}

static void
test_append (void)
{
  g_autoptr (GError) error = g_error_new_literal (MFP_ERROR, MFP_ERROR_LEFT, "first");

  mfp_error_append (&error, "then %s %d", "100%s", 2);
  mfp_error_append (&error, "last");
  g_assert_error (error, MFP_ERROR, MFP_ERROR_LEFT);
  g_assert_cmpstr (error->message, ==, "first\nthen 100%s 2\nlast");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/error/exit-status/depends-on-the-code", test_exit_status);
  g_test_add_func ("/error/exit-status/is-0-for-success", test_exit_status_success);
  g_test_add_func ("/error/exit-status/is-1-for-an-error-of-another-domain",
                   test_exit_status_foreign);
  g_test_add_func ("/error/recode/keeps-the-message", test_recode);
  g_test_add_func ("/error/recode/does-nothing-without-an-error", test_recode_nothing);
  g_test_add_func ("/error/append/adds-lines-and-keeps-the-code", test_append);
  return g_test_run ();
}
