/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "commands/options.h"

#include "base/error.h"

#include <stdio.h>

#define TIMEOUT_MAX 86400 /* seconds */

void
mfp_common_options_clear (MfpCommonOptions *options)
{
  g_clear_pointer (&options->file, g_free);
  g_clear_pointer (&options->format, g_free);
}

static char *
help_text (poptContext context)
{
  char *text = NULL;
  size_t length;
  FILE *stream = open_memstream (&text, &length);

  poptPrintHelp (context, stream, 0);
  fclose (stream);
  return text;
}

static gboolean
usage_error (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
usage_error (GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_USAGE, text);
  return FALSE;
}

static gboolean
check_common (MfpInvocation *invocation, const MfpCommonOptions *common, GError **error)
{
  if (!mfp_format_parse (common->format, &invocation->format, error))
    return FALSE;
  if (common->current && (common->live || common->config || common->persistent))
    return usage_error (error, "--current excludes --live, --config and --persistent");
  if (common->timeout < 1 || common->timeout > TIMEOUT_MAX)
    return usage_error (error, "--timeout takes 1 to %d seconds", TIMEOUT_MAX);
  return TRUE;
}

gboolean
mfp_options_parse (MfpInvocation *invocation, const struct poptOption *table, const char *usage,
                   const MfpCommonOptions *common, GStrv *arguments, char **help,
                   GError **error)
{
  /* popt's help calls the program by the first word. */
  g_autofree char *name = g_strconcat ("virt-mfplug ", invocation->words[0], NULL);
  g_autofree const char **words
      = g_memdup2 (invocation->words, (g_strv_length (invocation->words) + 1) * sizeof (char *));
  poptContext context;
  int result;

  words[0] = name;
  context = poptGetContext (NULL, (int) g_strv_length (invocation->words), words, table, 0);
  poptSetOtherOptionHelp (context, usage);
  while ((result = poptGetNextOpt (context)) >= 0)
    ;
  /* The error, too, is told in the format that was asked for. */
  mfp_format_parse (common->format, &invocation->format, NULL);
  if (result < -1)
    usage_error (error, "%s: %s", poptBadOption (context, POPT_BADOPTION_NOALIAS),
                 poptStrerror (result));
  else if (common->help)
    *help = help_text (context);
  *arguments = g_strdupv ((GStrv) poptGetArgs (context));
  if (!*arguments)
    *arguments = g_new0 (char *, 1);
  poptFreeContext (context);
  return result == -1 && (*help || check_common (invocation, common, error));
}

gboolean
mfp_options_check_words (const char *command, const GStrv arguments,
                         const MfpCommonOptions *options, GError **error)
{
  gboolean has_devices = arguments[0] && arguments[1];

  return (arguments[0] && has_devices != (options->file != NULL))
         || usage_error (error, "%s takes a domain, and devices or --file", command);
}
