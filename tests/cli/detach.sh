#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# detach: what would go, and what is refused.
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

# The record knows that 06:00.2 is shown, though libvirt has it unassigned.
part() {
  run detach --dry-run card 06:00.0
  assert_error_has 3 "the slot also holds 0000:06:00.2, which you did not name"
  assert_stderr_has "name every function in the slot, or the whole device"
}

exposed_sibling() {
  run detach --dry-run card 06:00.2
  assert_error_has 3 "the slot also holds 0000:06:00.0, which you did not name"
}

# Leftovers are not in the slot: the guest does not lose them.
shown_ones() {
  run detach --dry-run card 06:00.0,2
  assert_done
  assert_stdout_has 'function="0x0" multifunction="on"'
  assert_stdout_has 'function="0x2"'
}

# It shares an IOMMU group with what the guest has, so the host cannot have it
# back on its own.
leftover() {
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

# Of an attach that was interrupted there is only the record.
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
  assert_stderr_lacks "0000:06:00.2" # a leftover
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

check "a whole card, leftovers included" whole
check "all functions by name" all_functions
check "function 0 alone is refused, and what would go along is listed" part
check "a shown sibling alone is refused" exposed_sibling
check "the shown functions without the leftovers" shown_ones
check "a leftover alone is refused" leftover
check "a single function" single
check "functions in several slots are refused" several_slots
check "functions of several attaches are refused, though nothing is in a slot yet" several_records
check "from the persistent XML" config
check "a part of the persistent XML's slot is refused" config_part
check "what an interrupted attach wrote down" interrupted
check "nothing to detach is no failure" nothing_there
check "nothing to detach, as JSON" nothing_there_json
check "nothing to detach, quietly" nothing_there_quiet
check "no such domain" no_such_domain
check "--live on a shut-off domain" live_on_shut_off
check "a driver that cannot plug" driver_cannot_plug
finish
