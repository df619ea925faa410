#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A pseries guest: slots are on PCI host bridges, and the guest handles the functions one after the other, each with an
# event and a run of drmgr.
set -euo pipefail
export GUEST=pseries
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

passes "pseries: the saved guest can be restored" guest_restore unconfined

# Another device has the alias of function 0, so the plug fails when QEMU has already queued three functions.
other=${CARDS[1]}
take $other.0
hostdev_xml $other.0 "ua-mfplug-${KIND_CARD//:/-}-0" "<address type='unassigned'/>" >/tmp/stranger.xml
attach_xml </tmp/stranger.xml
runs 1 "pseries: rollback: attach fails at the plug" virt-mfplug attach "$DOMAIN" $KIND_CARD
like "$errors" "non unique alias" "pseries: rollback: the message repeats what libvirt said"
like "$errors" "Everything was undone" "pseries: rollback: the message says that everything was undone"
check_gone "pseries: rollback"
virsh -q detach-device "$DOMAIN" /tmp/stranger.xml --live
reattach $other

runs 0 "pseries: host bridge: attach --dry-run succeeds" virt-mfplug attach --dry-run "$DOMAIN" $KIND_CARD
unlike "$errors" "shares" "pseries: host bridge: no warning about a bridge without devices"
check_attach "pseries" "" 0000:01:1f
runs 0 "pseries: host bridge: attach --dry-run of another card succeeds" \
  virt-mfplug attach --dry-run "$DOMAIN" $other
like "$output" 'bus="0x00" slot="0x1f"' \
  "pseries: host bridge: another card is not put on the bridge of the first card"
like "$errors" "shares guest bus 0" "pseries: host bridge: a warning says that other devices use the bridge"
check_detach "pseries"

in_full_run check_partial_card "pseries, host bridge 0" "--slot 00:1f" 0000:00:1f

done_testing
