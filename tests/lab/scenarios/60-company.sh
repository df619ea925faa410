#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Others at work: runs at the same time, and a device that comes into the same slot.
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
other=0000:06:00
host_drivers="0:e1000e 1:e1000e"

passes "a guest runs" guest_restore unconfined

# Two cards and a disk at once. The disk wants the very slot that the first card chooses, a little later in each round.
truncate -s 1M "$GUEST_DIR/disk.raw"
chmod 666 "$GUEST_DIR/disk.raw"
disk=/tmp/disk.xml
cat >$disk <<XML
<disk type='file' device='disk'>
  <driver name='qemu' type='raw'/>
  <source file='$GUEST_DIR/disk.raw'/>
  <target dev='vda' bus='virtio'/>
  <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
</disk>
XML

# slot_of FILE: the guest slot that an attach reported
slot_of() { sed -n 's/.*guest \([0-9a-f:]*\)\.0$/\1/p' "$1"; }

# in_slot CARD SLOT: both functions are there, and nothing else is
in_slot() {
  [[ $(hostdevs | grep -c "^$1") == 2 && $(hostdevs | grep -c " $2.0 ") == 1 ]] &&
    [[ $(virsh qemu-monitor-command "$DOMAIN" --hmp info pci | grep -cE "Bus +$((16#${2:5:2})), device +0, function") == 2 ]]
}

no_disk() { ! virsh domblklist "$DOMAIN" | grep -q vda; }

# Rounds of the first kind; with fewer than 20 the delay grows faster.
ROUNDS=${ROUNDS:-20}

for ((round = 1; round <= ROUNDS; round++)); do
  virt-mfplug attach "$DOMAIN" $card >/tmp/first 2>&1 &
  first=$!
  virt-mfplug attach "$DOMAIN" $other >/tmp/second 2>&1 &
  second=$!
  quarters=$((round * 20 / ROUNDS))
  sleep "$((quarters / 4)).$((quarters % 4 * 25))"
  has_disk=yes
  virsh -q attach-device "$DOMAIN" $disk --live >/tmp/disk.log 2>&1 || has_disk=no
  status=0
  wait $first || status=$?
  is "$status" 0 "round $round: the first card is attached"
  [[ $status == 0 ]] || diag "$(cat /tmp/first)"
  status=0
  wait $second || status=$?
  is "$status" 0 "round $round: the second card is attached"
  [[ $status == 0 ]] || diag "$(cat /tmp/second)"
  diag "$card in $(slot_of /tmp/first), $other in $(slot_of /tmp/second), a disk in 0000:04:00: $has_disk"
  passes "round $round: the first card is whole in its slot" in_slot $card "$(slot_of /tmp/first)"
  passes "round $round: the second card is whole in its slot" in_slot $other "$(slot_of /tmp/second)"
  if [[ $has_disk == yes ]]; then
    unlike "$(slot_of /tmp/first) $(slot_of /tmp/second)" "0000:04:00" "round $round: the disk has its slot for itself"
    like "$(virsh domblklist "$DOMAIN")" "vda" "round $round: the disk is there"
    virsh -q detach-device "$DOMAIN" $disk --live || true
  fi
  virt-mfplug detach "$DOMAIN" $card >/tmp/first 2>&1 &
  first=$!
  virt-mfplug detach "$DOMAIN" $other >/tmp/second 2>&1 &
  second=$!
  status=0
  { wait $first && wait $second; } || status=$?
  is "$status" 0 "round $round: both are detached at once"
  [[ $status == 0 ]] || diag "$(cat /tmp/first /tmp/second)"
  is "$(drivers $card) $(drivers $other)" "$host_drivers $host_drivers" "round $round: every function is back"
  is "$(hostdevs)" "" "round $round: the domain has none"
  wait_guest no_disk || diag "the disk stays"
done

# One card, two detaches
for round in 1 2 3; do
  runs 0 "detached twice, round $round: attach" virt-mfplug attach "$DOMAIN" $card
  virt-mfplug detach "$DOMAIN" $card >/tmp/first 2>&1 &
  first=$!
  virt-mfplug detach "$DOMAIN" $card >/tmp/second 2>&1 &
  second=$!
  one=0 two=0
  wait $first || one=$?
  wait $second || two=$?
  diag "$one: $(cat /tmp/first)"
  diag "$two: $(cat /tmp/second)"
  like "$(cat /tmp/first /tmp/second)" "Detached from domain" "detached twice, round $round: one does it"
  like "$(cat /tmp/first /tmp/second)" "another virt-mfplug detached the card|None of these functions is attached" "detached twice, round $round: the other says so"
  is "$(card_place $card)" out "detached twice, round $round: the card is back"
  unlike "$(virsh dumpxml "$DOMAIN")" "urn:virt-mfplug" "detached twice, round $round: no record is left"
done

done_testing
