/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "domain.h"

#define MEGABYTE ((gsize) 1024 * 1024)

static void
test_parse_domain (void)
{
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-card.xml");

  g_assert_cmpstr (guest->name, ==, "q35-card");
  g_assert_cmpstr (guest->id, ==, "9");
  g_assert_cmpstr (guest->type, ==, "kvm");
  g_assert_cmpstr (guest->arch, ==, "x86_64");
  g_assert_cmpstr (guest->machine, ==, "pc-q35-7.2");
  g_assert_false (guest->has_iommu);
  g_assert_cmpuint (guest->buses->len, ==, 8);
  g_assert_cmpint (mfp_guest_bus (guest, 7)->model, ==, MFP_BUS_PCIE_ROOT_PORT);
  g_assert_cmpstr (mfp_guest_bus (guest, 7)->alias, ==, "pci.7");
  g_assert_null (mfp_guest_bus (guest, 8));
}

static void
test_parse_hostdev (void)
{
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-card.xml");
  MfpPciAddress zero = test_address ("0000:81:00.0"), two = test_address ("0000:81:00.2");
  MfpPciAddress other = test_address ("0000:02:00.0"), absent = test_address ("0000:06:00.0");
  const MfpGuestDevice *shown = mfp_guest_find_host (guest, &zero);
  const MfpGuestDevice *unassigned = mfp_guest_find_host (guest, &two);
  g_autofree char *address = mfp_pci_address_format (&shown->address);
  g_autofree char *what = mfp_guest_device_describe (shown);

  g_assert_true (shown->has_address && shown->is_hostdev);
  g_assert_cmpstr (address, ==, "0000:06:00.0");
  g_assert_cmpstr (shown->alias, ==, "ua-mfplug-0000-81-00-0");
  g_assert_false (shown->managed);
  g_assert_cmpstr (what, ==, "hostdev 0000:81:00.0");
  g_assert_true (unassigned->is_hostdev);
  g_assert_false (unassigned->has_address);
  g_assert_true (mfp_guest_find_host (guest, &other)->managed);
  g_assert_null (mfp_guest_find_host (guest, &absent)); /* a guest address */
  assert_contains (shown->xml, "<hostdev mode=\"subsystem\"");
  assert_contains (shown->xml, "<driver name=\"vfio\"/>");
  assert_lacks (shown->xml, "0x02");
}

static void
test_parse_iommu (void)
{
  g_autoptr (MfpGuest) guest = guest_of (Q35, NULL, Q35_ROOT "<iommu model='intel'/>");

  g_assert_true (guest->has_iommu);
}

static void
test_parse_hostdev_kinds (void)
{
  g_autoptr (MfpGuest) guest = guest_of (
      Q35, NULL,
      "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2' slot='0'/>"
      "</source></hostdev>"
      "<hostdev mode='subsystem' type='mdev'><source><address uuid='x'/></source>"
      AT ("0x01", "0x00", "0x0") "</hostdev>"
      "<hostdev mode='subsystem' type='pci'><source/></hostdev>");
  const MfpGuestDevice *device;

  g_assert_cmpuint (guest->devices->len, ==, 1);
  device = g_ptr_array_index (guest->devices, 0);
  g_assert_false (device->is_hostdev);
  g_assert_true (device->has_address);
}

static void
test_parse_elsewhere (void)
{
  g_autoptr (MfpGuest) guest = test_guest (
      "<domain type='kvm'><name>a&amp;b</name><title>t</title>"
      "<metadata><x:devices xmlns:x='urn:x'><controller type='pci' index='3' "
      "model='pcie-root-port'/></x:devices><name>wrong</name></metadata>"
      "<os><type>hvm</type></os><devices/></domain>");

  g_assert_cmpstr (guest->name, ==, "a&b");
  g_assert_null (guest->id);
  g_assert_null (guest->arch);
  g_assert_null (guest->machine);
  g_assert_cmpuint (guest->buses->len, ==, 0);
  g_assert_cmpuint (guest->devices->len, ==, 0);
}

typedef struct
{
  const char *name;
  const char *xml;
  const char *message;
} Bad;

