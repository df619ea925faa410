#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The fault matrix on the real thing: every call of an attach and of a detach that changes something fails in turn, before
# it reached libvirt and after it was done. See ../faulty-libvirt.c.
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
attach=(attach --slot 0000:02:00 "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)
log=/tmp/calls

passes "a guest runs" guest_restore unconfined
outside=$(card_state $card)

# faulty AT WHEN COMMAND...: sets $status, $errors
faulty() {
  local environment=(LD_PRELOAD=/lab/bin/libfaulty-libvirt.so "FAULT_AT=$1" "FAULT_LOG=$log")
  [[ $2 == before ]] || environment+=(FAULT_AFTER=1)
  shift 2
  add_timeout "$@"
  rm -f $log
  status=0
  errors=$(env "${environment[@]}" "${PROGRAM[@]}" "${WORDS[@]}" 2>&1 >/tmp/output) || status=$?
}

restored=0 completed=0 mended=0 unnoticed=0
# judge NAME STATE-BEFORE PLACE-WHEN-DONE
judge() {
  local place
  place=$(card_place $card)
  case $status in
    0) completed=$((completed + 1)); is "$place" "$3" "$1: completed" ;;
    1) restored=$((restored + 1)); is "$(card_state $card)" "$2" "$1: all is as before" ;;
    5)
      mended=$((mended + 1))
      like "$errors" "0000:05:00.1.*virt-mfplug recover $DOMAIN" "$1: says what is left and how to mend it"
      runs 0 "$1: recover" virt-mfplug recover "$DOMAIN"
      unlike "$(card_place $card)" between "$1: then the card is fully in or fully out"
      ;;
    *) not_ok "$1: completed, undone, or to be recovered" "exit status $status"$'\n'"$errors" ;;
  esac
  [[ $status != 0 || $place == "$3" ]] || unnoticed=$((unnoticed + 1))
  [[ $status != 1 || $place != between ]] || unnoticed=$((unnoticed + 1))
}

faulty 0 before "${attach[@]}"
attach_calls=$(wc -l <$log)
diag "$(cat $log)"
isnt "$attach_calls" 0 "the attach's calls are seen"
faulty 0 before "${detach[@]}"
detach_calls=$(wc -l <$log)
diag "$(cat $log)"
isnt "$detach_calls" 0 "the detach's calls are seen"

for when in before after; do
  for ((call = 1; call <= attach_calls; call++)); do
    ensure_card out
    faulty "$call" $when "${attach[@]}"
    judge "attach, call $call fails, $when it is done" "$outside" in
  done
  for ((call = 1; call <= detach_calls; call++)); do
    ensure_card in
    inside=$(card_state $card)
    faulty "$call" $when "${detach[@]}"
    judge "detach, call $call fails, $when it is done" "$inside" out
  done
done
diag "$((attach_calls + detach_calls)) calls x 2 faults, restored $restored, completed $completed, needs recover $mended, $unnoticed unnoticed"
is "$unnoticed" 0 "no fault goes unnoticed"

done_testing
