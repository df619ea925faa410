#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# libvirtd's errors are in libvirtd's language. So virt-mfplug must not recognise an error by its English text.
# alone: restarts libvirtd
set -euo pipefail
# shellcheck source=/dev/null
source /lab/lib.sh

if ! command -v test-rules-on-libvirt >/dev/null; then
  skip "virt-mfplug recognises errors in another language" "LAB_PROGRAMS does not name test-rules-on-libvirt"
  done_testing
fi

rule() { test-rules-on-libvirt --connect qemu:///system -p "/rules/$1" $DOMAIN 0000:01:00 0000:03:00 0000:02:00; }

passes "the saved guest can be restored" guest_restore unconfined
cp -r /usr/lib/locale/C.utf8 /usr/lib/locale/ja_JP.utf8 # a locale of that name is enough
LC_ALL=ja_JP.UTF-8 passes "libvirtd restarts in Japanese" restart_libvirtd
runs 1 "libvirtd refuses to detach an absent alias" detach_alias ua-nothing
like "$errors" "エイリアス ua-nothing を持つ" "libvirtd's error for an absent alias is in Japanese"
translate='import gettext, sys; print(gettext.translation("libvirt", "/usr/share/locale", ["ja"]).gettext(sys.argv[1]))'
like "$(python3 -c "$translate" "non unique alias detected: %s")" "エイリアス" \
  "libvirt has the error for a duplicate alias in Japanese"
runs 0 "virt-mfplug recognises the error for an absent device" rule detach-of-an-absent-device-is-not-found
like "$output" $'\n''ok 1 ' "the rule for an absent device was tested"
runs 0 "virt-mfplug recognises the error for a duplicate alias" rule an-alias-that-is-taken-is-refused-as-such
like "$output" $'\n''ok 1 ' "the rule for a duplicate alias was tested"
passes "libvirtd restarts in its own language" restart_libvirtd

done_testing
