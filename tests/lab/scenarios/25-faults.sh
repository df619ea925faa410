#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The fault matrix on the real libvirt. Each call of an attach and of a detach that changes something fails once before
# it reaches libvirt, and once after libvirt has done it. See ../faulty-libvirt.c.
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
attach=(attach --slot 0000:02:00 "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)
log=/tmp/calls

passes "the saved guest can be restored" guest_restore unconfined
outside=$(card_state $card)

# run_faulty CALL before|after COMMAND...: runs virt-mfplug with a fault at the call of this number. 0 means no fault.
# Sets $status and $errors.
run_faulty() {
  local environment=(LD_PRELOAD=/lab/bin/libfaulty-libvirt.so "FAULT_AT=$1" "FAULT_LOG=$log")
  [[ $2 == before ]] || environment+=(FAULT_AFTER=1)
  shift 2
  add_timeout "$@"
  rm -f $log
  status=0
  errors=$(env "${environment[@]}" "${PROGRAM[@]}" "${WORDS[@]}" 2>&1 >/tmp/output) || status=$?
}

undone=0 completed=0 recovered=0 unnoticed=0
# check_fault NAME STATE-BEFORE PLACE-WHEN-DONE: asserts after run_faulty that the state is what $status says.
check_fault() {
  local place
  place=$(card_place $card)
  case $status in
    0) completed=$((completed + 1)); is "$place" "$3" "$1: the run succeeds, and the card is $3" ;;
    1) undone=$((undone + 1)); is "$(card_state $card)" "$2" "$1: the run fails, and everything is as before" ;;
    5)
      recovered=$((recovered + 1))
      like "$errors" "0000:05:00.1.*virt-mfplug recover $DOMAIN" "$1: the message says what is left, and how to recover"
      runs 0 "$1: recover succeeds" virt-mfplug recover "$DOMAIN"
      unlike "$(card_place $card)" between "$1: recover leaves the card fully in or fully out"
      ;;
    *) not_ok "$1: the exit status is 0, 1 or 5" "exit status $status"$'\n'"$errors" ;;
  esac
  [[ $status != 0 || $place == "$3" ]] || unnoticed=$((unnoticed + 1))
  [[ $status != 1 || $place != between ]] || unnoticed=$((unnoticed + 1))
}

run_faulty 0 before "${attach[@]}"
attach_calls=$(wc -l <$log)
diag "$(cat $log)"
isnt "$attach_calls" 0 "attach makes calls that change something"
run_faulty 0 before "${detach[@]}"
detach_calls=$(wc -l <$log)
diag "$(cat $log)"
isnt "$detach_calls" 0 "detach makes calls that change something"

# chosen_calls COUNT: prints the numbers of the calls that fail $when libvirt acts on them. In a short run every second call
# fails before, and the others after.
chosen_calls() {
  if [[ -z ${SHORT:-} ]]; then seq "$1"; elif [[ $when == before ]]; then seq 1 2 "$1"; else seq 2 2 "$1"; fi
}

for when in before after; do
  for call in $(chosen_calls "$attach_calls"); do
    ensure_card out
    run_faulty "$call" $when "${attach[@]}"
    check_fault "attach, call $call fails $when libvirt acts on it" "$outside" in
  done
  for call in $(chosen_calls "$detach_calls"); do
    ensure_card in
    inside=$(card_state $card)
    run_faulty "$call" $when "${detach[@]}"
    check_fault "detach, call $call fails $when libvirt acts on it" "$inside" out
  done
done
diag "attach makes $attach_calls such calls, and detach $detach_calls"
diag "$undone undone, $completed completed, $recovered recovered, $unnoticed unnoticed"
is "$unnoticed" 0 "virt-mfplug notices every fault"

done_testing
