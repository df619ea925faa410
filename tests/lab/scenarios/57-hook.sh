#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# libvirt's hook gives a card back when the domain that has it ends.
# alone: restarts libvirtd
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
other=0000:06:00

passes "a guest runs" guest_restore unconfined
mkdir -p /etc/libvirt/hooks
install -m 755 /lab/bin/qemu-hook /etc/libvirt/hooks/qemu
passes "libvirtd restarts with the hook" restart_libvirtd
take $other.0
runs 0 "attach" virt-mfplug attach "$DOMAIN" $card
virsh -q destroy "$DOMAIN"
passes "the hook gives the card back, unasked" wait_for all_drivers $card e1000e
is "$(driver $other.0)" vfio-pci "and touches nothing else"
reattach "$other"
rm /etc/libvirt/hooks/qemu

done_testing
