#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A signal at each step of an attach and of a detach: what can be undone is, and recover puts the rest right.
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
attach=(attach --slot 0000:02:00 "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)

passes "a guest runs" guest_restore unconfined

terminate() { kill -TERM "$1" 2>/dev/null || true; }
interrupt() { kill -INT "$1" 2>/dev/null || true; }
murder() { kill -KILL "$1" 2>/dev/null || true; }
interrupt_twice() { interrupt "$1"; sleep 0.3; interrupt "$1"; }

passes "an attach, to count its steps" count_steps "${attach[@]}"
attach_steps=$steps
runs 0 "recover of a domain in which all is well" virt-mfplug recover "$DOMAIN"
like "$output" "Nothing to recover" "says so"
passes "a detach, to count its steps" count_steps "${detach[@]}"
detach_steps=$steps
outside=$(card_state $card)
diag "attach: $attach_steps steps, detach: $detach_steps"

# A recover after a kill, and before some a dry run of it
recovered() {
  local before
  if [[ $step == 4 ]]; then
    before=$(card_state $card)
    runs 0 "$1: recover --dry-run" virt-mfplug recover --dry-run "$DOMAIN"
    is "$(card_state $card)" "$before" "$1: touches nothing"
    runs 0 "$1: list" virt-mfplug list "$DOMAIN"
    like "$output" "host $card.0 .* (recorded: not in the guest|unassigned|queued: not shown|removal pending)" "$1: says how far it is"
  fi
  runs 0 "$1: recover" virt-mfplug recover "$DOMAIN"
  unlike "$(card_place $card)" between "$1: then the card is fully in or fully out"
  unlike "$(card_place $card) $(virsh dumpxml "$DOMAIN")" "^out .*urn:virt-mfplug" "$1: and no record is left of a card that is out"
}

for ((step = 1; step <= attach_steps; step++)); do
  ensure_card out
  at_step $step $([[ $((step % 2)) == 0 ]] && echo interrupt || echo terminate) "${attach[@]}"
  if [[ $step -lt $attach_steps ]]; then
    is "$status" 1 "attach, SIGINT or SIGTERM at step $step: status 1"
    like "$errors" "interrupted.*Everything was undone" "attach, signal at step $step: says so"
    is "$(card_state $card)" "$outside" "attach, signal at step $step: all is as before"
  else
    is "$status $(card_place $card)" "0 in" "attach, SIGINT or SIGTERM at the last step $step: it is done"
  fi
  ensure_card out
  at_step $step murder "${attach[@]}"
  recovered "attach, SIGKILL at step $step"
done

for ((step = 1; step <= detach_steps; step++)); do
  ensure_card in
  inside=$(card_state $card)
  at_step $step $([[ $((step % 2)) == 0 ]] && echo interrupt || echo terminate) "${detach[@]}"
  case $step in
    1)
      is "$status" 1 "detach, signal at step 1: status 1"
      like "$errors" "interrupted.*Everything was undone" "detach, signal at step 1: says so"
      is "$(card_state $card)" "$inside" "detach, signal at step 1: all is as before"
      ;;
    2)
      is "$status" 4 "detach, signal while the guest is asked: status 4"
      like "$errors" "interrupted" "detach, signal while the guest is asked: says so"
      runs 0 "detach, signal while the guest is asked: the same again goes on" virt-mfplug "${detach[@]}"
      is "$(card_state $card)" "$outside" "detach, signal while the guest is asked: then all is back"
      ;;
    *)
      is "$status" 0 "detach, SIGINT or SIGTERM at step $step: it is finished"
      is "$(card_state $card)" "$outside" "detach, signal at step $step: all is back"
      ;;
  esac
  ensure_card in
  at_step $step murder "${detach[@]}"
  recovered "detach, SIGKILL at step $step"
done

# Impatience: a second signal at a taken function, at a queued one, and at the plug
for step in 4 6 7; do
  ensure_card out
  at_step $step interrupt_twice "${attach[@]}"
  is "$status" 5 "attach, a second SIGINT at step $step: status 5 at once"
  like "$errors" "virt-mfplug recover $DOMAIN" "attach, a second SIGINT at step $step: says how to mend it"
  recovered "attach, a second SIGINT at step $step"
done
done_testing
