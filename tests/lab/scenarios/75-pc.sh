#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A pc (i440fx) guest with ACPI hotplug: slots on its root bus, and behind a pci-bridge.
set -euo pipefail
export GUEST=pc
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

passes "pc: the saved guest can be restored" guest_restore unconfined
check_whole_card "pc, pci-bridge" "" 0000:01:1f
check_whole_card "pc, root bus" "--slot 00:1f" 0000:00:1f
check_partial_card "pc, root bus" "--slot 00:10" 0000:00:10
in_full_run check_partial_card "pc, pci-bridge" "--slot 01:10" 0000:01:10
check_rollback "pc, root bus" pci.0 0000:00:11
in_full_run check_rollback "pc, pci-bridge" pci.1 0000:01:11
runs 3 "pc: attach to the chipset's slot is refused" virt-mfplug attach --slot 00:01 "$DOMAIN" $KIND_CARD
like "$errors" "the chipset is there" "pc: the message says that the chipset occupies the slot"

done_testing
