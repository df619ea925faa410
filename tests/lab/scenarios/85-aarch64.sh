#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An aarch64 guest (virt, without firmware). Its root ports use native PCIe hotplug.
set -euo pipefail
export GUEST=aarch64
# shellcheck source=/dev/null
source /lab/lib.sh
# shellcheck source=/dev/null
source /lab/kinds.sh

passes "aarch64: the saved guest can be restored" guest_restore unconfined
check_whole_card "aarch64" "" 0000:02:00
check_partial_card "aarch64" "" 0000:02:00
in_full_run check_rollback "aarch64" pci.1 0000:01:00

done_testing
