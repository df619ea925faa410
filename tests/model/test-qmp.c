/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/autoptr.h"
#include "common.h"
#include "model/qmp.h"

#include <libxml/parser.h>

/* ---- commands ---- */

typedef struct
{
  const char *name;
  const char *tuning; /* children of <hostdev>, or NULL */
  const char *more;   /* the members that they add */
} Add;

static const Add adds[] = {
  { "no-options-without-a-hostdev", NULL, "" },
  { "no-options-without-tuning", "", "" },
  { "that-the-rom-bar-is-on", "<rom bar='on'/>", ",\"rombar\":1" },
  { "that-the-rom-bar-is-off", "<rom bar='off'/>", ",\"rombar\":0" },
  { "the-rom-file", "<rom file='/a \"b\".rom'/>", ",\"romfile\":\"/a \\\"b\\\".rom\"" },
  { "an-empty-rom-file-for-a-disabled-rom", "<rom enabled='no'/>", ",\"romfile\":\"\"" },
  { "the-boot-order", "<boot order='2'/>", ",\"bootindex\":2" },
  { "all-options", "<boot order='7'/><rom bar='on' file='/r'/><driver name='vfio'/>",
    ",\"rombar\":1,\"romfile\":\"/r\",\"bootindex\":7" },
};

static void
test_device_add (gconstpointer data)
{
  const Add *row = data;
  g_autofree char *xml
      = row->tuning ? g_strconcat ("<hostdev>", row->tuning, "</hostdev>", NULL) : NULL;
  g_autoptr (xmlDoc) doc = xml ? xmlParseDoc (BAD_CAST xml) : NULL;
  MfpFunction function = { .host = test_address ("0000:01:00.2"),
                           .guest_function = 7,
                           .alias = (char *) "ua-x",
                           .tuning = doc };
  g_autofree char *command = mfp_qmp_device_add (&function, "pci.5", 0x1f);
  g_autofree char *expected = g_strdup_printf (
      "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"vfio-pci\","
      "\"host\":\"0000:01:00.2\",\"id\":\"ua-x\",\"bus\":\"pci.5\",\"addr\":\"0x1f.0x7\"%s}}",
      row->more);

  test_assert_json (command, expected);
}

static void
test_device_del (void)
{
  g_autofree char *command = mfp_qmp_device_del ("ua-\"x\\");

  test_assert_json (command,
                    "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"ua-\\\"x\\\\\"}}");
}

static void
test_list_devices (void)
{
  g_autofree char *command = mfp_qmp_list_devices ();

  test_assert_json (command, "{\"execute\":\"qom-list\",\"arguments\":{\"path\":"
                             "\"/machine/peripheral\"}}");
}

static void
test_command_name (void)
{
  g_autofree char *command = mfp_qmp_device_del ("ua-\"x");
  g_autofree char *name = mfp_qmp_command_name (command);

  g_assert_cmpstr (name, ==, "device_del");
}

static void
test_query_pci (void)
{
  g_autofree char *command = mfp_qmp_query_pci ();

  test_assert_json (command, "{\"execute\":\"query-pci\",\"arguments\":{}}");
}

/* ---- answers ---- */

#define FAILURE(class, text)                                                                   \
  "{\"id\":\"libvirt-9\",\"error\":{\"class\":\"" class "\",\"desc\":\"" text "\"}}"

typedef struct
{
  const char *name;
  const char *answer;
  int code; /* 0: no error */
  const char *message;
} Answer;

