#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# libvirtd restarts at each step of an attach and of a detach. The run continues with the new libvirtd, or undoes what
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

for ((step = 1; step <= attach_steps; step++)); do
  at_step $step restart "${attach[@]}"
  check_outcome "attach, libvirtd restarted at step $step" $card in out
  [[ $status == 0 ]] || runs 0 "preparation: attach succeeds" virt-mfplug "${attach[@]}"
  if [[ $step -le $detach_steps ]]; then
    at_step $step restart "${detach[@]}"
    check_outcome "detach, libvirtd restarted at step $step" $card out in
  fi
  [[ $(card_place $card) == out ]] || runs 0 "preparation: detach succeeds" virt-mfplug "${detach[@]}"
  is "$(card_state $card)" "$outside" "step $step: everything is as before"
done

done_testing
