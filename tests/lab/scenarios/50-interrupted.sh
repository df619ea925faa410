#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A signal at each step of an attach and of a detach. virt-mfplug undoes what it can, and recover finishes or undoes the
# rest.
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
attach=(attach --slot 0000:02:00 "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)

passes "the saved guest can be restored" guest_restore unconfined

terminate() { kill -TERM "$1" 2>/dev/null || true; }
interrupt() { kill -INT "$1" 2>/dev/null || true; }
kill_program() { kill -KILL "$1" 2>/dev/null || true; }
interrupt_twice() { interrupt "$1"; sleep 0.3; interrupt "$1"; }

passes "an undisturbed attach succeeds" count_steps "${attach[@]}"
attach_steps=$steps
runs 0 "recover succeeds when there is nothing to recover" virt-mfplug recover "$DOMAIN"
like "$output" "Nothing to recover" "recover says that there is nothing to recover"
passes "an undisturbed detach succeeds" count_steps "${detach[@]}"
detach_steps=$steps
outside=$(card_state $card)
diag "attach: $attach_steps steps, detach: $detach_steps"

# check_recover NAME: asserts that recover succeeds after a kill. At steps 4 and 7 it also tests recover --dry-run and
# list.
check_recover() {
  local before
  if [[ $step == 4 || $step == 7 ]]; then
    before=$(card_state $card)
    runs 0 "$1: recover --dry-run succeeds" virt-mfplug recover --dry-run "$DOMAIN"
    is "$(card_state $card)" "$before" "$1: recover --dry-run changes nothing"
    runs 0 "$1: list succeeds" virt-mfplug list "$DOMAIN"
    like "$output" "host $card.0 .* (recorded: not in the guest|unassigned|queued: not shown|removal pending)" \
      "$1: list shows the state of function 0"
  fi
  runs 0 "$1: recover succeeds" virt-mfplug recover "$DOMAIN"
  unlike "$(card_place $card)" between "$1: recover leaves the card fully in or fully out"
  unlike "$(card_place $card) $(virsh dumpxml "$DOMAIN")" "^out .*urn:virt-mfplug" \
    "$1: recover leaves no record of a card that is out"
}

# In a short run: the queue and the plug, and of the detach the request and the return to the host.
for step in $(choose "$(seq "$attach_steps")" "7 8"); do
  ensure_card out
  at_step $step $([[ $((step % 2)) == 0 ]] && echo interrupt || echo terminate) "${attach[@]}"
  if [[ $step -lt $attach_steps ]]; then
    is "$status" 1 "attach, signal at step $step: the exit status is 1"
    like "$errors" "interrupted.*Everything was undone" \
      "attach, signal at step $step: the message says that everything was undone"
    is "$(card_state $card)" "$outside" "attach, signal at step $step: everything is as before"
  else
    is "$status $(card_place $card)" "0 in" "attach, signal at the last step $step: attach succeeds"
  fi
  ensure_card out
  at_step $step kill_program "${attach[@]}"
  check_recover "attach, SIGKILL at step $step"
done

for step in $(choose "$(seq "$detach_steps")" "2 4"); do
  ensure_card in
  inside=$(card_state $card)
  at_step $step $([[ $((step % 2)) == 0 ]] && echo interrupt || echo terminate) "${detach[@]}"
  case $step in
    1)
      is "$status" 1 "detach, signal at step 1: the exit status is 1"
      like "$errors" "interrupted.*Everything was undone" \
        "detach, signal at step 1: the message says that everything was undone"
      is "$(card_state $card)" "$inside" "detach, signal at step 1: everything is as before"
      ;;
    2) # The guest has been asked to release the slot.
      is "$status" 4 "detach, signal at step 2: the exit status is 4"
      like "$errors" "interrupted" "detach, signal at step 2: the message says that the run was interrupted"
      runs 0 "detach, signal at step 2: the same command again succeeds" virt-mfplug "${detach[@]}"
      is "$(card_state $card)" "$outside" "detach, signal at step 2: the second run detaches the card"
      ;;
    *)
      is "$status" 0 "detach, signal at step $step: the exit status is 0"
      is "$(card_state $card)" "$outside" "detach, signal at step $step: the card is detached"
      ;;
  esac
  ensure_card in
  at_step $step kill_program "${detach[@]}"
  check_recover "detach, SIGKILL at step $step"
done

# A second SIGINT ends the program at once: while it takes a function (step 4), checks the aliases (6), or queues a
# function (7).
for step in $(choose "4 6 7" "7"); do
  ensure_card out
  at_step $step interrupt_twice "${attach[@]}"
  is "$status" 5 "attach, a second SIGINT at step $step: the exit status is 5"
  like "$errors" "virt-mfplug recover $DOMAIN" \
    "attach, a second SIGINT at step $step: the message says how to recover"
  check_recover "attach, a second SIGINT at step $step"
done
done_testing
