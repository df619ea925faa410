#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What bench measures in the lab: lab.sh ROUNDS DELAY. Prints lines "measured ROUND NAME MICROSECONDS".
set -eEuo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh
# To stderr: a substitution that may fail has its output read.
trap 'diag "failed: $BASH_COMMAND" >&2' ERR

rounds=$1 delay=$2
card=0000:01:00 port=1 slot=01:00
far=/tmp/far
far_uri="qemu+unix:///system?socket=$far"
errors=/tmp/errors

# The ways to be compared, each with attach or detach.
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

# Each measurement begins alike: the host has the card, and neither machine is busy with one that came or went.
settle() { udevadm settle && wait_heartbeat; }

# to_and_fro ROUND WAY: the card into the guest and back
to_and_fro() {
  timed "$1" "$2-attach" "$2" attach
  wait_guest_sees "$slot.3"
  settle
  timed "$1" "$2-detach" "$2" detach
  wait_guest_misses "$slot"
  wait_for all_drivers "$card" "$HOST_DRIVER"
  settle
}

# /lab is read afresh at each run; what is installed, as virsh is, is in memory.
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
  # Ways that are compared are neighbours.
  for way in $(order "$round" virsh_script ours bare far_bare far_ours); do to_and_fro "$round" "$way"; done
  timestamp "round $round of $rounds"
done
