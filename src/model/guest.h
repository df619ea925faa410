/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain as its XML shows it: PCI buses, devices, and what an attach wrote down. */
#pragma once

#include "model/pci-address.h"
#include "model/record.h"

/* Which form of the domain: as it runs, or as it will start next. */
typedef enum
{
  MFP_LIVE,
  MFP_CONFIG,
} MfpForm;

/* The models of libvirt's <controller type='pci'>. */
typedef enum
{
  MFP_BUS_PCI_ROOT,
  MFP_BUS_PCIE_ROOT,
  MFP_BUS_PCI_BRIDGE,
  MFP_BUS_DMI_TO_PCI_BRIDGE,
  MFP_BUS_PCIE_TO_PCI_BRIDGE,
  MFP_BUS_PCIE_ROOT_PORT,
  MFP_BUS_PCIE_SWITCH_UPSTREAM_PORT,
  MFP_BUS_PCIE_SWITCH_DOWNSTREAM_PORT,
  MFP_BUS_PCI_EXPANDER_BUS,
  MFP_BUS_PCIE_EXPANDER_BUS,
  MFP_BUS_UNKNOWN,
} MfpBusModel;

/* libvirt's name of it: "pcie-root-port". */
const char *mfp_bus_model_name (MfpBusModel model);

/**
 * MfpBus:
 * @index: the controller's index: the bus number in guest addresses
 * @alias: (nullable): only a running domain has it
 * @hotplug: FALSE where <target hotplug='off'/> is set
 * @phb: <target index=> of a pseries PCI host bridge; 0 elsewhere
 */
typedef struct
{
  guint index;
  MfpBusModel model;
  char *alias;
  gboolean hotplug;
  guint phb;
} MfpBus;

/**
 * MfpGuestDevice:
 * @what: "interface", "disk", ...: the element's name
 * @alias: (nullable)
 * @has_address: it is visible to the guest at @address; otherwise it is an
 *   unassigned host device (<address type='unassigned'/>)
 * @is_hostdev: a <hostdev> of type pci; only then @managed and @xml are set
 * @holds_host: it uses the host function @host: a hostdev, an <interface> of
 *   type hostdev, an NVMe disk, or an argument of <qemu:commandline>
 * @xml: the element
 *
 * A device with a guest PCI address, or a host device without one.
 */
typedef struct
{
  char *what;
  char *alias;
  gboolean has_address;
  MfpPciAddress address;
  gboolean is_hostdev;
  gboolean holds_host;
  MfpPciAddress host;
  gboolean managed;
  char *xml;
} MfpGuestDevice;

/**
 * MfpGuest:
 * @id: the running domain's id, another at each start; NULL: it is not running
 * @type: the domain's virtualisation type ("kvm", "qemu", ...)
 * @arch, @machine: (nullable)
 * @has_iommu: the guest has an IOMMU of its own
 * @uses_iommufd: libvirt (12.2 and later) hands its host devices to QEMU by IOMMUFD, unless
 *   one of them says otherwise
 * @buses: (element-type MfpBus)
 * @devices: (element-type MfpGuestDevice)
 * @records: (element-type MfpRecord)
 */
typedef struct
{
  char *name;
  char *id;
  char *type;
  char *arch;
  char *machine;
  gboolean has_iommu;
  gboolean uses_iommufd;
  GPtrArray *buses;
  GPtrArray *devices;
  GPtrArray *records;
} MfpGuest;

MfpGuest *mfp_guest_parse (const char *xml, GError **error);
void mfp_guest_free (MfpGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpGuest, mfp_guest_free)

/* Whether its machine is a pseries. */
gboolean mfp_guest_is_pseries (const MfpGuest *guest);

/* The bus of @index, or NULL. */
const MfpBus *mfp_guest_bus (const MfpGuest *guest, guint index);

/* The hostdev whose host function is @host, or NULL. */
const MfpGuestDevice *mfp_guest_find_host (const MfpGuest *guest,
                                           const MfpPciAddress *host);

/* The device that is on PCI, or has a host function, and is called @alias, or NULL. */
const MfpGuestDevice *mfp_guest_find_alias (const MfpGuest *guest, const char *alias);

/* The device of any kind that uses the host function @host, or NULL. */
const MfpGuestDevice *mfp_guest_find_holder (const MfpGuest *guest,
                                             const MfpPciAddress *host);

/* The one of @guests (element-type MfpGuest) that uses the host function @host, or has a record
 * that names it and is not only a claim; NULL: none. */
const MfpGuest *mfp_guests_find_owner (const GPtrArray *guests, const MfpPciAddress *host);

/* The host functions that its devices of any kind use: (element-type MfpPciAddress); the
 * caller owns it. */
GArray *mfp_guest_list_held (const MfpGuest *guest);

/* A device of any kind in the slot of @slot other than those that come
 * before @after in the list; start with NULL. NULL at the end. */
const MfpGuestDevice *mfp_guest_next_in_slot (const MfpGuest *guest,
                                              const MfpPciAddress *slot,
                                              const MfpGuestDevice *after);

/* The record that names the host function @host, or NULL. */
const MfpRecord *mfp_guest_find_record (const MfpGuest *guest,
                                        const MfpPciAddress *host);

/* "interface net0", for messages; the caller frees. */
char *mfp_guest_device_describe (const MfpGuestDevice *device);

/**
 * mfp_guest_bus_qemu_name:
 * @bus: (nullable): NULL: the guest has none
 *
 * QEMU's name for @bus of @guest: the controller's alias, but the fixed name
 * of a built-in root bus, which a user's alias does not change, and
 * "ALIAS.0" for the PCI host bridges of a pseries guest above the first
 * (qemuBuildDeviceAddressProps() in libvirt). The caller frees; NULL when
 * libvirt gives no alias.
 */
char *mfp_guest_bus_qemu_name (const MfpGuest *guest, const MfpBus *bus);
