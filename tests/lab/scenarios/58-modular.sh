#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The modular daemons virtqemud and virtnodedevd do what libvirtd does.
# roots: trixie
# alone: replaces libvirtd
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
attach=(attach --slot 0000:02:00 "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)

trap 'end_daemon virtqemud -KILL; end_daemon virtnodedevd -KILL; libvirtd -d' EXIT
passes "libvirtd ends" end_daemon libvirtd -TERM
virtnodedevd -d </dev/null
passes "virtqemud starts" start_daemon virtqemud
DAEMON=virtqemud
# Debian has no AppArmor profile for virtqemud, so no guest has one here.
passes "the saved guest can be restored" guest_restore
outside=$(card_state $card)

passes "attach succeeds" count_steps "${attach[@]}"
queue_step=$(grep -E "$step_line" <<<"$errors" | awk '/queue/ { print NR; exit }')
passes "attach: the guest sees both functions" wait_guest_sees "02:00.0 02:00.1"
runs 0 "list DOMAIN succeeds" virt-mfplug list "$DOMAIN"
like "$output" "host $card.1  guest 0000:02:00.1  plugged" "list DOMAIN shows the second function as plugged"
runs 0 "detach succeeds" virt-mfplug "${detach[@]}"
passes "detach: the guest sees none of the functions" wait_guest_misses "02:00"
is "$(card_state $card)" "$outside" "detach: everything is as before"

kill_program() { kill -KILL "$1" 2>/dev/null || true; }
at_step "$queue_step" kill_program "${attach[@]}"
runs 0 "attach, SIGKILL at the queue: recover succeeds" virt-mfplug recover "$DOMAIN"
is "$(card_state $card)" "$outside" "attach, SIGKILL at the queue: after recover everything is as before"

restart() { restart_libvirtd -KILL || diag "virtqemud did not restart"; }
at_step "$queue_step" restart "${attach[@]}"
check_outcome "attach, virtqemud restarted at the queue" $card in out
ensure_card in
at_step 2 restart "${detach[@]}"
check_outcome "detach, virtqemud restarted at the request" $card out in
ensure_card out
is "$(card_state $card)" "$outside" "in the end everything is as before"

trap - EXIT
guest_off
end_daemon virtqemud -TERM
end_daemon virtnodedevd -TERM
passes "libvirtd starts again" start_daemon libvirtd
done_testing
