/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the unit tests share: functions that load data files, short ways to make the objects
 * under test, and assertions.
 */
#pragma once

#include "base/error.h"
#include "model/card.h"
#include "model/guest.h"
#include "model/host-device.h"

#include <glib.h>
#include <string.h>

/* Loops over the rows of a table of test cases. */
#define FOR_EACH(row, table) for (gsize row = 0; row < G_N_ELEMENTS (table); row++)

/* The contents of tests/data/@directory/@name; the caller frees. */
char *test_load (const char *directory, const char *name);

/* The guest in tests/data/guest/@name; the caller frees. */
MfpGuest *test_load_guest (const char *name);

/* The guest with this @xml; the caller frees. */
MfpGuest *test_guest (const char *xml);

/* The address "0000:01:00.0", or the slot "0000:01:00". */
MfpPciAddress test_address (const char *text);

/* The addresses "0000:01:00.0 0000:01:00.1": (element-type MfpPciAddress); the caller owns
 * the array. */
GArray *test_addresses (const char *text);

/**
 * test_host_function:
 * @driver: (nullable): its host driver
 * @group: its IOMMU group's number, or %MFP_NO_IOMMU_GROUP
 * @members: the members of that group: "0000:01:00.0 0000:01:00.1"
 */
MfpHostFunction *test_host_function (const char *address, const char *driver, int group,
                                     const char *members);

/* An empty list of MfpHostFunction that owns its elements. */
GPtrArray *test_host_list (void);

/* An empty array of MfpHostUse. */
const GPtrArray *test_no_uses (void);

/* An empty list of MfpGuest that owns its elements. */
GPtrArray *test_guest_list (void);

/* The card with the functions "0000:01:00.0=0 0000:01:00.1=unassigned": each is a host
 * function and its guest function. The caller frees. */
MfpCard *test_card (const char *functions);

/* The function at @index of the card's list. */
MfpFunction *test_function (const MfpCard *card, guint index);

/* What the DEVICE words "01:00 02:00.1" name: (element-type MfpSelection); the caller
 * owns it. */
GArray *test_selections (const char *devices);

/* The devices of a query-pci with these members of one root bus, as JSON: (element-type
 * MfpQemuDevice); the caller owns the array. */
GPtrArray *test_qemu_devices (const char *members);

/* The functions of a card, in the form that test_card() reads; the caller frees. */
char *test_describe_card (const MfpCard *card);

/* Asserts that two texts are the same JSON. */
void test_assert_json (const char *actual, const char *expected);

/* Registers a test of a table's row, with the path @prefix and @name. */
void test_add_row (const char *prefix, const char *name, gconstpointer row,
                   GTestDataFunc function);

#define assert_contains(text, part)                                                            \
  G_STMT_START                                                                                 \
  {                                                                                            \
    const char *text_ = (text), *part_ = (part);                                               \
    if (!text_ || !strstr (text_, part_))                                                      \
      {                                                                                        \
        g_test_message ("text: %s", text_ ? text_ : "(null)");                                 \
        g_assertion_message_cmpstr (G_LOG_DOMAIN, __FILE__, __LINE__, G_STRFUNC,               \
                                    "strstr (" #text ", " #part ")", text_, "contains", part_); \
      }                                                                                        \
  }                                                                                            \
  G_STMT_END

#define assert_lacks(text, part)                                                               \
  G_STMT_START                                                                                 \
  {                                                                                            \
    const char *text_ = (text), *part_ = (part);                                               \
    if (!text_ || strstr (text_, part_))                                                       \
      g_assertion_message_cmpstr (G_LOG_DOMAIN, __FILE__, __LINE__, G_STRFUNC,                 \
                                  "!strstr (" #text ", " #part ")", text_, "lacks", part_);    \
  }                                                                                            \
  G_STMT_END

/* Asserts that something is @admitted, or, if @part is not NULL, that it is refused with an
 * @error whose message contains @part. */
#define assert_admitted(admitted, error, part)                                                 \
  G_STMT_START                                                                                 \
  {                                                                                            \
    const char *refusal_ = (part);                                                             \
    g_assert_cmpint ((admitted), ==, refusal_ == NULL);                                        \
    if (refusal_)                                                                              \
      assert_error (error, MFP_ERROR_REFUSED, refusal_);                                       \
    else                                                                                       \
      g_assert_no_error (error);                                                               \
  }                                                                                            \
  G_STMT_END

/* Asserts that @error is an MfpError with @code, whose message contains @part. */
#define assert_error(error, code, part)                                                        \
  G_STMT_START                                                                                 \
  {                                                                                            \
    g_assert_error ((error), MFP_ERROR, (code));                                               \
    assert_contains ((error)->message, part);                                                  \
  }                                                                                            \
  G_STMT_END
