/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "commands/invocation.h"

void
mfp_warn (const MfpInvocation *invocation, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  mfp_console_warn (invocation->console, text);
  mfp_step_log_warn (invocation->step_log, text);
}
