#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests that README.md shows what the program prints.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# Blank lines separate the captures in README.md. No capture has one.
as_in_readme() {
  sed -n '/^## What it looks like$/,/^## /s/^    //p' "$tests/../README.md" >"$scratch/readme"
  [ -s "$scratch/readme" ] || fail "README.md has no captures"
  "$tests/screens" >"$scratch/screens"
  diff -u "$scratch/readme" "$scratch/screens" \
    || fail "README.md shows something else than tests/screens prints"
}

check "the captures in README.md are what the program prints" as_in_readme
finish
