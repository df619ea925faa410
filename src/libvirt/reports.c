/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/reports.h"

MfpReports *
mfp_reports_new (void)
{
  MfpReports *reports = g_atomic_rc_box_new0 (MfpReports);

  reports->removed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  reports->rejected = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return reports;
}

static void
reports_clear (gpointer data)
{
  MfpReports *reports = data;

  g_hash_table_unref (reports->removed);
  g_hash_table_unref (reports->rejected);
}

MfpReports *
mfp_reports_ref (MfpReports *reports)
{
  return g_atomic_rc_box_acquire (reports);
}

void
mfp_reports_unref (MfpReports *reports)
{
  g_atomic_rc_box_release_full (reports, reports_clear);
}
