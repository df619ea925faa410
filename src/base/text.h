/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* @word as a person would type it in a shell: quoted only where needed, and
 * behind "--" where it could pass for an option. The caller frees. */
char *mfp_shell_word (const char *word);

/* Adds an item to @list, behind ", " unless it is the first. */
void mfp_append_item (GString *list, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* @text as one line that is fit for a terminal: a name may hold anything, and
 * is to neither move the cursor nor break the line. The caller frees. */
char *mfp_printable (const char *text);
