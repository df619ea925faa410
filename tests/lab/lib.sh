# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Helpers for scripts that run inside the lab. A script begins with: source /lab/lib.sh
# Printed times are seconds of the lab's own clock. Addresses are written 0000:01:00.0, and cards 0000:01:00.

# One of /lab/guest/*.xml. A script that uses a guest other than l2 exports GUEST before it sources this file.
GUEST=${GUEST:-l2}
DOMAIN=$GUEST
# Scenarios for l2, for its twin and for the other guests run in parallel, so each of these three has cards of its own.
case $GUEST in
  l2) CARDS=(0000:01:00 0000:02:00 0000:03:00 0000:04:00) ;;
  twin) CARDS=(0000:05:00 0000:06:00) ;;
  *) CARDS=(0000:07:00 0000:08:00) ;;
esac
HOST_DRIVER=e1000e
GUEST_DIR=/var/lib/libvirt/images/$GUEST
# All x86 guests share a kernel and an initramfs. A guest of another architecture has its own.
GUEST_FILES=/lab/guest
[[ ! -d /lab/guest/$GUEST ]] || GUEST_FILES+=/$GUEST
SERIAL_LOG=$GUEST_DIR/serial.log

shopt -s extglob

# diag TEXT: prints the text as TAP diagnostics.
diag() { printf '%s\n' "$*" | sed 's/^/# /'; }
# timestamp TEXT: prints the lab's clock and the text.
timestamp() { local now; read -r now _ </proc/uptime; diag "[$now] $*"; }

# --- TAP ------------------------------------------------------------------------------------------------------------
# A script ends with done_testing, which prints the plan. A script that stops earlier prints no plan, and so it fails.

tap_number=0 tap_failed=0

ok() { tap_number=$((tap_number + 1)); echo "ok $tap_number - $1"; }

# not_ok NAME [DIAGNOSTICS]
not_ok() {
  tap_number=$((tap_number + 1)) tap_failed=$((tap_failed + 1))
  echo "not ok $tap_number - $1"
  [[ -z ${2:-} ]] || diag "$2"
}

is() { if [[ $1 == "$2" ]]; then ok "$3"; else not_ok "$3" "got:      $1"$'\n'"expected: $2"; fi; }
isnt() { if [[ $1 != "$2" ]]; then ok "$3"; else not_ok "$3" "got: $1, expected anything else"; fi; }
like() { if [[ $1 =~ $2 ]]; then ok "$3"; else not_ok "$3" "got:     $1"$'\n'"pattern: $2"; fi; }
unlike() { if [[ $1 =~ $2 ]]; then not_ok "$3" "got:     $1"$'\n'"must not match: $2"; else ok "$3"; fi; }

# runs STATUS NAME COMMAND...: asserts the command's exit status. Sets $output to its stdout and $errors to its stderr.
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

# passes NAME COMMAND...: asserts exit status 0, as "runs 0" does. The command runs in this shell and may set variables.
passes() {
  local name=$1
  shift
  if "$@"; then ok "$name"; else not_ok "$name" "failed: $*"; fi
}

skip() { tap_number=$((tap_number + 1)); echo "ok $tap_number - $1 # SKIP $2"; }
bail_out() { echo "Bail out! $*"; exit 1; }
plan() { echo "1..$1"; tap_planned=$1; }

done_testing() {
  # Even an idle guest takes processor time from the other scenarios.
  guest_off
  [[ -n ${tap_planned:-} ]] || plan "$tap_number"
  [[ $tap_failed == 0 && $tap_planned == "$tap_number" ]] || exit 1
  exit 0
}

# json_has TEXT EXPRESSION: succeeds if TEXT is JSON and the Python EXPRESSION is true. EXPRESSION calls the JSON "it".
json_has() {
  python3 -c 'import json, sys; it = json.loads(sys.argv[1]); sys.exit(not eval("(" + sys.argv[2] + ")"))' "$@" ||
    { diag "$1"; return 1; }
}

# --- Waiting --------------------------------------------------------------------------------------------------------
# How fast this machine is must not matter, so a wait has no limit in seconds. It gives up after a number of polls, or
# after a number of the guest's heartbeats (see README.md). LAB_TIMEOUT limits the whole scenario.

POLLS_MAX=600 HEARTBEATS_MAX=200

# Seconds that virt-mfplug may wait for the guest. The program measures its wait by the clock, so this is more than any
# guest needs. It is less than LAB_TIMEOUT, so that the program can still say what it waits for.
GUEST_TIMEOUT=1800

# The words that start the program. A scenario may replace them.
PROGRAM=("$VIRT_MFPLUG")

# Nothing writes to this descriptor, so a read waits on it until its time-out. sleep would start a process.
exec {NAP_FD}<> <(:)
nap() { local unread; read -r -t 1 -u "$NAP_FD" unread || true; }

