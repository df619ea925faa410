/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "base/xml.h"
#include "model/hostdev-xml.h"

#define NAME "card.xml"
#define OPEN "<hostdev mode='subsystem' type='pci' managed='yes'>"
#define CLOSE "</hostdev>"
#define SOURCE(f)                                                                              \
  "<source><address domain='0x0000' bus='0x01' slot='0x00' function='" #f "'/></source>"
#define GUEST(f)                                                                               \
  "<address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='" #f "'/>"
#define UNASSIGNED "<address type='unassigned'/>"
/* The hostdev of function @f, with @more after its source. */
#define ONE(f, more) OPEN SOURCE (f) more CLOSE
#define TWO(more) "<devices>\n" ONE (0, GUEST (0)) "\n" ONE (1, GUEST (1) more) "\n</devices>"
#define CONTROLLER(attributes, children) "<controller " attributes ">" children "</controller>"
#define ROOT_PORT "type='pci' index='5' model='pcie-root-port'"
#define TARGET "<model name='pcie-root-port'/><target chassis='5' port='5'/>"
#define PORT CONTROLLER (ROOT_PORT, TARGET)
#define NO_PORT                                                                                \
  "card.xml:2: the only supported <controller> is a pcie-root-port for the card, as --dry-run " \
  "prints it"
#define NO_DOCTYPE "card.xml:1: a document type declaration is not accepted"

/* Parses a document that must be valid. */
static MfpCard *
parse_valid (const char *text)
{
  g_autoptr (GError) error = NULL;
  MfpCard *card = mfp_devices_parse (text, strlen (text), NAME, &error);

  g_assert_no_error (error);
  g_assert_nonnull (card);
  return card;
}

/* Asserts that a document is refused, with a message that contains @part. */
static void
assert_refused (const char *text, gsize length, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mfp_devices_parse (text, length, NAME, &error));
  assert_error (error, MFP_ERROR_REFUSED, part);
}

/* ---- documents that are accepted ---- */

typedef struct
{
  const char *name;
  const char *text;
  const char *card;
  const char *slot; /* NULL: the document does not choose one */
} Good;

static const Good good[] = {
  { "a-whole-card-with-addresses", TWO (""), "0000:01:00.0=0 0000:01:00.1=1", "0000:05:00" },
  { "a-single-hostdev", ONE (0, GUEST (0)), "0000:01:00.0=0", "0000:05:00" },
  { "a-single-hostdev-without-an-address", ONE (0, ""), "0000:01:00.0=0", NULL },
  { "functions-without-addresses-and-keeps-their-numbers",
    "<devices>" ONE (2, "") ONE (0, "") "</devices>", "0000:01:00.2=2 0000:01:00.0=0", NULL },
  { "functions-of-several-devices-without-addresses-and-packs-them",
    "<devices>" ONE (3, "") OPEN
    "<source><address bus='2' slot='0'/></source>" CLOSE "</devices>",
    "0000:01:00.3=0 0000:02:00.0=1", NULL },
  { "a-mapping", "<devices>" ONE (1, GUEST (0)) ONE (3, GUEST (1)) "</devices>",
    "0000:01:00.1=0 0000:01:00.3=1", "0000:05:00" },
  { "unassigned-functions", "<devices>" ONE (1, UNASSIGNED) ONE (0, GUEST (0)) "</devices>",
    "0000:01:00.1=unassigned 0000:01:00.0=0", "0000:05:00" },
  { "unassigned-functions-without-other-addresses",
    "<devices>" ONE (1, UNASSIGNED) ONE (0, "") "</devices>",
    "0000:01:00.1=unassigned 0000:01:00.0=0", NULL },
  { "a-declaration-and-comments",
    "<?xml version='1.0' encoding='UTF-8'?>\n<!-- mine --><devices><!-- x -->" ONE (0, "")
    "</devices>",
    "0000:01:00.0=0", NULL },
  { "another-encoding",
    "<?xml version='1.0' encoding='ISO-8859-1'?><devices><!-- \xe4 -->" ONE (0, "") "</devices>",
    "0000:01:00.0=0", NULL },
  { "the-driver-of-a-live-domain", ONE (0, "<driver name='vfio'/>"), "0000:01:00.0=0", NULL },
  { "a-driver-without-iommufd", ONE (0, "<driver iommufd='no'/>"), "0000:01:00.0=0", NULL },
  { "the-driver-of-a-live-domain-without-iommufd",
    ONE (0, "<driver name='vfio' iommufd='no'/>"), "0000:01:00.0=0", NULL },
  { "multifunction-on", ONE (0, "<address type='pci' domain='0' bus='5' slot='0' function='0' "
                                "multifunction='on'/>"),
    "0000:01:00.0=0", "0000:05:00" },
  { "a-port-after-the-functions",
    "<devices>" ONE (0, GUEST (0)) "<controller type='pci' index='5' model='pcie-root-port'>"
    "<model name='pcie-root-port'/><target chassis='5' port='5'/></controller></devices>",
    "0000:01:00.0=0", "0000:05:00" },
};

