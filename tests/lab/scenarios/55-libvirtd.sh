#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# libvirtd restarts at a step of an attach or of a detach, at each in turn. The run continues with the new libvirtd, or undoes what
# it did.
# alone: restarts libvirtd
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
attach=(attach --slot 0000:02:00 "$DOMAIN" $card)
detach=(detach "$DOMAIN" $card)

passes "the saved guest can be restored" guest_restore unconfined
outside=$(card_state $card)
passes "an undisturbed attach succeeds" count_steps "${attach[@]}"
attach_steps=$steps
passes "an undisturbed detach succeeds" count_steps "${detach[@]}"
detach_steps=$steps

# SIGTERM at odd steps, SIGKILL at even steps.
restart() {
  local signal=-TERM
  [[ $((step % 2)) != 0 ]] || signal=-KILL
  restart_libvirtd $signal || diag "libvirtd did not restart"
}

# In a short run: a take and the plug, and of the detach the request.
for step in $(choose "$(seq "$attach_steps")" "4 8"); do
  ensure_card out
  at_step $step restart "${attach[@]}"
  check_outcome "attach, libvirtd restarted at step $step" $card in out
done
for step in $(choose "$(seq "$detach_steps")" "2"); do
  ensure_card in
  at_step $step restart "${detach[@]}"
  check_outcome "detach, libvirtd restarted at step $step" $card out in
done
ensure_card out
is "$(card_state $card)" "$outside" "in the end everything is as before"
done_testing
