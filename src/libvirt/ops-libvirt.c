/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/ops-libvirt.h"

#include "base/error.h"
#include "base/xml.h"
#include "libvirt/events.h"
#include "libvirt/inventory.h"
#include "libvirt/node-devices.h"
#include "model/qmp.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>

/* ---- operations on the domain ---- */

static char *
read_domain_xml (MfpLibvirt *libvirt, MfpForm form, GError **error)
{
  char *xml = CALL (libvirt, libvirt->name,
                    virDomainGetXMLDesc (libvirt->domain,
                                         form == MFP_CONFIG ? VIR_DOMAIN_XML_INACTIVE : 0));

  if (!xml)
    mfp_libvirt_fail_domain (libvirt, error);
  return xml;
}

static char *
op_domain_xml (MfpOps *ops, MfpForm form, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);

  return mfp_libvirt_ensure_domain (libvirt, error) ? read_domain_xml (libvirt, form, error) : NULL;
}

static gboolean
op_set_metadata (MfpOps *ops, const char *uri, const char *xml, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);

  return mfp_libvirt_ensure_domain (libvirt, error)
         && (CALL (libvirt, libvirt->name,
                   virDomainSetMetadata (libvirt->domain, VIR_DOMAIN_METADATA_ELEMENT, xml,
                                         MFP_RECORD_PREFIX, uri, VIR_DOMAIN_AFFECT_LIVE))
                 == 0
             || mfp_libvirt_fail_domain (libvirt, error));
}

static char *
op_metadata (MfpOps *ops, const char *uri, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);
  char *xml;

  if (!mfp_libvirt_ensure_domain (libvirt, error))
    return NULL;
  xml = CALL (libvirt, libvirt->name,
              virDomainGetMetadata (libvirt->domain, VIR_DOMAIN_METADATA_ELEMENT, uri,
                                    VIR_DOMAIN_AFFECT_LIVE));
  if (!xml)
    mfp_libvirt_fail_domain (libvirt, error);
  return xml;
}

static unsigned int
affects (MfpForm form)
{
  return form == MFP_CONFIG ? VIR_DOMAIN_AFFECT_CONFIG : VIR_DOMAIN_AFFECT_LIVE;
}

/* An error on the persistent XML says nothing about the running domain. */
static gboolean
fail_form (MfpLibvirt *libvirt, MfpForm form, GError **error)
{
  return form == MFP_CONFIG ? mfp_libvirt_fail (libvirt, error)
                            : mfp_libvirt_fail_domain (libvirt, error);
}

/* The alias of the device @xml; the caller frees. */
static char *
alias_of (const char *xml)
{
  g_autoptr (xmlDoc) doc = mfp_xml_parse (xml, strlen (xml), "device", NULL);
  const xmlNode *alias = doc ? mfp_xml_child (xmlDocGetRootElement (doc), "alias") : NULL;

  return alias ? mfp_xml_attribute (alias, "name") : NULL;
}

/* That the alias of @xml is taken libvirt tells by the words only, which are in the language
 * of its daemon ("non unique alias detected: %s", virDomainDeviceDefValidateAlias()): but no
 * other error of this code names the alias. */
static gboolean
fail_attach (MfpLibvirt *libvirt, MfpForm form, const char *xml, GError **error)
{
  gboolean unsupported = virGetLastErrorCode () == VIR_ERR_CONFIG_UNSUPPORTED;
  g_autofree char *alias = unsupported ? alias_of (xml) : NULL;
  GError *local = NULL;

  fail_form (libvirt, form, &local);
  if (alias && mfp_error_is (local, MFP_ERROR_FAILED) && strstr (local->message, alias))
    mfp_error_recode (&local, MFP_ERROR_ALIAS_TAKEN);
  g_propagate_error (error, local);
  return FALSE;
}

/* Whether the running domain has a device called @alias, as far as can be read. */
static gboolean
may_have (MfpLibvirt *libvirt, const char *alias)
{
  g_autofree char *xml = read_domain_xml (libvirt, MFP_LIVE, NULL);
  g_autoptr (MfpGuest) guest = xml ? mfp_guest_parse (xml, NULL) : NULL;

  return !guest || mfp_guest_find_alias (guest, alias);
}

/* That there is no device called @alias is for libvirt 9.0 an internal error among others
 * (virDomainDefFindDevice()). */
static gboolean
fail_alias (MfpLibvirt *libvirt, const char *alias, GError **error)
{
  GError *local = NULL;

  mfp_libvirt_fail_domain (libvirt, &local);
  if (mfp_error_is (local, MFP_ERROR_FAILED) && !may_have (libvirt, alias))
    mfp_error_recode (&local, MFP_ERROR_NOT_FOUND);
  g_propagate_error (error, local);
  return FALSE;
}

