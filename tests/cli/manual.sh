#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual page, --help and completion know the same options, and the manual's examples work.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

page=$tests/../man/virt-mfplug.1.rst
mkdir "$scratch/manual"
python3 "$tests/cli/manual.py" "$page" "$scratch/manual"

# help_options [COMMAND]: the options that its help lists, as -c or --slot=GUEST-ADDRESS.
help_options() {
  "$VIRT_MFPLUG" "$@" --help | sed -nE 's/^ {2,6}((-[[:alnum:]]), )?(--[[:alnum:]-]+(=[^[:space:]]+)?) .*/\2\n\3/p' \
    | grep . | sort -u
}

# offered_options [COMMAND]: what completion offers for "-", each as -c or --slot=.
offered_options() {
  bash -c '
    . "$1"
    COMP_LINE="virt-mfplug ${3:+"$3" }-" COMP_WORDBREAKS=" "
    COMP_POINT=${#COMP_LINE}
    _virt_mfplug "$2"
    printf "%s\n" "${COMPREPLY[@]}"
  ' - "$tests/../bash-completion/virt-mfplug" "$VIRT_MFPLUG" "$@" | sort -u
}

# assert_same FILE FILE: two lists that are equal and not empty.
assert_same() {
  [ -s "$1" ] || fail "$1 is empty"
  diff -u "$1" "$2" || fail "$1 and $2 differ"
}

# compare SECTION [COMMAND]: the section, --help and completion have the same options. Only
# OPTIONS describes -h and --help.
compare() {
  section=$1
  shift
  cd "$scratch"
  help_options "$@" >help
  offered_options "$@" >completion
  sed 's/=.*/=/' help | sort >help.offered
  assert_same help.offered completion
  [ $# -eq 0 ] || sed -i '/^-h$/d; /^--help$/d' help
  sort -u "manual/options-$section" >manual.options
  sed 's/=.*//' help | sort >help.names
  sed 's/=.*//' manual.options | sort >manual.names
  assert_same help.names manual.names
  # The values of options have the same names in both.
  grep '=' manual.options >manual.values || true
  while IFS= read -r option; do
    grep -qxF -e "$option" help || fail "the help has no $option"
  done <manual.values
}

options_of_program() {
  compare OPTIONS
}

options_of_attach() {
  compare ATTACH attach
}

options_of_detach() {
  compare DETACH detach
}

options_of_list() {
  compare LIST list
}

options_of_recover() {
  compare RECOVER recover
}

options_of_reclaim() {
  compare RECLAIM reclaim
}

commands() {
  cd "$scratch"
  "$VIRT_MFPLUG" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort >help
  sed -n 's/^| \*\*virt-mfplug\*\* \[\*OPTION\*\.\.\.\] \*\*\([a-z]*\)\*\*.*/\1/p' "$page" | sort -u >synopsis
  assert_same help synopsis
  while IFS= read -r command; do
    "$VIRT_MFPLUG" "$command" --help >/dev/null
    grep -qxF "$(echo "$command" | tr '[:lower:]' '[:upper:]')" "$page" || fail "no section on $command"
  done <help
}

# Runs the examples in their order, on the host that they are about. The wrapper adds
# --dry-run, and removes -c, which would lead to another host. Each example must succeed.
examples() {
  cp "$tests/data/cli/examples.xml" "$scratch/examples.xml"
  mkdir "$scratch/bin"
  cat >"$scratch/bin/virt-mfplug" <<'WRAPPER'
#!/bin/sh
[ "$1" != -c ] || shift 2
command=$1
shift
[ "$command" = list ] || set -- --dry-run "$@"
# shellcheck disable=SC2086 # words
exec "$VIRT_MFPLUG" -c "$EXAMPLES" "$command" "$@"
WRAPPER
  chmod +x "$scratch/bin/virt-mfplug"
  grep '^virt-mfplug ' "$scratch/manual/examples" >"$scratch/examples"
  [ "$(wc -l <"$scratch/examples")" -ge 15 ] || fail "there are too few examples"
  cd "$scratch"
  while IFS= read -r line; do
    echo "$line"
    EXAMPLES=test://$scratch/examples.xml PATH=$scratch/bin:$PATH sh -c "$line" </dev/null \
      || fail "exit status $?: $line"
  done <examples
}

check "the program's options are in --help, OPTIONS and completion" options_of_program
check "the options of attach are in --help, ATTACH and completion" options_of_attach
check "the options of detach are in --help, DETACH and completion" options_of_detach
check "the options of list are in --help, LIST and completion" options_of_list
check "the options of recover are in --help, RECOVER and completion" options_of_recover
check "the options of reclaim are in --help, RECLAIM and completion" options_of_reclaim
check "each command is in --help, in SYNOPSIS and has a section" commands
check "the manual's examples work" examples
finish
