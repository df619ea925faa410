# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # lab, which sources this file, sets the variables
# Functions that prepare guests on this machine. They build a kernel and an initramfs, boot the guest and save it, so
# that libvirt in L1 only has to restore it. A boot takes seconds here, but minutes in L1, where the guest runs in
# emulation inside emulation.

# All x86 guests share a kernel and an initramfs.
build_x86_guest() {
  local tree=$work/l2
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,proc,sys,dev}
  install -m 755 "$root/bin/busybox" "$tree/bin/busybox"
  install -m 755 "$here/guest/init" "$tree/init"
  # The archive stays uncompressed, because the emulated guest reads it faster than it would unpack it.
  pack "$tree" >"$work/share/guest/initrd.tmp"
  mv "$work/share/guest/initrd.tmp" "$work/share/guest/initrd"
}

# fetch_packages ARCHITECTURE PACKAGE...: downloads these Debian packages and their dependencies, and unpacks them into
# $work/ARCHITECTURE. apt uses this machine's sources, but a state directory of its own, so that it does not change the
# machine's packages.
fetch_packages() {
  local architecture=$1 tree=$work/$1 state=$work/apt-$1 options package directory try
  shift
  [[ $(cat "$tree/packages" 2>/dev/null) != "$*" ]] || return 0
  say "fetching $* ($architecture)"
  rm -rf "$tree"
  mkdir -p "$state"/{state/lists/partial,cache/archives/partial} "$tree"/usr/{bin,sbin,lib,lib64}
  : >"$state/status"
  options=(-qq -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o APT::Sandbox::User=root
    -o "Dir::State=$state/state" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache"
    -o Debug::NoLocking=1 -o Acquire::Retries=3)
  # A mirror may be in the middle of an update. If a source keeps failing, the other sources may have every package.
  for try in 1 2 3; do
    ! apt-get "${options[@]}" update >&2 || break
    say "apt could not read all of its sources (try $try of 3)"
    sleep 20
  done
  apt-get "${options[@]}" -y --no-install-recommends --download-only install "$@" >&2 || return 1
  for directory in bin sbin lib lib64; do ln -s "usr/$directory" "$tree/$directory"; done
  for package in "$state"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" |
      tar -C "$tree" -x --keep-directory-symlink --no-same-owner --exclude='*/share/*' --exclude='*/modules/*' --exclude='*/perl*'
  done
  echo "$*" >"$tree/packages"
  rm -rf "$state"
}

# build_foreign_guest KIND: builds the guest's own kernel and initramfs, if the guest has another architecture.
build_foreign_guest() {
  local architecture tree=$work/$1 target=$work/share/guest/$1 packages=(busybox-static) files=() file source
  case $1 in
    pseries)
      architecture=ppc64el
      packages+=(linux-image-powerpc64le ppc64-diag powerpc-utils)
      # Hotplug on pseries needs these programs and their libraries.
      files=(usr/sbin/rtas_errd usr/sbin/drmgr etc/ppc64-diag/ppc64-diag.config ld64.so.2 libc.so.6 librtas.so.2
        librtasevent.so.2 libservicelog-1.1.so.1 libsqlite3.so.0 libm.so.6 libnuma.so.1)
      ;;
    aarch64)
      architecture=arm64
      packages+=(linux-image-arm64)
      ;;
    *) return 0 ;;
  esac
  stale "$target/initrd" "$here/lab" "$here/guest/init" "$here/guest/$1-start" "$here/guest/$1-build" || return 0
  fetch_packages "$architecture" "${packages[@]}" || die "apt cannot fetch the packages for the guest $1"
  say "building the guest $1"
  rm -rf "$tree"
  mkdir -p "$target" "$tree"/{bin,proc,sys,dev,tmp,lib,var/log,var/lock}
  install -m 755 "$work/$architecture/bin/busybox" "$tree/bin/busybox"
  install -m 755 "$here/guest/init" "$tree/init"
  [[ ! -e $here/guest/$1-start ]] || install -m 755 "$here/guest/$1-start" "$tree/start"
  [[ ! -e $here/guest/$1-build ]] || "$here/guest/$1-build" "$tree"
  for file in "${files[@]}"; do
    source=$(find "$work/$architecture" -path "*/$file" ! -type d | head -n 1)
    [[ -n $source ]] || die "the packages for the guest $1 do not contain $file"
    case $file in
      ld64.so.*) install -D "$source" "$tree/lib64/$file" ;;
      *.so.*) install -D "$source" "$tree/lib/$file" ;;
      *) install -D "$source" "$tree/$file" ;;
    esac
  done
  cp "$(find "$work/$architecture/boot" -name 'vmlinu[xz]-*' | sort -V | tail -n 1)" "$target/vmlinux"
  pack "$tree" >"$target/initrd.tmp"
  mv "$target/initrd.tmp" "$target/initrd"
}

