/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the domain says of a card that is to be attached. */
#include "config.h"

#include "plan/preflight.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

gboolean
mfp_preflight_driver (const MfpGuest *guest, GError **error)
{
  if (strcmp (guest->type, "test") != 0)
    return TRUE;
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED,
                       "libvirt's test driver cannot plug a multifunction card; QEMU's driver can. "
                       "--dry-run works here");
  return FALSE;
}

gboolean
mfp_preflight_guest (const MfpGuest *guest, GError **error)
{
  static const char *const types[] = { "kvm", "qemu", "test", NULL };
  static const char *const archs[] = { "x86_64", "i686", "ppc64", "ppc64le", "aarch64", NULL };

  if (!g_strv_contains (types, guest->type))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "domain '%s' is of type '%s'; supported are kvm and qemu", guest->name,
                   guest->type);
      return FALSE;
    }
  if (guest->arch && !g_strv_contains (archs, guest->arch))
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "domain '%s' is a %s machine; supported are x86_64, i686, ppc64, ppc64le "
                   "and aarch64",
                   guest->name, guest->arch);
      return FALSE;
    }
  return TRUE;
}

/* Whether @guest has @function where it is wanted, in the slot of @zero
 * (nullable), the card's function 0. */
static gboolean
is_attached_as_asked (const MfpFunction *function, const MfpGuest *guest,
                      const MfpGuestDevice *zero)
{
  const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);
  const MfpRecord *record = mfp_guest_find_record (guest, &function->host);

  if (!device)
    return FALSE;
  if (device->has_address)
    return device->address.function == function->guest_function && zero && zero->has_address
           && mfp_pci_address_same_slot (&device->address, &zero->address);
  if (record)
    return function->guest_function != 0
           && mfp_record_find (record, &function->host)->guest_function
                  == function->guest_function;
  /* Unassigned: in a running guest QEMU may show it all the same. */
  return function->guest_function == MFP_UNASSIGNED || (guest->id && function->guest_function > 0);
}

/* Adds the function to the list that its state belongs to. */
static void
sort_function (const MfpFunction *function, const MfpGuest *guest, const MfpGuestDevice *zero,
               GString *attached, GString *missing)
{
  g_autofree char *host = mfp_function_describe (function);
  GString *list = is_attached_as_asked (function, guest, zero) ? attached : missing;
  gboolean elsewhere = list == missing && mfp_guest_find_host (guest, &function->host);

  mfp_append_item (list, "%s%s", host, elsewhere ? " (elsewhere in the guest)" : "");
}

/* @difference: (out): for %MFP_PARTIAL, what the guest has and what it lacks; the caller
 * frees. @slot: (out): for %MFP_PRESENT, where. */
static MfpPresence
find_presence (const MfpCard *card, const MfpGuest *guest, MfpPciAddress *slot,
               char **difference)
{
  const MfpFunction *zero = mfp_card_find_guest (card, 0);
  const MfpGuestDevice *device = mfp_guest_find_host (guest, &zero->host);
  g_autoptr (GString) attached = g_string_new (NULL);
  g_autoptr (GString) missing = g_string_new (NULL);
  guint present = 0;

  *difference = NULL;
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      present += mfp_guest_find_host (guest, &function->host) ? 1 : 0;
      sort_function (function, guest, device, attached, missing);
    }
  if (present == 0)
    return MFP_ABSENT;
  if (missing->len == 0)
    {
      *slot = mfp_pci_address_with_function (&device->address, 0);
      return MFP_PRESENT;
    }
  *difference = g_strdup_printf ("attached: %s; not attached as asked: %s",
                                 attached->len ? attached->str : "none", missing->str);
  return MFP_PARTIAL;
}

gboolean
mfp_preflight_unfinished (const MfpCard *card, const MfpGuest *guest, MfpUnfinished which,
                          GError **error)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpRecord *record = mfp_guest_find_record (guest, &function->host);
      g_autofree char *host = NULL, *name = NULL;

      if (!record || (which == MFP_UNFINISHED_DETACH && !record->detaching))
        continue;
      host = mfp_function_describe (function);
      name = mfp_shell_word (guest->name);
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "another virt-mfplug is working on host function %s, or was interrupted; if "
                   "none is running: virt-mfplug recover %s",
                   host, name);
      return FALSE;
    }
  return TRUE;
}

gboolean
mfp_preflight_absent (const MfpCard *card, const MfpGuest *guest, GError **error)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpGuestDevice *holder = mfp_guest_find_holder (guest, &function->host);
      g_autofree char *host = NULL, *what = NULL;

      if (!holder)
        continue;
      host = mfp_function_describe (function);
      what = mfp_guest_device_describe (holder);
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "host function %s is in use by %s of this domain", host, what);
      return FALSE;
    }
  return mfp_preflight_unfinished (card, guest, MFP_UNFINISHED_ANY, error);
}

/* Whether the guest sees a slot with one of the functions: then no attach is under way. */
static gboolean
shows_function_0 (const MfpCard *card, const MfpGuest *guest)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);

      if (device && device->has_address && device->address.function == 0)
        return TRUE;
    }
  return FALSE;
}

gboolean
mfp_preflight_presence (const MfpCard *card, const MfpGuest *guest, MfpForm form,
                        MfpPresence *presence, MfpPciAddress *slot, GError **error)
{
  g_autofree char *difference = NULL;

  *presence = find_presence (card, guest, slot, &difference);
  if (*presence != MFP_PARTIAL)
    return TRUE;
  /* Is it a part because another run is working on the card, or was interrupted? */
  if (!shows_function_0 (card, guest)
      && !mfp_preflight_unfinished (card, guest, MFP_UNFINISHED_ANY, error))
    return FALSE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "the %s domain '%s' has only a part of the card, or has it in another place: %s",
               form == MFP_LIVE ? "running" : "persistent", guest->name, difference);
  return FALSE;
}
