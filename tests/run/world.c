/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "world.h"

#include "common.h"
#include "libvirt/domain.h"
#include "libvirt/node-devices.h"

#include <string.h>

#define SECOND_SIGNAL_STATUS 99

Fake *
world_new (FakeHotplug hotplug)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "fake", "host.xml", NULL);
  Fake *fake = fake_new_from_file (path);

  fake_use (fake);
  fake_set_hotplug (fake, DOMAIN, hotplug);
  return fake;
}

/* ---- connections ---- */

gboolean
connection_open_to (Connection *connection, const char *domain, GError **error)
{
  connection->interrupt
      = mfp_interrupt_new ("a second signal came in one run\n", SECOND_SIGNAL_STATUS);
  connection->libvirt = mfp_libvirt_open (
      &(MfpLibvirtOptions){ .timeout = TIMEOUT,
                            .interrupt = connection->interrupt,
                            .left_in_call = &connection->left_in_call },
      error);
  return connection->libvirt && mfp_domain_choose (connection->libvirt, domain, error);
}

gboolean
connection_open (Connection *connection, GError **error)
{
  return connection_open_to (connection, DOMAIN, error);
}

void
connection_close (Connection *connection)
{
  g_clear_pointer (&connection->libvirt, mfp_libvirt_free);
  if (connection->interrupt)
    mfp_interrupt_receive (connection->interrupt);
  g_clear_pointer (&connection->interrupt, mfp_interrupt_free);
}

static void
connect_now (Connection *connection)
{
  g_autoptr (GError) error = NULL;

  connection_open (connection, &error);
  g_assert_no_error (error);
}

MfpGuest *
world_read_guest (void)
{
  g_auto (Connection) connection = { 0 };
  g_autoptr (GError) error = NULL;
  MfpGuest *guest;

  connect_now (&connection);
  guest = mfp_domain_read (connection.libvirt, MFP_LIVE, &error);
  g_assert_no_error (error);
  return guest;
}

/* ---- plans ---- */

static MfpCard *
make_card (MfpLibvirt *libvirt, const char *word, MfpRest rest, GError **error)
{
  g_autoptr (GArray) selections = test_selections (word);
  g_autoptr (GArray) hosts = mfp_selection_hosts (selections);
  g_autoptr (GPtrArray) devices = mfp_node_devices_read_slots (libvirt, hosts, error);
  g_autoptr (MfpCard) card
      = devices ? mfp_card_from_selections (selections, devices, rest, error) : NULL;

  if (!card)
    return NULL;
  mfp_card_adopt_drivers (card, devices, MFP_LIVE);
  card->slot = (MfpPciAddress){ .bus = 3 };
  card->has_slot = TRUE;
  g_assert_true (mfp_card_name_functions (card, NULL));
  return g_steal_pointer (&card);
}

/* Reads the guest, which must be running. */
static MfpGuest *
read_running (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (MfpGuest) guest = mfp_domain_read (libvirt, MFP_LIVE, error);

  if (!guest || guest->id)
    return g_steal_pointer (&guest);
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED, "the domain is not running");
  return NULL;
}

static MfpPlan *
attach_live (MfpLibvirt *libvirt, const char *word, MfpRest rest, MfpPlanFlags flags,
             GError **error)
{
  g_autoptr (MfpGuest) guest = read_running (libvirt, error);
  MfpCard *card = guest ? make_card (libvirt, word, rest, error) : NULL;

  return card ? mfp_plan_attach (card, &(MfpRunning){ .id = guest->id, .bus = "pci.3" }, flags)
              : NULL;
}

MfpPlan *
attach_whole (MfpLibvirt *libvirt, GError **error)
{
  return attach_live (libvirt, "01:00", MFP_REST_KEEP, MFP_PLAN_ENUMERATE, error);
}

MfpPlan *
attach_one (MfpLibvirt *libvirt, GError **error)
{
  return attach_live (libvirt, "01:00.0", MFP_REST_KEEP, MFP_PLAN_DEFAULT, error);
}

MfpPlan *
attach_partial (MfpLibvirt *libvirt, GError **error)
{
  return attach_live (libvirt, "01:00.0,2", MFP_REST_UNASSIGNED, MFP_PLAN_DEFAULT, error);
}

MfpPlan *
attach_mapped (MfpLibvirt *libvirt, GError **error)
{
  return attach_live (libvirt, "01:00.1=0,01:00.3=1", MFP_REST_UNASSIGNED, MFP_PLAN_DEFAULT,
                      error);
}

MfpPlan *
attach_persistent (MfpLibvirt *libvirt, GError **error)
{
  return attach_live (libvirt, "01:00", MFP_REST_KEEP, MFP_PLAN_CONFIG, error);
}

MfpPlan *
attach_cold (MfpLibvirt *libvirt, GError **error)
{
  MfpCard *card = make_card (libvirt, "01:00", MFP_REST_KEEP, error);

  return card ? mfp_plan_attach (card, NULL, MFP_PLAN_CONFIG) : NULL;
}

