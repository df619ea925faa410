/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "base/xml.h"

static xmlDoc *
parse (const char *text, GError **error)
{
  return mfp_xml_parse (text, strlen (text), "notes.xml", error);
}

/* Parses a document that must be valid. */
static xmlDoc *
parse_valid (const char *text)
{
  g_autoptr (GError) error = NULL;
  xmlDoc *doc = parse (text, &error);

  g_assert_no_error (error);
  g_assert_nonnull (doc);
  return doc;
}

static void
test_parse (void)
{
  g_autoptr (xmlDoc) doc = parse_valid ("<?xml version='1.0'?>\n<!-- x --><a><b/></a>\n");

  g_assert_true (mfp_xml_is (xmlDocGetRootElement (doc), "a"));
}

typedef struct
{
  const char *name;
  const char *text;
  const char *message;
} Row;

static const Row bad[] = {
  { "nothing", "", "notes.xml:" },
  { "white-space-alone", "\n\n", "not well-formed XML" },
  { "text", "hello", "notes.xml:1: not well-formed XML" },
  { "an-open-element-with-its-line", "<a>\n<b>\n</a>", "notes.xml:3: not well-formed XML" },
  { "two-roots", "<a/>\n<b/>", "notes.xml:2: not well-formed XML" },
  { "an-attribute-without-quotes", "<a\nb=c/>", "notes.xml:2: not well-formed XML" },
  { "an-undefined-entity", "<a>\n&lt;&evil;</a>", "notes.xml:2: not well-formed XML" },
  { "bytes-that-are-not-utf-8", "<a>\xff\xfe</a>", "notes.xml:1: not well-formed XML" },
  { "a-control-character", "<a>\x01</a>", "not well-formed XML" },
  { "a-doctype", "<!DOCTYPE a><a/>", "a document type declaration is not accepted" },
  { "an-external-subset", "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
    "a document type declaration is not accepted" },
  { "an-internal-entity", "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
    "a document type declaration is not accepted" },
  { "an-entity-in-an-attribute", "<!DOCTYPE a [<!ENTITY e 'x'>]><a b='&e;'/>",
    "a document type declaration is not accepted" },
  { "a-default-attribute", "<!DOCTYPE a [<!ATTLIST a b CDATA 'x'>]><a/>",
    "a document type declaration is not accepted" },
  { "a-parameter-entity", "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://127.0.0.1:9/x'> %p;]><a/>",
    "notes.xml:" },
};

static void
test_parse_bad (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = parse (row->text, &error);

  g_assert_null (doc);
  assert_error (error, MFP_ERROR_REFUSED, row->message);
  g_assert_false (g_str_has_suffix (error->message, "\n"));
}

/* If the parser expanded the entities, they would take gigabytes. */
static void
test_parse_bomb (void)
{
  g_autoptr (GString) text = g_string_new ("<!DOCTYPE a [<!ENTITY e0 'boom'>");
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = NULL, large = NULL;

  for (int i = 1; i < 30; i++)
    g_string_append_printf (text, "<!ENTITY e%d '&e%d;&e%d;&e%d;&e%d;'>", i, i - 1, i - 1, i - 1,
                            i - 1);
  g_string_append (text, "]><a b='&e29;'>&e29;</a>");
  doc = parse (text->str, &error);
  g_assert_null (doc);
  g_assert_error (error, MFP_ERROR, MFP_ERROR_REFUSED);
  g_clear_error (&error);
  large = mfp_xml_parse_large (text->str, "x", &error);
  g_assert_null (large);
  assert_error (error, MFP_ERROR_REFUSED, "a document type declaration is not accepted");
}

static void
test_parse_stale_error (void)
{
  g_autoptr (GError) first = NULL, second = NULL;
  g_autoptr (xmlDoc) broken = parse ("<a>\n\n\n<b></a>", &first);
  g_autoptr (xmlDoc) empty = parse ("", &second);

  g_assert_null (broken);
  g_assert_null (empty);
  assert_contains (first->message, ":4:");
  assert_lacks (second->message, ":4:");
  assert_lacks (second->message, "mismatch");
}

static void
test_parse_length (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = mfp_xml_parse ("<a/>junk", 4, "x", &error);

  g_assert_no_error (error);
  g_assert_nonnull (doc);
}

static void
test_parse_large (void)
{
  g_autoptr (GString) text = g_string_new ("<a>");
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = NULL;
  g_autofree char *all = NULL;

  /* More than libxml2's limit of 10 MB for one text. */
  for (int i = 0; i < 1200; i++)
    g_string_append_printf (text, "%*s", 10000, "x");
  g_string_append (text, "</a>");
  doc = mfp_xml_parse_large (text->str, "x", &error);
  g_assert_no_error (error);
  all = mfp_xml_text (xmlDocGetRootElement (doc));
  g_assert_cmpuint (strlen (all), ==, 1200 * 10000);
}

static void
test_children (void)
{
  g_autoptr (xmlDoc) doc
      = parse_valid ("<a>text<!-- c --><b n='1'/><?pi?>more<c/>tail<b n='2'/> </a>");
  xmlNode *root = xmlDocGetRootElement (doc);
  xmlNode *first = mfp_xml_first_element (root);
  xmlNode *second = mfp_xml_next_element (first);
  xmlNode *third = mfp_xml_next_element (second);

  g_assert_true (mfp_xml_is (first, "b"));
  g_assert_true (mfp_xml_is (second, "c"));
  g_assert_true (mfp_xml_attribute_is (third, "n", "2"));
  g_assert_null (mfp_xml_next_element (third));
  g_assert_true (mfp_xml_child (root, "b") == first);
  g_assert_true (mfp_xml_child (root, "c") == second);
  g_assert_null (mfp_xml_child (root, "d"));
  g_assert_null (mfp_xml_first_element (second));
}

