# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the lab tests on each kind of machine and bus. Source this after lib.sh. The card has four functions. A guest
# numbers its buses itself, so these tests do not assert the guest's addresses. They assert that one more slot appears,
# and which functions it has.

KIND_CARD=${CARDS[0]}

# read_nics: sets NICS to the functions that the guest sees of cards like ours: (01:1f.0 01:1f.1)
read_nics() {
  local line
  NICS=()
  read_report
  for line in "${REPORT[@]}"; do
    [[ ! $line =~ ^PCI\ ([^ ]+)\ .*8086:10d3 ]] || NICS+=("${BASH_REMATCH[1]}")
  done
}

# nics_are FUNCTIONS: succeeds if the guest sees exactly these functions, all in one slot. FUNCTIONS is like "0 1 2 3".
nics_are() {
  local functions slots
  read_nics
  functions=("${NICS[@]##*.}") slots=("${NICS[@]%.*}")
  [[ "${functions[*]}" == "$1" && ${slots[*]//"${slots[0]:-}"/} =~ ^\ *$ ]]
}
no_nics() { read_nics; [[ ${#NICS[@]} == 0 ]]; }
# wait_nics CONDITION...: as wait_guest. If the wait fails, this prints what the guest sees.
wait_nics() { wait_guest "$@" || { diag "the guest sees: ${NICS[*]}"; return 1; }; }

# check_gone NAME: asserts that a detach or a rollback left nothing anywhere.
check_gone() {
  is "$(card_place $KIND_CARD)" out "$1: all functions are on their host driver, and neither libvirt nor QEMU has any"
  unlike "$(virsh dumpxml "$DOMAIN")" "urn:virt-mfplug" "$1: no record is left"
  passes "$1: the guest sees none of the functions" wait_nics no_nics
}

# check_attach NAME OPTIONS SLOT: attaches the whole card, and asserts that it is in that guest slot.
check_attach() {
  # shellcheck disable=SC2086 # OPTIONS are words
  runs 0 "$1: attach succeeds" virt-mfplug attach $2 "$DOMAIN" $KIND_CARD
  like "$output" "guest $3.0" "$1: attach: the card is in slot $3"
  passes "$1: attach: the guest sees all four functions in one slot" wait_nics nics_are "0 1 2 3"
}

# check_detach NAME: detaches the card, and asserts that nothing is left.
check_detach() {
  runs 0 "$1: detach succeeds" virt-mfplug detach "$DOMAIN" $KIND_CARD
  check_gone "$1: detach"
}

# check_whole_card NAME OPTIONS SLOT: attaches and detaches the whole card.
check_whole_card() {
  check_attach "$@"
  check_detach "$1"
}

# check_partial_card NAME OPTIONS SLOT: attaches functions 0 and 2 with 1 and 3 unassigned, and detaches the card.
check_partial_card() {
  # shellcheck disable=SC2086
  runs 0 "$1: partial: attach succeeds" virt-mfplug attach --functions 0,2 --rest unassigned $2 "$DOMAIN" $KIND_CARD
  like "$output" "guest $3.2" "$1: partial: the functions are in slot $3"
  passes "$1: partial: the guest sees exactly two functions" wait_nics nics_are "0 2"
  check_detach "$1: partial"
}

# check_rollback NAME BUS SLOT: asserts that a failed attach is undone. QEMU refuses to queue a function, because the
# slot has a device that libvirt does not know.
check_rollback() {
  local address arguments
  address=$(printf '0x%x' "$((16#${3:8:2}))")
  arguments='{"driver":"virtio-rng-pci","id":"stranger","bus":"'"$2"'","addr":"'"$address"'"}'
  qmp '{"execute":"device_add","arguments":'"$arguments"'}' >/dev/null
  runs 1 "$1: rollback: attach fails, because QEMU refuses to queue" \
    virt-mfplug attach --slot "$3" "$DOMAIN" $KIND_CARD
  like "$errors" "Everything was undone" "$1: rollback: the message says that everything was undone"
  check_gone "$1: rollback"
  qmp '{"execute":"device_del","arguments":{"id":"stranger"}}' >/dev/null
  wait_for stranger_gone || diag "the stranger is still in QEMU"
}
stranger_gone() { [[ $(qemu_ids) != *stranger* ]]; }