static gboolean
op_attach (MfpOps *ops, MfpForm form, const char *xml, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);

  return mfp_libvirt_ensure_domain (libvirt, error)
         && (CALL (libvirt, libvirt->name,
                   virDomainAttachDeviceFlags (libvirt->domain, xml, affects (form)))
                 == 0
             || fail_attach (libvirt, form, xml, error));
}

static gboolean
op_detach (MfpOps *ops, MfpForm form, const char *xml, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);

  return mfp_libvirt_ensure_domain (libvirt, error)
         && (CALL (libvirt, libvirt->name,
                   virDomainDetachDeviceFlags (libvirt->domain, xml, affects (form)))
                 == 0
             || fail_form (libvirt, form, error));
}

static gboolean
op_detach_alias (MfpOps *ops, const char *alias, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);

  if (!mfp_libvirt_ensure_domain (libvirt, error))
    return FALSE;
  mfp_libvirt_listen (libvirt, TRUE);
  if (!mfp_libvirt_ensure_domain (libvirt, error)) /* it may have fallen silent meanwhile */
    return FALSE;
  mfp_libvirt_drop_refusal (libvirt);
  return CALL (libvirt, alias,
               virDomainDetachDeviceAlias (libvirt->domain, alias, VIR_DOMAIN_AFFECT_LIVE))
             == 0
         || fail_alias (libvirt, alias, error);
}

static char *
ask_qemu (MfpLibvirt *libvirt, const char *command, GError **error)
{
  char *answer = NULL;

  if (CALL (libvirt, command,
            virDomainQemuMonitorCommand (libvirt->domain, command, &answer, 0))
      < 0)
    {
      mfp_libvirt_fail_domain (libvirt, error);
      return NULL;
    }
  return answer;
}

static char *
op_qmp (MfpOps *ops, const char *command, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);

  return mfp_libvirt_ensure_domain (libvirt, error) ? ask_qemu (libvirt, command, error) : NULL;
}

static void
view_free (gpointer data)
{
  mfp_view_clear (data);
  g_free (data);
}

/* A view with one part of it in it. NULL: none; an answer is never left out, as what is
 * looked for may be. */
static MfpView *
view_part (MfpView part, GError *failure, GError **error)
{
  if (!failure)
    return g_memdup2 (&part, sizeof part);
  if (mfp_error_is (failure, MFP_ERROR_NOT_FOUND))
    mfp_error_recode (&failure, MFP_ERROR_FAILED);
  g_propagate_error (error, failure);
  return NULL;
}

static gpointer
look_at_xml (gpointer libvirt, gpointer subject G_GNUC_UNUSED, GError **error)
{
  GError *local = NULL;
  g_autofree char *xml = read_domain_xml (libvirt, MFP_LIVE, &local);
  MfpView part = { .live = xml ? mfp_guest_parse (xml, &local) : NULL };

  return view_part (part, local, error);
}

static gpointer
look_at_devices (gpointer libvirt, gpointer subject G_GNUC_UNUSED, GError **error)
{
  GError *local = NULL;
  g_autofree char *command = mfp_qmp_list_devices ();
  g_autofree char *answer = ask_qemu (libvirt, command, &local);
  MfpView part = { .in_qemu = answer ? mfp_qmp_parse_devices (answer, &local) : NULL };

  return view_part (part, local, error);
}

static gpointer
look_at_pci (gpointer libvirt, gpointer subject G_GNUC_UNUSED, GError **error)
{
  GError *local = NULL;
  g_autofree char *command = mfp_qmp_query_pci ();
  g_autofree char *answer = ask_qemu (libvirt, command, &local);
  MfpView part = { .pci = answer ? mfp_qmp_parse_pci (answer, &local) : NULL };

  return view_part (part, local, error);
}

/* What has to be done for @what, as errands. */
static GPtrArray *
list_errands (MfpLibvirt *libvirt, MfpLook what)
{
  GPtrArray *errands = mfp_errands_new ();

  mfp_errands_add (errands, look_at_xml, NULL, NULL);
  if (what & MFP_LOOK_PCI)
    mfp_errands_add (errands, look_at_pci, NULL, NULL);
  if (what & MFP_LOOK_DEVICES)
    mfp_errands_add (errands, look_at_devices, NULL, NULL);
  if (what & MFP_LOOK_EXPECTANT)
    mfp_libvirt_add_listening (libvirt, errands);
  return errands;
}

