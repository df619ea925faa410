#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests what the program reports while a command runs.

# shellcheck source=tests/cli/fake.sh
. "$(dirname -- "$0")/fake.sh"

escape=$(printf '\033')

# on_terminal VARIABLE=VALUE... -- WORD...: does what on_fake does, with standard error on a
# terminal.
on_terminal() {
  status=0
  python3 -c '
import os, pty, sys
split = sys.argv.index("--")
environment = dict(word.split("=", 1) for word in sys.argv[1:split])
master, slave = pty.openpty()
pid = os.fork()
if pid == 0:
    os.close(master)
    os.dup2(slave, 2)
    os.close(slave)
    os.environ.pop("NO_COLOR", None)
    os.environ.update(environment)
    program = os.environ["VIRT_MFPLUG_ON_FAKE"]
    os.execvp(program, [program] + sys.argv[split + 1:])
os.close(slave)
try:
    while data := os.read(master, 4096):
        sys.stderr.buffer.write(data.replace(b"\r\n", b"\n"))
except OSError: # the other end is closed
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
' "$@" </dev/null >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
}

fault=virNodeDeviceDetachFlags#2=error-before
reason="cannot take 0000:01:00.1 from its host driver: libvirt says: internal error: injected failure
Everything was undone."

# attach_on VARIABLE=VALUE... -- OPTION...: runs an attach that fails, on a terminal.
attach_on() {
  new_host
  on_terminal "FAKE_FAULTS=$fault" "$@" attach vm 01:00
}

# assert_line PATTERN: standard error has a line that PATTERN matches.
assert_line() {
  grep -qx -e "$1" "$scratch/stderr" || fail "stderr has no line: $1"
}

no_terminal() {
  new_host
  with_faults "$fault" attach vm 01:00
  assert_error 1 "$reason"
}

terminal() {
  attach_on TERM=xterm --
  assert_status 1
  assert_stdout_empty
  assert_stderr_has "${escape}[K  take 0000:01:00.0 from its host driver: done after 0."
  assert_stderr_has "${escape}[K  take 0000:01:00.1 from its host driver: ${escape}[1;31mfailed${escape}[0m after 0."
  assert_stderr_has "${escape}[K  (back) reattach 0000:01:00.0 to its host driver: done after 0."
  assert_stderr_has "virt-mfplug: ${escape}[1;31merror:${escape}[0m $reason"
}

# While the guest takes its time, the line of the step shows the time and its limit.
waiting() {
  plugged_host
  on_terminal "FAKE_FAULTS=virDomainDetachDeviceAlias#1=silent-guest" TERM=xterm NO_COLOR=1 -- \
    detach --timeout 20 vm 01:00
  assert_status 4
  assert_stderr_has "${escape}[K  remove the card from the guest (0 s of 20 s)"
  assert_stderr_has "${escape}[K  remove the card from the guest: failed after 0."
}

no_colour() {
  attach_on TERM=xterm NO_COLOR=1 --
  assert_status 1
  assert_stderr_has "${escape}[K  take 0000:01:00.1 from its host driver: failed after 0."
  assert_stderr_lacks "${escape}[1"
  assert_stderr_has "virt-mfplug: error: $reason"
}

empty_no_colour() {
  attach_on TERM=xterm NO_COLOR= --
  assert_stderr_has "${escape}[1;31merror:"
}

dumb() {
  attach_on TERM=dumb --
  assert_error 1 "$reason"
}

quiet() {
  attach_on TERM=xterm NO_COLOR=1 -- --quiet
  assert_error 1 "$reason"
}

quiet_success() {
  new_host
  succeed --quiet attach vm 01:00
  assert_stdout_empty
  assert_drivers "vfio-pci vfio-pci vfio-pci vfio-pci"
}

verbose() {
  attach_on TERM=xterm NO_COLOR=1 -- --verbose
  assert_status 1
  assert_stderr_lacks "$escape"
  assert_line 'virt-mfplug: take 0000:01:00.1 from its host driver'
  assert_line 'virt-mfplug: (back) reattach 0000:01:00.0 to its host driver'
  assert_line 'virt-mfplug:   virConnectOpenAuth: [0-9]*\.[0-9][0-9][0-9] s'
  assert_line 'virt-mfplug:   virNodeDeviceDetachFlags pci_0000_01_00_1: [0-9]*\.[0-9][0-9][0-9] s'
}

# assert_reported TEXT: --verbose has reported these steps, and these calls that change
# something. Repeated lines are left out.
assert_reported() {
  sed -n -e 's/^virt-mfplug: //' -e 's/: [0-9.]* s$//' -e 's/{"execute":"\([^"]*\)".*/\1/' \
    -e '/^  .*\(Get\|Lookup\|Open\|Close\|List\|KeepAlive\|qom-list\|query-\)/!p' \
    "$scratch/stderr" | awk '!seen[$0]++' >"$scratch/reported"
  printf '%s\n' "$1" | diff -u - "$scratch/reported" || fail "something else is reported"
}

