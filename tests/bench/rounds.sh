# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What bench and lab.sh share: the order of a round, and the clock. The script that sources this sets $errors to a file.

# order ROUND NAME...: prints the names in the order in which that round (from 1) runs them. Each even round reverses the
# order of the one before it, so any two names come first equally often. Each odd round begins with the next name.
order() {
  local round=$(($1 - 1)) first i names reversed=()
  shift
  first=$((round / 2 % $#))
  names=("${@:first+1}" "${@:1:first}")
  if ((round % 2 == 1)); then
    for ((i = $# - 1; i >= 0; i--)); do reversed+=("${names[i]}"); done
    names=("${reversed[@]}")
  fi
  echo "${names[@]}"
}

# timed ROUND NAME COMMAND...: runs the command and prints "measured ROUND NAME MICROSECONDS".
timed() {
  local round=$1 name=$2 began ended
  shift 2
  began=${EPOCHREALTIME/[.,]/}
  "$@" </dev/null >/dev/null 2>"${errors:?}" || { echo "$name failed: $(<"$errors")" >&2; return 1; }
  ended=${EPOCHREALTIME/[.,]/}
  echo "measured $round $name $((ended - began))"
}