static const Answer answers[] = {
  { "accepts-an-empty-object", "{\"return\":{},\"id\":\"libvirt-12\"}", 0, NULL },
  { "accepts-a-list", "{\"return\":[]}", 0, NULL },
  { "an-absent-device-is-not-found", FAILURE ("DeviceNotFound", "Device 'ua-x' not found"),
    MFP_ERROR_NOT_FOUND, "QEMU says: Device 'ua-x' not found" },
  { "a-pending-unplug-with-acpi-is-busy",
    FAILURE ("GenericError", "Device ua-x is already in the process of unplug"), MFP_ERROR_BUSY,
    "already in the process of unplug" },
  { "a-pending-unplug-of-pseries-is-busy",
    FAILURE ("GenericError", "PCI device unplug already in progress for device ua-x"),
    MFP_ERROR_BUSY, "unplug already in progress" },
  { "a-blinking-port-is-busy",
    FAILURE ("GenericError", "Hot-unplug failed: guest is busy (power indicator blinking)"),
    MFP_ERROR_BUSY, "guest is busy" },
  { "a-migration-is-busy", FAILURE ("GenericError", "device_del not allowed while migrating"),
    MFP_ERROR_BUSY, "while migrating" },
  { "another-error-is-a-failure",
    FAILURE ("GenericError", "vfio 0000:01:00.1: group 5 is not viable"),
    MFP_ERROR_FAILED, "QEMU says: vfio 0000:01:00.1: group 5 is not viable" },
  { "an-error-may-have-no-text", "{\"error\":{\"class\":\"GenericError\"}}", MFP_ERROR_FAILED,
    "QEMU says: an error without a description" },
  { "a-number-is-not-the-text-of-an-error", "{\"error\":{\"class\":1,\"desc\":2}}",
    MFP_ERROR_FAILED, "an error without a description" },
  { "an-absent-device-is-not-found-without-text", "{\"error\":{\"class\":\"DeviceNotFound\"}}",
    MFP_ERROR_NOT_FOUND, "an error without a description" },
  { "an-error-counts-more-than-a-return",
    "{\"return\":{},\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}}", MFP_ERROR_FAILED,
    "QEMU says: no" },
  { "refuses-an-event", "{\"event\":\"RESET\"}", MFP_ERROR_FAILED,
    "QEMU's answer is not valid QMP" },
  { "refuses-an-empty-text", "", MFP_ERROR_FAILED, "QEMU's answer is not valid QMP" },
  { "refuses-plain-text", "(qemu) info pci", MFP_ERROR_FAILED, "not valid QMP: (qemu) info pci" },
  { "refuses-a-list", "[1,2]", MFP_ERROR_FAILED, "not valid QMP" },
  { "refuses-an-answer-that-ends-early", "{\"return\":{", MFP_ERROR_FAILED, "not valid QMP" },
  { "refuses-null", "null", MFP_ERROR_FAILED, "not valid QMP" },
  { "refuses-an-error-that-is-not-an-object", "{\"error\":\"no\"}", MFP_ERROR_FAILED,
    "not valid QMP" },
};

static void
test_check (gconstpointer data)
{
  const Answer *row = data;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (mfp_qmp_check (row->answer, &error), ==, row->code == 0);
  if (row->code)
    assert_error (error, row->code, row->message);
  else
    g_assert_no_error (error);
}

#define DEEP 1000000

static char *
repeat (const char *text, guint count)
{
  GString *string = g_string_new (NULL);

  while (count-- > 0)
    g_string_append (string, text);
  return g_string_free (string, FALSE);
}

/* Each of these would fill the stack of a parser. */
static void
test_check_deep (void)
{
  static const char *const levels[] = { "[", "{\"a\":", "[\"\\\"\",", "/*\"*/[/*\"*/" };

  FOR_EACH (i, levels)
    {
      g_autofree char *deep = repeat (levels[i], DEEP);
      g_autofree char *answer = g_strconcat ("{\"return\":", deep, NULL);
      g_autoptr (GError) error = NULL;

      g_assert_false (mfp_qmp_check (answer, &error));
      assert_error (error, MFP_ERROR_FAILED, "QEMU's answer is not valid QMP: {\"return\":");
    }
}

/* Brackets side by side, or in a text, do not count as depth. 900 levels are more than the
 * bridges of any machine need. */
static void
test_check_long (void)
{
  static const char *const items[] = { "[[{}]],", "\"[{/\\\"[\"," };
  g_autofree char *opened = repeat ("[", 900), *closed = repeat ("]", 900);
  g_autofree char *nested = g_strconcat ("{\"return\":", opened, closed, "}", NULL);
  g_autoptr (GError) error = NULL;

  FOR_EACH (i, items)
    {
      g_autofree char *list = repeat (items[i], 5000);
      g_autofree char *answer = g_strconcat ("{\"return\":[", list, "1]}", NULL);

      g_assert_true (mfp_qmp_check (answer, &error));
      g_assert_no_error (error);
    }
  g_assert_true (mfp_qmp_check (nested, &error));
  g_assert_no_error (error);
}

