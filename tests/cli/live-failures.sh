#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whole command lines that fail, on the fake libvirt: what is undone, what is left, and
# which command finishes it.

# shellcheck source=tests/cli/fake.sh
. "$(dirname -- "$0")/fake.sh"

on_nic="nic nic nic nic"
on_vfio="vfio-pci vfio-pci vfio-pci vfio-pci"
injected="libvirt says: internal error: injected failure"
asked="cannot remove the card from the guest: the guest was asked to release the slot; run the command again to go on waiting:"

# Calls in the steps of an attach, and how the message describes the step that fails.
attach_steps='virDomainSetMetadata#1 record what is taken from the host
virDomainSetMetadata#2 check that no other run and no other domain has these functions
virNodeDeviceDetachFlags#1 take 0000:01:00.0 from its host driver
virNodeDeviceDetachFlags#4 take 0000:01:00.3 from its host driver
virDomainAttachDeviceFlags#1 attach 0000:01:00.1 to the domain as unassigned
virDomainAttachDeviceFlags#3 attach 0000:01:00.3 to the domain as unassigned
virDomainGetXMLDesc#4 check the aliases of the unassigned functions
device_add#1 queue 0000:01:00.1 in QEMU
device_add#3 queue 0000:01:00.3 in QEMU
virDomainAttachDeviceFlags#4 plug 0000:01:00.0 as function 0, and the card with it
query-pci#1 verify the slot
qom-list#1 verify the slot'

# each_step FUNCTION: calls FUNCTION with the call and the words of each step.
each_step() {
  printf '%s\n' "$attach_steps" >"$scratch/steps"
  while read -r call words; do
    new_host
    "$1" "$call" "$words"
  done <"$scratch/steps"
}

undone() {
  with_faults "$1=error-before" attach vm 01:00
  assert_error 1 "cannot $2: $injected
Everything was undone."
  assert_as_before
}

