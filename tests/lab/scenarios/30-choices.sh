#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The person decides: which functions become which guest functions, from which document, and whether in the running
# domain, in the persistent XML or in both.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"
slot=0000:02:00

passes "the saved guest can be restored" guest_restore unconfined

# check_guest_sees NAME FUNCTION...: asserts that the guest sees exactly these functions of cards like ours.
check_guest_sees() {
  local name=$1
  shift
  passes "$name: the guest sees the functions" wait_guest_sees "$(tr ' ' '.' <<<"$*")"
  is "$(guest_lspci | awk '/8086:10d3/ { print $1 }' | xargs)" "$*" "$name: the guest sees exactly $*"
}

# check_gone NAME: asserts that no function of any card is left in the domain.
check_gone() {
  is "$(all_cards)" "$drivers_before" "$1: every function is back on its host driver"
  is "$(hostdevs)" "" "$1: the domain has no hostdev left"
  unlike "$(virsh dumpxml $DOMAIN)" "urn:virt-mfplug" "$1: no record is left"
  passes "$1: the guest sees none of the functions" wait_guest_misses "02:00|03:00|04:00"
}
all_cards() { for c in "${CARDS[@]}"; do echo "$c $(drivers "$c")"; done; }
drivers_before=$(all_cards)

# Some functions of a card
runs 3 "partial: without --rest, attach is refused" virt-mfplug attach $DOMAIN 01:00.0,2
like "$errors" "0000:01:00.1 \(e1000e\), 0000:01:00.3 \(e1000e\)" \
  "partial: the refusal names the other functions of the IOMMU group, and their drivers"
like "$errors" "--rest unassigned would take" "partial: the refusal says what --rest unassigned would do"
is "$(drivers $card)" "$host_drivers" "partial: the refusal changes nothing"
runs 0 "partial: attach --rest unassigned succeeds" \
  virt-mfplug attach --slot $slot --functions 0,2 --rest unassigned $DOMAIN $card
check_guest_sees "partial" 02:00.0 02:00.2
is "$(hostdevs | wc -l)" 4 "partial: libvirt's XML has all four functions"
is "$(qemu_ids | tr ' ' '\n' | grep -c ua-mfplug)" 2 "partial: QEMU has two of the functions"

# virt-mfplug never attaches or detaches a function that the person did not name.
runs 3 "partial: detach of one function of the slot is refused" virt-mfplug detach $DOMAIN 01:00.0
like "$errors" "also holds 0000:01:00.2, which you did not name" "partial: the refusal lists the functions that would leave as well"
runs 3 "partial: attach of the whole card is refused" virt-mfplug attach $DOMAIN $card
like "$errors" "has only a part of the card" "partial: the refusal says that the domain has a part of the card"
runs 0 "partial: a second attach of the same functions succeeds" \
  virt-mfplug --quiet attach --functions 0,2 --rest unassigned $DOMAIN $card
is "$output" "" "partial: --quiet prints nothing"
runs 0 "partial: detach of both functions by name succeeds" virt-mfplug detach $DOMAIN 01:00.0,2
check_gone "partial"

# A mapping from host functions to guest functions
runs 3 "mapping: attach without a guest function 0 is refused" virt-mfplug attach $DOMAIN 01:00.1,3
like "$errors" "0000:01:00.1=0,0000:01:00.3=1" "mapping: the refusal shows a mapping that works"
runs 0 "mapping: attach succeeds" virt-mfplug attach --slot $slot --rest unassigned $DOMAIN 01:00.1=0,01:00.3=1
check_guest_sees "mapping" 02:00.0 02:00.1
is "$(hostdevs | awk '$2 == "0000:02:00.0" { print $1 }')" 0000:01:00.1 "mapping: host function 1 is guest function 0"
runs 0 "mapping: detach of the whole device succeeds" virt-mfplug detach $DOMAIN $card
check_gone "mapping"

# Several devices in one slot
runs 0 "packed: attach of two devices into one slot succeeds" \
  virt-mfplug attach --slot $slot $DOMAIN 03:00.0 pci_0000_04_00_0
check_guest_sees "packed" 02:00.0 02:00.1
runs 3 "packed: detach of one of the two devices is refused" virt-mfplug detach $DOMAIN 03:00
runs 0 "packed: detach of both devices succeeds" virt-mfplug detach $DOMAIN 03:00 04:00
check_gone "packed"

# Documents
virt-mfplug attach --dry-run --slot $slot $DOMAIN $card >/tmp/card.xml
awk '/function="0x1"\/>$/ && !done { print; getline; print; print "<rom bar=\"off\"/>"; done = 1; next } { print }' /tmp/card.xml >/tmp/edited.xml
sed 's|<rom bar="off"/>|<boot order="7"/>|' /tmp/edited.xml >/tmp/boot.xml
runs 1 "refused document: attach fails" virt-mfplug attach --file /tmp/boot.xml $DOMAIN
like "$errors" "per-device boot elements cannot be used together with os/boot" \
  "refused document: the message repeats what libvirt said"
check_gone "refused document"
runs 0 "document: attach of an edited document succeeds" virt-mfplug attach --file /tmp/edited.xml $DOMAIN
check_guest_sees "document" 02:00.0 02:00.1 02:00.2 02:00.3
alias=$(hostdevs | awk '$1 == "0000:01:00.1" { print $3 }')
like "$(qmp '{"execute":"qom-get","arguments":{"path":"/machine/peripheral/'"$alias"'","property":"rombar"}}')" \
  '"return":0' "document: <rom bar='off'/> of a non-zero function reaches QEMU"
runs 0 "document: detach of the same document succeeds" virt-mfplug detach --file - $DOMAIN </tmp/edited.xml
check_gone "document"

# The running domain and the persistent XML
runs 0 "persistent: attach succeeds" virt-mfplug attach --persistent --format json $DOMAIN $card
like "$output" '"changed" : true' "persistent: the JSON of attach says that something changed"
live_slot=$(sed -n 's/.*"slot" : "\(.*\)",/\1/p' <<<"$output")
is "$(hostdevs --inactive | awk '{ print $2 }' | xargs)" "$live_slot.0 $live_slot.1 $live_slot.2 $live_slot.3" \
  "persistent: the persistent XML has the functions in the same slot"
is "$(hostdevs --inactive | awk '{ print $4 }' | sort -u)" yes \
  "persistent: the persistent XML has managed='yes', because at a start libvirt can take the functions itself"
is "$(hostdevs | awk '$1 == "0000:01:00.0" { print $2 }')" "$live_slot.0" \
  "persistent: the running domain has the functions in that slot"
runs 0 "persistent: a second attach succeeds" virt-mfplug attach --persistent --format json $DOMAIN $card
like "$output" '"changed" : false' "persistent: the JSON of a second attach says that nothing changed"
runs 0 "persistent: detach succeeds" virt-mfplug detach --persistent $DOMAIN $card
is "$(hostdevs --inactive)" "" "persistent: the persistent XML has no hostdev left"
check_gone "persistent"

done_testing
