/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "connection.h"

#include <libvirt/libvirt-qemu.h>
#include <string.h>

struct _virDomain
{
  int references;
  virConnectPtr connection;
  char *name;
  char *uuid;
};

/* ---- handles ---- */

virDomainPtr
fake_domain_handle (virConnectPtr connection, const char *name, const char *uuid)
{
  virDomainPtr domain = g_new0 (virDomain, 1);

  fake_connection_ref (connection);
  domain->references = 1;
  domain->connection = connection;
  domain->name = g_strdup (name);
  domain->uuid = g_strdup (uuid);
  return domain;
}

const char *
fake_handle_uuid (virDomainPtr domain)
{
  return domain->uuid;
}

int
virDomainRef (virDomainPtr domain)
{
  fake_error_reset ();
  g_atomic_int_inc (&domain->references);
  return 0;
}

int
virDomainFree (virDomainPtr domain)
{
  fake_error_reset ();
  if (!g_atomic_int_dec_and_test (&domain->references))
    return 0;
  fake_lock ();
  fake_connection_unref (domain->connection);
  fake_unlock ();
  g_free (domain->name);
  g_free (domain->uuid);
  g_free (domain);
  return 0;
}

const char *
virDomainGetName (virDomainPtr domain)
{
  fake_error_reset ();
  return domain->name;
}

int
virDomainGetUUIDString (virDomainPtr domain, char *buf)
{
  fake_error_reset ();
  g_strlcpy (buf, domain->uuid, VIR_UUID_STRING_BUFLEN);
  return 0;
}

/* ---- what calls begin with ---- */

static FakeCall
read_call (const char *name, virDomainPtr domain)
{
  return (FakeCall){ .name = name, .connection = domain->connection, .uuid = domain->uuid };
}

static FakeCall
change_call (const char *name, virDomainPtr domain)
{
  FakeCall call = read_call (name, domain);

  call.changes = TRUE;
  return call;
}

/* The domain of the call's handle, if it still exists. */
static FakeDomain *
find_domain (const FakeCall *call, virDomainPtr handle)
{
  FakeDomain *domain = fake_domain_find_uuid (call->fake, handle->uuid);

  if (!domain)
    fake_error (VIR_ERR_NO_DOMAIN, "no domain with matching uuid '%s' (%s)", handle->uuid,
                handle->name);
  return domain;
}

static FakeDomain *
find_running (const FakeCall *call, virDomainPtr handle)
{
  FakeDomain *domain = find_domain (call, handle);

  if (!domain || domain->live)
    return domain;
  fake_error (VIR_ERR_OPERATION_INVALID, "domain is not running");
  return NULL;
}

/* ---- looking domains up ---- */

static virDomainPtr
end_lookup (FakeCall *call, const FakeDomain *found)
{
  virDomainPtr domain
      = found ? fake_domain_handle (call->connection, found->name, found->uuid) : NULL;

  if (fake_call_end (call, domain != NULL))
    return domain;
  if (domain)
    {
      virErrorPtr error = virSaveLastError ();

      virDomainFree (domain);
      fake_error_restore (error);
    }
  return NULL;
}

virDomainPtr
virDomainLookupByID (virConnectPtr conn, int id)
{
  FakeCall call = { .name = "virDomainLookupByID", .connection = conn };
  const FakeDomain *found = NULL;

  if (!fake_call_begin (&call))
    return NULL;
  for (guint i = 0; i < call.fake->domains->len && !found; i++)
    {
      const FakeDomain *domain = g_ptr_array_index (call.fake->domains, i);

      if (domain->live && domain->id == id)
        found = domain;
    }
  if (!found)
    fake_error (VIR_ERR_NO_DOMAIN, "no domain with matching id %d", id);
  return end_lookup (&call, found);
}

virDomainPtr
virDomainLookupByUUIDString (virConnectPtr conn, const char *uuidstr)
{
  FakeCall call = { .name = "virDomainLookupByUUIDString", .connection = conn };
  const FakeDomain *found;

  if (!fake_call_begin (&call))
    return NULL;
  found = fake_domain_find_uuid (call.fake, uuidstr);
  if (!found)
    fake_error (VIR_ERR_NO_DOMAIN, "no domain with matching uuid '%s'", uuidstr);
  return end_lookup (&call, found);
}

