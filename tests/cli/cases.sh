#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Unusual hosts and guests, on the fake libvirt.

# shellcheck source=tests/cli/fake.sh
. "$(dirname -- "$0")/fake.sh"

# load CASE: loads the host of tests/data/cases/CASE.xml, and remembers its state.
load() {
  load_host "$tests/data/cases/$1.xml"
  remember
}

# assert_listed LINE...: `list --vfs` prints each of these lines, which may be indented.
assert_listed() {
  succeed list --vfs
  for line; do
    sed 's/^ *//' "$scratch/stdout" | grep -qxF -e "$line" || fail "list does not have: $line"
  done
}

# assert_refused_with PART: the command was refused with a message that contains PART, and
# nothing changed.
assert_refused_with() {
  assert_error_has 3 "$1"
  assert_as_before
}

# ---- an IOMMU group with other devices ----

acs_is_listed() {
  load acs
  assert_listed "0000:01:00  2 functions  cannot be attached" \
    "0000:01:00.0  vfio-pci       0x030000  NVIDIA Corporation GK104             group 1" \
    "0000:01:00.1  snd_hda_intel  0x040300  NVIDIA Corporation GK104 HDMI Audio  group 1" \
    "group 1 also has 0000:00:00.0 (skl_uncore), 0000:00:01.0 (pcieport), 0000:02:00.0 (igb)"
}

# A port (pcieport) may stay in the group, but other devices may not.
acs_is_refused() {
  load acs
  on_fake attach vm 01:00
  assert_refused_with "the card shares its IOMMU group with other devices that have a host driver: 0000:0"
  assert_stderr_has "0000:02:00.0 (igb)"
  assert_stderr_lacks "(pcieport)"
}

# ---- all ports are in use ----

# The guest is shut off, so a port can be added to it.
chassis_gets_a_port() {
  load chassis
  assert_listed "0000:0d:00  2 functions  can be attached"
  succeed list --slots vm
  assert_stdout "0000:01:00  in use  pcie-root-port  interface
0000:02:00  in use  pcie-root-port  interface"
  succeed attach --dry-run vm 0d:00
  assert_stdout_has '<controller type="pci" index="3" model="pcie-root-port">'
  assert_as_before
  succeed attach vm 0d:00
  assert_stdout "Attached to domain 'vm':
  host 0000:0d:00.0  guest 0000:03:00.0
  host 0000:0d:00.1  guest 0000:03:00.1"
  succeed list --slots vm
  assert_stdout_has "0000:03:00  in use  pcie-root-port  hostdev 0000:0d:00.0, hostdev 0000:0d:00.1"
}

# ---- a card that the guest was started with ----

native_is_listed() {
  load native
  assert_listed "0000:0d:00  2 functions  in use" \
    "host function 0000:0d:00.0 is attached to domain 'nat'; detach it there first"
  for domain in nat natoff empty; do
    on_fake attach "$domain" 0d:00
    case $domain in
      empty) assert_refused_with "host function 0000:0d:00.0 is attached to domain 'nat'" ;;
      *) assert_stdout "Already attached to domain '$domain':
  host 0000:0d:00.0  guest 0000:01:00.0
  host 0000:0d:00.1  guest 0000:01:00.1" ;;
    esac
    assert_as_before
  done
}

native_is_detached() {
  load native
  succeed detach nat 0d:00
  assert_stdout "Detached from domain 'nat':
  host 0000:0d:00.0  guest 0000:01:00.0
  host 0000:0d:00.1  guest 0000:01:00.1"
  assert_listed "0000:0d:00  2 functions  can be attached"
  succeed list nat
  assert_stdout "Domain 'nat' has no multifunction cards."
}

# The document of a detach attaches the functions at the same slot again.
native_comes_back() {
  load native
  succeed detach --dry-run nat 0d:00
  cp "$scratch/stdout" "$scratch/card.xml"
  succeed detach nat 0d:00
  succeed list --slots nat
  assert_stdout_has "0000:01:00  free  pcie-root-port"
  succeed attach --file "$scratch/card.xml" nat
  succeed list --slots nat
  assert_stdout_has "0000:01:00  in use  pcie-root-port  hostdev 0000:0d:00.0, hostdev 0000:0d:00.1"
}

