/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "commands/command.h"

#include "base/error.h"
#include "base/text.h"
#include "libvirt/monitor.h"
#include "libvirt/survey.h"
#include "model/hint.h"
#include "model/hostdev-xml.h"
#include "plan/preflight.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MAX 86400 /* seconds */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FILE, fclose)

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
mfp_parse_options (MfpInvocation *invocation, const struct poptOption *table, const char *usage,
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
mfp_check_words (const char *command, const GStrv arguments, const MfpCommonOptions *options,
                 GError **error)
{
  gboolean has_devices = arguments[0] && arguments[1];

  return (arguments[0] && has_devices != (options->file != NULL))
         || usage_error (error, "%s takes a domain, and devices or --file", command);
}

void
mfp_target_free (MfpTarget *target)
{
  if (!target)
    return;
  mfp_view_clear (&target->seen);
  mfp_guest_free (target->config);
  if (target->libvirt)
    target->api->free (target->libvirt);
  g_free (target);
}

static MfpGuest *
read_guest (MfpOps *ops, MfpForm form, GError **error)
{
  g_autofree char *xml = ops->domain_xml (ops, form, error);

  return xml ? mfp_guest_parse (xml, error) : NULL;
}

static gboolean
read_config (MfpTarget *target, GError **error)
{
  if (!target->api->domain_is_persistent (target->libvirt))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "domain '%s' is transient and has no persistent XML; use --live",
                   target->api->domain_name (target->libvirt));
      return FALSE;
    }
  target->config = read_guest (target->ops, MFP_CONFIG, error);
  return target->config != NULL;
}

/* Reads the forms of the domain that @options are about. The live XML of one
 * that is not running is its persistent one, without an id. */
static gboolean
read_forms (MfpTarget *target, const MfpCommonOptions *options, GError **error)
{
  gboolean current = !options->live && !options->config && !options->persistent;
  gboolean only_config = options->config && !options->live && !options->persistent;
  g_autoptr (MfpGuest) guest = only_config ? NULL : read_guest (target->ops, MFP_LIVE, error);
  gboolean active = guest && guest->id;

  if (!guest && !only_config)
    return FALSE;
  if (options->live && !active)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "domain '%s' is not running, so there is nothing to change live; "
                   "--config affects its next start",
                   guest->name);
      return FALSE;
    }
  if (active)
    target->seen.live = g_steal_pointer (&guest);
  return !(options->config || options->persistent || (current && !active))
         || read_config (target, error);
}

/* Takes @view, what QEMU has included, for what the domain is now. */
static void
see (MfpTarget *target, MfpView *view)
{
  mfp_view_clear (&target->seen);
  target->seen = mfp_view_steal (view);
}

gboolean
mfp_target_look_again (MfpTarget *target, GError **error)
{
  MfpView view = { .live = read_guest (target->ops, MFP_LIVE, error) };

  if (!view.live)
    return FALSE;
  see (target, &view);
  return TRUE;
}

gboolean
mfp_target_look_at_both (MfpTarget *target, GError **error)
{
  /* The list of PCI devices leaves out what is behind a bus that the guest has not
   * numbered yet. */
  const MfpLook what = MFP_LOOK_DEVICES | MFP_LOOK_PCI | MFP_LOOK_EXPECTANT;
  g_auto (MfpView) view = { 0 };

  if (!target->ops->look (target->ops, what, &view, error))
    return FALSE;
  if (!view.live->id)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_DOMAIN_GONE, "the domain ended meanwhile");
      return FALSE;
    }
  see (target, &view);
  return TRUE;
}

static void
on_call (gpointer data, const char *function, const char *object, gint64 duration)
{
  mfp_console_call (data, function, object, duration);
}

MfpTarget *
mfp_target_connect (const MfpInvocation *invocation, MfpAccess access, const char *remedy,
                    GError **error)
{
  g_autoptr (MfpTarget) target = g_new0 (MfpTarget, 1);
  g_autofree char *parting
      = g_strdup_printf ("\nvirt-mfplug: stopped by a second signal; what was under way is "
                         "neither finished nor undone.\nTo mend it: virt-mfplug %s\n",
                         remedy);

  target->api = &mfp_libvirt_api;
  if (access == MFP_ACCESS_CHANGE)
    target->interrupt = mfp_interrupt_new (parting, MFP_ERROR_LEFT);
  target->trace = (MfpCallTrace){ .call = on_call, .data = invocation->console };
  target->libvirt = target->api->open (
      invocation->uri, access == MFP_ACCESS_READ, target->interrupt,
      mfp_console_is_verbose (invocation->console) ? &target->trace : NULL, error);
  if (!target->libvirt)
    return NULL;
  target->ops = target->api->ops (target->libvirt);
  return g_steal_pointer (&target);
}

MfpTarget *
mfp_target_open (const MfpInvocation *invocation, const MfpCommonOptions *options,
                 MfpAccess access, const char *domain, GError **error)
{
  g_autofree char *quoted = mfp_shell_word (domain);
  g_autofree char *remedy = g_strconcat ("recover ", quoted, NULL);
  g_autoptr (MfpTarget) target = mfp_target_connect (invocation, access, remedy, error);

  if (!target || !target->api->use_domain (target->libvirt, domain, error))
    return NULL;
  if (!read_forms (target, options, error))
    {
      mfp_error_recode (error, MFP_ERROR_REFUSED);
      return NULL;
    }
  return g_steal_pointer (&target);
}

/* All that @stream gives, or so much of it that it is too much. */
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
mfp_read_document (const char *file, GError **error)
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

