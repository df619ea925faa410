#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest with an IOMMU of its own: functions of one host IOMMU group need one address space, which only a conventional bus gives.
set -euo pipefail
export GUEST=viommu
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

passes "viommu: a guest runs" guest_restore unconfined
runs 3 "viommu: a root port is refused" virt-mfplug attach --slot 02:00 "$DOMAIN" $KIND_CARD
like "$errors" "the guest has an IOMMU" "viommu: and the message says why"
check_whole_card "viommu, pcie-to-pci-bridge" "" 0000:03:1f
check_partial_card "viommu, pcie-to-pci-bridge" "" 0000:03:1f
check_rollback "viommu, pcie-to-pci-bridge" pci.3 0000:03:10

done_testing
