/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The PCI topology of a guest, read from its domain XML: buses, slots, what
 * occupies them, and which slot is free for a card.
 */
#pragma once

#include "model/pci-address.h"
#include "model/record.h"

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
 * @has_address: it is visible to the guest at @address; otherwise it is a
 *   host device that is held and not shown (<address type='unassigned'/>)
 * @is_hostdev: a <hostdev> of type pci; only then @managed and @xml are set
 * @holds_host: it uses the host function @host: a hostdev, or an <interface>
 *   of type hostdev
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

/**
 * MfpSlot:
 * @address: its function is 0
 * @occupants: (element-type utf8): what is there: "interface net0"
 * @reason: (nullable): why a card could not go there even if nothing were
 *
 * A slot of a guest, on a bus that has slots for cards. It refers to the guest,
 * which has to outlive it.
 */
typedef struct
{
  MfpPciAddress address;
  const MfpBus *bus;
  GPtrArray *occupants;
  char *reason;
} MfpSlot;

/* Whether a card can go there. */
gboolean mfp_slot_is_free (const MfpSlot *slot);

/* Who is there, and why else a card cannot go there: "interface net0;
 * hotplug='off'", or nothing; the caller frees. */
char *mfp_slot_describe (const MfpSlot *slot);

/**
 * mfp_guest_survey_slots:
 * @live: (nullable): the running guest, when it is to be changed: a slot must
 *   take hotplug
 * @config: (nullable): its persistent form, when that is to be changed
 *
 * Returns: (element-type MfpSlot): all slots of the first of them that there
 * is, in the order of their addresses; the caller owns it.
 */
GPtrArray *mfp_guest_survey_slots (const MfpGuest *live, const MfpGuest *config);

/* The end of the run of slots that begins with number @begin: neighbours with
 * nothing in them of which the same is to be told, or one slot. */
guint mfp_slots_run_end (const GPtrArray *slots, guint begin);

/* "0000:01:00", or of a longer run "0000:07:01-1f"; the caller frees. */
char *mfp_slots_run_format (const GPtrArray *slots, guint begin, guint end);

/**
 * MfpSlotWish:
 * @taken: (nullable) (element-type MfpPciAddress): slots not to be chosen
 * @group: (nullable) (element-type MfpPciAddress): the host functions of the
 *   card's IOMMU groups
 */
typedef struct
{
  const GArray *taken;
  const GArray *group;
} MfpSlotWish;

/**
 * mfp_guest_choose_slot:
 * @live: (nullable): the running guest, when it is to be changed
 * @config: (nullable): its persistent form, when that is to be changed
 *
 * Finds the free slot with the highest address, PCIe ports first: libvirt
 * gives its own devices the lowest, and the two should meet last. A live slot
 * must take hotplug. With both, the slot is free in both and its bus is of
 * the same model in both.
 *
 * A pseries guest's PCI host bridges are its isolation groups: one above the
 * first comes before all others if it has nothing but host devices of the
 * card's IOMMU groups, then the first; see virDomainPCIAddressBus's
 * isolationGroup in libvirt, which explicit addresses bypass.
 *
 * Returns: FALSE and an error (MFP_ERROR_REFUSED) which says who occupies
 * what, and how the guest gets more slots, when there is no such slot.
 */
gboolean mfp_guest_choose_slot (const MfpGuest *live, const MfpGuest *config,
                                const MfpSlotWish *wish, MfpPciAddress *slot,
                                GError **error);

/* Whether @slot of a pseries guest lies on a PCI host bridge with devices that
 * are no host functions of @group (element-type MfpPciAddress), or on the
 * first, which libvirt keeps for emulated ones. */
gboolean mfp_guest_slot_is_shared (const MfpGuest *guest, const MfpPciAddress *slot,
                                   const GArray *group);

/**
 * mfp_guest_plan_port:
 * @config: the persistent form of a guest without a free slot
 * @index: (out): index of a pcie-root-port that can be added to it, and so
 *   the bus of the new slot
 *
 * Returns: FALSE when its machine takes no such port.
 */
gboolean mfp_guest_plan_port (const MfpGuest *config, guint *index);

/* Whether @slot is one that mfp_guest_choose_slot() could choose. */
gboolean mfp_guest_check_slot (const MfpGuest *live, const MfpGuest *config,
                               const MfpPciAddress *slot, GError **error);
