/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "base/xml.h"
#include "model/pci-address.h"

typedef struct
{
  const char *name;
  const char *text;
  const char *expected; /* as formatted; NULL: refused */
} Row;

static const Row functions[] = {
  { "a-domain", "0000:01:00.0", "0000:01:00.0" },
  { "no-domain-as-domain-0", "01:02.3", "0000:01:02.3" },
  { "short-fields", "1:2:3.4", "0001:02:03.4" },
  { "upper-case", "000A:AB:1F.7", "000a:ab:1f.7" },
  { "the-largest-address", "ffffffff:ff:1f.7", "ffffffff:ff:1f.7" },
  { "a-domain-of-five-digits", "10000:e1:00.0", "10000:e1:00.0" },
  { "an-empty-text", "", NULL },
  { "a-slot-alone", "01:00", NULL },
  { "a-missing-function", "01:00.", NULL },
  { "a-missing-slot", "01:.0", NULL },
  { "a-missing-bus", ":00.0", NULL },
  { "a-missing-domain", ":01:00.0", NULL },
  { "one-field", "01.0", NULL },
  { "four-fields", "0:0:0:0.0", NULL },
  { "a-slot-above-1f", "01:20.0", NULL },
  { "a-function-above-7", "01:00.8", NULL },
  { "a-function-of-two-digits", "01:00.00", NULL },
  { "a-slot-of-three-digits", "01:000.0", NULL },
  { "a-bus-of-three-digits", "001:00.0", NULL },
  { "a-domain-of-nine-digits", "000000001:01:00.0", NULL },
  { "a-trailing-space", "01:00.0 ", NULL },
  { "a-trailing-newline", "01:00.0\n", NULL },
  { "a-leading-space", " 01:00.0", NULL },
  { "a-plus-sign", "+1:00.0", NULL },
  { "a-minus-sign", "-1:00.0", NULL },
  { "an-0x-prefix", "0x1:00.0", NULL },
  { "letters-that-are-not-digits", "xx:yy.z", NULL },
  { "a-wildcard", "01:00.*", NULL },
  { "non-ascii-digits", "01:00.\xd9\xa1", NULL },
};

static void
test_parse (gconstpointer data)
{
  const Row *row = data;
  MfpPciAddress address = { .domain = 0xdead, .bus = 0xbe, .slot = 0x1e, .function = 5 };
  g_autoptr (GError) error = NULL;
  gboolean valid = mfp_pci_address_parse (row->text, &address, &error);
  g_autofree char *formatted = mfp_pci_address_format (&address);

  if (row->expected)
    {
      g_assert_no_error (error);
      g_assert_true (valid);
      g_assert_cmpstr (formatted, ==, row->expected);
      return;
    }
  g_assert_false (valid);
  assert_error (error, MFP_ERROR_USAGE, "is not a PCI address such as 0000:01:00.0");
  assert_contains (error->message, row->text);
  g_assert_cmpstr (formatted, ==, "dead:be:1e.5"); /* untouched */
}

static const Row slots[] = {
  { "a-domain", "0001:02:03", "0001:02:03" },
  { "no-domain-as-domain-0", "02:1f", "0000:02:1f" },
  { "function-0", "0000:02:03.0", "0000:02:03" },
  { "function-1", "0000:02:03.1", NULL },
  { "function-00", "0000:02:03.00", NULL },
  { "a-point-without-a-function", "0000:02:03.", NULL },
  { "a-whole-device", "0000:02:03.*", NULL },
  { "a-trailing-space", "02:03 ", NULL },
  { "a-slot-above-1f", "02:20", NULL },
  { "an-empty-text", "", NULL },
};

static void
test_parse_slot (gconstpointer data)
{
  const Row *row = data;
  MfpPciAddress address = { .domain = 0xdead, .bus = 0xbe, .slot = 0x1e };
  g_autoptr (GError) error = NULL;
  gboolean valid = mfp_pci_address_parse_slot (row->text, &address, &error);
  g_autofree char *formatted = mfp_pci_address_format_slot (&address);

  if (row->expected)
    {
      g_assert_no_error (error);
      g_assert_true (valid);
      g_assert_cmpstr (formatted, ==, row->expected);
      g_assert_cmpuint (address.function, ==, 0);
      return;
    }
  g_assert_false (valid);
  assert_error (error, MFP_ERROR_USAGE, "is not a guest slot such as 0000:01:00");
  g_assert_cmpstr (formatted, ==, "dead:be:1e");
}

