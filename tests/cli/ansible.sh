#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests how the example for Ansible, docs/ansible, uses the program's answers.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# Ansible needs UTF-8.
LC_ALL=C.UTF-8
ANSIBLE_NOCOLOR=1
ANSIBLE_LOCALHOST_WARNING=0
PATH=$scratch/bin:$PATH
export LC_ALL ANSIBLE_NOCOLOR ANSIBLE_LOCALHOST_WARNING PATH

# The program, under the name by which the example calls it.
mkdir "$scratch/bin"
cat >"$scratch/bin/virt-mfplug" <<'SH'
#!/bin/sh
exec "$VIRT_MFPLUG" "$@"
SH
chmod +x "$scratch/bin/virt-mfplug"

# play CARDS WORD...: runs the example with CARDS, a list of mappings in YAML.
play() {
  cards=$1
  shift
  status=0
  ansible-playbook "$tests/../docs/ansible/playbook.yml" \
    -e "{mfplug_uri: '$uri', mfplug_cards: $cards}" "$@" \
    >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || status=$?
}

# answer STATUS JSON: replaces attach and detach for the rest of the test, since the
# test driver cannot plug. They write their words to $scratch/calls, print JSON and
# exit with STATUS.
answer() {
  rm -f "$scratch/calls"
  mkdir -p "$scratch/fake"
  cat >"$scratch/fake/virt-mfplug" <<SH
#!/bin/sh
case \$* in
  *' list '*) exec "$scratch/bin/virt-mfplug" "\$@" ;;
esac
echo "\$*" >>"$scratch/calls"
echo '$2'
exit $1
SH
  chmod +x "$scratch/fake/virt-mfplug"
  PATH=$scratch/fake:$PATH
}

# assert_recap COUNT...: the recap of the play has each COUNT, such as changed=1.
assert_recap() {
  for count in "$@"; do
    grep '^localhost  *:' "$scratch/stdout" | grep -qw -e "$count" || fail "the recap lacks $count"
  done
}

# assert_play CHANGED: the play succeeded, with CHANGED changes.
assert_play() {
  assert_status 0
  assert_recap "changed=$1" failed=0
}

# assert_failed MESSAGE: the play failed with MESSAGE.
assert_failed() {
  assert_status 2
  assert_stdout_has "FAILED! => {\"changed\": false, \"msg\": \"$1"
  assert_recap changed=0 failed=1
}

attached="[{domain: q35, device: '0000:01:00', state: attached}]"
detached="[{domain: q35, device: '0000:01:00', state: detached}]"

facts() {
  play '[]'
  assert_play 0
  assert_stdout_has '"msg": "0000:01:00 0000:08:10"'
}

would_attach() {
  play "$attached" --check
  assert_play 1
}

would_not_attach_again() {
  play "[{domain: card, device: '06:00.0,2', state: attached}]" --check
  assert_play 0
}

# The example looks by a dry run of a detach, which is refused here: the guest would
# also lose 06:00.2.
would_not_attach_a_part_again() {
  play "[{domain: card, device: '06:00.0', state: attached}]" --check
  assert_play 0
}

would_detach() {
  play "[{domain: card, device: '06:00', state: detached}]" --check
  assert_play 1
}

would_not_detach_what_is_not_there() {
  play "$detached" --check
  assert_play 0
}

would_be_refused() {
  play "[{domain: q35, device: '03:00.0', state: attached}]" --check
  assert_failed "refused, and nothing was touched: host function 0000:03:00.0 is a PCI bridge"
}

check_mode_only_looks() {
  for state in attached detached; do
    (
      answer 0 '<devices/>'
      play "[{domain: q35, device: '01:00', state: $state}]" --check
      assert_status 0
      grep -q -e "${state%ed} " "$scratch/calls" || fail "$state: not called"
      if grep -v -e --dry-run "$scratch/calls"; then
        fail "$state: called without --dry-run"
      fi
    )
  done
}

refused() {
  play "$attached"
  assert_failed "refused, and nothing was touched: libvirt's test driver cannot plug"
}

refused_before_others() {
  play "[{domain: nobody, device: '01:00', state: attached},
    {domain: q35, device: '01:00', state: detached}]"
  assert_failed "refused, and nothing was touched: no domain 'nobody'"
  assert_stdout_lacks "Detach the card"
}

changed() {
  answer 0 '{"schema": 1, "changed": true}'
  play "$attached"
  assert_play 1
  [ "$(cat "$scratch/calls")" = "--connect=$uri attach --format=json q35 0000:01:00" ] \
    || fail "the program was called with other words"
}

not_changed() {
  answer 0 '{"schema": 1, "changed": false}'
  play "$detached"
  assert_play 0
  [ "$(cat "$scratch/calls")" = "--connect=$uri detach --format=json q35 0000:01:00" ] \
    || fail "the program was called with other words"
}

undone() {
  answer 1 '{"schema": 1, "error": "it broke", "status": 1}'
  play "$attached"
  assert_failed "failed, and everything was undone: it broke"
}

pending() {
  answer 4 '{"schema": 1, "error": "the guest still has it", "status": 4}'
  play "$detached"
  assert_failed "pending: the guest has not acted in time; run this again to go on waiting: the guest still has it"
}

left() {
  answer 5 '{"schema": 1, "error": "it broke", "status": 5}'
  play "$attached"
  assert_failed "left neither as before nor as asked for; see: virt-mfplug recover: it broke"
}

wrong_state() {
  play "[{domain: q35, device: '01:00', state: gone}]"
  assert_failed "failed: "
  assert_stdout_has "has no attribute 'gone'"
}

check "a fact has the host's cards" facts
check "in check mode, an attach reports a change" would_attach
check "in check mode, an attach of what the domain has reports no change" would_not_attach_again
check "in check mode, an attach of a part of what the domain has reports no change" would_not_attach_a_part_again
check "in check mode, a detach reports a change" would_detach
check "in check mode, a detach of what the domain does not have reports no change" would_not_detach_what_is_not_there
check "in check mode, a refusal fails the play with its message" would_be_refused
check "in check mode, every call has --dry-run" check_mode_only_looks
check "a refusal fails the play with its message" refused
check "a refusal ends the play before the next card" refused_before_others
check "an attach that changes something reports a change" changed
check "a detach that changes nothing reports no change" not_changed
check "status 1 fails the play, and the message says that everything was undone" undone
check "status 4 fails the play, and the message says that the request is pending" pending
check "status 5 fails the play, and the message names recover" left
check "an unknown state fails the play" wrong_state
finish
