/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "output/report-json.h"

#define SCHEMA 1 /* goes up when a member changes its meaning */

void
mfp_json_add_schema (JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "schema");
  json_builder_add_int_value (builder, SCHEMA);
}

JsonBuilder *
mfp_json_begin (const char *command, const char *domain)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  mfp_json_add_schema (builder);
  mfp_json_add_string (builder, "command", command);
  mfp_json_add_string (builder, "domain", domain);
  return builder;
}

void
mfp_json_add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
mfp_json_add_boolean (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

void
mfp_json_begin_list (JsonBuilder *builder, const char *name)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
}

char *
mfp_json_to_text (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, TRUE);

  return g_strconcat (text, "\n", NULL);
}