static const Bad bad[] = {
  { "nothing", "", "domain XML" },
  { "another-document", "<network><name>x</name></network>",
    "domain XML: this is not a <domain> with a type and a name" },
  { "a-domain-without-type", "<domain><name>x</name></domain>",
    "domain XML: this is not a <domain> with a type and a name" },
  { "a-domain-without-name", "<domain type='kvm'><devices/></domain>",
    "domain XML: this is not a <domain> with a type and a name" },
  { "a-document-type",
    "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain type='kvm'><name>&a;</name></domain>",
    "domain XML:1: a document type declaration is not accepted" },
  { "a-domain-that-ends-early", "<domain type='kvm'>\n<name>x</name>\n<devices>",
    "domain XML:3: not well-formed XML" },
  { "a-device-that-ends-early", "<domain type='kvm'><devices><disk>", "domain XML:1:" },
  { "broken-markup-after-the-devices", "<domain type='kvm'><devices/>\n</x></domain>",
    "domain XML:2: not well-formed XML" },
};

static void
test_parse_bad (gconstpointer data)
{
  const Bad *row = data;
  g_autoptr (GError) error = NULL;

  g_assert_null (mfp_guest_parse (row->xml, &error));
  assert_error (error, MFP_ERROR_REFUSED, row->message);
}

static void
test_next_in_slot (void)
{
  g_autoptr (MfpGuest) guest = guest_of (
      Q35, NULL,
      HOSTDEV ("0x01", AT ("0x05", "0x00", "0x0")) HOSTDEV ("0x02", AT ("0x06", "0x00", "0x0"))
          HOSTDEV ("0x03", UNASSIGNED) HOSTDEV ("0x04", AT ("0x05", "0x00", "0x3")));
  MfpPciAddress slot = test_address ("0000:05:00.7"), empty = test_address ("0000:00:00.0");
  const MfpGuestDevice *first = mfp_guest_next_in_slot (guest, &slot, NULL);
  const MfpGuestDevice *second = mfp_guest_next_in_slot (guest, &slot, first);

  g_assert_cmpuint (first->host.bus, ==, 1);
  g_assert_cmpuint (second->host.bus, ==, 4);
  g_assert_null (mfp_guest_next_in_slot (guest, &slot, second));
  g_assert_null (mfp_guest_next_in_slot (guest, &empty, NULL)); /* not the unassigned one */
}

static void
test_find_host (void)
{
  g_autoptr (MfpGuest) guest
      = guest_of (Q35, NULL, HOSTDEV ("0x01", UNASSIGNED) HOSTDEV ("0x02", UNASSIGNED));
  MfpPciAddress first = test_address ("0000:01:00.0"), last = test_address ("0000:02:00.0");
  MfpPciAddress absent = test_address ("0000:03:00.0");

  g_assert_true (mfp_guest_find_host (guest, &first) == g_ptr_array_index (guest->devices, 0));
  g_assert_true (mfp_guest_find_host (guest, &last) == g_ptr_array_index (guest->devices, 1));
  g_assert_null (mfp_guest_find_host (guest, &absent));
}

static void
test_find_record (void)
{
  g_autoptr (MfpGuest) guest = guest_of (
      Q35,
      RECORD ("0000:05:00") "<card xmlns='urn:virt-mfplug:card:1:def' slot='0000:06:00'>"
                            "<function host='0000:02:00.0' alias='ua-y'/></card>",
      "");
  MfpPciAddress first = test_address ("0000:01:00.0"), last = test_address ("0000:02:00.0");
  MfpPciAddress absent = test_address ("0000:03:00.0");

  g_assert_cmpstr (mfp_guest_find_record (guest, &first)->id, ==, "abc");
  g_assert_cmpstr (mfp_guest_find_record (guest, &last)->id, ==, "def");
  g_assert_null (mfp_guest_find_record (guest, &absent));
}

static void
test_free (void)
{
  mfp_guest_free (NULL);
}

