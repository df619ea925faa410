/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/text.h"

#include <string.h>

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:@%+/"

char *
mfp_shell_word (const char *word)
{
  gboolean is_plain = *word != '\0' && strspn (word, PLAIN) == strlen (word);
  g_autofree char *quoted = is_plain ? g_strdup (word) : g_shell_quote (word);

  return g_strconcat (word[0] == '-' ? "-- " : "", quoted, NULL);
}

void
mfp_append_item (GString *list, const char *format, ...)
{
  va_list args;

  if (list->len > 0)
    g_string_append (list, ", ");
  va_start (args, format);
  g_string_append_vprintf (list, format, args);
  va_end (args);
}

char *
mfp_printable (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autoptr (GString) result = g_string_new (NULL);

  for (const char *p = valid; *p; p = g_utf8_next_char (p))
    {
      gunichar character = g_utf8_get_char (p);

      if (g_unichar_isspace (character))
        character = ' ';
      g_string_append_unichar (result, g_unichar_isprint (character) ? character : '?');
    }
  return g_string_free (g_steal_pointer (&result), FALSE);
}
