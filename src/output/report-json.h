/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the results of all commands have in common as JSON.
 */
#pragma once

#include <json-glib/json-glib.h>

/* Begins an object with the members "schema", and "command" and "domain"
 * (nullable); the caller ends it, and owns the builder. */
JsonBuilder *mfp_json_begin (const char *command, const char *domain);

/* Adds the member "schema", which every object of ours begins with. */
void mfp_json_add_schema (JsonBuilder *builder);

/* Adds a member; @value: NULL: null. */
void mfp_json_add_string (JsonBuilder *builder, const char *name, const char *value);
void mfp_json_add_boolean (JsonBuilder *builder, const char *name, gboolean value);

/* Begins a member that is a list. */
void mfp_json_begin_list (JsonBuilder *builder, const char *name);

/* The finished document, indented, with a newline; the caller frees. */
char *mfp_json_to_text (JsonBuilder *builder);
