/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#define TEST_NAMESPACE "http://libvirt.org/schemas/domain/test/1.0"
#define RUNSTATE_SHUTOFF "5"

static const char *const hotplug_names[] = { "acpi", "native", "plain" };
static const char *const task_names[] = { "drop", "rejected", "resumed" };

/* ---- reading values ---- */

static gint64
read_time (const xmlNode *node, const char *name, gint64 absent)
{
  g_autofree char *text = mfp_xml_attribute (node, name);

  return text ? g_ascii_strtoll (text, NULL, 10) : absent;
}

static gboolean
read_flag (const xmlNode *node, const char *name)
{
  return mfp_xml_attribute_is (node, name, "yes");
}

static guint
read_choice (const xmlNode *node, const char *name, const char *const *choices, guint count)
{
  g_autofree char *text = mfp_xml_attribute (node, name);

  for (guint i = 0; text && i < count; i++)
    if (strcmp (choices[i], text) == 0)
      return i;
  return 0;
}

static MfpPciAddress
read_address (const xmlNode *node, const char *name)
{
  g_autofree char *text = mfp_xml_attribute (node, name);
  MfpPciAddress address = { 0 };

  if (!text || !mfp_pci_address_parse (text, &address, NULL))
    g_error ("the fake's state has no address %s", name);
  return address;
}

static gboolean
has_namespace (const xmlNode *node, const char *uri)
{
  return node->ns && strcmp ((const char *) node->ns->href, uri) == 0;
}

static gboolean
is_own (const xmlNode *node, const char *name)
{
  return mfp_xml_is (node, name) && has_namespace (node, FAKE_NAMESPACE);
}

/* Unlinks the fake's own element from @node, and returns it or NULL; the caller frees. */
static xmlNode *
take_state (xmlNode *node)
{
  xmlNode *child = mfp_xml_first_element (node);

  while (child && !is_own (child, "state"))
    child = mfp_xml_next_element (child);
  if (child)
    xmlUnlinkNode (child);
  return child;
}

/* ---- reading node devices ---- */

static void
read_device (Fake *fake, xmlNode *element)
{
  g_autoptr (xmlNode) state = take_state (element);
  FakeNode *node = fake_node_new (element);

  if (state)
    {
      g_free (node->host_driver);
      node->host_driver = mfp_xml_attribute (state, "host-driver");
      node->unreadable = read_flag (state, "unreadable");
      node->detached = read_flag (state, "detached");
      node->stuck = read_flag (state, "stuck");
      node->dropped_early = read_flag (state, "dropped-early");
    }
  else if (!fake_driver_is_vfio (node->driver))
    node->host_driver = g_strdup (node->driver);
  g_ptr_array_add (fake->nodes, node);
}

static char *
drivers_path (const char *path)
{
  g_autofree char *stem = g_str_has_suffix (path, ".xml") ? g_strndup (path, strlen (path) - 4)
                                                          : g_strdup (path);

  return g_strconcat (stem, ".drivers", NULL);
}

static const char *
driver_word (const char *word)
{
  return word && strcmp (word, "-") != 0 ? word : NULL;
}

/* Reads one line "NODE-DEVICE DRIVER [HOST-DRIVER]". */
static void
read_driver (Fake *fake, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  FakeNode *node = words[0] ? fake_node_find (fake, words[0]) : NULL;
  const char *host;

  if (!node || !words[1] || node->driver)
    return;
  fake_host_set_driver (node, driver_word (words[1]));
  host = fake_driver_is_vfio (node->driver) ? NULL : node->driver;
  if (words[2])
    host = driver_word (words[2]);
  g_free (node->host_driver);
  node->host_driver = g_strdup (host);
}

static void
read_drivers (Fake *fake, const char *path)
{
  g_autofree char *name = drivers_path (path);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (name, &text, NULL, NULL))
    return;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    read_driver (fake, g_strstrip (lines[i]));
}

