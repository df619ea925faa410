# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Helpers for scripts that run inside the lab: source /lab/lib.sh. TAP, the guest, the cards, libvirt.
# Times that are printed are in seconds of the lab's own clock. Addresses are written 0000:01:00.0, cards 0000:01:00.

# Which guest: one of /lab/guest/*.xml; a script that is about another sets it before it sources this.
GUEST=${GUEST:-l2}
DOMAIN=$GUEST
# Scenarios about l2, about its twin and about the others run beside each other, so each have cards of their own.
case $GUEST in
  l2) CARDS=(0000:01:00 0000:02:00 0000:03:00 0000:04:00) ;;
  twin) CARDS=(0000:05:00 0000:06:00) ;;
  *) CARDS=(0000:07:00 0000:08:00) ;;
esac
HOST_DRIVER=e1000e
GUEST_DIR=/var/lib/libvirt/images/$GUEST
# The kernel and the initramfs that all x86 guests share, or those of a guest of another architecture.
GUEST_FILES=/lab/guest
[[ ! -d /lab/guest/$GUEST ]] || GUEST_FILES+=/$GUEST
SERIAL_LOG=$GUEST_DIR/serial.log

shopt -s extglob

diag() { printf '%s\n' "$*" | sed 's/^/# /'; }
t() { local now; read -r now _ </proc/uptime; diag "[$now] $*"; }

# --- TAP ------------------------------------------------------------------------------------------------------------
# A script ends with done_testing. One that stops before has no plan, which is what makes it a failure.

tap_number=0 tap_failed=0

ok() { tap_number=$((tap_number + 1)); echo "ok $tap_number - $1"; }

# not_ok NAME [DIAGNOSTICS]
not_ok() {
  tap_number=$((tap_number + 1)) tap_failed=$((tap_failed + 1))
  echo "not ok $tap_number - $1"
  [[ -z ${2:-} ]] || diag "$2"
}

is() { if [[ $1 == "$2" ]]; then ok "$3"; else not_ok "$3" "got:      $1"$'\n'"expected: $2"; fi; }
isnt() { if [[ $1 != "$2" ]]; then ok "$3"; else not_ok "$3" "got: $1, which must not be"; fi; }
like() { if [[ $1 =~ $2 ]]; then ok "$3"; else not_ok "$3" "got:     $1"$'\n'"pattern: $2"; fi; }
unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" "got:     $1"$'\n'"must not match: $2"; else ok "$3"; fi; }

# runs STATUS NAME COMMAND...: the command's exit status is asserted; its output stays in $output (stdout), $errors (stderr).
runs() {
  local wanted=$1 name=$2 status=0
  shift 2
  output=$("$@" 2>"/tmp/errors.$$") || status=$?
  errors=$(cat "/tmp/errors.$$")
  if [[ $status == "$wanted" ]]; then
    ok "$name"
  else
    not_ok "$name" "$*"$'\n'"exit status $status, expected $wanted"$'\n'"stdout: $output"$'\n'"stderr: $errors"
  fi
}

# passes NAME COMMAND...: like runs 0, for functions whose effects must stay in this shell.
passes() {
  local name=$1
  shift
  if "$@"; then ok "$name"; else not_ok "$name" "failed: $*"; fi
}

skip() { tap_number=$((tap_number + 1)); echo "ok $tap_number - $1 # SKIP $2"; }
bail_out() { echo "Bail out! $*"; exit 1; }
plan() { echo "1..$1"; tap_planned=$1; }

done_testing() {
  # A guest that idles takes its part of the processors all the same.
  guest_off
  [[ -n ${tap_planned:-} ]] || plan "$tap_number"
  [[ $tap_failed == 0 && $tap_planned == "$tap_number" ]] || exit 1
  exit 0
}

# json_has TEXT EXPRESSION: whether TEXT is JSON, and the Python EXPRESSION on it, called "it", is true
json_has() { python3 -c 'import json, sys; it = json.loads(sys.argv[1]); sys.exit(not eval("(" + sys.argv[2] + ")"))' "$@" || { diag "$1"; return 1; }; }

