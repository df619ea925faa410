/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fuzzers share. Each fuzz-*.c has one LLVMFuzzerTestOneInput(), the function that
 * libFuzzer calls. It is linked with replay.c, which calls the function on stored files. With
 * -Dfuzzers=true it is also linked with libFuzzer.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The input as a string, up to its first zero byte; the caller frees. */
char *fuzz_text (const uint8_t *data, size_t size);

/* Asserts that either the operation was @done or @error is set. The error must be an MfpError
 * with a message. */
void fuzz_assert_outcome (gboolean done, const GError *error);
