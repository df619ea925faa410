#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A failure in the middle, made for real: everything is as before, and the message says so.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"
slot=0000:02:00

passes "a guest runs" guest_restore unconfined
devices_before=$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')

# as_before NAME: host, libvirt and QEMU are as they were
as_before() {
  is "$(drivers $card)" "$host_drivers" "$1: all four are on their host driver"
  is "$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')" "$devices_before" "$1: the guest's XML is as before"
  unlike "$(virsh dumpxml $DOMAIN)" "urn:virt-mfplug" "$1: no record is left"
  unlike "$(qemu_ids)" "ua-mfplug" "$1: QEMU has none of its functions"
  passes "$1: the guest lives" wait_heartbeat
  unlike "$(guest_lspci)" "8086:10d3" "$1: the guest never saw it"
}

# The last step: another device has the alias of function 0, which only its plug finds out.
take 0000:03:00.0
hostdev_xml 0000:03:00.0 ua-mfplug-0000-01-00-0 "<address type='unassigned'/>" | attach_xml
devices_before=$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')
runs 1 "the plug of function 0 fails" virt-mfplug attach --slot $slot $DOMAIN $card
like "$errors" "cannot plug 0000:01:00.0" "the message names the function and what was tried"
like "$errors" "non unique alias" "and what libvirt said"
like "$errors" "Everything was undone" "and the state that things are in"
as_before "plug refused"
hostdev_xml 0000:03:00.0 ua-mfplug-0000-01-00-0 "<address type='unassigned'/>" >/tmp/stranger.xml
virsh -q detach-device $DOMAIN /tmp/stranger.xml --live
reattach 0000:03:00

# A slot occupied behind libvirt's back: QEMU refuses to queue.
devices_before=$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')
qmp '{"execute":"device_add","arguments":{"driver":"virtio-rng-pci","id":"stranger","bus":"pci.2","addr":"0x0"}}' >/dev/null
runs 1 "QEMU refuses to queue" virt-mfplug attach --slot $slot $DOMAIN $card
like "$errors" "cannot queue 0000:01:00.1" "the message names the function and what was tried"
like "$errors" "QEMU says: PCI: slot 0 function 0 already occupied" "and what QEMU said"
as_before "queue refused"
like "$(qemu_ids)" "stranger" "the stranger is still in its slot"

done_testing
