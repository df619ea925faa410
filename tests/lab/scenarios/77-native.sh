#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A q35 guest with native PCIe hotplug.
set -euo pipefail
export GUEST=native
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

passes "native: a guest runs" guest_restore unconfined
check_whole_card "q35, native hotplug" "" 0000:02:00
check_partial_card "q35, native hotplug" "" 0000:02:00
check_rollback "q35, native hotplug" pci.2 0000:02:00

# Right after a plug the guest's system blinks the port's indicator: a removal has to wait for it.
runs 0 "native: attach" virt-mfplug attach "$DOMAIN" $KIND_CARD
runs 0 "native: detach at once" virt-mfplug detach "$DOMAIN" $KIND_CARD
is "$(card_place $KIND_CARD)" out "native: the card is back"

# A guest that does nothing for a while.
runs 0 "native: attach" virt-mfplug attach "$DOMAIN" $KIND_CARD
passes "native: the guest sees it" wait_nics nics_are "0 1 2 3"
virsh -q suspend "$DOMAIN"
runs 4 "native, paused: detach: status 4 in time" virt-mfplug detach --timeout 15 "$DOMAIN" $KIND_CARD
virsh -q resume "$DOMAIN"
runs 0 "native, resumed: detach goes on" virt-mfplug detach "$DOMAIN" $KIND_CARD
is "$(card_place $KIND_CARD)" out "native, resumed: the card is back"

done_testing