static void
test_good (gconstpointer data)
{
  const Good *row = data;
  g_autoptr (MfpCard) card = parse_valid (row->text);
  g_autofree char *text = test_describe_card (card);
  g_autofree char *slot = card->has_slot ? mfp_pci_address_format_slot (&card->slot) : NULL;

  g_assert_cmpstr (text, ==, row->card);
  g_assert_cmpstr (slot, ==, row->slot);
  g_assert_cmpuint (card->slot.function, ==, 0);
}

static void
test_managed (void)
{
  g_autoptr (MfpCard) card = parse_valid (
      "<devices>" ONE (0, "") "<hostdev mode='subsystem' type='pci' managed='no'>" SOURCE (1)
      CLOSE "<hostdev mode='subsystem' type='pci'>" SOURCE (2) CLOSE "</devices>");

  g_assert_true (test_function (card, 0)->managed);
  g_assert_false (test_function (card, 1)->managed);
  g_assert_false (test_function (card, 2)->managed); /* libvirt's default */
}

static void
test_lines (void)
{
  g_autoptr (MfpCard) card = parse_valid (TWO (""));

  g_assert_cmpuint (test_function (card, 0)->line, ==, 2);
  g_assert_cmpuint (test_function (card, 1)->line, ==, 3);
}

static void
test_user_alias (void)
{
  g_autoptr (MfpCard) card = parse_valid (ONE (0, "<alias name='ua-My_gpu-0'/>"));

  g_assert_cmpstr (test_function (card, 0)->user_alias, ==, "ua-My_gpu-0");
}

/* The document of a running domain has an alias of ours. */
static void
test_own_alias (void)
{
  g_autoptr (MfpCard) card = parse_valid (ONE (0, "<alias name='ua-mfplug-0000-09-00-0'/>"));

  g_assert_null (test_function (card, 0)->user_alias);
}

/* ---- documents that are refused ---- */

typedef struct
{
  const char *name;
  const char *text;
  const char *message;
} Bad;

