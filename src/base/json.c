/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/json.h"

#include <string.h>

#define NESTING_MAX 1000 /* of lists and objects; each bridge of query-pci is four */

/* Whether json-glib, which parses by recursion, can take @text without running
 * out of stack. A slash outside of strings begins a comment for it. */
static gboolean
is_shallow (const char *text)
{
  gboolean quoted = FALSE;
  guint depth = 0;

  for (const char *p = text; *p; p++)
    {
      if (quoted && *p == '\\' && p[1] != '\0')
        p++;
      else if (*p == '"')
        quoted = !quoted;
      else if (!quoted && (*p == '/' || (strchr ("[{", *p) && ++depth > NESTING_MAX)))
        return FALSE;
      else if (!quoted && strchr ("]}", *p) && depth > 0)
        depth--;
    }
  return TRUE;
}

JsonNode *
mfp_json_parse (const char *text)
{
  return is_shallow (text) ? json_from_string (text, NULL) : NULL;
}

JsonNode *
mfp_json_member (JsonNode *node, const char *name, JsonNodeType type)
{
  JsonNode *child;

  if (!node || !JSON_NODE_HOLDS_OBJECT (node))
    return NULL;
  child = json_object_get_member (json_node_get_object (node), name);
  return child && json_node_get_node_type (child) == type ? child : NULL;
}

const char *
mfp_json_string_member (JsonNode *node, const char *name)
{
  JsonNode *child = mfp_json_member (node, name, JSON_NODE_VALUE);

  return child && json_node_get_value_type (child) == G_TYPE_STRING
             ? json_node_get_string (child)
             : NULL;
}