# The call takes effect, but its answer is lost. After the last call the card is plugged.
lost_answer() {
  with_faults "$1=lost-after" attach vm 01:00
  if [ "$1" = virDomainAttachDeviceFlags#4 ]; then
    assert_done
    assert_drivers "$on_vfio"
  else
    assert_error 1 "cannot $2: libvirt says: internal error: client socket is closed
Everything was undone."
    assert_as_before
  fi
}

each_step_undone() { each_step undone; }
each_lost_answer_undone() { each_step lost_answer; }

# A run that fails before its first change has nothing to undo, and its status says so.
# refused_before CALL WORD...: the call, which comes before the first step, fails.
refused_before() {
  call=$1
  shift
  with_faults "$call=error-before" "$@"
  assert_error_has 3 "$injected"
  assert_stderr_lacks "undone"
}

failure_before_the_first_step() {
  new_host
  refused_before virNodeListDevices#1 attach vm 01:00
  refused_before virNodeDeviceGetXMLDesc#2 attach vm 01:00
  assert_as_before
  plugged_host
  remember
  refused_before query-pci#1 detach vm 01:00
  refused_before qom-list#1 recover vm
  refused_before virDomainIsPersistent#1 attach --persistent vm 01:00
  assert_as_before
}

undone_config() {
  new_host
  with_faults virDomainAttachDeviceFlags#3=error-before attach --config vm 01:00
  assert_error 1 "cannot add 0000:01:00.2 to the persistent XML: $injected
Everything was undone."
  assert_as_before
}

undone_persistent() {
  new_host
  with_faults device_add#2=error-before attach --persistent vm 01:00
  assert_error 1 "cannot queue 0000:01:00.2 in QEMU: $injected
Everything was undone."
  assert_as_before
}

# From the failure on, libvirt refuses every change. The error lists what is left, and
# recover undoes it later.
left() {
  new_host
  with_faults device_add#2=broken,device_add#2=error-before attach --timeout 2 vm 01:00
  assert_status 5
  assert_stderr_has "cannot queue 0000:01:00.2 in QEMU: $injected
Undoing that failed: "
  assert_stderr_has "What is left:
  0000:01:00.0: driver vfio-pci, not owned by the domain, not in QEMU
  0000:01:00.1: driver vfio-pci, owned by the domain, in QEMU
  0000:01:00.2: driver vfio-pci, owned by the domain, not in QEMU
  0000:01:00.3: driver vfio-pci, owned by the domain, not in QEMU
To finish or undo: virt-mfplug recover vm"
  edit_state 's/ broken="yes"/ broken="no"/'
  succeed recover vm
  assert_as_before
}

# ---- detach ----

failure_undone() {
  plugged_host
  remember
  with_faults virDomainSetMetadata#1=error-before detach vm 01:00
  assert_error 1 "cannot record that the card is being detached: $injected
Everything was undone."
  assert_as_before
}

# A detach that has asked the guest goes on, whichever call fails once.
failure_of_detach() {
  for call in qom-list#1 virDomainDetachDeviceAlias#1 virNodeDeviceReAttach#1 \
    virNodeDeviceReAttach#5 virDomainSetMetadata#2; do
    for kind in error-before error-after lost-before lost-after; do
      plugged_host
      with_faults "$call=$kind" detach vm 01:00
      assert_done
      assert_as_before
    done
  done
}

silent_guest() {
  plugged_host
  with_faults virDomainDetachDeviceAlias#1=silent-guest detach --timeout 20 vm 01:00
  assert_error 4 "$asked timed out after 20 s"
  assert_drivers "$on_vfio"
  succeed list vm
  assert_stdout_has "  host 0000:01:00.0  guest 0000:03:00.0  detaching: removal pending"
  on_fake detach --timeout 20 vm 01:00
  assert_status 4
  guest_answers
  succeed detach vm 01:00
  assert_stdout_has "Detached from domain 'vm':"
  assert_drivers "$on_nic"
}

# If the guest does not release the card during an undo, recover removes the card later.
silent_guest_attach() {
  new_host
  with_faults query-pci#1=silent-guest,qom-list#1=error-before attach --timeout 2 vm 01:00
  assert_status 5
  assert_stderr_has "Undoing that failed: cannot unplug 0000:01:00.0, and the card with it: "
  assert_stderr_has "To finish or undo: virt-mfplug recover vm"
  on_fake recover --timeout 20 vm
  assert_status 4
  guest_answers
  succeed recover vm
  assert_drivers "$on_nic"
}

rejection() {
  plugged_host
  remember
  edit_state 's/ rejects="no"/ rejects="yes"/'
  on_fake detach vm 01:00
  assert_status 1
  assert_stderr_has "the guest's system rejected the removal of 'ua-mfplug-0000-01-00-0'"
  assert_drivers "$on_vfio"
  edit_state 's/ rejects="yes"/ rejects="no"/'
  succeed detach vm 01:00
  assert_drivers "$on_nic"
}

# ---- the domain ends ----

ended_attach() {
  for call in virNodeDeviceDetachFlags#2 virDomainAttachDeviceFlags#2 device_add#2 query-pci#1; do
    new_host
    with_faults "$call=domain-ends" attach vm 01:00
    assert_status 1
    assert_stderr_has "he domain ended meanwhile"
    assert_stderr_has "Everything was undone."
    assert_drivers "$on_nic"
  done
}

ended_detach() {
  for call in virDomainSetMetadata#1 virDomainDetachDeviceAlias#1 qom-list#2 \
    virNodeDeviceReAttach#1; do
    plugged_host
    with_faults "$call=domain-ends" detach vm 01:00
    assert_done
    assert_drivers "$on_nic"
  done
}

# A migration or another long job of the domain keeps libvirt from changing anything.
long_job() {
  new_host
  with_faults virDomainSetMetadata#1=broken attach vm 01:00
  assert_error 1 "cannot record what is taken from the host: $injected
Everything was undone."
  assert_as_before
}

# The restarted domain gets function 0, which is taken out of it again.
restarted() {
  new_host
  with_faults virDomainAttachDeviceFlags#4=domain-restarts attach vm 01:00
  assert_error 1 "cannot verify the slot: the domain ended and started again meanwhile, and has 0000:01:00.0 now
Everything was undone."
  assert_drivers "$on_nic"
  if grep -q '<hostdev\|virt-mfplug:card' "$FAKE_LIBVIRT"; then
    fail "the restarted domain has a hostdev or a record"
  fi
}

# A domain that was started with the card keeps it, and the message tells.
restarted_with_the_card() {
  new_host
  succeed attach --config vm 01:00
  with_faults virDomainAttachDeviceFlags#1=domain-restarts attach --timeout 2 vm 01:00
  assert_status 5
  assert_stderr_has "the domain ended and started again meanwhile, and has 0000:01:00.0 now"
  assert_stderr_has "0000:01:00.0: driver vfio-pci"
}

# The record is gone with the domain, so only reclaim can reattach the functions.
reclaimed() {
  plugged_host
  succeed attach other 02:00
  on_fake reclaim 01:00
  assert_error 3 "host function 0000:01:00.0 is attached to domain 'vm'; detach it there first"
  with_faults virConnectOpenAuth#1=domain-ends list
  assert_drivers "$on_vfio"
  on_fake recover vm
  assert_stdout "Nothing to recover in domain 'vm'."
  succeed reclaim --dry-run 01:00
  assert_stdout "would reattach 0000:01:00.0 to its host driver
would reattach 0000:01:00.1 to its host driver
would reattach 0000:01:00.2 to its host driver
would reattach 0000:01:00.3 to its host driver
Steps that are done already are skipped."
  assert_drivers "$on_vfio"
  on_fake -c qemu+ssh://host.example/session reclaim 01:00
  assert_error 3 "a user's own libvirt (qemu:///session) cannot reattach functions to their host drivers, because it does not run as root; use qemu:///system (-c)"
  succeed reclaim 01:00
  assert_stdout "Reattached to the host:
  host 0000:01:00.0
  host 0000:01:00.1
  host 0000:01:00.2
  host 0000:01:00.3"
  assert_drivers "$on_nic"
  assert_drivers "$on_vfio" 02_00
  succeed reclaim 01:00
  assert_stdout "Nothing to reattach to the host."
}

# ---- signals ----

interrupt() {
  [ "$1" != query-pci#1 ] && [ "$1" != qom-list#1 ] || return 0 # calls of the last step
  with_faults "$1=signal" attach vm 01:00
  assert_status 1
  assert_stdout_empty
  assert_stderr "virt-mfplug: interrupted: stopping as soon as this step allows: $2; a second signal ends the program at once
virt-mfplug: error: interrupted
Everything was undone."
  assert_as_before
}

each_step_interrupted() { each_step interrupt; }

signal_in_the_last_step() {
  new_host
  with_faults query-pci#1=signal attach vm 01:00
  assert_status 0
  assert_stdout_has "Attached to domain 'vm':"
}

signal_while_the_guest_is_silent() {
  plugged_host
  with_faults virDomainDetachDeviceAlias#1=silent-guest,qom-list#2=signal detach vm 01:00
  assert_error_has 4 "virt-mfplug: error: $asked interrupted"
}

signal_after_the_guest() {
  plugged_host
  with_faults virNodeDeviceReAttach#1=signal detach vm 01:00
  assert_status 0
  assert_drivers "$on_nic"
}

second_signal() {
  plugged_host
  with_faults virConnectOpenAuth#1=domain-ends list
  with_faults virNodeDeviceReAttach#1=signal,virNodeDeviceReAttach#2=signal reclaim 01:00.0-1 01:00.2-3
  assert_status 5
  assert_stderr_has "To finish or undo it: virt-mfplug reclaim 01:00.0-1 01:00.2-3"
}

# ---- calls that do not return ----

hang() {
  named="${1%#*} of "
  case ${1%#*} in
    device_add | query-pci | qom-list) named="virDomainQemuMonitorCommand of ${1%#*} within 2 s" ;;
  esac
  with_faults "$1=hang" attach --timeout 2 vm 01:00
  assert_status 5
  assert_stdout_empty
  assert_stderr_has "virt-mfplug: error: cannot $2: libvirt has not returned from $named"
  assert_stderr_has " within 2 s"
  assert_stderr_has "Nothing was undone, as libvirt does not return. The host driver may be waiting for a program that uses the device.
To finish or undo: virt-mfplug recover vm"
  succeed recover vm
  case $2 in
    verify*) assert_stdout "Nothing to recover in domain 'vm'." ;;
    *) assert_as_before ;;
  esac
}

