#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The program on another machine: a network namespace with a link to this one, with nothing in /sys and no libvirt. What it
# does by TCP or by a forwarded socket is what it does here; when the link fails it gives up in time, and recover puts things
# right once the link is back. Last, the example for Ansible does the main job from there.
# alone: restarts libvirtd
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
uri=qemu+tcp://192.0.2.1/system
attach=(attach --slot 0000:02:00 "$DOMAIN" "$card")
detach=(detach "$DOMAIN" "$card")

ip netns add elsewhere
trap 'ip netns delete elsewhere' EXIT
ip link add here type veth peer name there netns elsewhere
ip address add 192.0.2.1/24 dev here
ip -n elsewhere address add 192.0.2.2/24 dev there
ip link set here up
ip -n elsewhere link set there up

# elsewhere COMMAND...: runs it on the other machine. (`ip netns exec` gives it mounts of its own.)
elsewhere() {
  # shellcheck disable=SC2016 # for the other shell
  ip netns exec elsewhere sh -c 'mount -t tmpfs none /sys && mount -t tmpfs none /run && exec "$@"' sh "$@"
}

# listen: libvirtd's own way to be reached by TCP
listen() {
  cp /etc/libvirt/libvirtd.conf /tmp/listen.conf
  printf '%s\n' 'listen_tls = 0' 'listen_tcp = 1' 'auth_tcp = "none"' 'listen_addr = "192.0.2.1"' >>/tmp/listen.conf
  restart_libvirtd -TERM --listen --config /tmp/listen.conf
}

# hang_up: libvirtd drops every connection by TCP; one of a program that ended just then may leave by itself
hang_up() {
  local id
  for id in $(virt-admin -c libvirtd:///system client-list libvirtd | awk '$2 == "tcp" { print $1 }'); do
    virt-admin -q -c libvirtd:///system client-disconnect libvirtd "$id" >/dev/null 2>&1 || true
  done
}

link_down() { ip link set here down; down_at=$SECONDS; }
link_up() { ip link set here up; }

# step_of TEXT: the number of the step with this text in $errors, which count_steps left
step_of() { grep -E "$step_line" <<<"$errors" | awk -v text="$1" 'index($0, text) && !number { number = NR } END { print number }'; }

passes "a guest runs" guest_restore unconfined
passes "libvirtd listens" listen
outside=$(card_state $card)
host_list=$(virt-mfplug list)

# From here on the program runs there.
# shellcheck disable=SC2034 # by lib.sh
PROGRAM=(elsewhere "$VIRT_MFPLUG" --connect "$uri")

runs 0 "the other machine's /sys" elsewhere ls -A /sys
is "$output" "" "is empty"
runs 3 "there is no libvirt there" elsewhere "$VIRT_MFPLUG" --connect qemu:///system list

runs 0 "list of the host, from there" virt-mfplug list
is "$output" "$host_list" "is what it is here"
passes "attach and detach from there" count_steps "${attach[@]}"
queue_step=$(step_of "queue ")
is "$(card_place $card)" in "attach: libvirt, QEMU and the host agree"
passes "attach: the guest sees both functions" wait_guest_sees "02:00.1"
runs 0 "list of the domain, from there" virt-mfplug list "$DOMAIN"
like "$output" "host $card.1  guest 0000:02:00.1  plugged" "QEMU was asked"
passes "detach, from there" count_steps "${detach[@]}"
unplug_step=$(step_of "from the guest")
is "$(card_state $card)" "$outside" "detach: nothing is left"

socat UNIX-LISTEN:/tmp/forwarded,fork UNIX-CONNECT:/run/libvirt/libvirt-sock &
forwarder=$!
wait_for test -S /tmp/forwarded
runs 0 "attach by a forwarded socket" elsewhere "$VIRT_MFPLUG" -c "qemu+unix:///system?socket=/tmp/forwarded" "${attach[@]}"
is "$(card_place $card)" in "attach by a forwarded socket: done"
kill $forwarder

at_step "$unplug_step" hang_up "${detach[@]}"
check_outcome "detach, connection dropped" $card out in
ensure_card out
at_step "$queue_step" hang_up "${attach[@]}"
check_outcome "attach, connection dropped" $card in out
ensure_card out
is "$(card_state $card)" "$outside" "connection dropped: nothing is left"

# without_link NAME STEP STATUSES WORDS COMMAND...: the link fails at that step and does not come back. libvirt notices the silence after
# 20 s, and the new connection has the 60 s of --timeout. STATUSES are the exit statuses that are right then, as in "45", and WORDS is a
# pattern for what is said.
without_link() {
  local name=$1 step=$2 statuses=$3 words=$4 took
  shift 4
  at_step "$step" link_down "$@" --timeout 60
  took=$((SECONDS - down_at))
  diag "$name: ended $took s after the link"$'\n'"$errors"
  like "$status" "^[$statuses]$" "$name: status"
  passes "$name: ends by itself, in two minutes" test $took -le 120
  like "$errors" "$words" "$name: says how things are, and what helps"
  link_up
  runs 0 "$name: recover, when the link is back" virt-mfplug recover "$DOMAIN"
  is "$(card_state $card)" "$outside" "$name: recover: nothing is left"
}

unknown="What is left:.*$card.0: driver unknown.*virt-mfplug recover $DOMAIN"
without_link "attach, link down" "$queue_step" 5 "$unknown" "${attach[@]}"
runs 0 "attach" virt-mfplug "${attach[@]}"
# Did the request still get through?
without_link "detach, link down" "$unplug_step" 45 "the guest was asked to release the slot; run the command again|$unknown" "${detach[@]}"
passes "the guest sees none" wait_guest_misses "02:00"

# play STATE: the example for Ansible, with the same card twice
play() {
  elsewhere env ANSIBLE_NOCOLOR=1 ANSIBLE_LOCALHOST_WARNING=0 ansible-playbook /lab/ansible/playbook.yml -e "{mfplug_uri: '$uri',
    mfplug_cards: [{domain: $DOMAIN, device: '$card', state: $1}, {domain: $DOMAIN, device: '$card', state: $1}]}"
}

# outcomes: what came of each attach or detach of the last play, in one line
outcomes() { sed -n '/^TASK \[..tach the card\]/{n;s/:.*//p}' <<<"$output" | paste -sd ' '; }

timestamp "Ansible"
runs 0 "Ansible attaches a card, and again" play attached
is "$(outcomes)" "changed ok" "the second time nothing changes"
is "$(card_place $card)" in "Ansible: the card is in the guest"
timestamp "Ansible: attached"
runs 0 "Ansible detaches it, and again" play detached
is "$(outcomes)" "changed ok" "the second time nothing changes"
is "$(card_state $card)" "$outside" "Ansible: nothing is left"
timestamp "Ansible: detached"

passes "libvirtd as Debian has it again" restart_libvirtd
done_testing