static const Bad bad[] = {
  { "an-empty-text", "", "card.xml:" },
  { "text", "devices", "card.xml:1: not well-formed XML" },
  { "an-open-element", "<devices>\n" ONE (0, "") "\n", "card.xml:3: not well-formed XML" },
  { "another-root", "\n<domain/>", "card.xml:2: <domain> is neither <devices> nor <hostdev>" },
  { "an-empty-document", "<devices>\n</devices>", "card.xml:1: <devices> names no function" },
  { "another-device", "<devices>\n" ONE (0, "") "\n<disk/></devices>",
    "card.xml:3: <disk> is not a <hostdev mode='subsystem' type='pci'>" },
  { "a-usb-hostdev", "<devices>\n<hostdev mode='subsystem' type='usb'/></devices>",
    "card.xml:2: <hostdev> is not a <hostdev mode='subsystem' type='pci'>" },
  { "a-hostdev-without-mode", "<hostdev type='pci'>" SOURCE (0) CLOSE,
    "card.xml:1: <hostdev> is not a" },
  { "a-hostdev-with-an-unknown-attribute",
    "<hostdev mode='subsystem' type='pci' sgio='filtered'>" SOURCE (0) CLOSE,
    "card.xml:1: <hostdev sgio=...> is not supported" },
  { "a-managed-that-is-neither-yes-nor-no",
    "<hostdev mode='subsystem' type='pci' managed='maybe'>" SOURCE (0) CLOSE,
    "card.xml:1: " },
  { "a-hostdev-without-source", "<devices>\n\n" OPEN CLOSE "</devices>",
    "card.xml:3: <hostdev> has no <source>" },
  { "a-source-without-address", OPEN "\n<source/>" CLOSE,
    "card.xml:2: <source> holds no PCI address of the host" },
  { "a-source-with-a-bad-address",
    OPEN "\n<source>\n<address domain='0' bus='1' slot='0x20' function='0'/></source>" CLOSE,
    "card.xml:2: <source> holds no PCI address of the host" },
  { "a-source-of-another-kind", OPEN "<source><vendor id='1'/></source>" CLOSE,
    "card.xml:1: <source> holds no PCI address of the host" },
  { "a-source-with-an-attribute",
    OPEN "\n<source writeFiltering='no'><address bus='1' slot='0'/></source>" CLOSE,
    "card.xml:2: <source writeFiltering=...> is not supported" },
  { "an-alias-of-libvirt-s", ONE (0, "\n<alias name='hostdev0'/>"),
    "card.xml:2: <alias name='hostdev0'>: libvirt keeps only names that begin with 'ua-'" },
  { "an-alias-with-a-dot", ONE (0, "\n<alias name='ua-a.b'/>"),
    "card.xml:2: <alias name='ua-a.b'>" },
  { "an-alias-with-a-space", ONE (0, "<alias name='ua-a b'/>"), "<alias name='ua-a b'>" },
  { "an-alias-without-name", ONE (0, "\n<alias/>"), "card.xml:2: <alias name=''>" },
  { "an-address-of-another-type", ONE (0, "\n<address type='drive' bus='0' slot='0'/>"),
    "card.xml:2: this is not a guest PCI address" },
  { "an-address-without-type", ONE (0, "\n<address domain='0' bus='5' slot='0' function='0'/>"),
    "card.xml:2: this is not a guest PCI address" },
  { "an-address-out-of-range", ONE (0, "\n<address type='pci' bus='5' slot='0' function='8'/>"),
    "card.xml:2: this is not a guest PCI address" },
  { "an-address-without-slot", ONE (0, "<address type='pci'/>"),
    "card.xml:1: this is not a guest PCI address" },
  { "two-guest-slots",
    "<devices>\n" ONE (0, GUEST (0)) "\n" OPEN SOURCE (1)
    "\n<address type='pci' bus='6' slot='0' function='1'/>" CLOSE "</devices>",
    "card.xml:4: the earlier functions are in guest slot 0000:05:00, and this one is not" },
  { "a-guest-function-twice", "<devices>\n" ONE (0, GUEST (0)) "\n" ONE (1, GUEST (0)) "</devices>",
    "line 3: host functions 0000:01:00.0 and 0000:01:00.1 would both become guest function 0" },
  { "a-host-function-twice", "<devices>\n" ONE (0, GUEST (0)) "\n" ONE (0, GUEST (1)) "</devices>",
    "line 3: host function 0000:01:00.0 is named twice" },
  { "no-function-0", "<devices>" ONE (0, GUEST (1)) "</devices>",
    "card.xml: no function becomes guest function 0" },
  { "no-function-0-without-addresses", ONE (1, ""),
    "card.xml: no function becomes guest function 0" },
  { "unassigned-functions-alone", ONE (0, UNASSIGNED),
    "card.xml: no function becomes guest function 0" },
  { "addresses-of-only-some-functions", "<devices>" ONE (0, GUEST (0)) ONE (1, "") "</devices>",
    "card.xml: some functions have a guest function and some do not" },

  /* a port */
  { "a-port-alone", "<devices>" PORT "</devices>", "card.xml:1: <devices> names no function" },
  { "a-port-of-another-bus",
    "<devices>" PORT ONE (0, "<address type='pci' bus='6' slot='0' function='0'/>") "</devices>",
    "card.xml:1: no function is on bus 5, behind the port" },
  { "a-port-without-addresses", "<devices>" PORT ONE (0, "") "</devices>",
    "card.xml:1: no function is on bus 5, behind the port" },
  { "a-port-of-index-0",
    "<devices>\n" CONTROLLER ("type='pci' index='0' model='pcie-root-port'",
                              "<model name='pcie-root-port'/><target chassis='0' port='0'/>")
    ONE (0, "<address type='pci' bus='0' slot='0' function='0'/>") "</devices>",
    NO_PORT },
  { "two-ports", "<devices>\n" PORT "\n" PORT ONE (0, GUEST (0)) "</devices>",
    "card.xml:3: <controller> appears twice" },
  { "a-port-as-the-whole-document", PORT,
    "card.xml:1: <controller> is neither <devices> nor <hostdev>" },

  /* tuning */
  { "an-unknown-child", ONE (0, "\n<teaming type='transient'/>"),
    "card.xml:2: <teaming> of a multifunction card is not supported" },
  { "an-acpi-index", ONE (0, "\n<acpi index='3'/>"),
    "card.xml:2: <acpi> of a multifunction card is not supported" },
  { "an-unknown-attribute-of-rom", ONE (0, "\n<rom size='1'/>"),
    "card.xml:2: <rom size=...> is not supported" },
  { "an-unknown-attribute-of-boot", ONE (0, "\n<boot order='1' loadparm='x'/>"),
    "card.xml:2: <boot loadparm=...> is not supported" },
  { "boot-order-0", ONE (0, "\n<boot order='0'/>"),
    "card.xml:2: <boot order=...> is not a number of at least 1" },
  { "a-boot-order-that-is-not-a-number", ONE (0, "\n<boot order='first'/>"),
    "card.xml:2: <boot order=...> is not a number of at least 1" },
  { "boot-without-order", ONE (0, "\n<boot/>"),
    "card.xml:2: <boot order=...> is not a number of at least 1" },
  { "a-driver-that-is-not-vfio", ONE (0, "\n<driver name='kvm'/>"),
    "card.xml:2: the only supported <driver> is name='vfio'" },
  { "a-driver-with-iommufd", OPEN SOURCE (0) "\n<driver name='vfio' iommufd='yes'/>" CLOSE,
    "card.xml:2: <driver iommufd='yes'/> is not supported: QEMU opens some of the functions by "
    "their VFIO group" },
  { "a-driver-whose-iommufd-is-neither-yes-nor-no",
    OPEN SOURCE (0) "\n<driver iommufd='maybe'/>" CLOSE,
    "card.xml:2: <driver> takes iommufd='yes|no'" },
  { "a-driver-s-model", ONE (0, "\n<driver name='vfio' model='mlx5_vfio_pci'/>"),
    "card.xml:2: <driver model=...> is not supported" },
  { "a-rom-bar-that-is-neither-on-nor-off", ONE (0, "<rom bar='maybe'/>"), "card.xml:1: " },
  { "a-rom-enabled-that-is-neither-yes-nor-no", ONE (0, "<rom enabled='maybe'/>"),
    "card.xml:1: " },

  /* elements that come twice */
  { "two-sources", OPEN SOURCE (0) "\n" SOURCE (1) CLOSE, "card.xml:2: " },
  { "two-guest-addresses", OPEN SOURCE (0) GUEST (0) "\n" UNASSIGNED CLOSE, "card.xml:2: " },
  { "two-aliases", OPEN SOURCE (0) "<alias name='ua-a'/>\n<alias name='ua-b'/>" CLOSE,
    "card.xml:2: " },
  { "two-roms", OPEN SOURCE (0) "<rom bar='on'/>\n<rom bar='off'/>" CLOSE, "card.xml:2: " },
  { "one-alias-for-two-functions",
    "<devices>" ONE (0, "<alias name='ua-a'/>") "\n" ONE (1, "<alias name='ua-a'/>")
    ONE (2, "") "</devices>",
    "ua-a" },

  /* tricks */
  { "a-doctype", "<!DOCTYPE devices><devices>" ONE (0, "") "</devices>",
    NO_DOCTYPE },
  { "an-external-subset",
    "<!DOCTYPE devices SYSTEM 'file:///etc/passwd'><devices>" ONE (0, "") "</devices>",
    NO_DOCTYPE },
  { "an-external-entity",
    "<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
    "<devices>&e;" ONE (0, "") "</devices>",
    NO_DOCTYPE },
  { "an-entity-in-an-address",
    "<!DOCTYPE d [<!ENTITY e '0x01'>]>" OPEN
    "<source><address domain='0' bus='&e;' slot='0' function='0'/></source>" CLOSE,
    NO_DOCTYPE },
  { "an-undefined-entity", "<devices>\n&e;" ONE (0, "") "</devices>",
    "card.xml:2: not well-formed XML" },
  { "an-inclusion",
    "<devices xmlns:xi='http://www.w3.org/2001/XInclude'>\n"
    "<xi:include href='file:///etc/passwd' parse='text'/></devices>",
    "card.xml:2: <include> is not a <hostdev" },
};

