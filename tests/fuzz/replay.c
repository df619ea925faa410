/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzzer once on every file of the directories on the command line, without libFuzzer,
 * and prints TAP.
 */
#include "config.h"

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
replay_file (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *text = NULL;
  g_autofree uint8_t *data = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  g_file_get_contents (path, &text, &length, &error);
  g_assert_no_error (error);
  /* A copy without the final zero byte, so that ASan sees a read beyond the end. */
  data = g_malloc (MAX (length, 1));
  memcpy (data, text, length);
  LLVMFuzzerTestOneInput (data, length);
}

/* Tries all files in @directory, and returns their number. @count: the number of files that
 * were tried before */
static guint
replay_directory (const char *directory, guint count)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) files = g_dir_open (directory, 0, &error);
  const char *name;
  guint number = 0;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (files)))
    {
      printf ("# %s\n", name);
      fflush (stdout); /* in case the fuzzer crashes */
      replay_file (directory, name);
      number++;
      printf ("ok %u - %s does no harm\n", count + number, name);
    }
  return number;
}

int
main (int argc, char **argv)
{
  guint count = 0;

  LLVMFuzzerInitialize (&argc, &argv);
  for (int i = 1; i < argc; i++)
    {
      guint number = replay_directory (argv[i], count);

      if (number == 0)
        {
          printf ("Bail out! %s is empty\n", argv[i]);
          return EXIT_FAILURE;
        }
      count += number;
    }
  printf ("1..%u\n", count);
  return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
