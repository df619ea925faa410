/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* Parses @text, which may come from anywhere. The caller frees the node; NULL on error. */
JsonNode *mfp_json_parse (const char *text);

/* The member @name of @node (nullable) where both are of the expected kind, or NULL. @node owns
 * it. json-glib's own functions for this take a member of another kind for the program's error. */
JsonNode *mfp_json_member (JsonNode *node, const char *name, JsonNodeType type);

/* The text that is the member @name, or NULL. @node owns it. */
const char *mfp_json_string_member (JsonNode *node, const char *name);
