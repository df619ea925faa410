/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/node-devices.h"

#include "libvirt/events.h"

/* Keeps @device, which was found on @connection, for @libvirt. One that was found so late
 * that the connection has been left behind stays with that. */
static void
keep_node_device (MfpLibvirt *libvirt, virConnectPtr connection, virNodeDevicePtr device)
{
  g_mutex_lock (&libvirt->nodes_lock);
  if (libvirt->connection == connection)
    g_hash_table_insert (libvirt->nodes, g_strdup (virNodeDeviceGetName (device)), device);
  g_mutex_unlock (&libvirt->nodes_lock);
}

/* The handle belongs to @libvirt. */
static virNodeDevicePtr
find_node_device (MfpLibvirt *libvirt, const MfpPciAddress *address, GError **error)
{
  g_autofree char *name = mfp_pci_address_format_node_name (address);
  virConnectPtr connection;
  virNodeDevicePtr device;

  g_mutex_lock (&libvirt->nodes_lock);
  connection = libvirt->connection;
  device = g_hash_table_lookup (libvirt->nodes, name);
  g_mutex_unlock (&libvirt->nodes_lock);
  if (device)
    return device;
  device = CALL (libvirt, name, virNodeDeviceLookupByName (connection, name));
  if (device)
    keep_node_device (libvirt, connection, device);
  else
    mfp_libvirt_fail (libvirt, error);
  return device;
}

MfpHostFunction *
mfp_libvirt_read_node_device (MfpLibvirt *libvirt, virNodeDevicePtr device, GError **error)
{
  g_autofree char *xml
      = CALL (libvirt, virNodeDeviceGetName (device), virNodeDeviceGetXMLDesc (device, 0));

  if (xml)
    return mfp_host_function_parse (xml, error);
  mfp_libvirt_fail (libvirt, error);
  return NULL;
}

static MfpHostFunction *
read_host_function (MfpLibvirt *libvirt, const MfpPciAddress *address, GError **error)
{
  virNodeDevicePtr device = find_node_device (libvirt, address, error);

  return device ? mfp_libvirt_read_node_device (libvirt, device, error) : NULL;
}

/* The same as find_node_device(), on a connection that is there. */
static virNodeDevicePtr
ensure_node_device (MfpLibvirt *libvirt, const MfpPciAddress *address, GError **error)
{
  return mfp_libvirt_ensure (libvirt, error) ? find_node_device (libvirt, address, error) : NULL;
}

MfpHostFunction *
mfp_libvirt_host_function (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);

  return mfp_libvirt_ensure (libvirt, error) ? read_host_function (libvirt, address, error) : NULL;
}

/* A copy of each of @addresses (element-type MfpPciAddress), as subjects. */
static GPtrArray *
copy_addresses (const GArray *addresses)
{
  GPtrArray *subjects = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < addresses->len; i++)
    g_ptr_array_add (subjects, g_memdup2 (&g_array_index (addresses, MfpPciAddress, i),
                                          sizeof (MfpPciAddress)));
  return subjects;
}

static gpointer
look_at_address (gpointer libvirt, gpointer address, GError **error)
{
  return read_host_function (libvirt, address, error);
}

GPtrArray *
mfp_libvirt_host_functions (MfpOps *ops, const GArray *addresses, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);
  g_autoptr (GPtrArray) subjects = copy_addresses (addresses);

  return mfp_libvirt_ensure (libvirt, error)
             ? mfp_libvirt_call_together (libvirt, look_at_address, subjects, MFP_READS_AT_ONCE,
                                          (GDestroyNotify) mfp_host_function_free, error)
             : NULL;
}

static gpointer
find_at_address (gpointer libvirt, gpointer address, GError **error)
{
  find_node_device (libvirt, address, error);
  return NULL;
}

