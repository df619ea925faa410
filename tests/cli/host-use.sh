#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests the warnings of an attach about what the host uses a function for.
# shellcheck source=tests/cli/fake.sh
. "$(dirname "$0")/fake.sh"

# The host gets an interface that is up on 01:00.1, one that is down on 01:00.2, one
# that is on no function, a disk two levels below the USB function 02:00.1, and a display on
# 02:00.0. The host plain.xml is the same without the display.
python3 - "$scratch/host.xml" "$scratch/plain.xml" <<'PYTHON' || exit 1
import sys
path, plain = sys.argv[1:]
text = open(path, encoding="utf-8").read()

def device(name, parent, capability):
    return f"<device><name>{name}</name><parent>{parent}</parent>{capability}</device>"

def net(name, parent, state):
    return device("net_" + name, parent, f"<capability type='net'><interface>{name}</interface>"
                  f"<address>52:54:00:00:00:01</address><link state='{state}'/></capability>")

added = (net("eth1", "pci_0000_01_00_1", "up") + net("eth2", "pci_0000_01_00_2", "down")
         + net("virbr0", "computer", "up")
         + device("scsi_host9", "pci_0000_02_00_1",
                  "<capability type='scsi_host'><host>9</host></capability>")
         + device("scsi_9_0_0_0", "scsi_host9", "<capability type='scsi'><host>9</host><bus>0</bus>"
                  "<target>0</target><lun>0</lun><type>disk</type></capability>")
         + device("block_sdz", "scsi_9_0_0_0", "<capability type='storage'><block>/dev/sdz</block>"
                  "<bus>usb</bus><drive_type>disk</drive_type><size>1024</size></capability>"))
usb = text.index("<class>", text.index("<name>pci_0000_02_00_1</name>"))
text = text[:usb] + "<class>0x0c0330</class>" + text[text.index("</class>", usb) + 8:]
open(plain, "w", encoding="utf-8").write(text.replace("</node>", added + "</node>"))
added += ("<device><name>drm_card0</name><devnode type='dev'>/dev/dri/card0</devnode>"
          "<parent>pci_0000_02_00_0</parent><capability type='drm'><type>primary</type>"
          "</capability></device>")
open(path, "w", encoding="utf-8").write(text.replace("</node>", added + "</node>"))
PYTHON

eth1="virt-mfplug: warning: with host function 0000:01:00.1 the host loses network interface eth1, which is up"
sdz="virt-mfplug: warning: with host function 0000:02:00.1 the host loses disk /dev/sdz"
card0="virt-mfplug: warning: with host function 0000:02:00.0 the host loses display /dev/dri/card0"
nvidia="virt-mfplug: warning: with host function 0000:02:00.0 the host loses a display controller, which the driver nvidia uses"

network() {
  run attach --dry-run q35 01:00
  assert_status 0
  assert_stderr "$eth1"
}

disk() {
  run attach --dry-run q35 02:00
  assert_status 0
  assert_stderr "$sdz
$card0"
}

# libvirt lists no display of the function, but a driver uses it.
controller() {
  printf 'pci_0000_02_00_0 nvidia\n' >"$scratch/plain.drivers"
  load_host "$scratch/plain.xml"
  on_fake detach card 02:00.0
  assert_status 0
  on_fake attach --dry-run q35 02:00
  assert_status 0
  assert_stderr "$sdz
$nvidia"
}

other_functions() {
  run attach --dry-run q35 01:00.0,2
  assert_done
}

not_taken() {
  run attach --dry-run --config q35 01:00
  assert_done
}

quiet() {
  run --quiet attach --dry-run q35 01:00
  assert_done
}

in_json() {
  load_host "$scratch/host.xml"
  on_fake attach --format json q35 01:00
  assert_status 0
  assert_json "it['warnings'] == ['with host function 0000:01:00.1 the host loses network interface eth1, which is up']"
}

check "attach warns of a network interface that is up, and not of one that is down" network
check "attach warns of a display, and of a disk whose adapter is on the function" disk
check "attach warns of a display controller whose displays libvirt does not list" controller
check "attach does not warn of functions that it does not take" other_functions
check "--config takes nothing from the host, so it does not warn" not_taken
check "--quiet prints no warning" quiet
check "JSON has the warning" in_json
finish
