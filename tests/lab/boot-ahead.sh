# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# boot-ahead.sh GUEST...: boots and saves guests that later scenarios are about, while the first ones run.
for GUEST in "$@"; do
  (
    export GUEST
    # shellcheck source=/dev/null
    source /lab/lib.sh
    # A libvirtd that is restarted just then takes the start or the save with it.
    guest_boot || guest_boot
  )
done
