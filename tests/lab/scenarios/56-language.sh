#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Libvirtd's errors are in its own language: those that virt-mfplug tells apart, it tells by other means than their texts.
# alone: restarts libvirtd
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

if ! command -v test-rules-on-libvirt >/dev/null; then
  skip "the rules" "LAB_PROGRAMS names no test-rules-on-libvirt"
  done_testing
fi

rule() { test-rules-on-libvirt --connect qemu:///system -p "/rules/$1" $DOMAIN 0000:01:00 0000:03:00 0000:02:00; }

passes "a guest runs" guest_restore unconfined
cp -r /usr/lib/locale/C.utf8 /usr/lib/locale/ja_JP.utf8 # all but its name
LC_ALL=ja_JP.UTF-8 passes "libvirtd starts with another language" restart_libvirtd
runs 1 "a detach that it refuses" detach_alias ua-nothing
like "$errors" "エイリアス ua-nothing を持つ" "it says so in that language"
translate='import gettext, sys; print(gettext.translation("libvirt", "/usr/share/locale", ["ja"]).gettext(sys.argv[1]))'
like "$(python3 -c "$translate" "non unique alias detected: %s")" "エイリアス" "and knows the other error in it"
runs 0 "an absent device is known as such" rule detach-of-an-absent-device-is-not-found
like "$output" $'\n''ok 1 ' "which was tried"
runs 0 "an alias that is taken is known as such" rule an-alias-that-is-taken-is-refused-as-such
like "$output" $'\n''ok 1 ' "which was tried, too"
passes "libvirtd starts as before" restart_libvirtd

done_testing
