#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab.sh ROUNDS DELAY: measures for bench in the lab, and prints lines "measured ROUND NAME MICROSECONDS".
set -eEuo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh
# To stderr, because the command may be in a substitution, which captures stdout.
trap 'diag "failed: $BASH_COMMAND" >&2' ERR

rounds=$1 delay=$2
card=0000:01:00 port=1 slot=01:00
far=/tmp/far
far_uri="qemu+unix:///system?socket=$far"
errors=/tmp/errors

# The ways that bench compares. $1 is attach or detach.
ours() {
  local words=("$1" "$DOMAIN" "$card")
  [[ $1 == detach ]] || words+=(--slot "0000:$slot")
  virt-mfplug "${words[@]}"
}
virsh_script() { by-virsh "$1" "$DOMAIN" "$card" "$port"; }
bare() {
  local words=("$1" "$DOMAIN" "$card")
  [[ $1 == detach ]] || words+=("$port")
  floor "${words[@]}"
}
far_ours() { LIBVIRT_DEFAULT_URI=$far_uri ours "$1"; }
far_bare() { LIBVIRT_DEFAULT_URI=$far_uri bare "$1"; }

# Each measurement begins when neither machine is busy any more with a card that came or went.
settle() { udevadm settle && wait_heartbeat; }

# measure ROUND WAY: attaches the card and detaches it
measure() {
  timed "$1" "$2-attach" "$2" attach
  wait_guest_sees "$slot.3"
  settle
  timed "$1" "$2-detach" "$2" detach
  wait_guest_misses "$slot"
  wait_for all_drivers "$card" "$HOST_DRIVER"
  settle
}

# Each run reads a program in /lab again, but installed programs such as virsh are in memory. So all run from memory.
mkdir /tmp/installed
cp /lab/bin/{virt-mfplug*,floor,by-virsh,relay.py} /tmp/installed
PATH=/tmp/installed:$PATH
# shellcheck source=tests/bench/rounds.sh
source /lab/bin/rounds.sh

guest_restore unconfined || bail_out "no guest"
relay.py "$far" /run/libvirt/libvirt-sock "$delay" &
relay=$!
trap 'kill "$relay"' EXIT
wait_for test -S "$far"
for ((round = 1; round <= rounds; round++)); do
  # Ways that are compared with each other are neighbours.
  for way in $(order "$round" virsh_script ours bare far_bare far_ours); do measure "$round" "$way"; done
  timestamp "round $round of $rounds"
done
