/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

xmlNode *
fake_xml_required (xmlNode *node, const char *name)
{
  xmlNode *child = mfp_xml_child (node, name);

  return child ? child : xmlNewChild (node, NULL, BAD_CAST name, NULL);
}

void
fake_xml_set (xmlNode *node, const char *name, const char *value)
{
  xmlSetProp (node, BAD_CAST name, BAD_CAST value);
}

static void G_GNUC_PRINTF (3, 4)
set_format (xmlNode *node, const char *name, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  fake_xml_set (node, name, text);
}

/* As libvirt prints it. */
void
fake_xml_set_address (xmlNode *node, const MfpPciAddress *address)
{
  set_format (node, "domain", "0x%04x", (guint) address->domain);
  set_format (node, "bus", "0x%02x", (guint) address->bus);
  set_format (node, "slot", "0x%02x", (guint) address->slot);
  set_format (node, "function", "0x%x", (guint) address->function);
}

void
fake_xml_remove (xmlNode *node)
{
  if (!node)
    return;
  xmlUnlinkNode (node);
  xmlFreeNode (node);
}

xmlDoc *
fake_xml_copy (xmlNode *node)
{
  xmlDoc *doc = xmlNewDoc (BAD_CAST "1.0");

  xmlDocSetRootElement (doc, xmlDocCopyNode (node, doc, 1));
  return doc;
}

xmlNode *
fake_xml_root (xmlDoc *doc)
{
  return xmlDocGetRootElement (doc);
}

char *
fake_xml_child_text (const xmlNode *node, const char *name)
{
  return mfp_xml_text (mfp_xml_child (node, name));
}
