/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/record.h"

#include "base/xml.h"

#include <string.h>

static void
record_function_free (gpointer data)
{
  MfpRecordFunction *function = data;

  g_free (function->alias);
  g_free (function->driver);
  g_free (function);
}

MfpRecord *
mfp_record_new (const char *id, const MfpPciAddress *slot)
{
  MfpRecord *record = g_new0 (MfpRecord, 1);

  record->id = id ? g_strdup (id) : g_uuid_string_random ();
  record->slot = *slot;
  record->functions = g_ptr_array_new_with_free_func (record_function_free);
  return record;
}

static int
compare_hosts (gconstpointer a, gconstpointer b)
{
  const MfpRecordFunction *const *left = a, *const *right = b;

  return mfp_pci_address_compare (&(*left)->host, &(*right)->host);
}

void
mfp_record_add (MfpRecord *record, const MfpRecordFunction *function)
{
  MfpRecordFunction *copy = g_memdup2 (function, sizeof *function);

  copy->alias = g_strdup (function->alias);
  copy->driver = g_strdup (function->driver);
  g_ptr_array_add (record->functions, copy);
  g_ptr_array_sort (record->functions, compare_hosts);
}

void
mfp_record_free (MfpRecord *record)
{
  if (!record)
    return;
  g_free (record->id);
  g_free (record->detaching);
  g_ptr_array_unref (record->functions);
  g_free (record);
}

char *
mfp_record_uri (const char *id)
{
  return g_strconcat (MFP_RECORD_NAMESPACE, id, NULL);
}

/* @taken: whether the function has been taken */
static void
format_function (xmlNode *card, const MfpRecordFunction *function, gboolean taken)
{
  xmlNode *node = xmlNewChild (card, NULL, BAD_CAST "function", NULL);
  g_autofree char *host = mfp_pci_address_format (&function->host);

  xmlNewProp (node, BAD_CAST "host", BAD_CAST host);
  if (function->guest_function >= 0)
    {
      g_autofree char *guest = g_strdup_printf ("%d", function->guest_function);

      xmlNewProp (node, BAD_CAST "guest", BAD_CAST guest);
    }
  xmlNewProp (node, BAD_CAST "alias", BAD_CAST function->alias);
  if (function->driver)
    xmlNewProp (node, BAD_CAST "driver", BAD_CAST function->driver);
  xmlNewProp (node, BAD_CAST "taken", BAD_CAST (taken ? "yes" : "no"));
  if (function->managed)
    xmlNewProp (node, BAD_CAST "managed", BAD_CAST "yes");
}

char *
mfp_record_format (const MfpRecord *record)
{
  g_autoptr (xmlDoc) doc = xmlNewDoc (BAD_CAST "1.0");
  xmlNode *card = xmlNewDocNode (doc, NULL, BAD_CAST "card", NULL);
  g_autofree char *slot = mfp_pci_address_format_slot (&record->slot);

  xmlDocSetRootElement (doc, card);
  xmlNewProp (card, BAD_CAST "slot", BAD_CAST slot);
  if (record->claiming)
    xmlNewProp (card, BAD_CAST "claiming", BAD_CAST "yes");
  if (record->detaching)
    xmlNewProp (card, BAD_CAST "detaching", BAD_CAST record->detaching);
  for (guint i = 0; i < record->functions->len; i++)
    {
      const MfpRecordFunction *function = g_ptr_array_index (record->functions, i);

      format_function (card, function, function->taken && !record->claiming);
    }
  return mfp_xml_serialize (card);
}

static gboolean
parse_function (const xmlNode *node, MfpRecord *record)
{
  g_autofree char *host = mfp_xml_attribute (node, "host");
  g_autofree char *alias = mfp_xml_attribute (node, "alias");
  g_autofree char *driver = mfp_xml_attribute (node, "driver");
  MfpRecordFunction function = {
    .guest_function = MFP_UNASSIGNED,
    .alias = alias,
    .driver = driver,
    .taken = mfp_xml_attribute_is (node, "taken", "yes"),
    .managed = mfp_xml_attribute_is (node, "managed", "yes"),
  };
  gboolean is_exposed = xmlHasProp (node, BAD_CAST "guest") != NULL;
  guint guest;

  if (!host || !alias || !mfp_pci_address_parse (host, &function.host, NULL)
      || (is_exposed
          && !mfp_xml_attribute_uint (node, "guest", MFP_PCI_FUNCTIONS - 1, &guest)))
    return FALSE;
  if (is_exposed)
    function.guest_function = (int) guest;
  mfp_record_add (record, &function);
  return TRUE;
}

MfpRecord *
mfp_record_parse (const xmlNode *node)
{
  g_autoptr (MfpRecord) record = NULL;
  g_autofree char *slot_text = NULL;
  MfpPciAddress slot;

  if (!mfp_xml_is (node, "card") || !node->ns
      || !g_str_has_prefix ((const char *) node->ns->href, MFP_RECORD_NAMESPACE))
    return NULL;
  slot_text = mfp_xml_attribute (node, "slot");
  if (!slot_text || !mfp_pci_address_parse_slot (slot_text, &slot, NULL))
    return NULL;

  record = mfp_record_new ((const char *) node->ns->href + strlen (MFP_RECORD_NAMESPACE),
                           &slot);
  record->claiming = mfp_xml_attribute_is (node, "claiming", "yes");
  record->detaching = mfp_xml_attribute (node, "detaching");
  for (const xmlNode *child = mfp_xml_first_element (node); child;
       child = mfp_xml_next_element (child))
    if (mfp_xml_is (child, "function") && !parse_function (child, record))
      return NULL;
  return g_steal_pointer (&record);
}

const MfpRecordFunction *
mfp_record_find (const MfpRecord *record, const MfpPciAddress *host)
{
  for (guint i = 0; i < record->functions->len; i++)
    {
      const MfpRecordFunction *function = g_ptr_array_index (record->functions, i);

      if (mfp_pci_address_equal (&function->host, host))
        return function;
    }
  return NULL;
}
