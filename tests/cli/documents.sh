#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests --file: it reads what --dry-run prints, and refuses wrong documents.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# save_document WORD...: saves the document that a dry run of an attach prints.
save_document() {
  run attach --dry-run "$@"
  assert_done
  cp "$scratch/stdout" "$scratch/document.xml"
}

# round_trip WORD...: --file reads the document of an attach from a file and from
# standard input, and the document comes back the same.
round_trip() {
  save_document "$@"
  run attach --dry-run --file "$scratch/document.xml" "$1"
  assert_done
  diff -u "$scratch/document.xml" "$scratch/stdout"
  input=$scratch/document.xml
  run attach --dry-run --file - "$1"
  assert_done
  diff -u "$scratch/document.xml" "$scratch/stdout"
  input=
}

whole() { round_trip q35 01:00; }
partial() { round_trip q35 01:00.0,2 --rest unassigned; }
mapped() { round_trip q35 01:00.1=0,01:00.3=1; }
packed() { round_trip q35 02:00.1 01:00.3 02:00.0; }
large_domain() { round_trip off 10000:e1:00.0; }
config() { round_trip off 01:00 --managed no; }
config_port() { round_trip off-full 01:00; }
present() { round_trip card 06:00.0,2 --rest unassigned; }

odd_file_name() {
  save_document q35 01:00
  mkdir "$scratch/a b"
  mv "$scratch/document.xml" "$scratch/a b/it's ä.xml"
  run attach --dry-run q35 --file "$scratch/a b/it's ä.xml"
  assert_golden whole.xml
}

# devices ELEMENT...: makes a document of these elements, one a line.
devices() {
  printf '%s\n' '<devices>' "$@" '</devices>' >"$scratch/document.xml"
}

# hostdev FUNCTION CHILDREN: prints the hostdev of function 01:00.FUNCTION.
hostdev() {
  printf "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x01' slot='0x00' function='0x%s'/></source>%s</hostdev>\n" "$1" "$2"
}

edited_slot() {
  save_document q35 01:00
  sed -i 's/bus="0x04"/bus="0x03"/' "$scratch/document.xml"
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_golden slot.xml
}

slot_option_wins() {
  save_document q35 01:00
  run attach --dry-run q35 --file "$scratch/document.xml" --slot 03:00
  assert_golden slot.xml
}

no_addresses() {
  devices "$(hostdev 0 '')" "$(hostdev 2 '')"
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_golden partial.xml
}

tuned() {
  devices \
    "$(hostdev 0 "<alias name='ua-gpu'/><rom bar='off' file='/a &amp; b.rom'/><boot order='2'/>")" \
    "$(hostdev 1 "<rom enabled='no'/>")"
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_golden tuned.xml
}

managed_option_wins() {
  devices "$(hostdev 0 '')"
  run attach --dry-run off --managed no --file "$scratch/document.xml"
  assert_done
  assert_stdout_has 'managed="no"'
  assert_stdout_lacks 'managed="yes"'
}

occupied_slot() {
  devices "$(hostdev 0 "<address type='pci' bus='1' slot='0' function='0'/>")"
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_error 3 "guest slot 0000:01:00 (pcie-root-port) of domain 'q35' cannot be used: interface is there"
}

# port INDEX: prints the controller of a port.
port() {
  echo "<controller type='pci' index='$1' model='pcie-root-port'><model name='pcie-root-port'/><target chassis='$1' port='$1'/></controller>"
}

# port_document INDEX: makes a document of a port and of a function behind it.
port_document() {
  devices "$(port "$1")" "$(hostdev 0 "<address type='pci' bus='$1' slot='0' function='0'/>")"
}

port_live() {
  port_document 6
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_error 3 "a pcie-root-port with index 6 cannot be added to domain 'q35' while it runs: use --config"
}

port_of_wrong_index() {
  port_document 3
  run attach --dry-run off-full --file "$scratch/document.xml"
  assert_error 3 "a pcie-root-port with index 3 cannot be added to domain 'off-full'"
}

# The card would be on another bus than the port, on a bus that does not exist.
port_of_another_slot() {
  port_document 2
  run attach --dry-run off-full --slot 09:00 --file "$scratch/document.xml"
  assert_error_has 3 "off-full"
}

# The domain has the port already, so no port is added.
port_that_is_there() {
  port_document 2
  run attach --dry-run off --file "$scratch/document.xml"
  assert_done
  assert_stdout_has 'bus="0x02" slot="0x00" function="0x0"'
  assert_stdout_lacks '<controller'
}

