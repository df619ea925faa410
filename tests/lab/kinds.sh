# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What is shown of each kind of machine and bus: source /lab/kinds.sh after lib.sh. The card has four functions.
# The guest gives buses numbers of its own, so its view is told by what appears: one slot more, with certain functions.

KIND_CARD=${CARDS[0]}

# nics: sets NICS to the functions of cards like ours that the guest sees: (01:1f.0 01:1f.1)
nics() {
  local line
  NICS=()
  read_report
  for line in "${REPORT[@]}"; do
    [[ ! $line =~ ^PCI\ ([^ ]+)\ .*8086:10d3 ]] || NICS+=("${BASH_REMATCH[1]}")
  done
}

# sees FUNCTIONS: whether the guest sees one slot with exactly these functions, as in "0 1 2 3"
sees() {
  local functions slots
  nics
  functions=("${NICS[@]##*.}") slots=("${NICS[@]%.*}")
  [[ "${functions[*]}" == "$1" && ${slots[*]//"${slots[0]:-}"/} =~ ^\ *$ ]]
}
sees_none() { nics; [[ ${#NICS[@]} == 0 ]]; }
# comes_to CONDITION...: wait_guest, which tells in vain what the guest sees
comes_to() { wait_guest "$@" || { diag "the guest sees: ${NICS[*]}"; return 1; }; }

# gone NAME: after a detach or a rollback nothing is left anywhere
gone() {
  is "$(card_place $KIND_CARD)" out "$1: all functions are back on their host driver, libvirt and QEMU have none"
  unlike "$(virsh dumpxml "$DOMAIN")" "urn:virt-mfplug" "$1: no record is left"
  passes "$1: the guest sees none" comes_to sees_none
}

# plug_card NAME OPTIONS SLOT: attach of the whole card, which comes into that guest slot
plug_card() {
  # shellcheck disable=SC2086 # words
  runs 0 "$1: attach" virt-mfplug attach $2 "$DOMAIN" $KIND_CARD
  like "$output" "guest $3.0" "$1: attach: into $3"
  passes "$1: attach: the guest sees all four functions in one slot" comes_to sees "0 1 2 3"
}

# unplug_card NAME
unplug_card() {
  runs 0 "$1: detach" virt-mfplug detach "$DOMAIN" $KIND_CARD
  gone "$1: detach"
}

# whole_card NAME OPTIONS SLOT: attach and detach of the whole card
whole_card() {
  plug_card "$@"
  unplug_card "$1"
}

# partial_card NAME OPTIONS SLOT: functions 0 and 2 shown, 1 and 3 held
partial_card() {
  # shellcheck disable=SC2086
  runs 0 "$1: partial" virt-mfplug attach --functions 0,2 --rest unassigned $2 "$DOMAIN" $KIND_CARD
  like "$output" "guest $3.2" "$1: partial: into $3"
  passes "$1: partial: the guest sees exactly two functions" comes_to sees "0 2"
  unplug_card "$1: partial"
}

# rolled_back NAME BUS SLOT: QEMU refuses the queue, as somebody put a device there behind libvirt's back
rolled_back() {
  local address
  address=$(printf '0x%x' "$((16#${3:8:2}))")
  qmp '{"execute":"device_add","arguments":{"driver":"virtio-rng-pci","id":"stranger","bus":"'"$2"'","addr":"'"$address"'"}}' >/dev/null
  runs 1 "$1: rollback: QEMU refuses to queue" virt-mfplug attach --slot "$3" "$DOMAIN" $KIND_CARD
  like "$errors" "Everything was undone" "$1: rollback: says so"
  gone "$1: rollback"
  qmp '{"execute":"device_del","arguments":{"id":"stranger"}}' >/dev/null
  wait_for stranger_left || diag "the stranger stays"
}
stranger_left() { [[ $(qemu_ids) != *stranger* ]]; }