static void
test_bad (gconstpointer data)
{
  const Bad *row = data;

  assert_refused (row->text, strlen (row->text), row->message);
}

typedef struct
{
  const char *name;
  const char *controller;
} Port;

static const Port bad_ports[] = {
  { "of-another-model", CONTROLLER ("type='pci' index='5' model='pci-bridge'", TARGET) },
  { "of-another-type", CONTROLLER ("type='usb' index='5' model='pcie-root-port'", TARGET) },
  { "without-index", CONTROLLER ("type='pci' model='pcie-root-port'", TARGET) },
  { "of-index-256",
    CONTROLLER ("type='pci' index='256' model='pcie-root-port'",
                "<model name='pcie-root-port'/><target chassis='256' port='256'/>") },
  { "without-hotplug",
    CONTROLLER (ROOT_PORT, "<model name='pcie-root-port'/>"
                           "<target chassis='5' port='5' hotplug='off'/>") },
  { "with-an-address",
    CONTROLLER (ROOT_PORT, TARGET "<address type='pci' bus='0' slot='4'/>") },
  { "with-text", CONTROLLER (ROOT_PORT, TARGET "x") },
  { "with-an-unknown-attribute", CONTROLLER (ROOT_PORT " ports='2'", TARGET) },
};

/* A document with this controller, and with a function that would be behind the port. */
static void
test_bad_port (gconstpointer data)
{
  const Port *row = data;
  g_autofree char *text = g_strconcat ("<devices>\n", row->controller, ONE (0, GUEST (0)),
                                       "</devices>", NULL);

  assert_refused (text, strlen (text), NO_PORT);
}

