#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The completion, typed into a real interactive bash under a pty. expect TYPED ARGUMENTS...: what the command gets after TYPED
# (\t: TAB; \e*: insert all completions) and Enter.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
COMPLETION=$here/../bash-completion/virt-mfplug BINDIR=${VIRT_MFPLUG%/*}
HOST=test://$here/data/host/q35.xml LOADER=/usr/share/bash-completion/bash_completion
n=0 failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=$tmp/rc
# virsh nodedev-list does not work on test:/// (libvirt 9.0: unsupported flags); the rest is real.
cat >"$tmp/virsh" <<'STUB'
#!/bin/sh
case " $* " in
  *" nodedev-list "*"pci"*) printf 'pci_0000_%s\n' 00_1f_2 01_00_0 01_00_1 02_00_0 02_00_3 03_00_0 ;;
  *) exec /usr/bin/virsh "$@" ;;
esac
STUB
chmod +x "$tmp/virsh"
cat >"$rc" <<RC
PATH=$tmp:$BINDIR:\$PATH
[ -z "$LOADER" ] || . "$LOADER"
. "$COMPLETION"
virt-mfplug() { printf 'GOT'; printf '<%s>' "\$@"; printf '\n'; }
RC
expect() {
  local typed=$1 want got
  shift
  want=GOT$(printf '<%s>' "$@")
  got=$(printf '%b\nexit\n' "$typed" | TERM=dumb INPUTRC=/dev/null script -qec "bash --noprofile --rcfile $rc -i" /dev/null 2>&1 |
    tr -d '\r' | grep -a '^GOT' | tail -n 1)
  n=$((n + 1))
  if [[ $got == "$want" ]]; then
    echo "ok $n - completes: $typed"
  else
    echo "not ok $n - completes: $typed"; echo "# got  $got"; echo "# want $want"; failed=1
  fi
}
c="virt-mfplug -c $HOST"
expect 'virt-mfplug att\t' attach
expect 'virt-mfplug \e*' attach detach list reclaim recover
expect 'virt-mfplug --verb\t' --verbose
expect 'virt-mfplug --conn\tqemu:///sy\t' --connect=qemu:///system
expect 'virt-mfplug -c qemu:///se\t' -c qemu:///session
expect 'virt-mfplug attach --per\t' attach --persistent
expect 'virt-mfplug detach --wai\t' detach --wai
expect 'virt-mfplug attach --rest un\t' attach --rest unassigned
expect 'virt-mfplug attach --rest=un\t' attach --rest=unassigned
expect 'virt-mfplug attach --managed=\e*' attach --managed=no yes # readline cuts at =
expect 'virt-mfplug detach --format j\t' detach --format json
expect "$c attach v\t" -c "$HOST" attach vm
expect "virt-mfplug --connect=$HOST attach v\t" --connect="$HOST" attach vm
expect "$c attach --slot 02:00 v\t" -c "$HOST" attach --slot 02:00 vm
expect "$c attach vm 0000:01\t" -c "$HOST" attach vm 0000:01:00
expect "$c attach vm 0000:01\t 0000:02\t" -c "$HOST" attach vm 0000:01:00 0000:02:00
expect "$c attach vm \e*" -c "$HOST" attach vm 0000:01:00 0000:02:00
expect "$c recover v\t 0000:01\t" -c "$HOST" recover vm 0000:01 # no device
expect 'virt-mfplug recover --dr\t' recover --dry-run
expect "$c reclaim 0000:01\t 0000:02\t" -c "$HOST" reclaim 0000:01:00 0000:02:00
expect "$c reclaim v\t" -c "$HOST" reclaim v # no domain
expect 'virt-mfplug reclaim --format=j\t' reclaim --format=json
expect "$c list v\t 0000:01\t" -c "$HOST" list vm 0000:01 # no device
expect 'virt-mfplug list --al\t' list --all
expect 'virt-mfplug list --format=j\t' list --format=json
expect "$c attach --config v\t --dry\t" -c "$HOST" attach --config vm --dry-run
expect 'virt-mfplug attach --file /etc/hostn\t' attach --file /etc/hostname
expect 'virt-mfplug attach --file=/etc/hostn\t' attach --file=/etc/hostname
expect 'virt-mfplug -c nosuch:/// attach v\t' -c nosuch:/// attach v
echo "1..$n"
exit $failed
