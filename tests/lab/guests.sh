# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # variables of the lab's
# What the lab does for its guests on this machine: build kernel and initramfs, boot each guest here, where that takes seconds
# and not minutes as in an emulation within another, and save it, so that libvirt in L1 has but to restore it.

# The guests of x86 share a kernel and an initramfs.
build_guest() {
  local tree=$work/l2
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,proc,sys,dev}
  install -m 755 "$root/bin/busybox" "$tree/bin/busybox"
  install -m 755 "$here/guest/init" "$tree/init"
  # Uncompressed: unpacking costs the emulated guest more than reading costs.
  pack "$tree" >"$work/share/guest/initrd.tmp"
  mv "$work/share/guest/initrd.tmp" "$work/share/guest/initrd"
}

# foreign ARCHITECTURE PACKAGE...: these Debian packages and all that they need, taken apart in $work/ARCHITECTURE. They come from
# the sources that this machine's apt has; apt works on a state of its own, so that the machine's packages are none of its business.
foreign() {
  local architecture=$1 tree=$work/$1 state=$work/apt-$1 options package directory try
  shift
  [[ $(cat "$tree/packages" 2>/dev/null) != "$*" ]] || return 0
  say "fetching $* ($architecture)"
  rm -rf "$tree"
  mkdir -p "$state"/{state/lists/partial,cache/archives/partial} "$tree"/usr/{bin,sbin,lib,lib64}
  : >"$state/status"
  options=(-qq -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o APT::Sandbox::User=root
    -o "Dir::State=$state/state" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache" -o Debug::NoLocking=1 -o Acquire::Retries=3)
  # A mirror may be in the middle of an update. A source that fails, or has nothing for it, does no harm if the others have what is wanted.
  for try in 1 2 3; do
    ! apt-get "${options[@]}" update >&2 || break
    say "not all of apt's sources answered ($try)"
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

# build_foreign KIND: kernel and initramfs of its own, if the guest is of another architecture
build_foreign() {
  local architecture tree=$work/$1 target=$work/share/guest/$1 packages=(busybox-static) files=() file source
  case $1 in
    pseries)
      architecture=ppc64el
      packages+=(linux-image-powerpc64le ppc64-diag powerpc-utils)
      # The programs that hotplug takes on this machine, and their libraries.
      files=(usr/sbin/rtas_errd usr/sbin/drmgr etc/ppc64-diag/ppc64-diag.config ld64.so.2 libc.so.6 librtas.so.2 librtasevent.so.2 libservicelog-1.1.so.1
        libsqlite3.so.0 libm.so.6 libnuma.so.1)
      ;;
    aarch64)
      architecture=arm64
      packages+=(linux-image-arm64)
      ;;
    *) return 0 ;;
  esac
  stale "$target/initrd" "$here/lab" "$here/guest/init" "$here/guest/$1-start" "$here/guest/$1-build" || return 0
  foreign "$architecture" "${packages[@]}" || die "no packages for the guest $1"
  say "building the guest $1"
  rm -rf "$tree"
  mkdir -p "$target" "$tree"/{bin,proc,sys,dev,tmp,lib,var/log,var/lock}
  install -m 755 "$work/$architecture/bin/busybox" "$tree/bin/busybox"
  install -m 755 "$here/guest/init" "$tree/init"
  [[ ! -e $here/guest/$1-start ]] || install -m 755 "$here/guest/$1-start" "$tree/start"
  [[ ! -e $here/guest/$1-build ]] || "$here/guest/$1-build" "$tree"
  for file in "${files[@]}"; do
    source=$(find "$work/$architecture" -path "*/$file" ! -type d | head -n 1)
    [[ -n $source ]] || die "$file: not in the packages for the guest $1"
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

# in_root DIRECTORY COMMAND...: with the programs of the lab's root file system, which see this machine's /proc and /dev, and DIRECTORY as $there
there=/mnt
in_root() {
  local directory=$1
  shift
  if [[ -z $root ]]; then
    "$@"
    return
  fi
  # shellcheck disable=SC2016 # the inner shell's
  unshare --mount bash -c '
    mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --bind "$1" "$0/mnt" && exec chroot "$0" "${@:2}"' \
    "$root" "$directory" "$@"
}

# What a saved guest depends on, as one word.
guest_key() {
  {
    cat "$work/share/guest/$1.xml" "$(guest_files "$1")"/{vmlinux,initrd} "$here/guests.sh"
    in_root "$work" "$(sed -n 's,.*<emulator>\(.*\)</emulator>.*,\1,p' "$work/share/guest/$1.xml")" --version
    in_root "$work" virsh --version
  } | sha256sum | cut -c 1-64
}

# Where kernel and initramfs of a guest are.
guest_files() { if [[ -d $work/share/guest/$1 ]]; then echo "$work/share/guest/$1"; else echo "$work/share/guest"; fi; }

