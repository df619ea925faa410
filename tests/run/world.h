/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of src/run share: a host with cards and guests, connections, plans, and an
 * observer that notes what a run tells it.
 */
#pragma once

#include "fake/fake.h"
#include "run/execute.h"

#define DOMAIN "vm"
#define TIMEOUT (20 * G_TIME_SPAN_SECOND)

/* Makes the host of tests/data/fake/host.xml, and uses it from now on. */
Fake *world_new (FakeHotplug hotplug);

/* ---- connections ---- */

/**
 * Connection:
 * @left_in_call: see MfpLibvirtOptions
 *
 * A command's connection to libvirt. Closing it discards the signals that came.
 */
typedef struct
{
  MfpInterrupt *interrupt;
  MfpLibvirt *libvirt;
  gboolean left_in_call;
} Connection;

/* Connects, and chooses the guest DOMAIN, or that of another name. */
gboolean connection_open (Connection *connection, GError **error);
gboolean connection_open_to (Connection *connection, const char *domain, GError **error);
void connection_close (Connection *connection);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Connection, connection_close)

/* Reads the guest on a connection of its own. */
MfpGuest *world_read_guest (void);

/* ---- plans ---- */

/* Makes a plan from what libvirt shows, as a command does. */
typedef MfpPlan *(*MakePlan) (MfpLibvirt *libvirt, GError **error);

MfpPlan *attach_whole (MfpLibvirt *libvirt, GError **error); /* with a wait for the guest */
MfpPlan *attach_one (MfpLibvirt *libvirt, GError **error); /* 01:00.0 alone */
MfpPlan *attach_partial (MfpLibvirt *libvirt, GError **error);
MfpPlan *attach_mapped (MfpLibvirt *libvirt, GError **error);
MfpPlan *attach_persistent (MfpLibvirt *libvirt, GError **error); /* also live */
MfpPlan *attach_cold (MfpLibvirt *libvirt, GError **error);       /* only persistent */
MfpPlan *verify_whole (MfpLibvirt *libvirt, GError **error);
MfpPlan *detach_live (MfpLibvirt *libvirt, GError **error);
MfpPlan *detach_persistent (MfpLibvirt *libvirt, GError **error); /* also live */

/* The plan that @make makes now. */
MfpPlan *world_plan (MakePlan make);

/* ---- runs ---- */

/**
 * Told:
 * @fake: (nullable): whose clock measures the waits
 * @on_wait: (nullable): called at each wait, when no call is under way
 * @steps: in order, with "<" before a step that undoes another, and "!" after one that failed
 * @longest: the longest time that a step had lasted when it reported a wait; microseconds
 *
 * What a run has told its observer.
 */
typedef struct
{
  Fake *fake;
  void (*on_wait) (void);
  GString *steps;
  gboolean in_step;
  gint64 began;
  guint notes;
  char *last_note;
  guint waits;
  gint64 longest;
} Told;

void told_clear (Told *told);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Told, told_clear)

/* Runs @plan on @connection. @told: (nullable): cleared first. */
gboolean connection_run (Connection *connection, const MfpPlan *plan, Told *told, GError **error);

/* Runs @plan on a connection of its own. */
gboolean world_run (const MfpPlan *plan, Told *told, GError **error);

/* Makes a plan and runs it. The run must succeed. */
void world_do (MakePlan make);

/* ---- states ---- */

/* A state of the fake, for comparisons: see fake_describe_live() and the like. */
typedef struct
{
  char *live;
  char *config;
  char *drivers;
} State;

State *state_capture (Fake *fake);
void state_free (State *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (State, state_free)

gboolean state_is_same (const State *a, const State *b);

/* Asserts that the fake is in the state @expected. */
void assert_state (Fake *fake, const State *expected);
