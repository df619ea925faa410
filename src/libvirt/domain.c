/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/domain.h"

#include "base/error.h"
#include "libvirt/connection-private.h"

#include <string.h>

/* ---- choosing it ---- */

static gboolean
look_up (MfpJob *job)
{
  guint64 id;

  if (g_ascii_string_to_unsigned (job->text, 10, 0, G_MAXINT, &id, NULL))
    job->domain = MFP_CALL (job, virDomainLookupByID, job->connection, (int) id);
  if (!job->domain && g_uuid_string_is_valid (job->text))
    job->domain = MFP_CALL (job, virDomainLookupByUUIDString, job->connection, job->text);
  if (!job->domain)
    job->domain = MFP_CALL (job, virDomainLookupByName, job->connection, job->text);
  return job->domain || mfp_job_fail (job);
}

gboolean
mfp_domain_choose (MfpLibvirt *libvirt, const char *name, GError **error)
{
  g_autoptr (MfpJob) job = mfp_job_new (look_up, name);

  job->text = g_strdup (name);
  if (!mfp_libvirt_call (libvirt, job, error))
    {
      g_prefix_error (error, "no domain '%s': ", name);
      mfp_error_recode (error, MFP_ERROR_REFUSED);
      return FALSE;
    }
  libvirt->domain = g_steal_pointer (&job->domain);
  libvirt->name = g_strdup (virDomainGetName (libvirt->domain));
  virDomainGetUUIDString (libvirt->domain, libvirt->uuid);
  return TRUE;
}

const char *
mfp_domain_name (const MfpLibvirt *libvirt)
{
  return libvirt->name;
}

/* The flags of the job become the answer. */
static gboolean
ask_persistent (MfpJob *job)
{
  int answer = MFP_CALL (job, virDomainIsPersistent, job->domain);

  job->flags = answer == 1;
  return answer >= 0 || mfp_job_fail (job);
}

gboolean
mfp_domain_is_persistent (MfpLibvirt *libvirt, gboolean *persistent, GError **error)
{
  g_autoptr (MfpJob) job = mfp_job_new (ask_persistent, libvirt->name);

  if (!mfp_libvirt_call_domain (libvirt, job, error))
    return FALSE;
  *persistent = job->flags != 0;
  return TRUE;
}

/* ---- its XML ---- */

gboolean
mfp_job_get_domain_xml (MfpJob *job)
{
  job->answer = MFP_CALL (job, virDomainGetXMLDesc, job->domain, job->flags);
  return job->answer || mfp_job_fail (job);
}

MfpGuest *
mfp_domain_read (MfpLibvirt *libvirt, MfpForm form, GError **error)
{
  g_autoptr (MfpJob) job = mfp_job_new (mfp_job_get_domain_xml, libvirt->name);

  job->flags = form == MFP_CONFIG ? VIR_DOMAIN_XML_INACTIVE : 0;
  return mfp_libvirt_call_domain (libvirt, job, error) ? mfp_guest_parse (job->answer, error)
                                                       : NULL;
}

/* ---- its metadata ---- */

static gboolean
set_metadata (MfpJob *job)
{
  return MFP_CALL (job, virDomainSetMetadata, job->domain, VIR_DOMAIN_METADATA_ELEMENT, job->text,
                   MFP_RECORD_PREFIX, job->uri, VIR_DOMAIN_AFFECT_LIVE)
             == 0
         || mfp_job_fail (job);
}

/* A job about the running domain. */
static MfpJob *
new_live_job (const MfpLibvirt *libvirt, MfpJobFunction run)
{
  MfpJob *job = mfp_job_new (run, libvirt->name);

  job->about_running = TRUE;
  return job;
}

gboolean
mfp_domain_set_metadata (MfpLibvirt *libvirt, const char *uri, const char *xml, GError **error)
{
  g_autoptr (MfpJob) job = new_live_job (libvirt, set_metadata);

  job->uri = g_strdup (uri);
  job->text = g_strdup (xml);
  return mfp_libvirt_call_domain (libvirt, job, error);
}

/* ---- its devices ---- */

/* A job that changes a form of the domain. An error about the persistent XML says nothing
 * about the running domain. */
static MfpJob *
new_change (const MfpLibvirt *libvirt, MfpJobFunction run, MfpForm form, const char *text)
{
  MfpJob *job = mfp_job_new (run, libvirt->name);

  job->about_running = form == MFP_LIVE;
  job->flags = form == MFP_LIVE ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG;
  job->text = g_strdup (text);
  return job;
}

static gboolean
attach (MfpJob *job)
{
  return MFP_CALL (job, virDomainAttachDeviceFlags, job->domain, job->text, job->flags) == 0
         || mfp_job_fail (job);
}

/* libvirt says in words only that an alias is taken, in the language of its daemon ("non
 * unique alias detected: %s", virDomainDeviceDefValidateAlias()). No other error with this
 * code names the alias. */
static gboolean
is_alias_taken (const MfpJob *job, const char *alias)
{
  return alias && job->error && job->error->code == VIR_ERR_CONFIG_UNSUPPORTED
         && job->error->message && strstr (job->error->message, alias);
}

gboolean
mfp_domain_attach (MfpLibvirt *libvirt, MfpForm form, const char *xml, const char *alias,
                   GError **error)
{
  g_autoptr (MfpJob) job = new_change (libvirt, attach, form, xml);
  GError *local = NULL;

  if (mfp_libvirt_call_domain (libvirt, job, &local))
    return TRUE;
  if (mfp_error_is (local, MFP_ERROR_FAILED) && is_alias_taken (job, alias))
    mfp_error_recode (&local, MFP_ERROR_ALIAS_TAKEN);
  g_propagate_error (error, local);
  return FALSE;
}

static gboolean
detach (MfpJob *job)
{
  return MFP_CALL (job, virDomainDetachDeviceFlags, job->domain, job->text, job->flags) == 0
         || mfp_job_fail (job);
}

gboolean
mfp_domain_detach (MfpLibvirt *libvirt, MfpForm form, const char *xml, GError **error)
{
  g_autoptr (MfpJob) job = new_change (libvirt, detach, form, xml);

  return mfp_libvirt_call_domain (libvirt, job, error);
}

static gboolean
detach_alias (MfpJob *job)
{
  return MFP_CALL (job, virDomainDetachDeviceAlias, job->domain, job->text, job->flags) == 0
         || mfp_job_fail (job);
}

/* Whether the running domain has a device called @alias, as far as can be read. */
static gboolean
may_have (MfpLibvirt *libvirt, const char *alias)
{
  g_autoptr (MfpGuest) guest = mfp_domain_read (libvirt, MFP_LIVE, NULL);

  return !guest || mfp_guest_find_alias (guest, alias);
}

/* libvirt 9.0 reports a missing alias as an internal error, like many other errors
 * (virDomainDefFindDevice()). */
gboolean
mfp_domain_detach_alias (MfpLibvirt *libvirt, const char *alias, GError **error)
{
  g_autoptr (MfpJob) job = new_change (libvirt, detach_alias, MFP_LIVE, alias);
  GError *local = NULL;

  if (mfp_libvirt_call_domain (libvirt, job, &local))
    return TRUE;
  if (mfp_error_is (local, MFP_ERROR_FAILED) && !may_have (libvirt, alias))
    mfp_error_recode (&local, MFP_ERROR_NOT_FOUND);
  g_propagate_error (error, local);
  return FALSE;
}