# --- Waiting --------------------------------------------------------------------------------------------------------
# A wait does not know how fast this machine is. It ends when the thing has happened, or when nothing is left to hope for: after so
# many looks, or when a guest has had so much work done besides (see README.md). LAB_TIMEOUT ends the scenario in any case.

LOOKS_MAX=2000 BEATS_MAX=200

# Seconds that virt-mfplug may wait for the guest. It has only the clock to measure by, so this is more than any guest needs. It is
# less than LAB_TIMEOUT, so that the program can still say what it waits for.
PATIENCE=1800

# The program, as the words that start it. A scenario may start it in another way.
PROGRAM=("$VIRT_MFPLUG")

# What nobody writes to: a read waits on it, where sleep would be another process.
exec {NAP}<> <(:)
nap() { local unread; read -r -t 0.3 -u "$NAP" unread || true; }

# wait_for COMMAND...: until the command succeeds.
wait_for() {
  local look
  for ((look = 0; look < LOOKS_MAX; look++)); do
    ! "$@" || return 0
    nap
  done
  diag "waited in vain, for $LOOKS_MAX looks: $*"
  return 1
}

# wait_guest COMMAND...: until the command succeeds, which tells of something that the guest has to do
wait_guest() {
  local lines mark beats=0 before=0 look=0
  mapfile -t lines <"$SERIAL_LOG"
  mark=${#lines[@]}
  until "$@"; do
    beats_since "$mark"
    [[ $beats == "$before" ]] || before=$beats look=0
    if ((++look > LOOKS_MAX || beats > BEATS_MAX)); then
      diag "waited in vain, while the guest spoke $beats times and then was silent for $look looks: $*"
      return 1
    fi
    nap
  done
}

# patient WORD...: sets WORDS to these words for the program, with PATIENCE. (Of two --timeout the last one counts.)
patient() {
  local word
  WORDS=()
  for word; do
    WORDS+=("$word")
    case $word in
      attach | detach | recover | reclaim)
        WORDS+=(--timeout "$PATIENCE" "${@:${#WORDS[@]}+1}")
        return
        ;;
    esac
  done
}

# A scenario means by this name the program with that patience.
virt-mfplug() {
  local WORDS
  patient "$@"
  "${PROGRAM[@]}" "${WORDS[@]}"
}

# --- The host's functions -------------------------------------------------------------------------------------------

functions_of() { local path; for path in /sys/bus/pci/devices/"$1".*; do echo "${path##*/}"; done; }
driver() { local link; link=$(readlink "/sys/bus/pci/devices/$1/driver") || link=none; echo "${link##*/}"; }
iommu_group() { local link; link=$(readlink "/sys/bus/pci/devices/$1/iommu_group") || link=none; echo "${link##*/}"; }
node_device() { local name=pci_$1; echo "${name//[:.]/_}"; }

# drivers 0000:01:00: "0:e1000e 1:e1000e ..." in one line
drivers() {
  local function line=
  for function in $(functions_of "$1"); do line+=" ${function##*.}:$(driver "$function")"; done
  echo "${line# }"
}

# all_drivers CARD DRIVER: whether every function is bound to it
all_drivers() {
  local function
  for function in $(functions_of "$1"); do [[ $(driver "$function") == "$2" ]] || return 1; done
}

take() { local function; for function in "$@"; do virsh -q nodedev-detach "$(node_device "$function")" || return 1; done; }

# give_back CARD...: every function to the host driver, whatever holds it now
give_back() {
  local card function
  for card in "$@"; do
    for function in $(functions_of "$card"); do
      wait_for given_back "$function" || { diag "$function stays on $(driver "$function")"; return 1; }
    done
  done
}

# given_back FUNCTION: whether it is on the host driver, after one more try
given_back() {
  [[ $(driver "$1") != "$HOST_DRIVER" ]] || return 0
  virsh -q nodedev-reattach "$(node_device "$1")" >/dev/null 2>&1 || true
  [[ $(driver "$1") == "$HOST_DRIVER" ]]
}

# --- libvirt and QEMU -----------------------------------------------------------------------------------------------

qmp() { virsh qemu-monitor-command "$DOMAIN" "$1"; }

