#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# SIGKILL ends the program at each call that changes something. Another process, which knows
# only the domain's record, finishes or undoes the run. On the fake libvirt.

# shellcheck source=tests/cli/fake.sh
. "$(dirname -- "$0")/fake.sh"

on_vfio="vfio-pci vfio-pci vfio-pci vfio-pci"
attach_calls="virDomainSetMetadata#1 virDomainSetMetadata#2
  virNodeDeviceDetachFlags#1 virNodeDeviceDetachFlags#2 virNodeDeviceDetachFlags#3
  virNodeDeviceDetachFlags#4
  virDomainAttachDeviceFlags#1 virDomainAttachDeviceFlags#2 virDomainAttachDeviceFlags#3
  device_add#1 device_add#2 device_add#3
  virDomainAttachDeviceFlags#4"
detach_calls="virDomainSetMetadata#1 virDomainDetachDeviceAlias#1
  virNodeDeviceReAttach#1 virNodeDeviceReAttach#2 virNodeDeviceReAttach#4
  virDomainSetMetadata#2"

# kill_at CALL KIND WORD...: runs the program, which SIGKILL ends at CALL. KIND is
# killed-before or killed-after.
kill_at() {
  call=$1 kind=$2
  shift 2
  with_faults "$call=$kind" "$@"
  assert_status 137
}

# kill_attach KIND COMMAND...: kills an attach at each of its calls. COMMAND then restores the
# host. Only after the last call is the card complete, and recover keeps it.
kill_attach() {
  kind=$1
  shift
  for call in $attach_calls; do
    new_host
    kill_at "$call" "$kind" attach vm 01:00
    on_fake "$@"
    assert_done
    if [ "$call $kind" != "virDomainAttachDeviceFlags#4 killed-after" ]; then
      assert_as_before
    elif [ "$1" = recover ]; then
      assert_stdout "Nothing to recover in domain 'vm'."
      assert_drivers "$on_vfio"
    fi
  done
}

before_a_call() { kill_attach killed-before recover vm; }
after_a_call() { kill_attach killed-after recover vm; }
detach_instead() { kill_attach killed-after detach vm 01:00; }

# Another attach must not work on the same functions.
attach_is_refused() {
  for call in virNodeDeviceDetachFlags#1 virNodeDeviceDetachFlags#4 virDomainAttachDeviceFlags#1 \
    device_add#2; do
    new_host
    kill_at "$call" killed-after attach vm 01:00
    on_fake attach vm 01:00
    assert_status 3
    assert_stderr_has "another virt-mfplug is working on host function 0000:01:00."
    assert_stderr_has "virt-mfplug recover vm"
    succeed recover vm
    assert_as_before
  done
}

# kill_detach KIND COMMAND...: kills a detach at each of its calls. COMMAND then finishes it.
kill_detach() {
  kind=$1
  shift
  for call in $detach_calls; do
    plugged_host
    kill_at "$call" "$kind" detach vm 01:00
    on_fake "$@"
    assert_done
    # A detach that is killed before its first change leaves no trace.
    if [ "$call $kind $1" = "virDomainSetMetadata#1 killed-before recover" ]; then
      assert_stdout "Nothing to recover in domain 'vm'."
    else
      assert_as_before
    fi
  done
}

before_a_call_of_detach() { kill_detach killed-before recover vm; }
after_a_call_of_detach() { kill_detach killed-after recover vm; }
detach_again() { kill_detach killed-before detach vm 01:00; }

# recover itself may be killed too: while QEMU has queued functions, or while only libvirt has
# functions.
recover_is_killed() {
  for calls in device_add#3:virDomainSetMetadata#1 device_add#3:device_del#1 \
    device_add#3:device_del#3 device_add#3:virNodeDeviceReAttach#2 \
    device_add#3:virDomainSetMetadata#2 virDomainAttachDeviceFlags#3:virDomainDetachDeviceFlags#1 \
    virDomainAttachDeviceFlags#3:virDomainDetachDeviceFlags#3; do
    new_host
    kill_at "${calls%:*}" killed-after attach vm 01:00
    kill_at "${calls#*:}" killed-after recover vm
    succeed recover vm
    assert_as_before
  done
}

# recover leaves another domain alone, and a card that is complete.
only_what_is_broken() {
  new_host
  succeed attach other 02:00
  remember
  kill_at virDomainAttachDeviceFlags#2 killed-after attach vm 01:00
  on_fake recover other
  assert_stdout "Nothing to recover in domain 'other'."
  succeed recover vm
  assert_as_before
}

# Two attaches to one domain were interrupted.
several_cards() {
  new_host
  kill_at device_add#1 killed-after attach vm 01:00
  kill_at virNodeDeviceDetachFlags#2 killed-after attach vm 02:00
  succeed recover --format json vm
  assert_json "it['changed'] and [[f['host'][:7] for f in c['functions']] for c in it['cards']] == [
    ['0000:01'] * 4, ['0000:02'] * 4]"
  assert_as_before
}

dry_run() {
  new_host
  kill_at device_add#3 killed-after attach vm 01:00
  remember
  succeed recover --dry-run vm
  assert_stdout "would record that the card is being detached
would remove the card from the guest
would have libvirt drop the functions
would reattach 0000:01:00.1 to its host driver
would reattach 0000:01:00.2 to its host driver
would reattach 0000:01:00.3 to its host driver
would reattach 0000:01:00.0 to its host driver
would remove the record
Steps that are done already are skipped."
  assert_as_before
}

