#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests options: help, version, wrong usage (status 2, nothing on stdout), and JSON.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

version() {
  for option in --version -V; do
    run_bare "$option"
    assert_done
    [ "$(wc -l <"$scratch/stdout")" -eq 1 ] || fail "not one line"
    grep -qE '^virt-mfplug [0-9]+\.[0-9]+\.[0-9]+$' "$scratch/stdout" || fail "not a version"
  done
}

help() {
  for option in --help -h; do
    run_bare "$option"
    assert_done
    assert_stdout_has "Usage: virt-mfplug [OPTION...] COMMAND ..."
    assert_stdout_has "--connect=URI"
    assert_stdout_has "Commands:"
    assert_stdout_has "  attach "
    assert_stdout_has "  detach "
    assert_stdout_has "  list "
  done
}

attach_help() {
  for option in --help -h; do
    run_bare attach "$option"
    assert_done
    assert_stdout_has "Usage: virt-mfplug attach [OPTION...] DOMAIN DEVICE..."
    for word in --functions=LIST '--rest=keep|unassigned' --slot=GUEST-ADDRESS '--managed=yes|no' \
      --wait --file=XML --live --config --persistent --current --dry-run --timeout=SECONDS \
      '--format=text|json'; do
      assert_stdout_has "$word"
    done
  done
}

detach_help() {
  run_bare detach --help
  assert_done
  assert_stdout_has "Usage: virt-mfplug detach [OPTION...] DOMAIN DEVICE..."
  assert_stdout_has "--timeout=SECONDS"
  assert_stdout_lacks "--slot"
}

list_help() {
  run_bare list --help
  assert_done
  assert_stdout_has "Usage: virt-mfplug list [OPTION...] [DOMAIN]"
  assert_stdout_has "--all"
  assert_stdout_has "--format=text|json"
  assert_stdout_lacks "--timeout"
}

help_needs_no_libvirt() {
  run_bare -c nonsense:///x attach --help
  assert_done
}

# The program needs no other file of this project.
copy_of_the_program() {
  cp "$VIRT_MFPLUG" "$scratch/copied-program"
  VIRT_MFPLUG=$scratch/copied-program
  run attach --dry-run q35 01:00
  assert_golden whole.xml
}

help_goes_before_the_rest() {
  run_bare attach --timeout 0 --help
  assert_done
}

no_command() {
  run_bare
  assert_status 2
  assert_stdout_empty
  assert_stderr_has "Usage: virt-mfplug"
}

unknown_command() {
  run_bare plug x
  assert_error 2 "there is no command 'plug'"
}

unknown_option() {
  run_bare --nonsense attach x 01:00
  assert_error 2 "--nonsense: unknown option"
  for command in attach detach; do
    run_bare "$command" --nonsense x 01:00
    assert_error 2 "--nonsense: unknown option"
  done
  run_bare detach --slot 01:00 x 01:00
  assert_error 2 "--slot: unknown option"
  run_bare attach --version
  assert_error 2 "--version: unknown option"
}

missing_argument() {
  run_bare --connect
  assert_error 2 "--connect: missing argument"
  run_bare attach x 01:00 --slot
  assert_error 2 "--slot: missing argument"
}

missing_words() {
  for command in attach detach; do
    run_bare "$command"
    assert_error 2 "$command takes a domain, and devices or --file"
    run_bare "$command" x
    assert_error 2 "$command takes a domain, and devices or --file"
    run_bare "$command" x 01:00 --file y
    assert_error 2 "$command takes a domain, and devices or --file"
    run_bare "$command" --file y
    assert_error 2 "$command takes a domain, and devices or --file"
  done
}

file_and_more() {
  run_bare attach x --file y --functions 0
  assert_error 2 "--functions and --rest cannot be used with --file"
  run_bare attach x --file y --rest keep
  assert_error 2 "--functions and --rest cannot be used with --file"
}

bad_values() {
  run_bare attach x 01:00 --rest drop
  assert_error 2 "--rest takes keep or unassigned, not 'drop'"
  run_bare attach x 01:00 --rest ''
  assert_error 2 "--rest takes keep or unassigned, not ''"
  run_bare attach x 01:00 --managed maybe
  assert_error 2 "--managed takes yes or no, not 'maybe'"
  run_bare attach x 01:00 --slot 01:00.1
  assert_error 2 "'01:00.1' is not a guest slot such as 0000:01:00"
  run_bare attach x 01:00 --format xml
  assert_error 2 "'xml' is not a format; use text or json"
}

bad_timeout() {
  for seconds in 0 -1 86401; do
    for command in attach detach; do
      run_bare "$command" x 01:00 --timeout="$seconds"
      assert_error 2 "--timeout takes 1 to 86400 seconds"
    done
  done
  for seconds in '' 5s 99999999999 1.5 soon; do
    run_bare attach x 01:00 --timeout="$seconds"
    assert_status 2
    assert_stdout_empty
    assert_stderr_has "virt-mfplug: error: --timeout"
  done
}

