/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes the XML of a node device, which libvirt provides. */
#include "config.h"

#include "fuzz.h"
#include "model/host-device.h"
#include "model/host-use.h"

static void
check_function (const MfpHostFunction *function)
{
  g_autofree char *name = mfp_pci_address_format_node_name (&function->address);
  MfpPciAddress again;

  g_assert_true (mfp_pci_address_parse_node_name (name, &again));
  g_assert_true (mfp_pci_address_equal (&function->address, &again));
  g_assert_cmpint (function->iommu_group, >=, MFP_NO_IOMMU_GROUP);
  g_assert_cmphex (function->class_code, <=, 0xffffff);
  if (function->iommu_group == MFP_NO_IOMMU_GROUP)
    g_assert_cmpuint (function->group->len, ==, 0);
  if (!function->driver || mfp_driver_is_vfio (function->driver))
    g_assert_true (mfp_host_function_allows_group (function));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *xml = fuzz_text (data, size);
  g_autoptr (GError) error = NULL, use_error = NULL;
  g_autoptr (MfpHostFunction) function = mfp_host_function_parse (xml, &error);
  g_autoptr (MfpHostUse) use = mfp_host_use_parse (xml, &use_error);

  fuzz_assert_outcome (function != NULL, error);
  fuzz_assert_outcome (use != NULL, use_error);
  if (use)
    g_assert_cmpstr (use->parent, !=, NULL);
  if (function)
    check_function (function);
  return 0;
}