# The run had written its claim, and taken nothing.
claimed() {
  new_host
  kill_at virDomainSetMetadata#1 killed-after attach vm 01:00
  grep -q 'claiming="yes"' "$FAKE_LIBVIRT" || fail "the record is not a claim"
  succeed recover --dry-run vm
  assert_stdout "would remove the record
Steps that are done already are skipped."
  succeed recover vm
  assert_as_before
}

reported() {
  new_host
  kill_at device_add#3 killed-after attach vm 01:00
  succeed recover vm
  assert_stdout "Recovered in domain 'vm':
  host 0000:01:00.0  guest 0000:03:00.0
  host 0000:01:00.1  guest 0000:03:00.1
  host 0000:01:00.2  guest 0000:03:00.2
  host 0000:01:00.3  guest 0000:03:00.3"
}

# have_libvirt_forget ALIAS: libvirt's XML loses that hostdev.
have_libvirt_forget() {
  awk -v "alias=$1" '
    /<hostdev / { held = $0; next }
    held != "" { held = held "\n" $0
                 if (/<\/hostdev>/) { if (!index(held, alias)) print held; held = "" }
                 next }
    { print }' "$FAKE_LIBVIRT" >"$scratch/edited"
  mv "$scratch/edited" "$FAKE_LIBVIRT"
}

# libvirt has forgotten a function that QEMU still has.
forgotten() {
  plugged_host
  remember
  have_libvirt_forget ua-mfplug-0000-01-00-3
  on_fake recover vm
  assert_status 0
  assert_stdout_has "Recovered in domain 'vm':"
  succeed attach vm 01:00
  assert_stdout_has "Already attached to domain 'vm':"
}

# The same of a function that the attach left unassigned, and that somebody plugged by hand.
unassigned_forgotten() {
  new_host
  on_fake attach --functions 0,2 --rest unassigned vm 01:00
  have_libvirt_forget ua-mfplug-0000-01-00-1
  edit_state -e '/<fake:qemu id="ua-mfplug-0000-01-00-0"/{p;s/\(0000[:-]01[:-]00[.-]\)0/\11/g;s/03:00.0/03:00.1/;}'
  on_fake recover vm
  assert_status 0
  assert_stdout_has "Recovered in domain 'vm':"
  grep -q '<alias name="ua-mfplug-0000-01-00-1"/>' "$FAKE_LIBVIRT" \
    || fail "libvirt does not own the function again"
}

# give_to_other FUNCTION: somebody attaches that function of 01:00 to the domain 'other'.
give_to_other() {
  edit_state -e "/<name>other</,/<\/devices>/s|</devices>|<hostdev mode='subsystem' type='pci'><source><address \
domain='0' bus='1' slot='0' function='$1'/></source><alias name='hostdev0'/><address type='pci' domain='0' bus='1' \
slot='0' function='0'/></hostdev>&|"
}

# The kernel of a host may crash if a driver is bound while a guest has a function of the same
# IOMMU group.
other_domain_has_a_member() {
  new_host
  kill_at virNodeDeviceDetachFlags#4 killed-after attach vm 01:00
  give_to_other 1
  on_fake recover vm
  assert_error_has 5 "0000:01:00.3: domain 'other' has 0000:01:00.1 of the same IOMMU group, so no function of the group can be reattached; detach it there first"
  assert_stderr_has "virt-mfplug recover vm"
  assert_drivers "$on_vfio"
}

# A signal ends recover between two cards: it does not claim to have recovered both.
interrupted() {
  new_host
  kill_at device_add#1 killed-after attach vm 01:00
  kill_at virNodeDeviceDetachFlags#2 killed-after attach vm 02:00
  with_faults virNodeDeviceReAttach#1=signal recover vm
  assert_status 5
  assert_stdout_empty
  assert_stderr_has "interrupted before 1 of 2 cards were recovered; run the command again"
  succeed recover vm
  assert_as_before
}

check "recover undoes an attach that was killed before a call" before_a_call
check "recover undoes an attach that was killed after a call, or finds it finished" after_a_call
check "detach also undoes an attach that was killed after a call" detach_instead
check "another attach of the functions is refused, and the message names recover" attach_is_refused
check "recover finishes a detach that was killed before a call" before_a_call_of_detach
check "recover finishes a detach that was killed after a call" after_a_call_of_detach
check "detach finishes a detach that was killed before a call" detach_again
check "recover finishes after a recover that was killed" recover_is_killed
check "recover leaves complete cards and other domains alone" only_what_is_broken
check "recover undoes each of several attaches" several_cards
check "recover --dry-run prints what it would do, and touches nothing" dry_run
check "recover only removes the record of a run that had taken nothing" claimed
check "recover reports what it recovered" reported
check "recover makes libvirt own a function again that QEMU still has" forgotten
check "recover makes libvirt own an unassigned function again that QEMU still has" unassigned_forgotten
check "recover reattaches nothing while another domain has a member of the IOMMU group" other_domain_has_a_member
check "a recover that a signal ends says which cards it left" interrupted
finish