/* libvirt lists this node device on every host. */
static void
add_computer (Fake *fake)
{
  static const char xml[]
      = "<device><name>computer</name><capability type='system'>"
        "<product>Fake</product><hardware><vendor>Fake</vendor>"
        "<uuid>3f0e5d8a-6c1b-4f7e-9a2d-0b1c2d3e4f50</uuid></hardware>"
        "<firmware><vendor>Fake</vendor></firmware></capability></device>";
  g_autoptr (xmlDoc) doc = NULL;

  if (fake_node_find (fake, "computer"))
    return;
  doc = mfp_xml_parse (xml, strlen (xml), "computer", NULL);
  g_ptr_array_add (fake->nodes, fake_node_new (fake_xml_root (doc)));
}

/* ---- reading domains ---- */

/* Removes an element that only libvirt's test driver understands, and returns its text. */
static char *
take_test_value (xmlNode *domain, const char *name)
{
  xmlNode *child = mfp_xml_first_element (domain);
  char *text;

  while (child && !(mfp_xml_is (child, name) && has_namespace (child, TEST_NAMESPACE)))
    child = mfp_xml_next_element (child);
  if (!child)
    return NULL;
  text = mfp_xml_text (child);
  fake_xml_remove (child);
  return text;
}

/* Removes the declarations of @uri, which no element of @node uses any more. */
static void
drop_declaration (xmlNode *node, const char *uri)
{
  xmlNs **link = &node->nsDef;

  while (*link)
    {
      xmlNs *declared = *link;

      if (strcmp ((const char *) declared->href, uri) != 0)
        {
          link = &declared->next;
          continue;
        }
      *link = declared->next;
      declared->next = NULL;
      xmlFreeNs (declared);
    }
}

/* The UUID depends only on the name, since several programs may read one file. */
static void
ensure_uuid (xmlNode *domain, const char *name)
{
  g_autofree char *sum = NULL, *uuid = NULL;
  xmlNode *element;

  if (mfp_xml_child (domain, "uuid"))
    return;
  sum = g_compute_checksum_for_string (G_CHECKSUM_SHA1, name, -1);
  uuid = g_strdup_printf ("%.8s-%.4s-4%.3s-a%.3s-%.12s", sum, sum + 8, sum + 12, sum + 15,
                          sum + 18);
  element = xmlNewDocNode (domain->doc, NULL, BAD_CAST "uuid", NULL);
  xmlNodeSetContent (element, BAD_CAST uuid);
  xmlAddNextSibling (mfp_xml_child (domain, "name"), element);
}

static xmlDoc *
domain_document (xmlNode *element)
{
  xmlDoc *doc;

  drop_declaration (element, TEST_NAMESPACE);
  drop_declaration (element, FAKE_NAMESPACE);
  if (mfp_xml_attribute_is (element, "type", "test"))
    fake_xml_set (element, "type", "kvm");
  mfp_xml_strip (element);
  doc = fake_xml_copy (element);
  xmlUnsetProp (fake_xml_root (doc), BAD_CAST "id");
  return doc;
}

static void
read_qemu (FakeDomain *domain, const xmlNode *element)
{
  g_autofree char *id = mfp_xml_attribute (element, "id");
  gboolean is_vfio = xmlHasProp ((xmlNode *) element, BAD_CAST "host") != NULL;
  MfpPciAddress guest = read_address (element, "guest");
  MfpPciAddress host = { 0 };
  FakeQemuDevice *device;

  if (is_vfio)
    host = read_address (element, "host");
  device = fake_qemu_add (domain, id, is_vfio ? &host : NULL, &guest);
  device->asked_at = read_time (element, "asked", FAKE_NEVER);
  device->leaves = read_flag (element, "leaves");
  device->gone_at = read_time (element, "gone", FAKE_NEVER);
  device->enumerated_at = read_time (element, "enumerated", FAKE_NEVER);
}

