#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# libvirtd restarts at each step of an attach and of a detach: the run goes on with the new one, or undoes what it did.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
attach=(attach --slot 0000:02:00 "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)

passes "a guest runs" guest_restore unconfined
outside=$(card_state $card)
passes "an attach, to count its steps" count_steps "${attach[@]}"
attach_steps=$steps
passes "a detach, to count its steps" count_steps "${detach[@]}"
detach_steps=$steps

# Whatever it was doing, the daemon goes: at even steps without a word.
restart() {
  local signal=-TERM
  [[ $((step % 2)) != 0 ]] || signal=-KILL
  libvirtd_restart $signal || diag "libvirtd does not come back"
}

# fate NAME PLACE-WHEN-DONE PLACE-WHEN-UNDONE: one of them is where the card is, in keeping with the exit status
fate() {
  local place
  place=$(card_place $card)
  case $status in
    0) is "$place" "$2" "$1: done" ;;
    1)
      is "$place" "$3" "$1: undone"
      like "$errors" "Everything was undone" "$1: says so"
      ;;
    *) not_ok "$1: done or undone" "exit status $status"$'\n'"$errors" ;;
  esac
}

for ((step = 1; step <= attach_steps; step++)); do
  at_step $step restart "${attach[@]}"
  fate "attach, libvirtd restarted at step $step" in out
  [[ $status == 0 ]] || runs 0 "attach" virt-mfplug "${attach[@]}"
  if [[ $step -le $detach_steps ]]; then
    at_step $step restart "${detach[@]}"
    fate "detach, libvirtd restarted at step $step" out in
  fi
  [[ $(card_place $card) == out ]] || runs 0 "detach" virt-mfplug "${detach[@]}"
  is "$(card_state $card)" "$outside" "step $step: nothing is left"
done

done_testing
