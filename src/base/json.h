/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* Parses @text, which is not trusted. The caller frees the node. NULL: it is invalid, is nested
 * too deeply, or has a comment. */
JsonNode *mfp_json_parse (const char *text);

/* The member @name of the object @node (nullable), if it is of kind @type; otherwise NULL, also if
 * @node is no object. @node owns it. json-glib's own functions treat a member of the wrong kind
 * as a programming error. */
JsonNode *mfp_json_member (JsonNode *node, const char *name, JsonNodeType type);

/* The text that is the member @name, or NULL. @node owns it. */
const char *mfp_json_string_member (JsonNode *node, const char *name);