void
mfp_libvirt_foresee (MfpOps *ops, const GArray *addresses)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);
  g_autoptr (GPtrArray) subjects = copy_addresses (addresses);

  if (mfp_libvirt_is_alive (libvirt))
    mfp_libvirt_change_together (libvirt, find_at_address, subjects);
}

gboolean
mfp_libvirt_take (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);
  virNodeDevicePtr device = ensure_node_device (libvirt, address, error);

  return device
         && (CALL (libvirt, virNodeDeviceGetName (device),
                   virNodeDeviceDetachFlags (device, NULL, 0))
                 == 0
             || mfp_libvirt_fail (libvirt, error));
}

static gboolean
give_back (MfpLibvirt *libvirt, virNodeDevicePtr device, GError **error)
{
  return CALL (libvirt, virNodeDeviceGetName (device), virNodeDeviceReAttach (device)) == 0
         || mfp_libvirt_fail (libvirt, error);
}

gboolean
mfp_libvirt_give_back (MfpOps *ops, const MfpPciAddress *address, GError **error)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);
  virNodeDevicePtr device = ensure_node_device (libvirt, address, error);

  return device && give_back (libvirt, device, error);
}

/**
 * Homecoming:
 * @address: of what is to be given back, unless its group has one of
 * @held: (element-type MfpPciAddress)
 * @seen: (nullable): how it was right before
 */
typedef struct
{
  MfpPciAddress address;
  GArray *held;
  MfpHostFunction *seen;
} Homecoming;

static Homecoming *
homecoming_new (const MfpPciAddress *address, GArray *held, MfpHostFunction *seen)
{
  Homecoming *homecoming = g_new (Homecoming, 1);

  homecoming->address = *address;
  homecoming->held = g_array_ref (held);
  homecoming->seen = seen;
  return homecoming;
}

static void
homecoming_free (gpointer data)
{
  Homecoming *homecoming = data;

  g_array_unref (homecoming->held);
  mfp_host_function_free (homecoming->seen);
  g_free (homecoming);
}

/* What was decided by one connection is not done on another: the handle stays the same. */
static gpointer
bring_home (gpointer libvirt, gpointer subject, GError **error G_GNUC_UNUSED)
{
  Homecoming *homecoming = subject;
  virNodeDevicePtr device = find_node_device (libvirt, &homecoming->address, NULL);
  MfpHostFunction *function = g_steal_pointer (&homecoming->seen);

  if (!function && device)
    function = mfp_libvirt_read_node_device (libvirt, device, NULL);
  if (!function || !device || !mfp_host_function_can_return (function, homecoming->held))
    return function;
  mfp_host_function_free (function);
  give_back (libvirt, device, NULL);
  return mfp_libvirt_read_node_device (libvirt, device, NULL);
}

/* Libvirt gives back one function after the other. So it is soon given one, and while it
 * is busy with that, the next are looked at, and those that are back. */
GPtrArray *
mfp_libvirt_bring_home (MfpOps *ops, const GArray *addresses, GArray *held)
{
  MfpLibvirt *libvirt = mfp_libvirt_of (ops);
  g_autoptr (GPtrArray) errands = mfp_errands_new ();
  GPtrArray *functions;

  if (!mfp_libvirt_ensure (libvirt, NULL))
    return NULL;
  for (guint i = 0; i < addresses->len; i++)
    {
      const MfpPciAddress *address = &g_array_index (addresses, MfpPciAddress, i);
      MfpHostFunction *seen = i == 0 ? read_host_function (libvirt, address, NULL) : NULL;

      mfp_errands_add (errands, bring_home, homecoming_new (address, held, seen), homecoming_free);
    }
  /* After these, and beside those of them that last. */
  mfp_libvirt_add_stopping (libvirt, errands);
  functions = mfp_libvirt_call_together (libvirt, mfp_errand_run, errands, MFP_CHANGES_AT_ONCE,
                                         (GDestroyNotify) mfp_host_function_free, NULL);
  mfp_libvirt_forget_listeners (libvirt);
  return functions;
}