static void
test_nine (void)
{
  g_autoptr (GString) text = g_string_new ("<devices>");

  for (int i = 0; i < 9; i++)
    g_string_append_printf (text, OPEN "<source><address bus='%d' slot='0'/></source>" CLOSE, i);
  g_string_append (text, "</devices>");
  assert_refused (text->str, text->len,
                  "card.xml: 9 functions were named, and a guest slot holds 8");
}

/* A document one byte over the limit, and one that just fits. */
static void
test_size (void)
{
  const gsize limit = 1024 * 1024;
  g_autoptr (GString) text = g_string_new ("<devices>" ONE (0, "") "</devices>");
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpCard) card = NULL;

  while (text->len < limit)
    g_string_append_c (text, '\n');
  card = mfp_devices_parse (text->str, text->len, NAME, &error);
  g_assert_no_error (error);
  g_assert_nonnull (card);
  g_string_append_c (text, '\n');
  assert_refused (text->str, text->len, "card.xml:1: the document has more than 1048576 bytes");
}

static void
test_megabytes (void)
{
  gsize length = 64 * 1024 * 1024;
  g_autofree char *text = g_strnfill (length, 'x');

  assert_refused (text, length, "the document has more than 1048576 bytes");
}

static void
test_deep (void)
{
  g_autoptr (GString) text = g_string_new ("<devices>");

  for (int i = 0; i < 100000; i++)
    g_string_append (text, "<a>");
  assert_refused (text->str, text->len, "");
}

/* The parser must not silently drop what comes after a zero byte. */
static void
test_zero_byte (void)
{
  static const char text[] = "<devices>" ONE (0, "") "</devices>\0<junk";

  assert_refused (text, sizeof text - 1, "");
}

