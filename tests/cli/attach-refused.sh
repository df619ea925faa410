#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests what attach refuses: with a message, status 3 and nothing on stdout.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

no_such_domain() {
  run attach --dry-run nobody 01:00
  assert_error_has 3 "no domain 'nobody': libvirt says: Domain not found"
}

no_such_device() {
  run attach --dry-run q35 05:00
  assert_error 3 "the host has no PCI device 0000:05:00"
}

no_such_function() {
  run attach --dry-run q35 02:00.0,2
  assert_error 3 "the host has no PCI device 0000:02:00.2; that device has 0000:02:00.0, 0000:02:00.1"
}

no_function_0() {
  run attach --dry-run q35 01:00.1,3
  assert_error 3 "no function becomes guest function 0, and a guest ignores a slot without it; a mapping that works: 0000:01:00.1=0,0000:01:00.3=1"
}

twice_the_same_guest_function() {
  run attach --dry-run q35 01:00.0=0,01:00.1=0
  assert_error 3 "host functions 0000:01:00.0 and 0000:01:00.1 would both become guest function 0"
}

mapping_of_some() {
  run attach --dry-run q35 01:00.0=0,1
  assert_error 3 "some functions have a guest function and some do not; give one to each function or to none"
}

bridge() {
  run attach --dry-run q35 03:00.0
  assert_error 3 "host function 0000:03:00.0 is a PCI bridge, which cannot be given to a guest"
}

no_iommu_group() {
  run attach --dry-run q35 04:00.0
  assert_error 3 "host function 0000:04:00.0 has no IOMMU group: switch the IOMMU on in the firmware's setup and on the kernel's command line (intel_iommu=on; amd_iommu is on by default)"
}

unmanaged_without_vfio() {
  run attach --dry-run --managed no q35 01:00.0
  assert_error_has 3 "host function 0000:01:00.0 is bound to no driver, and managed='no' means"
}

slot_occupied() {
  run attach --dry-run --slot 01:00 q35 01:00
  assert_error 3 "guest slot 0000:01:00 (pcie-root-port) of domain 'q35' cannot be used: interface is there"
}

slot_without_bus() {
  run attach --dry-run --slot 0a:00 q35 01:00
  assert_error 3 "guest slot 0000:0a:00 of domain 'q35' cannot be used: the domain has no such bus"
}

slot_of_no_port() {
  run attach --dry-run --slot 03:01 q35 01:00
  assert_error 3 "guest slot 0000:03:01 (pcie-root-port) of domain 'q35' cannot be used: no place for a card"
}

slot_without_hotplug() {
  run attach --dry-run --slot 05:00 q35 01:00
  assert_error 3 "guest slot 0000:05:00 (pcie-root-port) of domain 'q35' cannot be used: hotplug='off'"
}

slot_of_pcie_root() {
  run attach --dry-run --slot 00:1c q35 01:00
  assert_error 3 "guest slot 0000:00:1c (pcie-root) of domain 'q35' cannot be used: takes no hotplug"
}

slot_of_chipset() {
  run attach --dry-run --slot 00:01 pc 01:00
  assert_error 3 "guest slot 0000:00:01 (pci-root) of domain 'pc' cannot be used: the chipset is there"
}

slot_in_another_pci_domain() {
  run attach --dry-run --slot 0001:03:00 q35 01:00
  assert_error 3 "guest slot 0001:03:00 of domain 'q35' cannot be used: the domain has no such bus"
}

no_free_slot() {
  run attach --dry-run 'q35 full' 01:00
  assert_error 3 "domain 'q35 full' has no free slot that takes a hot-plugged card:
  0000:01:00 pcie-root-port: interface
  0000:02:00 pcie-root-port: disk
  0000:03:00 pcie-root-port: hotplug='off'
Its root bus takes none. To add a port for its next start:
  virt-xml --add-device --controller type=pci,model=pcie-root-port 'q35 full'"
}

no_slot_at_all() {
  run attach --dry-run q35-bare 01:00
  assert_error 3 "domain 'q35-bare' has no free slot that takes a hot-plugged card: it has no PCI bus with slots
Its root bus takes none. To add a port for its next start:
  virt-xml --add-device --controller type=pci,model=pcie-root-port q35-bare"
}

no_free_slot_config() {
  run attach --dry-run --config off-none 01:00
  assert_error 3 "domain 'off-none' has no free slot that takes the card: it has no PCI bus with slots"
}

viommu_port() {
  run attach --dry-run --slot 01:00 viommu 01:00
  assert_error_has 3 "cannot be used: the guest has an IOMMU"
}

