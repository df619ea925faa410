#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A few commands below valgrind, which alone shows the use of memory that was never written. What
# else it shows, the sanitizers show of all commands, and in a tenth of the time.
# shellcheck source=tests/cli/fake.sh
. "$(dirname "$0")/fake.sh"

# below_valgrind PROGRAM NAME: a script NAME that runs PROGRAM below valgrind. 99 is the exit
# status of an error that valgrind finds.
below_valgrind() {
  cat >"$scratch/$2" <<SH
#!/bin/sh
exec valgrind --quiet --error-exitcode=99 --leak-check=full \\
  --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \\
  "$1" "\$@"
SH
  chmod +x "$scratch/$2"
}

below_valgrind "$VIRT_MFPLUG" below-valgrind
below_valgrind "$VIRT_MFPLUG_ON_FAKE" below-valgrind-on-fake
VIRT_MFPLUG=$scratch/below-valgrind
VIRT_MFPLUG_ON_FAKE=$scratch/below-valgrind-on-fake

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

check "attach --dry-run" attach
check "attach --file --dry-run" attach_document
check "detach --dry-run" detach
check "list" list
check "list of a domain, as JSON" list_domain
check "an attach and a detach of a running guest" live
check "an attach that fails and is undone" undone
check "a detach that is refused" refusal
check "a wrong use" usage_error
finish