/* ---- writing documents ---- */

#define TUNED                                                                                  \
  "<devices>"                                                                                  \
  "<hostdev mode='subsystem' type='pci' managed='yes'>" SOURCE (1)                             \
  "<alias name='ua-gpu'/><boot order='3'/><rom bar='off' file='/a &amp; b.rom'/>"              \
  "<driver name='vfio'/>" GUEST (0) CLOSE                                                      \
  "<hostdev mode='subsystem' type='pci' managed='no'>" SOURCE (3)                              \
  "<rom enabled='no'/>" GUEST (1) CLOSE OPEN SOURCE (2) UNASSIGNED CLOSE "</devices>"

static void
test_round_trip (void)
{
  g_autoptr (MfpCard) card = parse_valid (TUNED);
  g_autofree char *text = mfp_devices_format (card);
  g_autoptr (MfpCard) again = parse_valid (text);
  g_autofree char *third = mfp_devices_format (again);
  g_autofree char *before = test_describe_card (card), *after = test_describe_card (again);

  g_assert_cmpstr (after, ==, before);
  g_assert_cmpstr (third, ==, text);
  g_assert_true (mfp_pci_address_equal (&again->slot, &card->slot));
  g_assert_cmpstr (test_function (again, 0)->user_alias, ==, "ua-gpu");
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (test_function (again, i)->managed, ==, test_function (card, i)->managed);
  g_assert_true (g_str_has_suffix (text, "</devices>\n"));
}

static void
test_port (void)
{
  g_autoptr (MfpCard) card
      = parse_valid ("<devices>" PORT ONE (0, GUEST (0)) "</devices>");
  g_autofree char *text = mfp_devices_format (card);
  g_autofree char *port = mfp_port_format (card);
  g_autoptr (MfpCard) again = parse_valid (text);
  g_autofree char *third = mfp_devices_format (again);

  g_assert_cmpuint (card->port, ==, 5);
  g_assert_cmpstr (port, ==,
                   "<controller type=\"pci\" index=\"5\" model=\"pcie-root-port\">\n"
                   "  <model name=\"pcie-root-port\"/>\n"
                   "  <target chassis=\"5\" port=\"5\"/>\n"
                   "</controller>");
  assert_contains (text, "<controller type=\"pci\" index=\"5\"");
  g_assert_cmpuint (again->port, ==, 5);
  g_assert_cmpstr (third, ==, text);
}

static void
test_format_exact (void)
{
  g_autoptr (MfpCard) card = parse_valid (TUNED);
  g_autofree char *text = mfp_devices_format (card);

  g_assert_cmpstr (
      text, ==,
      "<devices>\n"
      "  <hostdev mode=\"subsystem\" type=\"pci\" managed=\"yes\">\n"
      "    <source>\n"
      "      <address domain=\"0x0000\" bus=\"0x01\" slot=\"0x00\" function=\"0x1\"/>\n"
      "    </source>\n"
      "    <alias name=\"ua-gpu\"/>\n"
      "    <boot order=\"3\"/>\n"
      "    <rom bar=\"off\" file=\"/a &amp; b.rom\"/>\n"
      "    <driver name=\"vfio\"/>\n"
      "    <address type=\"pci\" domain=\"0x0000\" bus=\"0x05\" slot=\"0x00\" function=\"0x0\" "
      "multifunction=\"on\"/>\n"
      "  </hostdev>\n"
      "  <hostdev mode=\"subsystem\" type=\"pci\" managed=\"no\">\n"
      "    <source>\n"
      "      <address domain=\"0x0000\" bus=\"0x01\" slot=\"0x00\" function=\"0x3\"/>\n"
      "    </source>\n"
      "    <rom enabled=\"no\"/>\n"
      "    <address type=\"pci\" domain=\"0x0000\" bus=\"0x05\" slot=\"0x00\" "
      "function=\"0x1\"/>\n"
      "  </hostdev>\n"
      "  <hostdev mode=\"subsystem\" type=\"pci\" managed=\"yes\">\n"
      "    <source>\n"
      "      <address domain=\"0x0000\" bus=\"0x01\" slot=\"0x00\" function=\"0x2\"/>\n"
      "    </source>\n"
      "    <address type=\"unassigned\"/>\n"
      "  </hostdev>\n"
      "</devices>\n");
}