virDomainPtr
virDomainLookupByName (virConnectPtr conn, const char *name)
{
  FakeCall call = { .name = "virDomainLookupByName", .connection = conn };
  const FakeDomain *found;

  if (!fake_call_begin (&call))
    return NULL;
  found = fake_domain_find (call.fake, name);
  if (!found)
    fake_error (VIR_ERR_NO_DOMAIN, "no domain with matching name '%s'", name);
  return end_lookup (&call, found);
}

/* There are two kinds of flags. No flag of a kind means that all domains match. */
static gboolean
is_listed (const FakeDomain *domain, unsigned int flags)
{
  unsigned int state = domain->live ? VIR_CONNECT_LIST_DOMAINS_ACTIVE
                                    : VIR_CONNECT_LIST_DOMAINS_INACTIVE;
  unsigned int kind = domain->config ? VIR_CONNECT_LIST_DOMAINS_PERSISTENT
                                     : VIR_CONNECT_LIST_DOMAINS_TRANSIENT;
  unsigned int states = VIR_CONNECT_LIST_DOMAINS_ACTIVE | VIR_CONNECT_LIST_DOMAINS_INACTIVE;
  unsigned int kinds = VIR_CONNECT_LIST_DOMAINS_PERSISTENT | VIR_CONNECT_LIST_DOMAINS_TRANSIENT;

  return ((flags & states) == 0 || (flags & state)) && ((flags & kinds) == 0 || (flags & kind));
}

int
virConnectListAllDomains (virConnectPtr conn, virDomainPtr **domains, unsigned int flags)
{
  FakeCall call = { .name = "virConnectListAllDomains", .connection = conn };
  g_autoptr (GPtrArray) list = g_ptr_array_new ();

  if (!fake_call_begin (&call))
    return -1;
  for (guint i = 0; i < call.fake->domains->len; i++)
    {
      const FakeDomain *domain = g_ptr_array_index (call.fake->domains, i);

      if (is_listed (domain, flags))
        g_ptr_array_add (list, domains ? fake_domain_handle (conn, domain->name, domain->uuid)
                                       : NULL);
    }
  if (!fake_call_end (&call, TRUE))
    {
      virErrorPtr error = virSaveLastError ();

      for (guint i = 0; domains && i < list->len; i++)
        virDomainFree (g_ptr_array_index (list, i));
      fake_error_restore (error);
      return -1;
    }
  g_ptr_array_add (list, NULL);
  if (domains)
    *domains = g_memdup2 (list->pdata, list->len * sizeof (virDomainPtr));
  return (int) list->len - 1;
}

/* ---- reading ---- */

int
virDomainIsActive (virDomainPtr dom)
{
  FakeCall call = read_call ("virDomainIsActive", dom);
  const FakeDomain *domain;
  int active;

  if (!fake_call_begin (&call))
    return -1;
  domain = find_domain (&call, dom);
  active = domain && domain->live ? 1 : 0;
  return fake_call_end (&call, domain != NULL) ? active : -1;
}

int
virDomainIsPersistent (virDomainPtr dom)
{
  FakeCall call = read_call ("virDomainIsPersistent", dom);
  const FakeDomain *domain;
  int persistent;

  if (!fake_call_begin (&call))
    return -1;
  domain = find_domain (&call, dom);
  persistent = domain && domain->config ? 1 : 0;
  return fake_call_end (&call, domain != NULL) ? persistent : -1;
}

int
virDomainGetState (virDomainPtr dom, int *state, int *reason, unsigned int flags G_GNUC_UNUSED)
{
  FakeCall call = read_call ("virDomainGetState", dom);
  const FakeDomain *domain;
  int now = VIR_DOMAIN_SHUTOFF;

  if (!fake_call_begin (&call))
    return -1;
  domain = find_domain (&call, dom);
  if (domain && domain->live)
    now = domain->paused ? VIR_DOMAIN_PAUSED : VIR_DOMAIN_RUNNING;
  if (!fake_call_end (&call, domain != NULL))
    return -1;
  *state = now;
  if (reason)
    *reason = 0;
  return 0;
}