/* Each answer is read where it arrives, while others are still awaited. */
static gboolean
op_look (MfpOps *ops, MfpLook what, MfpView *view, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);
  g_autoptr (GPtrArray) errands = NULL, parts = NULL;

  if (!mfp_libvirt_ensure_domain (libvirt, error))
    return FALSE;
  errands = list_errands (libvirt, what);
  parts = mfp_libvirt_call_together (libvirt, mfp_errand_run, errands, MFP_READS_AT_ONCE,
                                     view_free, error);
  for (guint i = 0; parts && i < parts->len; i++)
    mfp_view_take (view, g_ptr_array_index (parts, i));
  return parts != NULL;
}

static gint64
op_now (MfpOps *ops G_GNUC_UNUSED)
{
  return g_get_monotonic_time ();
}

/* ---- outside the operations ---- */

static MfpLibvirt *
libvirt_open (const char *uri, gboolean read_only, MfpInterrupt *interrupt,
              const MfpCallTrace *trace, GError **error)
{
  g_autoptr (MfpLibvirt) libvirt = mfp_libvirt_new (uri, read_only, interrupt, trace);

  libvirt->ops = (MfpOps){
    .host_function = mfp_libvirt_host_function,
    .host_functions = mfp_libvirt_host_functions,
    .domain_xml = op_domain_xml,
    .set_metadata = op_set_metadata,
    .metadata = op_metadata,
    .take = mfp_libvirt_take,
    .give_back = mfp_libvirt_give_back,
    .bring_home = mfp_libvirt_bring_home,
    .foresee = mfp_libvirt_foresee,
    .attach = op_attach,
    .detach = op_detach,
    .detach_alias = op_detach_alias,
    .qmp = op_qmp,
    .look = op_look,
    .wait = mfp_libvirt_wait,
    .check_interrupt = mfp_libvirt_check_interrupt,
    .now = op_now,
  };
  return mfp_libvirt_connect (libvirt, error) ? g_steal_pointer (&libvirt) : NULL;
}

static MfpOps *
get_ops (MfpLibvirt *libvirt)
{
  return &libvirt->ops;
}

static char *
get_driver (MfpLibvirt *libvirt)
{
  g_autofree char *uri = CALL (libvirt, NULL, virConnectGetURI (libvirt->connection));
  char *scheme = uri ? g_uri_parse_scheme (uri) : NULL;

  if (scheme)
    scheme[strcspn (scheme, "+")] = '\0'; /* what follows is the transport */
  return scheme;
}

static virDomainPtr
lookup_domain (MfpLibvirt *libvirt, const char *name)
{
  virConnectPtr connection = libvirt->connection;
  virDomainPtr domain = NULL;
  guint64 id;

  if (g_ascii_string_to_unsigned (name, 10, 0, G_MAXINT, &id, NULL))
    domain = CALL (libvirt, name, virDomainLookupByID (connection, (int) id));
  if (!domain && g_uuid_string_is_valid (name))
    domain = CALL (libvirt, name, virDomainLookupByUUIDString (connection, name));
  return domain ? domain : CALL (libvirt, name, virDomainLookupByName (connection, name));
}

static gboolean
use_domain (MfpLibvirt *libvirt, const char *name, GError **error)
{
  libvirt->domain = lookup_domain (libvirt, name);
  if (!libvirt->domain)
    {
      mfp_libvirt_fail (libvirt, error);
      g_prefix_error (error, "no domain '%s': ", name);
      mfp_error_recode (error, MFP_ERROR_REFUSED);
      return FALSE;
    }
  libvirt->name = g_strdup (virDomainGetName (libvirt->domain));
  virDomainGetUUIDString (libvirt->domain, libvirt->uuid);
  return TRUE;
}

static const char *
get_domain_name (MfpLibvirt *libvirt)
{
  return libvirt->name;
}

static gboolean
domain_is_persistent (MfpLibvirt *libvirt)
{
  return CALL (libvirt, libvirt->name, virDomainIsPersistent (libvirt->domain)) == 1;
}

const MfpLibvirtApi mfp_libvirt_api = {
  .open = libvirt_open,
  .free = mfp_libvirt_free,
  .ops = get_ops,
  .driver = get_driver,
  .use_domain = use_domain,
  .domain_name = get_domain_name,
  .domain_is_persistent = domain_is_persistent,
  .other_guests = mfp_libvirt_list_other_guests,
  .host_functions = mfp_libvirt_list_host_functions,
  .host_uses = mfp_libvirt_list_host_uses,
};
