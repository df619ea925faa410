/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the unit tests of src/libvirt share: a connection to the fake libvirt. */
#pragma once

#include "common.h"
#include "fake/fake.h"
#include "libvirt/connection.h"

#define WORLD_TIMEOUT (20 * G_TIME_SPAN_SECOND)
#define WORLD_URI "qemu:///system"

/**
 * World:
 * @read_only: a test may set it before it connects
 * @interrupt: receives the signals
 * @trace: (element-type utf8): "FUNCTION OBJECT" for each traced call
 * @waits: how many waits were reported, and @elapsed: how long the last had lasted
 * @libvirt: (nullable)
 */
typedef struct
{
  Fake *fake;
  gboolean read_only;
  MfpInterrupt *interrupt;
  MfpCallTrace call_trace;
  GPtrArray *trace;
  gboolean left_in_call;
  guint waits;
  gint64 elapsed;
  MfpLibvirt *libvirt;
} World;

/* Makes the fake of tests/data/fake/host.xml. @extra: (nullable): further <domain> and
 * <device> elements */
void world_enter (World *world, gconstpointer extra);
void world_leave (World *world, gconstpointer extra);

#define world_add(path, extra, test)                                                             \
  g_test_add (path, World, extra, world_enter, test, world_leave)

/* Opens the connection. world_connect() also asserts that this succeeds, and chooses the
 * domain vm. */
gboolean world_open (World *world, GError **error);
void world_connect (World *world);

/* Clears the log of calls of the fake, and the trace. */
void world_forget_calls (World *world);

/* Asserts that the fake's log has exactly these calls: names, separated by spaces. */
void world_assert_calls (World *world, const char *expected);

/* "0000:01:00.0 ..." of MfpHostFunction; the caller frees. */
char *world_describe_functions (const GPtrArray *functions);

/* The <hostdev> of the host function 0000:01:00.@function, with this alias and <address>; the
 * caller frees. */
char *world_hostdev (guint function, const char *alias, const char *address);

/* Detaches the first @count functions of 0000:01:00 from their host drivers. */
void world_detach_functions (World *world, guint count);

/* Detaches the host function at @address from its driver, or reattaches it. */
gboolean world_detach_function (World *world, const MfpPciAddress *address, GError **error);
gboolean world_reattach_function (World *world, const MfpPciAddress *address, GError **error);
