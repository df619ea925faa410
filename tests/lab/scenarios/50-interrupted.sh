#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A run that is killed leaves nothing that recover does not put right.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
slot=0000:02:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"
vfio_drivers="0:vfio-pci 1:vfio-pci 2:vfio-pci 3:vfio-pci"

passes "a guest runs" guest_restore

# stop_at SIGNAL STEP COMMAND...: runs virt-mfplug and sends it the signal when it says that it
# begins that step; what it said goes to $said
stop_at() {
  local signal=$1 step=$2 pid line count=0
  shift 2
  rm -f /tmp/progress
  mkfifo /tmp/progress
  virt-mfplug --verbose "$@" >/tmp/result 2>/tmp/progress &
  pid=$!
  said=
  while IFS= read -r line; do
    said+=$line$'\n'
    count=$((count + 1))
    [[ $count != "$step" ]] || kill "-$signal" "$pid" 2>/dev/null || true
  done </tmp/progress
  wait "$pid" || true
}

steps_of() { grep -c '^virt-mfplug: [^e(]' <<<"$1"; }

# whole_or_nothing NAME: the card is fully in, or fully out with the host's drivers right
whole_or_nothing() {
  local held in_qemu
  held=$(hostdevs | wc -l)
  in_qemu=$(qemu_ids | tr ' ' '\n' | grep -c ua-mfplug || true)
  case "$held $in_qemu $(drivers $card)" in
    "4 4 $vfio_drivers") ok "$1: the card is fully in" ;;
    "0 0 $host_drivers") ok "$1: the card is fully out" ;;
    *) not_ok "$1: the card is fully in or fully out" "$(hostdevs; qemu_ids; drivers $card; echo "$said")" ;;
  esac
}

runs 0 "an attach, to count its steps" virt-mfplug --verbose attach --slot $slot $DOMAIN $card
attach_steps=$(steps_of "$errors")
runs 0 "recover of a domain in which all is well" virt-mfplug recover $DOMAIN
like "$output" "Nothing is to be mended" "says so"
runs 0 "a detach, to count its steps" virt-mfplug --verbose detach $DOMAIN $card
detach_steps=$(steps_of "$errors")
diag "attach: $attach_steps steps, detach: $detach_steps"

for ((step = 1; step <= attach_steps; step++)); do
  stop_at KILL "$step" attach --slot $slot $DOMAIN $card
  runs 0 "attach killed at step $step: recover" virt-mfplug recover $DOMAIN
  whole_or_nothing "attach killed at step $step"
  runs 0 "attach killed at step $step: detach finds a sane state" virt-mfplug detach $DOMAIN $card
  is "$(hostdevs; drivers $card)" "$host_drivers" "attach killed at step $step: all is back"
done

for step in 1 2 3 4 5; do
  runs 0 "an attach before detach $step" virt-mfplug attach --slot $slot $DOMAIN $card
  stop_at KILL "$step" detach $DOMAIN $card
  runs 0 "detach killed at step $step: recover" virt-mfplug recover $DOMAIN
  whole_or_nothing "detach killed at step $step"
  virt-mfplug --quiet detach $DOMAIN $card || true
done

done_testing