# wait_for COMMAND...: waits for libvirt or the host until the command succeeds.
wait_for() {
  local polls
  for ((polls = 0; polls < POLLS_MAX; polls++)); do
    ! "$@" || return 0
    nap
  done
  diag "gave up after $POLLS_MAX polls: $*"
  return 1
}

# wait_guest COMMAND...: waits for the guest until the command succeeds.
wait_guest() {
  local lines mark heartbeats=0 before=0 polls=0
  mapfile -t lines <"$SERIAL_LOG"
  mark=${#lines[@]}
  until "$@"; do
    count_heartbeats "$mark"
    [[ $heartbeats == "$before" ]] || before=$heartbeats polls=0
    if ((++polls > POLLS_MAX || heartbeats > HEARTBEATS_MAX)); then
      diag "gave up after $heartbeats heartbeats of the guest, and $polls polls since the last one: $*"
      return 1
    fi
    nap
  done
}

# add_timeout WORD...: sets WORDS to these arguments of the program, with --timeout GUEST_TIMEOUT added. A --timeout
# among the words overrides it, because the program takes the last one.
add_timeout() {
  local word
  WORDS=()
  for word; do
    WORDS+=("$word")
    case $word in
      attach | detach | recover | reclaim)
        WORDS+=(--timeout "$GUEST_TIMEOUT" "${@:${#WORDS[@]}+1}")
        return
        ;;
    esac
  done
}

# Scenarios run the program through this function, so that it waits long enough for the guest.
virt-mfplug() {
  local WORDS
  add_timeout "$@"
  "${PROGRAM[@]}" "${WORDS[@]}"
}

# --- The host's functions -------------------------------------------------------------------------------------------

functions_of() { local path; for path in /sys/bus/pci/devices/"$1".*; do echo "${path##*/}"; done; }
driver() { local link; link=$(readlink "/sys/bus/pci/devices/$1/driver") || link=none; echo "${link##*/}"; }
iommu_group() { local link; link=$(readlink "/sys/bus/pci/devices/$1/iommu_group") || link=none; echo "${link##*/}"; }
node_device() { local name=pci_$1; echo "${name//[:.]/_}"; }

# drivers CARD: prints the driver of each function in one line: "0:e1000e 1:e1000e ..."
drivers() {
  local function line=
  for function in $(functions_of "$1"); do line+=" ${function##*.}:$(driver "$function")"; done
  echo "${line# }"
}

# all_drivers CARD DRIVER: succeeds if every function is bound to that driver.
all_drivers() {
  local function
  for function in $(functions_of "$1"); do [[ $(driver "$function") == "$2" ]] || return 1; done
}

# take FUNCTION...: detaches functions from their host driver.
take() {
  local function
  for function in "$@"; do virsh -q nodedev-detach "$(node_device "$function")" || return 1; done
}

# reattach CARD...: reattaches every function to its host driver, whichever driver it is on now.
reattach() {
  local card function
  for card in "$@"; do
    for function in $(functions_of "$card"); do
      wait_for try_reattach "$function" || { diag "$function is still on $(driver "$function")"; return 1; }
    done
  done
}

# try_reattach FUNCTION: tries once, unless it is on its host driver already. Succeeds if it is there then.
try_reattach() {
  [[ $(driver "$1") != "$HOST_DRIVER" ]] || return 0
  virsh -q nodedev-reattach "$(node_device "$1")" >/dev/null 2>&1 || true
  [[ $(driver "$1") == "$HOST_DRIVER" ]]
}

# --- libvirt and QEMU -----------------------------------------------------------------------------------------------

qmp() { virsh qemu-monitor-command "$DOMAIN" "$1"; }

# Prints, in one line, the ids of QEMU's devices that have one. These ids are libvirt's aliases.
qemu_ids() {
  qmp '{"execute":"qom-list","arguments":{"path":"/machine/peripheral"}}' |
    grep -o '"name":"[^"]*"' | sed 's/"name":"//; s/"$//' | grep -v '^type$' | sort | tr '\n' ' ' | sed 's/ $//'
}

