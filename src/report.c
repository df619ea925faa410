/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "report.h"

#include "error.h"
#include "report-json.h"

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
                   "'%s' is no format; there are text and json", text);
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
add_function (JsonBuilder *builder, const MfpCard *card, const MfpFunction *function)
{
  g_autofree char *host = mfp_function_describe (function);
  g_autofree char *guest = guest_address (card, function);

  json_builder_begin_object (builder);
  mfp_json_add_string (builder, "host", host);
  mfp_json_add_string (builder, "guest", guest);
  mfp_json_add_string (builder, "alias", function->alias);
  mfp_json_add_string (builder, "host_driver", function->driver);
  json_builder_end_object (builder);
}

static char *
format_json (const MfpReport *report, const GPtrArray *functions)
{
  g_autoptr (JsonBuilder) builder = mfp_json_begin (report->command, report->domain);
  g_autofree char *slot = report->card && report->card->has_slot
                              ? mfp_pci_address_format_slot (&report->card->slot)
                              : NULL;

  mfp_json_add_boolean (builder, "changed", report->changed);
  mfp_json_add_string (builder, "slot", slot);
  json_builder_set_member_name (builder, "functions");
  json_builder_begin_array (builder);
  for (guint i = 0; i < functions->len; i++)
    add_function (builder, report->card, g_ptr_array_index (functions, i));
  json_builder_end_array (builder);
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
    { "detach", "Detached from domain", "Nothing of it is attached to domain" },
    { "recover", "Mended in domain", "Nothing is to be mended in domain" },
    { "reclaim", "Given back to the host", "Nothing is to be given back to the host" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (headlines); i++)
    if (strcmp (headlines[i].command, report->command) == 0)
      g_string_append (text, report->changed ? headlines[i].changed : headlines[i].unchanged);
  if (report->domain)
    g_string_append_printf (text, " '%s'", report->domain);
}

static char *
format_text (const MfpReport *report, const GPtrArray *functions)
{
  g_autoptr (GString) text = g_string_new (NULL);

  append_headline (text, report);
  g_string_append (text, functions->len ? ":\n" : ".\n");
  for (guint i = 0; i < functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (functions, i);
      g_autofree char *host = mfp_function_describe (function);
      g_autofree char *guest = guest_address (report->card, function);

      g_string_append_printf (text, "  host %s", host);
      if (report->domain)
        g_string_append_printf (text, "  guest %s", guest ? guest : "- (held, not shown)");
      g_string_append_c (text, '\n');
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

char *
mfp_report_format (const MfpReport *report, MfpFormat format)
{
  g_autoptr (GPtrArray) functions = in_order (report->card);

  return format == MFP_FORMAT_JSON ? format_json (report, functions)
                                   : format_text (report, functions);
}

char *
mfp_report_format_error (const GError *error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  mfp_json_add_schema (builder);
  mfp_json_add_string (builder, "error", error->message);
  json_builder_set_member_name (builder, "status");
  json_builder_add_int_value (builder, mfp_error_exit_status (error));
  json_builder_end_object (builder);
  return mfp_json_to_text (builder);
}
