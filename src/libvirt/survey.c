/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/survey.h"

static gboolean
is_repeated (const GArray *hosts, guint index)
{
  for (guint i = 0; i < index; i++)
    if (mfp_pci_address_same_slot (&g_array_index (hosts, MfpPciAddress, i),
                                   &g_array_index (hosts, MfpPciAddress, index)))
      return TRUE;
  return FALSE;
}

GPtrArray *
mfp_survey_devices (MfpOps *ops, const GArray *hosts, GError **error)
{
  g_autoptr (GArray) addresses = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < hosts->len; i++)
    for (guint number = 0; !is_repeated (hosts, i) && number < MFP_PCI_FUNCTIONS; number++)
      {
        MfpPciAddress address = mfp_pci_address_with_function (
            &g_array_index (hosts, MfpPciAddress, i), number);

        g_array_append_val (addresses, address);
      }
  return ops->host_functions (ops, addresses, error);
}

static gboolean
has_address (const GArray *addresses, const MfpPciAddress *address)
{
  for (guint i = 0; i < addresses->len; i++)
    if (mfp_pci_address_equal (&g_array_index (addresses, MfpPciAddress, i), address))
      return TRUE;
  return FALSE;
}

GPtrArray *
mfp_survey_groups (MfpOps *ops, const GPtrArray *functions, GError **error)
{
  g_autoptr (GArray) members = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);

      for (guint j = 0; j < function->group->len; j++)
        {
          const MfpPciAddress *member = &g_array_index (function->group, MfpPciAddress, j);

          if (!mfp_host_function_find (functions, member) && !has_address (members, member))
            g_array_append_val (members, *member);
        }
    }
  return ops->host_functions (ops, members, error);
}
