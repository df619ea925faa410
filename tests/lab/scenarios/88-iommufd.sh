#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A domain that uses IOMMUFD (libvirt 12.2 and later): the functions of a card go by their VFIO group.
# roots: testing
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:01:00

passes "the saved guest can be restored with <iommufd>" guest_restore unconfined "<iommufd enabled='yes'/>"
like "$(virsh dumpxml $DOMAIN)" "<iommufd enabled='yes'/>" "the running domain uses IOMMUFD"
outside=$(card_state $card)

runs 0 "the dry run succeeds" virt-mfplug attach --dry-run --slot 0000:02:00 $DOMAIN $card
is "$(grep -c '<driver iommufd="no"/>' <<<"$output")" 4 "the document of the dry run keeps each function out of IOMMUFD"
sed 's/iommufd="no"/iommufd="yes"/' <<<"$output" >/tmp/iommufd.xml

runs 0 "attach succeeds" virt-mfplug attach --slot 0000:02:00 $DOMAIN $card
passes "the guest sees the card" wait_guest_sees "02:00.0 02:00.1 02:00.2 02:00.3"
is "$(virsh dumpxml $DOMAIN | grep -c "<driver.* iommufd='no'")" 4 "libvirt's XML keeps each function out of IOMMUFD"
runs 0 "detach succeeds" virt-mfplug detach $DOMAIN $card
passes "the guest sees none of the functions" wait_guest_misses "02:00"
is "$(card_state $card)" "$outside" "after the detach everything is as before"

runs 3 "a document with iommufd='yes' is refused" virt-mfplug attach --file /tmp/iommufd.xml $DOMAIN
like "$errors" "iommufd" "the refusal names iommufd"
is "$(card_state $card)" "$outside" "after the refusal everything is as before"

done_testing