# save_guest KIND: as $work/share/saved/KIND: the domain (save) and what the guest listed (list). Does nothing if that is still true.
# All is done in a directory of its own with a short name: that of the monitor's socket may have 107 characters.
save_guest() {
  local kind=$1 target=$work/share/saved/$1 state key
  [[ -e $work/share/guest/$kind.xml ]] || die "no guest of the kind '$kind'"
  build_foreign "$kind"
  key=$(guest_key "$kind")
  [[ $(cat "$target/key" 2>/dev/null) != "$key" ]] || return 0
  say "booting and saving the guest $kind"
  state=$(mktemp -d /tmp/mfplug.XXXXXX)
  [[ -n $root ]] || there=$state
  rm -rf "$target"
  mkdir -p "$target"
  cp "$(guest_files "$kind")"/{vmlinux,initrd} "$state/"
  sed "s,/var/lib/libvirt/images/$kind,$there," "$work/share/guest/$kind.xml" >"$state/domain.xml"
  if ! boot_and_save "$kind" "$state"; then
    say "the guest $kind does not boot or cannot be saved on this machine; see $state"
    tail -n 20 "$state/log" "$state/serial.log" >&2 || true
    exit 1
  fi
  tr -d '\r' <"$state/serial.log" | sed -n '/^SEES /,/^LISTED /p' >"$target/list"
  mv "$state/save" "$target/save"
  chmod 644 "$target/save"
  echo "$key" >"$target/key"
  rm -rf "$state"
}

end_guest() { [[ ! -s $1 ]] || kill "$(cat "$1")"; }

# By libvirt's embedded driver: virsh is the whole daemon, and its files are below one directory. What it is told goes through a pipe
# that stays open: the daemon, and with it the guest, lives as long as virsh reads.
boot_and_save() {
  local kind=$1 state=$2 virsh to_virsh pid=$2/root/run/qemu/$1.pid saved=no
  # The guest must not outlive this, whatever happens.
  # shellcheck disable=SC2064 # now: it is local
  trap "end_guest '$pid'" EXIT
  trap 'exit 130' INT TERM HUP
  mkdir -p "$state/root/etc"
  printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'stdio_handler = "file"' \
    'namespaces = []' 'cgroup_controllers = []' 'remember_owner = 0' >"$state/root/etc/qemu.conf"
  mkfifo "$state/commands"
  in_root "$state" virsh -q -c "qemu:///embed?root=$there/root" <"$state/commands" >"$state/log" 2>&1 {lock}>&- &
  virsh=$!
  exec {to_virsh}>"$state/commands"
  ! save_awake || saved=yes
  exec {to_virsh}>&-
  end_guest "$pid"
  wait "$virsh" || true
  trap - EXIT INT TERM HUP
  [[ $saved == yes ]]
}

# The functions below are told by boot_and_save what to work on: $kind, $state, $virsh, $to_virsh.

tell_virsh() { echo "$*" >&"$to_virsh"; }
virsh_said() { grep -q "$1" "$state/log"; }

# await CONDITION...: it comes to hold before virsh fails, and in the time that a boot may take
await() {
  local end=$((SECONDS + boot_limit))
  until "$@"; do
    if ((SECONDS > end)) || ! kill -0 "$virsh" 2>/dev/null || virsh_said '^error:'; then return 1; fi
    sleep 0.2
  done
}

times_alive() { grep -ac '^ALIVE' "$state/serial.log" 2>/dev/null || true; }
alive_after() { [[ $(times_alive) -gt $1 ]]; }

# As roused in lib.sh, which says why; the last thing that virsh told of is the restored domain. A guest that needs no waking speaks.
# Of another one it can only be guessed when it will never speak, and a wrong guess costs no more than a boot.
restored_speaks() {
  local before=$1 console try
  console=$(sed -n "s,.*<console type='pty' tty='\([^']*\)'.*,\1,p" "$state/log" | tail -n 1)
  [[ -n $console ]] || { await alive_after "$before"; return; }
  for ((try = 0; try < 12; try++)); do
    ! alive_after "$before" || return 0
    { echo; sleep 3; } >"$console"
  done
  alive_after "$before"
}

# A save is taken for good only when the guest was restored from it and spoke. One of eight that were taken of a pseries guest at the
# end of its boot never did: its kernel waits for a timer, and the timer was not saved (see roused in lib.sh).
save_awake() {
  local try before
  for try in 1 2 3 4 5; do
    rm -f "$state/save"
    : >"$state/serial.log"
    tell_virsh "create $there/domain.xml"
    await alive_after 0 || return 1
    tell_virsh "save $kind $there/save"
    tell_virsh "echo saved-$try"
    await virsh_said "^saved-$try" && [[ -s $state/save ]] || return 1
    before=$(times_alive)
    tell_virsh "restore $there/save"
    tell_virsh "dumpxml $kind"
    tell_virsh "echo restored-$try"
    await virsh_said "^restored-$try" || return 1
    ! restored_speaks "$before" || return 0
    say "the guest $kind, once restored, is silent: it is booted anew"
    tell_virsh "destroy $kind"
  done
  return 1
}