static void
read_part (FakeDomain *domain, xmlNode *part)
{
  if (is_own (part, "qemu"))
    read_qemu (domain, part);
  else if (is_own (part, "access"))
    g_hash_table_add (domain->access,
                      GINT_TO_POINTER ((int) read_time (part, "group", FAKE_NO_GROUP)));
  else if (is_own (part, "task"))
    {
      g_autofree char *alias = mfp_xml_attribute (part, "alias");
      guint kind = read_choice (part, "kind", task_names, G_N_ELEMENTS (task_names));

      fake_domain_add_task (domain, read_time (part, "at", 0), (FakeTaskKind) kind, alias);
    }
  else if (is_own (part, "config"))
    {
      g_clear_pointer (&domain->config, xmlFreeDoc);
      domain->config = domain_document (mfp_xml_first_element (part));
      ensure_uuid (fake_xml_root (domain->config), domain->name);
    }
}

/* @state: (nullable) */
static void
read_settings (FakeDomain *domain, const xmlNode *state)
{
  guint hotplug = read_choice (state, "hotplug", hotplug_names, G_N_ELEMENTS (hotplug_names));

  domain->hotplug = (FakeHotplug) hotplug;
  domain->version_major = (guint) read_time (state, "qemu-major", 7);
  domain->version_minor = (guint) read_time (state, "qemu-minor", 2);
  domain->paused = read_flag (state, "paused");
  domain->silent = read_flag (state, "silent");
  domain->rejects = read_flag (state, "rejects");
  domain->stranger = read_flag (state, "stranger");
  domain->lost_events = (guint) read_time (state, "lost-events", 0);
}

/* libvirt takes the functions of a running domain from their host drivers. */
static void
take_functions (Fake *fake, xmlDoc *live)
{
  xmlNode *device = mfp_xml_first_element (fake_domain_devices (live));

  for (; device; device = mfp_xml_next_element (device))
    {
      MfpPciAddress host;
      FakeNode *node = fake_device_host (device, &host) ? fake_host_find (fake, &host) : NULL;

      if (node && !fake_driver_is_vfio (node->driver))
        fake_host_set_driver (node, "vfio-pci");
    }
}

static void
begin_running (Fake *fake, FakeDomain *domain, gboolean is_saved, int id)
{
  domain->live = xmlCopyDoc (domain->config, 1);
  domain->id = id > 0 ? id : ++fake->last_id;
  fake->last_id = MAX (fake->last_id, domain->id);
  fake_domain_show_id (domain);
  if (is_saved)
    return;
  fake_domain_give_aliases (domain->live);
  take_functions (fake, domain->live);
  fake_domain_fill_qemu (fake, domain);
}

static void
read_domain (Fake *fake, xmlNode *element)
{
  g_autoptr (xmlNode) state = take_state (element);
  g_autofree char *runstate = take_test_value (element, "runstate");
  g_autofree char *transient = take_test_value (element, "transient");
  FakeDomain *domain = fake_domain_new ();
  gboolean stopped = g_strcmp0 (runstate, RUNSTATE_SHUTOFF) == 0
                     || mfp_xml_attribute_is (state, "running", "no");

  domain->name = fake_xml_child_text (element, "name");
  if (!domain->name)
    g_error ("a <domain> of the fake's file has no <name>");
  ensure_uuid (element, domain->name);
  domain->uuid = fake_xml_child_text (element, "uuid");
  domain->config = domain_document (element);
  domain->id = -1;
  read_settings (domain, state);
  if (!stopped)
    begin_running (fake, domain, read_flag (state, "saved"), (int) read_time (state, "id", 0));
  fake_domain_strip_aliases (domain->config);
  for (xmlNode *part = mfp_xml_first_element (state); part; part = mfp_xml_next_element (part))
    read_part (domain, part);
  if (domain->live
      && (g_strcmp0 (transient, "1") == 0 || mfp_xml_attribute_is (state, "persistent", "no")))
    g_clear_pointer (&domain->config, xmlFreeDoc);
  g_ptr_array_add (fake->domains, domain);
}

/* ---- reading a file ---- */

static void
read_host (Fake *fake, const xmlNode *state)
{
  if (!state)
    return;
  fake->clock = read_time (state, "clock", fake->clock);
  fake->last_id = (int) read_time (state, "last-id", 0);
  fake->group_held = read_time (state, "group-held", fake->group_held);
  fake->broken = read_flag (state, "broken");
  fake->violation = mfp_xml_attribute (state, "violation");
  for (xmlNode *part = mfp_xml_first_element (state); part; part = mfp_xml_next_element (part))
    {
      gint64 until = read_time (part, "until", 0);

      g_hash_table_insert (fake->held_until,
                           GINT_TO_POINTER ((int) read_time (part, "group", FAKE_NO_GROUP)),
                           g_memdup2 (&until, sizeof until));
    }
}

