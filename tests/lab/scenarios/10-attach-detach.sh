#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main job: attach plugs a card into a running guest as one card, and detach returns it to the host.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"

passes "the saved guest can be restored" guest_restore
is "$(drivers $card)" "$host_drivers" "all four functions are on their host driver at the start"
passes "the guest is alive" wait_heartbeat
unlike "$(guest_lspci)" "8086:10d3" "the guest sees no card at the start"
before=$(hostdevs)

for round in $(choose "1 2" "1"); do
  timestamp "attach"
  runs 0 "round $round: attach succeeds" virt-mfplug --verbose attach $DOMAIN $card
  timestamp "attached"
  diag "$errors"
  slot=$(sed -n 's/.*guest \([0-9a-f:]*\)\.0$/\1/p' <<<"$output")
  like "$slot" '^0000:[0-9a-f]{2}:00$' "round $round: attach says which guest slot it chose"
  short=${slot#0000:}
  passes "round $round: the guest sees the card" wait_guest_sees "$short.3"
  timestamp "seen"
  is "$(guest_lspci | awk '/8086:10d3/ { print $1 }' | tr '\n' ' ')" \
    "$short.0 $short.1 $short.2 $short.3 " "round $round: the guest sees exactly its four functions, in one slot"
  is "$(hostdevs | wc -l)" 4 "round $round: libvirt's XML has four hostdevs"
  is "$(drivers $card)" "0:vfio-pci 1:vfio-pci 2:vfio-pci 3:vfio-pci" "round $round: all four are on vfio-pci"
  runs 0 "round $round: a second attach succeeds" virt-mfplug attach $DOMAIN $card
  like "$output" "Already attached" "round $round: a second attach says that the card is already attached"
  if [[ $round == 1 ]]; then
    runs 0 "list DOMAIN succeeds" virt-mfplug list $DOMAIN
    like "$output" "host 0000:01:00.3  guest $slot.3  plugged" \
      "list DOMAIN shows as plugged a function that libvirt has as unassigned"
    runs 0 "list succeeds" virt-mfplug list
    like "$output" "0000:01:00  4 functions  in use" "list says that the card is in use"
    like "$output" "0000:02:00  4 functions  can be attached" "list says that the other card can be attached"
  fi
  timestamp "detach"
  runs 0 "round $round: detach succeeds" virt-mfplug --verbose detach $DOMAIN $card
  timestamp "detached"
  diag "$errors"
  is "$(drivers $card)" "$host_drivers" "round $round: all four are back on their host driver"
  is "$(hostdevs)" "$before" "round $round: libvirt's XML has no hostdev left"
  passes "round $round: the guest sees none of the functions" wait_guest_misses "$short"
  unlike "$(virsh dumpxml $DOMAIN)" "mfplug" "round $round: no record is left in the domain"
done
runs 0 "a detach of a card that is not attached succeeds" virt-mfplug detach $DOMAIN $card
like "$output" "None of these functions is attached" "a detach of a card that is not attached says so"

# Two single-function cards share one slot. The four functions of 0000:01:00, each with a ROM, would not fit into the
# 2 MiB of address space that a port has.
runs 0 "attach --wait succeeds" virt-mfplug attach --wait $DOMAIN 03:00 04:00
unlike "$(virsh qemu-monitor-command $DOMAIN --hmp info pci | sed -n '/Bus  4/,$p' | grep memory | grep -v BAR6)" \
  "0xffffffffffffffff" "after attach --wait the guest has assigned all addresses"
runs 0 "detach of both cards succeeds" virt-mfplug detach $DOMAIN 03:00 04:00

# A function that is on vfio-pci beforehand stays there.
take $card.2
runs 0 "vfio-pci beforehand: attach succeeds" virt-mfplug attach --format json $DOMAIN $card
passes "vfio-pci beforehand: the JSON of attach has the drivers before and after" json_has "$output" "
  [(f['driver_before'], f['driver_after']) for f in it['functions']] ==
  [('e1000e', 'vfio-pci'), ('e1000e', 'vfio-pci'), ('vfio-pci', 'vfio-pci'), ('e1000e', 'vfio-pci')]"
passes "vfio-pci beforehand: the JSON of attach has the steps, but none takes that function" json_has "$output" "
  [s['step'] for s in it['steps'] if s['seconds'] >= 0 and not s['undo'] and not s['error']] ==
  ['record', 'claim'] + ['take'] * 3 + ['prepare'] * 3 + ['check-aliases'] + ['queue'] * 3 + ['plug', 'verify']"
runs 0 "vfio-pci beforehand: detach succeeds" virt-mfplug detach --format json $DOMAIN $card
passes "vfio-pci beforehand: the JSON of detach has the drivers before and after" json_has "$output" "
  [(f['driver_before'], f['driver_after']) for f in it['functions']] ==
  [('vfio-pci', 'e1000e'), ('vfio-pci', 'e1000e'), ('vfio-pci', 'vfio-pci'), ('vfio-pci', 'e1000e')]"
is "$(drivers $card)" "0:e1000e 1:e1000e 2:vfio-pci 3:e1000e" \
  "vfio-pci beforehand: detach leaves that function on vfio-pci, and reattaches the others"
reattach $card

done_testing
