/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "plan/preflight.h"

#include "base/error.h"
#include "model/hint.h"

#include <string.h>

static gboolean G_GNUC_PRINTF (3, 4)
refuse (GError **error, const MfpPciAddress *host, const char *format, ...)
{
  g_autofree char *address = mfp_pci_address_format (host);
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED, "host function %s %s", address, text);
  return FALSE;
}

static gboolean
admit_function (MfpFunction *function, const GPtrArray *devices, gboolean live, GError **error)
{
  const MfpHostFunction *host = mfp_host_function_find (devices, &function->host);
  gboolean is_vfio;

  if (!host)
    return refuse (error, &function->host, "does not exist");
  if (host->is_bridge)
    return refuse (error, &function->host, "is a PCI bridge, which cannot be given to a guest");
  if (host->iommu_group == MFP_NO_IOMMU_GROUP)
    return refuse (error, &function->host,
                   "has no IOMMU group: " MFP_HINT_IOMMU);
  is_vfio = mfp_driver_is_vfio (host->driver);
  if (live && !function->managed && !is_vfio)
    return refuse (error, &function->host,
                   "is bound to %s, and managed='no' means that it is bound to vfio-pci "
                   "already: use --managed yes, or virsh nodedev-detach first",
                   host->driver ? host->driver : "no driver");
  g_free (function->driver);
  function->driver = g_strdup (host->driver);
  function->take = live && function->managed && !is_vfio;
  return TRUE;
}

/* Adds "0000:01:00.1 (e1000e)" to a list. */
static void
append_function (GString *list, const MfpHostFunction *function)
{
  g_autofree char *address = mfp_pci_address_format (&function->address);

  g_string_append_printf (list, "%s%s (%s)", list->len ? ", " : "", address, function->driver);
}

gboolean
mfp_preflight_concerns (const MfpCard *card, const MfpHostFunction *host)
{
  if (mfp_card_find_host (card, &host->address))
    return TRUE;
  for (guint i = 0; i < host->group->len; i++)
    if (mfp_card_find_host (card, &g_array_index (host->group, MfpPciAddress, i)))
      return TRUE;
  return FALSE;
}

/* Lists the functions in @candidates that keep @card's groups from a guest. */
static char *
list_in_the_way (const MfpCard *card, const GPtrArray *candidates)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < candidates->len; i++)
    {
      const MfpHostFunction *host = g_ptr_array_index (candidates, i);

      if (!mfp_card_find_host (card, &host->address) && mfp_preflight_concerns (card, host)
          && !mfp_host_function_allows_group (host))
        append_function (list, host);
    }
  return g_string_free (g_steal_pointer (&list), FALSE);
}

static gboolean
admit_groups (const MfpCard *card, const GPtrArray *devices, const GPtrArray *others,
              GError **error)
{
  g_autofree char *rest = list_in_the_way (card, devices);
  g_autofree char *strangers = list_in_the_way (card, others);

  if (*strangers)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "the card shares its IOMMU group with other devices that have a host "
                   "driver: %s; a guest can only have the group if nothing else uses it: "
                   "virsh nodedev-detach them if the host can spare them, or move the card to "
                   "another slot of the host",
                   strangers);
      return FALSE;
    }
  if (*rest)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "these functions of the device were not asked for, have a host driver and "
                   "share an IOMMU group with those that were: %s; --rest unassigned would take "
                   "them too and hold them for the guest without showing them to it",
                   rest);
      return FALSE;
    }
  return TRUE;
}

gboolean
mfp_preflight_host (MfpCard *card, const GPtrArray *devices, const GPtrArray *others, gboolean live,
                GError **error)
{
  for (guint i = 0; i < card->functions->len; i++)
    if (!admit_function (g_ptr_array_index (card->functions, i), devices, live, error))
      return FALSE;
  return admit_groups (card, devices, others, error);
}

gboolean
mfp_preflight_holders (const GPtrArray *functions, const GPtrArray *guests, GError **error)
{
  for (guint i = 0; i < functions->len; i++)
    for (guint j = 0; j < guests->len; j++)
      {
        const MfpHostFunction *function = g_ptr_array_index (functions, i);
        const MfpGuest *guest = g_ptr_array_index (guests, j);

        if (mfp_guest_find_holder (guest, &function->address)
            || mfp_guest_find_record (guest, &function->address))
          return refuse (error, &function->address,
                         "is attached to domain '%s'; detach it there first", guest->name);
      }
  return TRUE;
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
is_in_place (const MfpFunction *function, const MfpGuest *guest, const MfpGuestDevice *zero)
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
  /* Held, not shown: in a running guest QEMU may show it all the same. */
  return function->guest_function == MFP_UNASSIGNED || (guest->id && function->guest_function > 0);
}

/* Adds the function to the list that its state belongs to. */
static void
sort_function (const MfpFunction *function, const MfpGuest *guest, const MfpGuestDevice *zero,
               GString *there, GString *missing)
{
  g_autofree char *host = mfp_function_describe (function);
  GString *list = is_in_place (function, guest, zero) ? there : missing;
  gboolean elsewhere = list == missing && mfp_guest_find_host (guest, &function->host);

  g_string_append_printf (list, "%s%s%s", list->len ? ", " : "", host,
                          elsewhere ? " (elsewhere in the guest)" : "");
}

MfpPresence
mfp_card_presence (const MfpCard *card, const MfpGuest *guest, MfpPciAddress *slot,
                   char **difference)
{
  const MfpFunction *zero = mfp_card_find_guest (card, 0);
  const MfpGuestDevice *device = mfp_guest_find_host (guest, &zero->host);
  g_autoptr (GString) there = g_string_new (NULL);
  g_autoptr (GString) missing = g_string_new (NULL);
  guint held = 0;

  *difference = NULL;
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      held += mfp_guest_find_host (guest, &function->host) ? 1 : 0;
      sort_function (function, guest, device, there, missing);
    }
  if (held == 0)
    return MFP_ABSENT;
  if (missing->len == 0)
    {
      *slot = mfp_pci_address_with_function (&device->address, 0);
      return MFP_PRESENT;
    }
  *difference = g_strdup_printf ("attached: %s; not attached as asked: %s",
                                 there->len ? there->str : "none", missing->str);
  return MFP_PARTIAL;
}