static void
test_refusal_passes (void)
{
  static const struct
  {
    const char *text;
    gboolean passes;
  } rows[] = {
    { "internal error: unable to execute QEMU command 'device_del': Device ua-x is already in the "
      "process of unplug",
      TRUE },
    { "guest is busy (power indicator blinking)", TRUE },
    { "device_add not allowed while migrating", TRUE },
    { "PCI device unplug already in progress for device ua-x", TRUE },
    { "Device ua-x not found", FALSE },
    { "Bus 'pcie.0' does not support hotplugging", FALSE },
    { "", FALSE },
  };

  FOR_EACH (i, rows)
    g_assert_cmpint (mfp_qmp_refusal_passes (rows[i].text), ==, rows[i].passes);
}

static void
test_parse_devices (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) ids = mfp_qmp_parse_devices (
      "{\"return\":[{\"name\":\"type\",\"type\":\"string\"},"
      "{\"name\":\"ua-x\",\"type\":\"child<vfio-pci>\"},{\"type\":\"nameless\"},7,"
      "{\"name\":12}]}",
      &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_hash_table_size (ids), ==, 2);
  g_assert_true (g_hash_table_contains (ids, "ua-x"));
  g_assert_false (g_hash_table_contains (ids, "ua-y"));
}

static void
test_version (void)
{
  static const struct
  {
    const char *answer;
    guint version;
  } rows[] = {
    { "{\"return\":{\"qemu\":{\"micro\":22,\"minor\":2,\"major\":7},\"package\":\"Debian\"}}",
      MFP_QEMU_VERSION (7, 2) },
    { "{\"return\":{\"qemu\":{\"minor\":1,\"major\":4}}}", MFP_QEMU_VERSION (4, 1) },
    { "{\"return\":{\"qemu\":{\"minor\":1}}}", 0 },
    { "{\"return\":{\"qemu\":{\"minor\":-1,\"major\":4}}}", 0 },
    { "{\"return\":{}}", 0 },
    { "{\"return\":[]}", 0 },
    { FAILURE ("GenericError", "no"), 0 },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (GError) error = NULL;

      g_assert_cmpuint (mfp_qmp_parse_version (rows[i].answer, &error), ==, rows[i].version);
      g_assert_cmpint (error == NULL, ==, rows[i].version != 0);
    }
  g_assert_cmpuint (MFP_QEMU_VERSION (4, 1), <, MFP_QEMU_VERSION (4, 2));
  g_assert_cmpuint (MFP_QEMU_VERSION (4, 2), <, MFP_QEMU_VERSION (10, 0));
}

static void
test_parse_errors (void)
{
  static const struct
  {
    const char *answer, *message;
  } rows[] = {
    { FAILURE ("GenericError", "no"), "QEMU says: no" },
    { FAILURE ("CommandNotFound", "no query-pci"), "QEMU says: no query-pci" },
    { "{\"return\":{}}", "QEMU's answer is not the list that was asked for" },
    { "{\"return\":\"pci\"}", "QEMU's answer is not the list that was asked for" },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (GError) devices_error = NULL, pci_error = NULL;

      g_assert_null (mfp_qmp_parse_devices (rows[i].answer, &devices_error));
      assert_error (devices_error, MFP_ERROR_FAILED, rows[i].message);
      g_assert_null (mfp_qmp_parse_pci (rows[i].answer, &pci_error));
      assert_error (pci_error, MFP_ERROR_FAILED, rows[i].message);
    }
}

