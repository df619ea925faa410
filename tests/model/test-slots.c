/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "domain.h"
#include "model/slots.h"

/* The slots 2 and up of a conventional bus. */
#define SLOTS_FROM_2(bus)                                                                      \
  bus ":02 " bus ":03 " bus ":04 " bus ":05 " bus ":06 " bus ":07 " bus ":08 " bus ":09 "      \
  bus ":0a " bus ":0b " bus ":0c " bus ":0d " bus ":0e " bus ":0f " bus ":10 " bus ":11 "      \
  bus ":12 " bus ":13 " bus ":14 " bus ":15 " bus ":16 " bus ":17 " bus ":18 " bus ":19 "      \
  bus ":1a " bus ":1b " bus ":1c " bus ":1d " bus ":1e " bus ":1f"
#define PC_ROOT_WITHOUT_HOTPLUG                                                                \
  "<controller type='pci' index='0' model='pci-root'><target hotplug='off'/></controller>"
#define PHB_1_WITH(host_bus) PHB ("1", "1") HOSTDEV (host_bus, AT ("0x01", "0x03", "0x0"))

/* One form of a domain: a guest with these devices, or NULL if @devices is NULL; the caller
 * frees. */
static MfpGuest *
form_of (const char *machine, const char *metadata, const char *devices)
{
  return devices ? guest_of (machine, metadata, devices) : NULL;
}

/* ---- choosing a slot ---- */

typedef struct
{
  const char *name;
  const char *machine;
  const char *live;   /* devices; NULL: the running guest stays as it is */
  const char *config; /* devices; NULL: the persistent XML stays as it is */
  const char *expected;
  const char *message; /* a part of the error, where @expected is NULL */
  const char *metadata;
  const char *taken; /* slots, separated by spaces */
  const char *group; /* host functions, likewise */
} Choice;