static xmlDoc *
form_of (const FakeDomain *domain, unsigned int flags)
{
  gboolean inactive = (flags & VIR_DOMAIN_XML_INACTIVE) != 0;

  if (!domain->live || (inactive && domain->config))
    return xmlCopyDoc (domain->config, 1);
  return xmlCopyDoc (domain->live, 1);
}

char *
virDomainGetXMLDesc (virDomainPtr domain, unsigned int flags)
{
  FakeCall call = read_call ("virDomainGetXMLDesc", domain);
  const FakeDomain *found;
  g_autofree char *xml = NULL;

  if (!fake_call_begin (&call))
    return NULL;
  found = find_domain (&call, domain);
  if (found)
    {
      g_autoptr (xmlDoc) doc = form_of (found, flags);

      if (flags & VIR_DOMAIN_XML_INACTIVE)
        {
          fake_domain_strip_aliases (doc);
          xmlUnsetProp (fake_xml_root (doc), BAD_CAST "id");
        }
      xml = mfp_xml_serialize (fake_xml_root (doc));
    }
  return fake_call_end (&call, found != NULL) ? g_steal_pointer (&xml) : NULL;
}

/* ---- metadata ---- */

static gboolean
choose_document (FakeDomain *domain, unsigned int flags, xmlDoc **doc)
{
  gboolean config = (flags & VIR_DOMAIN_AFFECT_CONFIG)
                    || (!(flags & VIR_DOMAIN_AFFECT_LIVE) && !domain->live);

  if (!config && !domain->live)
    fake_error (VIR_ERR_OPERATION_INVALID, "domain is not running");
  else if (config && !domain->config)
    fake_error (VIR_ERR_OPERATION_INVALID,
                "transient domains do not have any persistent config");
  else
    {
      *doc = config ? domain->config : domain->live;
      return TRUE;
    }
  return FALSE;
}

static xmlNode *
find_metadata (xmlDoc *doc, const char *uri)
{
  xmlNode *child = mfp_xml_first_element (mfp_xml_child (fake_xml_root (doc), "metadata"));

  while (child && !(child->ns && g_strcmp0 ((const char *) child->ns->href, uri) == 0))
    child = mfp_xml_next_element (child);
  return child;
}

/* libvirt prints <metadata> before the devices. */
static xmlNode *
require_metadata (xmlDoc *doc)
{
  xmlNode *root = fake_xml_root (doc);
  xmlNode *metadata = mfp_xml_child (root, "metadata");
  xmlNode *before = mfp_xml_child (root, "uuid");

  if (metadata)
    return metadata;
  return xmlAddNextSibling (before, xmlNewDocNode (doc, NULL, BAD_CAST "metadata", NULL));
}

/* libvirt gives the namespace to the element, not to its children. */
static gboolean
set_metadata (xmlDoc *doc, const char *xml, const char *key, const char *uri)
{
  g_autoptr (xmlDoc) parsed = NULL;
  g_autoptr (GError) error = NULL;
  xmlNode *element;

  if (xml)
    parsed = mfp_xml_parse (xml, strlen (xml), "(metadata_xml)", &error);
  if (xml && !parsed)
    {
      fake_error (VIR_ERR_XML_ERROR, "%s", error->message);
      return FALSE;
    }
  fake_xml_remove (find_metadata (doc, uri));
  if (!parsed)
    return TRUE;
  mfp_xml_strip (fake_xml_root (parsed));
  element = xmlDocCopyNode (fake_xml_root (parsed), doc, 1);
  xmlSetNs (element, xmlNewNs (element, BAD_CAST uri, BAD_CAST key));
  xmlAddChild (require_metadata (doc), element);
  return TRUE;
}

