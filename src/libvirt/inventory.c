/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/inventory.h"

#include "base/error.h"
#include "libvirt/node-devices.h"

#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virNodeDevice, virNodeDeviceFree)

#define ANCESTORS_MAX 16 /* of a node device; a disk behind USB hubs has about 10 */
#define ROOT_NAME "computer" /* of the tree of node devices */
#define NAMES_MAX 16384 /* of node devices; libvirt's protocol carries no fewer */

/* A list that libvirt made: @count pointers, freed with @free_one. */
static GPtrArray *
take_list (gpointer *list, int count, GDestroyNotify free_one)
{
  GPtrArray *array = g_ptr_array_new_with_free_func (free_one);

  for (int i = 0; i < count; i++)
    g_ptr_array_add (array, list[i]);
  g_free (list);
  return array;
}

static void
free_domain (gpointer domain)
{
  virDomainFree (domain);
}

static gboolean
is_chosen (const MfpLibvirt *libvirt, virDomainPtr domain)
{
  return g_strcmp0 (virDomainGetName (domain), libvirt->name) == 0;
}

/* One that ended meanwhile is not there. */
static gpointer
look_at_domain (gpointer libvirt, gpointer domain, GError **error)
{
  g_autofree char *xml
      = CALL (libvirt, virDomainGetName (domain), virDomainGetXMLDesc (domain, 0));
  GError *local = NULL;

  if (xml)
    return mfp_guest_parse (xml, error);
  mfp_libvirt_fail (libvirt, &local);
  if (mfp_error_is (local, MFP_ERROR_DOMAIN_GONE) || virDomainIsActive (domain) == 0)
    g_clear_error (&local);
  else
    g_propagate_error (error, local);
  return NULL;
}

GPtrArray *
mfp_libvirt_list_other_guests (MfpLibvirt *libvirt, GError **error)
{
  virDomainPtr *list = NULL;
  int count = CALL (libvirt, NULL,
                    virConnectListAllDomains (libvirt->connection, &list,
                                              VIR_CONNECT_LIST_DOMAINS_ACTIVE));
  gboolean listed = count >= 0 || mfp_libvirt_fail (libvirt, error);
  g_autoptr (GPtrArray) domains = take_list ((gpointer *) list, count, free_domain);
  GPtrArray *guests = NULL;

  for (guint i = domains->len; i-- > 0;)
    if (is_chosen (libvirt, g_ptr_array_index (domains, i)))
      g_ptr_array_remove_index (domains, i);
  if (listed)
    guests = mfp_libvirt_call_together (libvirt, look_at_domain, domains, MFP_READS_AT_ONCE,
                                        (GDestroyNotify) mfp_guest_free, error);
  if (guests)
    return guests;
  g_prefix_error (error, "cannot find out which functions other domains hold: ");
  mfp_error_recode (error, MFP_ERROR_REFUSED);
  return NULL;
}

/* The node devices of all PCI functions. */
static GPtrArray *
list_functions (MfpLibvirt *libvirt, GError **error)
{
  virNodeDevicePtr *list = NULL;
  int count = CALL (libvirt, NULL,
                    virConnectListAllNodeDevices (libvirt->connection, &list,
                                                  VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV));

  if (count >= 0)
    return take_list ((gpointer *) list, count, mfp_libvirt_free_node_device);
  mfp_libvirt_fail (libvirt, error);
  return NULL;
}

static gpointer
look_at_node_device (gpointer libvirt, gpointer device, GError **error)
{
  return mfp_libvirt_read_node_device (libvirt, device, error);
}

GPtrArray *
mfp_libvirt_list_host_functions (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (GPtrArray) devices = list_functions (libvirt, error);
  GPtrArray *functions = NULL;

  if (devices)
    functions = mfp_libvirt_call_together (libvirt, look_at_node_device, devices,
                                           MFP_READS_AT_ONCE,
                                           (GDestroyNotify) mfp_host_function_free, error);
  if (functions)
    return functions;
  g_prefix_error (error, "cannot list the PCI devices of the host: ");
  mfp_error_recode (error, MFP_ERROR_REFUSED);
  return NULL;
}

/* The names of the node devices with @capability, which libvirt's server has at
 * hand. Libvirt's other list (virConnectListAllNodeDevices) reads everything about
 * each device of the host afresh (virNodeDeviceUpdateCaps() in libvirt 9.0). */
