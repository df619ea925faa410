/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be detached together. */
#include "config.h"

#include "plan/preflight.h"

#include "base/error.h"
#include "base/text.h"

static gboolean
is_about (const MfpRecord *record, const GArray *selections)
{
  for (guint i = 0; i < record->functions->len; i++)
    {
      const MfpRecordFunction *function = g_ptr_array_index (record->functions, i);

      if (mfp_selection_names (selections, &function->host))
        return TRUE;
    }
  return FALSE;
}

const MfpRecord *
mfp_preflight_find_record (const MfpGuest *guest, const GArray *selections)
{
  const MfpRecord *claim = NULL;

  for (guint i = 0; i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);

      if (!is_about (record, selections))
        continue;
      if (!record->claiming)
        return record;
      claim = record;
    }
  return claim;
}

gboolean
mfp_preflight_records (const MfpGuest *guest, const GArray *selections, GError **error)
{
  const MfpRecord *first = mfp_preflight_find_record (guest, selections);

  for (guint i = 0; i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);
      g_autofree char *slot = NULL, *other = NULL;

      if (!is_about (record, selections)
          || mfp_pci_address_same_slot (&record->slot, &first->slot))
        continue;
      slot = mfp_pci_address_format_slot (&first->slot);
      other = mfp_pci_address_format_slot (&record->slot);
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "the functions named are of the guest slots %s and %s; detach one slot at a "
                   "time",
                   slot, other);
      return FALSE;
    }
  return TRUE;
}

/* Where @guest shows @function of @card, or where its record says that it belongs: QEMU may
 * have it there while libvirt lists it as unassigned. FALSE: it has no place. */
static gboolean
find_guest_address (const MfpCard *card, const MfpFunction *function, const MfpGuest *guest,
                    MfpPciAddress *place)
{
  const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);

  if (device && device->has_address)
    *place = device->address;
  else if (mfp_function_is_exposed (function))
    *place = mfp_pci_address_with_function (&card->slot, (guint) function->guest_function);
  else
    return FALSE;
  return TRUE;
}

gboolean
mfp_preflight_one_slot (const MfpCard *card, const MfpGuest *guest, GError **error)
{
  g_autoptr (GString) places = g_string_new (NULL);
  MfpPciAddress first = { 0 };
  gboolean several = FALSE;

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      g_autofree char *host = NULL, *address = NULL;
      MfpPciAddress place;

      if (!find_guest_address (card, function, guest, &place))
        continue;
      first = places->len ? first : place;
      several = several || !mfp_pci_address_same_slot (&first, &place);
      host = mfp_function_describe (function);
      address = mfp_pci_address_format (&place);
      mfp_append_item (places, "%s at %s", host, address);
    }
  if (several)
    g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                 "the functions named are in several guest slots: %s; detach one slot at a time",
                 places->str);
  return !several;
}

/* Adds what shares the slot of the card in @guest and is not in @selections: by the XML
 * and, for functions that libvirt believes unassigned, by the record. */
static void
list_companions (const MfpCard *card, const MfpGuest *guest, const GArray *selections,
                 GString *list)
{
  const MfpGuestDevice *device = NULL;

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      g_autofree char *host = mfp_function_describe (function);

      if (mfp_function_is_exposed (function) && !mfp_selection_names (selections, &function->host))
        mfp_append_item (list, "%s", host);
    }
  while (card->has_slot && (device = mfp_guest_next_in_slot (guest, &card->slot, device)))
    {
      g_autofree char *what = mfp_guest_device_describe (device);

      if (!device->is_hostdev
          || !(mfp_card_find_host (card, &device->host)
               || mfp_selection_names (selections, &device->host)))
        mfp_append_item (list, "%s", what);
    }
}

/* Adds the devices that QEMU has in the slot of the card's function 0 and that neither
 * libvirt's XML nor @card has there: somebody plugged them by hand. */
static void
list_unknown (const MfpCard *card, const MfpGuest *guest, const GPtrArray *pci, GString *list)
{
  const MfpFunction *zero = mfp_card_find_guest (card, 0);
  const MfpQemuDevice *first = zero ? mfp_qmp_find_device (pci, zero->alias) : NULL;

  for (guint i = 0; first && i < pci->len; i++)
    {
      const MfpQemuDevice *device = g_ptr_array_index (pci, i);
      const MfpGuestDevice *known = mfp_guest_find_alias (guest, device->id);

      if (!mfp_qemu_device_same_slot (device, first) || (known && known->has_address)
          || (known && known->is_hostdev && mfp_card_find_host (card, &known->host)))
        continue;
      mfp_append_item (list, "%s", device->id);
    }
}

/* Nothing goes that the person did not name. */
gboolean
mfp_preflight_consent (const MfpCard *card, const MfpGuest *guest, const GArray *selections,
                       const GPtrArray *pci, GError **error)
{
  g_autoptr (GString) companions = g_string_new (NULL);

  list_companions (card, guest, selections, companions);
  if (pci)
    list_unknown (card, guest, pci, companions);
  if (companions->len == 0)
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "the slot also holds %s, which you did not name and which would be detached too; "
               "name every function in the slot, or the whole device",
               companions->str);
  return FALSE;
}