static void
read_elements (Fake *fake, const xmlNode *root, const char *name,
               void (*read) (Fake *fake, xmlNode *element))
{
  xmlNode *child = mfp_xml_first_element (root), *next;

  for (; child; child = next)
    {
      next = mfp_xml_next_element (child);
      if (mfp_xml_is (child, name))
        read (fake, child);
    }
}

Fake *
fake_load (const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (xmlDoc) doc = NULL;
  g_autoptr (xmlNode) state = NULL;
  g_autoptr (GError) error = NULL;
  Fake *fake = fake_new_empty ();
  gsize length;

  mfp_xml_init ();
  if (g_file_get_contents (path, &text, &length, &error))
    doc = mfp_xml_parse (text, length, path, &error);
  if (!doc)
    g_error ("the fake cannot read its file: %s", error->message);
  state = take_state (fake_xml_root (doc));
  read_host (fake, state);
  read_elements (fake, fake_xml_root (doc), "device", read_device);
  if (!state)
    {
      read_drivers (fake, path);
      add_computer (fake);
    }
  read_elements (fake, fake_xml_root (doc), "domain", read_domain);
  return fake;
}

/* ---- writing ---- */

static void
write_time (xmlNode *node, const char *name, gint64 value)
{
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, value);

  if (value != FAKE_NEVER)
    fake_xml_set (node, name, text);
}

static void
write_flag (xmlNode *node, const char *name, gboolean value)
{
  fake_xml_set (node, name, value ? "yes" : "no");
}

static void
write_text (xmlNode *node, const char *name, const char *value)
{
  if (value)
    fake_xml_set (node, name, value);
}

static void
write_address (xmlNode *node, const char *name, const MfpPciAddress *address)
{
  g_autofree char *text = mfp_pci_address_format (address);

  fake_xml_set (node, name, text);
}

/* Adds an element of the fake's namespace below @parent. */
static xmlNode *
add_own (xmlNode *parent, const char *name)
{
  xmlNs *namespace = xmlSearchNsByHref (parent->doc, parent, BAD_CAST FAKE_NAMESPACE);

  return xmlNewChild (parent, namespace, BAD_CAST name, NULL);
}

static void
write_node (xmlNode *root, const FakeNode *node)
{
  xmlNode *element = xmlAddChild (root, xmlDocCopyNode (fake_xml_root (node->doc), root->doc, 1));
  xmlNode *state = add_own (element, "state");

  if (node->driver)
    xmlNewTextChild (xmlNewChild (element, NULL, BAD_CAST "driver", NULL), NULL, BAD_CAST "name",
                     BAD_CAST node->driver);
  write_text (state, "host-driver", node->host_driver);
  write_flag (state, "unreadable", node->unreadable);
  write_flag (state, "detached", node->detached);
  write_flag (state, "stuck", node->stuck);
  write_flag (state, "dropped-early", node->dropped_early);
}

static void
write_qemu (xmlNode *state, const FakeQemuDevice *device)
{
  xmlNode *element = add_own (state, "qemu");

  write_text (element, "id", device->id);
  write_address (element, "guest", &device->guest);
  if (device->is_vfio)
    write_address (element, "host", &device->host);
  write_time (element, "asked", device->asked_at);
  write_flag (element, "leaves", device->leaves);
  write_time (element, "gone", device->gone_at);
  write_time (element, "enumerated", device->enumerated_at);
}

static void
write_task (xmlNode *state, const FakeTask *task)
{
  xmlNode *element = add_own (state, "task");

  write_time (element, "at", task->at);
  write_text (element, "kind", task_names[task->kind]);
  write_text (element, "alias", task->alias);
}