verbose_attach() {
  new_host
  on_fake --verbose attach --wait vm 01:00
  assert_status 0
  assert_reported 'record what is taken from the host
  virDomainSetMetadata vm
check that no other run and no other domain has these functions
take 0000:01:00.0 from its host driver
  virNodeDeviceDetachFlags pci_0000_01_00_0
take 0000:01:00.1 from its host driver
  virNodeDeviceDetachFlags pci_0000_01_00_1
take 0000:01:00.2 from its host driver
  virNodeDeviceDetachFlags pci_0000_01_00_2
take 0000:01:00.3 from its host driver
  virNodeDeviceDetachFlags pci_0000_01_00_3
attach 0000:01:00.1 to the domain as unassigned
  virDomainAttachDeviceFlags vm
attach 0000:01:00.2 to the domain as unassigned
attach 0000:01:00.3 to the domain as unassigned
check the aliases of the unassigned functions
queue 0000:01:00.1 in QEMU
  virDomainQemuMonitorCommand device_add
queue 0000:01:00.2 in QEMU
queue 0000:01:00.3 in QEMU
plug 0000:01:00.0 as function 0, and the card with it
verify the slot
wait for the guest to assign addresses'
}

verbose_detach() {
  plugged_host
  on_fake --verbose detach vm 01:00
  assert_status 0
  assert_reported 'record that the card is being detached
  virDomainSetMetadata vm
remove the card from the guest
  virConnectDomainEventRegisterAny vm
  virDomainDetachDeviceAlias vm
have libvirt drop the functions
reattach the functions to their host drivers
  virNodeDeviceReAttach pci_0000_01_00_1
  virNodeDeviceReAttach pci_0000_01_00_2
  virNodeDeviceReAttach pci_0000_01_00_3
  virNodeDeviceReAttach pci_0000_01_00_0
remove the record
  virConnectDomainEventDeregisterAny'
}

json() {
  new_host
  with_faults "$fault" attach --format json vm 01:00
  assert_status 1
  assert_stderr "virt-mfplug: error: $reason"
  assert_json "it == {
    'schema': 1, 'status': 1, 'error': '''$reason''', 'warnings': [], 'steps': it['steps'],
    'functions': [{'host': '0000:01:00.%d' % i, 'driver_before': 'nic', 'driver_after': 'nic'}
                  for i in range(4)]}"
  assert_json "[(s['step'], s['function'], s['undo'], s['error']) for s in it['steps']] == [
    ('record', None, False, None), ('claim', None, False, None),
    ('take', '0000:01:00.0', False, None),
    ('take', '0000:01:00.1', False, 'libvirt says: internal error: injected failure'),
    ('reattach', '0000:01:00.1', True, None), ('reattach', '0000:01:00.0', True, None),
    ('forget', None, True, None)]"
  assert_json "all(0 <= s['seconds'] < 60 for s in it['steps'])"
}

json_attach() {
  new_host
  succeed attach --format json --slot 02:00 vm 01:00
  assert_json "(it['schema'], it['command'], it['domain'], it['changed'], it['slot'], it['warnings']) == (
    1, 'attach', 'vm', True, '0000:02:00', [])"
  assert_json "it['functions'] == [
    {'host': '0000:01:00.%d' % i, 'guest': '0000:02:00.%d' % i, 'alias': 'ua-mfplug-' + alias,
     'host_driver': 'nic', 'driver_before': 'nic', 'driver_after': 'vfio-pci'}
    for i, alias in enumerate(
      ['0000-01-00-0', 'slot-0000-02-00', '0000-01-00-2', '0000-01-00-3'])]"
  assert_json "[s['step'] for s in it['steps']] == ['record', 'claim', *['take'] * 4,
    *['prepare'] * 3, 'check-aliases', *['queue'] * 3, 'plug', 'verify']"
  assert_json "not any(s['undo'] or s['error'] for s in it['steps'])"
}

json_detach() {
  plugged_host
  succeed detach --format json vm 01:00
  assert_json "(it['command'], it['domain'], it['changed'], it['slot'], it['warnings']) == (
    'detach', 'vm', True, '0000:03:00', [])"
  assert_json "[(f['host'], f['driver_before'], f['driver_after']) for f in it['functions']] == [
    ('0000:01:00.%d' % i, 'vfio-pci', 'nic') for i in range(4)]"
  assert_json "[(s['step'], s['function'], s['undo'], s['error']) for s in it['steps']] == [
    (step, None, False, None) for step in ('detaching', 'eject', 'drop', 'reattach', 'forget')]"
}

check "steps are not reported if standard error is not a terminal" no_terminal
check "each step is reported on a terminal, and colours mark failures" terminal
check "a wait shows its limit on a terminal" waiting
check "NO_COLOR switches colours off" no_colour
check "an empty NO_COLOR is ignored" empty_no_colour
check "a terminal that cannot rewrite a line gets no control characters" dumb
check "--quiet prints only the error on a terminal" quiet
check "--quiet prints no result" quiet_success
check "--verbose reports each call with its time, without control characters" verbose
check "--verbose reports the steps and calls of an attach in order" verbose_attach
check "--verbose reports the steps and calls of a detach in order" verbose_detach
check "JSON of an error has the steps, and the drivers before and after" json
check "JSON of an attach has its functions and steps" json_attach
check "JSON of a detach has its functions and steps" json_detach
finish
