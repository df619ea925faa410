#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests detach: which functions would leave the guest, and what is refused.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

whole() {
  run detach --dry-run card 06:00
  assert_golden detach-card.xml
}

all_functions() {
  run detach --dry-run card 06:00.3,0-2
  assert_golden detach-card.xml
}

# The record says that the guest sees 06:00.2, although libvirt has it as unassigned.
part() {
  run detach --dry-run card 06:00.0
  assert_error_has 3 "the slot also holds 0000:06:00.2, which you did not name"
  assert_stderr_has "name every function in the slot, or the whole device"
}

exposed_sibling() {
  run detach --dry-run card 06:00.2
  assert_error_has 3 "the slot also holds 0000:06:00.0, which you did not name"
}

# Unassigned functions are not in the slot, so the guest does not lose them.
shown_ones() {
  run detach --dry-run card 06:00.0,2
  assert_done
  assert_stdout_has 'function="0x0" multifunction="on"'
  assert_stdout_has 'function="0x2"'
}

# The guest has other functions of its IOMMU group, so it cannot be reattached alone.
unassigned() {
  run detach --dry-run card 06:00.1
  assert_error_has 3 "0000:06:00.0"
  assert_stderr_has "0000:06:00.2"
}

single() {
  run detach --dry-run card 02:00
  assert_golden detach-single.xml
}

several_slots() {
  run detach --dry-run card 06:00 02:00
  assert_error 3 "the functions named are in several guest slots: 0000:06:00.2 at 0000:02:00.2, 0000:06:00.0 at 0000:02:00.0, 0000:02:00.0 at 0000:03:00.0; detach one slot at a time"
}

# An interrupted attach may leave only its record.
several_records() {
  cp "$scratch/host.xml" "$scratch/kept.xml"
  sed 's,^\( *\)\(<mfplug:card .*\)0011223344556677" slot="0000:02:00">,\1\28899aabbccddeeff" slot="0000:01:00"><mfplug:function host="0000:01:00.0" guest="0" alias="ua-mfplug-0000-01-00-0" taken="yes"/></mfplug:card>\n&,' \
    "$scratch/kept.xml" >"$scratch/host.xml"
  run detach --dry-run interrupted 06:00 01:00
  mv "$scratch/kept.xml" "$scratch/host.xml"
  assert_error 3 "the functions named are of the guest slots 0000:01:00 and 0000:02:00; detach one slot at a time"
}

config() {
  run detach --dry-run off-card 06:00
  assert_golden detach-config.xml
  run detach --dry-run --config off-card 06:00
  assert_golden detach-config.xml
}

config_part() {
  run detach --dry-run --config off-card 06:00.0
  assert_error_has 3 "0000:06:00.1"
  assert_stderr_lacks "0000:06:00.2" # which is unassigned
}

interrupted() {
  run detach --dry-run interrupted 06:00
  assert_golden detach-interrupted.xml
}

nothing_there() {
  run detach q35 01:00
  assert_done
  assert_stdout "None of these functions is attached to domain 'q35'."
}

nothing_there_json() {
  run detach --format json q35 01:00
  assert_done
  assert_json 'it == {"schema": 1, "command": "detach", "domain": "q35", "changed": False,
    "slot": None, "functions": [], "steps": [], "warnings": []}'
}

nothing_there_quiet() {
  run --quiet detach q35 01:00
  assert_done
  assert_stdout_empty
}

no_such_domain() {
  run detach --dry-run nobody 01:00
  assert_error_has 3 "no domain 'nobody': libvirt says: Domain not found"
}

live_on_shut_off() {
  run detach --dry-run --live off-card 06:00
  assert_error 3 "domain 'off-card' is not running, so there is nothing to change live; --config affects its next start"
}

driver_cannot_plug() {
  run detach --config off-card 06:00
  assert_error 3 "libvirt's test driver cannot plug a multifunction card; QEMU's driver can. --dry-run works here"
}

check "a whole card is detached with its unassigned functions" whole
check "naming all functions detaches the whole card" all_functions
check "function 0 alone is refused, and the message lists what would leave with it" part
check "a shown sibling alone is refused" exposed_sibling
check "the shown functions are detached without the unassigned ones" shown_ones
check "an unassigned function alone is refused" unassigned
check "a single function is detached" single
check "functions in several slots are refused" several_slots
check "functions of several attaches are refused, although no slot has them yet" several_records
check "a card is detached from the persistent XML" config
check "a part of the persistent XML's slot is refused" config_part
check "an interrupted attach is detached as its record says" interrupted
check "a detach of nothing succeeds" nothing_there
check "a detach of nothing is reported as JSON" nothing_there_json
check "--quiet prints nothing for a detach of nothing" nothing_there_quiet
check "an unknown domain is refused" no_such_domain
check "--live is refused for a shut-off domain" live_on_shut_off
check "a libvirt driver that cannot plug is refused" driver_cannot_plug
finish
