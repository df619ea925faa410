/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/selection.h"

#include "base/error.h"

#include <string.h>

static gboolean
usage (GError **error, const char *word)
{
  g_set_error (error, MFP_ERROR, MFP_ERROR_USAGE,
               "'%s' does not name a device or functions of one; examples: "
               "0000:01:00, 01:00.0,2-3, 01:00.1=0,01:00.3=1, pci_0000_01_00_0",
               word);
  return FALSE;
}

/* One octal digit: a function number. */
static gboolean
scan_function (const char **cursor, int *function)
{
  if (**cursor < '0' || **cursor >= '0' + MFP_PCI_FUNCTIONS)
    return FALSE;
  *function = *(*cursor)++ - '0';
  return TRUE;
}

static gboolean
add (GArray *selections, const MfpSelection *selection, GError **error)
{
  for (guint i = 0; i < selections->len; i++)
    {
      const MfpSelection *other = &g_array_index (selections, MfpSelection, i);
      gboolean overlap = selection->whole || other->whole
                             ? mfp_pci_address_same_slot (&selection->host, &other->host)
                             : mfp_pci_address_equal (&selection->host, &other->host);

      if (overlap)
        {
          g_autofree char *address = mfp_pci_address_format (&selection->host);

          g_set_error (error, MFP_ERROR, MFP_ERROR_USAGE,
                       "host function %s is named twice", address);
          return FALSE;
        }
    }
  g_array_append_val (selections, *selection);
  return TRUE;
}

/* Reads "2", "2-3" or "2=0" and adds those functions of @device. */
static gboolean
parse_functions (const char *item, const MfpPciAddress *device,
                 GArray *selections, GError **error)
{
  const char *p = item;
  int first, last, guest = MFP_GUEST_FUNCTION_UNSET;

  if (!scan_function (&p, &first))
    return usage (error, item);
  last = first;
  if (*p == '-')
    {
      p++;
      if (!scan_function (&p, &last) || last < first)
        return usage (error, item);
    }
  else if (*p == '=')
    {
      p++;
      if (!scan_function (&p, &guest))
        return usage (error, item);
    }
  if (*p != '\0')
    return usage (error, item);

  for (int function = first; function <= last; function++)
    {
      MfpSelection selection = {
        .host = mfp_pci_address_with_function (device, (guint) function),
        .guest_function = guest,
      };

      if (!add (selections, &selection, error))
        return FALSE;
    }
  return TRUE;
}

/* Reads one item of a word. @device is that of the item before, and of this
 * one afterwards: "01:00.0,2" names two functions of one device. */
static gboolean
parse_item (const char *item, gboolean first, MfpPciAddress *device,
            GArray *selections, GError **error)
{
  const char *p = item;
  MfpSelection whole = { .whole = TRUE,
                         .guest_function = MFP_GUEST_FUNCTION_UNSET };

  if (mfp_pci_address_parse_node_name (item, &whole.host))
    {
      whole.whole = FALSE;
      *device = whole.host;
      return add (selections, &whole, error);
    }
  if (!strchr (item, ':'))
    return first ? usage (error, item)
                 : parse_functions (item, device, selections, error);
  if (!mfp_pci_address_scan (&p, &whole.host))
    return usage (error, item);
  *device = whole.host;
  if (*p == '\0' || strcmp (p, ".*") == 0)
    return add (selections, &whole, error);
  if (*p != '.')
    return usage (error, item);
  return parse_functions (p + 1, device, selections, error);
}

static gboolean
parse_word (const char *word, GArray *selections, GError **error)
{
  g_auto (GStrv) items = g_strsplit (word, ",", -1);
  MfpPciAddress device = { 0 };

  if (!items[0])
    return usage (error, word);
  for (guint i = 0; items[i]; i++)
    if (!parse_item (items[i], i == 0, &device, selections, error))
      {
        g_prefix_error (error, "in '%s': ", word);
        return FALSE;
      }
  return TRUE;
}

/* Replaces the one whole device in @selections by the functions of @list. */
static GArray *
narrow (GArray *selections, const char *list, GError **error)
{
  g_autoptr (GArray) narrowed = g_array_new (FALSE, FALSE, sizeof (MfpSelection));
  g_auto (GStrv) items = g_strsplit (list, ",", -1);
  const MfpSelection *device = &g_array_index (selections, MfpSelection, 0);

  if (selections->len != 1 || !device->whole)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_USAGE,
                           "--functions goes with exactly one whole device");
      return NULL;
    }
  if (!items[0])
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_USAGE,
                           "--functions is empty");
      return NULL;
    }
  for (guint i = 0; items[i]; i++)
    if (!parse_functions (items[i], &device->host, narrowed, error))
      {
        g_prefix_error (error, "in --functions '%s': ", list);
        return NULL;
      }
  return g_steal_pointer (&narrowed);
}

GArray *
mfp_selection_parse (const char *const *words, const char *functions,
                     GError **error)
{
  g_autoptr (GArray) selections = g_array_new (FALSE, FALSE, sizeof (MfpSelection));

  for (guint i = 0; words[i]; i++)
    if (!parse_word (words[i], selections, error))
      return NULL;
  if (functions)
    return narrow (selections, functions, error);
  return g_steal_pointer (&selections);
}

gboolean
mfp_selection_matches (const MfpSelection *selection, const MfpPciAddress *host)
{
  return selection->whole ? mfp_pci_address_same_slot (&selection->host, host)
                          : mfp_pci_address_equal (&selection->host, host);
}

gboolean
mfp_selection_names (const GArray *selections, const MfpPciAddress *host)
{
  for (guint i = 0; i < selections->len; i++)
    if (mfp_selection_matches (&g_array_index (selections, MfpSelection, i), host))
      return TRUE;
  return FALSE;
}

GArray *
mfp_selection_hosts (const GArray *selections)
{
  GArray *hosts = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < selections->len; i++)
    g_array_append_val (hosts, g_array_index (selections, MfpSelection, i).host);
  return hosts;
}
