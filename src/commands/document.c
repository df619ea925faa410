/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "commands/document.h"

#include "base/error.h"
#include "model/hostdev-xml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FILE, fclose)

/* All that @stream gives, or a bit more than a document may have. */
static char *
read_stream (FILE *stream, gsize *length)
{
  GString *text = g_string_new (NULL);
  char buffer[4096];
  size_t count;

  while (text->len <= MFP_DOCUMENT_MAX && (count = fread (buffer, 1, sizeof buffer, stream)) > 0)
    g_string_append_len (text, buffer, (gssize) count);
  *length = text->len;
  return g_string_free (text, FALSE);
}

MfpCard *
mfp_document_read (const char *file, GError **error)
{
  gboolean is_stdin = strcmp (file, "-") == 0;
  g_autoptr (FILE) opened = is_stdin ? NULL : fopen (file, "re");
  FILE *stream = is_stdin ? stdin : opened;
  g_autofree char *text = NULL;
  gsize length;

  if (stream)
    text = read_stream (stream, &length);
  if (!stream || ferror (stream))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED, "cannot read '%s': %s", file,
                   g_strerror (errno));
      return NULL;
    }
  return mfp_devices_parse (text, length, is_stdin ? "standard input" : file, error);
}