# ---- guests that differ ----

acpi_guest() {
  load noacpi
  assert_listed "0000:0d:00  2 functions  can be attached"
  succeed attach acpi 0d:00
  succeed list acpi
  assert_stdout "0000:00:1f  2 functions
  host 0000:0d:00.0  guest 0000:00:1f.0  plugged
  host 0000:0d:00.1  guest 0000:00:1f.1  plugged"
  succeed detach acpi 0d:00
}

viommu_guest() {
  load viommu
  assert_listed "0000:81:02  3 functions  can be attached"
  succeed list --slots vm
  assert_stdout_has "0000:01:00  unusable  pcie-root-port  the guest has an IOMMU, so only a pcie-to-pci-bridge will do"
  on_fake attach vm 81:02
  assert_refused_with "domain 'vm' has no free slot that takes a hot-plugged card:"
  assert_stderr_has "virt-xml --add-device --controller type=pci,model=pcie-to-pci-bridge vm"
}

# ---- SR-IOV ----

groups_of_their_own() {
  load cx6
  assert_listed "0000:04:00  3 functions  can be attached"
  succeed attach vm 04:00.0-1
  assert_stdout "Attached to domain 'vm':
  host 0000:04:00.0  guest 0000:02:00.0
  host 0000:04:00.1  guest 0000:02:00.1"
  succeed detach vm 04:00.0-1
  assert_as_before
}

# The PF and its VFs are in one slot of the host.
gpu_is_listed() {
  load igpu-sriov
  assert_listed \
    "0000:00:02.0  i915      0x030000  Intel Corporation Alder Lake-N [UHD Graphics]  group 0" \
    "0000:00:02.3  vfio-pci  0x030000  Intel Corporation Alder Lake-N [UHD Graphics]  group 22" \
    "0000:00:02.7  -         0x030000  Intel Corporation Alder Lake-N [UHD Graphics]  group 26"
}

gpu_vfs() {
  load igpu-sriov
  on_fake attach vm 00:02.4
  assert_refused_with "a mapping that works: 0000:00:02.4=0"
  succeed attach vm 00:02.4=0,00:02.5=1
  assert_stdout "Attached to domain 'vm':
  host 0000:00:02.4  guest 0000:02:00.0
  host 0000:00:02.5  guest 0000:02:00.1"
  assert_drivers "i915 i915 i915 vfio-pci vfio-pci vfio-pci - -" 00_02
  succeed detach vm 00:02.4-5
  assert_as_before
}

two_pfs_are_listed() {
  load pf-and-vfs-one-slot
  assert_listed "0000:03:00  2 functions  cannot be attached" \
    "0000:03:00.1  -  0x020000  Mellanox MT27800 Family [ConnectX-5]                   group 31" \
    "0000:03:00.2  -  0x020000  Mellanox MT27800 Family [ConnectX-5 Virtual Function]  group 40"
}

# The VFs of 03:00.0 are in its own slot, and 03:00.1 has none.
pfs_with_vfs_are_refused() {
  load pf-and-vfs-one-slot
  for words in 03:00 03:00.0 "--rest unassigned 03:00.2=0"; do
    # shellcheck disable=SC2086 # several words
    on_fake attach vm $words
    assert_refused_with "host function 0000:03:00.0 has virtual functions, which would vanish with it: 0000:03:00.2 (no driver), 0000:03:00.3 (no driver), 0000:03:00.4 (no driver), 0000:03:00.5 (no driver); "
  done
  succeed attach --dry-run vm 03:00.1=0
  succeed attach vm 03:00.2=0,03:00.3=1
  succeed detach vm 03:00.2,3
  assert_as_before
}

a_pf_is_refused_whoever_names_it() {
  load pf-with-vfs-in-use
  succeed attach --dry-run vm 05:00.0
  sed '0,/function="0x0"/s//function="0x1"/' "$scratch/stdout" >"$scratch/card.xml"
  for words in "vm 05:00.1=0" "vm 05:00" "--config vm 05:00.1=0" "--file $scratch/card.xml vm"; do
    # shellcheck disable=SC2086 # several words
    on_fake attach $words
    assert_refused_with "host function 0000:05:00.1 has virtual functions, which would vanish with it: 0000:05:10.1 (vfio-pci, domain 'other'), 0000:05:10.3 (ixgbevf, network interface enp5s16f3, which is up), "
  done
}

