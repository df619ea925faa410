/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/qmp.h"

#include "base/error.h"
#include "base/json.h"
#include "model/hostdev-xml.h"

#include <string.h>

#define BAR_ROM 6 /* the expansion ROM, which a guest need not map */

/* Starts {"execute": @command, "arguments": { */
static JsonBuilder *
begin (const char *command)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "execute");
  json_builder_add_string_value (builder, command);
  json_builder_set_member_name (builder, "arguments");
  json_builder_begin_object (builder);
  return builder;
}

static char *
finish (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = NULL;

  json_builder_end_object (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

char *
mfp_qmp_device_add (const MfpFunction *function, const char *bus, guint slot)
{
  g_autoptr (JsonBuilder) builder = begin ("device_add");
  g_autoptr (MfpTuning) tuning = mfp_tuning_read (function->tuning);
  g_autofree char *host = mfp_pci_address_format (&function->host);
  g_autofree char *address = g_strdup_printf ("0x%x.0x%x", slot, (guint) function->guest_function);

  add_string (builder, "driver", "vfio-pci");
  add_string (builder, "host", host);
  add_string (builder, "id", function->alias);
  add_string (builder, "bus", bus);
  add_string (builder, "addr", address);
  if (tuning->rom_bar != MFP_UNSET)
    add_int (builder, "rombar", tuning->rom_bar);
  if (tuning->rom_file)
    add_string (builder, "romfile", tuning->rom_file);
  if (tuning->boot_order > 0)
    add_int (builder, "bootindex", tuning->boot_order);
  return finish (builder);
}

char *
mfp_qmp_device_del (const char *id)
{
  g_autoptr (JsonBuilder) builder = begin ("device_del");

  add_string (builder, "id", id);
  return finish (builder);
}

char *
mfp_qmp_list_devices (void)
{
  g_autoptr (JsonBuilder) builder = begin ("qom-list");

  add_string (builder, "path", "/machine/peripheral");
  return finish (builder);
}

char *
mfp_qmp_query_pci (void)
{
  g_autoptr (JsonBuilder) builder = begin ("query-pci");

  return finish (builder);
}

char *
mfp_qmp_query_version (void)
{
  return finish (begin ("query-version"));
}

/* The integer that is the member @name of @node, or @absent. */
static gint64
int_member (JsonNode *node, const char *name, gint64 absent)
{
  JsonNode *child = mfp_json_member (node, name, JSON_NODE_VALUE);

  return child && json_node_get_value_type (child) == G_TYPE_INT64
             ? json_node_get_int (child)
             : absent;
}

char *
mfp_qmp_command_name (const char *command)
{
  g_autoptr (JsonNode) root = json_from_string (command, NULL);

  return g_strdup (mfp_json_string_member (root, "execute"));
}

/* QEMU has one error class for most of its refusals; only the text tells
 * those that pass by themselves (hw/pci/pcie.c, hw/ppc/spapr_pci.c,
 * softmmu/qdev-monitor.c). */
gboolean
mfp_qmp_refusal_passes (const char *description)
{
  static const char *const passing[] = {
    "in the process of unplug", "unplug already in progress", "guest is busy",
    "while migrating",
  };

  for (guint i = 0; i < G_N_ELEMENTS (passing); i++)
    if (strstr (description, passing[i]))
      return TRUE;
  return FALSE;
}

static MfpError
error_code (const char *class, const char *description)
{
  if (g_strcmp0 (class, "DeviceNotFound") == 0)
    return MFP_ERROR_NOT_FOUND;
  return mfp_qmp_refusal_passes (description) ? MFP_ERROR_BUSY : MFP_ERROR_FAILED;
}

/* The answer's "return"; NULL and an error for anything else. */
static JsonNode *
parse_return (const char *answer, GError **error)
{
  g_autoptr (JsonNode) root = mfp_json_parse (answer);
  JsonNode *failure = mfp_json_member (root, "error", JSON_NODE_OBJECT);
  g_autoptr (JsonNode) result
      = root && JSON_NODE_HOLDS_OBJECT (root)
            ? json_object_dup_member (json_node_get_object (root), "return")
            : NULL;

  if (failure)
    {
      const char *text = mfp_json_string_member (failure, "desc");

      text = text ? text : "an error without a description";
      g_set_error (error, MFP_ERROR, error_code (mfp_json_string_member (failure, "class"), text),
                   "QEMU says: %s", text);
      return NULL;
    }
  if (!result)
    {
      g_autofree char *text = g_utf8_make_valid (answer, MIN (200, (gssize) strlen (answer)));

      g_set_error (error, MFP_ERROR, MFP_ERROR_FAILED, "QEMU's answer is not valid QMP: %s",
                   text);
      return NULL;
    }
  return g_steal_pointer (&result);
}

gboolean
mfp_qmp_check (const char *answer, GError **error)
{
  g_autoptr (JsonNode) result = parse_return (answer, error);

  return result != NULL;
}

/* The answer's "return", which has to be a list. */
static JsonNode *
parse_list (const char *answer, GError **error)
{
  g_autoptr (JsonNode) result = parse_return (answer, error);

  if (result && !JSON_NODE_HOLDS_ARRAY (result))
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_FAILED,
                           "QEMU's answer is not the list that was asked for");
      return NULL;
    }
  return g_steal_pointer (&result);
}

