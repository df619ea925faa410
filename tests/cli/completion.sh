#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests the completion in a real interactive bash on a pty. expect TYPED ARGUMENTS...: after TYPED and Enter, the command gets
# these arguments, within a time limit. In TYPED, \t is TAB, and \e* inserts all completions.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
COMPLETION=$here/../bash-completion/virt-mfplug BINDIR=${VIRT_MFPLUG%/*}
HOST=test://$here/data/host/q35.xml LOADER=/usr/share/bash-completion/bash_completion
MANY=test://$here/data/cli/host.xml # domains of all kinds
n=0 failed=0
tmp=$(mktemp -d)
server=
trap 'rm -rf "$tmp"; [ -z "$server" ] || kill "$server"' EXIT
# A domain with a space in its name, and a libvirt that never answers.
sed 's|<name>q35</name>|<name>my q35</name>|' "$here/data/cli/host.xml" >"$tmp/odd.xml"
mkfifo "$tmp/ready"
python3 "$here/cli/silent-libvirt.py" "$tmp/socket" >"$tmp/ready" &
server=$!
read -r _ <"$tmp/ready"
export SILENT="qemu+unix:///system?socket=$tmp/socket"
rc=$tmp/rc
# virsh nodedev-list does not work on test:/// (libvirt 9.0: unsupported flags). All other commands are real.
cat >"$tmp/virsh" <<'STUB'
#!/bin/sh
case " $* " in
  *"$SILENT"*) exec /usr/bin/virsh "$@" ;;
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
  got=$(printf '%b\nexit\n' "$typed" | TERM=dumb INPUTRC=/dev/null timeout -k 1 60 script -qec "bash --noprofile --rcfile $rc -i" /dev/null 2>&1 |
    tr -d '\r' | grep -a '^GOT' | tail -n 1)
  n=$((n + 1))
  if [[ $got == "$want" ]]; then
    echo "ok $n - $typed becomes $*"
  else
    echo "not ok $n - $typed becomes $*"; echo "# got  $got"; echo "# want $want"; failed=1
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
expect 'virt-mfplug attach --managed=\e*' attach --managed=no yes # readline splits words at =
expect 'virt-mfplug detach --format j\t' detach --format json
expect "$c attach v\t" -c "$HOST" attach vm
expect "virt-mfplug --connect=$HOST attach v\t" --connect="$HOST" attach vm
expect "$c attach --slot 02:00 v\t" -c "$HOST" attach --slot 02:00 vm
expect "$c attach vm 0000:01\t" -c "$HOST" attach vm 0000:01:00
expect "$c attach vm 0000:01\t 0000:02\t" -c "$HOST" attach vm 0000:01:00 0000:02:00
expect "$c attach vm \e*" -c "$HOST" attach vm 0000:01:00 0000:02:00
expect "$c attach vm 0000:01:00 \\e*" -c "$HOST" attach vm 0000:01:00 0000:02:00 # 01 is named already
expect "$c attach --file=x vm 0000:01\t" -c "$HOST" attach --file=x vm 0000:01 # the document names the devices
expect "$c recover v\t 0000:01\t" -c "$HOST" recover vm 0000:01 # it takes no device
expect 'virt-mfplug recover --dr\t' recover --dry-run
expect "$c reclaim 0000:01\t 0000:02\t" -c "$HOST" reclaim 0000:01:00 0000:02:00
expect "$c reclaim 0000:01:00 \\e*" -c "$HOST" reclaim 0000:01:00 0000:02:00
expect "$c reclaim v\t" -c "$HOST" reclaim v # it takes no domain
expect 'virt-mfplug reclaim --format=j\t' reclaim --format=json
expect "$c list v\t 0000:01\t" -c "$HOST" list vm 0000:01 # it takes no device
expect 'virt-mfplug list --al\t' list --all
expect 'virt-mfplug list --sl\t' list --slots
expect 'virt-mfplug list --format=j\t' list --format=json
expect "$c attach --config v\t --dry\t" -c "$HOST" attach --config vm --dry-run
expect 'virt-mfplug attach --file /etc/hostn\t' attach --file /etc/hostname
expect 'virt-mfplug attach --file=/etc/hostn\t' attach --file=/etc/hostname
m="virt-mfplug -c $MANY"
# A domain is completed if it runs, or if the command takes a shut-off domain too.
expect "$m attach off-c\t" -c "$MANY" attach off-c
expect "$m attach --live off-c\t" -c "$MANY" attach --live off-c
expect "$m attach --config off-c\t" -c "$MANY" attach --config off-card
expect "$m detach off-c\t" -c "$MANY" detach off-c
expect "$m detach --persistent off-c\t" -c "$MANY" detach --persistent off-card
expect "$m detach --current off-c\t" -c "$MANY" detach --current off-card
expect "$m recover off-c\t" -c "$MANY" recover off-c
expect "$m list off-c\t" -c "$MANY" list off-card
expect "$m list --slots off-c\t" -c "$MANY" list --slots off-card
# detach completes the cards that the domain has, or all cards for the persistent XML.
expect "$m detach card \e*" -c "$MANY" detach card 0000:02:00 0000:06:00
expect "$m detach card 0000:06:00 \e*" -c "$MANY" detach card 0000:06:00 0000:02:00
expect "$m detach --config card 0000:01\t" -c "$MANY" detach --config card 0000:01:00
expect "$m detach q35 0\t" -c "$MANY" detach q35 0 # the domain has no card
# --slot completes free guest slots, also those of bridges.
expect "$m attach q35 --slot \e*" -c "$MANY" attach q35 --slot 0000:03:00 0000:04:00
expect "$m attach q35 --slot=0000:04\t" -c "$MANY" attach q35 --slot=0000:04:00
expect "$m attach card --slot 0\t" -c "$MANY" attach card --slot 0000:04:00
expect "$m attach pc --slot 0000:00:0\e*" -c "$MANY" attach pc --slot 0000:00:02 0{4,5,6,7,8,9,a,b,c,d,e,f} # readline splits words at :
expect "$m attach --slot 0\t" -c "$MANY" attach --slot 0 # no domain is named yet
expect "virt-mfplug -c test://$tmp/odd.xml attach my\t --slot 0000:04\t" -c "test://$tmp/odd.xml" attach 'my q35' --slot 0000:04:00
expect "virt-mfplug -c test://$tmp/odd.xml attach 'my q35' --slot 0000:04\t" -c "test://$tmp/odd.xml" attach 'my q35' --slot 0000:04:00
expect 'virt-mfplug attach --live --li\t' attach --live --li # it is named already
expect 'virt-mfplug attach --rest=keep --res\t' attach --rest=keep --res
# Nothing is completed if libvirt does not exist, or if it hangs.
expect 'virt-mfplug -c nosuch:/// attach v\t' -c nosuch:/// attach v
expect "virt-mfplug -c '$SILENT' attach v\t" -c "$SILENT" attach v
expect "virt-mfplug -c '$SILENT' attach vm 0\t" -c "$SILENT" attach vm 0
expect "virt-mfplug -c '$SILENT' attach vm --slot 0\t" -c "$SILENT" attach vm --slot 0
expect "virt-mfplug -c '$SILENT' detach vm 0\t" -c "$SILENT" detach vm 0
echo "1..$n"
exit $failed