static void
test_qemu_name (void)
{
  static const struct
  {
    const char *machine;
    const char *controller;
    const char *expected;
  } rows[] = {
    { Q35, Q35_ROOT, "pcie.0" },
    { Q35, "<controller type='pci' index='0' model='pcie-root'><alias name='ua-root'/>"
           "</controller>",
      "pcie.0" },
    { PC, PC_ROOT, "pci.0" },
    { PC, "<controller type='pci' index='0' model='pci-root'><alias name='ua-root'/>"
          "</controller>",
      "pci.0" },
    { PC, "<controller type='pci' index='0' model='pci-root'/>", "pci.0" },
    { Q35, PORT ("4"), "pci.4" },
    { Q35, "<controller type='pci' index='4' model='pcie-root-port'><alias name='ua-gpu'/>"
           "</controller>",
      "ua-gpu" },
    { Q35, "<controller type='pci' index='4' model='pcie-root-port'/>", NULL },
    { PC, BUS ("3", "pci-bridge"), "pci.3" },
    { PC, "<controller type='pci' index='3' model='pci-bridge'><target index='2'/>"
          "<alias name='pci.3'/></controller>",
      "pci.3" },
    { SPAPR, "<controller type='pci' index='0' model='pci-root'><target index='0'/>"
             "<alias name='ua-first'/></controller>",
      "pci.0" },
    { SPAPR, "<controller type='pci' index='1' model='pci-root'><target index='1'/>"
             "<alias name='pci.1'/></controller>",
      "pci.1.0" },
    { SPAPR, "<controller type='pci' index='1' model='pci-root'><target index='7'/>"
             "<alias name='ua-phb'/></controller>",
      "ua-phb.0" },
    { SPAPR, PHB ("1", "1"), NULL },
    { SPAPR, "<controller type='pci' index='1' model='pci-bridge'><alias name='pci.1'/>"
             "</controller>",
      "pci.1" },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (MfpGuest) guest = guest_of (rows[i].machine, NULL, rows[i].controller);
      g_autofree char *name
          = mfp_guest_bus_qemu_name (guest, g_ptr_array_index (guest->buses, 0));

      g_test_message ("%s", rows[i].controller);
      g_assert_cmpstr (name, ==, rows[i].expected);
    }
}

static void
append_disks (GString *xml, gsize length)
{
  for (int i = 0; xml->len < length; i++)
    g_string_append_printf (xml,
                            "<disk type='file'><source file='/var/lib/libvirt/images/%d.qcow2'/>"
                            "<backingStore/><target dev='sd%d' bus='scsi'/><address type='drive' "
                            "controller='0' bus='0' target='0' unit='%d'/></disk>",
                            i, i, i);
}

static void
append_notes (GString *xml, gsize length)
{
  g_string_append (xml, "<n:notes xmlns:n='urn:notes'>");
  while (xml->len < length)
    g_string_append (xml, "<n:note of='somebody'>something</n:note>\n");
  g_string_append (xml, "</n:notes>");
}

/* Devices and metadata of other programs, with a text that is longer than libxml2's default
 * limit of 10 MB. */
static void
test_parse_large (void)
{
  g_autoptr (GString) xml
      = g_string_new ("<domain type='kvm'><name>large</name><metadata>" RECORD ("0000:01:00"));
  g_autofree char *text = g_strnfill (11 * MEGABYTE, 'x');
  g_autoptr (MfpGuest) guest = NULL;

  append_notes (xml, 2 * MEGABYTE);
  g_string_append_printf (xml, "<x:text xmlns:x='urn:x'>%s</x:text>", text);
  g_string_append (xml, "</metadata><devices>" Q35_ROOT PORT ("1"));
  append_disks (xml, 15 * MEGABYTE);
  g_string_append (xml, NIC ("0x01", "0x00") "</devices></domain>");
  guest = test_guest (xml->str);
  g_assert_cmpuint (guest->devices->len, ==, 1);
  g_assert_cmpuint (guest->records->len, ==, 1);
}

#define ARGUMENT(value)                                                                          \
  "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><arg value='-device'/>"       \
  "<arg value='" value "'/></commandline>"

