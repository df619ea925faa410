/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The few things that all readers of libvirt's XML need, on libxml2.
 */
#pragma once

#include "base/autoptr.h"

/**
 * mfp_xml_init:
 *
 * Sets libxml2 up. That is for one thread (libxml2 2.9 guards not all of it), and
 * libvirt leaves it to the first reading: so it comes before there are threads.
 */
void mfp_xml_init (void);

/**
 * mfp_xml_parse:
 * @text: a document, @length bytes
 * @what: what it is, for messages
 *
 * Parses text that may come from anywhere: nothing is loaded from files or
 * the network, and a document type declaration is refused, so no entity is
 * ever defined.
 *
 * Returns: the document, to be freed by the caller; NULL on error
 * (MFP_ERROR_REFUSED, the message gives the line).
 */
xmlDoc *mfp_xml_parse (const char *text, gsize length, const char *what,
                       GError **error);

/* The same of a document of libvirt's own, which may be larger than libxml2 takes by
 * default. */
xmlDoc *mfp_xml_parse_large (const char *text, const char *what, GError **error);

/* The first child element of @node called @name, or NULL. */
xmlNode *mfp_xml_child (const xmlNode *node, const char *name);

/* The first child element of @node, the next sibling element of @node. */
xmlNode *mfp_xml_first_element (const xmlNode *node);
xmlNode *mfp_xml_next_element (const xmlNode *node);

gboolean mfp_xml_is (const xmlNode *node, const char *name);

/* The text of an element or the value of an attribute; the caller frees;
 * NULL when absent (or @node is NULL). */
char *mfp_xml_text (const xmlNode *node);
char *mfp_xml_attribute (const xmlNode *node, const char *name);

gboolean mfp_xml_attribute_is (const xmlNode *node, const char *name,
                               const char *value);

/* Reads a number as libvirt does: decimal, 0x hexadecimal or 0 octal, no
 * sign, at most @max. FALSE when absent or otherwise. */
gboolean mfp_xml_attribute_uint (const xmlNode *node, const char *name,
                                 guint64 max, guint *value);

/* Removes white space between the elements below @node. */
void mfp_xml_strip (xmlNode *node);

/* The element as text, indented; the caller frees. */
char *mfp_xml_serialize (xmlNode *node);
