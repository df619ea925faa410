/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the subcommands share: their place in main()'s table, the options that
 * attach and detach have in common, and the steps from words to an open domain.
 */
#pragma once

#include "libvirt/ops-libvirt.h"
#include "model/selection.h"
#include "output/console.h"
#include "output/report.h"
#include "output/step-log.h"
#include "run/execute.h"

#include <popt.h>

/**
 * MfpInvocation:
 * @uri: (nullable): --connect
 * @words: NULL-terminated: the subcommand's own words, its name first
 * @format: (out): how an error is to be told, too
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
 * mfp_parse_options:
 * @usage: what follows the options, for --help; and lines that explain it
 * @table: fills @common too
 * @arguments: (out): the words that are no options; the caller frees
 * @help: (out): the help text when it was asked for; the caller frees
 *
 * Also checks the common options. FALSE: MFP_ERROR_USAGE.
 */
gboolean mfp_parse_options (MfpInvocation *invocation, const struct poptOption *table,
                            const char *usage, const MfpCommonOptions *common,
                            GStrv *arguments, char **help, GError **error);

/* Tells on stderr what the person may want to know, unless --quiet. */
void mfp_warn (const MfpInvocation *invocation, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Whether @arguments are a domain, and devices unless --file has them. */
gboolean mfp_check_words (const char *command, const GStrv arguments,
                          const MfpCommonOptions *options, GError **error);

/**
 * MfpTarget:
 * @api: what @libvirt can do; @ops: its operations
 * @interrupt: (nullable): what stops it; there with %MFP_ACCESS_CHANGE
 * @trace: for @libvirt, with --verbose
 * @seen, @config: the forms of the domain that are to be changed: as it runs (nothing
 *   otherwise), and (nullable) as it will start next
 *
 * A connection, and in most cases a domain on it.
 */
typedef struct
{
  const MfpLibvirtApi *api;
  MfpInterrupt *interrupt;
  MfpCallTrace trace;
  MfpLibvirt *libvirt;
  MfpOps *ops;
  MfpView seen;
  MfpGuest *config;
} MfpTarget;

void mfp_target_free (MfpTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpTarget, mfp_target_free)

/**
 * MfpAccess:
 * @MFP_ACCESS_READ: nothing will be changed, nor QEMU asked: a read-only
 *   connection will do
 * @MFP_ACCESS_ASK: nothing will be changed, but QEMU asked
 * @MFP_ACCESS_CHANGE: a signal is to stop it in an orderly way
 */
typedef enum
{
  MFP_ACCESS_READ,
  MFP_ACCESS_ASK,
  MFP_ACCESS_CHANGE,
} MfpAccess;

/* Only connects. @remedy: what mends a run that a second signal stopped, with
 * %MFP_ACCESS_CHANGE. */
MfpTarget *mfp_target_connect (const MfpInvocation *invocation, MfpAccess access,
                               const char *remedy, GError **error);

/* Connects, finds the domain and reads the forms that @options mean, in
 * virsh's sense of --live, --config, --persistent and --current. */
MfpTarget *mfp_target_open (const MfpInvocation *invocation, const MfpCommonOptions *options,
                            MfpAccess access, const char *domain, GError **error);

/* The <devices> document that --file names. */
MfpCard *mfp_read_document (const char *file, GError **error);

/* Reads the live XML again. */
gboolean mfp_target_look_again (MfpTarget *target, GError **error);

/* The same, and asks QEMU, for a run that will wait for the guest and can begin with
 * what was seen. Errors: as the operations of ops.h fail. */
gboolean mfp_target_look_at_both (MfpTarget *target, GError **error);

/* Refuses the connection of a driver that cannot plug a multifunction card. */
gboolean mfp_target_can_change (MfpTarget *target, GError **error);

/* Refuses (MFP_ERROR_REFUSED) when a running domain other than the chosen one
 * has one of @functions (element-type MfpHostFunction). */
gboolean mfp_target_check_free (MfpTarget *target, const GPtrArray *functions, GError **error);

/* The result of a command, for stdout, and nothing with --quiet; the caller
 * frees. @report: but for the domain and the step_log. */
char *mfp_target_report (const MfpTarget *target, const MfpInvocation *invocation,
                         MfpReport report);

/* Runs @plan on @target, in the way that its QEMU wants; tells the console and
 * the step_log. */
gboolean mfp_target_execute (MfpTarget *target, const MfpInvocation *invocation,
                             const MfpCommonOptions *options, MfpPlan *plan,
                             GError **error);