port_of_present_card() {
  devices "$(port 1)" "$(hostdev 0 "<address type='pci' bus='1' slot='0' function='0'/>")" \
    "$(hostdev 1 "<address type='pci' bus='1' slot='0' function='1'/>")"
  sed -i "s/bus='0x01'/bus='0x06'/" "$scratch/document.xml"
  run attach --dry-run off-card --file "$scratch/document.xml"
  assert_golden present-config.xml
}

absent_function() {
  hostdev 7 "<address type='pci' bus='4' slot='0' function='0'/>" >"$scratch/document.xml"
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_error 3 "host function 0000:01:00.7 does not exist"
}

no_file() {
  run attach --dry-run q35 --file "$scratch/none.xml"
  assert_error_has 3 "none.xml"
  assert_stderr_has "No such file or directory"
}

a_directory() {
  run attach --dry-run q35 --file "$scratch"
  assert_error_has 3 "$scratch"
}

empty_input() {
  run attach --dry-run q35 --file -
  assert_error_has 3 "standard input:"
}

broken() {
  printf '<devices>\n<hostdev>\n' >"$scratch/document.xml"
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_error_has 3 "$scratch/document.xml:3: not well-formed XML"
}

entity() {
  printf '%s\n' "<!DOCTYPE d [<!ENTITY e SYSTEM '$scratch/host.xml'>]><devices>&e;" \
    "$(hostdev 0 '')" '</devices>' >"$scratch/document.xml"
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_error 3 "$scratch/document.xml:1: a document type declaration is not accepted"
}

bad_line() {
  devices "$(hostdev 0 '')" "$(hostdev 1 "<teaming type='transient'/>")"
  input=$scratch/document.xml
  run attach --dry-run q35 --file -
  assert_error 3 "standard input:3: <teaming> of a multifunction card is not supported"
}

too_large() {
  devices "$(hostdev 0 '')" "$(head -c 2000000 /dev/zero | tr '\0' ' ')"
  run attach --dry-run q35 --file "$scratch/document.xml"
  assert_error 3 "$scratch/document.xml:1: the document has more than 1048576 bytes"
}

# The program stops reading, which ends the writer with SIGPIPE (128 + 13).
endless_input() {
  status=0
  {
    writer=0
    head -c 100000000 /dev/zero || writer=$?
    echo "$writer" >"$scratch/writer"
  } | "$VIRT_MFPLUG" -c "$uri" attach --dry-run q35 --file - \
    >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
  assert_error 3 "standard input:1: the document has more than 1048576 bytes"
  [ "$(cat "$scratch/writer")" -eq 141 ] || fail "100 megabytes were read"
}

detach_document() {
  save_document --rest unassigned card 06:00.0,2
  run detach --dry-run card --file "$scratch/document.xml"
  assert_golden detach-card.xml
  input=$scratch/document.xml
  run detach --dry-run card --file -
  assert_golden detach-card.xml
}

detach_part_of_document() {
  hostdev 0 '' | sed "s/bus='0x01'/bus='0x06'/" >"$scratch/document.xml"
  run detach --dry-run card --file "$scratch/document.xml"
  assert_error 3 "the slot also holds 0000:06:00.2, which you did not name and which would be detached too; name every function in the slot, or the whole device"
}

check "a whole card comes back the same" whole
check "a part and its rest come back the same" partial
check "a mapping comes back the same" mapped
check "packed devices come back the same" packed
check "a large PCI domain comes back the same" large_domain
check "an unmanaged card comes back the same" config
check "a planned port comes back the same" config_port
check "an attached card comes back the same" present
check "a file may have an odd name" odd_file_name
check "a slot may be edited" edited_slot
check "--slot overrides the slot of the document" slot_option_wins
check "functions without guest addresses keep their numbers and get a free slot" no_addresses
check "alias, ROM and boot order are kept" tuned
check "--managed overrides the document" managed_option_wins
check "an occupied slot is refused" occupied_slot
check "a port for a running domain is refused" port_live
check "a port with a wrong index is refused" port_of_wrong_index
check "a port is refused if --slot names another bus" port_of_another_slot
check "a port that the domain has is not added again" port_that_is_there
check "an attached card needs no port" port_of_present_card
check "an absent function is refused" absent_function
check "an absent file is refused" no_file
check "a directory is refused" a_directory
check "empty standard input is refused" empty_input
check "broken XML is refused with its line" broken
check "an external entity is refused" entity
check "an unsupported element is refused with its line" bad_line
check "more than a megabyte is refused" too_large
check "endless standard input is refused" endless_input
check "detach accepts the document of the attach" detach_document
check "detach refuses a document that names only a part" detach_part_of_document
finish
