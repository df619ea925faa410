#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest with an IOMMU of its own. The functions of one IOMMU group of the host need a common address space in the
# guest, and only a conventional PCI bus provides that.
set -euo pipefail
export GUEST=viommu
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

passes "viommu: the saved guest can be restored" guest_restore unconfined
runs 3 "viommu: attach to a root port is refused" virt-mfplug attach --slot 02:00 "$DOMAIN" $KIND_CARD
like "$errors" "the guest has an IOMMU" "viommu: the message says that the guest has an IOMMU"
check_whole_card "viommu, pcie-to-pci-bridge" "" 0000:03:1f
in_full_run check_partial_card "viommu, pcie-to-pci-bridge" "" 0000:03:1f
check_rollback "viommu, pcie-to-pci-bridge" pci.3 0000:03:10

done_testing
