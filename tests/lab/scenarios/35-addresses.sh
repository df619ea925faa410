#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# libvirt accepts the slot that virt-mfplug chooses, in the domains of the unit tests and in random domains.
set -euo pipefail
export GUEST=twin
# shellcheck source=/dev/null
source /lab/lib.sh

card=0000:05:00
name=addresses

# define_from FILE: defines the file's domain as $name, after it has removed what this machine does not support.
define_from() {
  sed -e "s,<name>.*</name>,<name>$name</name>," -e "s,<domain type='kvm',<domain type='qemu'," \
    -e '/<uuid>/d' -e '/<cpu mode=/d' -e '/<node>0</d' -e '/^ *<acpi\/>/d' -e '/^ *<apic\/>/d' "$1" >/tmp/domain.xml
  virsh -q define /tmp/domain.xml
}

# check_slot NAME: asserts that libvirt accepts each function at the address that virt-mfplug chooses. If virt-mfplug
# finds no slot, libvirt must find none either. Then undefines the domain.
check_slot() {
  local document=/tmp/chosen.xml number=0
  if ! virt-mfplug attach --config --dry-run $name $card >$document 2>/tmp/errors; then
    unlike "$(hostdev_xml $card.0 ua-probe | virsh attach-device $name /dev/stdin --config 2>&1)" "success" \
      "$1: virt-mfplug finds no slot, and libvirt finds none either"
  else
    while xmllint --xpath "/devices/*[$((number + 1))]" $document >/tmp/element.xml 2>/dev/null; do
      virsh -q attach-device $name /tmp/element.xml --config 2>>/tmp/errors || break
      number=$((number + 1))
    done
    is "$number" "$(xmllint --xpath 'count(/devices/*)' $document)" \
      "$1: libvirt accepts $(grep -o '<address type="pci".*' $document | head -n 1)"
  fi
  [[ ! -s /tmp/errors ]] || diag "$(cat /tmp/errors)"
  virsh -q undefine $name
}

for xml in /lab/domains/*.xml; do
  if define_from "$xml"; then
    check_slot "${xml##*/}"
  else
    not_ok "${xml##*/}: libvirt accepts the domain"
  fi
done

# random_domain SEED: prints the XML of a q35 or a pc domain with some controllers and devices, all without addresses.
random_domain() {
  RANDOM=$1
  local machine=q35 root=pcie-root model count device
  [[ $((RANDOM % 2)) == 0 ]] || machine=pc root=pci-root
  cat <<XML
<domain type='qemu'>
  <name>random</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='$machine'>hvm</type></os><features><acpi/></features>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
  <controller type='pci' index='0' model='$root'/>
XML
  for ((count = RANDOM % 6; count > 0; count--)); do
    case $machine in
      q35)
        model=$(printf '%s\n' pcie-root-port pcie-root-port pcie-to-pci-bridge dmi-to-pci-bridge |
          sed -n "$((RANDOM % 4 + 1))p")
        ;;
      pc) model=pci-bridge ;;
    esac
    echo "<controller type='pci' model='$model'/>"
  done
  for ((count = RANDOM % 8; count > 0; count--)); do
    device=$((RANDOM % 4))
    case $device in
      0) echo "<interface type='user'><model type='virtio'/></interface>" ;;
      1) echo "<interface type='user'><model type='e1000'/></interface>" ;;
      2) echo "<controller type='scsi' model='virtio-scsi' index='$count'/>" ;;
      3) echo "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>" ;;
    esac
  done
  echo "</devices></domain>"
}

# For some of these domains libvirt finds no slots for their own devices. The loop ignores those.
seed=${SEED:-$RANDOM} defined=0
diag "SEED=$seed"
for ((i = 0; i < 50 && defined < 12; i++)); do
  random_domain $((seed + i)) >/tmp/random.xml
  define_from /tmp/random.xml 2>/dev/null || continue
  defined=$((defined + 1))
  check_slot "random domain $((seed + i))"
done
is "$defined" 12 "libvirt can define twelve of the random domains"

done_testing
