#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is told while a command runs. The test driver cannot take a function
# from its host driver, so an attach fails there and removes its record.

. "$(dirname -- "$0")/lib.sh"

escape=$(printf '\033')

# on_terminal VARIABLE=VALUE... -- WORD...: the same as run, with standard error
# on a terminal.
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
    os.execvp(sys.argv[split + 1], sys.argv[split + 1:])
os.close(slave)
try:
    while data := os.read(master, 4096):
        sys.stderr.buffer.write(data.replace(b"\r\n", b"\n"))
except OSError: # the other end is closed
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
' "$@" </dev/null >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
}

# attach_on VARIABLE=VALUE... [-- OPTION...]: that attach, on a terminal.
attach_on() {
  variables=
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    variables="$variables $1"
    shift
  done
  [ $# -eq 0 ] || shift
  # shellcheck disable=SC2086 # words
  on_terminal "LD_PRELOAD=$QEMU_URI_LIBRARY" $variables -- ${VIRT_MFPLUG_WRAPPER:-} "$VIRT_MFPLUG" \
    "$@" --connect "$uri" attach q35 01:00
}

reason="cannot take 0000:01:00.1 from its host driver: libvirt says: this function is not supported by the connection driver: virNodeDeviceDetachFlags
Everything was undone."

no_terminal() {
  run_as_qemu attach q35 01:00
  assert_error 1 "$reason"
}

terminal() {
  attach_on TERM=xterm
  assert_status 1
  assert_stdout_empty
  assert_stderr_has "$escape[K  take 0000:01:00.1 from its host driver: $escape[1;31mfailed$escape[0m after 0."
  assert_stderr_has "virt-mfplug: $escape[1;31merror:$escape[0m $reason"
}

no_colour() {
  attach_on TERM=xterm NO_COLOR=1
  assert_status 1
  assert_stderr_has "$escape[K  take 0000:01:00.1 from its host driver: failed after 0."
  assert_stderr_lacks "$escape[1"
  assert_stderr_has "virt-mfplug: error: $reason"
}

empty_no_colour() {
  attach_on TERM=xterm NO_COLOR=
  assert_stderr_has "$escape[1;31merror:"
}

dumb() {
  attach_on TERM=dumb
  assert_error 1 "$reason"
}

quiet() {
  attach_on TERM=xterm NO_COLOR=1 -- --quiet
  assert_error 1 "$reason"
}

verbose() {
  attach_on TERM=xterm NO_COLOR=1 -- --verbose
  assert_status 1
  assert_stderr_lacks "$escape"
  assert_stderr_has "virt-mfplug: take 0000:01:00.1 from its host driver"
  grep -qx 'virt-mfplug:   virConnectOpenAuth test:///.*: [0-9]*\.[0-9][0-9][0-9] s' "$scratch/stderr" || fail "the connection is not told"
  grep -qx 'virt-mfplug:   virNodeDeviceDetachFlags pci_0000_01_00_1: [0-9]*\.[0-9][0-9][0-9] s' "$scratch/stderr" || fail "the call is not told"
}

json() {
  run_as_qemu attach --format json q35 01:00
  assert_status 1
  assert_json "[(s['step'], s['function'], s['undo']) for s in it['steps']] == [
    ('record', None, False), ('claim', None, False), ('take', '0000:01:00.1', False), ('forget', None, True)]"
  assert_json "all(s['seconds'] >= 0 for s in it['steps'])"
  assert_json "[s['error'] for s in it['steps'] if s['error']] == [
    it['error'].splitlines()[0].removeprefix('cannot take 0000:01:00.1 from its host driver: ')]"
  assert_json "sorted(f['host'] for f in it['functions']) == ['0000:01:00.%d' % i for i in range(4)]"
}

check "not on a terminal steps are not told" no_terminal
check "on a terminal each step is told, and colours mark what failed" terminal
check "NO_COLOR: no colours" no_colour
check "an empty NO_COLOR is as good as none" empty_no_colour
check "a terminal that cannot rewrite a line gets no control characters" dumb
check "--quiet on a terminal: the error alone" quiet
check "--verbose tells each call with its time, without control characters" verbose
check "JSON of an error has the steps, and where the functions are" json
finish
