#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests list: the host's devices and a domain's cards, as text and as JSON.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

cp "$tests/data/cli/list.xml" "$scratch/list.xml"

# on_list WORD...: runs the program on the host of list.xml.
on_list() {
  run_bare --connect "test://$scratch/list.xml" "$@"
}

cards() {
  run list
  assert_golden_text list-cards.txt
}

all() {
  run list --all
  assert_golden_text list-all.txt
  assert_stdout_has "0000:03:00  1 function  cannot be attached"
  assert_stdout_has "10000:e1:00  1 function  cannot be attached"
}

odd() {
  on_list list
  assert_golden_text list-odd.txt
}

# In no locale may the output have bytes that a terminal acts on.
no_controls() {
  for locale in C C.UTF-8; do
    for format in "" "3"; do
      # shellcheck disable=SC2086 # no word, or one
      LC_ALL=$locale on_list list --all $format
      assert_done
      python3 -c '
import sys, unicodedata
text = open(sys.argv[1], encoding="utf-8").read()
bad = [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")]
sys.exit(1 if bad else 0)
' "$scratch/stdout" || fail "stdout has control characters"
    done
  done
}

# The group begins in the same column in all rows of 0000:02:00, although a wide
# character takes two columns and a combining one takes none.
aligned() {
  on_list list
  assert_done
  python3 -c '
import sys, unicodedata
def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF"
               else 1 for c in text)
rows = [line for line in open(sys.argv[1], encoding="utf-8") if line.startswith("  0000:02:00.")]
columns = {width(row[:row.index("group 4")]) for row in rows}
sys.exit(0 if len(rows) == 4 and len(columns) == 1 else 1)
' "$scratch/stdout" || fail "the columns are not aligned"
}

bridges_with_all() {
  on_list list
  assert_stdout_lacks "0000:00:1c"
  assert_stdout_lacks "0000:05:00"
  on_list list --all
  assert_done
  assert_stdout_has "0000:00:1c  2 functions  cannot be attached"
  assert_stdout_has "host function 0000:00:1c.0 is a PCI bridge, which cannot be given to a guest"
  assert_stdout_has "0000:05:00  1 function  can be attached"
}

other_members() {
  on_list list
  assert_stdout_has "  group 5 also has 0000:04:00.0"
  on_list list --format json
  assert_done
  assert_json '[d["group_others"] for d in it["devices"] if d["device"] == "0000:03:00"] == [[
    {"host": "0000:04:00.0", "host_driver": None, "iommu_group": 5}]]'
}

json() {
  run list --format json
  assert_golden_text list-cards.json
  assert_json 'set(it) == {"schema", "command", "domain", "devices"}'
  assert_json 'it["schema"] == 1 and it["command"] == "list" and it["domain"] is None'
  assert_json '[d["device"] for d in it["devices"] if d["attachable"]] == ["0000:01:00",
    "0000:08:10"]'
  assert_json 'all((d["reason"] is None) == d["attachable"] for d in it["devices"])'
  assert_json '[(f["domain"], f["guest"]) for d in it["devices"] if d["device"] == "0000:06:00"
    for f in d["functions"]] == [("card", "0000:02:00.0"), ("card", None),
    ("card", "0000:02:00.2"), ("card", None)]'
}

json_names() {
  on_list list --format=json
  assert_done
  assert_json '[(f["vendor"], f["product"]) for d in it["devices"] if d["device"] == "0000:02:00"
    for f in d["functions"]] == [("Ger\u00e4tebau \u03a9", "\u65e5\u672c\u8a9e"),
    ("e\u0301e\u0301 audio", "\u009b31mred\u202e\ttab <x>"), ("%s%n", None), (None, None)]'
}

json_all() {
  run list --all --format json
  assert_done
  assert_json 'len(it["devices"]) == 8'
  assert_json '[f["iommu_group"] for d in it["devices"] if d["device"] == "0000:04:00"
    for f in d["functions"]] == [None]'
  assert_json '[f["bridge"] for d in it["devices"] if d["device"] == "0000:03:00"
    for f in d["functions"]] == [True]'
}

# The reason is the message of attach.
same_as_attach() {
  run list --all --format json
  assert_done
  cp "$scratch/stdout" "$scratch/listed"
  for device in 0000:03:00 0000:04:00; do
    run attach --dry-run q35 "$device"
    python3 -c '
import json, sys
devices = json.load(open(sys.argv[1], encoding="utf-8"))["devices"]
print("virt-mfplug: error: " + next(d["reason"] for d in devices if d["device"] == sys.argv[2]))
' "$scratch/listed" "$device" | cmp -s - "$scratch/stderr" || fail "attach says otherwise"
  done
}

