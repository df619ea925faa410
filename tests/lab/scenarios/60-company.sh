#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Others at work: a guest that does not act, two runs at once, and libvirt's hook when a domain ends.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
other=0000:02:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"
vfio_drivers="0:vfio-pci 1:vfio-pci 2:vfio-pci 3:vfio-pci"

passes "a guest runs" guest_restore

# A guest that does not act
virsh -q suspend $DOMAIN
runs 4 "attach --wait to a paused guest: status 4 in time" virt-mfplug attach --wait --timeout 5 $DOMAIN 03:00 04:00
like "$errors" "the card is plugged, and the guest has not assigned addresses" "says that the card is plugged"
virsh -q resume $DOMAIN
runs 0 "the same command again, the guest running" virt-mfplug attach --wait $DOMAIN 03:00 04:00
runs 0 "detach" virt-mfplug detach $DOMAIN 03:00 04:00
runs 0 "attach" virt-mfplug attach $DOMAIN $card
passes "the guest sees it" wait_guest_sees "0[1-4]:00.3" 120
virsh -q suspend $DOMAIN
runs 4 "detach from a paused guest: status 4 in time" virt-mfplug detach --timeout 5 $DOMAIN $card
like "$errors" "the guest was asked to let the slot go; run the command again" "says that the request stands"
is "$(drivers $card)" "$vfio_drivers" "and gives nothing back"
virsh -q resume $DOMAIN
runs 0 "detach again, the guest running" virt-mfplug detach $DOMAIN $card
is "$(drivers $card)" "$host_drivers" "takes the work up where it stood"
is "$(hostdevs)" "" "the domain has none"

# Two cards at once, each attach unaware of the other
sees_both() { [[ $(guest_lspci | grep -c 8086:10d3) == 8 ]]; }
for ((round = 1; round <= ${ROUNDS:-5}; round++)); do
  virt-mfplug attach $DOMAIN $card >/tmp/first 2>&1 &
  first=$!
  virt-mfplug attach $DOMAIN $other >/tmp/second 2>&1 &
  second=$!
  status=0
  wait $first || status=$?
  is "$status" 0 "round $round: the first card is attached"
  [[ $status == 0 ]] || diag "$(cat /tmp/first)"
  status=0
  wait $second || status=$?
  is "$status" 0 "round $round: the second card is attached"
  [[ $status == 0 ]] || diag "$(cat /tmp/second)"
  a=$(sed -n 's/.*guest \([0-9a-f:]*\)\.0$/\1/p' /tmp/first)
  b=$(sed -n 's/.*guest \([0-9a-f:]*\)\.0$/\1/p' /tmp/second)
  isnt "$a" "$b" "round $round: in slots of their own"
  passes "round $round: the guest sees both" wait_for 120 sees_both
  virt-mfplug detach $DOMAIN $card >/tmp/first 2>&1 &
  first=$!
  virt-mfplug detach $DOMAIN $other >/tmp/second 2>&1 &
  second=$!
  status=0
  { wait $first && wait $second; } || status=$?
  is "$status" 0 "round $round: both are detached at once"
  [[ $status == 0 ]] || diag "$(cat /tmp/first /tmp/second)"
  is "$(drivers $card) $(drivers $other)" "$host_drivers $host_drivers" "round $round: every function is back"
  is "$(hostdevs)" "" "round $round: the domain has none"
done

# The hook, when a domain ends that has a card
mkdir -p /etc/libvirt/hooks
install -m 755 /lab/bin/qemu-hook /etc/libvirt/hooks/qemu
passes "libvirtd restarts with the hook" libvirtd_restart
take $other.0
runs 0 "attach" virt-mfplug attach $DOMAIN $card
virsh -q destroy $DOMAIN
passes "the hook gives the card back, unasked" wait_for 60 all_drivers $card e1000e
is "$(driver $other.0)" vfio-pci "and touches nothing else"
give_back "$other"
rm /etc/libvirt/hooks/qemu

done_testing