static const Choice choices[] = {
  /* which free slot */
  { .name = "takes-the-highest-port", .machine = Q35,
    .live = Q35_ROOT PORT ("2") PORT ("9") PORT ("5"), .expected = "0000:09:00" },
  { .name = "takes-ports-before-conventional-slots", .machine = Q35,
    .live = Q35_ROOT PORT ("1") BUS ("7", "pcie-to-pci-bridge"), .expected = "0000:01:00" },
  { .name = "takes-a-port-before-a-pci-bridge", .machine = Q35,
    .live = Q35_ROOT PORT ("1") BUS ("7", "pci-bridge"), .expected = "0000:01:00" },
  { .name = "takes-a-downstream-port-before-a-pci-bridge", .machine = Q35,
    .live = Q35_ROOT BUS ("3", "pcie-switch-downstream-port") BUS ("7", "pci-bridge"),
    .expected = "0000:03:00" },
  { .name = "takes-the-highest-of-root-ports-and-downstream-ports", .machine = Q35,
    .live = Q35_ROOT PORT ("2") BUS ("5", "pcie-switch-downstream-port") PORT ("4"),
    .expected = "0000:05:00" },
  { .name = "takes-a-pci-bridge-before-an-expander-bus-with-a-lower-number", .machine = PC,
    .config = BUS ("2", "pci-expander-bus") BUS ("3", "pci-bridge"), .expected = "0000:03:1f" },
  { .name = "takes-an-expander-bus-before-a-pci-bridge-with-a-lower-number", .machine = PC,
    .config = BUS ("3", "pci-expander-bus") BUS ("2", "pci-bridge"), .expected = "0000:03:1f" },
  { .name = "takes-a-pci-bridge-that-the-xml-lists-before-a-lower-expander-bus", .machine = PC,
    .config = BUS ("4", "pci-bridge") BUS ("3", "pci-expander-bus"), .expected = "0000:04:1f" },
  { .name = "takes-conventional-slots-when-no-port-is-free", .machine = Q35,
    .live = Q35_ROOT PORT ("1") NIC ("0x01", "0x00") BUS ("7", "pcie-to-pci-bridge"),
    .expected = "0000:07:1f" },
  { .name = "takes-the-highest-slot-of-pc", .machine = PC, .live = PC_ROOT,
    .expected = "0000:00:1f" },
  { .name = "takes-the-next-slot-of-pc-when-the-highest-is-occupied", .machine = PC,
    .live = PC_ROOT NIC ("0x00", "0x1f"), .expected = "0000:00:1e" },
  { .name = "takes-the-highest-bus-of-pc", .machine = PC,
    .live = PC_ROOT BUS ("1", "pci-bridge"), .expected = "0000:01:1f" },
  { .name = "takes-the-first-of-two-buses-of-one-number", .machine = Q35,
    .live = Q35_ROOT BUS ("2", "pci-bridge") PORT ("2"), .expected = "0000:02:1f" },
  { .name = "ignores-a-bus-without-a-valid-number", .machine = Q35,
    .live = Q35_ROOT PORT ("") PORT ("2,") PORT ("256")
        "<controller type='pci' model='pci-bridge'/>",
    .message = "no free slot that takes a hot-plugged card: it has no PCI bus with slots" },
  { .name = "skips-a-port-that-another-run-has-taken", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2"), .taken = "0000:02:00", .expected = "0000:01:00" },
  { .name = "skips-slots-of-a-bus-that-other-runs-have-taken", .machine = PC, .live = PC_ROOT,
    .taken = "0000:00:1f 0000:00:1e", .expected = "0000:00:1d" },
  { .name = "says-that-another-run-has-taken-the-slot", .machine = Q35,
    .live = Q35_ROOT PORT ("1"), .taken = "0000:01:00",
    .message = "\n  0000:01:00 pcie-root-port: another device or run has just taken it" },

  /* occupants */
  { .name = "skips-a-port-with-a-disk", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2") DISK ("0x02", "0x00"), .expected = "0000:01:00" },
  { .name = "skips-a-port-with-an-interface", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2") NIC ("0x02", "0x00"), .expected = "0000:01:00" },
  { .name = "skips-a-port-with-a-usb-controller", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2") USB ("0x02", "0x00"), .expected = "0000:01:00" },
  { .name = "skips-a-port-with-a-switch", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2")
        "<controller type='pci' index='3' model='pcie-switch-upstream-port'>"
        AT ("0x02", "0x00", "0x0") "</controller>",
    .expected = "0000:01:00" },
  { .name = "skips-a-port-with-a-hostdev", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2") HOSTDEV ("0x81", AT ("0x02", "0x00", "0x0")),
    .expected = "0000:01:00" },
  { .name = "skips-a-port-whose-function-7-is-occupied", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2")
        "<rng model='virtio'>" AT ("0x02", "0x00", "0x7") "</rng>",
    .expected = "0000:01:00" },
  { .name = "skips-a-port-with-an-unknown-device", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2") "<future>" AT ("0x02", "0x00", "0x0") "</future>",
    .expected = "0000:01:00" },
  { .name = "reads-the-guest-address-of-a-hostdev-and-not-its-host-address", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2") HOSTDEV ("0x02", AT ("0x01", "0x00", "0x0")),
    .expected = "0000:02:00" },
  { .name = "ignores-an-unassigned-hostdev", .machine = Q35,
    .live = Q35_ROOT PORT ("2") HOSTDEV ("0x02", UNASSIGNED), .expected = "0000:02:00" },
  { .name = "reads-the-guest-address-of-a-hostdev-interface", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2") PORT ("3")
        "<interface type='hostdev' managed='yes'><source><address type='pci' domain='0x0000' "
        "bus='0x03' slot='0x00' function='0x0'/></source>" AT ("0x02", "0x00", "0x0")
        "</interface>" NIC ("0x01", "0x00"),
    .expected = "0000:03:00" },
  { .name = "ignores-the-source-of-an-nvme-disk", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2")
        "<disk type='nvme'><source type='pci' namespace='1'><address domain='0x0000' bus='0x02' "
        "slot='0x00' function='0x0'/></source>" AT ("0x01", "0x00", "0x0") "</disk>",
    .expected = "0000:02:00" },
  { .name = "ignores-an-address-of-another-type", .machine = Q35,
    .live = Q35_ROOT PORT ("2")
        "<disk><address type='drive' controller='0' bus='2' target='0' unit='0' slot='0'/></disk>",
    .expected = "0000:02:00" },
  { .name = "reads-decimal-addresses", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("10") NIC ("10", "0"), .expected = "0000:01:00" },
  { .name = "skips-a-slot-that-a-record-holds", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2"), .metadata = RECORD ("0000:02:00"),
    .expected = "0000:01:00" },
  { .name = "says-that-a-record-holds-the-slot", .machine = Q35, .live = Q35_ROOT PORT ("2"),
    .metadata = RECORD ("0000:02:00"),
    .message = "\n  0000:02:00 pcie-root-port: hostdev 0000:01:00.0; another attach holds it, or "
               "was interrupted there" },

  /* which buses take hotplug */
  { .name = "skips-a-port-with-hotplug-off", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT_HOTPLUG ("2", "off"), .expected = "0000:01:00" },
  { .name = "takes-a-port-with-hotplug-on", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT_HOTPLUG ("2", "on"), .expected = "0000:02:00" },
  { .name = "says-that-a-port-has-hotplug-off", .machine = Q35,
    .live = Q35_ROOT PORT_HOTPLUG ("2", "off"),
    .message = "\n  0000:02:00 pcie-root-port: hotplug='off'" },
  { .name = "takes-a-port-with-hotplug-off-for-config-only", .machine = Q35,
    .config = Q35_ROOT PORT ("1") PORT_HOTPLUG ("2", "off"), .expected = "0000:02:00" },
  { .name = "skips-a-pci-root-with-hotplug-off", .machine = PC,
    .live = PC_ROOT_WITHOUT_HOTPLUG,
    .message = "\n  0000:00:01 pci-root: the chipset; hotplug='off'\n"
               "  0000:00:02-1f pci-root: hotplug='off'" },
  { .name = "never-takes-pcie-root", .machine = Q35, .live = Q35_ROOT,
    .message = "no free slot that takes a hot-plugged card" },
  { .name = "never-takes-pcie-root-for-config", .machine = Q35, .config = Q35_ROOT,
    .message = "no free slot that takes the card: it has no PCI bus with slots" },
  { .name = "takes-a-switch-s-downstream-port", .machine = Q35,
    .live = Q35_ROOT BUS ("4", "pcie-switch-upstream-port")
        BUS ("5", "pcie-switch-downstream-port"),
    .expected = "0000:05:00" },
  { .name = "never-takes-a-switch-s-upstream-port", .machine = Q35,
    .live = Q35_ROOT BUS ("4", "pcie-switch-upstream-port"),
    .message = "it has no PCI bus with slots" },
  { .name = "takes-a-pcie-to-pci-bridge", .machine = Q35,
    .live = Q35_ROOT BUS ("3", "pcie-to-pci-bridge"), .expected = "0000:03:1f" },
  { .name = "takes-a-pci-bridge", .machine = Q35,
    .live = Q35_ROOT BUS ("1", "dmi-to-pci-bridge") BUS ("2", "pci-bridge"),
    .expected = "0000:02:1f" },
  { .name = "never-takes-a-dmi-to-pci-bridge", .machine = Q35,
    .live = Q35_ROOT BUS ("1", "dmi-to-pci-bridge"), .message = "it has no PCI bus with slots" },
  { .name = "never-hotplugs-into-a-pci-expander-bus", .machine = PC,
    .live = BUS ("2", "pci-expander-bus"),
    .message = "\n  0000:02:00-1f pci-expander-bus: takes no hotplug" },
  { .name = "takes-a-pci-expander-bus-for-config", .machine = PC,
    .config = BUS ("2", "pci-expander-bus"), .expected = "0000:02:1f" },
  { .name = "never-takes-a-pcie-expander-bus", .machine = Q35,
    .live = Q35_ROOT BUS ("2", "pcie-expander-bus"), .message = "it has no PCI bus with slots" },
  { .name = "never-takes-an-unknown-model", .machine = Q35,
    .live = Q35_ROOT BUS ("2", "pcie-wormhole"), .message = "it has no PCI bus with slots" },
  { .name = "never-takes-a-controller-without-a-model", .machine = Q35,
    .live = Q35_ROOT "<controller type='pci' index='2'/>",
    .message = "it has no PCI bus with slots" },
  { .name = "ignores-controllers-that-are-not-pci", .machine = Q35,
    .live = Q35_ROOT "<controller type='scsi' index='2' model='pcie-root-port'/>",
    .message = "it has no PCI bus with slots" },

  /* machines */
  { .name = "never-takes-the-chipset-s-slot-of-pc", .machine = PC,
    .live = PC_ROOT,
    .taken = SLOTS_FROM_2 ("00"),
    .message = "domain 'it's' has no free slot" },
  { .name = "takes-slot-1-of-pseries", .machine = SPAPR, .live = PHB ("0", "0"),
    .taken = SLOTS_FROM_2 ("00"),
    .expected = "0000:00:01" },
  { .name = "takes-slot-1-of-a-pci-bridge", .machine = PC, .live = BUS ("1", "pci-bridge"),
    .taken = SLOTS_FROM_2 ("01"),
    .expected = "0000:01:01" },
  { .name = "takes-a-pseries-host-bridge-above-the-first", .machine = SPAPR,
    .live = PHB ("0", "0") PHB ("1", "1"), .expected = "0000:01:1f" },
  { .name = "takes-an-empty-pseries-host-bridge-before-a-higher-one-in-use", .machine = SPAPR,
    .live = PHB ("0", "0") PHB ("1", "1") PHB ("2", "2") NIC ("0x02", "0x01"),
    .expected = "0000:01:1f" },
  { .name = "takes-a-pseries-host-bridge-with-its-own-group", .machine = SPAPR,
    .live = PHB ("0", "0") PHB_1_WITH ("0x06"),
    .group = "05:00.0 06:00.0", .expected = "0000:01:1f" },
  { .name = "takes-the-first-pseries-host-bridge-before-one-with-another-group",
    .machine = SPAPR,
    .live = PHB ("0", "0") PHB_1_WITH ("0x06"),
    .group = "05:00.0", .expected = "0000:00:1f" },
  { .name = "takes-a-pseries-host-bridge-with-another-group-if-there-is-no-other",
    .machine = SPAPR, .live = PHB_1_WITH ("0x06"),
    .group = "05:00.0", .expected = "0000:01:1f" },
  { .name = "takes-the-first-pseries-host-bridge-when-there-is-no-other", .machine = SPAPR,
    .live = PHB ("0", "0"), .expected = "0000:00:1f" },
  { .name = "takes-a-port-of-aarch64-virt", .machine = VIRT, .live = Q35_ROOT PORT ("1"),
    .expected = "0000:01:00" },

  /* a guest's own IOMMU */
  { .name = "takes-no-port-with-a-guest-iommu", .machine = Q35,
    .live = Q35_ROOT PORT ("1") "<iommu model='intel'/>",
    .message = "\n  0000:01:00 pcie-root-port: the guest has an IOMMU, so only a "
               "pcie-to-pci-bridge" },
  { .name = "takes-a-pcie-to-pci-bridge-with-a-guest-iommu", .machine = Q35,
    .live = "<iommu model='intel'/>" Q35_ROOT PORT ("1") BUS ("2", "pcie-to-pci-bridge"),
    .expected = "0000:02:1f" },

  /* live and config at once */
  { .name = "needs-the-slot-to-be-free-in-both-forms", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2") PORT ("3") NIC ("0x03", "0x00"),
    .config = Q35_ROOT PORT ("1") PORT ("2") PORT ("3") DISK ("0x02", "0x00"),
    .expected = "0000:01:00" },
  { .name = "says-that-the-config-occupies-a-slot", .machine = Q35,
    .live = Q35_ROOT PORT ("1"), .config = Q35_ROOT PORT ("1") DISK ("0x01", "0x00"),
    .message = "\n  0000:01:00 pcie-root-port: in the persistent configuration: disk "
               "virtio-disk0 is there" },
  { .name = "needs-the-bus-in-both-forms", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2"), .config = Q35_ROOT PORT ("1"),
    .expected = "0000:01:00" },
  { .name = "needs-the-same-model-in-both-forms", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2"),
    .config = Q35_ROOT PORT ("1") BUS ("2", "pcie-switch-downstream-port"),
    .expected = "0000:01:00" },
  { .name = "says-that-the-config-lacks-the-bus", .machine = Q35,
    .live = Q35_ROOT PORT ("1"), .config = Q35_ROOT,
    .message = "\n  0000:01:00 pcie-root-port: the persistent configuration has no such "
               "controller" },
  { .name = "needs-no-hotplug-in-the-config", .machine = Q35, .live = Q35_ROOT PORT ("1"),
    .config = Q35_ROOT PORT_HOTPLUG ("1", "off"), .expected = "0000:01:00" },
  { .name = "looks-only-at-the-config-for-config", .machine = Q35,
    .config = Q35_ROOT PORT ("4") PORT ("5") NIC ("0x05", "0x00"), .expected = "0000:04:00" },

  /* the message when no slot is free */
  { .name = "says-which-device-occupies-each-slot", .machine = Q35,
    .live = Q35_ROOT PORT ("1") PORT ("2") PORT ("3") PORT ("4") NIC ("0x01", "0x00")
        DISK ("0x02", "0x00") HOSTDEV ("0x81", AT ("0x03", "0x00", "0x0")) USB ("0x04", "0x00"),
    .message = "takes a hot-plugged card:\n"
               "  0000:01:00 pcie-root-port: interface net0\n"
               "  0000:02:00 pcie-root-port: disk virtio-disk0\n"
               "  0000:03:00 pcie-root-port: hostdev 0000:81:00.0\n"
               "  0000:04:00 pcie-root-port: controller usb\n" },
  { .name = "quotes-the-domain-for-the-shell", .machine = Q35, .live = Q35_ROOT,
    .message = "\nIts root bus takes none. To add a port for its next start:\n"
               "  virt-xml --add-device --controller type=pci,model=pcie-root-port 'it'\\''s'" },
  { .name = "suggests-a-port-for-aarch64-virt", .machine = VIRT, .live = Q35_ROOT,
    .message = "for its next start:\n  virt-xml --add-device --controller "
               "type=pci,model=pcie-root-port 'it'\\''s'" },
  { .name = "suggests-a-bridge-for-pc", .machine = PC,
    .live = PC_ROOT_WITHOUT_HOTPLUG,
    .message = "\nTo add a bridge with 31 slots for its next start:\n  virt-xml --add-device "
               "--controller type=pci,model=pci-bridge 'it'\\''s'" },
  { .name = "suggests-a-host-bridge-for-pseries", .machine = SPAPR,
    .live = "<controller type='pci' index='0' model='pci-root'><target index='0' hotplug='off'/>"
            "</controller>",
    .message = "\nTo add a PCI host bridge for its next start:\n  virt-xml --add-device "
               "--controller type=pci,model=pci-root 'it'\\''s'" },
  { .name = "suggests-a-pcie-to-pci-bridge-for-a-guest-with-an-iommu", .machine = Q35,
    .live = "<iommu model='intel'/>" Q35_ROOT PORT ("1"),
    .message = "\nTo add a bridge with 31 slots for its next start:\n  virt-xml --add-device "
               "--controller type=pci,model=pcie-to-pci-bridge 'it'\\''s'" },
  { .name = "suggests-a-port-too-if-none-is-free-for-the-pcie-to-pci-bridge", .machine = Q35,
    .live = "<iommu model='intel'/>" Q35_ROOT PORT ("1") NIC ("0x01", "0x00"),
    .message = "next start:\n  virt-xml --add-device --controller type=pci,model=pcie-root-port "
               "'it'\\''s'\n  virt-xml --add-device --controller "
               "type=pci,model=pcie-to-pci-bridge 'it'\\''s'" },
  { .name = "says-which-slots-other-runs-have-taken", .machine = PC,
    .live = BUS ("1", "pci-bridge") NIC ("0x01", "0x01"),
    .taken = SLOTS_FROM_2 ("01"),
    .message = "\n  0000:01:01 pci-bridge: interface net0\n"
               "  0000:01:02-1f pci-bridge: another device or run has just taken it" },
};

static void
test_choose (gconstpointer data)
{
  const Choice *row = data;
  g_autoptr (MfpGuest) live = form_of (row->machine, row->metadata, row->live);
  g_autoptr (MfpGuest) config = form_of (row->machine, row->metadata, row->config);
  g_autoptr (GArray) taken = row->taken ? test_addresses (row->taken) : NULL;
  g_autoptr (GArray) group = row->group ? test_addresses (row->group) : NULL;
  const MfpSlotWish wish = { .taken = taken, .group = group };
  g_autoptr (GError) error = NULL;
  MfpPciAddress slot = { 0 };
  gboolean found = mfp_guest_choose_slot (live, config, &wish, &slot, &error);
  g_autofree char *text = found ? mfp_pci_address_format_slot (&slot) : NULL;

  g_assert_cmpstr (text, ==, row->expected);
  if (!row->expected)
    {
      assert_error (error, MFP_ERROR_REFUSED, row->message);
      return;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (slot.function, ==, 0);
  g_assert_true (mfp_guest_check_slot (live, config, &slot, &error)); /* it agrees */
  g_assert_no_error (error);
}

/* ---- checking a slot ---- */

typedef struct
{
  const char *name;
  const char *machine;
  const char *live;   /* devices; NULL: the running guest stays as it is */
  const char *config; /* devices; NULL: the persistent XML stays as it is */
  const char *metadata;
  const char *slot;
  const char *message; /* a part of the error; NULL: the slot is accepted */
} Check;

static const Check checks[] = {
  { .name = "accepts-a-free-port", .machine = Q35, .live = Q35_ROOT PORT ("1") PORT ("2"),
    .slot = "0000:01:00" },
  { .name = "accepts-a-free-slot-of-pc", .machine = PC, .live = PC_ROOT,
    .slot = "0000:00:02" },
  { .name = "refuses-an-occupied-port", .machine = Q35,
    .live = Q35_ROOT PORT ("1") NIC ("0x01", "0x00"), .slot = "0000:01:00",
    .message = "guest slot 0000:01:00 (pcie-root-port) of domain 'it's' cannot be used: "
               "interface net0 is there" },
  { .name = "names-an-occupant-without-alias", .machine = Q35,
    .config = Q35_ROOT PORT ("1") "<sound>" AT ("0x01", "0x00", "0x0") "</sound>",
    .slot = "0000:01:00", .message = "cannot be used: sound is there" },
  { .name = "refuses-an-unknown-bus", .machine = Q35, .live = Q35_ROOT PORT ("1"),
    .slot = "0000:02:00", .message = "the domain has no such bus" },
  { .name = "refuses-a-pci-domain-above-0", .machine = Q35, .live = Q35_ROOT PORT ("1"),
    .slot = "0001:01:00", .message = "guest slot 0001:01:00 of domain 'it's' cannot be used: "
                                     "the domain has no such bus" },
  { .name = "refuses-slot-1-of-a-port", .machine = Q35, .live = Q35_ROOT PORT ("1"),
    .slot = "0000:01:01",
    .message = "(pcie-root-port) of domain 'it's' cannot be used: no place for a card" },
  { .name = "refuses-slot-0-of-pc", .machine = PC, .live = PC_ROOT, .slot = "0000:00:00",
    .message = "(pci-root) of domain 'it's' cannot be used: no place for a card" },
  { .name = "refuses-slot-0-of-a-pci-bridge", .machine = PC, .live = BUS ("1", "pci-bridge"),
    .slot = "0000:01:00",
    .message = "(pci-bridge) of domain 'it's' cannot be used: no place for a card" },
  { .name = "refuses-the-chipset-s-slot", .machine = PC, .live = PC_ROOT, .slot = "0000:00:01",
    .message = "the chipset is there" },
  { .name = "names-the-chipset-and-not-its-functions", .machine = PC,
    .live = PC_ROOT USB ("0x00", "0x01"), .slot = "0000:00:01",
    .message = "cannot be used: the chipset is there" },
  { .name = "refuses-pcie-root", .machine = Q35, .live = Q35_ROOT, .slot = "0000:00:1c",
    .message = "(pcie-root) of domain 'it's' cannot be used: takes no hotplug" },
  { .name = "refuses-a-port-with-hotplug-off", .machine = Q35,
    .live = Q35_ROOT PORT_HOTPLUG ("1", "off"), .slot = "0000:01:00",
    .message = "(pcie-root-port) of domain 'it's' cannot be used: hotplug='off'" },
  { .name = "refuses-a-slot-that-a-record-holds", .machine = Q35, .live = Q35_ROOT PORT ("1"),
    .metadata = RECORD ("0000:01:00"), .slot = "0000:01:00",
    .message = "another attach holds it, or was interrupted there" },
  { .name = "refuses-a-port-with-a-guest-iommu", .machine = Q35,
    .live = Q35_ROOT PORT ("1") "<iommu model='intel'/>", .slot = "0000:01:00",
    .message = "the guest has an IOMMU" },
  { .name = "refuses-what-the-config-occupies", .machine = Q35, .live = Q35_ROOT PORT ("1"),
    .config = Q35_ROOT PORT ("1") NIC ("0x01", "0x00"), .slot = "0000:01:00",
    .message = "in the persistent configuration: interface net0 is there" },
};

static void
test_check (gconstpointer data)
{
  const Check *row = data;
  g_autoptr (MfpGuest) live = form_of (row->machine, row->metadata, row->live);
  g_autoptr (MfpGuest) config = form_of (row->machine, row->metadata, row->config);
  MfpPciAddress slot = test_address (row->slot);
  g_autoptr (GError) error = NULL;

  assert_admitted (mfp_guest_check_slot (live, config, &slot, &error), error, row->message);
}

/* ---- on whole domains ---- */

static void
test_files (void)
{
  static const struct
  {
    const char *file;
    const char *slot, *bus;
  } rows[] = {
    { "q35-free.xml", "0000:07:00", "pci.7" },
    { "q35-card.xml", "0000:05:00", "pci.5" }, /* 07: a hostdev, 06: the card */
    { "pc.xml", "0000:00:1d", "pci.0" },
    { "pseries.xml", "0000:02:1f", "ua-gpu-bridge.0" },
    { "aarch64-virt.xml", "0000:05:00", "pci.5" },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (MfpGuest) guest = test_load_guest (rows[i].file);
      g_autoptr (GError) error = NULL;
      MfpPciAddress slot;
      g_autofree char *text = NULL, *bus = NULL;

      g_test_message ("%s", rows[i].file);
      g_assert_true (mfp_guest_choose_slot (guest, NULL, NULL, &slot, &error));
      g_assert_no_error (error);
      text = mfp_pci_address_format_slot (&slot);
      bus = mfp_guest_bus_qemu_name (guest, mfp_guest_bus (guest, slot.bus));
      g_assert_cmpstr (text, ==, rows[i].slot);
      g_assert_cmpstr (bus, ==, rows[i].bus);
    }
}

/* Asserts that @guest has no free slot, and that the whole message is @message. */
static void
assert_no_slot (const MfpGuest *guest, const char *message)
{
  g_autoptr (GError) error = NULL;
  MfpPciAddress slot;

  g_assert_false (mfp_guest_choose_slot (guest, NULL, NULL, &slot, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_REFUSED);
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_file_full (void)
{
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-full.xml");

  assert_no_slot (guest,
                  "domain 'q35 full' has no free slot that takes a hot-plugged card:\n"
                  "  0000:01:00 pcie-root-port: interface net0\n"
                  "  0000:02:00 pcie-root-port: disk virtio-disk0\n"
                  "  0000:03:00 pcie-root-port: controller usb\n"
                  "  0000:04:00 pcie-root-port: memballoon balloon0\n"
                  "  0000:05:00 pcie-root-port: hotplug='off'\n"
                  "Its root bus takes none. To add a port for its next start:\n"
                  "  virt-xml --add-device --controller type=pci,model=pcie-root-port "
                  "'q35 full'");
}

/* A pc whose root bus has @count network interfaces, in slots 2 and up. */
static MfpGuest *
crowded_pc (guint count)
{
  g_autoptr (GString) devices = g_string_new (PC_ROOT);

  for (guint i = 2; i < 2 + count; i++)
    g_string_append_printf (devices,
                            "<interface type='network'><address type='pci' bus='0' slot='%u'/>"
                            "</interface>",
                            i);
  return guest_of (PC, NULL, devices->str);
}

static void
test_crowded (void)
{
  g_autoptr (MfpGuest) guest = crowded_pc (30);

  assert_no_slot (guest,
                  "domain 'it's' has no free slot that takes a hot-plugged card:\n"
                  "  0000:00:01 pci-root: the chipset\n"
                  "  0000:00:02 pci-root: interface\n"
                  "  0000:00:03 pci-root: interface\n"
                  "  0000:00:04 pci-root: interface\n"
                  "  0000:00:05 pci-root: interface\n"
                  "  0000:00:06 pci-root: interface\n"
                  "  0000:00:07 pci-root: interface\n"
                  "  0000:00:08 pci-root: interface\n"
                  "  0000:00:09 pci-root: interface\n"
                  "  0000:00:0a pci-root: interface\n"
                  "  0000:00:0b pci-root: interface\n"
                  "  0000:00:0c pci-root: interface\n"
                  "  and so on: virt-mfplug list --slots 'it'\\''s'\n"
                  "It has no slot for one more bridge either: remove a device first.");
}

/* ---- the survey of slots ---- */

/* One line for each run; the caller frees. */
static char *
describe_slots (const MfpGuest *live, const MfpGuest *config)
{
  g_autoptr (GPtrArray) slots = mfp_guest_survey_slots (live, config);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0, end; i < slots->len; i = end)
    {
      const MfpSlot *slot = g_ptr_array_index (slots, i);
      g_autofree char *name = NULL, *what = mfp_slot_describe (slot);

      end = mfp_slots_run_end (slots, i);
      name = mfp_slots_run_format (slots, i, end);
      g_string_append_printf (text, "%s %s%s\n", name, mfp_slot_is_free (slot) ? "free" : "",
                              what);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* The record of a card with function 1 at 0000:02:00.1, which libvirt does not show. */
#define RECORD_OF_TWO                                                                          \
  "<p:card xmlns:p='urn:virt-mfplug:card:1:abc' slot='0000:02:00'>"                            \
  "<p:function host='0000:06:00.0' guest='0' alias='ua-x' taken='yes'/>"                       \
  "<p:function host='0000:06:00.1' guest='1' alias='ua-y' taken='yes'/>"                       \
  "<p:function host='0000:06:00.2' alias='ua-z' taken='yes'/></p:card>"

typedef struct
{
  const char *name;
  const char *machine;
  const char *live;   /* devices; NULL: the running guest stays as it is */
  const char *config; /* devices; NULL: the persistent XML stays as it is */
  const char *metadata;
  const char *expected;
} Survey;

static const Survey surveys[] = {
  { "ports-in-the-order-of-their-addresses", Q35,
    Q35_ROOT PORT ("10") PORT ("2") NIC ("0x02", "0x00") PORT ("3"), NULL, NULL,
    "0000:02:00 interface net0\n0000:03:00 free\n0000:0a:00 free\n" },
  { "free-slots-of-a-bridge-as-runs-between-its-devices", Q35,
    Q35_ROOT BUS ("7", "pcie-to-pci-bridge") NIC ("0x07", "0x01") DISK ("0x07", "0x05"), NULL,
    NULL,
    "0000:07:01 interface net0\n0000:07:02-04 free\n0000:07:05 disk virtio-disk0\n"
    "0000:07:06-1f free\n" },
  { "free-ports-one-by-one", Q35, Q35_ROOT PORT ("1") PORT ("2"), NULL, NULL,
    "0000:01:00 free\n0000:02:00 free\n" },
  { "all-devices-in-one-slot", Q35,
    Q35_ROOT PORT ("1") "<sound>" AT ("0x01", "0x00", "0x0") "</sound>"
        "<rng>" AT ("0x01", "0x00", "0x1") "</rng>",
    NULL, NULL, "0000:01:00 sound, rng\n" },
  { "neighbours-of-one-kind-one-by-one", PC, BUS ("1", "pci-bridge") NIC ("0x01", "0x1e")
    NIC ("0x01", "0x1f"), NULL, NULL,
    "0000:01:01-1d free\n0000:01:1e interface net0\n0000:01:1f interface net0\n" },
  { "the-functions-of-a-card-that-libvirt-does-not-show", Q35,
    Q35_ROOT PORT ("2") HOSTDEV ("0x06", AT ("0x02", "0x00", "0x0")), NULL, RECORD_OF_TWO,
    "0000:02:00 hostdev 0000:06:00.0, hostdev 0000:06:00.1\n" },
  { "the-devices-in-a-slot-that-takes-no-card-anyway", Q35,
    Q35_ROOT PORT_HOTPLUG ("1", "off") NIC ("0x01", "0x00"), NULL, NULL,
    "0000:01:00 interface net0; hotplug='off'\n" },
  { "slots-without-hotplug-as-free-in-the-config", Q35, NULL,
    Q35_ROOT PORT_HOTPLUG ("1", "off") BUS ("2", "pci-expander-bus"), NULL,
    "0000:01:00 free\n0000:02:00-1f free\n" },
  { "what-the-config-lacks-or-occupies", Q35, Q35_ROOT PORT ("1") PORT ("2"),
    Q35_ROOT PORT ("1") NIC ("0x01", "0x00"), NULL,
    "0000:01:00 in the persistent configuration: interface net0 is there\n"
    "0000:02:00 the persistent configuration has no such controller\n" },
  { "nothing-without-slots", Q35, Q35_ROOT BUS ("1", "dmi-to-pci-bridge"), NULL, NULL, "" },
};

static void
test_survey (gconstpointer data)
{
  const Survey *row = data;
  g_autoptr (MfpGuest) live = form_of (row->machine, row->metadata, row->live);
  g_autoptr (MfpGuest) config = form_of (row->machine, row->metadata, row->config);
  g_autofree char *text = describe_slots (live, config);

  g_assert_cmpstr (text, ==, row->expected);
}

static void
test_plan_port (void)
{
  static const struct
  {
    const char *machine, *devices;
    guint index; /* 0: the guest takes no port */
  } rows[] = {
    { Q35, Q35_ROOT, 1 },
    { Q35, Q35_ROOT PORT ("1") PORT ("9") PORT ("3"), 10 },
    { Q35, Q35_ROOT BUS ("4", "pcie-to-pci-bridge"), 5 },
    { VIRT, Q35_ROOT PORT ("1"), 2 },
    { Q35, Q35_ROOT PORT ("254"), 255 },
    { Q35, Q35_ROOT PORT ("255"), 0 },
    { Q35, Q35_ROOT "<iommu model='intel'/>", 0 }, /* a port would not do */
    { PC, PC_ROOT, 0 },
    { SPAPR, PHB ("0", "0"), 0 },
    { Q35, "", 0 },
    { Q35, "<controller type='usb' index='0'/>", 0 },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (MfpGuest) guest = guest_of (rows[i].machine, NULL, rows[i].devices);
      guint index = 77;

      g_test_message ("%s", rows[i].devices);
      g_assert_cmpint (mfp_guest_plan_port (guest, &index), ==, rows[i].index != 0);
      if (rows[i].index)
        g_assert_cmpuint (index, ==, rows[i].index);
    }
}

static void
test_shared (void)
{
  static const struct
  {
    const char *machine, *devices, *slot, *group;
    gboolean shared;
  } rows[] = {
    { SPAPR, PHB ("0", "0"), "00:1f", "06:00.0", TRUE }, /* even when it is empty */
    { SPAPR, PHB ("1", "1"), "01:1f", "06:00.0", FALSE },
    { SPAPR, PHB_1_WITH ("0x06"), "01:1f", "06:00.0",
      FALSE },
    { SPAPR, PHB_1_WITH ("0x07"), "01:1f", "06:00.0",
      TRUE },
    { SPAPR, PHB ("1", "1") NIC ("0x01", "0x01"), "01:1f", "06:00.0", TRUE },
    { SPAPR, PHB ("1", "1") BUS ("2", "pci-bridge"), "02:1f", "06:00.0", FALSE },
    { PC, PC_ROOT, "00:1f", "06:00.0", FALSE },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (MfpGuest) guest = guest_of (rows[i].machine, NULL, rows[i].devices);
      g_autoptr (GArray) group = test_addresses (rows[i].group);
      MfpPciAddress slot = test_address (rows[i].slot);

      g_test_message ("row %u", (guint) i);
      g_assert_cmpint (mfp_guest_slot_is_shared (guest, &slot, group), ==, rows[i].shared);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  FOR_EACH (i, choices)
    test_add_row ("/slots/choose/", choices[i].name, &choices[i], test_choose);
  FOR_EACH (i, checks)
    test_add_row ("/slots/check/", checks[i].name, &checks[i], test_check);
  g_test_add_func ("/slots/files/each-machine-has-its-slot-and-bus-name", test_files);
  g_test_add_func ("/slots/slot-is-shared/only-on-a-pseries-host-bridge", test_shared);
  g_test_add_func ("/slots/files/a-full-guest-gets-the-whole-message", test_file_full);
  g_test_add_func ("/slots/choose/a-crowded-guest-gets-a-short-message", test_crowded);
  FOR_EACH (i, surveys)
    test_add_row ("/slots/survey/lists-", surveys[i].name, &surveys[i], test_survey);
  g_test_add_func ("/slots/plan-port/gives-a-pcie-guest-the-next-index", test_plan_port);
  return g_test_run ();
}
