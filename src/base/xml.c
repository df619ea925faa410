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

static void
set_syntax_error (GError **error, const char *what)
{
  const xmlError *last = xmlGetLastError ();
  g_autofree char *message = g_strdup (last && last->message ? last->message : "no document");

  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED, "%s:%d: not well-formed XML: %s",
               what, last ? last->line : 1, g_strchomp (message));
}

/* libxml2 calls it before it defines the first entity: of some kinds it expands each, which
 * can grow without end. */
static void
stop_at_document_type (void *data, const xmlChar *name G_GNUC_UNUSED,
                       const xmlChar *external G_GNUC_UNUSED, const xmlChar *system G_GNUC_UNUSED)
{
  xmlParserCtxt *context = data;
  gboolean *has_type = context->_private;

  *has_type = TRUE;
  xmlStopParser (context);
}

static xmlDoc *
parse (const char *text, gsize length, int options, const char *what, GError **error)
{
  g_autoptr (xmlParserCtxt) context = xmlNewParserCtxt ();
  g_autoptr (xmlDoc) doc = NULL;
  gboolean has_type = FALSE;

  if (length > G_MAXINT)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED, "%s: too large", what);
      return NULL;
    }
  context->_private = &has_type;
  context->sax->internalSubset = stop_at_document_type;
  xmlResetLastError ();
  doc = xmlCtxtReadMemory (context, text, (int) length, NULL, NULL, options);
  if (has_type)
    g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                 "%s:1: a document type declaration is not accepted", what);
  else if (!doc || !xmlDocGetRootElement (doc))
    set_syntax_error (error, what);
  else
    return g_steal_pointer (&doc);
  return NULL;
}

xmlDoc *
mfp_xml_parse (const char *text, gsize length, const char *what, GError **error)
{
  /* libxml2 takes a zero byte for the end. */
  if (memchr (text, '\0', length))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "%s:1: not well-formed XML: it holds a zero byte", what);
      return NULL;
    }
  return parse (text, length, QUIET, what, error);
}

xmlDoc *
mfp_xml_parse_large (const char *text, const char *what, GError **error)
{
  return parse (text, strlen (text), QUIET | XML_PARSE_HUGE, what, error);
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
