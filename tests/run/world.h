/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of runs share: a host with one card and one guest, connections to it,
 * plans, and what an observer was told of a run.
 */
#pragma once

#include "fake/fake.h"
#include "run/execute.h"

#define DOMAIN "vm"
#define TIMEOUT (20 * G_TIME_SPAN_SECOND)

/* The host of tests/data/fake/host.xml, which is in use from now on. */
Fake *world_new (FakeHotplug hotplug);

/* ---- connections ---- */

/**
 * Connection:
 * @left_in_call: see MfpLibvirtOptions
 *
 * What a command has of libvirt. Signals that came are gone when it is closed.
 */
typedef struct
{
  MfpInterrupt *interrupt;
  MfpLibvirt *libvirt;
  gboolean left_in_call;
} Connection;

/* Connects, and chooses the guest. */
gboolean connection_open (Connection *connection, GError **error);
void connection_close (Connection *connection);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Connection, connection_close)

/* The guest, read on a connection of its own. */
MfpGuest *world_read_guest (void);

/* ---- plans ---- */

/* Makes a plan from what libvirt shows, as a command does. */
typedef MfpPlan *(*MakePlan) (MfpLibvirt *libvirt, GError **error);

MfpPlan *attach_whole (MfpLibvirt *libvirt, GError **error); /* and wait for the guest */
MfpPlan *attach_partial (MfpLibvirt *libvirt, GError **error);
MfpPlan *attach_mapped (MfpLibvirt *libvirt, GError **error);
MfpPlan *attach_persistent (MfpLibvirt *libvirt, GError **error); /* live, too */
MfpPlan *attach_cold (MfpLibvirt *libvirt, GError **error);       /* to the persistent XML */
MfpPlan *verify_whole (MfpLibvirt *libvirt, GError **error);
MfpPlan *detach_live (MfpLibvirt *libvirt, GError **error);
MfpPlan *detach_persistent (MfpLibvirt *libvirt, GError **error); /* live, too */

/* The plan that @make makes now. */
MfpPlan *world_plan (MakePlan make);

/* ---- runs ---- */

/**
 * Told:
 * @fake: (nullable): whose time the waits are measured in
 * @steps: in order, "<" before one that undoes another, "!" behind one that failed
 * @longest: the longest time that a step had lasted when it waited; microseconds
 *
 * What an observer was told.
 */
typedef struct
{
  Fake *fake;
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

/* Runs @plan on @connection. @told: (nullable): what it held before is forgotten. */
gboolean connection_run (Connection *connection, const MfpPlan *plan, Told *told, GError **error);

/* Runs @plan on a connection of its own. */
gboolean world_run (const MfpPlan *plan, Told *told, GError **error);

/* Runs the plan that @make makes, which must succeed. */
void world_do (MakePlan make);

/* ---- states ---- */

/* What is compared; see fake_describe_live() and the like. */
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
void assert_same_state (const State *actual, const State *expected);
