/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/node-devices.h"

#include "base/error.h"
#include "libvirt/connection-private.h"

#include <string.h>

#define ANCESTORS_MAX 16 /* of a node device; a disk behind USB hubs has about 10 */
#define ROOT_NAME "computer" /* of the tree of node devices */
#define NAMES_MAX 16384 /* of node devices; libvirt's protocol carries no more */

/* ---- one function ---- */

/**
 * MfpNodeDevice:
 * @name: libvirt's name of the node device
 * @connection: where @device was found; compared only
 * @device: (nullable): a handle, which libvirt's client makes of the name
 *
 * Whoever has the job that it is part of may use it.
 */
struct _MfpNodeDevice
{
  char *name;
  virConnectPtr connection;
  virNodeDevicePtr device;
};

MfpNodeDevice *
mfp_node_device_new (const MfpPciAddress *address)
{
  MfpNodeDevice *node = g_atomic_rc_box_new0 (MfpNodeDevice);

  node->name = mfp_pci_address_format_node_name (address);
  return node;
}

static void
node_device_clear (gpointer data)
{
  MfpNodeDevice *node = data;

  g_clear_pointer (&node->device, virNodeDeviceFree);
  g_free (node->name);
}

void
mfp_node_device_unref (MfpNodeDevice *node)
{
  g_atomic_rc_box_release_full (node, node_device_clear);
}

static void
release_node_device (gpointer node)
{
  mfp_node_device_unref (node);
}

/* The handle of @node, looked up on the connection of the job if need be. */
static virNodeDevicePtr
find_device (MfpJob *job, MfpNodeDevice *node)
{
  if (node->device && node->connection == job->connection)
    return node->device;
  g_clear_pointer (&node->device, virNodeDeviceFree);
  node->connection = job->connection;
  node->device = MFP_CALL (job, virNodeDeviceLookupByName, job->connection, node->name);
  if (!node->device)
    mfp_job_fail (job);
  return node->device;
}

static gboolean
get_xml (MfpJob *job, virNodeDevicePtr device)
{
  job->answer = MFP_CALL (job, virNodeDeviceGetXMLDesc, device, 0);
  return job->answer || mfp_job_fail (job);
}

static gboolean
read_device (MfpJob *job)
{
  virNodeDevicePtr device = find_device (job, job->data);

  return device && get_xml (job, device);
}

static gboolean
detach_device (MfpJob *job)
{
  virNodeDevicePtr device = find_device (job, job->data);

  return device
         && (MFP_CALL (job, virNodeDeviceDetachFlags, device, NULL, 0) == 0
             || mfp_job_fail (job));
}

static gboolean
reattach_device (MfpJob *job)
{
  virNodeDevicePtr device = find_device (job, job->data);

  return device
         && (MFP_CALL (job, virNodeDeviceReAttach, device) == 0 || mfp_job_fail (job));
}

static MfpJob *
new_node_job (MfpJobFunction run, MfpNodeDevice *node)
{
  MfpJob *job = mfp_job_new (run, node->name);

  job->data = g_atomic_rc_box_acquire (node);
  job->free_data = release_node_device;
  return job;
}

MfpHostFunction *
mfp_node_device_read (MfpLibvirt *libvirt, MfpNodeDevice *node, GError **error)
{
  g_autoptr (MfpJob) job = new_node_job (read_device, node);

  return mfp_libvirt_call (libvirt, job, error) ? mfp_host_function_parse (job->answer, error)
                                                : NULL;
}

gboolean
mfp_node_device_detach (MfpLibvirt *libvirt, MfpNodeDevice *node, GError **error)
{
  g_autoptr (MfpJob) job = new_node_job (detach_device, node);

  return mfp_libvirt_call (libvirt, job, error);
}

gboolean
mfp_node_device_reattach (MfpLibvirt *libvirt, MfpNodeDevice *node, GError **error)
{
  g_autoptr (MfpJob) job = new_node_job (reattach_device, node);

  return mfp_libvirt_call (libvirt, job, error);
}

MfpHostFunction *
mfp_node_device_read_at (MfpLibvirt *libvirt, const MfpPciAddress *address, GError **error)
{
  g_autoptr (MfpNodeDevice) node = mfp_node_device_new (address);

  return mfp_node_device_read (libvirt, node, error);
}

/* ---- several functions ---- */

static GPtrArray *
new_function_list (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_host_function_free);
}

/* Adds @function (transfer full) (nullable). A function that was not found is left out. */
static gboolean
add_found (GPtrArray *functions, MfpHostFunction *function, GError *failure, GError **error)
{
  if (function)
    g_ptr_array_add (functions, function);
  if (!failure || mfp_error_is (failure, MFP_ERROR_NOT_FOUND))
    {
      g_clear_error (&failure);
      return TRUE;
    }
  g_propagate_error (error, failure);
  return FALSE;
}

