#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Attach fails in the middle, on the real libvirt and QEMU. Everything is as before, and the message says so.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"
slot=0000:02:00

passes "the saved guest can be restored" guest_restore unconfined
devices_before=$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')

# check_as_before NAME: asserts that the host, libvirt and QEMU are as they were before the attach.
check_as_before() {
  is "$(drivers $card)" "$host_drivers" "$1: all four functions are on their host driver"
  is "$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')" "$devices_before" "$1: the guest's XML is as before"
  unlike "$(virsh dumpxml $DOMAIN)" "urn:virt-mfplug" "$1: no record is left"
  unlike "$(qemu_ids)" "ua-mfplug" "$1: QEMU has none of the functions"
  passes "$1: the guest is alive" wait_heartbeat
  unlike "$(guest_lspci)" "8086:10d3" "$1: the guest does not see the card"
}

# Another device has the alias of function 0. Only the last step, the plug of function 0, fails on that.
take 0000:03:00.0
hostdev_xml 0000:03:00.0 ua-mfplug-0000-01-00-0 "<address type='unassigned'/>" | attach_xml
devices_before=$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')
runs 1 "plug refused: attach fails" virt-mfplug attach --slot $slot $DOMAIN $card
like "$errors" "cannot plug 0000:01:00.0" "plug refused: the message names the function, and what was tried"
like "$errors" "non unique alias" "plug refused: the message repeats what libvirt said"
like "$errors" "Everything was undone" "plug refused: the message says that everything was undone"
check_as_before "plug refused"
hostdev_xml 0000:03:00.0 ua-mfplug-0000-01-00-0 "<address type='unassigned'/>" >/tmp/stranger.xml
virsh -q detach-device $DOMAIN /tmp/stranger.xml --live
reattach 0000:03:00

# The slot has a device that libvirt does not know, so QEMU refuses to queue a function.
devices_before=$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')
qmp '{"execute":"device_add","arguments":{"driver":"virtio-rng-pci","id":"stranger","bus":"pci.2","addr":"0x0"}}' >/dev/null
runs 1 "queue refused: attach fails" virt-mfplug attach --slot $slot $DOMAIN $card
like "$errors" "cannot queue 0000:01:00.1" "queue refused: the message names the function, and what was tried"
like "$errors" "QEMU says: PCI: slot 0 function 0 already occupied" "queue refused: the message repeats what QEMU said"
check_as_before "queue refused"
like "$(qemu_ids)" "stranger" "queue refused: the device that was in the slot is still there"

done_testing
