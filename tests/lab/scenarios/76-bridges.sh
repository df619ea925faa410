#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A q35 guest with ACPI hotplug, and with each kind of bridge that can have slots.
set -euo pipefail
export GUEST=bridges
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

passes "bridges: the saved guest can be restored" guest_restore unconfined
check_whole_card "q35, downstream port" "" 0000:07:00
in_full_run check_partial_card "q35, downstream port" "" 0000:07:00
in_full_run check_rollback "q35, downstream port" pci.7 0000:07:00
check_whole_card "q35, pcie-to-pci-bridge" "--slot 03:1f" 0000:03:1f
check_partial_card "q35, pcie-to-pci-bridge" "--slot 03:1e" 0000:03:1e
check_rollback "q35, pcie-to-pci-bridge" pci.3 0000:03:10
check_whole_card "q35, pci-bridge behind it" "--slot 04:1f" 0000:04:1f
in_full_run check_partial_card "q35, pci-bridge behind it" "--slot 04:1e" 0000:04:1e
in_full_run check_rollback "q35, pci-bridge behind it" pci.4 0000:04:10
check_whole_card "q35, pci-bridge behind a dmi-to-pci-bridge" "--slot 0a:1f" 0000:0a:1f
in_full_run check_partial_card "q35, pci-bridge behind a dmi-to-pci-bridge" "--slot 0a:1e" 0000:0a:1e
in_full_run check_rollback "q35, pci-bridge behind a dmi-to-pci-bridge" pci.10 0000:0a:10
runs 3 "q35: attach to a port with hotplug='off' is refused" virt-mfplug attach --slot 08:00 "$DOMAIN" $KIND_CARD
like "$errors" "hotplug='off'" "q35: the message says that the port has hotplug='off'"

done_testing