# QEMU's ids of devices that have one (libvirt's aliases), in one line
qemu_ids() {
  qmp '{"execute":"qom-list","arguments":{"path":"/machine/peripheral"}}' |
    grep -o '"name":"[^"]*"' | sed 's/"name":"//; s/"$//' | grep -v '^type$' | sort | tr '\n' ' ' | sed 's/ $//'
}

# shellcheck disable=SC2120 # by scenarios
# hostdevs [--inactive]: one line per <hostdev>: HOST-ADDRESS GUEST-ADDRESS|unassigned ALIAS|- MANAGED
hostdevs() {
  virsh dumpxml "$DOMAIN" "$@" | awk -F"'" '
    function address(   i, v) {
      for (i = 1; i < NF; i += 2) { sub(/^.* /, "", $i); v[$i] = $(i + 1) }
      if (v["type="] == "unassigned") return "unassigned"
      return sprintf("%s:%s:%s.%s", substr(v["domain="], 3), substr(v["bus="], 3), substr(v["slot="], 3), substr(v["function="], 3))
    }
    /<hostdev / { inside = 1; alias = guest = "-"; for (i = 1; i < NF; i++) if ($i ~ /managed=$/) managed = $(i + 1) }
    inside && /<source>/ { source = 1 }
    inside && /<alias / { alias = $2 }
    inside && /<address / { if (source) host = address(); else guest = address() }
    /<\/source>/ { source = 0 }
    /<\/hostdev>/ { if (inside) print host, guest, alias, managed; inside = 0 }' | sort
}

# shellcheck disable=SC2119
no_hostdevs() { [[ -z $(hostdevs) ]]; }

# hostdev_xml HOST-ADDRESS ALIAS [ADDRESS-ELEMENT] [MANAGED]
hostdev_xml() {
  local domain bus slot function
  IFS=:. read -r domain bus slot function <<<"$1"
  cat <<XML
<hostdev mode='subsystem' type='pci' managed='${4:-no}'>
  <source><address domain='0x$domain' bus='0x$bus' slot='0x$slot' function='0x$function'/></source>
  <alias name='$2'/>
  ${3:-}
</hostdev>
XML
}

attach_xml() { virsh -q attach-device "$DOMAIN" /dev/stdin --live; }
detach_alias() { virsh -q detach-device-alias "$DOMAIN" "$1" --live; }

# queue HOST-ADDRESS ALIAS BUS ADDR: a function for QEMU to show together with function 0
queue() {
  local answer
  answer=$(qmp '{"execute":"device_add","arguments":{"driver":"vfio-pci","host":"'"$1"'","id":"'"$2"'","bus":"'"$3"'","addr":"'"$4"'"}}')
  [[ $answer != *'"error"'* ]] || { diag "$answer"; return 1; }
}

# libvirtd_restart [SIGNAL [OPTION...]]: ends libvirtd and starts it, with these options. The library makes a new connection
# after this, as every client must.
libvirtd_restart() {
  local signal=${1:--TERM} pid
  pid=$(cat /run/libvirtd.pid)
  kill "$signal" "$pid"
  wait_for has_ended "$pid" || { diag "libvirtd ($pid) does not end"; return 1; }
  libvirtd -d "${@:2}" </dev/null
  wait_for libvirtd_answers
}
has_ended() { [[ ! -d /proc/$1 ]]; }
libvirtd_answers() { virsh -q uri >/dev/null 2>&1; }

# --- virt-mfplug, disturbed ------------------------------------------------------------------------------------------

# ensure WHERE: brings $card "in" or "out" for what comes next, by the words ${attach[@]} and ${detach[@]}, if it is elsewhere
ensure() {
  [[ $(card_place "$card") != "$1" ]] || return 0
  case $1 in
    in) runs 0 "attach" virt-mfplug "${attach[@]}" ;;
    out) runs 0 "detach" virt-mfplug "${detach[@]}" ;;
  esac
}

# What --verbose prints at the beginning of a step, and not for a call or a warning.
step_line='^virt-mfplug: (\(back\) )?[a-z]+ '

