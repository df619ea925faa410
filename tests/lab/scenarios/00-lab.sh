#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The lab itself: the host is as the other scenarios expect it, and an attach and a detach work step by step without
# virt-mfplug.
# alone: restarts libvirtd
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

diag "kernel $(uname -r), $(virsh version --daemon | sed -n 's/^Running hypervisor: //p')"
diag "libvirtd $(virsh version --daemon | sed -n 's/^Running against daemon: //p')"

# Cards
for card in 0000:01:00 0000:02:00; do
  is "$(drivers $card)" "0:e1000e 1:e1000e 2:e1000e 3:e1000e" "$card has four functions, all on their host driver"
  is "$(for f in $(functions_of $card); do iommu_group "$f"; done | uniq | wc -l)" 1 "$card is in one IOMMU group"
done
is "$(drivers 0000:03:00) $(drivers 0000:04:00)" "0:e1000e 0:e1000e" "0000:03:00 and 0000:04:00 have one function each"
is "$(drivers 0000:05:00) $(drivers 0000:06:00)" "0:e1000e 1:e1000e 0:e1000e 1:e1000e" \
  "0000:05:00 and 0000:06:00 have two functions each"
is "$(drivers 0000:07:00) $(drivers 0000:08:00)" "0:e1000e 1:e1000e 2:e1000e 3:e1000e 0:e1000e" \
  "0000:07:00 has four functions, and 0000:08:00 has one"
is "$(for c in 0000:0{1,2,3,4,5,6,7,8}:00; do iommu_group "$c.0"; done | sort -u | wc -l)" 8 \
  "no two cards share an IOMMU group"

# Stock libvirt
like "$(virsh nodedev-dumpxml pci_0000_01_00_2)" "<vendor id='0x8086'>Intel" \
  "libvirt knows the vendor name of a node device"
like "$(virsh nodedev-dumpxml pci_0000_01_00_2)" "<iommuGroup" "libvirt knows the IOMMU group of a node device"
if [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) == Y ]]; then
  like "$(virsh capabilities)" "<model>apparmor</model>" "libvirt uses AppArmor"
else
  skip "libvirt uses AppArmor" "AppArmor is off"
fi
take 0000:03:00.0
like "$(virsh nodedev-dumpxml pci_0000_03_00_0)" "<name>vfio-pci</name>" \
  "libvirt shows the new driver of a taken function at once"
reattach 0000:03:00
is "$(drivers 0000:03:00)" "0:e1000e" "the function is back on its host driver after a reattach"

# Guest
passes "the saved guest can be restored" guest_restore
pid=$(cat "/run/libvirt/qemu/$DOMAIN.pid")
is "$(stat -c %U "/proc/$pid")" libvirt-qemu "QEMU runs as libvirt-qemu"
diag "QEMU's AppArmor label: $(cat "/proc/$pid/attr/current" 2>/dev/null || echo none)"
isnt "$(readlink "/proc/$pid/ns/mnt")" "$(readlink /proc/self/ns/mnt)" "QEMU has a mount namespace of its own"
unlike "$(guest_lspci)" "8086:10d3" "the guest sees no card yet"
diag "$(guest_lspci)"

# An attach and a detach, step by step
card=0000:01:00
timestamp "take"
mapfile -t functions < <(functions_of $card)
take "${functions[@]}"
is "$(drivers $card)" "0:vfio-pci 1:vfio-pci 2:vfio-pci 3:vfio-pci" "take: all four functions are on vfio-pci"
timestamp "prepare"
for f in 1 2 3; do hostdev_xml $card.$f ua-hand-$f "<address type='unassigned'/>" | attach_xml; done
is "$(hostdevs | awk '{ print $2 }' | uniq)" unassigned "prepare: libvirt has all three functions unassigned"
timestamp "queue"
for f in 1 2 3; do queue $card.$f ua-hand-$f pci.1 0x0.0x$f; done
passes "queue: the guest is alive" wait_heartbeat
unlike "$(guest_sees)" "01:00" "queue: the guest sees none of the functions"
timestamp "plug"
hostdev_xml $card.0 ua-hand-0 "<address type='pci' domain='0' bus='1' slot='0' function='0' multifunction='on'/>" | attach_xml
timestamp "plugged"
passes "plug: the guest sees all four functions" wait_guest_sees "01:00.0 01:00.1 01:00.2 01:00.3"
timestamp "seen"
is "$(guest_lspci | grep -c 8086:10d3)" 4 "plug: the guest sees the vendor and device ids of all four"
diag "$(guest_lspci)"
passes "plug: libvirtd can be restarted" restart_libvirtd
is "$(hostdevs | wc -l)" 4 "plug: libvirtd knows the four hostdevs after the restart"
timestamp "detach"
detach_alias ua-hand-0
passes "detach: libvirt has no hostdev left" wait_guest no_hostdevs
timestamp "gone"
is "$(qemu_ids | grep -c ua-hand || true)" 0 "detach: QEMU has none of the functions left"
passes "detach: the guest sees none of the functions" wait_guest_misses "01:00"
passes "reattach: libvirt reattaches all four functions" reattach $card
is "$(drivers $card)" "0:e1000e 1:e1000e 2:e1000e 3:e1000e" "reattach: all four functions are on their host driver"

done_testing