# enter_root DIRECTORY: sets $entry to the words that run a command of the lab's root file system. The command sees this
# machine's /proc, /sys and /dev, and DIRECTORY at its own path. Without /sys libvirt 12 does not start a domain.
enter_root() {
  entry=()
  [[ -n $root ]] || return 0
  mkdir -p "$root$1"
  # shellcheck disable=SC2016 # the inner shell expands them
  entry=(unshare --mount bash -c '
    for directory in /proc /sys /dev; do mount --rbind "$directory" "$0$directory" || exit; done
    mount --bind "$1" "$0$1" && exec chroot "$0" "${@:2}"' "$root" "$1")
}

# in_root DIRECTORY COMMAND...: runs the command that way.
in_root() {
  local entry
  enter_root "$1"
  "${entry[@]}" "${@:2}"
}

# guest_key KIND: prints a hash of everything that a saved guest depends on.
guest_key() {
  {
    cat "$work/share/guest/$1.xml" "$(guest_files "$1")"/{vmlinux,initrd} "$here/guests.sh"
    in_root "$work" "$(sed -n 's,.*<emulator>\(.*\)</emulator>.*,\1,p' "$work/share/guest/$1.xml")" --version
    in_root "$work" virsh --version
  } | sha256sum | cut -c 1-64
}

# guest_files KIND: prints the directory of the guest's kernel and initramfs.
guest_files() { if [[ -d $work/share/guest/$1 ]]; then echo "$work/share/guest/$1"; else echo "$work/share/guest"; fi; }

# save_guest KIND: boots the guest, and saves it in $work/share/saved/KIND: the domain (save) and the guest's report
# (list). Does nothing if the saved guest is up to date. The boot uses a directory with a short name, because the path
# of the monitor's socket may have at most 107 characters.
save_guest() {
  local kind=$1 target=$work/share/saved/$1 state key
  [[ -e $work/share/guest/$kind.xml ]] || die "there is no guest '$kind' in tests/lab/guest"
  build_foreign_guest "$kind"
  key=$(guest_key "$kind")
  [[ $(cat "$target/key" 2>/dev/null) != "$key" ]] || return 0
  say "booting and saving the guest $kind"
  state=$(mktemp -d /tmp/mfplug.XXXXXX)
  rm -rf "$target"
  mkdir -p "$target"
  cp "$(guest_files "$kind")"/{vmlinux,initrd} "$state/"
  sed "s,/var/lib/libvirt/images/$kind,$state," "$work/share/guest/$kind.xml" >"$state/domain.xml"
  if ! boot_and_save "$kind" "$state"; then
    say "cannot boot and save the guest $kind on this machine; see $state"
    tail -n 20 "$state/log" "$state/serial.log" >&2 || true
    exit 1
  fi
  tr -d '\r' <"$state/serial.log" | sed -n '/^SEES /,/^LISTED /p' >"$target/list"
  mv "$state/save" "$target/save"
  chmod 644 "$target/save"
  echo "$key" >"$target/key"
  rm -rf "$state"
}

kill_guest() { [[ ! -s $1 ]] || kill "$(cat "$1")"; }

# boot_and_save KIND STATE: boots the guest with libvirt's embedded driver, and saves it as STATE/save. With this driver
# virsh is the whole daemon, and keeps its files below STATE. It reads commands from a pipe, which stays open: the
# daemon and the guest live only as long as virsh reads.
boot_and_save() {
  local kind=$1 state=$2 entry virsh to_virsh pid=$2/root/run/qemu/$1.pid saved=no
  # The guest must not outlive this function, even if a signal ends it.
  # shellcheck disable=SC2064 # expands now, because the variable is local
  trap "kill_guest '$pid'" EXIT
  trap 'exit 130' INT TERM HUP
  mkdir -p "$state/root/etc"
  printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'stdio_handler = "file"' \
    'namespaces = []' 'cgroup_controllers = []' 'remember_owner = 0' >"$state/root/etc/qemu.conf"
  mkfifo "$state/commands"
  enter_root "$state"
  "${entry[@]}" virsh -q -c "qemu:///embed?root=$state/root" \
    <"$state/commands" >"$state/log" 2>&1 {lock}>&- &
  virsh=$!
  exec {to_virsh}>"$state/commands"
  ! save_responsive_guest || saved=yes
  exec {to_virsh}>&-
  kill_guest "$pid"
  wait "$virsh" || true
  trap - EXIT INT TERM HUP
  [[ $saved == yes ]]
}

# boot_and_save sets $kind, $state, $virsh and $to_virsh for the functions below.

tell_virsh() { echo "$*" >&"$to_virsh"; }
virsh_said() { grep -q "$1" "$state/log"; }

# await CONDITION...: waits until the condition holds. Fails if virsh fails, or after the time that a boot may take.
await() {
  local end=$((SECONDS + boot_limit))
  until "$@"; do
    if ((SECONDS > end)) || ! kill -0 "$virsh" 2>/dev/null || virsh_said '^error:'; then return 1; fi
    sleep 0.2
  done
}

# alive_count: prints the number of ALIVE lines in the guest's log.
alive_count() { grep -ac '^ALIVE' "$state/serial.log" 2>/dev/null || true; }
more_alive_than() { [[ $(alive_count) -gt $1 ]]; }

# restored_guest_responds COUNT: succeeds if the guest's log gets more than COUNT ALIVE lines. A guest whose console is
# a terminal may need to be woken, for the reason that wake_guest in lib.sh gives. The XML that virsh printed last names
# the terminal. This gives up after 12 key presses. If the guest was only slow, that costs no more than another boot.
restored_guest_responds() {
  local before=$1 console try
  console=$(sed -n "s,.*<console type='pty' tty='\([^']*\)'.*,\1,p" "$state/log" | tail -n 1)
  [[ -n $console ]] || { await more_alive_than "$before"; return; }
  for ((try = 0; try < 12; try++)); do
    ! more_alive_than "$before" || return 0
    { echo; sleep 3; } >"$console"
  done
  more_alive_than "$before"
}

# save_responsive_guest: boots and saves the guest, and restores it to see whether it responds. If it does not, this
# boots the guest again. Of eight pseries guests that were saved at the end of their boot, one never responded: its
# kernel waits for a timer that QEMU did not save (see wake_guest in lib.sh).
save_responsive_guest() {
  local try before
  for try in 1 2 3 4 5; do
    rm -f "$state/save"
    : >"$state/serial.log"
    tell_virsh "create $state/domain.xml"
    await more_alive_than 0 || return 1
    tell_virsh "save $kind $state/save"
    tell_virsh "echo saved-$try"
    await virsh_said "^saved-$try" && [[ -s $state/save ]] || return 1
    before=$(alive_count)
    tell_virsh "restore $state/save"
    tell_virsh "dumpxml $kind"
    tell_virsh "echo restored-$try"
    await virsh_said "^restored-$try" || return 1
    ! restored_guest_responds "$before" || return 0
    say "the restored guest $kind does not respond; booting it again"
    tell_virsh "destroy $kind"
  done
  return 1
}
