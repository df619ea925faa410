/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "output/report.h"

#include "base/error.h"
#include "output/report-json.h"

#include <string.h>

gboolean
mfp_format_parse (const char *text, MfpFormat *format, GError **error)
{
  if (!text || strcmp (text, "text") == 0)
    *format = MFP_FORMAT_TEXT;
  else if (strcmp (text, "json") == 0)
    *format = MFP_FORMAT_JSON;
  else
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_USAGE,
                   "'%s' is not a format; use text or json", text);
      return FALSE;
    }
  return TRUE;
}

/* Where the guest has, or had, @function; NULL: it does not see it. */
static char *
guest_address (const MfpCard *card, const MfpFunction *function)
{
  MfpPciAddress address;

  if (!card->has_slot || !mfp_function_is_exposed (function))
    return NULL;
  address = mfp_pci_address_with_function (&card->slot, (guint) function->guest_function);
  return mfp_pci_address_format (&address);
}

static int
compare_functions (gconstpointer a, gconstpointer b)
{
  const MfpFunction *const *left = a, *const *right = b;
  gboolean left_shown = mfp_function_is_exposed (*left);

  if (left_shown != mfp_function_is_exposed (*right))
    return left_shown ? -1 : 1;
  if (left_shown)
    return (*left)->guest_function - (*right)->guest_function;
  return mfp_pci_address_compare (&(*left)->host, &(*right)->host);
}

/* The functions in the guest's order: (element-type MfpFunction). */
static GPtrArray *
in_order (const MfpCard *card)
{
  GPtrArray *functions = g_ptr_array_new ();

  for (guint i = 0; card && i < card->functions->len; i++)
    g_ptr_array_add (functions, g_ptr_array_index (card->functions, i));
  g_ptr_array_sort (functions, compare_functions);
  return functions;
}

static void
add_drivers (JsonBuilder *builder, const MfpLoggedDriver *driver)
{
  mfp_json_add_string (builder, "driver_before", driver ? driver->before : NULL);
  mfp_json_add_string (builder, "driver_after", driver ? driver->after : NULL);
}

static void
add_function (JsonBuilder *builder, const MfpCard *card, const MfpFunction *function,
              const MfpStepLog *step_log)
{
  g_autofree char *host = mfp_function_describe (function);
  g_autofree char *guest = guest_address (card, function);

  json_builder_begin_object (builder);
  mfp_json_add_string (builder, "host", host);
  mfp_json_add_string (builder, "guest", guest);
  mfp_json_add_string (builder, "alias", function->alias);
  mfp_json_add_string (builder, "host_driver", function->driver);
  add_drivers (builder, mfp_step_log_find_driver (step_log, &function->host));
  json_builder_end_object (builder);
}

/* The members "slot" and "functions". */
static void
add_card (JsonBuilder *builder, const MfpCard *card, const MfpStepLog *step_log)
{
  g_autoptr (GPtrArray) functions = in_order (card);
  g_autofree char *slot
      = card && card->has_slot ? mfp_pci_address_format_slot (&card->slot) : NULL;

  mfp_json_add_string (builder, "slot", slot);
  mfp_json_begin_list (builder, "functions");
  for (guint i = 0; i < functions->len; i++)
    add_function (builder, card, g_ptr_array_index (functions, i), step_log);
  json_builder_end_array (builder);
}