static const Row node_names[] = {
  { "a-usual-name", "pci_0000_01_02_3", "0000:01:02.3" },
  { "a-domain-of-five-digits", "pci_10000_e1_1f_7", "10000:e1:1f.7" },
  { "a-name-without-a-function", "pci_0000_01_00", NULL },
  { "a-fifth-field", "pci_0000_01_00_0_1", NULL },
  { "another-kind-of-device", "net_eth0_52_54_00_12_34_56", NULL },
  { "a-name-without-the-prefix", "0000_01_00_0", NULL },
  { "the-prefix-alone", "pci_", NULL },
  { "colons-and-point", "pci_0000:01:00.0", NULL },
  { "a-function-above-7", "pci_0000_01_00_8", NULL },
  { "a-trailing-underscore", "pci_0000_01_00_0_", NULL },
  { "an-empty-text", "", NULL },
};

static void
test_parse_node_name (gconstpointer data)
{
  const Row *row = data;
  MfpPciAddress address = { .domain = 0xdead, .bus = 0xbe, .slot = 0x1e, .function = 5 };
  gboolean valid = mfp_pci_address_parse_node_name (row->text, &address);
  g_autofree char *formatted = mfp_pci_address_format (&address);

  g_assert_cmpint (valid, ==, row->expected != NULL);
  g_assert_cmpstr (formatted, ==, row->expected ? row->expected : "dead:be:1e.5");
}

static void
test_scan_stops (void)
{
  const char *text = "0002:01:03.*", *cursor = text;
  MfpPciAddress address = { .function = 5 };

  g_assert_true (mfp_pci_address_scan (&cursor, &address));
  g_assert_true (cursor == text + strlen ("0002:01:03"));
  g_assert_cmpuint (address.domain, ==, 2);
  g_assert_cmpuint (address.bus, ==, 1);
  g_assert_cmpuint (address.slot, ==, 3);
  g_assert_cmpuint (address.function, ==, 0);
}

static void
test_scan_stays (void)
{
  static const char *const texts[] = { "", "zz", "0002:01", "0002:01:zz", "01:", "0002:01:20" };

  FOR_EACH (i, texts)
    {
      const char *cursor = texts[i];
      MfpPciAddress address = { .domain = 9, .bus = 8, .slot = 7, .function = 6 };
      MfpPciAddress before = address;

      g_assert_false (mfp_pci_address_scan (&cursor, &address));
      g_assert_true (cursor == texts[i]);
      g_assert_true (mfp_pci_address_equal (&address, &before));
    }
}

static void
test_format (void)
{
  MfpPciAddress address = { .domain = 0x10001, .bus = 0xab, .slot = 0x1f, .function = 7 };
  g_autofree char *function = mfp_pci_address_format (&address);
  g_autofree char *slot = mfp_pci_address_format_slot (&address);
  g_autofree char *node = mfp_pci_address_format_node_name (&address);

  g_assert_cmpstr (function, ==, "10001:ab:1f.7");
  g_assert_cmpstr (slot, ==, "10001:ab:1f");
  g_assert_cmpstr (node, ==, "pci_10001_ab_1f_7");
}

static void
test_compare (void)
{
  static const char *const sorted[] = {
    "0000:00:00.0", "0000:00:00.7", "0000:00:01.0", "0000:00:1f.7", "0000:01:00.0",
    "0000:ff:1f.7", "0001:00:00.0", "ffff:ff:1f.7", "10000:00:00.0", "ffffffff:00:00.0",
  };

  FOR_EACH (i, sorted)
    FOR_EACH (j, sorted)
      {
        MfpPciAddress a = test_address (sorted[i]), b = test_address (sorted[j]);

        g_assert_cmpint (mfp_pci_address_compare (&a, &b), ==, (i > j) - (i < j));
        g_assert_cmpint (mfp_pci_address_equal (&a, &b), ==, i == j);
      }
}

static void
test_contain (void)
{
  g_autoptr (GArray) addresses = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  const MfpPciAddress first = test_address ("0000:01:00.0"), last = test_address ("0000:02:00.3");
  const MfpPciAddress absent = test_address ("0000:02:00.0");

  g_assert_false (mfp_pci_addresses_contain (NULL, &first));
  g_assert_false (mfp_pci_addresses_contain (addresses, &first));
  g_array_append_val (addresses, first);
  g_array_append_val (addresses, last);
  g_assert_true (mfp_pci_addresses_contain (addresses, &first));
  g_assert_true (mfp_pci_addresses_contain (addresses, &last));
  g_assert_false (mfp_pci_addresses_contain (addresses, &absent));
}

