#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests a libvirt that accepts the connection and never answers.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# signal_while_connecting SIGNAL: SIGNAL ends the program while it waits for the connection.
signal_while_connecting() {
  rm -f "$scratch/ready" "$scratch/socket"
  mkfifo "$scratch/ready"
  python3 "$tests/cli/silent-libvirt.py" "$scratch/socket" >"$scratch/ready" &
  server=$!
  read -r _ <"$scratch/ready"
  # The process that started the tests may ignore SIGHUP, as nohup does.
  env --default-signal=HUP "$VIRT_MFPLUG" -c "qemu+unix:///system?socket=$scratch/socket" attach vm 01:00 \
    >"$scratch/stdout" 2>"$scratch/stderr" &
  client=$!
  sleep 1
  kill "-$1" "$client"
  status=0
  wait "$client" || status=$?
  kill "$server"
  assert_error 1 "interrupted"
}

terminate() { signal_while_connecting TERM; }
hang_up() { signal_while_connecting HUP; }

check "SIGTERM ends the wait for a silent libvirt with status 1" terminate
check "SIGHUP ends the wait for a silent libvirt with status 1" hang_up
finish