GPtrArray *
mfp_node_devices_read (MfpLibvirt *libvirt, const GArray *addresses, GError **error)
{
  g_autoptr (GPtrArray) functions = new_function_list ();

  for (guint i = 0; i < addresses->len; i++)
    {
      const MfpPciAddress *address = &g_array_index (addresses, MfpPciAddress, i);
      GError *local = NULL;
      MfpHostFunction *function = mfp_node_device_read_at (libvirt, address, &local);

      if (!add_found (functions, function, local, error))
        return NULL;
    }
  return g_steal_pointer (&functions);
}

/* libvirt's daemon has the names at hand, whereas virConnectListAllNodeDevices() reads
 * everything about each device of the host afresh (virNodeDeviceUpdateCaps() in
 * libvirt 9.0). */
static gboolean
list_names (MfpJob *job)
{
  g_autofree char **names = g_new (char *, NAMES_MAX);
  int count = MFP_CALL (job, virNodeListDevices, job->connection, job->subject, names, NAMES_MAX,
                        0);

  job->list = g_ptr_array_new_with_free_func (free);
  for (int i = 0; i < count; i++)
    g_ptr_array_add (job->list, names[i]);
  return count >= 0 || mfp_job_fail (job);
}

/* The names of the node devices with @capability: (element-type utf8); the caller owns
 * it. */
static GPtrArray *
read_names (MfpLibvirt *libvirt, const char *capability, GError **error)
{
  g_autoptr (MfpJob) job = mfp_job_new (list_names, capability);

  return mfp_libvirt_call (libvirt, job, error) ? g_steal_pointer (&job->list) : NULL;
}

static gboolean
is_in_slots (const MfpPciAddress *address, const GArray *slots)
{
  for (guint i = 0; i < slots->len; i++)
    if (mfp_pci_address_same_slot (&g_array_index (slots, MfpPciAddress, i), address))
      return TRUE;
  return FALSE;
}

GPtrArray *
mfp_node_devices_read_slots (MfpLibvirt *libvirt, const GArray *hosts, GError **error)
{
  g_autoptr (GPtrArray) names = read_names (libvirt, "pci", error);
  g_autoptr (GArray) addresses = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; names && i < names->len; i++)
    {
      MfpPciAddress address;

      if (mfp_pci_address_parse_node_name (g_ptr_array_index (names, i), &address)
          && is_in_slots (&address, hosts))
        g_array_append_val (addresses, address);
    }
  g_array_sort (addresses, mfp_pci_address_compare);
  return names ? mfp_node_devices_read (libvirt, addresses, error) : NULL;
}

GPtrArray *
mfp_node_devices_read_groups (MfpLibvirt *libvirt, const GPtrArray *functions, GError **error)
{
  g_autoptr (GArray) others = mfp_host_functions_list_group_others (functions);

  return mfp_node_devices_read (libvirt, others, error);
}

static void
free_device (gpointer device)
{
  if (device)
    virNodeDeviceFree (device);
}

static gboolean
list_devices (MfpJob *job)
{
  g_autofree virNodeDevicePtr *devices = NULL;
  int count = MFP_CALL (job, virConnectListAllNodeDevices, job->connection, &devices,
                        VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV);

  job->list = g_ptr_array_new_with_free_func (free_device);
  for (int i = 0; i < count; i++)
    g_ptr_array_add (job->list, devices[i]);
  return count >= 0 || mfp_job_fail (job);
}

static gboolean
read_listed (MfpJob *job)
{
  return get_xml (job, job->data);
}

/* Adds the function that is @device (transfer full), which was found on @connection, unless it
 * has vanished. */
static gboolean
add_listed (MfpLibvirt *libvirt, GPtrArray *functions, virConnectPtr connection,
            virNodeDevicePtr device, GError **error)
{
  g_autoptr (MfpJob) job = mfp_job_new (read_listed, virNodeDeviceGetName (device));
  MfpHostFunction *function = NULL;
  GError *local = NULL;

  job->data = device;
  job->free_data = free_device;
  job->only_on = connection;
  if (mfp_libvirt_call (libvirt, job, &local))
    function = mfp_host_function_parse (job->answer, &local);
  return add_found (functions, function, local, error);
}

static GPtrArray *
read_all (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (GPtrArray) functions = new_function_list ();
  g_autoptr (MfpJob) job = mfp_job_new (list_devices, NULL);

  if (!mfp_libvirt_call (libvirt, job, error))
    return NULL;
  for (guint i = 0; i < job->list->len; i++)
    if (!add_listed (libvirt, functions, job->connection,
                     g_steal_pointer (&job->list->pdata[i]), error))
      return NULL;
  return g_steal_pointer (&functions);
}