static void
test_same_slot (void)
{
  static const struct
  {
    const char *a, *b;
    gboolean same;
  } rows[] = {
    { "0000:01:00.0", "0000:01:00.7", TRUE },  { "0000:01:00.0", "0000:01:01.0", FALSE },
    { "0000:01:00.0", "0000:02:00.0", FALSE }, { "0000:01:00.0", "0001:01:00.0", FALSE },
    { "10000:01:00.0", "0000:01:00.0", FALSE },
  };

  FOR_EACH (i, rows)
    {
      MfpPciAddress a = test_address (rows[i].a), b = test_address (rows[i].b);

      g_assert_cmpint (mfp_pci_address_same_slot (&a, &b), ==, rows[i].same);
    }
}

static void
test_with_function (void)
{
  MfpPciAddress address = test_address ("0001:02:03.4");
  MfpPciAddress other = mfp_pci_address_with_function (&address, 6);
  g_autofree char *text = mfp_pci_address_format (&other);

  g_assert_cmpstr (text, ==, "0001:02:03.6");
  g_assert_cmpuint (address.function, ==, 4);
}

static void
test_from_xml (void)
{
  static const struct
  {
    const char *attributes;
    const char *expected; /* NULL: refused */
  } rows[] = {
    { "domain='0x0001' bus='0x02' slot='0x03' function='0x4'", "0001:02:03.4" },
    { "domain='65536' bus='255' slot='31' function='7'", "10000:ff:1f.7" },
    { "bus='1' slot='2'", "0000:01:02.0" },
    { "domain='0xffffffff' bus='0' slot='0' function='0' multifunction='on'",
      "ffffffff:00:00.0" },
    { "slot='2' function='0'", NULL },
    { "bus='1' function='0'", NULL },
    { "bus='256' slot='2'", NULL },
    { "bus='1' slot='32'", NULL },
    { "bus='1' slot='2' function='8'", NULL },
    { "bus='1' slot='2' function=''", NULL },
    { "domain='4294967296' bus='1' slot='2'", NULL },
    { "domain='x' bus='1' slot='2'", NULL },
    { "", NULL },
  };

  FOR_EACH (i, rows)
    {
      g_autofree char *text = g_strdup_printf ("<address %s/>", rows[i].attributes);
      g_autoptr (xmlDoc) doc = mfp_xml_parse (text, strlen (text), "x", NULL);
      MfpPciAddress address = { .domain = 0xdead };
      gboolean valid = mfp_pci_address_from_xml (xmlDocGetRootElement (doc), &address);
      g_autofree char *formatted = mfp_pci_address_format (&address);

      g_test_message ("%s", rows[i].attributes);
      g_assert_cmpint (valid, ==, rows[i].expected != NULL);
      g_assert_cmpstr (formatted, ==, valid ? rows[i].expected : "dead:00:00.0");
    }
}

static void
test_from_no_xml (void)
{
  MfpPciAddress address;

  g_assert_false (mfp_pci_address_from_xml (NULL, &address));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  FOR_EACH (i, functions)
    test_add_row (functions[i].expected ? "/pci-address/parse/accepts-"
                                        : "/pci-address/parse/refuses-",
                  functions[i].name, &functions[i], test_parse);
  FOR_EACH (i, slots)
    test_add_row (slots[i].expected ? "/pci-address/parse-slot/accepts-"
                                    : "/pci-address/parse-slot/refuses-",
                  slots[i].name, &slots[i], test_parse_slot);
  FOR_EACH (i, node_names)
    test_add_row (node_names[i].expected ? "/pci-address/parse-node-name/accepts-"
                                         : "/pci-address/parse-node-name/refuses-",
                  node_names[i].name, &node_names[i], test_parse_node_name);
  g_test_add_func ("/pci-address/scan/stops-after-the-slot", test_scan_stops);
  g_test_add_func ("/pci-address/scan/failure-changes-nothing", test_scan_stays);
  g_test_add_func ("/pci-address/format/pads-and-keeps-long-domains", test_format);
  g_test_add_func ("/pci-address/compare/orders-by-domain-bus-slot-function", test_compare);
  g_test_add_func ("/pci-address/contain/finds-the-first-and-the-last", test_contain);
  g_test_add_func ("/pci-address/same-slot/ignores-only-the-function", test_same_slot);
  g_test_add_func ("/pci-address/with-function/returns-a-copy", test_with_function);
  g_test_add_func ("/pci-address/from-xml/reads-what-libvirt-writes", test_from_xml);
  g_test_add_func ("/pci-address/from-xml/accepts-null", test_from_no_xml);
  return g_test_run ();
}
