/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options that several subcommands have, and how a subcommand reads its words.
 */
#pragma once

#include "commands/invocation.h"

#include <popt.h>

/* The options that several subcommands have; the strings belong to it. */
typedef struct
{
  char *file;
  char *format;
  int live;
  int config;
  int persistent;
  int current;
  int dry_run;
  int timeout; /* seconds */
  int help;
} MfpCommonOptions;

#define MFP_TIMEOUT_DEFAULT 60 /* seconds */

void mfp_common_options_clear (MfpCommonOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MfpCommonOptions, mfp_common_options_clear)

/* For --help, below the line of usage. */
#define MFP_DOMAIN_HELP "DOMAIN is a domain's name, UUID or id.\n"
#define MFP_DEVICE_HELP                                                                           \
  "DEVICE is a device of the host, as 'virt-mfplug list' shows it: 0000:01:00 means\n"           \
  "all of its functions, 01:00.0,2-3 some of them.\n"

/* Entries of a popt table that fill @o. */
#define MFP_FORM_OPTIONS(o)                                                                       \
  { "file", '\0', POPT_ARG_STRING, &(o)->file, 0,                                                 \
    "read the functions from a <devices> document; - is standard input", "XML" },                 \
  { "live", '\0', POPT_ARG_NONE, &(o)->live, 0, "affect the running domain", NULL },              \
  { "config", '\0', POPT_ARG_NONE, &(o)->config, 0, "affect the next start of the domain", NULL }, \
  { "persistent", '\0', POPT_ARG_NONE, &(o)->persistent, 0,                                       \
    "affect the next start, and the domain if it is running", NULL },                             \
  { "current", '\0', POPT_ARG_NONE, &(o)->current, 0,                                             \
    "affect the domain in its current state (default)", NULL }
#define MFP_DRY_RUN_OPTION(o, text)                                                               \
  { "dry-run", '\0', POPT_ARG_NONE, &(o)->dry_run, 0, text, NULL }
#define MFP_WAIT_OPTIONS(o)                                                                       \
  { "timeout", '\0', POPT_ARG_INT, &(o)->timeout, 0,                                              \
    "how long to wait for the guest and the host, 1 to 86400 (default 60)", "SECONDS" },          \
  MFP_RESULT_OPTIONS (o)
#define MFP_RESULT_OPTIONS(o)                                                                     \
  { "format", '\0', POPT_ARG_STRING, &(o)->format, 0, "format of the result (default text)",      \
    "text|json" },                                                                                \
  { "help", 'h', POPT_ARG_NONE, &(o)->help, 0, "show this help", NULL }

/**
 * mfp_options_parse:
 * @usage: what follows the options, for --help; and lines that explain it
 * @table: fills @common too
 * @arguments: (out): the words that are no options; the caller frees
 * @help: (out): the help text when it was asked for; the caller frees
 *
 * Also checks the common options. FALSE: MFP_ERROR_USAGE.
 */
gboolean mfp_options_parse (MfpInvocation *invocation, const struct poptOption *table,
                            const char *usage, const MfpCommonOptions *common,
                            GStrv *arguments, char **help, GError **error);

/* Whether @arguments are a domain, and devices unless --file has them. */
gboolean mfp_options_check_words (const char *command, const GStrv arguments,
                                  const MfpCommonOptions *options, GError **error);
