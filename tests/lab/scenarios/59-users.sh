#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Users other than root: a member of the group libvirt, a user who may only read, and a libvirt session of a user's own.
# roots: trixie testing
# alone: restarts libvirtd
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
attach=(attach --slot 0000:02:00 "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)

useradd --create-home --groups libvirt member
useradd --create-home reader
# as USER COMMAND...: runs the command as that user.
as() { setpriv --reuid="$1" --regid="$1" --init-groups env HOME="/home/$1" XDG_RUNTIME_DIR="/run/user/$1" "${@:2}"; }
for user in member reader; do install -d -m 700 -o $user -g $user "/run/user/$user"; done

# As the comments of libvirtd.conf say. Debian's own configuration asks polkit, which needs D-Bus.
cp /etc/libvirt/libvirtd.conf /tmp/users.conf
printf '%s\n' 'unix_sock_group = "libvirt"' 'unix_sock_rw_perms = "0770"' 'unix_sock_ro_perms = "0777"' \
  'auth_unix_ro = "none"' 'auth_unix_rw = "none"' >>/tmp/users.conf
passes "libvirtd restarts with a socket for the group libvirt" restart_libvirtd -TERM --config /tmp/users.conf
passes "the saved guest can be restored" guest_restore unconfined
outside=$(card_state $card)

# A member of the group libvirt
PROGRAM=(as member "$VIRT_MFPLUG")
runs 0 "member of libvirt: attach succeeds" virt-mfplug "${attach[@]}"
is "$(card_place $card)" in "member of libvirt: libvirt, QEMU and the host have the card attached"
passes "member of libvirt: the guest sees both functions" wait_guest_sees "02:00.0 02:00.1"
runs 0 "member of libvirt: list DOMAIN succeeds" virt-mfplug list "$DOMAIN"
like "$output" "host $card.1  guest 0000:02:00.1  plugged" "member of libvirt: list DOMAIN asks QEMU"
runs 0 "member of libvirt: detach succeeds" virt-mfplug "${detach[@]}"
is "$(card_state $card)" "$outside" "member of libvirt: everything is as before"

# A user who may only read
PROGRAM=(as reader "$VIRT_MFPLUG")
runs 3 "reader: attach is refused" virt-mfplug "${attach[@]}"
like "$errors" "Permission denied.*group libvirt" "reader: the refusal says who may attach"
runs 3 "reader: detach is refused" virt-mfplug "${detach[@]}"
runs 0 "reader: list succeeds" virt-mfplug list
like "$output" "$card  2 functions  can be attached" "reader: list shows the card"
runs 0 "reader: list DOMAIN succeeds" virt-mfplug list "$DOMAIN"
runs 0 "reader: the dry run succeeds" virt-mfplug attach --dry-run "$DOMAIN" $card
like "$output" "<devices>.*multifunction=\"on\"" "reader: the dry run prints the document"
is "$(card_state $card)" "$outside" "reader: everything is as before"

# A libvirt session of a user's own
session=qemu:///session
cat >/tmp/own.xml <<XML
<domain type='qemu'>
  <name>own</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
XML
chmod 644 /tmp/own.xml
passes "session: a domain can be started" as member virsh -q -c $session create --paused /tmp/own.xml
PROGRAM=(as member "$VIRT_MFPLUG" -c $session)
runs 0 "session: list succeeds" virt-mfplug list
like "$output" "$card  2 functions  can be attached" "session: list shows the card"
runs 0 "session: the dry run succeeds" virt-mfplug attach --dry-run own $card
runs 3 "session: attach is refused" virt-mfplug attach own $card
like "$errors" "$card.0 cannot be taken from e1000e.*qemu:///session.*qemu:///system" \
  "session: the refusal names the function, and the connection that can take it"
is "$(drivers $card)" "0:e1000e 1:e1000e" "session: the functions are on their host driver"
as member virsh -q -c $session destroy own
passes "libvirtd restarts with its own configuration" restart_libvirtd

done_testing