# at_step STEP ACTION COMMAND...: runs virt-mfplug, and "ACTION PID" when it says that it begins that step (from 1).
# Then $status is its exit status, $output what it printed, $errors what it said.
at_step() {
  local step=$1 action=$2 pid line count=0 WORDS
  shift 2
  rm -f /tmp/progress
  mkfifo /tmp/progress
  patient "$@"
  # Not by the function of this name: the process is to be the program's.
  "${PROGRAM[@]}" --verbose "${WORDS[@]}" >/tmp/output 2>/tmp/progress &
  pid=$!
  errors=
  while IFS= read -r line; do
    errors+=$line$'\n'
    [[ $line =~ $step_line ]] || continue
    count=$((count + 1))
    [[ $count != "$step" ]] || $action "$pid"
  done </tmp/progress
  status=0
  wait "$pid" 2>/dev/null || status=$?
  output=$(cat /tmp/output)
}

# count_steps COMMAND...: runs virt-mfplug, to set $steps to the number of steps that it said it did
count_steps() {
  at_step 0 : "$@"
  [[ $status == 0 ]] || { diag "$errors"; return 1; }
  steps=$(grep -cE "$step_line" <<<"$errors")
}

# What virt-mfplug cares about, in one text to compare: libvirt's hostdevs, QEMU's ids of ours, the records, the drivers.
card_state() {
  hostdevs
  qemu_ids | tr ' ' '\n' | grep '^ua-mfplug' || true
  virsh dumpxml "$DOMAIN" | grep 'urn:virt-mfplug' || true
  drivers "$1"
}

# card_place CARD: "in" or "out" when the card, the only one of ours in the domain, is so for libvirt, QEMU and the host
# alike; else "between"
card_place() {
  local held in_qemu functions
  functions=$(functions_of "$1" | wc -l)
  held=$(hostdevs | grep -c "^$1" || true)
  in_qemu=$(qemu_ids | tr ' ' '\n' | grep -c '^ua-mfplug' || true)
  if [[ $held == 0 && $in_qemu == 0 ]] && all_drivers "$1" "$HOST_DRIVER"; then
    echo out
  elif [[ $held == "$functions" && $in_qemu == "$functions" ]] && all_drivers "$1" vfio-pci; then
    echo in
  else
    echo between
  fi
}

# fate NAME CARD PLACE-WHEN-DONE PLACE-WHEN-UNDONE: after at_step, one of them is where the card is, in keeping with $status
fate() {
  local place
  place=$(card_place "$2")
  case $status in
    0) is "$place" "$3" "$1: done" ;;
    1)
      is "$place" "$4" "$1: undone"
      like "$errors" "Everything was undone" "$1: says so"
      ;;
    *) not_ok "$1: done or undone" "exit status $status"$'\n'"$errors" ;;
  esac
}

# --- The guest ------------------------------------------------------------------------------------------------------
# Its first process reports on the serial log; see guest/init for the format.

# By the shell alone: a wait asks this again and again, and the processes of a pipe cost the nested machine more than the guest itself.

# read_report: sets REPORT to what the guest saw when it last said so: its line SEES, and one PCI for each function. A restored guest
# says nothing anew: guest_restore puts the list of the saved one into the log, so that nothing a former guest said counts.
read_report() {
  local lines line number='' i
  REPORT=()
  mapfile -t lines <"$SERIAL_LOG"
  for ((i = ${#lines[@]} - 1; i >= 0; i--)); do
    line=${lines[i]%$'\r'}
    case $line in
      RESTORED) break ;;
      "LISTED "*) number=${line#LISTED } REPORT=() ;;
      "SEES $number" | "SEES $number "*)
        REPORT=("$line" "${REPORT[@]}")
        return
        ;;
      "SEES "*) number='' ;; # the end of this list is missing
      "PCI "*) [[ -z $number ]] || REPORT=("$line" "${REPORT[@]}") ;;
    esac
  done
  REPORT=('')
}

# The addresses in one line, as the guest has them: "00:00.0 00:01.0 ... 01:00.0"
guest_sees() { read_report; echo "${REPORT[0]##SEES +([0-9])*( )}"; }