int
virDomainSetMetadata (virDomainPtr domain, int type, const char *metadata, const char *key,
                      const char *uri, unsigned int flags)
{
  FakeCall call = change_call ("virDomainSetMetadata", domain);
  FakeDomain *found;
  xmlDoc *doc = NULL;
  gboolean done = FALSE;

  if (!fake_call_begin (&call))
    return -1;
  found = find_domain (&call, domain);
  if (type != VIR_DOMAIN_METADATA_ELEMENT || !uri || (metadata && !key))
    fake_error (VIR_ERR_INVALID_ARG, "the fake sets only metadata elements with a namespace");
  else if (found && choose_document (found, flags, &doc))
    done = set_metadata (doc, metadata, key, uri);
  return fake_call_end (&call, done) ? 0 : -1;
}

/* ---- devices ---- */

int
virDomainAttachDeviceFlags (virDomainPtr domain, const char *xml, unsigned int flags)
{
  FakeCall call = change_call ("virDomainAttachDeviceFlags", domain);
  FakeDomain *found;

  if (!fake_call_begin (&call))
    return -1;
  found = find_domain (&call, domain);
  return fake_call_end (&call, found && fake_attach (call.fake, found, xml, flags)) ? 0 : -1;
}

int
virDomainDetachDeviceFlags (virDomainPtr domain, const char *xml, unsigned int flags)
{
  FakeCall call = change_call ("virDomainDetachDeviceFlags", domain);
  FakeDomain *found;

  if (!fake_call_begin (&call))
    return -1;
  found = find_domain (&call, domain);
  return fake_call_end (&call, found && fake_detach (call.fake, found, xml, flags)) ? 0 : -1;
}

int
virDomainDetachDeviceAlias (virDomainPtr domain, const char *alias,
                            unsigned int flags G_GNUC_UNUSED)
{
  FakeCall call = change_call ("virDomainDetachDeviceAlias", domain);
  FakeDomain *found;

  call.is_request = TRUE;
  if (!fake_call_begin (&call))
    return -1;
  found = find_domain (&call, domain);
  return fake_call_end (&call, found && fake_detach_alias (call.fake, found, alias)) ? 0 : -1;
}

/* libvirt refuses it on a read-only connection, whatever the command is. */
int
virDomainQemuMonitorCommand (virDomainPtr domain, const char *cmd, char **result,
                             unsigned int flags G_GNUC_UNUSED)
{
  g_autofree char *name = fake_qmp_name (cmd);
  FakeCall call = read_call (name, domain);
  FakeDomain *found;
  g_autofree char *answer = NULL;

  call.changes = g_str_has_prefix (name, "device_");
  call.needs_writing = TRUE;
  call.is_request = strcmp (name, "device_del") == 0;
  if (!fake_call_begin (&call))
    return -1;
  found = find_running (&call, domain);
  if (found)
    answer = fake_qmp_answer (call.fake, found, cmd);
  if (!fake_call_end (&call, found != NULL))
    return -1;
  *result = g_steal_pointer (&answer);
  return 0;
}

/* ---- pause and resume ---- */

int
virDomainSuspend (virDomainPtr domain)
{
  FakeCall call = change_call ("virDomainSuspend", domain);
  FakeDomain *found;

  if (!fake_call_begin (&call))
    return -1;
  found = find_running (&call, domain);
  if (found && !found->paused)
    {
      found->paused = TRUE;
      fake_domain_stopped (call.fake, found);
      fake_events_queue_lifecycle (found, VIR_DOMAIN_EVENT_SUSPENDED,
                                   VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
    }
  return fake_call_end (&call, found != NULL) ? 0 : -1;
}

int
virDomainResume (virDomainPtr domain)
{
  FakeCall call = change_call ("virDomainResume", domain);
  FakeDomain *found;

  if (!fake_call_begin (&call))
    return -1;
  found = find_running (&call, domain);
  if (found && found->paused)
    {
      found->paused = FALSE;
      fake_domain_resumed (call.fake, found);
      fake_events_queue_lifecycle (found, VIR_DOMAIN_EVENT_RESUMED,
                                   VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
    }
  return fake_call_end (&call, found != NULL) ? 0 : -1;
}
