#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The person decides: which functions, as which guest functions, from which document, in which form of the domain.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00
host_drivers="0:e1000e 1:e1000e 2:e1000e 3:e1000e"
slot=0000:02:00

passes "a guest runs" guest_restore unconfined

# sees_card NAME FUNCTION...: the guest lists exactly these functions of such cards
sees_card() {
  local name=$1
  shift
  passes "$name: the guest sees it" wait_guest_sees "$(tr ' ' '.' <<<"$*")"
  is "$(guest_lspci | awk '/8086:10d3/ { print $1 }' | xargs)" "$*" "$name: exactly $*"
}

# check_gone NAME: nothing of any card is left
check_gone() {
  is "$(all_cards)" "$drivers_before" "$1: every function is back on its host driver"
  is "$(hostdevs)" "" "$1: the domain has none"
  unlike "$(virsh dumpxml $DOMAIN)" "urn:virt-mfplug" "$1: no record is left"
  passes "$1: the guest sees none" wait_guest_misses "02:00|03:00|04:00"
}
all_cards() { for c in "${CARDS[@]}"; do echo "$c $(drivers "$c")"; done; }
drivers_before=$(all_cards)

# Partial
runs 3 "partial, of one IOMMU group: refused" virt-mfplug attach $DOMAIN 01:00.0,2
like "$errors" "0000:01:00.1 \(e1000e\), 0000:01:00.3 \(e1000e\)" "names the functions in the way and their drivers"
like "$errors" "--rest unassigned would take" "says what --rest unassigned would do"
is "$(drivers $card)" "$host_drivers" "and touches nothing"
runs 0 "partial with --rest unassigned" virt-mfplug attach --slot $slot --functions 0,2 --rest unassigned $DOMAIN $card
sees_card "partial" 02:00.0 02:00.2
is "$(hostdevs | wc -l)" 4 "partial: the domain holds all four"
is "$(qemu_ids | tr ' ' '\n' | grep -c ua-mfplug)" 2 "partial: QEMU has two of them"

# The golden rule
runs 3 "detach of one function of the slot: refused" virt-mfplug detach $DOMAIN 01:00.0
like "$errors" "not named: 0000:01:00.2" "lists what would go along"
runs 3 "attach of all of a card attached in part: refused" virt-mfplug attach $DOMAIN $card
like "$errors" "has a part of the card" "says so"
runs 0 "attach of the same part again" virt-mfplug --quiet attach --functions 0,2 --rest unassigned $DOMAIN $card
is "$output" "" "is quiet with --quiet"
runs 0 "naming both functions is consent" virt-mfplug detach $DOMAIN 01:00.0,2
check_gone "partial"

# Mapping
runs 3 "no function 0 and no mapping: refused" virt-mfplug attach $DOMAIN 01:00.1,3
like "$errors" "0000:01:00.1=0,0000:01:00.3=1" "with the mapping that works"
runs 0 "mapping" virt-mfplug attach --slot $slot --rest unassigned $DOMAIN 01:00.1=0,01:00.3=1
sees_card "mapping" 02:00.0 02:00.1
is "$(hostdevs | awk '$2 == "0000:02:00.0" { print $1 }')" 0000:01:00.1 "mapping: host function 1 is guest function 0"
runs 0 "detach by the device's name" virt-mfplug detach $DOMAIN $card
check_gone "mapping"

# Several devices in one slot
runs 0 "two devices packed into one slot" virt-mfplug attach --slot $slot $DOMAIN 03:00.0 pci_0000_04_00_0
sees_card "packed" 02:00.0 02:00.1
runs 3 "detach of one of the two: refused" virt-mfplug detach $DOMAIN 03:00
runs 0 "detach of both" virt-mfplug detach $DOMAIN 03:00 04:00
check_gone "packed"

# Documents
virt-mfplug attach --dry-run --slot $slot $DOMAIN $card >/tmp/card.xml
awk '/function="0x1"\/>$/ && !done { print; getline; print; print "<rom bar=\"off\"/>"; done = 1; next } { print }' /tmp/card.xml >/tmp/edited.xml
sed 's|<rom bar="off"/>|<boot order="7"/>|' /tmp/edited.xml >/tmp/boot.xml
runs 1 "a document that libvirt does not accept for this domain" virt-mfplug attach --file /tmp/boot.xml $DOMAIN
like "$errors" "per-device boot elements cannot be used together with os/boot" "says what libvirt said"
check_gone "refused document"
runs 0 "an edited document" virt-mfplug attach --file /tmp/edited.xml $DOMAIN
sees_card "document" 02:00.0 02:00.1 02:00.2 02:00.3
alias=$(hostdevs | awk '$1 == "0000:01:00.1" { print $3 }')
like "$(qmp '{"execute":"qom-get","arguments":{"path":"/machine/peripheral/'"$alias"'","property":"rombar"}}')" '"return":0' "its <rom bar='off'/> reached QEMU for a non-zero function"
runs 0 "the same document detaches" virt-mfplug detach --file - $DOMAIN </tmp/edited.xml
check_gone "document"

# Both forms of the domain
runs 0 "--persistent on a running domain" virt-mfplug attach --persistent --format json $DOMAIN $card
like "$output" '"changed" : true' "JSON says that it changed"
live_slot=$(sed -n 's/.*"slot" : "\(.*\)",/\1/p' <<<"$output")
is "$(hostdevs --inactive | awk '{ print $2 }' | xargs)" "$live_slot.0 $live_slot.1 $live_slot.2 $live_slot.3" "the persistent XML has the same slot"
is "$(hostdevs --inactive | awk '{ print $4 }' | sort -u)" yes "managed, as libvirt itself can do it at a start"
is "$(hostdevs | awk '$1 == "0000:01:00.0" { print $2 }')" "$live_slot.0" "as the running domain"
runs 0 "once more" virt-mfplug attach --persistent --format json $DOMAIN $card
like "$output" '"changed" : false' "JSON says that nothing changed"
runs 0 "detach --persistent" virt-mfplug detach --persistent $DOMAIN $card
is "$(hostdevs --inactive)" "" "the persistent XML has none"
check_gone "persistent"

done_testing