MfpPlan *
verify_whole (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (MfpGuest) guest = read_running (libvirt, error);
  MfpCard *card = guest ? make_card (libvirt, "01:00", MFP_REST_KEEP, error) : NULL;

  return card ? mfp_plan_verify (card, &(MfpRunning){ .id = guest->id, .bus = "pci.3" },
                                 MFP_PLAN_ENUMERATE)
              : NULL;
}

static MfpPlan *
detach_of (MfpLibvirt *libvirt, gboolean persistent, GError **error)
{
  g_autoptr (GArray) selections = test_selections ("01:00");
  g_autoptr (MfpGuest) live = read_running (libvirt, error);
  g_autoptr (MfpGuest) config
      = live && persistent ? mfp_domain_read (libvirt, MFP_CONFIG, error) : NULL;
  const MfpRecord *record
      = live && live->records->len ? g_ptr_array_index (live->records, 0) : NULL;

  if (!live || (persistent && !config))
    return NULL;
  return mfp_plan_detach (mfp_card_from_guest (live, selections, record),
                          &(MfpRunning){ .id = live->id },
                          config ? mfp_card_from_guest (config, selections, NULL) : NULL);
}

MfpPlan *
detach_live (MfpLibvirt *libvirt, GError **error)
{
  return detach_of (libvirt, FALSE, error);
}

MfpPlan *
detach_persistent (MfpLibvirt *libvirt, GError **error)
{
  return detach_of (libvirt, TRUE, error);
}

MfpPlan *
world_plan (MakePlan make)
{
  g_auto (Connection) connection = { 0 };
  g_autoptr (GError) error = NULL;
  MfpPlan *plan;

  connect_now (&connection);
  plan = make (connection.libvirt, &error);
  g_assert_no_error (error);
  return plan;
}

/* ---- runs ---- */

void
told_clear (Told *told)
{
  if (told->steps)
    g_string_free (told->steps, TRUE);
  g_free (told->last_note);
}

static void
hear_begin (gpointer data, const MfpStep *step, gboolean undo)
{
  Told *told = data;

  g_assert_false (told->in_step);
  told->in_step = TRUE;
  told->began = told->fake ? fake_now (told->fake) : 0;
  g_string_append_printf (told->steps, " %s%s", undo ? "<" : "", mfp_step_name (step->kind));
}

static void
hear_end (gpointer data, const GError *failure)
{
  Told *told = data;

  g_assert_true (told->in_step);
  told->in_step = FALSE;
  g_string_append (told->steps, failure ? "!" : "");
}

static void
hear_wait (gpointer data, gint64 limit)
{
  Told *told = data;

  g_assert_true (told->in_step);
  g_assert_cmpint (limit, ==, TIMEOUT);
  told->waits++;
  if (told->fake)
    told->longest = MAX (told->longest, fake_now (told->fake) - told->began);
  if (told->on_wait)
    told->on_wait ();
}

static void
hear_note (gpointer data, const char *text)
{
  Told *told = data;

  told->notes++;
  g_free (told->last_note);
  told->last_note = g_strdup (text);
}

gboolean
connection_run (Connection *connection, const MfpPlan *plan, Told *told, GError **error)
{
  g_auto (Told) unheard = { 0 };
  Told *listener = told ? told : &unheard;
  const MfpObserver observer = { .begin = hear_begin,
                                 .end = hear_end,
                                 .wait = hear_wait,
                                 .note = hear_note,
                                 .data = listener };
  const MfpExecuteOptions options
      = { .domain = DOMAIN, .timeout = TIMEOUT, .observer = &observer };
  const Told asked = { .fake = listener->fake, .on_wait = listener->on_wait };

  told_clear (listener);
  *listener = asked;
  listener->steps = g_string_new (NULL);
  return mfp_execute (plan, connection->libvirt, &options, error);
}

gboolean
world_run (const MfpPlan *plan, Told *told, GError **error)
{
  g_auto (Connection) connection = { 0 };

  return connection_open (&connection, error) && connection_run (&connection, plan, told, error);
}

void
world_do (MakePlan make)
{
  g_autoptr (MfpPlan) plan = world_plan (make);
  g_autoptr (GError) error = NULL;

  world_run (plan, NULL, &error);
  g_assert_no_error (error);
}

/* ---- states ---- */

State *
state_capture (Fake *fake)
{
  State *state = g_new0 (State, 1);

  state->live = fake_describe_live (fake, DOMAIN);
  state->config = fake_describe_config (fake, DOMAIN);
  state->drivers = fake_describe_drivers (fake);
  return state;
}

void
state_free (State *state)
{
  g_free (state->live);
  g_free (state->config);
  g_free (state->drivers);
  g_free (state);
}

gboolean
state_is_same (const State *a, const State *b)
{
  return strcmp (a->live, b->live) == 0 && strcmp (a->config, b->config) == 0;
}

void
assert_state (Fake *fake, const State *expected)
{
  g_autoptr (State) actual = state_capture (fake);

  g_assert_cmpstr (actual->live, ==, expected->live);
  g_assert_cmpstr (actual->config, ==, expected->config);
}