gboolean
mfp_target_can_change (MfpTarget *target, GError **error)
{
  g_autofree char *driver = target->api->driver (target->libvirt);

  if (g_strcmp0 (driver, "qemu") == 0)
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "libvirt's %s driver cannot plug a multifunction card; supported is QEMU. "
               "--dry-run works here",
               driver ? driver : "unknown");
  return FALSE;
}

/* A guest's functions are on VFIO. */
static gboolean
any_on_vfio (const GPtrArray *functions)
{
  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);

      if (mfp_driver_is_vfio (function->driver))
        return TRUE;
    }
  return FALSE;
}

gboolean
mfp_target_check_free (MfpTarget *target, const GPtrArray *functions, GError **error)
{
  g_autoptr (GPtrArray) guests = NULL;

  if (!any_on_vfio (functions))
    return TRUE;
  guests = target->api->other_guests (target->libvirt, error);
  return guests && mfp_preflight_holders (functions, guests, error);
}

char *
mfp_target_report (const MfpTarget *target, const MfpInvocation *invocation, MfpReport report)
{
  report.domain = target->api->domain_name (target->libvirt);
  report.step_log = invocation->step_log;
  return invocation->quiet ? g_strdup ("") : mfp_report_format (&report, invocation->format);
}

/* ---- what is told of a run ---- */

static void
on_begin (gpointer data, const MfpStep *step, gboolean undo)
{
  const MfpInvocation *invocation = data;
  g_autofree char *text = mfp_step_describe (step);

  mfp_step_log_begin_step (invocation->step_log, step, undo, g_get_monotonic_time ());
  mfp_console_begin_step (invocation->console, text, undo);
}

static void
on_end (gpointer data, const GError *failure)
{
  const MfpInvocation *invocation = data;
  const MfpLoggedStep *step
      = mfp_step_log_end_step (invocation->step_log, failure, g_get_monotonic_time ());

  mfp_console_end_step (invocation->console, step->duration, failure != NULL);
}

static void
on_wait (gpointer data, gint64 elapsed, gint64 limit)
{
  mfp_console_wait (((const MfpInvocation *) data)->console, elapsed, limit);
}

static void
on_note (gpointer data, const char *text)
{
  mfp_warn (data, "%s", text);
}

/* Writes down which driver each function of @card is on, for a result that
 * tells it: as it was, and after the run as it is. */
static void
note_drivers (MfpTarget *target, const MfpInvocation *invocation, const MfpCard *card,
              gboolean after)
{
  g_autoptr (GArray) addresses = mfp_card_hosts (card);
  g_autoptr (GPtrArray) functions = NULL;

  if (invocation->format != MFP_FORMAT_JSON)
    return;
  functions = target->ops->host_functions (target->ops, addresses, NULL);
  for (guint i = 0; i < addresses->len; i++)
    {
      const MfpPciAddress *address = &g_array_index (addresses, MfpPciAddress, i);
      const MfpHostFunction *host = functions ? mfp_host_function_find (functions, address) : NULL;
      MfpLoggedDriver *entry = mfp_step_log_driver (invocation->step_log, address);

      char **noted = after ? &entry->after : &entry->before;

      /* A run that begins anew, with another slot, finds what it was left with. */
      if (!after && *noted)
        continue;
      g_free (*noted);
      *noted = g_strdup (host ? host->driver : NULL);
    }
}

/* QEMU 4.2 was the first whose pseries machine takes the whole slot with its
 * function 0 (spapr_pci_unplug_request() in hw/ppc/spapr_pci.c). */
static gboolean
settle_unplug (MfpTarget *target, MfpPlan *plan, GError **error)
{
  guint version;

  if (!target->seen.live || !mfp_guest_is_pseries (target->seen.live))
    return TRUE;
  version = mfp_monitor_query_version (target->ops, error);
  plan->unplug_each = version < MFP_QEMU_VERSION (4, 2);
  return version != 0;
}

static gboolean
has_any_of (GHashTable *in_qemu, const MfpCard *card)
{
  for (guint i = 0; i < card->functions->len; i++)
    if (mfp_function_is_among (g_ptr_array_index (card->functions, i), in_qemu))
      return TRUE;
  return FALSE;
}

/* What was seen for the plan is for a run that asks the guest for something, and looks
 * again after that. */
static void
hand_over_seen (MfpTarget *target, const MfpPlan *plan, MfpExecuteOptions *options)
{
  if (!target->seen.in_qemu || !has_any_of (target->seen.in_qemu, plan->card))
    return;
  options->seen = mfp_view_steal (&target->seen);
}

gboolean
mfp_target_execute (MfpTarget *target, const MfpInvocation *invocation,
                    const MfpCommonOptions *options, MfpPlan *plan, GError **error)
{
  const MfpObserver observer = {
    .begin = on_begin,
    .end = on_end,
    .wait = on_wait,
    .note = on_note,
    .data = (gpointer) invocation,
  };
  MfpExecuteOptions execute = {
    .domain = target->api->domain_name (target->libvirt),
    .timeout = options->timeout * G_TIME_SPAN_SECOND,
    .observer = &observer,
  };
  gboolean done;

  if (!settle_unplug (target, plan, error))
    return FALSE;
  note_drivers (target, invocation, plan->card, FALSE);
  hand_over_seen (target, plan, &execute);
  done = mfp_execute (plan, target->ops, &execute, error);
  note_drivers (target, invocation, plan->card, TRUE);
  if (!done && mfp_hint ((*error)->message))
    mfp_error_append (error, "%s", mfp_hint ((*error)->message));
  return done;
}
