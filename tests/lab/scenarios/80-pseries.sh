#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A pseries guest: slots on PCI host bridges, and an event and a run of drmgr in the guest for each function, one after the other.
set -euo pipefail
export GUEST=pseries
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

passes "pseries: a guest runs" guest_restore unconfined

# The last step fails, as another device has the alias of function 0: three functions wait in QEMU by then.
other=${CARDS[1]}
take $other.0
hostdev_xml $other.0 "ua-mfplug-${KIND_CARD//:/-}-0" "<address type='unassigned'/>" >/tmp/stranger.xml
attach_xml </tmp/stranger.xml
runs 1 "pseries: rollback: the plug of function 0 fails" virt-mfplug attach "$DOMAIN" $KIND_CARD
like "$errors" "non unique alias" "pseries: rollback: says what libvirt said"
like "$errors" "Everything was undone" "pseries: rollback: says so"
check_gone "pseries: rollback"
virsh -q detach-device "$DOMAIN" /tmp/stranger.xml --live
reattach $other

runs 0 "pseries: host bridge" virt-mfplug attach --dry-run "$DOMAIN" $KIND_CARD
unlike "$errors" "shares" "pseries: host bridge: no warning where nothing is on it"
check_attach "pseries" "" 0000:01:1f
runs 0 "pseries: host bridge: another card" virt-mfplug attach --dry-run "$DOMAIN" $other
like "$output" 'bus="0x00" slot="0x1f"' "pseries: host bridge: another card stays off that of the first"
like "$errors" "shares guest bus 0" "pseries: host bridge: warns of one that others are on"
check_detach "pseries"

check_partial_card "pseries, host bridge 0" "--slot 00:1f" 0000:00:1f

done_testing