static void
add_cards (JsonBuilder *builder, const GPtrArray *cards, const MfpStepLog *step_log)
{
  mfp_json_begin_list (builder, "cards");
  for (guint i = 0; i < cards->len; i++)
    {
      json_builder_begin_object (builder);
      add_card (builder, g_ptr_array_index (cards, i), step_log);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_step_entry (JsonBuilder *builder, const MfpLoggedStep *step)
{
  json_builder_begin_object (builder);
  mfp_json_add_string (builder, "step", mfp_step_name (step->kind));
  mfp_json_add_string (builder, "function", step->function);
  mfp_json_add_boolean (builder, "undo", step->undo);
  json_builder_set_member_name (builder, "seconds");
  json_builder_add_double_value (builder, (double) step->duration / G_TIME_SPAN_SECOND);
  mfp_json_add_string (builder, "error", step->error);
  json_builder_end_object (builder);
}

/* The members "steps" and "warnings". */
static void
add_step_log (JsonBuilder *builder, const MfpStepLog *step_log)
{
  mfp_json_begin_list (builder, "steps");
  for (guint i = 0; i < step_log->steps->len; i++)
    add_step_entry (builder, g_ptr_array_index (step_log->steps, i));
  json_builder_end_array (builder);
  mfp_json_begin_list (builder, "warnings");
  for (guint i = 0; i < step_log->warnings->len; i++)
    json_builder_add_string_value (builder, g_ptr_array_index (step_log->warnings, i));
  json_builder_end_array (builder);
}

static char *
format_json (const MfpReport *report)
{
  g_autoptr (JsonBuilder) builder = mfp_json_begin (report->command, report->domain);

  mfp_json_add_boolean (builder, "changed", report->changed);
  if (report->cards)
    add_cards (builder, report->cards, report->step_log);
  else
    add_card (builder, report->card, report->step_log);
  add_step_log (builder, report->step_log);
  json_builder_end_object (builder);
  return mfp_json_to_text (builder);
}

/* The first line: what was done, or that nothing had to be. */
static void
append_headline (GString *text, const MfpReport *report)
{
  static const struct
  {
    const char *command;
    const char *changed;
    const char *unchanged;
  } headlines[] = {
    { "attach", "Attached to domain", "Already attached to domain" },
    { "detach", "Detached from domain", "None of these functions is attached to domain" },
    { "recover", "Recovered in domain", "Nothing to recover in domain" },
    { "reclaim", "Reattached to the host", "Nothing to reattach to the host" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (headlines); i++)
    if (strcmp (headlines[i].command, report->command) == 0)
      g_string_append (text, report->changed ? headlines[i].changed : headlines[i].unchanged);
  if (report->domain)
    g_string_append_printf (text, " '%s'", report->domain);
}

/* A line for each function of @card. */
static void
append_card (GString *text, const MfpReport *report, const MfpCard *card)
{
  g_autoptr (GPtrArray) functions = in_order (card);

  for (guint i = 0; i < functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (functions, i);
      g_autofree char *host = mfp_function_describe (function);
      g_autofree char *guest = guest_address (card, function);

      g_string_append_printf (text, "  host %s", host);
      if (report->domain)
        g_string_append_printf (text, "  guest %s", guest ? guest : "- (unassigned)");
      g_string_append_c (text, '\n');
    }
}

static char *
format_text (const MfpReport *report)
{
  g_autoptr (GString) head = g_string_new (NULL);
  g_autoptr (GString) functions = g_string_new (NULL);

  append_headline (head, report);
  append_card (functions, report, report->card);
  for (guint i = 0; report->cards && i < report->cards->len; i++)
    append_card (functions, report, g_ptr_array_index (report->cards, i));
  return g_strconcat (head->str, functions->len ? ":\n" : ".\n", functions->str, NULL);
}

char *
mfp_report_format (const MfpReport *report, MfpFormat format)
{
  return format == MFP_FORMAT_JSON ? format_json (report) : format_text (report);
}

/* Where the functions that the command worked on were before, and are now. */
static void
add_places (JsonBuilder *builder, const MfpStepLog *step_log)
{
  mfp_json_begin_list (builder, "functions");
  for (guint i = 0; i < step_log->drivers->len; i++)
    {
      const MfpLoggedDriver *driver = g_ptr_array_index (step_log->drivers, i);
      g_autofree char *host = mfp_pci_address_format (&driver->host);

      json_builder_begin_object (builder);
      mfp_json_add_string (builder, "host", host);
      add_drivers (builder, driver);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

char *
mfp_report_format_error (const GError *error, const MfpStepLog *step_log)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  mfp_json_add_schema (builder);
  mfp_json_add_string (builder, "error", error->message);
  json_builder_set_member_name (builder, "status");
  json_builder_add_int_value (builder, mfp_error_exit_status (error));
  add_places (builder, step_log);
  add_step_log (builder, step_log);
  json_builder_end_object (builder);
  return mfp_json_to_text (builder);
}