/* The answer of a q35 guest: a card of two functions is behind a port. */
#define REGIONS(a, b) "\"regions\":[{\"bar\":0,\"address\":" a "},{\"bar\":2,\"address\":" b "}]"
#define QUERY_PCI                                                                              \
  "{\"return\":[{\"bus\":0,\"devices\":["                                                      \
  "{\"bus\":0,\"slot\":0,\"function\":0,\"qdev_id\":\"\",\"regions\":[]},"                     \
  "{\"bus\":0,\"slot\":2,\"function\":4,\"qdev_id\":\"pci.5\",\"regions\":[],"                 \
  "\"pci_bridge\":{\"bus\":{\"number\":0,\"secondary\":5},\"devices\":["                       \
  "{\"bus\":5,\"slot\":0,\"function\":0,\"qdev_id\":\"ua-0\"," REGIONS ("4261412864", "-1") "}," \
  "{\"bus\":5,\"slot\":0,\"function\":3,\"qdev_id\":\"ua-3\"," REGIONS ("4261412864", "0") "}]}}," \
  "{\"bus\":0,\"slot\":3,\"function\":0,\"qdev_id\":\"pci.6\",\"regions\":[],"                 \
  "\"pci_bridge\":{\"bus\":{},\"devices\":[{\"slot\":0,\"function\":0,\"qdev_id\":\"sw\","     \
  "\"regions\":[],\"pci_bridge\":{\"devices\":[{\"slot\":9,\"function\":1,"                    \
  "\"qdev_id\":\"deep\",\"regions\":[]}]}}]}}]},"                                              \
  "{\"bus\":128,\"devices\":[{\"slot\":31,\"function\":7,\"qdev_id\":\"far\",\"regions\":[]}]}]}"

static void
assert_device (const GPtrArray *devices, const char *id, const char *parent, guint slot,
               guint function, gboolean enumerated)
{
  const MfpQemuDevice *device = mfp_qmp_find_device (devices, id);

  g_assert_nonnull (device);
  g_assert_cmpstr (device->id, ==, id);
  g_assert_cmpstr (device->parent, ==, parent);
  g_assert_cmpuint (device->slot, ==, slot);
  g_assert_cmpuint (device->function, ==, function);
  g_assert_cmpint (device->enumerated, ==, enumerated);
}

static void
test_parse_pci (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) devices = mfp_qmp_parse_pci (QUERY_PCI, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (devices->len, ==, 7); /* without the device that has no id */
  assert_device (devices, "pci.5", NULL, 2, 4, TRUE);
  assert_device (devices, "ua-0", "pci.5", 0, 0, FALSE);
  assert_device (devices, "ua-3", "pci.5", 0, 3, TRUE);
  assert_device (devices, "sw", "pci.6", 0, 0, TRUE);
  assert_device (devices, "deep", "sw", 9, 1, TRUE);
  assert_device (devices, "far", NULL, 31, 7, TRUE);
  g_assert_cmpuint (mfp_qmp_find_device (devices, "deep")->root, ==, 0);
  g_assert_cmpuint (mfp_qmp_find_device (devices, "far")->root, ==, 1);
  g_assert_null (mfp_qmp_find_device (devices, "ua-1"));
  g_assert_null (mfp_qmp_find_device (devices, ""));
}

static void
test_enumerated (void)
{
  static const struct
  {
    const char *regions;
    gboolean enumerated;
  } rows[] = {
    { "[]", TRUE },
    { "[{\"bar\":0,\"address\":4096}]", TRUE },
    { "[{\"bar\":0,\"address\":-1}]", FALSE },
    { "[{\"bar\":0,\"address\":4096},{\"bar\":4,\"address\":-1}]", FALSE },
    { "[{\"bar\":0,\"address\":4096},{\"bar\":6,\"address\":-1}]", TRUE }, /* the ROM */
    { "[{\"bar\":6,\"address\":-1}]", TRUE },
    { "[{\"bar\":0,\"address\":274877906944,\"type\":\"memory\",\"mem_type_64\":true}]", TRUE },
    { "[{\"bar\":0}]", FALSE },
    { "[{\"bar\":0,\"address\":4096,\"type\":\"memory\"},"
      "{\"bar\":2,\"address\":-1,\"type\":\"io\"}]", TRUE },
    { "[{\"bar\":0,\"address\":-1,\"type\":\"memory\"},"
      "{\"bar\":2,\"address\":4096,\"type\":\"io\"}]", FALSE },
  };

  FOR_EACH (i, rows)
    {
      g_autofree char *device
          = g_strdup_printf ("{\"slot\":0,\"function\":0,\"qdev_id\":\"x\",\"regions\":%s}",
                             rows[i].regions);
      g_autoptr (GPtrArray) devices = test_qemu_devices (device);

      g_test_message ("%s", rows[i].regions);
      g_assert_cmpint (mfp_qmp_find_device (devices, "x")->enumerated, ==, rows[i].enumerated);
    }
}

