/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <string.h>

#define SOON (50 * G_TIME_SPAN_MILLISECOND)

static FakeDomain *
domain_named (Fake *fake, const char *name)
{
  FakeDomain *domain = fake_domain_find (fake, name);

  if (!domain)
    g_error ("the fake has no domain '%s'", name);
  return domain;
}

static FakeNode *
function_at (Fake *fake, const char *host)
{
  MfpPciAddress address;
  FakeNode *node = mfp_pci_address_parse (host, &address, NULL) ? fake_host_find (fake, &address)
                                                                : NULL;

  if (!node)
    g_error ("the fake has no host function '%s'", host);
  return node;
}

/* Each setter begins with one of these, which takes the lock, and ends with finish(). */
static FakeDomain *
begin_domain (Fake *fake, const char *name)
{
  fake_lock ();
  return domain_named (fake, name);
}

static FakeNode *
begin_function (Fake *fake, const char *host)
{
  fake_lock ();
  return function_at (fake, host);
}

static void
finish (Fake *fake)
{
  fake_store (fake);
  fake_changed ();
  fake_unlock ();
}

/* ---- guests ---- */

void
fake_set_hotplug (Fake *fake, const char *domain, FakeHotplug hotplug)
{
  begin_domain (fake, domain)->hotplug = hotplug;
  finish (fake);
}

void
fake_set_qemu_version (Fake *fake, const char *domain, guint major, guint minor)
{
  FakeDomain *found = begin_domain (fake, domain);

  found->version_major = major;
  found->version_minor = minor;
  finish (fake);
}

void
fake_stop_guest (Fake *fake, const char *domain)
{
  FakeDomain *found = begin_domain (fake, domain);

  found->silent = TRUE;
  fake_domain_stopped (fake, found);
  finish (fake);
}

void
fake_resume_guest (Fake *fake, const char *domain)
{
  FakeDomain *found = begin_domain (fake, domain);

  found->silent = FALSE;
  fake_domain_resumed (fake, found);
  finish (fake);
}

void
fake_reject_removal (Fake *fake, const char *domain)
{
  begin_domain (fake, domain)->rejects = TRUE;
  finish (fake);
}

void
fake_report_other (Fake *fake, const char *domain)
{
  fake_domain_add_task (begin_domain (fake, domain), fake->clock + SOON, FAKE_REPORT_RESUMED,
                        NULL);
  finish (fake);
}

void
fake_lose_events (Fake *fake, const char *domain, guint count)
{
  begin_domain (fake, domain)->lost_events = count;
  finish (fake);
}

void
fake_send_stranger (Fake *fake, const char *domain)
{
  begin_domain (fake, domain)->stranger = TRUE;
  finish (fake);
}

void
fake_end_domain (Fake *fake, const char *domain)
{
  fake_domain_end (fake, begin_domain (fake, domain));
  finish (fake);
}

gboolean
fake_start_domain (Fake *fake, const char *domain)
{
  gboolean started = fake_domain_start (fake, begin_domain (fake, domain));

  finish (fake);
  return started;
}

gboolean
fake_restart_domain (Fake *fake, const char *domain)
{
  FakeDomain *found = begin_domain (fake, domain);
  gboolean started;

  if (!found->config)
    g_error ("the domain '%s' is transient: it cannot start again", domain);
  fake_domain_end (fake, found);
  started = fake_domain_start (fake, found);
  finish (fake);
  return started;
}

gboolean
fake_is_running (Fake *fake, const char *domain)
{
  const FakeDomain *found;
  gboolean running;

  fake_lock ();
  found = fake_domain_find (fake, domain);
  running = found && found->live;
  fake_unlock ();
  return running;
}

/* ---- host functions ---- */

void
fake_bind (Fake *fake, const char *host, const char *driver)
{
  fake_host_set_driver (begin_function (fake, host), driver);
  finish (fake);
}

void
fake_set_host_driver (Fake *fake, const char *host, const char *driver)
{
  FakeNode *node = begin_function (fake, host);

  g_free (node->host_driver);
  node->host_driver = g_strdup (driver);
  finish (fake);
}

char *
fake_driver (Fake *fake, const char *host)
{
  char *driver = g_strdup (begin_function (fake, host)->driver);

  fake_unlock ();
  return driver;
}