# Like lspci -n: "01:00.0 0200: 8086:10d3 (rev 00, prog-if 00)" for each function
guest_lspci() { read_report; [[ ${#REPORT[@]} == 1 ]] || printf '%s\n' "${REPORT[@]:1}" | sed 's/^PCI //'; }

serial_mark() { local lines; mapfile -t lines <"$SERIAL_LOG"; SERIAL_MARK=${#lines[@]}; }
# What came since the mark, into LINES.
serial_since_mark() { mapfile -t -s "$SERIAL_MARK" LINES <"$SERIAL_LOG"; LINES=("${LINES[@]%$'\r'}"); }

# beats_since MARK: how often the guest has spoken since that line of the log, each time in a line of its own, into $beats
beats_since() {
  local line LINES SERIAL_MARK=$1
  serial_since_mark
  beats=0
  for line in "${LINES[@]}"; do
    [[ ! $line =~ ^(ALIVE|LISTED)\ [0-9]+$ ]] || beats=$((beats + 1))
  done
}

# A word from the guest since the mark: it lives, and guest_sees is what it sees now.
guest_spoke() {
  local beats
  beats_since "$SERIAL_MARK"
  [[ $beats != 0 ]]
}
guest_fresh() { serial_mark; wait_guest guest_spoke; }

# wait_guest_sees PATTERN; wait_guest_misses PATTERN. The pattern is an ERE over the addresses.
guest_matches() { read_report; [[ ${REPORT[0]} =~ $1 ]]; }
guest_differs() { read_report; [[ ! ${REPORT[0]} =~ $1 ]]; }
wait_guest_sees() { wait_guest guest_matches "$1" || { diag "the guest sees: $(guest_sees)"; return 1; }; }
wait_guest_misses() { wait_guest guest_differs "$1" || { diag "the guest sees: $(guest_sees)"; return 1; }; }

guest_off() {
  case $(virsh -q domstate "$DOMAIN" 2>/dev/null) in
    '' | 'shut off'*) ;;
    *) virsh -q destroy "$DOMAIN" ;;
  esac
}

# An AppArmor profile of the guest's own takes most of a start or a restore, and a second per hostdev: this does without.
unconfine() {
  virsh dumpxml --inactive "$DOMAIN" |
    sed "s,</domain>,<seclabel type='none' model='apparmor'/>&," >/tmp/unconfined.xml
  virsh -q define /tmp/unconfined.xml
}

# roused [TERMINAL]: whether the restored guest has spoken; if not, a key is pressed on its console, where that is a terminal.
# A restored pseries guest sleeps until something interrupts it: QEMU saves no decrementer before 8.2. QEMU looks once in a
# second whether a terminal is open.
roused() {
  ! guest_spoke || return 0
  [[ ! -c ${1:-} ]] || { echo; sleep 3; } >"$1"
  guest_spoke
}

# guest_restore [unconfined]: the guest as it was when saved, its persistent definition too; all cards with the host.
guest_restore() {
  local saved=/lab/saved/$GUEST number terminal
  guest_off && give_back "${CARDS[@]}" || return 1
  mkdir -p "$GUEST_DIR"
  cp -n "$GUEST_FILES"/{vmlinux,initrd} "$saved/save" "$GUEST_DIR/"
  virsh -q define "/lab/guest/$GUEST.xml" || return 1
  [[ ${1:-} != unconfined ]] || unconfine || return 1
  number=$(awk '{ print $2; exit }' "$saved/list")
  { printf '\nRESTORED\n'; cat "$saved/list"; echo "LISTED $number"; } >>"$SERIAL_LOG"
  # Its own definition, as the files of the saved one are where it was booted.
  virsh dumpxml --inactive "$DOMAIN" >/tmp/definition.xml
  virsh -q restore "$GUEST_DIR/save" --xml /tmp/definition.xml || return 1
  terminal=$(virsh -q ttyconsole "$DOMAIN" 2>/dev/null) || terminal=
  serial_mark
  wait_for roused "$terminal" || { diag "the restored guest is silent"; return 1; }
  t "guest: restored"
}
