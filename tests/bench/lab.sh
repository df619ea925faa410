#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What bench measures in the lab: lab.sh ROUNDS DELAY. Prints "measured WHAT NUMBER"; times are in microseconds.
set -eEuo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh
# To stderr: a substitution that may fail has its output read.
trap 'diag "failed: $BASH_COMMAND" >&2' ERR

rounds=$1 delay=$2
card=0000:01:00 port=1 slot=01:00
# As many as the guest has free ports; the last two are the twin's, which does not run.
together=("$card" 0000:02:00 0000:05:00 0000:06:00)
CARDS+=("${together[@]:2}")
far=/tmp/far
far_uri="qemu+unix:///system?socket=$far"

# The ways to be compared, each with attach or detach.
ours() {
  local words=("$@" "$DOMAIN" "$card")
  [[ $1 == detach ]] || words+=(--slot "0000:$slot")
  virt-mfplug "${words[@]}"
}
told() { ours "$1" --format json; }
virsh_script() { by-virsh "$1" "$DOMAIN" "$card" "$port"; }
bare() {
  local words=("$1" "$DOMAIN" "$card")
  [[ $1 == detach ]] || words+=("$port")
  floor "${words[@]}"
}
far_ours() { LIBVIRT_DEFAULT_URI=$far_uri ours "$1"; }
far_bare() { LIBVIRT_DEFAULT_URI=$far_uri bare "$1"; }

measured() { echo "measured $1 $2"; }

# timed WHAT COMMAND...: its output is in /tmp/output and /tmp/errors
timed() {
  local what=$1 began ended
  shift
  began=${EPOCHREALTIME/./}
  "$@" >/tmp/output 2>/tmp/errors || { diag "$what: $(cat /tmp/output /tmp/errors)"; return 1; }
  ended=${EPOCHREALTIME/./}
  measured "$what" $((ended - began))
}

# The time of one step of virt-mfplug's, from the document that it printed last
step_time() { python3 -c 'import json, sys; print(round(1e6 * sum(s["seconds"] for s in json.load(sys.stdin)["steps"] if s["step"] == sys.argv[1])))' "$1" </tmp/output; }

# Each measurement begins alike: the host has the cards, and neither machine is busy with one that came or went.
settle() { udevadm settle -t 60 && guest_fresh; }
at_home() { wait_for 60 all_drivers "$1" "$HOST_DRIVER"; }

# to_and_fro WAY: the card into the guest and back
to_and_fro() {
  timed "$1-attach" "$1" attach
  [[ $1 != told ]] || measured plug "$(step_time plug)"
  wait_guest_sees "$slot.3"
  settle
  timed "$1-detach" "$1" detach
  wait_guest_misses "$slot"
  at_home "$card"
  settle
}

# Four functions with a ROM each are too much for the port's address space, two are not: two cards in one slot.
enumerated() {
  local pair=(0000:03:00.0=0 0000:04:00.0=1)
  timed enumerated virt-mfplug attach --wait "$DOMAIN" "${pair[@]}"
  virt-mfplug detach "$DOMAIN" "${pair[@]}" >/tmp/output
  at_home 0000:03:00
  at_home 0000:04:00
  settle
}

# at_once ACTION: with all of the cards, by a process each; adds to $failures
at_once() {
  local number pids=()
  for number in "${!together[@]}"; do
    virt-mfplug "$1" "$DOMAIN" "${together[number]}" >"/tmp/once.$number" 2>&1 &
    pids+=($!)
  done
  for number in "${!pids[@]}"; do
    wait "${pids[number]}" || { failures=$((failures + 1)); cat "/tmp/once.$number"; }
  done
}

all_at_once() {
  local each
  failures=0
  timed once-attach at_once attach
  [[ ! -s /tmp/output ]] || diag "$(cat /tmp/output)"
  wait_guest_sees "01:00.1.*02:00.1.*03:00.1.*04:00.1"
  settle
  timed once-detach at_once detach
  [[ ! -s /tmp/output ]] || diag "$(cat /tmp/output)"
  measured failures "$failures"
  wait_guest_misses "0[1-4]:00"
  for each in "${together[@]}"; do at_home "$each"; done
  settle
}

# /lab is read afresh at each run; what is installed, as virsh is, is in memory.
mkdir /tmp/installed
cp /lab/bin/{virt-mfplug*,floor,by-virsh,relay.py} /tmp/installed
PATH=/tmp/installed:$PATH

guest_restore unconfined || bail_out "no guest"
relay.py "$far" /run/libvirt/libvirt-sock "$delay" &
relay=$!
trap 'kill "$relay"' EXIT
wait_for 30 test -S "$far"
ways=(ours bare virsh_script far_ours far_bare)
for ((round = 1; round <= rounds; round++)); do
  to_and_fro told
  for way in "${ways[@]}"; do to_and_fro "$way"; done
  ways=("${ways[@]:1}" "${ways[0]}") # what comes first finds the guest busier
  enumerated
  all_at_once
  t "round $round of $rounds"
done
