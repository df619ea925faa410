# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
#
# What the tests on the fake libvirt share, with all of lib.sh. Each run of the program loads
# the host and its guests from the file $FAKE_LIBVIRT, and writes its changes back.

# shellcheck source=tests/cli/lib.sh
. "$(dirname -- "$0")/lib.sh"

: "${VIRT_MFPLUG_ON_FAKE:?names the program that is linked with the fake libvirt}"

FAKE_LIBVIRT=$scratch/fake.xml
export FAKE_LIBVIRT

# on_fake WORD...: runs the program on the fake, and sets $status.
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
    fail "this would damage a real host: $(grep ' violation="' "$FAKE_LIBVIRT")"
  fi
}

# succeed WORD...: runs the program on the fake. It must succeed without a warning.
succeed() {
  on_fake "$@"
  assert_done
}

# new_host: makes a new host with two cards of four functions, and two guests, vm and other,
# with three empty ports each.
new_host() {
  if [ ! -f "$scratch/new.xml" ]; then
    load_host "$tests/data/fake/host.xml"
    cp "$FAKE_LIBVIRT" "$scratch/new.xml"
    cp "$scratch/before" "$scratch/new.before"
  fi
  cp "$scratch/new.xml" "$FAKE_LIBVIRT"
  cp "$scratch/new.before" "$scratch/before"
}

# load_host FILE: loads the host of FILE, with the drivers in the file beside it.
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

# plugged_host: makes a new host whose first card is attached to the guest vm.
plugged_host() {
  new_host
  if [ ! -f "$scratch/plugged.xml" ]; then
    succeed attach vm 01:00
    cp "$FAKE_LIBVIRT" "$scratch/plugged.xml"
  fi
  cp "$scratch/plugged.xml" "$FAKE_LIBVIRT"
}

# timeless FILE: prints the state without all times, and without the empty <metadata> that a
# detach leaves behind.
timeless() {
  sed -e '/^  <fake:state /d' -e '/<fake:held /d' -e '/^  <\/fake:state>$/d' \
    -e '/^ *<metadata\/>$/d' "$1"
}

# remember: saves the state for assert_as_before.
remember() {
  timeless "$FAKE_LIBVIRT" >"$scratch/before"
}

# assert_as_before: host, guests, libvirt and QEMU are as they were at the last `remember`.
assert_as_before() {
  timeless "$FAKE_LIBVIRT" >"$scratch/after"
  diff -u "$scratch/before" "$scratch/after" || fail "the state is not as it was before"
}

# drivers [DEVICE]: prints the drivers of the functions of DEVICE, or of 01_00, on one line.
# "-" means no driver.
drivers() {
  awk -v "device=pci_0000_${1:-01_00}_" '
    function append() {
      if (ours)
        line = line " " driver
      ours = 0
    }
    /^    <name>/ { gsub(/<[^>]*>| /, ""); append(); ours = index($0, device) == 1; driver = "-" }
    /^    <driver>/ { getline; gsub(/<[^>]*>| /, ""); driver = $0 }
    END { append(); print substr(line, 2) }' "$FAKE_LIBVIRT"
}

# assert_drivers TEXT [DEVICE]: `drivers` prints TEXT.
assert_drivers() {
  text=$(drivers "${2:-01_00}")
  [ "$text" = "$1" ] || fail "the drivers are $text, not $1"
}

# assert_slot DOMAIN TEXT: `list DOMAIN` prints TEXT.
assert_slot() {
  succeed list "$1"
  assert_stdout "$2"
}

# edit_state WORD...: edits the state with sed.
edit_state() {
  sed "$@" "$FAKE_LIBVIRT" >"$scratch/edited"
  mv "$scratch/edited" "$FAKE_LIBVIRT"
}

# guest_answers: the silent guest acts again, and does what it was asked to do meanwhile.
guest_answers() {
  edit_state -e 's/ silent="yes"/ silent="no"/' -e 's/ leaves="yes"/ leaves="yes" gone="1"/'
}
