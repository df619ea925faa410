#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A card that the guest was started with, as native multifunction, leaves the running guest.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"

guest_off
reattach "${CARDS[@]}"
virsh -q define /lab/guest/l2.xml

# A fifth port, planned openly: fill the four that are there.
for port in 1 2 3 4; do
  echo "<rng model='virtio'><backend model='random'>/dev/urandom</backend><address type='pci' domain='0' bus='$port' slot='0' function='0'/></rng>" |
    virsh -q attach-device $DOMAIN /dev/stdin --config
done
runs 0 "dry run on a shut-off domain without a free port" virt-mfplug attach --config --dry-run $DOMAIN $card
like "$output" '<controller type="pci" index="5" model="pcie-root-port">' "shows the port that it would add"
cp <(echo "$output") /tmp/planned.xml
runs 0 "attach --config of that document" virt-mfplug attach --config --file /tmp/planned.xml $DOMAIN
like "$(virsh dumpxml --inactive $DOMAIN)" "index='5' model='pcie-root-port'" "the persistent XML has the port"
is "$(hostdevs --inactive | awk '{ print $2 }' | xargs)" "0000:05:00.0 0000:05:00.1 0000:05:00.2 0000:05:00.3" "and the card behind it"
is "$(drivers $card)" "$host_drivers" "no function was taken yet"
runs 0 "once more" virt-mfplug attach --config $DOMAIN $card
like "$output" "Already attached" "says 'already'"
runs 0 "detach --config" virt-mfplug detach --config $DOMAIN $card
is "$(hostdevs --inactive)" "" "the persistent XML has none"
virsh -q define /lab/guest/l2.xml

# Started with it.
runs 0 "attach --config, a port being free" virt-mfplug attach --config --slot 0000:02:00 $DOMAIN $card
timestamp "start"
serial_mark
virsh -q start $DOMAIN
# Its kernel boots for minutes, and says nothing meanwhile.
POLLS_MAX=10000 passes "the domain starts with the card" wait_guest heartbeat_seen
is "$(guest_lspci | awk '/8086:10d3/ { print $1 }' | xargs)" "02:00.0 02:00.1 02:00.2 02:00.3" "as native multifunction"
is "$(hostdevs | awk '{ print $2 }' | xargs)" "0000:02:00.0 0000:02:00.1 0000:02:00.2 0000:02:00.3" "which libvirt knows"
runs 0 "attach of what it was started with" virt-mfplug attach $DOMAIN $card
like "$output" "Already attached" "says 'already'"
if virsh -q detach-device-alias $DOMAIN hostdev0 --live 2>/tmp/refusal; then
  not_ok "libvirt's own detach refuses that slot"
else
  like "$(cat /tmp/refusal)" "multifunction PCI guest address" "libvirt's own detach refuses that slot"
fi
runs 3 "detach of one function: refused" virt-mfplug detach $DOMAIN 01:00.3
runs 0 "detach --persistent of the card" virt-mfplug --verbose detach --persistent $DOMAIN $card
diag "$errors"
is "$(hostdevs)" "" "the running domain has none"
is "$(hostdevs --inactive)" "" "the persistent XML has none"
is "$(drivers $card)" "$host_drivers" "all four are back on their host driver"
passes "the guest sees none" wait_guest_misses "02:00"

done_testing