# shellcheck disable=SC2120 # scenarios pass the argument
# hostdevs [--inactive]: prints a line for each <hostdev>: HOST-ADDRESS GUEST-ADDRESS|unassigned ALIAS|- MANAGED
hostdevs() {
  virsh dumpxml "$DOMAIN" "$@" | awk -F"'" '
    function address(   i, v) {
      for (i = 1; i < NF; i += 2) { sub(/^.* /, "", $i); v[$i] = $(i + 1) }
      if (v["type="] == "unassigned") return "unassigned"
      return sprintf("%s:%s:%s.%s", substr(v["domain="], 3), substr(v["bus="], 3), substr(v["slot="], 3),
                     substr(v["function="], 3))
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

# queue HOST-ADDRESS ALIAS BUS ADDR: queues a function in QEMU, which shows it to the guest together with function 0.
queue() {
  local answer arguments
  arguments='{"driver":"vfio-pci","host":"'"$1"'","id":"'"$2"'","bus":"'"$3"'","addr":"'"$4"'"}'
  answer=$(qmp '{"execute":"device_add","arguments":'"$arguments"'}')
  [[ $answer != *'"error"'* ]] || { diag "$answer"; return 1; }
}

# The daemon that runs domains. A scenario for the modular daemons replaces it.
DAEMON=libvirtd

# end_daemon NAME SIGNAL: ends a daemon by that signal.
end_daemon() {
  local pid
  pid=$(cat "/run/$1.pid")
  kill "$2" "$pid"
  wait_for process_ended "$pid" || { diag "$1 ($pid) did not end"; return 1; }
}

# start_daemon NAME [OPTION...]: starts a daemon, and waits until libvirt answers.
start_daemon() {
  "$1" -d "${@:2}" </dev/null
  wait_for libvirtd_answers
}

# restart_libvirtd [SIGNAL [OPTION...]]: ends $DAEMON by that signal, and starts it again with these options.
restart_libvirtd() {
  end_daemon "$DAEMON" "${1:--TERM}" && start_daemon "$DAEMON" "${@:2}"
}
process_ended() { [[ ! -d /proc/$1 ]]; }
libvirtd_answers() { virsh -q uri >/dev/null 2>&1; }

# --- Disturbing virt-mfplug -----------------------------------------------------------------------------------------

# ensure_card in|out: attaches $card with ${attach[@]}, or detaches it with ${detach[@]}, unless it is there already.
ensure_card() {
  [[ $(card_place "$card") != "$1" ]] || return 0
  case $1 in
    in) runs 0 "preparation: attach succeeds" virt-mfplug "${attach[@]}" ;;
    out) runs 0 "preparation: detach succeeds" virt-mfplug "${detach[@]}" ;;
  esac
}

# Matches the line that --verbose prints when a step begins, but no line about a call, and no warning.
step_line='^virt-mfplug: (\(back\) )?[a-z]+ '

# at_step STEP ACTION COMMAND...: runs virt-mfplug, and runs "ACTION PID" when --verbose says that this step begins. The
# first step is 1. Sets $status to the exit status, $output to stdout and $errors to stderr.
at_step() {
  local step=$1 action=$2 pid line count=0 WORDS
  shift 2
  rm -f /tmp/progress
  mkfifo /tmp/progress
  add_timeout "$@"
  # The function virt-mfplug would run in a subshell, and $! must be the program's own process.
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

# choose FULL SHORT: prints the words FULL, or in a short run the words SHORT. run-lab makes a short run when it runs all
# scenarios.
choose() { if [[ -z ${SHORT:-} ]]; then echo "$1"; else echo "$2"; fi; }

# in_full_run COMMAND...: runs the command, but not in a short run.
in_full_run() { [[ -n ${SHORT:-} ]] || "$@"; }

# count_steps COMMAND...: runs virt-mfplug, and sets $steps to the number of steps in its step log.
count_steps() {
  at_step 0 : "$@"
  [[ $status == 0 ]] || { diag "$errors"; return 1; }
  steps=$(grep -cE "$step_line" <<<"$errors")
}

# card_state CARD: prints what virt-mfplug may change, as one text to compare: libvirt's hostdevs, our aliases in QEMU,
# the records, and the drivers.
card_state() {
  hostdevs
  qemu_ids | tr ' ' '\n' | grep '^ua-mfplug' || true
  virsh dumpxml "$DOMAIN" | grep 'urn:virt-mfplug' || true
  drivers "$1"
}

# card_place CARD: prints "in" or "out" if libvirt, QEMU and the host agree that the card is in the guest or is not, and
# "between" if they do not agree. No other card may be in the domain.
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

# check_outcome NAME CARD PLACE-WHEN-DONE PLACE-WHEN-UNDONE: asserts after at_step that the card is where $status says.
check_outcome() {
  local place
  place=$(card_place "$2")
  case $status in
    0) is "$place" "$3" "$1: the run succeeds, and the card is $3" ;;
    1)
      is "$place" "$4" "$1: the run fails, and the card is $4"
      like "$errors" "Everything was undone" "$1: the message says that everything was undone"
      ;;
    *) not_ok "$1: the exit status is 0 or 1" "exit status $status"$'\n'"$errors" ;;
  esac
}

# --- The guest ------------------------------------------------------------------------------------------------------
# The guest's first process reports on its serial line. guest/init describes the format.