static void
test_same_slot (void)
{
  static const MfpQemuDevice device = { .root = 1, .slot = 2, .function = 0 };
  static const MfpQemuDevice below = { .parent = (char *) "pci.5", .root = 1, .slot = 2 };
  static const struct
  {
    MfpQemuDevice other;
    gboolean same;       /* whether it is in the slot of @device */
    gboolean same_below; /* whether it is in the slot of @below */
  } rows[] = {
    { { .root = 1, .slot = 2, .function = 7, .enumerated = TRUE }, TRUE, FALSE },
    { { .root = 0, .slot = 2 }, FALSE, FALSE },
    { { .root = 1, .slot = 3 }, FALSE, FALSE },
    { { .parent = (char *) "pci.5", .root = 1, .slot = 2, .function = 3 }, FALSE, TRUE },
    { { .parent = (char *) "pci.6", .root = 1, .slot = 2 }, FALSE, FALSE },
  };

  FOR_EACH (i, rows)
    {
      g_assert_cmpint (mfp_qemu_device_same_slot (&device, &rows[i].other), ==, rows[i].same);
      g_assert_cmpint (mfp_qemu_device_same_slot (&below, &rows[i].other), ==,
                       rows[i].same_below);
    }
}

/* ---- the places of unassigned functions ---- */

#define HOSTDEV(f, address)                                                                    \
  "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' "         \
  "function='" #f "'/></source><alias name='ua-" #f "'/>" address "</hostdev>"
#define SHOWN(f) "<address type='pci' domain='0' bus='5' slot='0' function='" #f "'/>"
#define UNASSIGNED "<address type='unassigned'/>"

typedef struct
{
  const char *name;
  const char *devices; /* of the domain */
  const char *qemu;    /* the devices on QEMU's root bus */
  const char *card;    /* afterwards */
} Place;

#define BELOW(id, function) "{\"slot\":0,\"function\":" #function ",\"qdev_id\":\"" id "\"}"
#define PORT(id, ...)                                                                          \
  "{\"slot\":2,\"qdev_id\":\"" id "\",\"pci_bridge\":{\"devices\":[" __VA_ARGS__ "]}}"
#define ZERO HOSTDEV (0, SHOWN (0))
#define ONE HOSTDEV (1, UNASSIGNED)
#define TWO HOSTDEV (2, UNASSIGNED)
#define NOTHING_ADOPTED "0000:01:00.0=0 0000:01:00.1=unassigned 0000:01:00.2=unassigned"

static const Place places[] = {
  { "are-those-in-qemu", ZERO ONE TWO,
    PORT ("pci.5", BELOW ("ua-2", 1) "," BELOW ("ua-1", 7) "," BELOW ("ua-0", 0)),
    "0000:01:00.0=0 0000:01:00.1=7 0000:01:00.2=1" },
  { "stay-open-for-what-qemu-does-not-have", ZERO ONE TWO,
    PORT ("pci.5", BELOW ("ua-0", 0) "," BELOW ("ua-1", 1)),
    "0000:01:00.0=0 0000:01:00.1=1 0000:01:00.2=unassigned" },
  { "are-not-taken-from-other-slots", ZERO ONE TWO,
    PORT ("pci.5", BELOW ("ua-0", 0)) "," PORT ("pci.6", BELOW ("ua-1", 1)), NOTHING_ADOPTED },
  { "need-function-0-in-qemu", ZERO ONE TWO, PORT ("pci.5", BELOW ("ua-1", 1)), NOTHING_ADOPTED },
  { "are-not-taken-from-devices-that-libvirt-does-not-know", ZERO ONE TWO,
    PORT ("pci.5", BELOW ("ua-0", 0) "," BELOW ("stray", 2)), NOTHING_ADOPTED },
  { "do-not-replace-an-address-of-libvirt-s", ZERO HOSTDEV (1, SHOWN (1)) TWO,
    PORT ("pci.5", BELOW ("ua-0", 0) "," BELOW ("ua-1", 3)),
    "0000:01:00.0=0 0000:01:00.1=1 0000:01:00.2=unassigned" },
  { "are-those-of-the-card-alone", ZERO ONE TWO HOSTDEV (3, UNASSIGNED),
    PORT ("pci.5", BELOW ("ua-0", 0) "," BELOW ("ua-3", 3)), NOTHING_ADOPTED },
};