/* QEMU has a function that libvirt knows nothing of. */
static void
test_commandline (void)
{
  static const struct
  {
    const char *value;
    gboolean holds;
  } rows[] = {
    { ARGUMENT ("vfio-pci,id=x,host=0000:09:00.1"), TRUE },
    { ARGUMENT ("vfio-pci-nohotplug,host=09:00.1,bus=pci.1"), TRUE },
    { ARGUMENT ("{&quot;driver&quot;:&quot;vfio-pci&quot;,&quot;host&quot;:&quot;09:00.1&quot;}"),
      TRUE },
    { ARGUMENT ("vfio-pci,sysfsdev=/sys/x"), FALSE },
    { ARGUMENT ("virtio-net,host=09:00.1"), FALSE },
    { ARGUMENT ("{&quot;driver&quot;:&quot;e1000e&quot;,&quot;host&quot;:&quot;09:00.1&quot;}"),
      FALSE },
    { ARGUMENT ("{"), FALSE },
  };
  const MfpPciAddress host = { .bus = 9, .function = 1 };

  FOR_EACH (i, rows)
    {
      g_autofree char *xml = g_strdup_printf (
          "<domain type='kvm' id='1'><name>vm</name>%s</domain>", rows[i].value);
      g_autoptr (MfpGuest) guest = test_guest (xml);

      g_assert_cmpint (mfp_guest_find_holder (guest, &host) != NULL, ==, rows[i].holds);
      g_assert_null (mfp_guest_find_host (guest, &host));
    }
}

/* A hostdev, an interface or a disk may use a host function, but a card has only hostdevs. */
static void
test_holders (void)
{
  static const char *const devices[] = {
#define SOURCE "<source><address type='pci' domain='0' bus='9' slot='0' function='1'/></source>"
    "<hostdev mode='subsystem' type='pci'>" SOURCE "</hostdev>",
    "<interface type='hostdev'>" SOURCE "</interface>",
    "<disk type='nvme'>" SOURCE "</disk>",
  };
  const MfpPciAddress host = { .bus = 9, .function = 1 };

  FOR_EACH (i, devices)
    {
      g_autoptr (MfpGuest) guest = guest_of (Q35, NULL, devices[i]);
      g_autoptr (GArray) held = mfp_guest_list_held (guest);

      g_assert_nonnull (mfp_guest_find_holder (guest, &host));
      g_assert_cmpuint (held->len, ==, 1);
      g_assert_true (mfp_pci_address_equal (&g_array_index (held, MfpPciAddress, 0), &host));
      g_assert_cmpint (mfp_guest_find_host (guest, &host) != NULL, ==, i == 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/guest/parse/reads-the-domain", test_parse_domain);
  g_test_add_func ("/guest/parse/reads-hostdevs-with-an-address-and-unassigned-ones",
                   test_parse_hostdev);
  g_test_add_func ("/guest/parse/reads-the-iommu", test_parse_iommu);
  g_test_add_func ("/guest/parse/distinguishes-kinds-of-hostdev", test_parse_hostdev_kinds);
  g_test_add_func ("/guest/parse/reads-devices-only-from-their-own-element",
                   test_parse_elsewhere);
  g_test_add_func ("/guest/parse/reads-a-domain-of-megabytes", test_parse_large);
  FOR_EACH (i, bad)
    test_add_row ("/guest/parse/refuses-", bad[i].name, &bad[i], test_parse_bad);
  g_test_add_func ("/guest/find-host/finds-the-first-and-the-last", test_find_host);
  g_test_add_func ("/guest/find-holder/finds-vfio-devices-on-the-command-line", test_commandline);
  g_test_add_func ("/guest/find-holder/finds-interfaces-and-disks-too", test_holders);
  g_test_add_func ("/guest/find-record/finds-the-first-and-the-last", test_find_record);
  g_test_add_func ("/guest/free/accepts-null", test_free);
  g_test_add_func ("/guest/next-in-slot/finds-each-device-in-the-slot", test_next_in_slot);
  g_test_add_func ("/guest/qemu-name/is-known-for-roots-ports-bridges-and-host-bridges",
                   test_qemu_name);
  return g_test_run ();
}
