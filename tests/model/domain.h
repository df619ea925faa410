/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Short ways to write the XML of a domain. */
#pragma once

#include "common.h"

#define Q35 "pc-q35-7.2"
#define PC "pc-i440fx-7.2"
#define SPAPR "pseries-7.2"
#define VIRT "virt-7.2"

#define AT(bus, slot, function)                                                                \
  "<address type='pci' domain='0x0000' bus='" bus "' slot='" slot "' function='" function "'/>"

#define Q35_ROOT                                                                               \
  "<controller type='pci' index='0' model='pcie-root'><alias name='pcie.0'/></controller>"
#define PC_ROOT                                                                                \
  "<controller type='pci' index='0' model='pci-root'><alias name='pci.0'/></controller>"
#define BUS(index, model)                                                                      \
  "<controller type='pci' index='" index "' model='" model "'><alias name='pci." index "'/>"   \
  "</controller>"
#define PORT(index) BUS (index, "pcie-root-port")
#define PORT_HOTPLUG(index, value)                                                             \
  "<controller type='pci' index='" index "' model='pcie-root-port'>"                           \
  "<target chassis='1' port='0x8' hotplug='" value "'/></controller>"
#define PHB(index, target)                                                                     \
  "<controller type='pci' index='" index "' model='pci-root'>"                                 \
  "<model name='spapr-pci-host-bridge'/><target index='" target "'/></controller>"

#define DISK(bus, slot)                                                                        \
  "<disk type='file' device='disk'><target dev='vda' bus='virtio'/>"                           \
  "<alias name='virtio-disk0'/>" AT (bus, slot, "0x0") "</disk>"
#define NIC(bus, slot)                                                                         \
  "<interface type='network'><alias name='net0'/>" AT (bus, slot, "0x0") "</interface>"
#define USB(bus, slot)                                                                         \
  "<controller type='usb' index='0'><alias name='usb'/>" AT (bus, slot, "0x0") "</controller>"
#define HOSTDEV(host_bus, address)                                                             \
  "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='"  \
  host_bus "' slot='0x00' function='0x0'/></source><alias name='hostdev0'/>" address           \
  "</hostdev>"
#define UNASSIGNED "<address type='unassigned'/>"
#define RECORD(slot)                                                                           \
  "<p:card xmlns:p='urn:virt-mfplug:card:1:abc' slot='" slot "'>"                              \
  "<p:function host='0000:01:00.0' guest='0' alias='ua-x' taken='yes'/></p:card>"

/* A running domain with this content of <metadata> (nullable) and <devices>; the caller
 * frees. */
static inline MfpGuest *
guest_of (const char *machine, const char *metadata, const char *devices)
{
  g_autofree char *xml
      = g_strdup_printf ("<domain type='kvm' id='1'><name>it's</name>"
                         "<metadata>%s</metadata>"
                         "<os><type arch='x86_64' machine='%s'>hvm</type></os>"
                         "<devices>%s</devices></domain>",
                         metadata ? metadata : "", machine, devices);

  return test_guest (xml);
}