no_devices() {
  printf '%s\n' "<node><domain type='test'><name>vm</name><memory>1</memory><os>" \
    "<type arch='x86_64'>hvm</type></os></domain></node>" >"$scratch/empty.xml"
  run_bare -c "test://$scratch/empty.xml" list
  assert_done
  # If there is no device, the test driver adds one, which is not a PCI device.
  assert_stdout "No multifunction devices."
  run_bare -c "test://$scratch/empty.xml" list --all
  assert_done
  assert_stdout "No PCI devices."
  run_bare -c "test://$scratch/empty.xml" list --format json
  assert_done
  assert_json 'it["devices"] == []'
}

domain() {
  run list card
  assert_golden_text list-domain.txt
}

domain_all() {
  run list card --all
  assert_golden_text list-domain-all.txt
}

domain_json() {
  run list --format json card
  assert_golden_text list-domain.json
  assert_json 'it["domain"] == "card" and it["running"] and not it["qemu_asked"]'
  assert_json '[f["state"] for f in it["cards"][0]["functions"]] == ["plugged",
    "plugged", "unassigned", "unassigned"]'
}

domain_shut_off() {
  run list off-card
  assert_golden_text list-domain-off.txt
  run list --format json off-card
  assert_done
  assert_json 'not it["running"]'
  assert_json '[f["state"] for f in it["cards"][0]["functions"]] == ["configured",
    "configured", "unassigned"]'
}

interrupted() {
  run list interrupted
  assert_done
  assert_stdout_has "  host 0000:06:00.0  guest 0000:02:00.0  recorded: not in the guest"
}

queued() {
  on_list list queued
  assert_done
  assert_stdout_has "  host 0000:08:00.0  guest 0000:02:00.0  recorded: not in the guest"
  assert_stdout_has "  host 0000:08:00.1  guest 0000:02:00.1  queued: not shown without function 0"
}

detaching() {
  on_list list detaching
  assert_done
  assert_stdout "0000:02:00  2 functions
  host 0000:09:00.0  guest 0000:02:00.0  detaching: removal pending
  host 0000:09:00.1  guest 0000:02:00.1  detaching: removal pending"
}

native() {
  on_list list 3 # the id of a domain with an odd name
  assert_done
  assert_stdout "0000:02:00  2 functions
  host 0000:0a:00.0  guest 0000:02:00.0  plugged
  host 0000:0a:00.1  guest 0000:02:00.1  plugged"
  on_list list 3 --all
  assert_done
  assert_stdout_has "  host 0000:0b:10.1  guest 0000:01:00.0  plugged"
}

unassigned() {
  on_list list unassigned
  assert_done
  assert_stdout "no slot  1 function
  host 0000:0b:10.0  guest -  unassigned"
}

domain_with_nothing() {
  for name in q35 off; do
    run list "$name"
    assert_done
    assert_stdout "Domain '$name' has no multifunction cards."
    run list --all "$name"
    assert_done
    assert_stdout "Domain '$name' has no host devices."
    run list --format json "$name"
    assert_done
    assert_json "it['domain'] == '$name' and it['cards'] == []"
  done
}

slots() {
  run list --slots q35
  assert_done
  assert_stdout "0000:01:00  in use    pcie-root-port  interface
0000:02:00  in use    pcie-root-port  disk
0000:03:00  free      pcie-root-port
0000:04:00  free      pcie-root-port
0000:05:00  unusable  pcie-root-port  hotplug='off'"
}

slots_in_runs() {
  run list --slots pc
  assert_done
  assert_stdout "0000:00:01     in use  pci-root  the chipset
0000:00:02     free    pci-root
0000:00:03     in use  pci-root  interface
0000:00:04-1e  free    pci-root
0000:00:1f     in use  pci-root  disk"
}

slots_of_card() {
  run list --slots card
  assert_done
  assert_stdout_has "0000:02:00  in use  pcie-root-port  hostdev 0000:06:00.0, hostdev 0000:06:00.2"
  run list --slots interrupted
  assert_done
  assert_stdout_has "hostdev 0000:06:00.2; another attach holds it, or was interrupted there"
}

# In the persistent XML, even a port with hotplug='off' is free.
slots_shut_off() {
  grep -q "<target chassis='2' port='0x11' hotplug='off'/>" "$scratch/host.xml"
  run list --slots off
  assert_done
  assert_stdout "0000:01:00  in use  pcie-root-port  interface
0000:02:00  free    pcie-root-port"
  run list --slots --format json off
  assert_done
  assert_json 'not it["running"]'
}

slots_iommu() {
  run list --slots viommu
  assert_done
  assert_stdout "0000:01:00     unusable  pcie-root-port      the guest has an IOMMU, so only a pcie-to-pci-bridge will do
0000:02:01-1f  free      pcie-to-pci-bridge"
}

