# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts of any size for libvirt's test driver."""
import xml.etree.ElementTree as ElementTree

FUNCTIONS_PER_DEVICE = 4


def address(number):
    """Domain, bus, slot and function of the host function @number, from 0001:01:00.0 on."""
    device, function = divmod(number, FUNCTIONS_PER_DEVICE)
    bus, slot = divmod(device, 32)
    return 1, bus + 1, slot, function


def node_devices(count):
    return ["pci_%04x_%02x_%02x_%x" % address(number) for number in range(count)]


def child(parent, tag, text=None, **attributes):
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element


def add_function(node, number):
    domain, bus, slot, function = address(number)
    device = child(node, "device")
    child(device, "name", "pci_%04x_%02x_%02x_%x" % (domain, bus, slot, function))
    child(device, "parent", "computer")
    capability = child(device, "capability", type="pci")
    child(capability, "class", "0x030000")
    for tag, value in (("domain", domain), ("bus", bus), ("slot", slot), ("function", function)):
        child(capability, tag, str(value))
    child(capability, "product", "A card", id="0x1521")
    child(capability, "vendor", "A vendor", id="0x8086")
    group = child(capability, "iommuGroup", number=str(number // FUNCTIONS_PER_DEVICE))
    for member in range(FUNCTIONS_PER_DEVICE):
        child(group, "address", domain=hex(domain), bus=hex(bus), slot=hex(slot), function=hex(member))


def add_domain(node, number, devices):
    domain = child(node, "domain", type="test")
    child(domain, "name", f"vm{number}")
    child(domain, "memory", "1048576")
    child(child(domain, "os"), "type", "hvm", arch="x86_64", machine="q35")
    inside = child(domain, "devices")
    child(inside, "controller", type="pci", index="0", model="pcie-root")
    for index in range(1, 4):
        child(inside, "controller", type="pci", index=str(index), model="pcie-root-port")
    for index in range(devices):
        disk = child(inside, "disk", type="file", device="disk")
        child(disk, "source", file=f"/images/{index}")
        child(disk, "target", dev=f"sd{letters(index)}", bus="usb")


def letters(index):
    """As disks are named: a ... z, aa, ab, ..."""
    text = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        text = chr(ord("a") + letter) + text
    return text


def write(path, functions, devices, domains):
    """Writes such a host, with domains vm0, vm1, ... that have as many devices; returns its URI."""
    node = ElementTree.Element("node")
    for number in range(functions):
        add_function(node, number)
    for number in range(domains):
        add_domain(node, number, devices)
    ElementTree.ElementTree(node).write(path)
    return f"test://{path}"
