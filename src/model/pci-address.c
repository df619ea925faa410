/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/pci-address.h"

#include "base/error.h"
#include "base/xml.h"

#include <string.h>

/* Reads 1 to @digits hexadecimal digits; a digit more than that is an error,
 * not the start of the next field. */
static gboolean
scan_hex (const char **cursor, guint digits, guint64 max, guint64 *value)
{
  const char *p = *cursor;
  guint64 result = 0;

  for (; g_ascii_isxdigit (*p); p++)
    {
      if ((guint) (p - *cursor) == digits)
        return FALSE;
      result = result * 16 + (guint64) g_ascii_xdigit_value (*p);
    }
  if (p == *cursor || result > max)
    return FALSE;

  *cursor = p;
  *value = result;
  return TRUE;
}

static gboolean
scan_char (const char **cursor, char c)
{
  if (**cursor != c)
    return FALSE;
  (*cursor)++;
  return TRUE;
}

gboolean
mfp_pci_address_scan (const char **cursor, MfpPciAddress *address)
{
  const char *p = *cursor;
  const char *colon = strchr (p, ':');
  gboolean has_domain = colon && colon[1 + strspn (colon + 1, "0123456789abcdefABCDEF")] == ':';
  guint64 domain = 0, bus, slot;

  if (has_domain && !(scan_hex (&p, 8, G_MAXUINT32, &domain) && scan_char (&p, ':')))
    return FALSE;
  if (!scan_hex (&p, 2, G_MAXUINT8, &bus) || !scan_char (&p, ':')
      || !scan_hex (&p, 2, MFP_PCI_SLOTS - 1, &slot))
    return FALSE;

  *cursor = p;
  *address = (MfpPciAddress){ .domain = (guint32) domain,
                              .bus = (guint8) bus,
                              .slot = (guint8) slot };
  return TRUE;
}

gboolean
mfp_pci_address_parse (const char *text, MfpPciAddress *address, GError **error)
{
  const char *p = text;
  MfpPciAddress result;
  guint64 function;

  if (!mfp_pci_address_scan (&p, &result) || !scan_char (&p, '.')
      || !scan_hex (&p, 1, MFP_PCI_FUNCTIONS - 1, &function) || *p != '\0')
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_USAGE,
                   "'%s' is not a PCI address such as 0000:01:00.0", text);
      return FALSE;
    }
  *address = mfp_pci_address_with_function (&result, (guint) function);
  return TRUE;
}

gboolean
mfp_pci_address_parse_slot (const char *text, MfpPciAddress *address,
                            GError **error)
{
  const char *p = text;
  MfpPciAddress result;

  if (!mfp_pci_address_scan (&p, &result)
      || (*p != '\0' && strcmp (p, ".0") != 0))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_USAGE,
                   "'%s' is not a guest slot such as 0000:01:00", text);
      return FALSE;
    }
  *address = result;
  return TRUE;
}

gboolean
mfp_pci_address_parse_node_name (const char *name, MfpPciAddress *address)
{
  g_autofree char *text = NULL;
  const char *fields;

  if (!g_str_has_prefix (name, "pci_"))
    return FALSE;
  fields = name + strlen ("pci_");
  if (strpbrk (fields, ":."))
    return FALSE;
  text = g_strdelimit (g_strdup (fields), "_", ':');
  if (strrchr (text, ':'))
    *strrchr (text, ':') = '.';
  return mfp_pci_address_parse (text, address, NULL);
}

static gboolean
optional_uint (const xmlNode *node, const char *name, guint64 max, guint *value)
{
  *value = 0;
  return !xmlHasProp (node, (const xmlChar *) name)
         || mfp_xml_attribute_uint (node, name, max, value);
}

gboolean
mfp_pci_address_from_xml (const xmlNode *node, MfpPciAddress *address)
{
  guint domain, bus, slot, function;

  if (!node || !optional_uint (node, "domain", G_MAXUINT32, &domain)
      || !mfp_xml_attribute_uint (node, "bus", G_MAXUINT8, &bus)
      || !mfp_xml_attribute_uint (node, "slot", MFP_PCI_SLOTS - 1, &slot)
      || !optional_uint (node, "function", MFP_PCI_FUNCTIONS - 1, &function))
    return FALSE;
  *address = (MfpPciAddress){ .domain = domain,
                              .bus = (guint8) bus,
                              .slot = (guint8) slot,
                              .function = (guint8) function };
  return TRUE;
}

char *
mfp_pci_address_format (const MfpPciAddress *address)
{
  return g_strdup_printf ("%04x:%02x:%02x.%x", address->domain, address->bus,
                          address->slot, address->function);
}

char *
mfp_pci_address_format_slot (const MfpPciAddress *address)
{
  return g_strdup_printf ("%04x:%02x:%02x", address->domain, address->bus,
                          address->slot);
}

char *
mfp_pci_address_format_node_name (const MfpPciAddress *address)
{
  return g_strdup_printf ("pci_%04x_%02x_%02x_%x", address->domain,
                          address->bus, address->slot, address->function);
}

static guint64
rank (const MfpPciAddress *address)
{
  return (guint64) address->domain << 24 | (guint64) address->bus << 16
         | (guint64) address->slot << 8 | address->function;
}

int
mfp_pci_address_compare (gconstpointer a, gconstpointer b)
{
  guint64 left = rank (a), right = rank (b);

  return (left > right) - (left < right);
}

gboolean
mfp_pci_address_equal (const MfpPciAddress *a, const MfpPciAddress *b)
{
  return rank (a) == rank (b);
}

gboolean
mfp_pci_addresses_contain (const GArray *addresses, const MfpPciAddress *address)
{
  for (guint i = 0; addresses && i < addresses->len; i++)
    if (mfp_pci_address_equal (&g_array_index (addresses, MfpPciAddress, i), address))
      return TRUE;
  return FALSE;
}

gboolean
mfp_pci_address_same_slot (const MfpPciAddress *a, const MfpPciAddress *b)
{
  return rank (a) >> 8 == rank (b) >> 8;
}

MfpPciAddress
mfp_pci_address_with_function (const MfpPciAddress *address, guint function)
{
  MfpPciAddress result = *address;

  result.function = (guint8) function;
  return result;
}
