#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests that do not cooperate: paused, panicked, rebooting or not booted, and guests that end during a run.
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

# check_pending_detach NAME: asserts that detach leaves the removal pending, because the guest does not act on it.
check_pending_detach() {
  runs 4 "$1: detach ends with status 4 at its time-out" virt-mfplug "${detach[@]}" --timeout 15
  like "$errors" "$pending" "$1: detach says that the request is pending"
  is "$(card_place $card)" in "$1: detach reattaches nothing"
}

# Paused
passes "the saved guest can be restored" guest_restore unconfined
virsh -q suspend "$DOMAIN"
runs 4 "paused: attach --wait ends with status 4 at its time-out" \
  virt-mfplug attach --wait --timeout 15 "$DOMAIN" 06:00
like "$errors" "$unseen" "paused: attach --wait says that the card is plugged"
virsh -q resume "$DOMAIN"
runs 0 "resumed: the same command succeeds" virt-mfplug attach --wait "$DOMAIN" 06:00
runs 0 "preparation: detach succeeds" virt-mfplug detach "$DOMAIN" 06:00
runs 0 "preparation: attach succeeds" virt-mfplug "${attach[@]}"
passes "preparation: the guest sees the card" wait_guest_sees "02:00.1"
virsh -q suspend "$DOMAIN"
check_pending_detach "paused"
virsh -q resume "$DOMAIN"
runs 0 "resumed: a second detach succeeds" virt-mfplug "${detach[@]}"
is "$(card_place $card)" out "resumed: the card is back on the host"

# Panicked: the machine runs, but its operating system ignores requests
runs 0 "preparation: attach succeeds" virt-mfplug "${attach[@]}"
passes "preparation: the guest sees the card" wait_guest_sees "02:00.1"
serial_mark
virsh -q inject-nmi "$DOMAIN"
panicked() { serial_since_mark; [[ ${LINES[*]} == *"Kernel panic"* ]]; }
passes "preparation: the guest panics" wait_guest panicked
check_pending_detach "panicked"
runs 0 "panicked: attach of another card succeeds" virt-mfplug attach "$DOMAIN" 06:00
runs 4 "panicked: attach --wait of that card ends with status 4 at its time-out" \
  virt-mfplug attach --wait --timeout 15 "$DOMAIN" 06:00
like "$errors" "$unseen" "panicked: attach --wait says that the card is plugged"

# Rebooting: at a reset QEMU completes the pending removals
virsh -q reset "$DOMAIN"
runs 0 "reset: a second detach succeeds" virt-mfplug "${detach[@]}"
is "$(drivers $card)" "0:e1000e 1:e1000e" "reset: the card is back on its host driver"
virt-mfplug detach --timeout 15 "$DOMAIN" 06:00 || virsh -q reset "$DOMAIN"
runs 0 "reset: detach of the other card succeeds" virt-mfplug detach "$DOMAIN" 06:00
reset_domain() { virsh -q reset "$DOMAIN"; }
for step in $(choose "5 7 8" "8"); do
  at_step $step reset_domain "${attach[@]}"
  is "$status $(card_place $card)" "0 in" "reset at step $step of an attach: attach succeeds"
  check_pending_detach "booting"
  at_step 2 reset_domain "${detach[@]}"
  is "$status $(card_place $card)" "0 out" "reset while detach waits for the guest: detach succeeds"
done

# Not booted
guest_off
virsh -q start --paused "$DOMAIN"
runs 0 "not booted: attach succeeds" virt-mfplug "${attach[@]}"
check_pending_detach "not booted"
virsh -q reset "$DOMAIN"
runs 0 "not booted, reset: a second detach succeeds" virt-mfplug "${detach[@]}"
is "$(card_place $card)" out "not booted, reset: the card is back on the host"

# The domain ends while virt-mfplug is stopped, so that virt-mfplug finds out only afterwards.
destroy_domain() { virsh -q destroy "$DOMAIN"; }
destroy_while_stopped() {
  kill -STOP "$1"
  destroy_domain
  kill -CONT "$1"
}
for step in $(choose "2 4 5 6" "4"); do
  at_step $step destroy_while_stopped "${attach[@]}"
  is "$status" 1 "destroyed at step $step of an attach: the exit status is 1"
  like "$errors" "[Dd]omain ended meanwhile" \
    "destroyed at step $step of an attach: the message says that the domain ended"
  is "$(drivers $card)" "0:e1000e 1:e1000e" \
    "destroyed at step $step of an attach: every function is back on its host driver"
  virsh -q start --paused "$DOMAIN"
done
# The domain ends while virt-mfplug runs. If the plug comes first, attach succeeds, and leaves the card on vfio-pci.
for step in $(choose "7 8" "8"); do
  at_step $step destroy_domain "${attach[@]}"
  like "$status" '^[01]$' "destroyed during step $step: the exit status is 0 or 1"
  [[ $status == 0 ]] || like "$errors" "[Dd]omain ended meanwhile" \
    "destroyed during step $step: the message says that the domain ended"
  [[ $status == 1 ]] || runs 0 "destroyed during step $step: reclaim succeeds" virt-mfplug reclaim $card
  is "$(drivers $card)" "0:e1000e 1:e1000e" "destroyed during step $step: every function is back on its host driver"
  virsh -q start --paused "$DOMAIN"
done
for step in $(choose "1 2" "2"); do
  runs 0 "preparation: attach succeeds" virt-mfplug "${attach[@]}"
  at_step $step destroy_domain "${detach[@]}"
  is "$status" 0 "destroyed at step $step of a detach: the exit status is 0"
  is "$(drivers $card)" "0:e1000e 1:e1000e" \
    "destroyed at step $step of a detach: every function is back on its host driver"
  virsh -q start --paused "$DOMAIN"
done

# The domain ends and leaves its card on vfio-pci. Then reclaim reattaches the card.
runs 0 "preparation: attach succeeds" virt-mfplug "${attach[@]}"
virsh -q destroy "$DOMAIN"
is "$(drivers $card)" "0:vfio-pci 1:vfio-pci" "a destroyed domain leaves the card on vfio-pci"
runs 0 "reclaim --dry-run succeeds" virt-mfplug reclaim --dry-run $card
is "$(drivers $card)" "0:vfio-pci 1:vfio-pci" "reclaim --dry-run changes nothing"
runs 0 "reclaim succeeds" virt-mfplug reclaim $card
is "$(drivers $card)" "0:e1000e 1:e1000e" "reclaim reattaches every function"
runs 0 "a second reclaim succeeds" virt-mfplug reclaim $card
like "$output" "Nothing to reattach" "a second reclaim says that there is nothing to reattach"

done_testing