/* The addresses are the largest ones, and the host domain has five digits. */
static void
test_format_large_numbers (void)
{
  g_autoptr (MfpCard) card = parse_valid (
      OPEN "<source><address domain='0x10000' bus='0xff' slot='0x1f' function='0x7'/></source>"
           "<address type='pci' domain='0' bus='0xfe' slot='0x1e' function='0'/>" CLOSE);
  g_autofree char *text = mfp_devices_format (card);

  assert_contains (text, "domain=\"0x10000\" bus=\"0xff\" slot=\"0x1f\" function=\"0x7\"");
  assert_contains (text, "domain=\"0x0000\" bus=\"0xfe\" slot=\"0x1e\" function=\"0x0\"");
}

static void
test_format_single (void)
{
  g_autoptr (MfpCard) card = parse_valid (
      "<devices>" ONE (0, GUEST (0)) ONE (1, UNASSIGNED) "</devices>");
  g_autofree char *text = mfp_devices_format (card);

  assert_lacks (text, "multifunction");
}

/* Writes the function at @index of the document @text; the caller frees. */
static char *
format_function (const char *text, guint index, MfpHostdevForm form)
{
  g_autoptr (MfpCard) card = parse_valid (text);

  g_assert_true (mfp_card_name_functions (card, NULL));
  return mfp_hostdev_format (card, test_function (card, index), form);
}

static void
test_format_plug (void)
{
  g_autofree char *plug = format_function (TWO (""), 0, MFP_HOSTDEV_PLUG);
  g_autofree char *second = format_function (TWO (""), 1, MFP_HOSTDEV_PLUG);

  assert_contains (plug, "managed=\"no\"");
  assert_contains (plug, "<alias name=\"ua-mfplug-0000-01-00-0\"/>");
  assert_contains (plug, "bus=\"0x05\" slot=\"0x00\" function=\"0x0\" multifunction=\"on\"");
  assert_contains (second, "<alias name=\"ua-mfplug-slot-0000-05-00\"/>");
  assert_lacks (second, "multifunction");
  g_assert_true (g_str_has_prefix (plug, "<hostdev "));
}

/* The <driver> that the document has is kept, in a document that --file reads again, too. */
static void
test_format_without_iommufd (void)
{
  g_autoptr (MfpCard) card = parse_valid (TWO ("<driver name='vfio'/>"));
  g_autofree char *asked = NULL, *plug = NULL;

  card->avoid_iommufd = TRUE;
  asked = mfp_hostdev_format (card, test_function (card, 1), MFP_HOSTDEV_ASKED);
  plug = mfp_hostdev_format (card, test_function (card, 1), MFP_HOSTDEV_PLUG);
  assert_contains (asked, "<driver name=\"vfio\" iommufd=\"no\"/>");
  assert_contains (plug, "<driver name=\"vfio\" iommufd=\"no\"/>");
}

static void
test_format_unassigned (void)
{
  g_autofree char *unassigned
      = format_function (TWO ("<rom bar='off'/>"), 1, MFP_HOSTDEV_UNASSIGNED);

  assert_contains (unassigned, "managed=\"no\"");
  assert_contains (unassigned, "<alias name=\"ua-mfplug-slot-0000-05-00\"/>");
  assert_contains (unassigned, "<address type=\"unassigned\"/>");
  assert_contains (unassigned, "<rom bar=\"off\"/>");
  assert_lacks (unassigned, "type=\"pci\" domain"); /* no guest address */
}

static void
test_format_asked (void)
{
  g_autofree char *asked = format_function (TWO (""), 1, MFP_HOSTDEV_ASKED);

  assert_contains (asked, "managed=\"yes\"");
  assert_lacks (asked, "<alias");
}

/* ---- tuning ---- */

