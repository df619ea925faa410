#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whole command lines that plug and unplug cards, on the fake libvirt.

# shellcheck source=tests/cli/fake.sh
. "$(dirname -- "$0")/fake.sh"

on_vfio="vfio-pci vfio-pci vfio-pci vfio-pci"
on_nic="nic nic nic nic"

# lines_of SLOT HOST GUEST...: prints the lines that list and the results have for functions.
# Host function 01:00.HOST is guest function GUEST, or unassigned if GUEST is "-".
lines_of() {
  slot=$1
  shift
  while [ $# -gt 0 ]; do
    case $2 in
      -) echo "  host 0000:01:00.$1  guest - (unassigned)" ;;
      *) echo "  host 0000:01:00.$1  guest 0000:$slot.$2" ;;
    esac
    shift 2
  done
}

# attaches "WORD..." SLOT HOST GUEST...: an attach with these words reports these functions,
# list shows them, and a detach restores the state before.
attaches() {
  new_host
  options=$1
  functions=$(shift && lines_of "$@")
  # shellcheck disable=SC2086 # words
  succeed attach $options
  assert_stdout "Attached to domain 'vm':
$functions"
  succeed list vm
  printf '%s\n' "$functions" | sed -e 's/- (unassigned)/-/' >"$scratch/wanted"
  sed -n -e 's/ *\(plugged\|unassigned\)$//p' "$scratch/stdout" \
    | diff -u "$scratch/wanted" - || fail "list shows something else"
  succeed detach vm 01:00
  assert_stdout "Detached from domain 'vm':
$functions"
  assert_as_before
}

whole() { attaches "vm 01:00" 03:00 0 0 1 1 2 2 3 3; }
live_form() { attaches "--live vm 01:00" 03:00 0 0 1 1 2 2 3 3; }
slot() { attaches "--slot 01:00 vm 01:00" 01:00 0 0 1 1 2 2 3 3; }

wait_for_guest() {
  new_host
  succeed attach --format json vm 01:00
  assert_json "'enumerate' not in [s['step'] for s in it['steps']]"
  new_host
  succeed attach --wait --format json vm 01:00
  assert_json "it['steps'][-1]['step'] == 'enumerate'"
}

# The document expects the functions on vfio-pci, and the option overrules it.
managed() {
  new_host
  succeed attach --dry-run vm 01:00
  sed 's/managed="yes"/managed="no"/' "$scratch/stdout" >"$scratch/card.xml"
  on_fake attach --file "$scratch/card.xml" vm
  assert_error_has 3 "use --managed yes, or virsh nodedev-detach first"
  succeed attach --managed yes --file "$scratch/card.xml" vm
  assert_drivers "$on_vfio"
}

mapped() { attaches "vm 01:00.3=0,01:00.0=1,01:00.1=2,01:00.2=7" 03:00 3 0 0 1 1 2 2 7; }
partial_rest() { attaches "--functions 0,2 --rest unassigned vm 01:00" 03:00 0 0 2 2 1 - 3 -; }
mapped_rest() { attaches "--rest unassigned vm 01:00.2=0,01:00.3=1" 03:00 2 0 3 1 0 - 1 -; }

# Functions 2 and 3 have no host driver, so they may stay on the host.
partial() {
  sed 's/^\(pci_0000_01_00_[23]\) nic/\1 -/' "$tests/data/fake/host.drivers" >"$scratch/part.drivers"
  cp "$tests/data/fake/host.xml" "$scratch/part.xml"
  load_host "$scratch/part.xml"
  succeed attach --functions 0-1 vm 01:00
  assert_stdout "Attached to domain 'vm':
$(lines_of 03:00 0 0 1 1)"
  assert_drivers "vfio-pci vfio-pci - -"
  succeed detach vm 01:00.0-1
  assert_as_before
}

single() {
  new_host
  succeed attach --rest unassigned vm 01:00.0
  assert_stdout "Attached to domain 'vm':
$(lines_of 03:00 0 0 1 - 2 - 3 -)"
}

takes_all_from_the_host() {
  plugged_host
  assert_drivers "$on_vfio"
  assert_drivers "$on_nic" 02_00
  assert_slot vm "0000:03:00  4 functions
$(lines_of 03:00 0 0 1 1 2 2 3 3 | sed 's/$/  plugged/')"
}

