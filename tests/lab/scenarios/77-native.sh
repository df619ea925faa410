#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A q35 guest with native PCIe hotplug.
set -euo pipefail
export GUEST=native
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

passes "native: the saved guest can be restored" guest_restore unconfined
check_whole_card "q35, native hotplug" "" 0000:02:00
in_full_run check_partial_card "q35, native hotplug" "" 0000:02:00
check_rollback "q35, native hotplug" pci.2 0000:02:00

# Right after a plug the guest makes the port's indicator blink. A removal has to wait until that ends.
runs 0 "native: attach succeeds" virt-mfplug attach "$DOMAIN" $KIND_CARD
runs 0 "native: detach right after the attach succeeds" virt-mfplug detach "$DOMAIN" $KIND_CARD
is "$(card_place $KIND_CARD)" out "native: the card is back on the host"

# A paused guest does not release the slot until it is resumed.
runs 0 "native, paused: attach succeeds" virt-mfplug attach "$DOMAIN" $KIND_CARD
passes "native, paused: the guest sees all four functions" wait_nics nics_are "0 1 2 3"
virsh -q suspend "$DOMAIN"
runs 4 "native, paused: detach ends with status 4 at its time-out" \
  virt-mfplug detach --timeout 15 "$DOMAIN" $KIND_CARD
virsh -q resume "$DOMAIN"
runs 0 "native, resumed: a second detach succeeds" virt-mfplug detach "$DOMAIN" $KIND_CARD
is "$(card_place $KIND_CARD)" out "native, resumed: the card is back on the host"

done_testing