# read_report: sets REPORT to the guest's last complete report: its SEES line, then a PCI line for each function. A
# restored guest does not repeat its report, so guest_restore copies that of the saved guest into the log. Nothing
# before RESTORED counts, because an earlier guest wrote it. The function starts no process: a wait calls it often, and
# in emulation the processes of a pipeline would take more time than the guest.
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
      "SEES "*) number='' ;; # this report is incomplete
      "PCI "*) [[ -z $number ]] || REPORT=("$line" "${REPORT[@]}") ;;
    esac
  done
  REPORT=('')
}

# Prints the guest's own addresses in one line: "00:00.0 00:01.0 ... 01:00.0"
guest_sees() { read_report; echo "${REPORT[0]##SEES +([0-9])*( )}"; }

# Prints each function as lspci -n does: "01:00.0 0200: 8086:10d3 (rev 00, prog-if 00)"
guest_lspci() { read_report; [[ ${#REPORT[@]} == 1 ]] || printf '%s\n' "${REPORT[@]:1}" | sed 's/^PCI //'; }

serial_mark() { local lines; mapfile -t lines <"$SERIAL_LOG"; SERIAL_MARK=${#lines[@]}; }
# Sets LINES to what the guest has printed since the mark.
serial_since_mark() { mapfile -t -s "$SERIAL_MARK" LINES <"$SERIAL_LOG"; LINES=("${LINES[@]%$'\r'}"); }

# count_heartbeats MARK: sets $heartbeats to the number of heartbeats since that line of the log. Each ALIVE and each
# LISTED line is a heartbeat.
count_heartbeats() {
  local line LINES SERIAL_MARK=$1
  serial_since_mark
  heartbeats=0
  for line in "${LINES[@]}"; do
    [[ ! $line =~ ^(ALIVE|LISTED)\ [0-9]+$ ]] || heartbeats=$((heartbeats + 1))
  done
}

# heartbeat_seen: succeeds if the guest has sent a heartbeat since the mark, so that guest_sees is up to date.
heartbeat_seen() {
  local heartbeats
  count_heartbeats "$SERIAL_MARK"
  [[ $heartbeats != 0 ]]
}
wait_heartbeat() { serial_mark; wait_guest heartbeat_seen; }

# wait_guest_sees PATTERN, wait_guest_misses PATTERN: wait until the extended regular expression matches, or does not
# match, the SEES line.
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

# unconfine [ELEMENT]: defines the guest without an AppArmor profile of its own, and with this further XML element. The
# profile takes most of the time of a start or a restore, and a second for each hostdev.
unconfine() {
  virsh dumpxml --inactive "$DOMAIN" |
    sed "s,</domain>,<seclabel type='none' model='apparmor'/>${1:-}&," >/tmp/unconfined.xml
  virsh -q define /tmp/unconfined.xml
}

# wake_guest [TERMINAL]: succeeds if the restored guest has sent a heartbeat. Until then it presses a key on the guest's
# console, if that is a terminal. A restored pseries guest sleeps until an interrupt comes, because QEMU before 8.2 does
# not save the decrementer. The terminal stays open for 3 s, because QEMU checks once a second whether it is open.
wake_guest() {
  ! heartbeat_seen || return 0
  [[ ! -c ${1:-} ]] || { echo; sleep 3; } >"$1"
  heartbeat_seen
}

# guest_restore [unconfined [ELEMENT]]: reattaches all cards, restores the saved guest, and resets its persistent
# definition. For the arguments see unconfine.
guest_restore() {
  local saved=/lab/saved/$GUEST number terminal
  guest_off && reattach "${CARDS[@]}" || return 1
  mkdir -p "$GUEST_DIR"
  cp -n "$GUEST_FILES"/{vmlinux,initrd} "$saved/save" "$GUEST_DIR/"
  virsh -q define "/lab/guest/$GUEST.xml" || return 1
  [[ ${1:-} != unconfined ]] || unconfine "${2:-}" || return 1
  number=$(awk '{ print $2; exit }' "$saved/list")
  { printf '\nRESTORED\n'; cat "$saved/list"; echo "LISTED $number"; } >>"$SERIAL_LOG"
  # The definition in the saved file names the paths at which the guest was booted, so this one replaces it.
  virsh dumpxml --inactive "$DOMAIN" >/tmp/definition.xml
  virsh -q restore "$GUEST_DIR/save" --xml /tmp/definition.xml || return 1
  terminal=$(virsh -q ttyconsole "$DOMAIN" 2>/dev/null) || terminal=
  serial_mark
  wait_for wake_guest "$terminal" || { diag "the restored guest sends no heartbeat"; return 1; }
  timestamp "the guest is restored"
}