# assert_refused MESSAGE: the command was refused with MESSAGE, and nothing changed.
assert_refused() {
  assert_error 3 "$1"
  assert_as_before
}

already() {
  plugged_host
  remember
  succeed attach vm 01:00
  assert_stdout "Already attached to domain 'vm':
$(lines_of 03:00 0 0 1 1 2 2 3 3)"
  assert_as_before
  succeed attach --format json vm 01:00
  assert_json "not it['changed'] and [s['step'] for s in it['steps']] == ['verify']"
}

detached_already() {
  new_host
  succeed detach vm 01:00
  assert_stdout "None of these functions is attached to domain 'vm'."
  assert_as_before
}

part_of_it() {
  plugged_host
  remember
  on_fake detach vm 01:00.1
  assert_status 3
  assert_stderr_has "the slot also holds 0000:01:00."
  assert_as_before
}

other_part() {
  plugged_host
  remember
  on_fake attach vm 01:00.1=0,01:00.0=1,01:00.2=2,01:00.3=3
  assert_status 3
  assert_stderr_has "the running domain 'vm' has only a part of the card, or has it in another place"
  assert_as_before
}

elsewhere() {
  plugged_host
  remember
  on_fake attach --slot 02:00 vm 01:00
  assert_refused "the card is attached in another guest slot, 0000:03:00; detach it first"
}

occupied() {
  plugged_host
  remember
  on_fake attach --slot 03:00 vm 02:00
  assert_status 3
  assert_stderr_has "guest slot 0000:03:00 (pcie-root-port) of domain 'vm' cannot be used: hostdev"
  assert_as_before
}

# The document of a dry run attaches the card, and the document of a detach detaches it.
round_trip() {
  new_host
  succeed attach --dry-run --functions 0,2 --rest unassigned --slot 02:00 vm 01:00
  cp "$scratch/stdout" "$scratch/card.xml"
  assert_as_before
  succeed attach --file "$scratch/card.xml" vm
  assert_stdout "Attached to domain 'vm':
$(lines_of 02:00 0 0 2 2 1 - 3 -)"
  succeed detach --dry-run vm 01:00
  cp "$scratch/stdout" "$scratch/card.xml"
  succeed detach --file "$scratch/card.xml" vm
  assert_as_before
  succeed attach --file "$scratch/card.xml" vm
  assert_stdout "Attached to domain 'vm':
$(lines_of 02:00 0 0 2 2 1 - 3 -)"
}

# Prints the persistent XML of the domain, as the fake writes it.
next_start() {
  sed -n '/<fake:config>/,/<\/fake:config>/p' "$FAKE_LIBVIRT"
}

# assert_next_start COUNT: the persistent XML has COUNT functions of the card.
assert_next_start() {
  found=$(next_start | grep -c '<hostdev ') || true
  [ "$found" -eq "$1" ] || fail "the persistent XML has $found functions, not $1"
}

persistent() {
  new_host
  succeed attach --persistent --slot 02:00 vm 01:00
  assert_next_start 4
  next_start | grep -q 'bus="0x02" slot="0x00" function="0x0" multifunction="on"' \
    || fail "the persistent XML does not have the slot"
  assert_drivers "$on_vfio"
  succeed attach --persistent vm 01:00
  assert_stdout_has "Already attached to domain 'vm':"
  succeed detach --persistent vm 01:00
  assert_as_before
}

config() {
  new_host
  succeed attach --config vm 01:00
  assert_next_start 4
  assert_drivers "$on_nic"
  succeed detach --config vm 01:00
  assert_as_before
}

live_then_config() {
  plugged_host
  succeed attach --persistent vm 01:00
  assert_next_start 4
  succeed detach --live vm 01:00
  assert_next_start 4
  assert_drivers "$on_nic"
}

