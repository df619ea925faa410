#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The lab itself: the host is what the other scenarios take it for, and the way that the program goes works here by hand.
# alone: restarts libvirtd
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

diag "kernel $(uname -r), $(virsh version --daemon | sed -n 's/^Running hypervisor: //p'), libvirtd $(virsh version --daemon | sed -n 's/^Running against daemon: //p')"

# Cards
for card in 0000:01:00 0000:02:00; do
  is "$(drivers $card)" "0:e1000e 1:e1000e 2:e1000e 3:e1000e" "$card has four functions, all with the host"
  is "$(for f in $(functions_of $card); do iommu_group "$f"; done | uniq | wc -l)" 1 "$card is in one IOMMU group"
done
is "$(drivers 0000:03:00) $(drivers 0000:04:00)" "0:e1000e 0:e1000e" "two single-function cards"
is "$(drivers 0000:05:00) $(drivers 0000:06:00)" "0:e1000e 1:e1000e 0:e1000e 1:e1000e" "two cards of two functions"
is "$(drivers 0000:07:00) $(drivers 0000:08:00)" "0:e1000e 1:e1000e 2:e1000e 3:e1000e 0:e1000e" "a further one of four and of one"
is "$(for c in 0000:0{1,2,3,4,5,6,7,8}:00; do iommu_group "$c.0"; done | sort -u | wc -l)" 8 "no two cards share a group"

# Stock libvirt
like "$(virsh nodedev-dumpxml pci_0000_01_00_2)" "<vendor id='0x8086'>Intel" "node devices have names"
like "$(virsh nodedev-dumpxml pci_0000_01_00_2)" "<iommuGroup" "and IOMMU groups"
if [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) == Y ]]; then
  like "$(virsh capabilities)" "<model>apparmor</model>" "libvirt uses AppArmor"
else
  skip "libvirt uses AppArmor" "AppArmor is off"
fi
take 0000:03:00.0
like "$(virsh nodedev-dumpxml pci_0000_03_00_0)" "<name>vfio-pci</name>" "a taken function shows its new driver at once"
reattach 0000:03:00
is "$(drivers 0000:03:00)" "0:e1000e" "and comes back"

# Guest
passes "a saved guest is restored" guest_restore
pid=$(cat "/run/libvirt/qemu/$DOMAIN.pid")
is "$(stat -c %U "/proc/$pid")" libvirt-qemu "QEMU runs as libvirt-qemu"
diag "QEMU's AppArmor label: $(cat "/proc/$pid/attr/current" 2>/dev/null || echo none)"
isnt "$(readlink "/proc/$pid/ns/mnt")" "$(readlink /proc/self/ns/mnt)" "QEMU has a mount namespace of its own"
unlike "$(guest_lspci)" "8086:10d3" "the guest sees no such card"
diag "$(guest_lspci)"

# The whole way
card=0000:01:00
timestamp "take"
mapfile -t functions < <(functions_of $card)
take "${functions[@]}"
is "$(drivers $card)" "0:vfio-pci 1:vfio-pci 2:vfio-pci 3:vfio-pci" "take"
timestamp "prepare"
for f in 1 2 3; do hostdev_xml $card.$f ua-hand-$f "<address type='unassigned'/>" | attach_xml; done
is "$(hostdevs | awk '{ print $2 }' | uniq)" unassigned "prepare: unassigned to libvirt"
timestamp "queue"
for f in 1 2 3; do queue $card.$f ua-hand-$f pci.1 0x0.0x$f; done
passes "the guest lives" wait_heartbeat
unlike "$(guest_sees)" "01:00" "queue: nothing shows in the guest"
timestamp "plug"
hostdev_xml $card.0 ua-hand-0 "<address type='pci' domain='0' bus='1' slot='0' function='0' multifunction='on'/>" | attach_xml
timestamp "plugged"
passes "plug: the guest sees all four" wait_guest_sees "01:00.0 01:00.1 01:00.2 01:00.3"
timestamp "seen"
is "$(guest_lspci | grep -c 8086:10d3)" 4 "with their ids"
diag "$(guest_lspci)"
passes "libvirtd restarts" restart_libvirtd
is "$(hostdevs | wc -l)" 4 "and knows its four hostdevs"
timestamp "detach"
detach_alias ua-hand-0
passes "detach: libvirt has none left" wait_guest no_hostdevs
timestamp "gone"
is "$(qemu_ids | grep -c ua-hand || true)" 0 "nor has QEMU"
passes "nor the guest" wait_guest_misses "01:00"
passes "give back" reattach $card
is "$(drivers $card)" "0:e1000e 1:e1000e 2:e1000e 3:e1000e" "all with the host again"

done_testing
