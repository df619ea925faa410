/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/xml.h"

#include "base/error.h"

#include <libxml/parser.h>
#include <string.h>

#define QUIET (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)

void
mfp_xml_init (void)
{
  xmlInitParser ();
}

void
mfp_xml_set_error (GError **error, const char *what)
{
  const xmlError *last = xmlGetLastError ();
  g_autofree char *message = g_strdup (last && last->message ? last->message : "no document");

  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED, "%s:%d: not well-formed XML: %s",
               what, last ? last->line : 1, g_strchomp (message));
}

xmlDoc *
mfp_xml_parse (const char *text, gsize length, const char *what, GError **error)
{
  g_autoptr (xmlParserCtxt) context = xmlNewParserCtxt ();
  g_autoptr (xmlDoc) doc = NULL;

  /* libxml2 takes a zero byte for the end. */
  if (memchr (text, '\0', length))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "%s:1: not well-formed XML: it holds a zero byte", what);
      return NULL;
    }
  if (length > G_MAXINT)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED, "%s: too large", what);
      return NULL;
    }
  xmlResetLastError ();
  doc = xmlCtxtReadMemory (context, text, (int) length, NULL, NULL, QUIET);
  if (!doc || !xmlDocGetRootElement (doc))
    {
      mfp_xml_set_error (error, what);
      return NULL;
    }
  if (doc->intSubset || doc->extSubset)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "%s:1: a document type declaration is not accepted", what);
      return NULL;
    }
  return g_steal_pointer (&doc);
}

xmlTextReader *
mfp_xml_reader_new (const char *text, gsize length)
{
  xmlResetLastError ();
  return length > G_MAXINT ? NULL
                           : xmlReaderForMemory (text, (int) length, NULL, NULL,
                                                 QUIET | XML_PARSE_HUGE);
}

gboolean
mfp_xml_is (const xmlNode *node, const char *name)
{
  return node->type == XML_ELEMENT_NODE && strcmp ((const char *) node->name, name) == 0;
}

static xmlNode *
element_from (xmlNode *node)
{
  while (node && node->type != XML_ELEMENT_NODE)
    node = node->next;
  return node;
}

xmlNode *
mfp_xml_first_element (const xmlNode *node)
{
  return node ? element_from (node->children) : NULL;
}

xmlNode *
mfp_xml_next_element (const xmlNode *node)
{
  return element_from (node->next);
}

xmlNode *
mfp_xml_child (const xmlNode *node, const char *name)
{
  xmlNode *child = mfp_xml_first_element (node);

  while (child && !mfp_xml_is (child, name))
    child = mfp_xml_next_element (child);
  return child;
}

static char *
take_xml_string (xmlChar *text)
{
  char *copy = g_strdup ((const char *) text);

  xmlFree (text);
  return copy;
}

char *
mfp_xml_text (const xmlNode *node)
{
  return node ? take_xml_string (xmlNodeGetContent (node)) : NULL;
}

char *
mfp_xml_attribute (const xmlNode *node, const char *name)
{
  return node ? take_xml_string (xmlGetNoNsProp (node, (const xmlChar *) name)) : NULL;
}

gboolean
mfp_xml_attribute_is (const xmlNode *node, const char *name, const char *value)
{
  g_autofree char *actual = mfp_xml_attribute (node, name);

  return g_strcmp0 (actual, value) == 0;
}

gboolean
mfp_xml_attribute_uint (const xmlNode *node, const char *name, guint64 max,
                        guint *value)
{
  g_autofree char *text = mfp_xml_attribute (node, name);
  char *end;
  guint64 number;

  if (!text || !g_ascii_isdigit (text[0]))
    return FALSE;
  number = g_ascii_strtoull (text, &end, 0);
  if (*end != '\0' || number > MIN (max, G_MAXUINT))
    return FALSE;
  *value = (guint) number;
  return TRUE;
}

static gboolean
optional_uint (const xmlNode *node, const char *name, guint64 max, guint *value)
{
  *value = 0;
  return !xmlHasProp (node, (const xmlChar *) name)
         || mfp_xml_attribute_uint (node, name, max, value);
}

gboolean
mfp_xml_address (const xmlNode *node, MfpPciAddress *address)
{
  guint domain, bus, slot, function;

  if (!node || !optional_uint (node, "domain", G_MAXUINT32, &domain)
      || !mfp_xml_attribute_uint (node, "bus", G_MAXUINT8, &bus)
      || !mfp_xml_attribute_uint (node, "slot", MFP_PCI_SLOTS - 1, &slot)
      || !optional_uint (node, "function", MFP_PCI_FUNCTIONS - 1, &function))
    return FALSE;
  *address = (MfpPciAddress){ .domain = domain,
                              .bus = (guint8) bus,
                              .slot = (guint8) slot,
                              .function = (guint8) function };
  return TRUE;
}

void
mfp_xml_strip (xmlNode *node)
{
  xmlNode *next;

  for (xmlNode *child = node->children; child; child = next)
    {
      next = child->next;
      if (child->type == XML_ELEMENT_NODE)
        mfp_xml_strip (child);
      else if (xmlIsBlankNode (child))
        {
          xmlUnlinkNode (child);
          xmlFreeNode (child);
        }
    }
}

char *
mfp_xml_serialize (xmlNode *node)
{
  g_autoptr (xmlBuffer) buffer = xmlBufferCreate ();

  xmlNodeDump (buffer, node->doc, node, 0, 1);
  return g_strdup ((const char *) xmlBufferContent (buffer));
}