no_slots() {
  run list --slots q35-bare
  assert_done
  assert_stdout "Domain 'q35-bare' has no PCI bus with slots."
  run list --slots q35-bare --format json
  assert_done
  assert_json 'it["slots"] == []'
}

slots_json() {
  run list --slots --format json q35
  assert_done
  assert_json 'set(it) == {"schema", "command", "domain", "running", "slots"}'
  assert_json 'it["schema"] == 1 and it["command"] == "list" and it["domain"] == "q35"'
  assert_json 'it["running"] and it["slots"][0] == {"slot": "0000:01:00", "free": False,
    "controller": "pcie-root-port", "occupants": ["interface"], "reason": None}'
  assert_json 'it["slots"][2] == {"slot": "0000:03:00", "free": True, "occupants": [],
    "controller": "pcie-root-port", "reason": None}'
  assert_json '[s["reason"] for s in it["slots"] if not s["free"] and not s["occupants"]] == [
    "hotplug=\u0027off\u0027"]'
  # Each slot is an object of its own.
  run list --slots --format json pc
  assert_done
  assert_json '[s["slot"] for s in it["slots"]] == ["0000:00:%02x" % n for n in range(1, 32)]'
}

# attach accepts the slots that list --slots calls free, and no others. This tests the
# first slot of each line.
slots_as_attach() {
  for name in q35 pc viommu off-card; do
    run list --slots "$name"
    assert_done
    [ -s "$scratch/stdout" ] || fail "no slots"
    mv "$scratch/stdout" "$scratch/slots"
    while read -r slot word rest; do
      echo "$name: $slot $word $rest"
      run attach --dry-run --slot "${slot%-*}" "$name" 01:00
      if [ "$word" = free ]; then
        assert_status 0
      else
        assert_error_has 3 "cannot be used"
      fi
    done <"$scratch/slots"
  done
}

slots_unsupported() {
  run list --slots s390
  assert_error 3 "domain 's390' is a s390x machine; supported are x86_64, i686, ppc64, ppc64le and aarch64"
}

slots_usage() {
  run list --slots
  assert_error 2 "list --slots takes a domain"
  run list --slots --all q35
  assert_error 2 "--slots cannot be used with --all: it always lists all slots"
}

no_such_domain() {
  run list nobody
  assert_error_has 3 "no domain 'nobody': libvirt says: Domain not found"
  run list --format json nobody
  assert_status 3
  assert_json 'it["status"] == 3'
}

no_connection() {
  run_bare -c nonsense:///x list
  assert_error_has 3 "cannot connect to nonsense:///x"
}

quiet() {
  run --quiet list
  assert_golden_text list-cards.txt
  run --quiet list card
  assert_golden_text list-domain.txt
}

usage() {
  run list card q35
  assert_error 2 "list takes one domain at most"
  run list --format xml
  assert_error 2 "'xml' is not a format; use text or json"
  run list --timeout 5
  assert_error 2 "--timeout: unknown option"
}

check "list prints the cards of a host" cards
check "--all adds the other PCI devices of a host" all
check "list prints names of all kinds, other members of groups, and reasons" odd
check "list prints no control characters" no_controls
check "columns are aligned by the width of characters" aligned
check "bridges and single functions are listed only with --all" bridges_with_all
check "other members of the IOMMU group are listed" other_members
check "JSON has the cards of a host" json
check "JSON has names unchanged" json_names
check "JSON has all devices with --all" json_all
check "the reason in the list is the message of attach" same_as_attach
check "a host without PCI devices has an empty list" no_devices
check "list DOMAIN prints the cards of the domain" domain
check "--all adds the single functions of a domain" domain_all
check "JSON has the cards of a domain" domain_json
check "the functions of a shut-off domain are configured" domain_shut_off
check "functions are recorded if an attach was interrupted early" interrupted
check "functions are queued if an attach lacks its last step" queued
check "functions are detaching if a detach has begun" detaching
check "native multifunction is listed, and an interface only with --all" native
check "an unassigned function without a record has no slot" unassigned
check "a domain without cards has an empty list" domain_with_nothing
check "--slots lists free slots, occupants and reasons" slots
check "--slots lists the free slots of a bus as a range" slots_in_runs
check "--slots names all functions of a card, and of an interrupted attach" slots_of_card
check "--slots lists the persistent XML of a shut-off domain" slots_shut_off
check "--slots calls a port unusable if the guest has an IOMMU" slots_iommu
check "--slots says that a domain has no slots" no_slots
check "JSON has each slot of a domain" slots_json
check "--slots calls free exactly what attach accepts" slots_as_attach
check "--slots refuses an unsupported architecture" slots_unsupported
check "--slots needs a domain and excludes --all" slots_usage
check "an unknown domain is refused" no_such_domain
check "a connection that cannot be opened is refused" no_connection
check "--quiet still prints the list" quiet
check "wrong words and options are usage errors" usage
finish