architecture() {
  run attach --dry-run s390 01:00
  assert_error 3 "domain 's390' is a s390x machine; supported are x86_64, i686, ppc64, ppc64le and aarch64"
}

live_on_shut_off() {
  run attach --dry-run --live off 01:00
  assert_error 3 "domain 'off' is not running, so there is nothing to change live; --config affects its next start"
}

config_of_transient() {
  for option in --config --persistent; do
    run attach --dry-run "$option" transient 01:00
    assert_error 3 "domain 'transient' is transient and has no persistent XML; use --live"
  done
}

partly_present() {
  run attach --dry-run card 06:00
  assert_error 3 "the running domain 'card' has only a part of the card, or has it in another place: attached: 0000:06:00.0, 0000:06:00.2; not attached as asked: 0000:06:00.1 (elsewhere in the guest), 0000:06:00.3 (elsewhere in the guest)"
}

partly_present_config() {
  run attach --dry-run --config off-card 06:00.0-1 02:00.1
  assert_error_has 3 "the persistent domain 'off-card' has only a part of the card"
}

# At its start, the guest does not see a function that the persistent XML has as
# unassigned.
unassigned_is_not_present() {
  run attach --dry-run --config off-card 06:00.0-2
  assert_error_has 3 "not attached as asked: 0000:06:00.2"
}

present_in_another_slot() {
  run attach --dry-run --slot 04:00 --rest unassigned card 06:00.0,2
  assert_error 3 "the card is attached in another guest slot, 0000:02:00; detach it first"
}

# The functions have left their host drivers, and only the record of that attach says
# which drivers these were.
interrupted_before() {
  run attach --dry-run interrupted 06:00
  assert_error_has 3 "0000:06:00.0"
}

slot_of_interrupted() {
  run attach --dry-run --slot 02:00 interrupted 01:00
  assert_error 3 "guest slot 0000:02:00 (pcie-root-port) of domain 'interrupted' cannot be used: another attach holds it, or was interrupted there"
}

driver_cannot_plug() {
  run attach q35 01:00
  assert_error 3 "libvirt's test driver cannot plug a multifunction card; QEMU's driver can. --dry-run works here"
  run attach --config off 01:00
  assert_error_has 3 "libvirt's test driver cannot plug a multifunction card"
}

no_connection() {
  run_bare --connect "test://$scratch/nothing.xml" attach --dry-run q35 01:00
  assert_error_has 3 "cannot connect to test://$scratch/nothing.xml: libvirt says: "
}

bad_uri() {
  run_bare -c nonsense:///system attach --dry-run q35 01:00
  assert_error_has 3 "cannot connect to nonsense:///system: libvirt says: "
}

check "an unknown domain is refused" no_such_domain
check "an absent device is refused" no_such_device
check "an absent function is refused, and the message lists the others" no_such_function
check "a card without guest function 0 is refused, and the message suggests a mapping" no_function_0
check "two host functions for one guest function are refused" twice_the_same_guest_function
check "a mapping of only some functions is refused" mapping_of_some
check "a bridge is refused" bridge
check "a function without an IOMMU group is refused" no_iommu_group
check "--managed no is refused for a function that is not on VFIO" unmanaged_without_vfio
check "--slot refuses an occupied slot" slot_occupied
check "--slot refuses an unknown bus" slot_without_bus
check "--slot refuses a slot that the bus does not have" slot_of_no_port
check "--slot refuses a port with hotplug='off'" slot_without_hotplug
check "--slot refuses pcie-root" slot_of_pcie_root
check "--slot refuses the slot of the chipset" slot_of_chipset
check "--slot refuses another PCI domain" slot_in_another_pci_domain
check "without a free slot, the message lists the occupants and a command that adds one" no_free_slot
check "without any slot, the message has a command that adds one" no_slot_at_all
check "a persistent XML without slots and without a place for a port is refused" no_free_slot_config
check "--slot refuses a port if the guest has an IOMMU" viommu_port
check "an unsupported architecture is refused" architecture
check "--live is refused for a shut-off domain" live_on_shut_off
check "--config and --persistent are refused for a transient domain" config_of_transient
check "a card is refused if the guest has only a part of it" partly_present
check "a card is refused if the persistent XML has only a part of it" partly_present_config
check "an unassigned function in the persistent XML does not count as attached" unassigned_is_not_present
check "--slot is refused if the card is in another slot" present_in_another_slot
check "functions of an interrupted attach are refused" interrupted_before
check "--slot refuses the slot of an interrupted attach" slot_of_interrupted
check "a libvirt driver that cannot plug is refused" driver_cannot_plug
check "a connection that cannot be opened is refused" no_connection
check "a URI that libvirt does not know is refused" bad_uri
finish
