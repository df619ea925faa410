#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shows the main job to a person. ../../demo runs this in the lab.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00

show() {
  printf '\n$ %s\n' "$*"
  "$@"
}

print_guest() {
  printf '\nThe guest lists its PCI devices:\n'
  guest_lspci | sed 's/^/    /; /8086:10d3/s/$/   <-- the card/'
}

print_host() {
  printf '\nOn the host the functions of the card have these drivers:\n    %s\n' "$(drivers $card)"
}

show virt-mfplug list
print_host
print_guest
show virt-mfplug attach $DOMAIN $card
wait_guest_sees '10d3|[0-9]:00.3'
print_guest
print_host
show virt-mfplug list $DOMAIN
show virt-mfplug detach $DOMAIN $card
wait_guest_misses '0[1-9]:00.3'
print_guest
print_host