static void
test_tuning (void)
{
  static const struct
  {
    const char *children;
    int rom_bar;
    const char *rom_file;
    guint boot_order;
  } rows[] = {
    { "", MFP_UNSET, NULL, 0 },
    { "<rom/>", MFP_UNSET, NULL, 0 },
    { "<rom bar='on'/>", 1, NULL, 0 },
    { "<rom bar='off'/>", 0, NULL, 0 },
    { "<rom file='/x.rom'/>", MFP_UNSET, "/x.rom", 0 },
    { "<rom bar='on' file='/x.rom'/>", 1, "/x.rom", 0 },
    { "<rom enabled='yes' file='/x.rom'/>", MFP_UNSET, "/x.rom", 0 },
    { "<rom enabled='no'/>", MFP_UNSET, "", 0 },
    { "<boot order='1'/>", MFP_UNSET, NULL, 1 },
    { "<boot order='12'/><rom bar='off'/>", 0, NULL, 12 },
    { "<driver name='vfio'/>", MFP_UNSET, NULL, 0 },
  };

  FOR_EACH (i, rows)
    {
      g_autofree char *text = g_strconcat (OPEN SOURCE (0), rows[i].children, CLOSE, NULL);
      g_autoptr (MfpCard) card = parse_valid (text);
      g_autoptr (MfpTuning) tuning = mfp_tuning_read (test_function (card, 0)->tuning);

      g_test_message ("%s", rows[i].children);
      g_assert_cmpint (tuning->rom_bar, ==, rows[i].rom_bar);
      g_assert_cmpstr (tuning->rom_file, ==, rows[i].rom_file);
      g_assert_cmpuint (tuning->boot_order, ==, rows[i].boot_order);
    }
}

static void
test_tuning_free (void)
{
  mfp_tuning_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  FOR_EACH (i, good)
    test_add_row ("/hostdev-xml/parse/accepts-", good[i].name, &good[i], test_good);
  g_test_add_func ("/hostdev-xml/parse/reads-managed", test_managed);
  g_test_add_func ("/hostdev-xml/parse/keeps-the-line-of-each-function", test_lines);
  g_test_add_func ("/hostdev-xml/parse/keeps-a-user-alias", test_user_alias);
  g_test_add_func ("/hostdev-xml/parse/drops-an-alias-of-ours", test_own_alias);
  FOR_EACH (i, bad)
    test_add_row ("/hostdev-xml/parse/refuses-", bad[i].name, &bad[i], test_bad);
  FOR_EACH (i, bad_ports)
    test_add_row ("/hostdev-xml/parse/refuses-a-port-", bad_ports[i].name, &bad_ports[i],
                  test_bad_port);
  g_test_add_func ("/hostdev-xml/parse/refuses-nine-functions", test_nine);
  g_test_add_func ("/hostdev-xml/parse/refuses-more-than-a-megabyte", test_size);
  g_test_add_func ("/hostdev-xml/parse/refuses-64-megabytes", test_megabytes);
  g_test_add_func ("/hostdev-xml/parse/refuses-deep-nesting", test_deep);
  g_test_add_func ("/hostdev-xml/parse/refuses-a-zero-byte", test_zero_byte);
  g_test_add_func ("/hostdev-xml/format/can-be-parsed-again", test_round_trip);
  g_test_add_func ("/hostdev-xml/format/writes-a-port-that-can-be-parsed-again", test_port);
  g_test_add_func ("/hostdev-xml/format/writes-exactly-this-document", test_format_exact);
  g_test_add_func ("/hostdev-xml/format/keeps-large-numbers", test_format_large_numbers);
  g_test_add_func ("/hostdev-xml/format/a-single-function-is-not-multifunction",
                   test_format_single);
  g_test_add_func ("/hostdev-xml/format/plug-has-our-alias-and-is-unmanaged", test_format_plug);
  g_test_add_func ("/hostdev-xml/format/says-no-to-iommufd-in-a-domain-that-uses-it",
                   test_format_without_iommufd);
  g_test_add_func ("/hostdev-xml/format/unassigned-has-no-guest-address", test_format_unassigned);
  g_test_add_func ("/hostdev-xml/format/asked-has-no-alias-of-ours", test_format_asked);
  g_test_add_func ("/hostdev-xml/tuning/reads-rom-and-boot", test_tuning);
  g_test_add_func ("/hostdev-xml/tuning/free-accepts-null", test_tuning_free);
  return g_test_run ();
}
