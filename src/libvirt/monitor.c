/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/monitor.h"

gboolean
mfp_monitor_tell (MfpOps *ops, const char *command, GError **error)
{
  g_autofree char *answer = ops->qmp (ops, command, error);

  return answer && mfp_qmp_check (answer, error);
}

GHashTable *
mfp_monitor_list_devices (MfpOps *ops, GError **error)
{
  g_autofree char *command = mfp_qmp_list_devices ();
  g_autofree char *answer = ops->qmp (ops, command, error);

  return answer ? mfp_qmp_parse_devices (answer, error) : NULL;
}

GPtrArray *
mfp_monitor_query_pci (MfpOps *ops, GError **error)
{
  g_autofree char *command = mfp_qmp_query_pci ();
  g_autofree char *answer = ops->qmp (ops, command, error);

  return answer ? mfp_qmp_parse_pci (answer, error) : NULL;
}

guint
mfp_monitor_query_version (MfpOps *ops, GError **error)
{
  g_autofree char *command = mfp_qmp_query_version ();
  g_autofree char *answer = ops->qmp (ops, command, error);

  return answer ? mfp_qmp_parse_version (answer, error) : 0;
}
