#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Concurrent changes: several runs of virt-mfplug at the same time, and a disk that competes for a slot.
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
other=0000:06:00
host_drivers="0:e1000e 1:e1000e"

passes "the saved guest can be restored" guest_restore unconfined

# Two cards and a disk are attached at the same time. The disk has the slot that virt-mfplug chooses first. Each round
# attaches the disk a little later.
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

# slot_of FILE: prints the guest slot that an attach reported.
slot_of() { sed -n 's/.*guest \([0-9a-f:]*\)\.0$/\1/p' "$1"; }

# in_slot CARD SLOT: succeeds if the slot has both functions of the card, and no other device.
in_slot() {
  [[ $(hostdevs | grep -c "^$1") == 2 && $(hostdevs | grep -c " $2.0 ") == 1 ]] &&
    [[ $(virsh qemu-monitor-command "$DOMAIN" --hmp info pci | grep -cE "Bus +$((16#${2:5:2})), device +0, function") == 2 ]]
}

no_disk() { ! virsh domblklist "$DOMAIN" | grep -q vda; }

# The number of rounds with a disk. With fewer than 20, the delay grows faster.
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
  passes "round $round: the first card is complete and alone in its slot" in_slot $card "$(slot_of /tmp/first)"
  passes "round $round: the second card is complete and alone in its slot" in_slot $other "$(slot_of /tmp/second)"
  if [[ $has_disk == yes ]]; then
    unlike "$(slot_of /tmp/first) $(slot_of /tmp/second)" "0000:04:00" \
      "round $round: no card is in the disk's slot"
    like "$(virsh domblklist "$DOMAIN")" "vda" "round $round: the disk is in the domain"
    virsh -q detach-device "$DOMAIN" $disk --live || true
  fi
  virt-mfplug detach "$DOMAIN" $card >/tmp/first 2>&1 &
  first=$!
  virt-mfplug detach "$DOMAIN" $other >/tmp/second 2>&1 &
  second=$!
  status=0
  { wait $first && wait $second; } || status=$?
  is "$status" 0 "round $round: two concurrent detaches succeed"
  [[ $status == 0 ]] || diag "$(cat /tmp/first /tmp/second)"
  is "$(drivers $card) $(drivers $other)" "$host_drivers $host_drivers" \
    "round $round: every function is on its host driver"
  is "$(hostdevs)" "" "round $round: the domain has no hostdev left"
  wait_guest no_disk || diag "the disk is still in the domain"
done

# Two concurrent detaches of one card
for round in 1 2 3; do
  runs 0 "detached twice, round $round: attach succeeds" virt-mfplug attach "$DOMAIN" $card
  virt-mfplug detach "$DOMAIN" $card >/tmp/first 2>&1 &
  first=$!
  virt-mfplug detach "$DOMAIN" $card >/tmp/second 2>&1 &
  second=$!
  one=0 two=0
  wait $first || one=$?
  wait $second || two=$?
  diag "$one: $(cat /tmp/first)"
  diag "$two: $(cat /tmp/second)"
  like "$(cat /tmp/first /tmp/second)" "Detached from domain" "detached twice, round $round: one run detaches the card"
  for run in first second; do
    like "$(cat /tmp/$run)" "Detached from domain|None of these functions is attached" \
      "detached twice, round $round: the $run run says that the card is detached"
  done
  is "$(card_place $card)" out "detached twice, round $round: the card is back on the host"
  unlike "$(virsh dumpxml "$DOMAIN")" "urn:virt-mfplug" "detached twice, round $round: no record is left"
done

done_testing
