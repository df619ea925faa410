#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a few commands under valgrind, because only valgrind finds the use of memory that was never
# written. The sanitizers find all its other errors, in all commands and in a tenth of the time.
# shellcheck source=tests/cli/fake.sh
. "$(dirname "$0")/fake.sh"

# under_valgrind PROGRAM NAME: makes a script NAME that runs PROGRAM under valgrind. The script
# exits with status 99 if valgrind finds an error.
under_valgrind() {
  cat >"$scratch/$2" <<SH
#!/bin/sh
exec valgrind --quiet --error-exitcode=99 --leak-check=full \\
  --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \\
  "$1" "\$@"
SH
  chmod +x "$scratch/$2"
}

under_valgrind "$VIRT_MFPLUG" under-valgrind
under_valgrind "$VIRT_MFPLUG_ON_FAKE" under-valgrind-on-fake
VIRT_MFPLUG=$scratch/under-valgrind
VIRT_MFPLUG_ON_FAKE=$scratch/under-valgrind-on-fake

attach() {
  run attach --dry-run q35 01:00
  assert_golden whole.xml
}

attach_document() {
  run attach --dry-run q35 --file "$golden_dir/tuned.xml"
  assert_golden tuned.xml
}

detach() {
  run detach --dry-run card 06:00
  assert_golden detach-card.xml
}

list() {
  run list
  assert_golden_text list-cards.txt
}

list_domain() {
  run list --format json card
  assert_golden_text list-domain.json
}

live() {
  new_host
  succeed attach vm 01:00
  succeed detach vm 01:00
}

undone() {
  new_host
  with_faults device_add#2=error-before attach --format json vm 01:00
  assert_status 1
  assert_stderr_has "Everything was undone."
}

refusal() {
  run detach --dry-run card 06:00.0
  assert_error_has 3 "the slot also holds 0000:06:00.2"
}

usage_error() {
  run_bare attach x 01:00 --rest drop
  assert_error 2 "--rest takes keep or unassigned, not 'drop'"
}

check "attach --dry-run is clean" attach
check "attach --file --dry-run is clean" attach_document
check "detach --dry-run is clean" detach
check "list is clean" list
check "list of a domain as JSON is clean" list_domain
check "an attach and a detach of a running guest are clean" live
check "an attach that fails and is undone is clean" undone
check "a detach that is refused is clean" refusal
check "a usage error is clean" usage_error
finish
