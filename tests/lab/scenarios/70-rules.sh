#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The real libvirt, QEMU and kernel follow the same rules as the fake libvirt of the fault tests. test-rules tests the
# rules on the fake, and this scenario tests them on the real libvirt. RULES="-p /rules/NAME" selects one rule.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

if ! command -v test-rules-on-libvirt >/dev/null; then
  skip "the real libvirt follows the rules of the fake" "LAB_PROGRAMS does not name test-rules-on-libvirt"
  done_testing
fi
passes "the saved guest can be restored" guest_restore unconfined
devices_before=$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')
defined_before=$(virsh dumpxml --inactive $DOMAIN)

# shellcheck disable=SC2086 # RULES is a list of words
status=0 stated=none seen=0
while IFS= read -r line; do
  case $line in
    'ok '*) seen=$((seen + 1)) && ok "${line#*/rules/}" ;;
    'not ok '*) seen=$((seen + 1)) && not_ok "${line#*/rules/}" ;;
    '# Start of '* | '# End of '*) ;;
    1..*) stated=${line#1..} ;;
    status:*) status=${line#status:} ;;
    *) diag "${line#\# }" ;;
  esac
done < <(test-rules-on-libvirt --connect qemu:///system ${RULES:-} $DOMAIN 0000:01:00 0000:03:00 0000:02:00 2>/dev/null || echo "status:$?")
is "$seen $status" "$stated 0" "test-rules-on-libvirt finishes and succeeds"

is "$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')" "$devices_before" "the running domain is as before"
is "$(virsh dumpxml --inactive $DOMAIN)" "$defined_before" "the persistent XML is as before"
for card in "${CARDS[@]}"; do
  passes "every function of $card is on its host driver" all_drivers "$card" $HOST_DRIVER
done
passes "the guest is alive" wait_heartbeat
unlike "$(guest_lspci)" "8086:10d3" "the guest sees no card"

done_testing
