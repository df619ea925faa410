/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "survey.h"

#include "error.h"

static GPtrArray *
functions_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_host_function_free);
}

/* Adds the function at @address, if there is one. */
static gboolean
survey_function (MfpOps *ops, const MfpPciAddress *address, GPtrArray *functions, GError **error)
{
  g_autoptr (GError) local = NULL;
  MfpHostFunction *function = ops->host_function (ops, address, &local);

  if (function)
    g_ptr_array_add (functions, function);
  if (function || mfp_error_is (local, MFP_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

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
  g_autoptr (GPtrArray) functions = functions_new ();

  for (guint i = 0; i < hosts->len; i++)
    for (guint number = 0; !is_repeated (hosts, i) && number < MFP_PCI_FUNCTIONS; number++)
      {
        MfpPciAddress address = mfp_pci_address_with_function (
            &g_array_index (hosts, MfpPciAddress, i), number);

        if (!survey_function (ops, &address, functions, error))
          return NULL;
      }
  return g_steal_pointer (&functions);
}

GPtrArray *
mfp_survey_groups (MfpOps *ops, const GPtrArray *functions, GError **error)
{
  g_autoptr (GPtrArray) members = functions_new ();

  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);

      for (guint j = 0; j < function->group->len; j++)
        {
          const MfpPciAddress *member = &g_array_index (function->group, MfpPciAddress, j);

          if (!mfp_survey_find (functions, member) && !mfp_survey_find (members, member)
              && !survey_function (ops, member, members, error))
            return NULL;
        }
    }
  return g_steal_pointer (&members);
}

const MfpHostFunction *
mfp_survey_find (const GPtrArray *functions, const MfpPciAddress *address)
{
  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);

      if (mfp_pci_address_equal (&function->address, address))
        return function;
    }
  return NULL;
}
