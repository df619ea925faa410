#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The guest's part: paused, panicked, not booted, rebooting, or gone in the middle.
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
slot=0000:02:00
pending="the guest was asked to release the slot; run the command again"
unseen="the card is plugged, and the guest has not assigned addresses"
attach=(attach --slot $slot "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)

# asked_in_vain NAME: a detach that this guest does not act on
asked_in_vain() {
  runs 4 "$1: detach: status 4 in time" virt-mfplug "${detach[@]}" --timeout 15
  like "$errors" "$pending" "$1: says that the request stands"
  is "$(card_place $card)" in "$1: nothing is given back"
}

# Paused
passes "a guest runs" guest_restore unconfined
virsh -q suspend "$DOMAIN"
runs 4 "paused: attach --wait: status 4 in time" virt-mfplug attach --wait --timeout 15 "$DOMAIN" 03:00 04:00
like "$errors" "$unseen" "paused: says that the card is plugged"
virsh -q resume "$DOMAIN"
runs 0 "resumed: the same command goes on" virt-mfplug attach --wait "$DOMAIN" 03:00 04:00
runs 0 "detach" virt-mfplug detach "$DOMAIN" 03:00 04:00
runs 0 "attach" virt-mfplug "${attach[@]}"
passes "the guest sees it" wait_guest_sees "02:00.1"
virsh -q suspend "$DOMAIN"
asked_in_vain "paused"
virsh -q resume "$DOMAIN"
runs 0 "resumed: detach takes the work up where it stood" virt-mfplug "${detach[@]}"
is "$(card_place $card)" out "resumed: the card is back"

# Panicked: the machine runs, and its system ignores what it is asked
runs 0 "attach" virt-mfplug "${attach[@]}"
passes "the guest sees it" wait_guest_sees "02:00.1"
serial_mark
virsh -q inject-nmi "$DOMAIN"
panicked() { serial_since_mark; [[ ${LINES[*]} == *"Kernel panic"* ]]; }
passes "the guest panics" wait_guest panicked
asked_in_vain "panicked"
runs 0 "panicked: attach of another card" virt-mfplug attach "$DOMAIN" 03:00
runs 4 "panicked: attach --wait of the same: status 4 in time" virt-mfplug attach --wait --timeout 15 "$DOMAIN" 03:00
like "$errors" "$unseen" "panicked: says that the card is plugged"

# Rebooting: with the reset, QEMU completes what was asked before
virsh -q reset "$DOMAIN"
runs 0 "reset: detach takes the work up" virt-mfplug "${detach[@]}"
is "$(drivers $card)" "0:e1000e 1:e1000e" "reset: the card is back"
virt-mfplug detach --timeout 15 "$DOMAIN" 03:00 || virsh -q reset "$DOMAIN"
runs 0 "detach of the other card" virt-mfplug detach "$DOMAIN" 03:00
reset() { virsh -q reset "$DOMAIN"; }
for step in 5 6 7; do
  at_step $step reset "${attach[@]}"
  is "$status $(card_place $card)" "0 in" "reset at step $step of an attach: the card is in"
  asked_in_vain "booting"
  at_step 2 reset "${detach[@]}"
  is "$status $(card_place $card)" "0 out" "reset while it is asked: the card is back"
done

# Not booted
guest_off
virsh -q start --paused "$DOMAIN"
runs 0 "not booted: attach" virt-mfplug "${attach[@]}"
asked_in_vain "not booted"
virsh -q reset "$DOMAIN"
runs 0 "not booted, reset: detach takes the work up" virt-mfplug "${detach[@]}"
is "$(card_place $card)" out "not booted, reset: the card is back"

# Gone, with the program held meanwhile
die() { virsh -q destroy "$DOMAIN"; }
die_unseen() {
  kill -STOP "$1"
  die
  kill -CONT "$1"
}
for step in 2 4 5 6; do
  at_step $step die_unseen "${attach[@]}"
  is "$status" 1 "destroyed at step $step of an attach: status 1"
  like "$errors" "[Dd]omain ended meanwhile" "destroyed at step $step of an attach: says so"
  is "$(drivers $card)" "0:e1000e 1:e1000e" "destroyed at step $step of an attach: every function is back"
  virsh -q start --paused "$DOMAIN"
done
# Gone while QEMU is asked: the plug may come first, and then the card is in a guest that ended.
for step in 6 7; do
  at_step $step die "${attach[@]}"
  like "$status" '^[01]$' "destroyed during step $step: status 0 or 1"
  [[ $status == 0 ]] || like "$errors" "[Dd]omain ended meanwhile" "destroyed during step $step: says so"
  [[ $status == 1 ]] || runs 0 "destroyed during step $step, after it: reclaim" virt-mfplug reclaim $card
  is "$(drivers $card)" "0:e1000e 1:e1000e" "destroyed during step $step: every function is back"
  virsh -q start --paused "$DOMAIN"
done
for step in 1 2; do
  runs 0 "attach" virt-mfplug "${attach[@]}"
  at_step $step die "${detach[@]}"
  is "$status" 0 "destroyed at step $step of a detach: it is done"
  is "$(drivers $card)" "0:e1000e 1:e1000e" "destroyed at step $step of a detach: every function is back"
  virsh -q start --paused "$DOMAIN"
done

# Gone with the card: reclaim is the way back
runs 0 "attach" virt-mfplug "${attach[@]}"
virsh -q destroy "$DOMAIN"
is "$(drivers $card)" "0:vfio-pci 1:vfio-pci" "a destroyed domain leaves the card on vfio-pci"
runs 0 "reclaim --dry-run" virt-mfplug reclaim --dry-run $card
is "$(drivers $card)" "0:vfio-pci 1:vfio-pci" "reclaim --dry-run touches nothing"
runs 0 "reclaim" virt-mfplug reclaim $card
is "$(drivers $card)" "0:e1000e 1:e1000e" "reclaim gives it back"
runs 0 "reclaim again" virt-mfplug reclaim $card
like "$output" "Nothing to reattach" "reclaim again: says that there is nothing to do"

done_testing
