/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/error.h"

G_DEFINE_QUARK (mfp-error-quark, mfp_error)

gboolean
mfp_error_is (const GError *error, MfpError code)
{
  return g_error_matches (error, MFP_ERROR, (int) code);
}

int
mfp_error_exit_status (const GError *error)
{
  if (!error)
    return 0;
  if (error->domain == MFP_ERROR && error->code <= MFP_ERROR_LEFT)
    return error->code;
  if (mfp_error_is (error, MFP_ERROR_HUNG)) /* a run that touched something says LEFT */
    return MFP_ERROR_REFUSED;
  return MFP_ERROR_FAILED;
}

void
mfp_error_recode (GError **error, MfpError code)
{
  if (!error || !*error)
    return;
  (*error)->domain = MFP_ERROR;
  (*error)->code = code;
}

void
mfp_error_refuse (GError **error)
{
  if (error && mfp_error_exit_status (*error) == MFP_ERROR_FAILED
      && !mfp_error_is (*error, MFP_ERROR_INTERRUPTED))
    mfp_error_recode (error, MFP_ERROR_REFUSED);
}

void
mfp_error_append (GError **error, const char *format, ...)
{
  g_autofree char *line = NULL;
  char *whole;
  va_list args;

  g_return_if_fail (error && *error);

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);

  whole = g_strconcat ((*error)->message, "\n", line, NULL);
  g_free ((*error)->message);
  (*error)->message = whole;
}

void
mfp_error_collect (GError **all, GError *from)
{
  if (!*all)
    {
      *all = from;
      return;
    }
  mfp_error_append (all, "%s", from->message);
  if (mfp_error_is (from, MFP_ERROR_HUNG))
    mfp_error_recode (all, MFP_ERROR_HUNG);
  g_error_free (from);
}
