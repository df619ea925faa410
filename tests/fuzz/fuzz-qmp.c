/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes QEMU's answer to a command, which libvirt passes on. */
#include "config.h"

#include "fuzz.h"
#include "model/qmp.h"

#include <string.h>

static void
check_devices (const char *answer, gboolean is_return)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) ids = mfp_qmp_parse_devices (answer, &error);

  fuzz_assert_outcome (ids != NULL, error);
  g_assert_true (is_return || !ids);
}

static void
check_pci (const char *answer, gboolean is_return)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) devices = mfp_qmp_parse_pci (answer, &error);

  fuzz_assert_outcome (devices != NULL, error);
  g_assert_true (is_return || !devices);
  for (guint i = 0; devices && i < devices->len; i++)
    {
      const MfpQemuDevice *device = g_ptr_array_index (devices, i);

      g_assert_cmpstr (device->id, !=, "");
      g_assert_cmpstr (mfp_qmp_find_device (devices, device->id)->id, ==, device->id);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = fuzz_text (data, size);
  g_autoptr (GError) error = NULL;
  gboolean is_return = mfp_qmp_check (text, &error);

  fuzz_assert_outcome (is_return, error);
  /* The message goes to a terminal, and into our own JSON. */
  g_assert_true (!error || g_utf8_validate (error->message, -1, NULL));
  check_devices (text, is_return);
  check_pci (text, is_return);
  return 0;
}
