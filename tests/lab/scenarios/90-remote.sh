#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# virt-mfplug runs on another machine: a network namespace with a link to this one, an empty /sys and no libvirt. It
# works over TCP and over a forwarded socket as it does here. If the link fails, it gives up in time, and recover
# finishes or undoes the rest when the link is back. Last, the example for Ansible does the main job from there.
# alone: restarts libvirtd
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
uri=qemu+tcp://192.0.2.1/system
attach=(attach --slot 0000:02:00 "$DOMAIN" "$card")
detach=(detach "$DOMAIN" "$card")

ip netns add remote
trap 'ip netns delete remote' EXIT
ip link add here type veth peer name there netns remote
ip address add 192.0.2.1/24 dev here
ip -n remote address add 192.0.2.2/24 dev there
ip link set here up
ip -n remote link set there up

# on_remote COMMAND...: runs a command on the other machine. `ip netns exec` gives it a mount namespace of its own.
on_remote() {
  # shellcheck disable=SC2016 # the inner shell expands it
  ip netns exec remote sh -c 'mount -t tmpfs none /sys && mount -t tmpfs none /run && exec "$@"' sh "$@"
}

# listen_on_tcp: restarts libvirtd so that it accepts connections over TCP.
listen_on_tcp() {
  cp /etc/libvirt/libvirtd.conf /tmp/listen.conf
  printf '%s\n' 'listen_tls = 0' 'listen_tcp = 1' 'auth_tcp = "none"' 'listen_addr = "192.0.2.1"' >>/tmp/listen.conf
  restart_libvirtd -TERM --listen --config /tmp/listen.conf
}

# drop_connections: has libvirtd drop every TCP connection. It ignores errors, because a connection may end by itself
# meanwhile.
drop_connections() {
  local id
  for id in $(virt-admin -c libvirtd:///system client-list libvirtd | awk '$2 == "tcp" { print $1 }'); do
    virt-admin -q -c libvirtd:///system client-disconnect libvirtd "$id" >/dev/null 2>&1 || true
  done
}

link_down() { ip link set here down; down_at=$SECONDS; }
link_up() { ip link set here up; }

# step_of TEXT: prints the number of the first step whose line in $errors has this text. count_steps sets $errors.
step_of() { grep -E "$step_line" <<<"$errors" | awk -v text="$1" 'index($0, text) && !number { number = NR } END { print number }'; }

passes "the saved guest can be restored" guest_restore unconfined
passes "libvirtd restarts, and listens on TCP" listen_on_tcp
outside=$(card_state $card)
host_list=$(virt-mfplug list)

# From here on the program runs on the other machine.
# shellcheck disable=SC2034 # lib.sh uses it
PROGRAM=(on_remote "$VIRT_MFPLUG" --connect "$uri")

runs 0 "the other machine has a /sys" on_remote ls -A /sys
is "$output" "" "the other machine's /sys is empty"
runs 3 "the other machine has no libvirt" on_remote "$VIRT_MFPLUG" --connect qemu:///system list

runs 0 "list over TCP succeeds" virt-mfplug list
is "$output" "$host_list" "list over TCP prints what list prints here"
passes "attach over TCP succeeds" count_steps "${attach[@]}"
queue_step=$(step_of "queue ")
is "$(card_place $card)" in "attach: libvirt, QEMU and the host agree that the card is in"
passes "attach: the guest sees both functions" wait_guest_sees "02:00.1"
runs 0 "list DOMAIN over TCP succeeds" virt-mfplug list "$DOMAIN"
like "$output" "host $card.1  guest 0000:02:00.1  plugged" \
  "list DOMAIN over TCP shows a function that QEMU has as plugged"
passes "detach over TCP succeeds" count_steps "${detach[@]}"
unplug_step=$(step_of "from the guest")
is "$(card_state $card)" "$outside" "detach: everything is as before the attach"

socat UNIX-LISTEN:/tmp/forwarded,fork UNIX-CONNECT:/run/libvirt/libvirt-sock &
forwarder=$!
wait_for test -S /tmp/forwarded
runs 0 "attach over a forwarded socket succeeds" \
  on_remote "$VIRT_MFPLUG" -c "qemu+unix:///system?socket=/tmp/forwarded" "${attach[@]}"
is "$(card_place $card)" in "attach over a forwarded socket: the card is in"
kill $forwarder

at_step "$unplug_step" drop_connections "${detach[@]}"
check_outcome "detach, connection dropped" $card out in
ensure_card out
at_step "$queue_step" drop_connections "${attach[@]}"
check_outcome "attach, connection dropped" $card in out
ensure_card out
is "$(card_state $card)" "$outside" "connection dropped: everything is as before the attach"

# check_without_link NAME STEP STATUSES PATTERN COMMAND...: runs virt-mfplug while the link fails at that step. libvirt
# notices the silence after 20 s, and a new connection may take the 60 s of --timeout. Asserts that the exit status is
# one of the digits in STATUSES, that the message matches PATTERN, and that recover succeeds when the link is back.
check_without_link() {
  local name=$1 step=$2 statuses=$3 pattern=$4 took
  shift 4
  at_step "$step" link_down "$@" --timeout 60
  took=$((SECONDS - down_at))
  diag "$name: ended $took s after the link went down"$'\n'"$errors"
  like "$status" "^[$statuses]$" "$name: the exit status is one of $statuses"
  passes "$name: the run ends by itself within two minutes" test $took -le 120
  like "$errors" "$pattern" "$name: the message says what state things are in, and what to do"
  link_up
  runs 0 "$name: recover succeeds when the link is back" virt-mfplug recover "$DOMAIN"
  is "$(card_state $card)" "$outside" "$name: after recover everything is as before the attach"
}

unknown="What is left:.*$card.0: driver unknown.*virt-mfplug recover $DOMAIN"
check_without_link "attach, link down" "$queue_step" 5 "$unknown" "${attach[@]}"
runs 0 "preparation: attach succeeds" virt-mfplug "${attach[@]}"
# The exit status depends on whether the request still reached libvirt.
check_without_link "detach, link down" "$unplug_step" 45 \
  "the guest was asked to release the slot; run the command again|$unknown" "${detach[@]}"
passes "the guest sees none of the functions" wait_guest_misses "02:00"

# play STATE: runs the example for Ansible, with the same card twice.
play() {
  on_remote env ANSIBLE_NOCOLOR=1 ANSIBLE_LOCALHOST_WARNING=0 ansible-playbook /lab/ansible/playbook.yml \
    -e "{mfplug_uri: '$uri',
    mfplug_cards: [{domain: $DOMAIN, device: '$card', state: $1}, {domain: $DOMAIN, device: '$card', state: $1}]}"
}

# outcomes: prints, in one line, the result of each attach or detach of the last play.
outcomes() { sed -n '/^TASK \[..tach the card\]/{n;s/:.*//p}' <<<"$output" | paste -sd ' '; }

timestamp "Ansible"
runs 0 "Ansible: the playbook attaches the card twice without errors" play attached
is "$(outcomes)" "changed ok" "Ansible: the first attach changes something, and the second changes nothing"
is "$(card_place $card)" in "Ansible: the card is in the guest"
timestamp "Ansible: attached"
runs 0 "Ansible: the playbook detaches the card twice without errors" play detached
is "$(outcomes)" "changed ok" "Ansible: the first detach changes something, and the second changes nothing"
is "$(card_state $card)" "$outside" "Ansible: everything is as before the attach"
timestamp "Ansible: detached"

passes "libvirtd restarts with its own configuration" restart_libvirtd
done_testing