GHashTable *
mfp_qmp_parse_devices (const char *answer, GError **error)
{
  g_autoptr (JsonNode) list = parse_list (answer, error);
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  JsonArray *array;

  if (!list)
    return NULL;
  array = json_node_get_array (list);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      const char *name = mfp_json_string_member (json_array_get_element (array, i), "name");

      if (name)
        g_hash_table_add (ids, g_strdup (name));
    }
  return g_steal_pointer (&ids);
}

static void
qemu_device_free (gpointer data)
{
  MfpQemuDevice *device = data;

  g_free (device->id);
  g_free (device->parent);
  g_free (device);
}

/* QEMU reports -1 for a BAR without an address. I/O BARs do not count: behind
 * a PCIe port they mostly get none, and drivers do without. */
static gboolean
is_enumerated (JsonNode *device)
{
  JsonNode *list = mfp_json_member (device, "regions", JSON_NODE_ARRAY);
  JsonArray *regions = list ? json_node_get_array (list) : NULL;

  for (guint i = 0; regions && i < json_array_get_length (regions); i++)
    {
      JsonNode *region = json_array_get_element (regions, i);

      if (g_strcmp0 (mfp_json_string_member (region, "type"), "io") != 0
          && int_member (region, "bar", 0) != BAR_ROM
          && int_member (region, "address", -1) == -1)
        return FALSE;
    }
  return TRUE;
}

/* Adds the devices of one bus, and of those below its bridges. */
static void
add_bus (GPtrArray *devices, JsonNode *list, guint root, const char *parent)
{
  JsonArray *array = json_node_get_array (list);

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      JsonNode *below = mfp_json_member (mfp_json_member (node, "pci_bridge", JSON_NODE_OBJECT),
                                "devices", JSON_NODE_ARRAY);
      const char *id = mfp_json_string_member (node, "qdev_id");

      if (id && *id)
        {
          MfpQemuDevice *device = g_new0 (MfpQemuDevice, 1);

          device->id = g_strdup (id);
          device->parent = g_strdup (parent);
          device->root = root;
          device->slot = (guint) int_member (node, "slot", 0);
          device->function = (guint) int_member (node, "function", 0);
          device->enumerated = is_enumerated (node);
          g_ptr_array_add (devices, device);
        }
      if (below)
        add_bus (devices, below, root, id);
    }
}

GPtrArray *
mfp_qmp_parse_pci (const char *answer, GError **error)
{
  g_autoptr (JsonNode) list = parse_list (answer, error);
  g_autoptr (GPtrArray) devices = g_ptr_array_new_with_free_func (qemu_device_free);
  JsonArray *buses;

  if (!list)
    return NULL;
  buses = json_node_get_array (list);
  for (guint i = 0; i < json_array_get_length (buses); i++)
    {
      JsonNode *bus
          = mfp_json_member (json_array_get_element (buses, i), "devices", JSON_NODE_ARRAY);

      if (bus)
        add_bus (devices, bus, i, NULL);
    }
  return g_steal_pointer (&devices);
}

guint
mfp_qmp_parse_version (const char *answer, GError **error)
{
  g_autoptr (JsonNode) result = parse_return (answer, error);
  JsonNode *version = result ? mfp_json_member (result, "qemu", JSON_NODE_OBJECT) : NULL;
  gint64 major = version ? int_member (version, "major", 0) : 0;
  gint64 minor = version ? int_member (version, "minor", 0) : 0;

  if (major > 0 && major <= 1000 && minor >= 0 && minor < 1000)
    return MFP_QEMU_VERSION (major, minor);
  if (result)
    g_set_error_literal (error, MFP_ERROR, MFP_ERROR_FAILED, "QEMU does not tell its version");
  return 0;
}

const MfpQemuDevice *
mfp_qmp_find_device (const GPtrArray *devices, const char *id)
{
  for (guint i = 0; i < devices->len; i++)
    {
      const MfpQemuDevice *device = g_ptr_array_index (devices, i);

      if (g_strcmp0 (device->id, id) == 0)
        return device;
    }
  return NULL;
}

gboolean
mfp_qemu_device_same_slot (const MfpQemuDevice *a, const MfpQemuDevice *b)
{
  return a->root == b->root && a->slot == b->slot && g_strcmp0 (a->parent, b->parent) == 0;
}

/* The function of @card that libvirt lists as unassigned under the id of @device, or NULL. */
static MfpFunction *
find_unassigned (const MfpCard *card, const MfpGuest *guest, const MfpQemuDevice *device)
{
  const MfpGuestDevice *known = mfp_guest_find_alias (guest, device->id);

  return known && known->is_hostdev && !known->has_address
             ? mfp_card_find_host (card, &known->host)
             : NULL;
}

void
mfp_card_adopt_places (MfpCard *card, const MfpGuest *guest, const GPtrArray *pci)
{
  const MfpFunction *zero = mfp_card_find_guest (card, 0);
  const MfpQemuDevice *first = zero ? mfp_qmp_find_device (pci, zero->alias) : NULL;

  for (guint i = 0; first && i < pci->len; i++)
    {
      const MfpQemuDevice *device = g_ptr_array_index (pci, i);
      MfpFunction *function = find_unassigned (card, guest, device);

      if (function && mfp_qemu_device_same_slot (device, first))
        function->guest_function = (int) device->function;
    }
}