void
fake_pull_out (Fake *fake, const char *host)
{
  fake_host_remove (fake, begin_function (fake, host));
  finish (fake);
}

void
fake_make_unreadable (Fake *fake, const char *host)
{
  begin_function (fake, host)->unreadable = TRUE;
  finish (fake);
}

void
fake_fail_rebind (Fake *fake, const char *host)
{
  begin_function (fake, host)->stuck = TRUE;
  finish (fake);
}

void
fake_drop_early (Fake *fake, const char *host)
{
  begin_function (fake, host)->dropped_early = TRUE;
  finish (fake);
}

void
fake_release_at_once (Fake *fake)
{
  fake_lock ();
  fake->group_held = 0;
  finish (fake);
}

/* ---- descriptions of the state ---- */

static int
compare_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static char *
join_sorted (GPtrArray *lines)
{
  g_ptr_array_sort (lines, compare_text);
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}

static void
describe_drivers (GPtrArray *lines, Fake *fake)
{
  for (guint i = 0; i < fake->nodes->len; i++)
    {
      const FakeNode *node = g_ptr_array_index (fake->nodes, i);
      g_autofree char *address = mfp_pci_address_format (&node->address);

      if (node->is_pci)
        g_ptr_array_add (lines, g_strdup_printf ("%s %s", address,
                                                 node->driver ? node->driver : "-"));
    }
}

static char *
describe_hostdev (const xmlNode *device, const MfpPciAddress *host)
{
  g_autofree char *host_text = mfp_pci_address_format (host);
  g_autofree char *alias = fake_device_alias (device);
  g_autofree char *managed = mfp_xml_attribute (device, "managed");
  g_autofree char *guest_text = NULL;
  MfpPciAddress guest;

  if (fake_device_guest (device, &guest))
    guest_text = mfp_pci_address_format (&guest);
  return g_strdup_printf ("%s %s %s managed=%s %s", (const char *) device->name, host_text,
                          alias ? alias : "-", managed ? managed : "no",
                          guest_text ? guest_text : "unassigned");
}

static void
describe_hostdevs (GPtrArray *lines, xmlDoc *doc)
{
  xmlNode *device = doc ? mfp_xml_first_element (fake_domain_devices (doc)) : NULL;

  for (; device; device = mfp_xml_next_element (device))
    {
      MfpPciAddress host;

      if (fake_device_host (device, &host))
        g_ptr_array_add (lines, describe_hostdev (device, &host));
    }
}

static void
describe_qemu (GPtrArray *lines, const FakeDomain *domain)
{
  for (guint i = 0; i < domain->qemu->len; i++)
    {
      const FakeQemuDevice *device = g_ptr_array_index (domain->qemu, i);
      g_autofree char *guest = mfp_pci_address_format (&device->guest);

      if (device->is_vfio)
        g_ptr_array_add (lines, g_strdup_printf ("qemu %s %s", device->id, guest));
    }
}

static void
describe_metadata (GPtrArray *lines, xmlDoc *live)
{
  xmlNode *metadata = live ? mfp_xml_child (fake_xml_root (live), "metadata") : NULL;
  xmlNode *element = mfp_xml_first_element (metadata);

  for (; element; element = mfp_xml_next_element (element))
    {
      g_autofree char *text = mfp_xml_serialize (element);

      g_ptr_array_add (lines, g_strdup_printf ("metadata %s", text));
    }
}

char *
fake_describe_live (Fake *fake, const char *domain)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  const FakeDomain *found;

  fake_lock ();
  found = fake_domain_find (fake, domain);
  describe_drivers (lines, fake);
  if (found)
    {
      describe_hostdevs (lines, found->live);
      describe_qemu (lines, found);
      describe_metadata (lines, found->live);
    }
  fake_unlock ();
  return join_sorted (lines);
}

char *
fake_describe_config (Fake *fake, const char *domain)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  const FakeDomain *found;

  fake_lock ();
  found = fake_domain_find (fake, domain);
  describe_hostdevs (lines, found ? found->config : NULL);
  fake_unlock ();
  return join_sorted (lines);
}

char *
fake_describe_drivers (Fake *fake)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  fake_lock ();
  describe_drivers (lines, fake);
  fake_unlock ();
  return join_sorted (lines);
}
