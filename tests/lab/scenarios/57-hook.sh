#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The libvirt hook in contrib/hooks reattaches a card when the domain that has it ends.
# alone: restarts libvirtd
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
other=0000:06:00

passes "the saved guest can be restored" guest_restore unconfined
mkdir -p /etc/libvirt/hooks
install -m 755 /lab/bin/qemu-hook /etc/libvirt/hooks/qemu
passes "libvirtd restarts with the hook" restart_libvirtd
take $other.0
runs 0 "attach succeeds" virt-mfplug attach "$DOMAIN" $card
virsh -q destroy "$DOMAIN"
passes "the hook reattaches the card when the domain is destroyed" wait_for all_drivers $card e1000e
is "$(driver $other.0)" vfio-pci "the hook leaves other cards on vfio-pci"
reattach "$other"
rm /etc/libvirt/hooks/qemu

done_testing
