# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
#
# What the tests of the command line share. Each test is a function. `check` runs it
# in a subshell, which ends at the first command or assertion that fails, and prints
# a line of TAP.

: "${VIRT_MFPLUG:?names the program to test}"

tests=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
golden_dir=$tests/data/golden
scratch=$(mktemp -d)
trap 'end_judge; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
checks=0
failures=0

# The tests do not use the person's own configuration. The host is copied, because the
# path of the source tree may have characters that a URI cannot have.
HOME=$scratch
XDG_CONFIG_HOME=$scratch
XDG_CACHE_HOME=$scratch
XDG_RUNTIME_DIR=$scratch
export HOME XDG_CONFIG_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR
unset LIBVIRT_DEFAULT_URI VIRSH_DEFAULT_CONNECT_URI
cp "$tests/data/cli/host.xml" "$scratch/host.xml"
uri=test://$scratch/host.xml

# check CLAIM FUNCTION: runs a test.
check() {
  checks=$((checks + 1))
  (
    set -eu
    "$2"
  ) >"$scratch/log" 2>&1
  check_status=$?
  if [ "$check_status" -eq 0 ]; then
    echo "ok $checks - $1"
  else
    failures=$((failures + 1))
    echo "not ok $checks - $1"
    sed 's/^/# /' "$scratch/log"
  fi
}

# finish: prints the plan; the last command of a script.
finish() {
  echo "1..$checks"
  [ "$failures" -eq 0 ]
}

# fail MESSAGE: ends the test, and prints MESSAGE and the output of the last run.
fail() {
  echo "$*"
  if [ -f "$scratch/stdout" ]; then
    echo "status: $status"
    echo "stdout:"
    cat "$scratch/stdout"
    echo "stderr:"
    cat "$scratch/stderr"
  fi
  exit 1
}

# run_bare WORD...: runs the program, and sets $status. If $input is set, it names the
# file for standard input.
run_bare() {
  status=0
  "$VIRT_MFPLUG" "$@" <"${input:-/dev/null}" >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
}

# run WORD...: runs the program on libvirt's test driver.
run() {
  run_bare --connect "$uri" "$@"
}

assert_status() {
  [ "$status" -eq "$1" ] || fail "exit status $status is not $1"
}

assert_stdout_empty() {
  [ ! -s "$scratch/stdout" ] || fail "stdout is not empty"
}

assert_stderr_empty() {
  [ ! -s "$scratch/stderr" ] || fail "stderr is not empty"
}

# assert_stdout TEXT, assert_stderr TEXT: the output is TEXT and a newline.
assert_stdout() {
  printf '%s\n' "$1" | cmp -s - "$scratch/stdout" || fail "stdout is not: $1"
}

assert_stderr() {
  printf '%s\n' "$1" | cmp -s - "$scratch/stderr" || fail "stderr is not: $1"
}

assert_stdout_has() {
  grep -qF -e "$1" "$scratch/stdout" || fail "stdout does not have: $1"
}

assert_stderr_has() {
  grep -qF -e "$1" "$scratch/stderr" || fail "stderr does not have: $1"
}

assert_stdout_lacks() {
  if grep -qF -e "$1" "$scratch/stdout"; then
    fail "stdout has: $1"
  fi
}

assert_stderr_lacks() {
  if grep -qF -e "$1" "$scratch/stderr"; then
    fail "stderr has: $1"
  fi
}

# assert_done: the program succeeded without a warning.
assert_done() {
  assert_status 0
  assert_stderr_empty
}

# assert_error STATUS MESSAGE: the program failed with STATUS and MESSAGE, and printed
# no result.
assert_error() {
  assert_status "$1"
  assert_stdout_empty
  if [ "$1" -eq 2 ]; then
    assert_stderr "virt-mfplug: error: $2
Try 'virt-mfplug --help'."
  else
    assert_stderr "virt-mfplug: error: $2"
  fi
}

# assert_error_has STATUS PART: the same for a message that contains PART.
assert_error_has() {
  assert_status "$1"
  assert_stdout_empty
  assert_stderr_has "virt-mfplug: error: "
  assert_stderr_has "$2"
}

# begin_judge: starts judge.py unless it is running. All assertions of a script use
# one process: some scripts spent most of their time in starting Python.
begin_judge() {
  [ ! -p "$scratch/question" ] || return 0
  mkfifo "$scratch/verdict" "$scratch/question"
  python3 "$tests/cli/judge.py" "$scratch" >/dev/null 2>&1 &
}

end_judge() {
  [ ! -p "$scratch/question" ] || : >"$scratch/question"
}

# assert_json EXPRESSION [WORD]: stdout is JSON, and the Python EXPRESSION is true. In
# it, "it" is the JSON, "stderr" is standard error, and "word" is WORD.
assert_json() {
  begin_judge
  printf '%s' "$1" >"$scratch/expression"
  printf '%s' "${2:-}" >"$scratch/word"
  echo judge >"$scratch/question"
  read -r verdict <"$scratch/verdict"
  [ "$verdict" = true ] || fail "stdout is not JSON with: $1: $verdict"
}

# assert_golden NAME: the program succeeded, and stdout is well-formed XML and the same
# as tests/data/golden/NAME.
assert_golden() {
  assert_done
  xmllint --noout "$scratch/stdout" || fail "stdout is not well-formed"
  assert_golden_text "$1"
}

# assert_golden_text NAME: the same for a text that is not XML.
assert_golden_text() {
  assert_done
  if [ "${UPDATE_GOLDENS:-}" = 1 ]; then
    cp "$scratch/stdout" "$golden_dir/$1"
  fi
  [ -f "$golden_dir/$1" ] || fail "there is no golden $1; UPDATE_GOLDENS=1 makes it"
  diff -u "$golden_dir/$1" "$scratch/stdout" || fail "stdout differs from the golden $1"
}
