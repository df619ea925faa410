#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A libvirt that takes the connection and then says nothing.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# signal_while_connecting SIGNAL: one ends the program while it waits for the connection.
signal_while_connecting() {
  rm -f "$scratch/ready" "$scratch/socket"
  mkfifo "$scratch/ready"
  python3 "$tests/cli/silent-libvirt.py" "$scratch/socket" >"$scratch/ready" &
  server=$!
  read -r _ <"$scratch/ready"
  # Who started the tests may ignore SIGHUP, as nohup does.
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

check "SIGTERM while libvirt does not answer: status 1" terminate
check "SIGHUP while libvirt does not answer: status 1" hang_up
finish
