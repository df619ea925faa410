#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A pseries guest: slots on PCI host bridges, and an event and a run of drmgr in the guest for each function, one after the other.
# needs-guest: pseries
set -euo pipefail
# Not exported: what is would be booted ahead and saved, which is of no use here.
# shellcheck disable=SC2034
GUEST=pseries
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

card=$KIND_CARD
patience=1200

shown() { wait_for $patience sees "$1" || { diag "it sees: $(nics)"; return 1; }; }

# Booted, not restored: see pseries.xml.
give_back "${CARDS[@]}"
passes "pseries: a guest runs" guest_start $patience

# The last step fails, as another device has the alias of function 0: three functions wait in QEMU by then.
take 0000:03:00.0
hostdev_xml 0000:03:00.0 "ua-mfplug-${card//:/-}-0" "<address type='unassigned'/>" >/tmp/stranger.xml
attach_xml </tmp/stranger.xml
runs 1 "pseries: rollback: the plug of function 0 fails" virt-mfplug attach --timeout 120 "$DOMAIN" $card
like "$errors" "non unique alias" "pseries: rollback: says what libvirt said"
like "$errors" "Everything was undone" "pseries: rollback: says so"
is "$(drivers $card)" "0:e1000e 1:e1000e 2:e1000e 3:e1000e" "pseries: rollback: all functions are back on their host driver"
is "$(hostdevs | grep -c "^$card")" 0 "pseries: rollback: libvirt has none of them"
unlike "$(virsh dumpxml "$DOMAIN")" "urn:virt-mfplug" "pseries: rollback: no record is left"
virsh -q detach-device "$DOMAIN" /tmp/stranger.xml --live
unlike "$(qemu_ids)" "ua-mfplug" "pseries: rollback: QEMU has none of them"
give_back 0000:03:00

t "attach"
runs 0 "pseries: attach" virt-mfplug attach "$DOMAIN" $card
like "$output" "guest 0000:01:1f.0" "pseries: attach: onto the host bridge on which nothing is"
unlike "$errors" "shares" "pseries: attach: no warning"
passes "pseries: attach: the guest sees all four functions in one slot" shown "0 1 2 3"
t "seen: detach"
runs 0 "pseries: detach" virt-mfplug detach --timeout $patience "$DOMAIN" $card
t "detached"
gone "pseries: detach"

runs 0 "pseries: partial, host bridge 0" virt-mfplug attach --functions 0,2 --rest unassigned --slot 00:10 "$DOMAIN" $card
like "$output" "guest 0000:00:10.2" "pseries: partial: into the slot asked for"
like "$errors" "shares guest bus 0" "pseries: partial: warns of a host bridge that others are on"
passes "pseries: partial: the guest sees exactly two functions" shown "0 2"
t "seen: detach"
runs 0 "pseries: partial: detach" virt-mfplug detach --timeout $patience "$DOMAIN" $card
t "detached"
gone "pseries: partial: detach"

# The slot is taken, and neither libvirt nor the tool knows.
qmp '{"execute":"device_add","arguments":{"driver":"virtio-rng-pci","id":"stranger","bus":"pci.1.0","addr":"0x1f"}}' >/dev/null
runs 1 "pseries: a slot that is taken: QEMU refuses to queue" virt-mfplug attach --slot 01:1f "$DOMAIN" $card
like "$errors" "Everything was undone" "pseries: a slot that is taken: says so"
gone "pseries: a slot that is taken"

done_testing
