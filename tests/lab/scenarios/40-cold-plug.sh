#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The guest starts with a card at native multifunction addresses. Then detach removes the card from the running guest.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"

guest_off
reattach "${CARDS[@]}"
virsh -q define /lab/guest/l2.xml

# Fill the four ports, so that attach --config needs a fifth one. The dry run must show that port.
for port in 1 2 3 4; do
  virsh -q attach-device $DOMAIN /dev/stdin --config <<XML
<rng model='virtio'>
  <backend model='random'>/dev/urandom</backend>
  <address type='pci' domain='0' bus='$port' slot='0' function='0'/>
</rng>
XML
done
runs 0 "attach --config --dry-run succeeds without a free port" virt-mfplug attach --config --dry-run $DOMAIN $card
like "$output" '<controller type="pci" index="5" model="pcie-root-port">' "the dry run shows the port that it would add"
cp <(echo "$output") /tmp/planned.xml
runs 0 "attach --config of that document succeeds" virt-mfplug attach --config --file /tmp/planned.xml $DOMAIN
like "$(virsh dumpxml --inactive $DOMAIN)" "index='5' model='pcie-root-port'" "the persistent XML has the new port"
is "$(hostdevs --inactive | awk '{ print $2 }' | xargs)" "0000:05:00.0 0000:05:00.1 0000:05:00.2 0000:05:00.3" \
  "the persistent XML has the card behind the new port"
is "$(drivers $card)" "$host_drivers" "attach --config takes no function"
runs 0 "a second attach --config succeeds" virt-mfplug attach --config $DOMAIN $card
like "$output" "Already attached" "a second attach --config says that the card is already attached"
runs 0 "detach --config succeeds" virt-mfplug detach --config $DOMAIN $card
is "$(hostdevs --inactive)" "" "after detach --config the persistent XML has no hostdev left"
virsh -q define /lab/guest/l2.xml

# The guest starts with the card.
runs 0 "attach --config succeeds with a free port" virt-mfplug attach --config --slot 0000:02:00 $DOMAIN $card
timestamp "start"
serial_mark
virsh -q start $DOMAIN
# The guest's kernel boots for minutes, and the guest sends no heartbeat meanwhile.
POLLS_MAX=10000 passes "the domain starts with the card" wait_guest heartbeat_seen
is "$(guest_lspci | awk '/8086:10d3/ { print $1 }' | xargs)" "02:00.0 02:00.1 02:00.2 02:00.3" \
  "the guest sees all four functions in one slot"
is "$(hostdevs | awk '{ print $2 }' | xargs)" "0000:02:00.0 0000:02:00.1 0000:02:00.2 0000:02:00.3" \
  "libvirt has all four functions at addresses in that slot"
runs 0 "attach of the card that the guest started with succeeds" virt-mfplug attach $DOMAIN $card
like "$output" "Already attached" "attach says that the card is already attached"
if virsh -q detach-device-alias $DOMAIN hostdev0 --live 2>/tmp/refusal; then
  not_ok "libvirt's own detach refuses that slot"
else
  like "$(cat /tmp/refusal)" "multifunction PCI guest address" "libvirt's own detach refuses that slot"
fi
runs 3 "detach of one function is refused" virt-mfplug detach $DOMAIN 01:00.3
runs 0 "detach --persistent of the card succeeds" virt-mfplug --verbose detach --persistent $DOMAIN $card
diag "$errors"
is "$(hostdevs)" "" "the running domain has no hostdev left"
is "$(hostdevs --inactive)" "" "the persistent XML has no hostdev left"
is "$(drivers $card)" "$host_drivers" "all four functions are back on their host driver"
passes "the guest sees none of the functions" wait_guest_misses "02:00"

done_testing
