/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program's own options, the table of subcommands, and the exit status.
 */
#include "config.h"

#include "base/error.h"
#include "commands/invocation.h"

#include <errno.h>
#include <locale.h>
#include <popt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct
{
  const char *name;
  MfpCommand run;
  const char *summary;
} commands[] = {
  { "attach", mfp_cmd_attach, "plug host functions into one slot of a guest" },
  { "detach", mfp_cmd_detach,
    "unplug a guest slot and reattach its functions to their host drivers" },
  { "list", mfp_cmd_list, "list the host's cards, or those of a domain" },
  { "recover", mfp_cmd_recover, "finish or undo what an interrupted run left in a domain" },
  { "reclaim", mfp_cmd_reclaim, "reattach functions that no domain has to their host drivers" },
};

static MfpCommand
find_command (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i].name, name) == 0)
      return commands[i].run;
  return NULL;
}

static void
print_help (poptContext context, FILE *stream)
{
  poptPrintHelp (context, stream, 0);
  fprintf (stream, "\nCommands:\n");
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
  fprintf (stream, "\n'virt-mfplug COMMAND --help' explains a command, and virt-mfplug(1) all of "
                   "them.\n");
}

/* Tells of @error, on stdout too when the caller reads JSON there. */
static int
finish_with_error (const MfpInvocation *invocation, const GError *error)
{
  int status = mfp_error_exit_status (error);

  if (invocation->format == MFP_FORMAT_JSON)
    {
      g_autofree char *json = mfp_report_format_error (error, invocation->step_log);

      fputs (json, stdout);
    }
  mfp_console_error (invocation->console, error->message);
  if (status == MFP_ERROR_USAGE)
    g_printerr ("Try 'virt-mfplug --help'.\n");
  return status;
}

/* Whether all that was printed has got out. */
static int
check_output (int status)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return status;
  g_printerr ("virt-mfplug: error: the result cannot be written: %s\n", g_strerror (errno));
  return status ? status : EXIT_FAILURE;
}

static int
run_command (MfpInvocation *invocation)
{
  MfpCommand run = find_command (invocation->words[0]);
  g_autoptr (GError) error = NULL;
  g_autofree char *output = NULL;

  if (!run)
    g_set_error (&error, MFP_ERROR, MFP_ERROR_USAGE, "there is no command '%s'",
                 invocation->words[0]);
  else
    output = run (invocation, &error);
  if (!output)
    return finish_with_error (invocation, error);
  fputs (output, stdout);
  return EXIT_SUCCESS;
}

/* The program's own options. */
typedef struct
{
  char *uri;
  int quiet;
  int verbose;
  int version;
  int help;
} Options;

/* @result: what popt returned last when it read the words of @context. */
static int
run (poptContext context, int result, const Options *options, MfpInvocation *invocation)
{
  if (result < -1)
    {
      g_autoptr (GError) error
          = g_error_new (MFP_ERROR, MFP_ERROR_USAGE, "%s: %s",
                         poptBadOption (context, POPT_BADOPTION_NOALIAS), poptStrerror (result));

      return finish_with_error (invocation, error);
    }
  if (options->version)
    {
      printf ("virt-mfplug %s\n", VERSION);
      return EXIT_SUCCESS;
    }
  if (options->help || !invocation->words)
    {
      print_help (context, options->help ? stdout : stderr);
      return options->help ? EXIT_SUCCESS : MFP_ERROR_USAGE;
    }
  return run_command (invocation);
}

static void
prepare_process (void)
{
  /* Not LC_ALL: numbers have the same form in every language. */
  setlocale (LC_CTYPE, "");
  setlocale (LC_MESSAGES, "");
  signal (SIGPIPE, SIG_IGN); /* a reader who has gone must not end a run between two steps */
}

int
main (int argc, char **argv)
{
  Options options = { 0 };
  const struct poptOption table[] = {
    { "connect", 'c', POPT_ARG_STRING, &options.uri, 0, "hypervisor connection URI", "URI" },
    { "quiet", 'q', POPT_ARG_NONE, &options.quiet, 0, "print nothing but errors", NULL },
    { "verbose", 'v', POPT_ARG_NONE, &options.verbose, 0,
      "print each step and each libvirt call", NULL },
    { "version", 'V', POPT_ARG_NONE, &options.version, 0, "print the version", NULL },
    { "help", 'h', POPT_ARG_NONE, &options.help, 0, "show this help", NULL },
    POPT_TABLEEND,
  };
  poptContext context;
  MfpInvocation invocation = { 0 };
  g_autoptr (MfpConsole) console = NULL;
  g_autoptr (MfpStepLog) step_log = NULL;
  g_auto (GStrv) words = NULL;
  int result, status;

  prepare_process ();
  context = poptGetContext (NULL, argc, (const char **) argv, table, POPT_CONTEXT_POSIXMEHARDER);
  poptSetOtherOptionHelp (context, "[OPTION...] COMMAND ...");
  while ((result = poptGetNextOpt (context)) >= 0)
    ;
  words = g_strdupv ((GStrv) poptGetArgs (context));
  console = mfp_console_for_stderr (options.quiet, options.verbose);
  step_log = mfp_step_log_new ();
  invocation = (MfpInvocation){
    .uri = options.uri,
    .quiet = options.quiet,
    .words = words,
    .console = console,
    .step_log = step_log,
  };
  status = run (context, result, &options, &invocation);
  poptFreeContext (context);
  g_free (options.uri);
  status = check_output (status);
  /* Libraries that clean up at exit may crash over the thread that is left in a call. */
  if (invocation.left_in_call)
    _exit (status);
  return status;
}