vfs_are_counted() {
  load pf-with-vfs-in-use
  succeed list
  assert_stdout_has "0000:05:00.1 has 4 virtual functions, 1 of them in use; --vfs lists them"
  assert_stdout_lacks "0000:05:10.3  "
}

vfs_in_use_are_listed() {
  load pf-with-vfs-in-use
  assert_listed \
    "0000:05:00.1  ixgbe     0x020000  Intel Corporation Ethernet 10G 2P X520 Adapter                group 23" \
    "0000:05:10.1  vfio-pci  0x020000  Intel Corporation 82599 Ethernet Controller Virtual Function  group 40  'other' at 0000:01:00.0" \
    "0000:05:10.3  ixgbevf   0x020000  Intel Corporation 82599 Ethernet Controller Virtual Function  group 41"
}

free_vfs() {
  load pf-with-vfs-in-use
  on_fake attach vm 05:10.1=0,05:10.5=1
  assert_refused_with "host function 0000:05:10.1 is attached to domain 'other'; detach it there first"
  on_fake attach vm 05:10.3=0,05:10.5=1
  assert_status 0
  assert_stderr "virt-mfplug: warning: with host function 0000:05:10.3 the host loses network interface enp5s16f3, which is up"
  assert_drivers "vfio-pci vfio-pci vfio-pci -" 05_10
  succeed detach vm 05:10.3 05:10.5
  assert_as_before
}

# judged_alike CASE DOMAIN: what `list` calls attachable is attached, and what it does not is
# refused with the reason that `list` gives.
judged_alike() {
  load "$1"
  on_fake list --all --format json
  assert_status 0
  python3 - "$scratch/stdout" <<'PYTHON' >"$scratch/verdicts" || exit 1
import json, sys
for device in json.load(open(sys.argv[1], encoding="utf-8"))["devices"]:
    print(device["device"], device["reason"] or "attachable", sep="\t")
PYTHON
  [ -s "$scratch/verdicts" ] || fail "$1: list has no devices"
  while IFS='	' read -r device verdict; do
    on_fake attach --dry-run "$2" "$device"
    if [ "$verdict" = attachable ]; then
      assert_status 0
    else
      assert_error 3 "$verdict"
    fi
  done <"$scratch/verdicts"
}

cases_judged_alike() {
  judged_alike acs vm
  judged_alike chassis vm
  judged_alike cx6 vm
  judged_alike igpu-sriov vm
  judged_alike native empty
  judged_alike noacpi acpi
  judged_alike pf-and-vfs-one-slot vm
  judged_alike pf-with-vfs-in-use vm
}

check "list and attach judge each device of each host alike" cases_judged_alike
check "a group with other devices is listed with them" acs_is_listed
check "a group with other devices is refused, but a port does not count" acs_is_refused
check "a shut-off guest without a free port gets another port" chassis_gets_a_port
check "a card that the guest was started with is listed, and counts as attached" native_is_listed
check "a card that the guest was started with can be detached" native_is_detached
check "the document of that detach attaches the card again" native_comes_back
check "a pc guest gets the card on its root bus" acpi_guest
check "a guest with an IOMMU is refused, and the message names the bridge that it needs" viommu_guest
check "functions with groups of their own are attached without the rest" groups_of_their_own
check "a GPU with VFs in its slot is listed with its drivers" gpu_is_listed
check "two VFs of a GPU in the same host slot are attached" gpu_vfs
check "two PFs with VFs in their slot are listed" two_pfs_are_listed
check "a PF with VFs is refused, and VFs in its slot can be attached" pfs_with_vfs_are_refused
check "a PF is refused by word, device, --config and document, and the message tells who has its VFs" a_pf_is_refused_whoever_names_it
check "list counts the VFs of a PF, and does not show them as cards" vfs_are_counted
check "VFs in use are listed with their domain" vfs_in_use_are_listed
check "free VFs are attached, and a VF in use is refused" free_vfs
finish
