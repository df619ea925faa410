# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
#
# What the tests on the fake libvirt share, which includes lib.sh. Each run of the program
# loads the host and its guests from $FAKE_LIBVIRT, and writes there what it changes.

# shellcheck source=tests/cli/lib.sh
. "$(dirname -- "$0")/lib.sh"

: "${VIRT_MFPLUG_ON_FAKE:?the program that is linked with the fake libvirt}"

FAKE_LIBVIRT=$scratch/fake.xml
export FAKE_LIBVIRT

# on_fake WORD...: runs the program on the fake; sets $status.
on_fake() {
  with_faults '' "$@"
}

# with_faults FAULTS WORD...: the same, with faults as fake.h describes them.
with_faults() {
  faults=$1
  shift
  status=0
  FAKE_FAULTS=$faults "$VIRT_MFPLUG_ON_FAKE" "$@" </dev/null >"$scratch/stdout" \
    2>"$scratch/stderr" || status=$?
  if grep -q ' violation="' "$FAKE_LIBVIRT"; then
    fail "a real host had not survived: $(grep ' violation="' "$FAKE_LIBVIRT")"
  fi
}

# succeed WORD...: the same, and that has to succeed without a warning.
succeed() {
  on_fake "$@"
  assert_done
}

# new_host: a new host with two cards of four functions, and two guests, vm and other, with
# three empty ports each.
new_host() {
  if [ ! -f "$scratch/new.xml" ]; then
    load_host "$tests/data/fake/host.xml"
    cp "$FAKE_LIBVIRT" "$scratch/new.xml"
    cp "$scratch/before" "$scratch/new.before"
  fi
  cp "$scratch/new.xml" "$FAKE_LIBVIRT"
  cp "$scratch/new.before" "$scratch/before"
}

# load_host FILE: the host of FILE, with the drivers of the file beside it.
load_host() {
  rm -f "$scratch/fake.drivers"
  cp "$1" "$FAKE_LIBVIRT"
  if [ -f "${1%.xml}.drivers" ]; then
    cp "${1%.xml}.drivers" "$scratch/fake.drivers"
  fi
  chmod u+w "$scratch"/fake.*
  succeed list
  remember
}

# plugged_host: the new host, whose first card guest vm has.
plugged_host() {
  new_host
  if [ ! -f "$scratch/plugged.xml" ]; then
    succeed attach vm 01:00
    cp "$FAKE_LIBVIRT" "$scratch/plugged.xml"
  fi
  cp "$scratch/plugged.xml" "$FAKE_LIBVIRT"
}

# The state without the time, and without what a detach leaves of the time and of metadata.
timeless() {
  sed -e '/^  <fake:state /d' -e '/<fake:held /d' -e '/^  <\/fake:state>$/d' \
    -e '/^ *<metadata\/>$/d' "$1"
}

# remember: what assert_as_before compares with.
remember() {
  timeless "$FAKE_LIBVIRT" >"$scratch/before"
}

# assert_as_before: host, guests, libvirt and QEMU are as they were at the last `remember`.
assert_as_before() {
  timeless "$FAKE_LIBVIRT" >"$scratch/after"
  diff -u "$scratch/before" "$scratch/after" || fail "the state is not as it was before"
}

# drivers [DEVICE]: the drivers of its functions on one line, "-" for none.
drivers() {
  awk -v "device=pci_0000_${1:-01_00}_" '
    function tell() {
      if (ours)
        line = line " " driver
      ours = 0
    }
    /^    <name>/ { gsub(/<[^>]*>| /, ""); tell(); ours = index($0, device) == 1; driver = "-" }
    /^    <driver>/ { getline; gsub(/<[^>]*>| /, ""); driver = $0 }
    END { tell(); print substr(line, 2) }' "$FAKE_LIBVIRT"
}

# assert_drivers TEXT [DEVICE]
assert_drivers() {
  text=$(drivers "${2:-01_00}")
  [ "$text" = "$1" ] || fail "the drivers are $text, not $1"
}

# assert_slot DOMAIN TEXT: what `list DOMAIN` prints.
assert_slot() {
  succeed list "$1"
  assert_stdout "$2"
}

# edit_state WORD...: changes the state as sed does.
edit_state() {
  sed "$@" "$FAKE_LIBVIRT" >"$scratch/edited"
  mv "$scratch/edited" "$FAKE_LIBVIRT"
}

# The guest, which did not answer, does what it was asked meanwhile.
guest_answers() {
  edit_state -e 's/ silent="yes"/ silent="no"/' -e 's/ leaves="yes"/ leaves="yes" gone="1"/'
}
