/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "base/xml.h"
#include "model/record.h"

static MfpRecord *
sample (const char *id)
{
  MfpPciAddress slot = test_address ("0000:06:00");
  MfpRecord *record = mfp_record_new (id, &slot);

  mfp_record_add (record, &(MfpRecordFunction){ .host = test_address ("0000:01:00.2"),
                                                .guest_function = 0,
                                                .alias = (char *) "ua-zero",
                                                .driver = (char *) "e1000e",
                                                .taken = TRUE });
  mfp_record_add (record, &(MfpRecordFunction){ .host = test_address ("10000:01:00.3"),
                                                .guest_function = 7,
                                                .alias = (char *) "ua-seven",
                                                .driver = (char *) "vfio-pci",
                                                .taken = FALSE });
  mfp_record_add (record, &(MfpRecordFunction){ .host = test_address ("0000:01:00.1"),
                                                .guest_function = MFP_UNASSIGNED,
                                                .alias = (char *) "ua-rest",
                                                .driver = NULL,
                                                .taken = TRUE });
  return record;
}

static const MfpRecordFunction *
function_at (const MfpRecord *record, guint index)
{
  return g_ptr_array_index (record->functions, index);
}

static MfpRecord *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = mfp_xml_parse (text, strlen (text), "record", &error);

  g_assert_no_error (error);
  return mfp_record_parse (xmlDocGetRootElement (doc));
}

/* Puts the namespace of @uri on the root, as virDomainSetMetadata() does. */
static char *
with_namespace (const char *element, const char *uri)
{
  g_assert_true (g_str_has_prefix (element, "<card "));
  return g_strdup_printf ("<card xmlns='%s' %s", uri, element + strlen ("<card "));
}

