/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One call of the program: what main() hands to a subcommand.
 */
#pragma once

#include "output/console.h"
#include "output/report.h"
#include "output/step-log.h"

/**
 * MfpInvocation:
 * @uri: (nullable): --connect
 * @words: NULL-terminated: the subcommand's own words, its name first
 * @format: (out): the format of the result, and of an error
 * @left_in_call: (out): see MfpLibvirtOptions
 * @console, @step_log: where to tell what is done; not owned
 *
 * One call of a subcommand, with main()'s own options.
 */
typedef struct
{
  const char *uri;
  gboolean quiet;
  GStrv words;
  MfpFormat format;
  gboolean left_in_call;
  MfpConsole *console;
  MfpStepLog *step_log;
} MfpInvocation;

/* A subcommand. Returns what goes to stdout, for the caller to free ("" with
 * --quiet, but a document or a list that was asked for is not left out); NULL
 * on error. */
typedef char *(*MfpCommand) (MfpInvocation *invocation, GError **error);

char *mfp_cmd_attach (MfpInvocation *invocation, GError **error);
char *mfp_cmd_detach (MfpInvocation *invocation, GError **error);
char *mfp_cmd_list (MfpInvocation *invocation, GError **error);
char *mfp_cmd_recover (MfpInvocation *invocation, GError **error);
char *mfp_cmd_reclaim (MfpInvocation *invocation, GError **error);

/* Tells the person on stderr, unless --quiet, and notes it for the result. */
void mfp_warn (const MfpInvocation *invocation, const char *format, ...) G_GNUC_PRINTF (2, 3);
