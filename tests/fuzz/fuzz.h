/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fuzzers share. Each fuzz-*.c is one LLVMFuzzerTestOneInput(), the
 * entry that libFuzzer calls. It is linked twice: with replay.c, which calls it
 * on stored files, and, with -Dfuzzers=true, with libFuzzer.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The input as a string, up to its first zero byte; the caller frees. */
char *fuzz_text (const uint8_t *data, size_t size);

/* Asserts that either the operation was @done or @error is set, of our domain
 * and with a message. */
void fuzz_assert_outcome (gboolean done, const GError *error);