static char *
describe (const MfpRecord *record)
{
  g_autofree char *slot = mfp_pci_address_format_slot (&record->slot);
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_append_printf (text, "%s@%s", record->id, slot);
  for (guint i = 0; i < record->functions->len; i++)
    {
      const MfpRecordFunction *function = function_at (record, i);
      g_autofree char *host = mfp_pci_address_format (&function->host);

      g_string_append_printf (text, "\n%s=%d %s %s %s", host, function->guest_function,
                              function->alias, function->driver ? function->driver : "-",
                              function->taken ? "taken" : "not-taken");
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

#define SAMPLE_TEXT                                                                            \
  "run1@0000:06:00\n"                                                                          \
  "0000:01:00.1=-2 ua-rest - taken\n"                                                          \
  "0000:01:00.2=0 ua-zero e1000e taken\n"                                                      \
  "10000:01:00.3=7 ua-seven vfio-pci not-taken"

static void
test_new (void)
{
  g_autoptr (MfpRecord) record = sample ("run1");
  g_autofree char *text = describe (record);

  g_assert_cmpstr (text, ==, SAMPLE_TEXT);
}

static void
test_round_trip (void)
{
  g_autoptr (MfpRecord) record = sample ("run1");
  g_autofree char *element = mfp_record_format (record);
  g_autofree char *uri = mfp_record_uri (record->id);
  g_autofree char *xml = with_namespace (element, uri);
  g_autoptr (MfpRecord) again = parse (xml);
  g_autofree char *text = describe (again);

  g_assert_cmpstr (uri, ==, "urn:virt-mfplug:card:1:run1");
  g_assert_cmpstr (text, ==, SAMPLE_TEXT);
}

/* libvirt adds the namespace that the caller passes beside the element. */
static void
test_format_bare (void)
{
  g_autoptr (MfpRecord) record = sample ("run1");
  g_autofree char *element = mfp_record_format (record);

  assert_lacks (element, "xmlns");
  assert_lacks (element, "<?xml");
}

static void
test_detaching (void)
{
  g_autoptr (MfpRecord) record = sample ("run1");
  g_autofree char *attached = mfp_record_format (record);
  g_autofree char *detaching = NULL, *xml = NULL;
  g_autoptr (MfpRecord) again = NULL;

  g_assert_null (record->detaching);
  assert_lacks (attached, "detaching");
  record->detaching = g_strdup ("<run & 2>");
  detaching = mfp_record_format (record);
  xml = with_namespace (detaching, "urn:virt-mfplug:card:1:run1");
  again = parse (xml);
  g_assert_cmpstr (again->id, ==, "run1");
  g_assert_cmpstr (again->detaching, ==, "<run & 2>");
}

/* Only a function that libvirt itself reattaches has the attribute. */
static void
test_managed (void)
{
  MfpPciAddress slot = test_address ("0000:06:00");
  g_autoptr (MfpRecord) record = mfp_record_new ("run1", &slot);
  g_autoptr (MfpRecord) again = NULL;
  g_autofree char *element = NULL, *xml = NULL;

  mfp_record_add (record, &(MfpRecordFunction){ .host = test_address ("0000:01:00.0"),
                                                .alias = (char *) "ua-0",
                                                .managed = TRUE });
  mfp_record_add (record, &(MfpRecordFunction){ .host = test_address ("0000:01:00.1"),
                                                .guest_function = 1,
                                                .alias = (char *) "ua-1",
                                                .taken = TRUE });
  element = mfp_record_format (record);
  xml = with_namespace (element, "urn:virt-mfplug:card:1:run1");
  again = parse (xml);
  g_assert_true (function_at (again, 0)->managed);
  g_assert_false (function_at (again, 0)->taken);
  g_assert_false (function_at (again, 1)->managed);
  g_assert_true (function_at (again, 1)->taken);
  assert_lacks (strstr (element, "managed=") + 1, "managed=");
}

static void
test_random_id (void)
{
  MfpPciAddress slot = test_address ("0000:06:00");
  g_autoptr (MfpRecord) a = mfp_record_new (NULL, &slot);
  g_autoptr (MfpRecord) b = mfp_record_new (NULL, &slot);

  g_assert_cmpstr (a->id, !=, b->id);
  g_assert_true (g_uuid_string_is_valid (a->id));
}

#define NS "urn:virt-mfplug:card:1:x"
#define FUNCTION "<function host='0000:01:00.0' guest='0' alias='ua-a' driver='d' taken='yes'/>"

typedef struct
{
  const char *name;
  const char *xml;
} Row;

static const Row foreign[] = {
  { "another-element", "<cards xmlns='" NS "' slot='06:00'>" FUNCTION "</cards>" },
  { "another-namespace",
    "<card xmlns='urn:virt-mfplug:card:2:x' slot='06:00'>" FUNCTION "</card>" },
  { "no-namespace", "<card slot='06:00'>" FUNCTION "</card>" },
  { "no-slot", "<card xmlns='" NS "'>" FUNCTION "</card>" },
  { "a-bad-slot", "<card xmlns='" NS "' slot='06:00.1'>" FUNCTION "</card>" },
  { "a-function-without-host",
    "<card xmlns='" NS "' slot='06:00'><function guest='0' alias='ua-a' taken='yes'/></card>" },
  { "a-function-without-alias",
    "<card xmlns='" NS "' slot='06:00'><function host='01:00.0' taken='yes'/></card>" },
  { "a-bad-host",
    "<card xmlns='" NS "' slot='06:00'><function host='01:00' alias='ua-a'/></card>" },
  { "a-bad-function-after-a-good-one",
    "<card xmlns='" NS "' slot='06:00'>" FUNCTION "<function alias='ua-a'/></card>" },
};

static void
test_foreign (gconstpointer data)
{
  g_autoptr (MfpRecord) record = parse (((const Row *) data)->xml);

  g_assert_null (record);
}

static void
test_tolerance (void)
{
  g_autoptr (MfpRecord) record
      = parse ("<p:card xmlns:p='" NS "' slot='0000:06:00' colour='red'>\n <!-- hello -->\n"
               " <p:future/>\n <p:" "function host='0000:01:00.0' alias='ua-a'/>\n</p:card>");
  g_autofree char *text = describe (record);

  g_assert_cmpstr (text, ==, "x@0000:06:00\n0000:01:00.0=-2 ua-a - not-taken");
  g_assert_null (record->detaching);
}

static void
test_find (void)
{
  g_autoptr (MfpRecord) record = sample ("run1");
  MfpPciAddress there = test_address ("10000:01:00.3"), absent = test_address ("0000:01:00.3");

  g_assert_cmpstr (mfp_record_find (record, &there)->alias, ==, "ua-seven");
  g_assert_null (mfp_record_find (record, &absent));
}

static void
test_in_guest (void)
{
  g_autoptr (MfpGuest) guest = test_load_guest ("q35-card.xml");
  MfpPciAddress host = test_address ("0000:81:00.3"), stranger = test_address ("0000:02:00.0");
  const MfpRecord *record = mfp_guest_find_record (guest, &host);
  g_autofree char *text = NULL;

  g_assert_nonnull (record);
  text = describe (record);
  g_assert_cmpstr (text, ==,
                   "0011223344556677@0000:06:00\n"
                   "0000:81:00.0=0 ua-mfplug-0000-81-00-0 igb taken\n"
                   "0000:81:00.1=-2 ua-mfplug-0000-81-00-1 vfio-pci not-taken\n"
                   "0000:81:00.2=2 ua-mfplug-slot-0000-06-00 igb taken\n"
                   "0000:81:00.3=-2 ua-mfplug-0000-81-00-3 - taken");
  g_assert_null (mfp_guest_find_record (guest, &stranger));
  g_assert_cmpuint (guest->records->len, ==, 1); /* libosinfo's metadata is not a record */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/record/add/copies-and-sorts-by-host-function", test_new);
  g_test_add_func ("/record/new/ids-are-random", test_random_id);
  g_test_add_func ("/record/format/can-be-parsed-again", test_round_trip);
  g_test_add_func ("/record/format/names-the-run-that-detaches-the-card", test_detaching);
  g_test_add_func ("/record/format/says-which-functions-libvirt-reattaches", test_managed);
  g_test_add_func ("/record/format/leaves-the-namespace-to-libvirt", test_format_bare);
  FOR_EACH (i, foreign)
    test_add_row ("/record/parse/refuses-", foreign[i].name, &foreign[i], test_foreign);
  g_test_add_func ("/record/parse/ignores-what-it-does-not-know", test_tolerance);
  g_test_add_func ("/record/find/compares-the-whole-address", test_find);
  g_test_add_func ("/record/guest/has-it-in-its-metadata", test_in_guest);
  return g_test_run ();
}