each_call_hangs() { each_step hang; }

hang_in_detach() {
  for call in virDomainDetachDeviceAlias#1 virNodeDeviceReAttach#2 virDomainSetMetadata#2; do
    plugged_host
    with_faults "$call=hang" detach --timeout 2 vm 01:00
    assert_status 5
    assert_stderr_has "libvirt has not returned from ${call%#*} of "
    assert_stderr_has "To finish or undo: virt-mfplug recover vm"
    succeed recover vm
    assert_as_before
  done
}

hang_of_the_opening() {
  for command in "attach --timeout 2 vm 01:00" "detach --timeout 2 vm 01:00" \
    "recover --timeout 2 vm" "reclaim --timeout 2 01:00"; do
    new_host
    # shellcheck disable=SC2086 # words
    with_faults virConnectOpenAuth#1=hang $command
    assert_error 3 "cannot connect to libvirt: libvirt has not returned from virConnectOpenAuth within 2 s"
    assert_as_before
  done
}

hang_before_a_change() {
  new_host
  with_faults virNodeListDevices#1=hang attach --timeout 2 vm 01:00
  assert_status 3
  assert_stderr_has "libvirt has not returned from virNodeListDevices"
  assert_as_before
}

check "an attach that fails in any step undoes everything" each_step_undone
check "an attach that loses an answer undoes everything, or finds the card plugged" each_lost_answer_undone
check "a failure before the first step changes nothing, and ends with status 3" failure_before_the_first_step
check "a failure of --config is undone" undone_config
check "a failure of --persistent is also undone in the persistent XML" undone_persistent
check "what cannot be undone is listed, and recover finishes it" left
check "a detach that fails before it asks the guest is undone" failure_undone
check "a detach that has asked the guest goes on after a failure" failure_of_detach
check "a silent guest ends a detach with status 4, and the same command finishes it later" silent_guest
check "a silent guest ends an undo with status 5, and recover finishes it" silent_guest_attach
check "a guest that rejects the removal keeps the card" rejection
check "if the domain ends during an attach, all functions return to the host" ended_attach
check "if the domain ends during a detach, all functions return to the host" ended_detach
check "an attach that libvirt lets change nothing ends with status 1" long_job
check "what an attach plugged into a domain that had restarted is taken out again" restarted
check "a domain that restarted with the card in its persistent XML keeps it" restarted_with_the_card
check "reclaim reattaches what a domain left behind, and not what a domain has" reclaimed
check "SIGINT during an attach undoes everything" each_step_interrupted
check "SIGINT after the plug does not undo the attach" signal_in_the_last_step
check "SIGINT while a detach waits for the guest ends it with status 4" signal_while_the_guest_is_silent
check "SIGINT after the guest has released the card does not stop the detach" signal_after_the_guest
check "a second SIGINT ends a reclaim with status 5, and the message names the command" second_signal
check "a call that hangs ends an attach with status 5, and recover undoes what is incomplete" each_call_hangs
check "a call that hangs ends a detach with status 5, and recover finishes it" hang_in_detach
check "a connection that hangs ends a command with status 3" hang_of_the_opening
check "a call that hangs before the first change ends an attach with status 3" hang_before_a_change
finish
