/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/qemu.h"

#include "libvirt/connection-private.h"

#include <libvirt/libvirt-qemu.h>

static gboolean
ask (MfpJob *job)
{
  return MFP_CALL (job, virDomainQemuMonitorCommand, job->domain, job->command, &job->answer, 0)
             == 0
         || mfp_job_fail (job);
}

/* A job whose answer is QEMU's, or NULL. */
static MfpJob *
ask_qemu (MfpLibvirt *libvirt, const char *command, GError **error)
{
  g_autofree char *name = mfp_qmp_command_name (command);
  g_autoptr (MfpJob) job = mfp_job_new (ask, name);

  job->command = g_strdup (command);
  job->about_running = TRUE;
  return mfp_libvirt_call_domain (libvirt, job, error) ? g_steal_pointer (&job) : NULL;
}

gboolean
mfp_qemu_tell (MfpLibvirt *libvirt, const char *command, GError **error)
{
  g_autoptr (MfpJob) job = ask_qemu (libvirt, command, error);

  return job && mfp_qmp_check (job->answer, error);
}

GHashTable *
mfp_qemu_list_devices (MfpLibvirt *libvirt, GError **error)
{
  g_autofree char *command = mfp_qmp_list_devices ();
  g_autoptr (MfpJob) job = ask_qemu (libvirt, command, error);

  return job ? mfp_qmp_parse_devices (job->answer, error) : NULL;
}

GPtrArray *
mfp_qemu_query_pci (MfpLibvirt *libvirt, GError **error)
{
  g_autofree char *command = mfp_qmp_query_pci ();
  g_autoptr (MfpJob) job = ask_qemu (libvirt, command, error);

  return job ? mfp_qmp_parse_pci (job->answer, error) : NULL;
}

guint
mfp_qemu_query_version (MfpLibvirt *libvirt, GError **error)
{
  g_autofree char *command = mfp_qmp_query_version ();
  g_autoptr (MfpJob) job = ask_qemu (libvirt, command, error);

  return job ? mfp_qmp_parse_version (job->answer, error) : 0;
}
