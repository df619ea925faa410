#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main job, shown to a person: runs in the lab (see ../../demo).
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00

show() {
  printf '\n$ %s\n' "$*"
  "$@"
}

guest_lists() {
  printf '\nThe guest lists its PCI devices:\n'
  guest_lspci | sed 's/^/    /; /8086:10d3/s/$/   <-- the card/'
}

host_lists() {
  printf '\nThe host has the card on these drivers:\n    %s\n' "$(drivers $card)"
}

show virt-mfplug list
host_lists
guest_lists
show virt-mfplug attach $DOMAIN $card
wait_guest_sees '10d3|[0-9]:00.3'
guest_lists
host_lists
show virt-mfplug list $DOMAIN
show virt-mfplug detach $DOMAIN $card
wait_guest_misses '0[1-9]:00.3'
guest_lists
host_lists
