#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Users other than root: a member of the group libvirt, a user who may only read, and a libvirt session of a user's own.
# alone: restarts libvirtd
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
attach=(attach --slot 0000:02:00 "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)

useradd --create-home --groups libvirt operator
useradd --create-home visitor
# as USER COMMAND...: runs the command as that user.
as() { setpriv --reuid="$1" --regid="$1" --init-groups env HOME="/home/$1" XDG_RUNTIME_DIR="/run/user/$1" "${@:2}"; }
for user in operator visitor; do install -d -m 700 -o $user -g $user "/run/user/$user"; done

# As the comments of libvirtd.conf say. Debian's own configuration asks polkit, which needs D-Bus.
cp /etc/libvirt/libvirtd.conf /tmp/users.conf
printf '%s\n' 'unix_sock_group = "libvirt"' 'unix_sock_rw_perms = "0770"' 'unix_sock_ro_perms = "0777"' \
  'auth_unix_ro = "none"' 'auth_unix_rw = "none"' >>/tmp/users.conf
passes "libvirtd restarts with a socket for the group libvirt" restart_libvirtd -TERM --config /tmp/users.conf
passes "the saved guest can be restored" guest_restore unconfined
outside=$(card_state $card)

# A member of the group libvirt
PROGRAM=(as operator "$VIRT_MFPLUG")
runs 0 "member of libvirt: attach succeeds" virt-mfplug "${attach[@]}"
is "$(card_place $card)" in "member of libvirt: libvirt, QEMU and the host have the card attached"
passes "member of libvirt: the guest sees both functions" wait_guest_sees "02:00.0 02:00.1"
runs 0 "member of libvirt: list DOMAIN succeeds" virt-mfplug list "$DOMAIN"
like "$output" "host $card.1  guest 0000:02:00.1  plugged" "member of libvirt: list DOMAIN asks QEMU"
runs 0 "member of libvirt: detach succeeds" virt-mfplug "${detach[@]}"
is "$(card_state $card)" "$outside" "member of libvirt: everything is as before"

# A user who may only read
PROGRAM=(as visitor "$VIRT_MFPLUG")
runs 3 "reader: attach is refused" virt-mfplug "${attach[@]}"
like "$errors" "Permission denied.*group libvirt" "reader: the refusal says who may attach"
runs 3 "reader: detach is refused" virt-mfplug "${detach[@]}"
runs 0 "reader: list succeeds" virt-mfplug list
like "$output" "$card  2 functions  can be attached" "reader: list shows the card"
runs 0 "reader: list DOMAIN succeeds" virt-mfplug list "$DOMAIN"
runs 0 "reader: the dry run succeeds" virt-mfplug attach --dry-run "$DOMAIN" $card
like "$output" "<devices>.*multifunction=\"on\"" "reader: the dry run prints the document"
is "$(card_state $card)" "$outside" "reader: everything is as before"

done_testing
