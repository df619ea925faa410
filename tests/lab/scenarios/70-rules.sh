#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The rules that the fake libvirt of the fault tests keeps are those of the real libvirt, QEMU and kernel: test-rules tries
# them on the fake, and the same rules are tried here. RULES="-p /rules/NAME" tries one.
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

if ! command -v test-rules-on-libvirt >/dev/null; then
  skip "the rules" "LAB_PROGRAMS names no test-rules-on-libvirt"
  done_testing
fi
passes "a guest runs" guest_restore unconfined
devices_before=$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')
defined_before=$(virsh dumpxml --inactive $DOMAIN)

# shellcheck disable=SC2086 # RULES are words
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
is "$seen $status" "$stated 0" "the program ran to its end"

is "$(virsh dumpxml $DOMAIN | sed -n '/<devices>/,$p')" "$devices_before" "the domain is as it was"
is "$(virsh dumpxml --inactive $DOMAIN)" "$defined_before" "its persistent form too"
for card in "${CARDS[@]}"; do
  passes "$card is on its host driver" all_drivers "$card" $HOST_DRIVER
done
passes "the guest lives" wait_heartbeat
unlike "$(guest_lspci)" "8086:10d3" "and sees no card"

done_testing