static void
write_settings (xmlNode *state, const FakeDomain *domain)
{
  write_flag (state, "saved", TRUE);
  write_flag (state, "running", domain->live != NULL);
  write_flag (state, "persistent", domain->config != NULL);
  write_time (state, "id", domain->id);
  write_text (state, "hotplug", hotplug_names[domain->hotplug]);
  write_time (state, "qemu-major", domain->version_major);
  write_time (state, "qemu-minor", domain->version_minor);
  write_flag (state, "paused", domain->paused);
  write_flag (state, "silent", domain->silent);
  write_flag (state, "rejects", domain->rejects);
  write_flag (state, "stranger", domain->stranger);
  write_time (state, "lost-events", domain->lost_events);
}

static void
write_domain (xmlNode *root, const FakeDomain *domain)
{
  xmlDoc *form = domain->live ? domain->live : domain->config;
  xmlNode *element = xmlAddChild (root, xmlDocCopyNode (fake_xml_root (form), root->doc, 1));
  xmlNode *state = add_own (element, "state");
  GHashTableIter iter;
  gpointer group;

  write_settings (state, domain);
  for (guint i = 0; i < domain->qemu->len; i++)
    write_qemu (state, g_ptr_array_index (domain->qemu, i));
  for (guint i = 0; i < domain->tasks->len; i++)
    write_task (state, g_ptr_array_index (domain->tasks, i));
  g_hash_table_iter_init (&iter, domain->access);
  while (g_hash_table_iter_next (&iter, &group, NULL))
    write_time (add_own (state, "access"), "group", GPOINTER_TO_INT (group));
  if (domain->live && domain->config)
    xmlAddChild (add_own (state, "config"),
                 xmlDocCopyNode (fake_xml_root (domain->config), root->doc, 1));
}

static void
write_host (xmlNode *root, Fake *fake)
{
  xmlNode *state = add_own (root, "state");
  GHashTableIter iter;
  gpointer group, until;

  write_time (state, "clock", fake->clock);
  write_time (state, "last-id", fake->last_id);
  write_time (state, "group-held", fake->group_held);
  write_flag (state, "broken", fake->broken);
  write_text (state, "violation", fake->violation);
  g_hash_table_iter_init (&iter, fake->held_until);
  while (g_hash_table_iter_next (&iter, &group, &until))
    {
      xmlNode *element = add_own (state, "held");

      write_time (element, "group", GPOINTER_TO_INT (group));
      write_time (element, "until", *(gint64 *) until);
    }
}

/* A program that reads the file meanwhile sees the old one. */
static void
replace_file (const char *path, const xmlChar *text, int length)
{
  g_autofree char *new_path = g_strconcat (path, ".new", NULL);
  FILE *file = g_fopen (new_path, "we");
  gboolean done = file && fwrite (text, 1, (gsize) length, file) == (gsize) length;

  if (file)
    done = fclose (file) == 0 && done;
  if (!done || g_rename (new_path, path) != 0)
    g_error ("the fake cannot write %s: %s", path, g_strerror (errno));
}

static void
write_state (Fake *fake, const char *path)
{
  g_autoptr (xmlDoc) doc = xmlNewDoc (BAD_CAST "1.0");
  xmlNode *root = xmlNewDocNode (doc, NULL, BAD_CAST "node", NULL);
  xmlChar *text;
  int length;

  xmlDocSetRootElement (doc, root);
  xmlNewNs (root, BAD_CAST FAKE_NAMESPACE, BAD_CAST "fake");
  write_host (root, fake);
  for (guint i = 0; i < fake->domains->len; i++)
    write_domain (root, g_ptr_array_index (fake->domains, i));
  for (guint i = 0; i < fake->nodes->len; i++)
    write_node (root, g_ptr_array_index (fake->nodes, i));
  xmlDocDumpFormatMemory (doc, &text, &length, 1);
  replace_file (path, text, length);
  xmlFree (text);
}

void
fake_store (Fake *fake)
{
  if (fake->path)
    write_state (fake, fake->path);
}

void
fake_save (Fake *fake, const char *path)
{
  fake_lock ();
  write_state (fake, path);
  fake_unlock ();
}