static void
test_null (void)
{
  guint value = 77;

  g_assert_null (mfp_xml_child (NULL, "a"));
  g_assert_null (mfp_xml_first_element (NULL));
  g_assert_null (mfp_xml_text (NULL));
  g_assert_null (mfp_xml_attribute (NULL, "a"));
  g_assert_false (mfp_xml_attribute_is (NULL, "a", "b"));
  g_assert_false (mfp_xml_attribute_uint (NULL, "a", 10, &value));
  g_assert_cmpuint (value, ==, 77);
}

static void
test_text (void)
{
  g_autoptr (xmlDoc) doc
      = parse_valid ("<a xmlns:x='urn:x' x:n='other' n='a&lt;&#228;'>one<b>two</b>&amp;</a>");
  const xmlNode *root = xmlDocGetRootElement (doc);
  g_autofree char *text = mfp_xml_text (root);
  g_autofree char *attribute = mfp_xml_attribute (root, "n");
  g_autofree char *absent = mfp_xml_attribute (root, "m");

  g_assert_cmpstr (text, ==, "onetwo&");
  g_assert_cmpstr (attribute, ==, "a<\303\244");
  g_assert_null (absent);
  g_assert_true (mfp_xml_attribute_is (root, "n", "a<\303\244"));
  g_assert_false (mfp_xml_attribute_is (root, "n", "a"));
  g_assert_false (mfp_xml_attribute_is (root, "m", ""));
}

static void
test_uint (void)
{
  static const struct
  {
    const char *text;
    guint64 max;
    gint64 expected; /* -1: refused */
  } rows[] = {
    { "0", 31, 0 },
    { "31", 31, 31 },
    { "32", 31, -1 },
    { "0x1f", 31, 31 },
    { "0X1F", 31, 31 },
    { "0x20", 31, -1 },
    { "010", 31, 8 },
    { "08", 31, -1 },
    { "00", 31, 0 },
    { "", 31, -1 },
    { "-0", 31, -1 },
    { "-1", 31, -1 },
    { "+1", 31, -1 },
    { " 1", 31, -1 },
    { "1 ", 31, -1 },
    { "1.0", 31, -1 },
    { "0x", 31, -1 },
    { "ff", 255, -1 },
    { "4294967295", G_MAXUINT64, G_MAXUINT },
    { "4294967296", G_MAXUINT64, -1 },
    { "18446744073709551616", G_MAXUINT64, -1 },
    { "18446744073709551617", 31, -1 },
  };

  FOR_EACH (i, rows)
    {
      g_autofree char *text = g_strdup_printf ("<a n='%s'/>", rows[i].text);
      g_autoptr (xmlDoc) doc = parse_valid (text);
      guint value = 77;
      gboolean valid = mfp_xml_attribute_uint (xmlDocGetRootElement (doc), "n", rows[i].max,
                                               &value);

      g_test_message ("'%s'", rows[i].text);
      g_assert_cmpint (valid, ==, rows[i].expected >= 0);
      g_assert_cmpint (value, ==, valid ? rows[i].expected : 77);
    }
}

static void
test_serialize (void)
{
  g_autoptr (xmlDoc) doc = parse_valid ("<a><b c='&quot;&lt;'/><d/></a>");
  g_autofree char *text = mfp_xml_serialize (xmlDocGetRootElement (doc));
  g_autofree char *part
      = mfp_xml_serialize (mfp_xml_child (xmlDocGetRootElement (doc), "b"));
  g_autoptr (xmlDoc) again = parse_valid (text);

  g_assert_true (mfp_xml_is (xmlDocGetRootElement (again), "a"));
  g_assert_cmpstr (text, ==, "<a>\n  <b c=\"&quot;&lt;\"/>\n  <d/>\n</a>");
  g_assert_cmpstr (part, ==, "<b c=\"&quot;&lt;\"/>");
}

static void
test_strip (void)
{
  g_autoptr (xmlDoc) doc
      = parse_valid ("<a>\n  <b>\n\t<c> x </c>\n</b> <!-- k --> y <d/>\n</a>");
  g_autofree char *text = NULL;

  mfp_xml_strip (xmlDocGetRootElement (doc));
  text = mfp_xml_serialize (xmlDocGetRootElement (doc));
  g_assert_cmpstr (text, ==, "<a><b><c> x </c></b><!-- k --> y <d/></a>");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/xml/parse/accepts-a-document", test_parse);
  FOR_EACH (i, bad)
    test_add_row ("/xml/parse/refuses-", bad[i].name, &bad[i], test_parse_bad);
  g_test_add_func ("/xml/parse/expands-no-entity-bomb", test_parse_bomb);
  g_test_add_func ("/xml/parse/does-not-report-an-error-of-an-earlier-document",
                   test_parse_stale_error);
  g_test_add_func ("/xml/parse/reads-no-further-than-its-length", test_parse_length);
  g_test_add_func ("/xml/parse-large/accepts-more-than-10-megabytes", test_parse_large);
  g_test_add_func ("/xml/children/are-only-elements", test_children);
  g_test_add_func ("/xml/null/is-a-node-without-children-text-and-attributes", test_null);
  g_test_add_func ("/xml/text/is-decoded-and-excludes-attributes-with-a-namespace", test_text);
  g_test_add_func ("/xml/uint/reads-numbers-as-libvirt-does", test_uint);
  g_test_add_func ("/xml/serialize/writes-a-document-that-can-be-parsed", test_serialize);
  g_test_add_func ("/xml/strip/removes-only-blank-text", test_strip);
  return g_test_run ();
}