# The alias of the live card is not the one that the person asks for.
alias_for_the_next_start() {
  plugged_host
  on_fake attach --dry-run --config vm 01:00
  sed '1,/<\/source>/s,</source>,&<alias name="ua-mine"/>,' "$scratch/stdout" >"$scratch/card.xml"
  succeed attach --persistent --slot 03:00 --file "$scratch/card.xml" vm
  next_start >"$scratch/next"
  [ "$(grep -c '<alias name="ua-' "$scratch/next")" -eq 1 ] \
    || fail "the persistent XML has another alias"
  grep -q '<alias name="ua-mine"/>' "$scratch/next" || fail "the persistent XML lacks the alias"
}

# In such a domain libvirt gives QEMU no access to the VFIO group of a function, unless the
# function says that it does without IOMMUFD.
iommufd_domain() {
  new_host
  edit_state -e 's,^\( *\)<name>vm</name>,&\n\1<iommufd enabled="yes"/>,'
  remember
  succeed attach --dry-run vm 01:00
  [ "$(grep -c '<driver iommufd="no"/>' "$scratch/stdout")" -eq 4 ] || fail "the dry run differs"
  cp "$scratch/stdout" "$scratch/card.xml"
  succeed attach --dry-run --config vm 01:00
  assert_stdout_lacks iommufd
  succeed attach --file "$scratch/card.xml" vm
  succeed detach vm 01:00
  succeed attach vm 01:00
  succeed detach vm 01:00
  assert_as_before
}

# A user's own libvirt does not run as root. The tests may run as root, whose own libvirt on the
# local host is that of the system.
session() {
  new_host
  uri=qemu+ssh://host.example/session
  on_fake -c $uri attach vm 01:00
  assert_error 3 "host function 0000:01:00.0 cannot be taken from nic: a user's own libvirt (qemu:///session) does not run as root; use qemu:///system (-c)"
  on_fake -c $uri attach --dry-run vm 01:00
  assert_status 0
  succeed -c $uri attach --config vm 01:00
  succeed -c $uri detach --config vm 01:00
  assert_as_before
}

# Two domains, and each has its own card.
two_domains() {
  plugged_host
  on_fake attach other 01:00
  assert_error 3 "host function 0000:01:00.0 is attached to domain 'vm'; detach it there first"
  succeed attach other 02:00
  assert_drivers "$on_vfio" 02_00
  succeed list
  assert_stdout_has "'vm' at 0000:03:00.3"
  assert_stdout_has "'other' at 0000:03:00.3"
  succeed detach vm 01:00
  succeed list other
  assert_stdout_has "0000:03:00  4 functions"
  succeed detach other 02:00
  assert_as_before
}

# Two cards of one domain, detached in the order of their attach.
two_cards() {
  plugged_host
  succeed attach vm 02:00
  assert_stdout_has "  host 0000:02:00.0  guest 0000:02:00.0"
  on_fake detach vm 01:00 02:00
  assert_status 3
  assert_stderr_has "detach one slot at a time"
  succeed detach vm 01:00
  assert_drivers "$on_vfio" 02_00
  succeed detach vm 02:00
  assert_as_before
}

by_id_and_uuid() {
  new_host
  succeed attach 1 01:00
  uuid=$(sed -n 's,^    <uuid>\(.*\)</uuid>,\1,p' "$FAKE_LIBVIRT" | head -n 1)
  succeed detach "$uuid" 01:00
  assert_stdout_has "Detached from domain 'vm':"
  assert_as_before
}

check "a whole card is attached and detached" whole
check "--live changes the running domain" live_form
check "--slot chooses the guest slot" slot
check "--wait attaches the card and waits for the guest" wait_for_guest
check "--managed yes takes the functions of a document with managed=no from the host" managed
check "a mapping chooses the guest functions" mapped
check "--functions with --rest unassigned attaches the others as unassigned" partial_rest
check "a mapping with --rest unassigned attaches the others as unassigned" mapped_rest
check "--functions leaves the others on the host if they have no driver" partial
check "a single function is attached with the others as unassigned" single
check "all functions of the card are taken from the host, and none of another card" takes_all_from_the_host
check "a second attach says that the card is attached already" already
check "a detach of nothing succeeds" detached_already
check "the detach of a part is refused" part_of_it
check "an attach with another mapping is refused" other_part
check "an attach to another slot is refused" elsewhere
check "an attach to an occupied slot is refused" occupied
check "--file takes what --dry-run prints" round_trip
check "--persistent changes the running domain and its persistent XML" persistent
check "--config changes the persistent XML only" config
check "--persistent completes a live attach, and detach --live keeps the persistent XML" live_then_config
check "--persistent after a live attach writes the alias of the document" alias_for_the_next_start
check "in a domain with IOMMUFD the functions go without it" iommufd_domain
check "qemu:///session cannot take functions from the host" session
check "two domains may have a card each" two_domains
check "one domain may have two cards" two_cards
check "a domain may be named by its id and by its UUID" by_id_and_uuid
finish
