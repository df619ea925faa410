/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/node-devices.h"
#include "libvirt/world.h"

#include "libvirt/domain.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define END "</node>"

static void
trace_call (gpointer data, const char *function, const char *object, gint64 duration)
{
  World *world = data;

  g_assert_cmpint (duration, >=, 0);
  g_ptr_array_add (world->trace, g_strdup_printf ("%s %s", function, object ? object : "-"));
}

static Fake *
load_with (const char *extra)
{
  g_autofree char *text = test_load ("fake", "host.xml");
  g_autofree char *drivers = g_test_build_filename (G_TEST_DIST, "data", "fake", "host.drivers",
                                                    NULL);
  g_autofree char *driver_text = NULL;
  g_autofree char *folder = g_dir_make_tmp ("test-libvirt-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "host.xml", NULL);
  g_autofree char *drivers_copy = g_build_filename (folder, "host.drivers", NULL);
  g_autofree char *whole = NULL;
  Fake *fake;

  *strstr (text, END) = '\0';
  whole = g_strconcat (text, extra, END, NULL);
  g_assert_true (g_file_set_contents (path, whole, -1, NULL));
  g_assert_true (g_file_get_contents (drivers, &driver_text, NULL, NULL));
  g_assert_true (g_file_set_contents (drivers_copy, driver_text, -1, NULL));
  fake = fake_new_from_file (path);
  g_unlink (path);
  g_unlink (drivers_copy);
  g_rmdir (folder);
  return fake;
}

void
world_enter (World *world, gconstpointer extra)
{
  world->fake = load_with (extra ? extra : "");
  fake_use (world->fake);
  world->interrupt = mfp_interrupt_new ("a second signal came", 1);
  world->trace = g_ptr_array_new_with_free_func (g_free);
  world->call_trace = (MfpCallTrace){ .call = trace_call, .data = world };
}

void
world_leave (World *world, gconstpointer extra G_GNUC_UNUSED)
{
  g_assert_cmpstr (fake_violation (world->fake), ==, NULL);
  mfp_libvirt_free (world->libvirt);
  fake_free (world->fake);
  mfp_interrupt_free (world->interrupt);
  g_ptr_array_unref (world->trace);
}

static void
count_wait (gpointer data, gint64 elapsed, gint64 limit)
{
  World *world = data;

  g_assert_cmpint (limit, ==, WORLD_TIMEOUT);
  world->waits++;
  world->elapsed = elapsed;
}

gboolean
world_open (World *world, GError **error)
{
  MfpLibvirtOptions options = {
    .uri = WORLD_URI,
    .read_only = world->read_only,
    .timeout = WORLD_TIMEOUT,
    .interrupt = world->interrupt,
    .trace = &world->call_trace,
    .on_wait = count_wait,
    .on_wait_data = world,
    .left_in_call = &world->left_in_call,
  };

  world->libvirt = mfp_libvirt_open (&options, error);
  return world->libvirt != NULL;
}

void
world_connect (World *world)
{
  g_autoptr (GError) error = NULL;

  world_open (world, &error);
  g_assert_no_error (error);
  g_assert_true (mfp_domain_choose (world->libvirt, "vm", &error));
  g_assert_no_error (error);
  world_forget_calls (world);
}

void
world_forget_calls (World *world)
{
  fake_clear_calls (world->fake);
  g_ptr_array_set_size (world->trace, 0);
}

void
world_assert_calls (World *world, const char *expected)
{
  g_autoptr (GPtrArray) calls = fake_calls (world->fake);
  g_autofree char *text = NULL;

  g_ptr_array_add (calls, NULL);
  text = g_strjoinv (" ", (char **) calls->pdata);
  g_assert_cmpstr (text, ==, expected);
}

char *
world_describe_functions (const GPtrArray *functions)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);
      g_autofree char *address = mfp_pci_address_format (&function->address);

      g_string_append_printf (text, "%s%s", i ? " " : "", address);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

char *
world_hostdev (guint function, const char *alias, const char *address)
{
  return g_strdup_printf ("<hostdev mode='subsystem' type='pci' managed='no'><source>"
                          "<address domain='0' bus='1' slot='0' function='%u'/></source>"
                          "<alias name='%s'/>%s</hostdev>",
                          function, alias, address);
}

void
world_detach_functions (World *world, guint count)
{
  MfpPciAddress slot = test_address ("0000:01:00");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < count; i++)
    {
      MfpPciAddress address = mfp_pci_address_with_function (&slot, i);

      g_assert_true (world_detach_function (world, &address, &error));
      g_assert_no_error (error);
    }
}

gboolean
world_detach_function (World *world, const MfpPciAddress *address, GError **error)
{
  g_autoptr (MfpNodeDevice) node = mfp_node_device_new (address);

  return mfp_node_device_detach (world->libvirt, node, error);
}

gboolean
world_reattach_function (World *world, const MfpPciAddress *address, GError **error)
{
  g_autoptr (MfpNodeDevice) node = mfp_node_device_new (address);

  return mfp_node_device_reattach (world->libvirt, node, error);
}
