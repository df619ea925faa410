/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "text.h"

#include <string.h>

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:@%+/"

char *
mfp_shell_word (const char *word)
{
  gboolean is_plain = *word != '\0' && strspn (word, PLAIN) == strlen (word);
  g_autofree char *quoted = is_plain ? g_strdup (word) : g_shell_quote (word);

  return g_strconcat (word[0] == '-' ? "-- " : "", quoted, NULL);
}