GPtrArray *
mfp_node_devices_read_all (MfpLibvirt *libvirt, GError **error)
{
  GPtrArray *functions = read_all (libvirt, error);

  if (functions)
    return functions;
  g_prefix_error (error, "cannot list the PCI devices of the host: ");
  mfp_error_recode (error, MFP_ERROR_REFUSED);
  return NULL;
}

/* ---- what the host uses them for ---- */

static gboolean
read_by_name (MfpJob *job)
{
  g_autoptr (virNodeDevice) device
      = MFP_CALL (job, virNodeDeviceLookupByName, job->connection, job->subject);

  return device ? get_xml (job, device) : mfp_job_fail (job);
}

/* The text of the job becomes the name of the parent. */
static gboolean
read_parent (MfpJob *job)
{
  g_autoptr (virNodeDevice) device
      = MFP_CALL (job, virNodeDeviceLookupByName, job->connection, job->subject);

  job->text = device ? g_strdup (MFP_CALL (job, virNodeDeviceGetParent, device)) : NULL;
  return job->text || mfp_job_fail (job);
}

static gboolean
is_function (const char *name)
{
  MfpPciAddress address;

  return mfp_pci_address_parse_node_name (name, &address);
}

/* The name of the PCI function that @name is, or is below: a disk may be below a target
 * below a host adapter. The caller frees; NULL: there is none. */
static char *
find_function_above (MfpLibvirt *libvirt, const char *name, GError **error)
{
  g_autofree char *above = g_strdup (name);

  for (guint i = 0; i < ANCESTORS_MAX && !is_function (above); i++)
    {
      g_autoptr (MfpJob) job = mfp_job_new (read_parent, above);

      if (strcmp (above, ROOT_NAME) == 0 || !mfp_libvirt_call (libvirt, job, error))
        return NULL;
      g_free (above);
      above = g_steal_pointer (&job->text);
    }
  return is_function (above) ? g_steal_pointer (&above) : NULL;
}

static gboolean
is_named (const char *name, const GArray *functions)
{
  MfpPciAddress address;

  return mfp_pci_address_parse_node_name (name, &address)
         && mfp_pci_addresses_contain (functions, &address);
}

/* The use that is the node device @name, if it is one of @functions. */
static MfpHostUse *
read_use (MfpLibvirt *libvirt, const char *name, const GArray *functions, GError **error)
{
  g_autoptr (MfpJob) job = mfp_job_new (read_by_name, name);
  g_autoptr (MfpHostUse) use = NULL;
  g_autofree char *function = NULL;

  if (!mfp_libvirt_call (libvirt, job, error))
    return NULL;
  use = mfp_host_use_parse (job->answer, NULL);
  if (!use || !use->text)
    return NULL;
  function = find_function_above (libvirt, use->parent, error);
  if (!function || !is_named (function, functions))
    return NULL;
  g_free (use->parent);
  use->parent = g_steal_pointer (&function);
  return g_steal_pointer (&use);
}

/* Like read_use(), but a device that cannot be read counts as no use. An error means that
 * there is no connection to ask. */
static MfpHostUse *
find_use (MfpLibvirt *libvirt, const char *name, const GArray *functions, GError **error)
{
  g_autoptr (GError) local = NULL;
  MfpHostUse *use = read_use (libvirt, name, functions, &local);

  if (local && (!libvirt->connection || libvirt->lost || libvirt->hung))
    g_propagate_error (error, g_steal_pointer (&local));
  return use;
}

static gboolean
add_uses (MfpLibvirt *libvirt, const GArray *functions, const char *capability, GPtrArray *uses,
          GError **error)
{
  g_autoptr (GPtrArray) names = read_names (libvirt, capability, error);

  for (guint i = 0; names && i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      GError *local = NULL;
      MfpHostUse *use = mfp_interface_may_be_of (name, functions)
                            ? find_use (libvirt, name, functions, &local)
                            : NULL;

      if (use)
        g_ptr_array_add (uses, use);
      if (local)
        {
          g_propagate_error (error, local);
          return FALSE;
        }
    }
  return names != NULL;
}

GPtrArray *
mfp_node_devices_find_uses (MfpLibvirt *libvirt, const GArray *functions, MfpUseKinds kinds,
                            GError **error)
{
  g_autoptr (GPtrArray) uses
      = g_ptr_array_new_with_free_func ((GDestroyNotify) mfp_host_use_free);

  if ((kinds & MFP_USE_NETWORK && !add_uses (libvirt, functions, "net", uses, error))
      || (kinds & MFP_USE_DISK && !add_uses (libvirt, functions, "storage", uses, error))
      || (kinds & MFP_USE_DISPLAY && !add_uses (libvirt, functions, "drm", uses, error)))
    return NULL;
  return g_steal_pointer (&uses);
}