static gboolean
list_names (MfpLibvirt *libvirt, const char *capability, GPtrArray *names, GError **error)
{
  g_autofree char **list = g_new (char *, NAMES_MAX);
  int count = CALL (libvirt, capability,
                    virNodeListDevices (libvirt->connection, capability, list, NAMES_MAX, 0));

  for (int i = 0; i < count; i++)
    g_ptr_array_add (names, list[i]);
  return count >= 0 || mfp_libvirt_fail (libvirt, error);
}

/**
 * UseQuestion:
 * @name: of a node device: is it a use of one of
 * @functions: (element-type MfpPciAddress)?
 */
typedef struct
{
  char *name;
  GArray *functions;
} UseQuestion;

static void
use_question_free (gpointer data)
{
  UseQuestion *question = data;

  g_free (question->name);
  g_array_unref (question->functions);
  g_free (question);
}

/* The name of the PCI function above @device, which may be a disk below a target
 * below a host adapter; NULL: there is none. */
static char *
find_pci_above (MfpLibvirt *libvirt, virNodeDevicePtr device)
{
  g_autoptr (virNodeDevice) lower = NULL;
  const char *name = CALL (libvirt, virNodeDeviceGetName (device), virNodeDeviceGetParent (device));
  MfpPciAddress address;

  for (guint i = 0; name && i < ANCESTORS_MAX; i++)
    {
      virNodeDevicePtr above;

      if (mfp_pci_address_parse_node_name (name, &address))
        return g_strdup (name);
      if (strcmp (name, ROOT_NAME) == 0)
        return NULL;
      above = CALL (libvirt, name, virNodeDeviceLookupByName (libvirt->connection, name));
      name = above ? CALL (libvirt, virNodeDeviceGetName (above), virNodeDeviceGetParent (above))
                   : NULL;
      g_clear_pointer (&lower, virNodeDeviceFree);
      lower = above; /* @name is its */
    }
  return NULL;
}

static gboolean
names_one_of (const char *name, const GArray *functions)
{
  MfpPciAddress address;

  mfp_pci_address_parse_node_name (name, &address);
  for (guint i = 0; i < functions->len; i++)
    if (mfp_pci_address_equal (&g_array_index (functions, MfpPciAddress, i), &address))
      return TRUE;
  return FALSE;
}

/* What is no use that somebody would miss is not there, nor what cannot be read. */
static gpointer
look_at_use (gpointer libvirt, gpointer subject, GError **error G_GNUC_UNUSED)
{
  const UseQuestion *question = subject;
  g_autoptr (virNodeDevice) device
      = CALL (libvirt, question->name,
              virNodeDeviceLookupByName (((MfpLibvirt *) libvirt)->connection, question->name));
  g_autofree char *function = device ? find_pci_above (libvirt, device) : NULL;
  g_autofree char *xml = NULL;
  g_autoptr (MfpHostUse) use = NULL;

  if (!function || !names_one_of (function, question->functions))
    return NULL;
  xml = CALL (libvirt, question->name, virNodeDeviceGetXMLDesc (device, 0));
  use = xml ? mfp_host_use_parse (xml, NULL) : NULL;
  if (!use || !use->text)
    return NULL;
  g_free (use->parent);
  use->parent = g_steal_pointer (&function);
  return g_steal_pointer (&use);
}

GPtrArray *
mfp_libvirt_list_host_uses (MfpLibvirt *libvirt, GArray *functions, gboolean networks,
                            gboolean disks, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) questions = g_ptr_array_new_with_free_func (use_question_free);

  if ((networks && !list_names (libvirt, "net", names, error))
      || (disks && !list_names (libvirt, "storage", names, error)))
    return NULL;
  for (guint i = 0; i < names->len; i++)
    {
      UseQuestion *question = g_new (UseQuestion, 1);

      question->name = g_strdup (g_ptr_array_index (names, i));
      question->functions = g_array_ref (functions);
      g_ptr_array_add (questions, question);
    }
  return mfp_libvirt_call_together (libvirt, look_at_use, questions, MFP_READS_AT_ONCE,
                                    (GDestroyNotify) mfp_host_use_free, error);
}
