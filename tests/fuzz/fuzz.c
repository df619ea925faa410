/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fuzz.h"

/* A warning of GLib ends the fuzzer, so that it counts as a finding. */
int
LLVMFuzzerInitialize (int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
  g_log_set_always_fatal ((GLogLevelFlags) (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL
                                            | G_LOG_FATAL_MASK));
  return 0;
}

char *
fuzz_text (const uint8_t *data, size_t size)
{
  return size ? g_strndup ((const char *) data, size) : g_strdup ("");
}

void
fuzz_assert_outcome (gboolean done, const GError *error)
{
  g_assert_true (done == (error == NULL));
  if (error)
    {
      g_assert_true (error->domain == MFP_ERROR);
      g_assert_true (*error->message != '\0');
    }
}
