#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main job: a card comes into a running guest as one card, and goes back to the host.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"

passes "a guest runs" guest_restore
is "$(drivers $card)" "$host_drivers" "the host has the card"
passes "the guest lives" guest_fresh
unlike "$(guest_lspci)" "8086:10d3" "the guest sees no card"
before=$(hostdevs)

for round in 1 2; do
  t "attach"
  runs 0 "round $round: attach" virt-mfplug --verbose attach $DOMAIN $card
  t "attached"
  diag "$errors"
  slot=$(sed -n 's/.*guest \([0-9a-f:]*\)\.0$/\1/p' <<<"$output")
  like "$slot" '^0000:[0-9a-f]{2}:00$' "round $round: it says which guest slot it took"
  short=${slot#0000:}
  passes "round $round: the guest sees the card" wait_guest_sees "$short.3"
  t "seen"
  is "$(guest_lspci | awk '/8086:10d3/ { print $1 }' | tr '\n' ' ')" \
    "$short.0 $short.1 $short.2 $short.3 " "round $round: exactly its four functions, in one slot"
  is "$(hostdevs | wc -l)" 4 "round $round: libvirt's XML has four hostdevs"
  is "$(drivers $card)" "0:vfio-pci 1:vfio-pci 2:vfio-pci 3:vfio-pci" "round $round: all four are on vfio-pci"
  runs 0 "round $round: a second attach" virt-mfplug attach $DOMAIN $card
  like "$output" "Already attached" "round $round: says 'already'"
  if [[ $round == 1 ]]; then
    runs 0 "list of the domain" virt-mfplug list $DOMAIN
    like "$output" "host 0000:01:00.3  guest $slot.3  plugged" "says that QEMU has what libvirt believes unassigned"
    runs 0 "list of the host" virt-mfplug list
    like "$output" "0000:01:00  4 functions  in use" "says that the card is in use"
    like "$output" "0000:02:00  4 functions  can be attached" "and that the other can be attached"
  fi
  t "detach"
  runs 0 "round $round: detach" virt-mfplug --verbose detach $DOMAIN $card
  t "detached"
  diag "$errors"
  is "$(drivers $card)" "$host_drivers" "round $round: all four are back on their host driver"
  is "$(hostdevs)" "$before" "round $round: libvirt's XML has none of them"
  passes "round $round: the guest sees none" wait_guest_misses "$short"
  unlike "$(virsh dumpxml $DOMAIN)" "mfplug" "round $round: no record is left in the domain"
done
runs 0 "a detach of what is not there" virt-mfplug detach $DOMAIN $card
like "$output" "None of these functions is attached" "says so"

# Two cards in one slot: all four functions of the first, with a ROM each, are too much for the port's 2 MiB of address space.
runs 0 "attach --wait ends when the guest has assigned addresses" virt-mfplug attach --wait $DOMAIN 03:00 04:00
unlike "$(virsh qemu-monitor-command $DOMAIN --hmp info pci | sed -n '/Bus  4/,$p' | grep memory | grep -v BAR6)" "0xffffffffffffffff" "QEMU shows them"
runs 0 "detach them" virt-mfplug detach $DOMAIN 03:00 04:00

# A function that was on vfio-pci before.
take $card.2
runs 0 "attach with a function that was on vfio-pci beforehand" virt-mfplug attach --format json $DOMAIN $card
passes "JSON has the host drivers before and after" json_has "$output" "[(f['driver_before'], f['driver_after']) for f in it['functions']] ==
  [('e1000e', 'vfio-pci'), ('e1000e', 'vfio-pci'), ('vfio-pci', 'vfio-pci'), ('e1000e', 'vfio-pci')]"
passes "and the steps" json_has "$output" "[s['step'] for s in it['steps'] if s['seconds'] >= 0 and not s['undo'] and not s['error']] ==
  ['record', 'claim'] + ['take'] * 3 + ['prepare'] * 3 + ['check-aliases'] + ['queue'] * 3 + ['plug', 'verify']"
runs 0 "detach it" virt-mfplug detach --format json $DOMAIN $card
passes "JSON has the host drivers before and after" json_has "$output" "[(f['driver_before'], f['driver_after']) for f in it['functions']] ==
  [('vfio-pci', 'e1000e'), ('vfio-pci', 'e1000e'), ('vfio-pci', 'vfio-pci'), ('vfio-pci', 'e1000e')]"
is "$(drivers $card)" "0:e1000e 1:e1000e 2:vfio-pci 3:e1000e" "that function stays on vfio-pci, the others go back"
give_back $card

done_testing
