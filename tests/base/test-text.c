/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "base/text.h"

static void
test_plain (void)
{
  static const char *const words[] = { "guest", "a-b_c.d:e@f%g+h/i", "0", "web1" };

  FOR_EACH (i, words)
    {
      g_autofree char *text = mfp_shell_word (words[i]);

      g_assert_cmpstr (text, ==, words[i]);
    }
}

static void
test_quoted (void)
{
  static const struct
  {
    const char *word, *expected;
  } rows[] = {
    { "", "''" },           { "a b", "'a b'" },       { "it's", "'it'\\''s'" },
    { "$(x)", "'$(x)'" },   { "a\nb", "'a\nb'" },     { "\303\244", "'\303\244'" },
    { "~root", "'~root'" }, { "a;b", "'a;b'" },       { "*", "'*'" },
    { "-x", "-- -x" },      { "--a b", "-- '--a b'" },
  };

  FOR_EACH (i, rows)
    {
      g_autofree char *text = mfp_shell_word (rows[i].word);

      g_assert_cmpstr (text, ==, rows[i].expected);
    }
}

/* A shell must read the quoted word as the original word. */
static void
test_shell (void)
{
  static const char *const words[] = { "", "a b", "it's", "a\"b\\c", "$HOME", "`x`", "-x" };

  FOR_EACH (i, words)
    {
      g_autofree char *text = mfp_shell_word (words[i]);
      g_autofree char *command = g_strconcat ("x ", text, NULL);
      g_auto (GStrv) arguments = NULL;
      int count;

      g_assert_true (g_shell_parse_argv (command, &count, &arguments, NULL));
      g_assert_cmpstr (arguments[count - 1], ==, words[i]);
    }
}

static void
test_items (void)
{
  g_autoptr (GString) list = g_string_new (NULL);

  mfp_append_item (list, "%s", "a");
  g_assert_cmpstr (list->str, ==, "a");
  mfp_append_item (list, "%s at %d", "b", 1);
  g_assert_cmpstr (list->str, ==, "a, b at 1");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/text/shell-word/leaves-plain-words-alone", test_plain);
  g_test_add_func ("/text/shell-word/quotes-other-words", test_quoted);
  g_test_add_func ("/text/shell-word/a-shell-reads-the-original-word", test_shell);
  g_test_add_func ("/text/append-item/puts-a-comma-between-items", test_items);
  return g_test_run ();
}