good_timeout() {
  for seconds in 1 86400; do
    run attach --dry-run --timeout "$seconds" q35 01:00
    assert_done
  done
}

current_and_more() {
  for option in --live --config --persistent; do
    for command in attach detach; do
      run_bare "$command" --current "$option" x 01:00
      assert_error 2 "--current excludes --live, --config and --persistent"
    done
  done
}

bad_device() {
  for command in attach detach; do
    run_bare "$command" x 01:00.8
    assert_error 2 "in '01:00.8': '8' does not name a device or functions of one; examples: 0000:01:00, 01:00.0,2-3, 01:00.1=0,01:00.3=1, pci_0000_01_00_0"
    run_bare "$command" x ''
    assert_error_has 2 "'' does not name a device"
    run_bare "$command" x 01:00 01:00.1
    assert_error 2 "in '01:00.1': host function 0000:01:00.1 is named twice"
  done
}

bad_functions() {
  run_bare attach x 01:00 --functions 0,8
  assert_error_has 2 "in --functions '0,8': '8' does not name"
  run_bare attach x 01:00 --functions ''
  assert_error 2 "--functions is empty"
  run_bare attach x 01:00.0 --functions 0
  assert_error 2 "--functions goes with exactly one whole device"
  run_bare attach x 01:00 02:00 --functions 0
  assert_error 2 "--functions goes with exactly one whole device"
}

# assert_json_error STATUS: stdout is the error as JSON, stderr as text.
assert_json_error() {
  assert_status "$1"
  assert_json "set(it) == {'schema', 'error', 'status', 'functions', 'steps', 'warnings'} and it['schema'] == 1"
  assert_json "it['status'] == $1 and len(it['error']) > 0"
  assert_json "stderr.startswith('virt-mfplug: error: ' + it['error'] + '\\n')"
}

json_refused() {
  LC_ALL=C.UTF-8
  export LC_ALL
  run attach --format json --dry-run 'q35 full' 01:00
  assert_json_error 3
  run attach --format=json --dry-run "no \"such\" ä" 01:00
  assert_json_error 3
  run detach --format json card 06:00.0 --dry-run
  assert_json_error 3
  run attach --format json q35 01:00
  assert_json_error 3
}

json_usage() {
  run attach --format json x
  assert_json_error 2
  run attach --format json x 01:00.9
  assert_json_error 2
  run attach --format json x 01:00 --rest drop
  assert_json_error 2
}

# A program that reads JSON gets JSON for every kind of mistake.
json_usage_of_options() {
  run attach --format json --timeout 0 x 01:00
  assert_json_error 2
  run attach --format json --current --live x 01:00
  assert_json_error 2
  run attach --format json x 01:00 --nonsense
  assert_json_error 2
}

no_output_possible() {
  [ -e /dev/full ] || fail "there is no /dev/full"
  status=0
  "$VIRT_MFPLUG" -c "$uri" attach --dry-run q35 01:00 >/dev/full 2>"$scratch/stderr" || status=$?
  : >"$scratch/stdout"
  assert_status 1
  assert_stderr_has "virt-mfplug: error: "
  status=0
  "$VIRT_MFPLUG" --help >/dev/full 2>"$scratch/stderr" || status=$?
  assert_status 1
  assert_stderr_has "virt-mfplug: error: "
}

# The reader of the pipe has closed it.
no_reader() {
  mkfifo "$scratch/pipe"
  : <"$scratch/pipe" &
  exec 3>"$scratch/pipe"
  wait $!
  status=0
  "$VIRT_MFPLUG" -c "$uri" attach --dry-run q35 01:00 >&3 2>"$scratch/stderr" || status=$?
  : >"$scratch/stdout"
  assert_status 1
  assert_stderr_has "virt-mfplug: error: the result cannot be written: "
}

check "--version prints the version" version
check "--help lists options and commands" help
check "attach --help lists every option" attach_help
check "detach --help lists its own options" detach_help
check "list --help lists its own options" list_help
check "help needs no connection" help_needs_no_libvirt
check "a copy of the one executable runs anywhere" copy_of_the_program
check "--help is shown despite other mistakes" help_goes_before_the_rest
check "without a command, the help is on stderr and the status is 2" no_command
check "an unknown command is a usage error" unknown_command
check "an unknown option is a usage error" unknown_option
check "an option without its argument is a usage error" missing_argument
check "missing words are a usage error" missing_words
check "--file excludes --functions and --rest" file_and_more
check "a wrong value of an option is a usage error" bad_values
check "a wrong time-out is a usage error" bad_timeout
check "the shortest and the longest time-out are accepted" good_timeout
check "--current excludes --live, --config and --persistent" current_and_more
check "a word that names no device is a usage error" bad_device
check "a wrong value of --functions is a usage error" bad_functions
check "a refusal is also printed as JSON" json_refused
check "a usage error is also printed as JSON" json_usage
check "a usage error of an option is also printed as JSON" json_usage_of_options
check "a full disk is a failure" no_output_possible
check "a closed pipe is a failure, and no signal ends the program" no_reader
finish