static void
test_adopt_places (gconstpointer data)
{
  const Place *row = data;
  g_autofree char *xml = g_strdup_printf (
      "<domain type='kvm' id='1'><name>vm</name><devices>%s</devices></domain>", row->devices);
  g_autoptr (MfpGuest) guest = test_guest (xml);
  g_autoptr (GPtrArray) pci = test_qemu_devices (row->qemu);
  g_autoptr (GArray) selections = test_selections ("01:00.0,1,2");
  g_autoptr (MfpCard) card = mfp_card_from_guest (guest, selections, NULL);
  g_autofree char *text = NULL;

  mfp_card_adopt_places (card, guest, pci);
  text = test_describe_card (card);
  g_assert_cmpstr (text, ==, row->card);
}

/* The answer is well-formed JSON, but not what the protocol says. */
static void
test_parse_pci_odd (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) devices = mfp_qmp_parse_pci (
      "{\"return\":[1,null,[],{},{\"devices\":{}},{\"devices\":[null,1,[],{},"
      "{\"qdev_id\":5},{\"qdev_id\":\"x\",\"slot\":\"2\",\"regions\":{},\"pci_bridge\":[]},"
      "{\"qdev_id\":\"y\",\"regions\":[null,3],\"pci_bridge\":{\"devices\":7}}]}]}",
      &error);

  g_assert_no_error (error);
  g_assert_cmpuint (devices->len, ==, 2);
}

/* The message quotes only the beginning of an answer that is not valid QMP. */
static void
test_long_garbage (void)
{
  g_autofree char *text = g_strnfill (4 * 1024 * 1024, 'x');
  g_autoptr (GError) error = NULL;

  g_assert_false (mfp_qmp_check (text, &error));
  g_assert_error (error, MFP_ERROR, MFP_ERROR_FAILED);
  g_assert_cmpuint (strlen (error->message), <, 300);
}

/* The message goes into JSON, so it must stay valid UTF-8 wherever it is cut. */
static void
test_garbage_utf8 (void)
{
  g_autoptr (GString) text = g_string_new ("");

  for (int i = 0; i < 300; i++)
    g_string_append (text, "\342\202\254"); /* three bytes each */
  for (int shift = 0; shift < 3; shift++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (mfp_qmp_check (text->str, &error));
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      g_string_prepend_c (text, 'x');
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  FOR_EACH (i, adds)
    test_add_row ("/qmp/device-add/passes-", adds[i].name, &adds[i], test_device_add);
  g_test_add_func ("/qmp/device-del/escapes-the-id", test_device_del);
  g_test_add_func ("/qmp/list-devices/asks-for-the-peripherals", test_list_devices);
  g_test_add_func ("/qmp/query-pci/takes-no-arguments", test_query_pci);
  g_test_add_func ("/qmp/command-name/is-what-is-executed", test_command_name);
  FOR_EACH (i, answers)
    test_add_row ("/qmp/check/", answers[i].name, &answers[i], test_check);
  g_test_add_func ("/qmp/check/cuts-a-long-text-in-its-message", test_long_garbage);
  g_test_add_func ("/qmp/check/cuts-a-text-between-characters", test_garbage_utf8);
  g_test_add_func ("/qmp/check/refuses-a-deep-answer", test_check_deep);
  g_test_add_func ("/qmp/check/accepts-a-long-answer-that-is-not-deep", test_check_long);
  g_test_add_func ("/qmp/refusal-passes/depends-on-its-text", test_refusal_passes);
  g_test_add_func ("/qmp/parse-devices/finds-the-names", test_parse_devices);
  g_test_add_func ("/qmp/parse-version/reads-major-and-minor", test_version);
  g_test_add_func ("/qmp/parse/refuses-an-error-and-an-answer-that-is-not-a-list",
                   test_parse_errors);
  g_test_add_func ("/qmp/parse-pci/finds-devices-below-bridges", test_parse_pci);
  g_test_add_func ("/qmp/parse-pci/knows-whether-the-guest-has-enumerated", test_enumerated);
  g_test_add_func ("/qmp/parse-pci/skips-what-the-protocol-does-not-have", test_parse_pci_odd);
  g_test_add_func ("/qmp/same-slot/compares-bus-and-slot", test_same_slot);
  FOR_EACH (i, places)
    test_add_row ("/qmp/adopt-places/", places[i].name, &places[i], test_adopt_places);
  return g_test_run ();
}
