#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An aarch64 guest (virt, started without firmware): root ports with native PCIe hotplug.
# needs-guest: aarch64
set -euo pipefail
export GUEST=aarch64
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

card=$KIND_CARD
patience=600

shown() { wait_for $patience sees "$1" || { diag "it sees: $(nics)"; return 1; }; }

passes "aarch64: a guest runs" guest_restore unconfined

t "attach"
runs 0 "aarch64: attach" virt-mfplug attach "$DOMAIN" $card
like "$output" "guest 0000:02:00.0" "aarch64: attach: into a root port"
passes "aarch64: attach: the guest sees all four functions in one slot" shown "0 1 2 3"
t "seen: detach"
runs 0 "aarch64: detach" virt-mfplug detach --timeout $patience "$DOMAIN" $card
t "detached"
gone "aarch64: detach"

runs 0 "aarch64: partial" virt-mfplug attach --functions 0,2 --rest unassigned "$DOMAIN" $card
passes "aarch64: partial: the guest sees exactly two functions" shown "0 2"
runs 0 "aarch64: partial: detach" virt-mfplug detach --timeout $patience "$DOMAIN" $card
gone "aarch64: partial: detach"

# The slot is taken, and neither libvirt nor the tool knows.
qmp '{"execute":"device_add","arguments":{"driver":"virtio-rng-pci","id":"stranger","bus":"pci.1","addr":"0x0"}}' >/dev/null
runs 1 "aarch64: a slot that is taken: QEMU refuses to queue" virt-mfplug attach --slot 01:00 "$DOMAIN" $card
like "$errors" "Everything was undone" "aarch64: a slot that is taken: says so"
gone "aarch64: a slot that is taken"

done_testing
