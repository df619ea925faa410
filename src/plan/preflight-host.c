/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host and its other domains say of a card. */
#include "config.h"

#include "plan/preflight.h"

#include "base/error.h"
#include "base/text.h"
#include "model/hint.h"

/* The property "host" of QEMU's vfio-pci takes no more (hw/core/qdev-properties-system.c). */
#define QEMU_DOMAIN_MAX 0xffff

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
check_function (const MfpFunction *function, const GPtrArray *devices, MfpForm form,
                GError **error)
{
  const MfpHostFunction *host = mfp_host_function_find (devices, &function->host);

  if (!host)
    return refuse (error, &function->host, "does not exist");
  if (host->is_bridge)
    return refuse (error, &function->host, "is a PCI bridge, which cannot be given to a guest");
  if (host->iommu_group == MFP_NO_IOMMU_GROUP)
    return refuse (error, &function->host,
                   "has no IOMMU group: " MFP_HINT_IOMMU);
  if (form == MFP_LIVE && function->host.domain > QEMU_DOMAIN_MAX)
    return refuse (error, &function->host,
                   "is in a PCI domain above %x, which QEMU's vfio-pci does not take",
                   QEMU_DOMAIN_MAX);
  /* A virtual function may be on a vendor's driver that hands it to user space, such as nvidia.
   * libvirt knows (10.0 and later). */
  if (form == MFP_LIVE && !function->managed && !(host->is_virtual && host->driver)
      && !mfp_driver_is_vfio (host->driver))
    return refuse (error, &function->host,
                   "is bound to %s, and managed='no' means that it is bound to vfio-pci "
                   "already: use --managed yes, or virsh nodedev-detach first",
                   host->driver ? host->driver : "no driver");
  return TRUE;
}

/* ---- virtual functions ---- */

/* Whether @host (nullable) would lose virtual functions if it were given to a guest. They survive
 * if it is on VFIO already. */
static gboolean
loses_virtual (const MfpHostFunction *host)
{
  return host && host->virtual_functions->len > 0 && !mfp_driver_is_vfio (host->driver);
}

GArray *
mfp_preflight_list_virtual (const MfpCard *card, const GPtrArray *devices)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpHostFunction *host = mfp_host_function_find (devices, &function->host);

      if (loses_virtual (host))
        g_array_append_vals (all, host->virtual_functions->data, host->virtual_functions->len);
    }
  return all;
}

/* Adds "0000:09:10.0 (igbvf, domain 'vm')" to a list. */
static void
append_virtual (GString *list, const MfpPciAddress *address, const GPtrArray *virtual_functions,
                const GPtrArray *guests, const GPtrArray *uses)
{
  const MfpHostFunction *host = mfp_host_function_find (virtual_functions, address);
  const MfpGuest *owner = mfp_guests_find_owner (guests, address);
  g_autofree char *text = mfp_pci_address_format (address);
  g_autoptr (GString) details = g_string_new (NULL);

  mfp_append_item (details, "%s", host && host->driver ? host->driver : "no driver");
  if (owner)
    mfp_append_item (details, "domain '%s'", owner->name);
  for (guint i = 0; i < uses->len; i++)
    {
      const MfpHostUse *use = g_ptr_array_index (uses, i);

      if (mfp_host_use_is_of (use, address))
        mfp_append_item (details, "%s", use->text);
    }
  mfp_append_item (list, "%s (%s)", text, details->str);
}

gboolean
mfp_preflight_physical (const MfpCard *card, const GPtrArray *devices,
                        const GPtrArray *virtual_functions, const GPtrArray *guests,
                        const GPtrArray *uses, GError **error)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpHostFunction *host = mfp_host_function_find (devices, &function->host);
      g_autoptr (GString) list = g_string_new (NULL);
      g_autofree char *address = mfp_function_describe (function);

      for (guint j = 0; loses_virtual (host) && j < host->virtual_functions->len; j++)
        append_virtual (list, &g_array_index (host->virtual_functions, MfpPciAddress, j),
                        virtual_functions, guests, uses);
      if (list->len > 0)
        return refuse (error, &function->host,
                       "has virtual functions, which would vanish with it: %s; attach some of "
                       "them instead; or, if nobody needs them, remove them all: echo 0 > "
                       "/sys/bus/pci/devices/%s/sriov_numvfs",
                       list->str, address);
    }
  return TRUE;
}

/* ---- the other checks ---- */

gboolean
mfp_preflight_session (const MfpCard *card, GError **error)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (function->take)
        return refuse (error, &function->host,
                       "cannot be taken from %s: a user's own libvirt (qemu:///session) does not "
                       "run as root; use qemu:///system (-c)",
                       function->driver ? function->driver : "the host");
    }
  return TRUE;
}

/* Adds "0000:01:00.1 (e1000e)" to a list. */
static void
append_function (GString *list, const MfpHostFunction *function)
{
  g_autofree char *address = mfp_pci_address_format (&function->address);

  mfp_append_item (list, "%s (%s)", address, function->driver);
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

/* Refuses an IOMMU group with a member that libvirt does not list: nobody knows what uses it.
 * @host: (nullable) */
static gboolean
check_members (const MfpHostFunction *host, const GPtrArray *devices, const GPtrArray *others,
               GError **error)
{
  for (guint i = 0; host && i < host->group->len; i++)
    {
      const MfpPciAddress *member = &g_array_index (host->group, MfpPciAddress, i);
      g_autofree char *address = mfp_pci_address_format (member);

      if (!mfp_host_function_find (devices, member) && !mfp_host_function_find (others, member))
        return refuse (error, &host->address,
                       "shares its IOMMU group with %s, for which libvirt has no node device; "
                       "udevadm trigger, or a restart of libvirt, may help",
                       address);
    }
  return TRUE;
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
check_groups (const MfpCard *card, const GPtrArray *devices, const GPtrArray *others,
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
                   "these functions of the device were not named, have a host driver and "
                   "share an IOMMU group with those that were: %s; --rest unassigned would take "
                   "them too and attach them to the domain as unassigned",
                   rest);
      return FALSE;
    }
  return TRUE;
}

gboolean
mfp_preflight_host (const MfpCard *card, const GPtrArray *devices, const GPtrArray *others,
                    MfpForm form, GError **error)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (!check_function (function, devices, form, error)
          || !check_members (mfp_host_function_find (devices, &function->host), devices, others,
                             error))
        return FALSE;
    }
  return check_groups (card, devices, others, error);
}

gboolean
mfp_preflight_holders (const GPtrArray *functions, const GPtrArray *guests, GError **error)
{
  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);
      const MfpGuest *owner = mfp_guests_find_owner (guests, &function->address);

      if (owner)
        return refuse (error, &function->address,
                       "is attached to domain '%s'; detach it there first", owner->name);
    }
  return TRUE;
}
