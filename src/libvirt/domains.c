/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/domains.h"

#include "base/error.h"
#include "libvirt/connection-private.h"

static void
free_domain (gpointer domain)
{
  if (domain)
    virDomainFree (domain);
}

static gboolean
list_running (MfpJob *job)
{
  g_autofree virDomainPtr *domains = NULL;
  int count = MFP_CALL (job, virConnectListAllDomains, job->connection, &domains,
                        VIR_CONNECT_LIST_DOMAINS_ACTIVE);

  job->list = g_ptr_array_new_with_free_func (free_domain);
  for (int i = 0; i < count; i++)
    g_ptr_array_add (job->list, domains[i]);
  return count >= 0 || mfp_job_fail (job);
}

/* Adds @domain (transfer full), which was found on @connection, unless it has ended meanwhile:
 * then its XML is the persistent one, without an id, if it has any. */
static gboolean
add_guest (MfpLibvirt *libvirt, GPtrArray *guests, virConnectPtr connection, virDomainPtr domain,
           GError **error)
{
  g_autoptr (MfpJob) job = mfp_job_new (mfp_job_get_domain_xml, virDomainGetName (domain));
  g_autoptr (MfpGuest) guest = NULL;
  GError *local = NULL;

  job->domain = domain;
  job->only_on = connection;
  job->about_running = TRUE;
  if (mfp_libvirt_call (libvirt, job, &local))
    guest = mfp_guest_parse (job->answer, &local);
  if (guest && guest->id)
    g_ptr_array_add (guests, g_steal_pointer (&guest));
  if (!local || mfp_error_is (local, MFP_ERROR_DOMAIN_GONE))
    {
      g_clear_error (&local);
      return TRUE;
    }
  g_propagate_error (error, local);
  return FALSE;
}

static GPtrArray *
read_others (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (GPtrArray) guests = g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_guest_free);
  g_autoptr (MfpJob) job = mfp_job_new (list_running, NULL);

  if (!mfp_libvirt_call (libvirt, job, error))
    return NULL;
  for (guint i = 0; i < job->list->len; i++)
    {
      virDomainPtr domain = g_ptr_array_index (job->list, i);

      if (g_strcmp0 (virDomainGetName (domain), libvirt->name) == 0)
        continue;
      job->list->pdata[i] = NULL;
      if (!add_guest (libvirt, guests, job->connection, domain, error))
        return NULL;
    }
  return g_steal_pointer (&guests);
}

GPtrArray *
mfp_domains_read_others (MfpLibvirt *libvirt, GError **error)
{
  GPtrArray *guests = read_others (libvirt, error);

  if (guests)
    return guests;
  g_prefix_error (error, "cannot find out which functions other domains have: ");
  return NULL;
}
