#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests the document of attach --dry-run: its functions and their guest slot.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

whole_card() {
  run attach --dry-run q35 01:00
  assert_golden whole.xml
}

spellings() {
  for device in 0000:01:00 01:00 '01:00.*' 01:00.0-3 01:00.0,1,2,3 \
    pci_0000_01_00_0,1-3; do
    run attach --dry-run q35 "$device"
    assert_golden whole.xml
  done
  run attach --dry-run q35 01:00.0 01:00.1-2 pci_0000_01_00_3
  assert_golden whole.xml
}

options_anywhere() {
  run attach q35 --dry-run 01:00
  assert_golden whole.xml
  run attach q35 01:00 --dry-run
  assert_golden whole.xml
  run -q attach q35 01:00 --dry-run --live
  assert_golden whole.xml
}

single_function() {
  run attach --dry-run q35 01:00.0
  assert_golden single.xml
}

partial() {
  run attach --dry-run q35 01:00.0,2
  assert_golden partial.xml
}

partial_by_functions() {
  run attach --dry-run --functions 0,2 q35 01:00
  assert_golden partial.xml
}

partial_keep() {
  run attach --dry-run --rest keep --functions 0,2 q35 01:00
  assert_golden partial.xml
}

partial_rest() {
  run attach --dry-run --rest unassigned q35 01:00.0,2
  assert_golden partial-rest.xml
}

mapped() {
  run attach --dry-run q35 01:00.1=0,01:00.3=1
  assert_golden mapped.xml
  run attach --dry-run q35 01:00 --functions 1=0,3=1
  assert_golden mapped.xml
}

mapped_rest() {
  run attach --dry-run --rest=unassigned q35 01:00.1=0,3=1
  assert_golden mapped-rest.xml
}

packed() {
  run attach --dry-run q35 02:00.1 01:00.3 02:00.0
  assert_golden packed.xml
}

eight_vfs() {
  run attach --dry-run q35 08:10
  assert_golden eight-vfs.xml
}

nine_vfs() {
  run attach --dry-run q35 08:10 08:11.0
  assert_error 3 "9 functions were named, and a guest slot holds 8"
}

large_domain() {
  run attach --dry-run q35 10000:e1:00.0
  assert_error 3 "host function 10000:e1:00.0 is in a PCI domain above ffff, which QEMU's vfio-pci does not take"
  run attach --dry-run off 10000:e1:00.0
  assert_golden large-domain.xml
}

slot_ok() {
  run attach --dry-run --slot 0000:03:00 q35 01:00
  assert_golden slot.xml
  run attach --dry-run --slot 03:00 q35 01:00
  assert_golden slot.xml
  run attach --dry-run --slot=03:00.0 q35 01:00
  assert_golden slot.xml
}

pc() {
  run attach --dry-run pc 01:00
  assert_golden pc.xml
}

pc_slot() {
  run attach --dry-run --slot 00:10 pc 01:00
  assert_done
  assert_stdout_has 'bus="0x00" slot="0x10" function="0x0" multifunction="on"'
}

pseries_first_bridge() {
  run attach --dry-run --slot 00:1f pseries 01:00
  assert_status 0
  assert_stderr_has "virt-mfplug: warning: the card shares guest bus 0, a PCI host bridge, with other devices"
  run --quiet attach --dry-run --slot 00:1f pseries 01:00
  assert_status 0
  assert_stderr_empty
}

pseries() {
  run attach --dry-run pseries 01:00
  assert_golden pseries.xml
}

aarch64() {
  run attach --dry-run virt 01:00
  assert_golden aarch64.xml
}

viommu() {
  run attach --dry-run viommu 01:00
  assert_golden viommu.xml
}

config() {
  run attach --dry-run --config off 01:00
  assert_golden config.xml
}

config_is_current() {
  run attach --dry-run off 01:00
  assert_golden config.xml
  run attach --dry-run --current off 01:00
  assert_golden config.xml
}

config_unmanaged() {
  run attach --dry-run --config --managed no off 01:00
  assert_golden config-unmanaged.xml
}

config_port() {
  run attach --dry-run --config off-full 01:00
  assert_golden config-port.xml
}

persistent() {
  run attach --dry-run --persistent q35 01:00
  assert_golden whole.xml
  run attach --dry-run --live --config q35 01:00
  assert_golden whole.xml
}

transient_live() {
  run attach --dry-run transient 01:00
  assert_done
  assert_stdout_has 'bus="0x01" slot="0x00" function="0x0" multifunction="on"'
}

present() {
  run attach --dry-run card 06:00.0=0,2=2 --rest unassigned
  assert_golden present.xml
}

present_config() {
  run attach --dry-run --config off-card 06:00.0-1
  assert_golden present-config.xml
}

names() {
  run attach --dry-run "it's a \"guest\" <ä>" 01:00
  assert_golden names.xml
  run attach --dry-run -- --live 01:00
  assert_golden names.xml
  run attach --dry-run 99 01:00 # no domain has that id
  assert_golden names.xml
}

by_id_and_uuid() {
  run attach --dry-run 1 01:00
  assert_golden whole.xml
  run attach --dry-run 00000000-0000-4000-8000-000000000001 01:00
  assert_golden whole.xml
}

quiet() {
  run --quiet attach --dry-run q35 01:00
  assert_golden whole.xml
}

nothing_changes() {
  run attach --dry-run q35 01:00
  assert_done
  cmp "$tests/data/cli/host.xml" "$scratch/host.xml"
}

check "a whole card keeps its function numbers" whole_card
check "every spelling of a whole card gives the same document" spellings
check "options may stand anywhere" options_anywhere
check "a single function is not multifunction" single_function
check "a part of a card keeps its function numbers" partial
check "--functions chooses a part of a card" partial_by_functions
check "--rest keep leaves out the other functions" partial_keep
check "--rest unassigned adds the other functions as unassigned" partial_rest
check "a mapping chooses the guest functions" mapped
check "--rest unassigned adds the functions that a mapping leaves out" mapped_rest
check "several devices are packed in the order given" packed
check "eight virtual functions fit into one slot" eight_vfs
check "nine functions are refused" nine_vfs
check "a PCI domain of five digits is refused for a running domain, but not for its next start" large_domain
check "--slot takes a free slot in every spelling" slot_ok
check "pc: the card gets the highest slot" pc
check "pc: --slot chooses a slot of the root bus" pc_slot
check "pseries: --slot on the first host bridge gives a warning" pseries_first_bridge
check "pseries: the card gets a host bridge above the first" pseries
check "aarch64: the card gets a port" aarch64
check "with a guest IOMMU, the card gets a slot behind a pcie-to-pci-bridge" viommu
check "--config of a shut-off domain ignores hotplug='off'" config
check "the current state of a shut-off domain is its config" config_is_current
check "--config plans a port if no slot is free" config_port
check "--managed no makes the functions unmanaged" config_unmanaged
check "--persistent finds a slot that is free in both forms" persistent
check "a transient domain gets the card live" transient_live
check "an attached card is shown where it is" present
check "a card in the persistent XML is shown where it is" present_config
check "a domain may have an odd name" names
check "a domain may be named by its id and by its UUID" by_id_and_uuid
check "--quiet still prints the document" quiet
check "a dry run changes nothing" nothing_changes
finish
