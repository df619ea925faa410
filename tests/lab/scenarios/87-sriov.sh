#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Virtual functions of an SR-IOV card. Each has an IOMMU group of its own, so the host keeps those that it is not asked for.
# roots: trixie testing
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

pf=0000:09:00.0
vfs=(0000:09:10.0 0000:09:10.2 0000:09:10.4 0000:09:10.6 0000:09:11.0 0000:09:11.2 0000:09:11.4)

# vf_drivers: prints the drivers of all virtual functions in one line.
vf_drivers() { local vf; for vf in "${vfs[@]}"; do driver "$vf"; done | xargs; }
vfs_are_bound() { [[ $(vf_drivers) == "igbvf igbvf igbvf igbvf igbvf igbvf igbvf" ]]; }

is "$(driver $pf)" igb "the physical function is on its host driver"
echo 7 >/sys/bus/pci/devices/$pf/sriov_numvfs
passes "seven virtual functions appear on their host driver" wait_for vfs_are_bound
udevadm settle
is "$(for f in $pf "${vfs[@]}"; do iommu_group "$f"; done | sort -u | wc -l)" 8 "each function has an IOMMU group of its own"
passes "the saved guest can be restored" guest_restore unconfined

# Two of them
runs 0 "two: attach succeeds" virt-mfplug attach --slot 0000:02:00 "$DOMAIN" 09:10.0,2
passes "two: the guest sees both" wait_guest_sees "02:00.0 02:00.2"
is "$(vf_drivers)" "vfio-pci vfio-pci igbvf igbvf igbvf igbvf igbvf" "two: the others stay on their host driver"
runs 0 "two: detach succeeds" virt-mfplug detach "$DOMAIN" 09:10.0,2
passes "two: the guest sees none" wait_guest_misses "02:00"
passes "two: both are back on their host driver" vfs_are_bound

# All seven
runs 0 "seven: attach succeeds" virt-mfplug attach --slot 0000:02:00 "$DOMAIN" "${vfs[@]}"
passes "seven: the guest sees functions 0 to 6" \
  wait_guest_sees "02:00.0 02:00.1 02:00.2 02:00.3 02:00.4 02:00.5 02:00.6"
is "$(vf_drivers | tr ' ' '\n' | sort -u)" vfio-pci "seven: all are on vfio-pci"
is "$(driver $pf)" igb "seven: the physical function stays on its host driver"
runs 0 "seven: detach succeeds" virt-mfplug detach "$DOMAIN" "${vfs[@]}"
passes "seven: the guest sees none" wait_guest_misses "02:00"
passes "seven: all are back on their host driver" vfs_are_bound

# The physical function has virtual functions.
runs 3 "physical function: attach is refused" virt-mfplug attach "$DOMAIN" 09:00
like "$errors" "0000:09:00.0 has virtual functions, which would vanish with it: 0000:09:10.0 \(igbvf" \
  "physical function: the refusal names its virtual functions, and their driver"
is "$(driver $pf)" igb "physical function: it stays on its host driver"
passes "physical function: the virtual functions are still there" vfs_are_bound

# The host withdraws the virtual functions while the guest has two of them. The kernel waits until the guest releases
# them.
runs 0 "withdrawn: attach succeeds" virt-mfplug attach --slot 0000:02:00 "$DOMAIN" 09:10.0,2
passes "withdrawn: the guest sees both" wait_guest_sees "02:00.0 02:00.2"
echo 0 >/sys/bus/pci/devices/$pf/sriov_numvfs &
withdrawal=$!
passes "withdrawn: the guest sees none" wait_guest_misses "02:00"
passes "withdrawn: the withdrawal succeeds" wait $withdrawal
is "$(ls -d /sys/bus/pci/devices/0000:09:10.0 2>/dev/null)" "" "withdrawn: the kernel has removed them"
passes "withdrawn: libvirt lists no hostdev" wait_for no_hostdevs
runs 0 "withdrawn: list DOMAIN succeeds" virt-mfplug list "$DOMAIN"
diag "$output"
runs 0 "withdrawn: recover succeeds" virt-mfplug recover "$DOMAIN"
diag "$output"
unlike "$(virsh dumpxml "$DOMAIN")" "urn:virt-mfplug" "withdrawn: recover leaves no record"
passes "withdrawn: the guest is alive" wait_heartbeat

done_testing
