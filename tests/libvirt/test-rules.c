/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules that the model of fake-libvirt.c keeps, each a small scenario on
 * the operations of ops.h. Without arguments they are run on the model; with
 * --connect they are run on a real libvirt, QEMU and kernel, which is how the
 * model's rules are known to be theirs:
 *
 *   test-rules --connect URI DOMAIN CARD OTHERCARD SLOT
 *
 * DOMAIN runs, a q35 guest with ACPI hotplug; its SLOT is free. CARD (0000:01:00)
 * has the functions 0 to 3, which are one IOMMU group; OTHERCARD has a function 0
 * in another group; all are on host drivers. Each rule leaves things as they were.
 *
 * One rule of the model is not tried on a real kernel: that a function must not
 * be given back while QEMU has another one of its group. The kernel refuses, and
 * the function is left without a driver; one before 5.19 meets a BUG() and takes
 * the host down. The model records a violation, which no other test may cause.
 * Likewise that nothing may be dropped from the domain that QEMU still has.
 */
#include "config.h"

#include "base/error.h"
#include "fake/fake-libvirt.h"
#include "libvirt/monitor.h"
#include "libvirt/ops-libvirt.h"
#include "model/hostdev-xml.h"

#include <libvirt/libvirt.h>
#include <string.h>

#define PATIENCE (180 * G_TIME_SPAN_SECOND) /* for an emulated guest on a busy machine */
#define MOMENT (3 * G_TIME_SPAN_SECOND)     /* in which a guest that acts would have acted */
#define TICK (500 * G_TIME_SPAN_MILLISECOND)
#define LAST 3 /* functions 0 to 3 are the card, and its IOMMU group */
#define F0 1u
#define F1 2u
#define F2 4u
#define RECORD_1 "rule-1"
#define RECORD_2 "rule-2"

/**
 * Target:
 * @uri: NULL: the model
 * @slot: where in the guest
 *
 * The command line.
 */
typedef struct
{
  char *uri;
  const char *domain;
  const char *card;
  const char *other;
  const char *slot;
} Target;

/**
 * World:
 * @card: its functions are to be the guest functions of the same numbers
 * @other: function 0 of another card, alone; the rest of its group is taken along
 * @bus: QEMU's name of their slot's bus
 * @stop, @go: make the guest deaf to what it is asked, and let it act again
 * @fake: (nullable): the model
 * @target: what the command line names
 *
 * What a rule is tried on.
 */
typedef struct _World World;
struct _World
{
  MfpOps *ops;
  MfpCard *card;
  MfpCard *other;
  char *bus;
  void (*stop) (World *world);
  void (*go) (World *world);
  Fake *fake;
  const Target *target;
};

/* Assertions are not fatal, so that a rule that does not hold is still cleaned
 * up after: a failed one goes on, with NULL where there was to be something. */

static void
assert_refused (gboolean done, GError **error, MfpError code, const char *part)
{
  g_assert_false (done);
  g_assert_error (*error, MFP_ERROR, (int) code);
  if (*error && !strstr ((*error)->message, part))
    {
      g_test_message ("'%s' lacks '%s'", (*error)->message, part);
      g_test_fail ();
    }
  g_clear_error (error);
}

static void
assert_done (gboolean done, GError **error)
{
  g_assert_no_error (*error);
  g_assert_true (done);
  g_clear_error (error);
}

/* ---- what there is ---- */

static MfpFunction *
function_of (const MfpCard *card, guint number)
{
  return g_ptr_array_index (card->functions, number);
}

static MfpGuest *
look (const World *world, MfpForm form)
{
  g_autofree char *xml = world->ops->domain_xml (world->ops, form, NULL);
  MfpGuest *guest = xml ? mfp_guest_parse (xml, NULL) : NULL;

  g_assert_nonnull (guest);
  return guest;
}

/* Those of @card's functions that the domain has, as bits: F0 for the first. */
static guint
in_domain (const World *world, const MfpCard *card, MfpForm form)
{
  g_autoptr (MfpGuest) guest = look (world, form);
  guint which = 0;

  for (guint i = 0; guest && i < card->functions->len; i++)
    if (mfp_guest_find_host (guest, &function_of (card, i)->host))
      which |= 1u << i;
  return which;
}

/* Those that QEMU has. */
static guint
in_qemu (const World *world, const MfpCard *card)
{
  g_autoptr (GHashTable) ids = mfp_monitor_list_devices (world->ops, NULL);
  guint which = 0;

  g_assert_nonnull (ids);
  for (guint i = 0; ids && i < card->functions->len; i++)
    if (g_hash_table_contains (ids, function_of (card, i)->alias))
      which |= 1u << i;
  return which;
}

/* Asserts what @card has where, and nothing else. */
static void
assert_has (const World *world, const MfpCard *card, guint domain, guint qemu)
{
  g_assert_cmphex (in_domain (world, card, MFP_LIVE), ==, domain);
  g_assert_cmphex (in_qemu (world, card), ==, qemu);
}

static char *
driver_of (const World *world, const MfpFunction *function)
{
  g_autoptr (MfpHostFunction) now
      = world->ops->host_function (world->ops, &function->host, NULL);

  g_assert_nonnull (now);
  return now ? g_strdup (now->driver) : NULL;
}

static gboolean
is_on_vfio (const World *world, const MfpFunction *function)
{
  g_autofree char *driver = driver_of (world, function);

  return mfp_driver_is_vfio (driver);
}

static gboolean
is_at_home (const World *world, const MfpFunction *function)
{
  g_autofree char *driver = driver_of (world, function);

  return driver && !mfp_driver_is_vfio (driver);
}

static void
let_pass (const World *world, gint64 time)
{
  gint64 until = world->ops->now (world->ops) + time;

  while (world->ops->now (world->ops) < until)
    {
      g_autofree char *refused = NULL;

      world->ops->wait (world->ops, MIN (until, world->ops->now (world->ops) + TICK), NULL,
                        &refused, NULL);
    }
}

static gboolean
all_at_home (const World *world, const MfpCard *card)
{
  for (guint i = 0; i < card->functions->len; i++)
    if (!is_at_home (world, function_of (card, i)))
      return FALSE;
  return TRUE;
}

/* Waits until neither QEMU nor the domain has any of those @functions of @card,
 * which the domain may not forget before QEMU. */
static void
wait_until_gone (const World *world, const MfpCard *card, guint functions)
{
  gint64 until = world->ops->now (world->ops) + PATIENCE;
  guint held = in_domain (world, card, MFP_LIVE) & functions;
  guint domain, qemu;

  do
    {
      let_pass (world, TICK);
      domain = in_domain (world, card, MFP_LIVE) & functions;
      qemu = in_qemu (world, card) & functions;
      g_assert_cmphex (qemu & held & ~domain, ==, 0);
    }
  while ((domain | qemu) != 0 && world->ops->now (world->ops) < until);
  g_assert_cmphex (domain | qemu, ==, 0);
}

/* ---- what is done ---- */

static gboolean
take (World *world, const MfpFunction *function, GError **error)
{
  return world->ops->take (world->ops, &function->host, error);
}

static gboolean
give_back (World *world, const MfpFunction *function, GError **error)
{
  return world->ops->give_back (world->ops, &function->host, error);
}

static gboolean
attach (World *world, const MfpCard *card, const MfpFunction *function, MfpHostdevForm form,
        GError **error)
{
  g_autofree char *xml = mfp_hostdev_format (card, function, form);

  return world->ops->attach (world->ops, form == MFP_HOSTDEV_ASKED ? MFP_CONFIG : MFP_LIVE, xml,
                             error);
}

static gboolean
hold (World *world, const MfpFunction *function, GError **error)
{
  return attach (world, world->card, function, MFP_HOSTDEV_HOLD, error);
}

static gboolean
plug (World *world, const MfpFunction *function, GError **error)
{
  return attach (world, world->card, function, MFP_HOSTDEV_PLUG, error);
}

static gboolean
queue (World *world, const MfpFunction *function, GError **error)
{
  g_autofree char *command = mfp_qmp_device_add (function, world->bus, world->card->slot.slot);

  return mfp_monitor_tell (world->ops, command, error);
}

static gboolean
unqueue (World *world, const MfpFunction *function, GError **error)
{
  g_autofree char *command = mfp_qmp_device_del (function->alias);

  return mfp_monitor_tell (world->ops, command, error);
}

/* Detaches what is held and not shown. */
static gboolean
drop (World *world, const MfpFunction *function, GError **error)
{
  g_autofree char *xml = mfp_hostdev_format (world->card, function, MFP_HOSTDEV_HOLD);

  return world->ops->detach (world->ops, MFP_LIVE, xml, error);
}

static gboolean
detach_alias (World *world, const MfpFunction *function, GError **error)
{
  return world->ops->detach_alias (world->ops, function->alias, error);
}

/* The same, where it is not what the rule is about. */
static void
must (World *world, gboolean (*act) (World *world, const MfpFunction *function, GError **error),
      const MfpFunction *function)
{
  g_autoptr (GError) error = NULL;
  gboolean done = act (world, function, &error);

  assert_done (done, &error);
}

static void
take_all (World *world, const MfpCard *card)
{
  for (guint i = 0; i < card->functions->len; i++)
    if (!is_on_vfio (world, function_of (card, i)))
      must (world, take, function_of (card, i));
}

/* Functions 1 to @last, queued for function 0. */
static void
queue_up_to (World *world, guint last)
{
  for (guint i = 1; i <= last; i++)
    must (world, hold, function_of (world->card, i));
  for (guint i = 1; i <= last; i++)
    must (world, queue, function_of (world->card, i));
}

/* Functions 0 and 1 in the guest; 2 held and not shown. */
static void
plug_two (World *world)
{
  take_all (world, world->card);
  queue_up_to (world, 1);
  must (world, hold, function_of (world->card, 2));
  must (world, plug, function_of (world->card, 0));
}

/* ---- rules: what libvirt attaches ---- */

static void
nonzero_is_refused (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  take_all (world, world->card);
  done = plug (world, function, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "function=0");
  assert_has (world, world->card, 0, 0);
  g_assert_true (is_on_vfio (world, function));
}

static void
host_driver_is_refused (World *world)
{
  const MfpFunction *first = function_of (world->card, 1), *second = function_of (world->card, 2);
  g_autoptr (GError) error = NULL;
  gboolean done;

  must (world, take, first);
  must (world, hold, first);
  done = hold (world, second, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "must be manually detached");
  assert_has (world, world->card, F1, 0);
  g_assert_true (is_at_home (world, second));

  /* the access to the group is as it was */
  take_all (world, world->card);
  must (world, queue, first);
}

static void
alias_twice_is_refused (World *world)
{
  const MfpFunction *first = function_of (world->card, 1), *second = function_of (world->card, 2);
  MfpFunction same = *second;
  g_autoptr (GError) error = NULL;
  gboolean done;

  same.alias = first->alias;
  take_all (world, world->card);
  must (world, hold, first);
  done = hold (world, &same, &error);
  assert_refused (done, &error, MFP_ERROR_ALIAS_TAKEN, first->alias);
  assert_has (world, world->card, F1, 0);

  /* the access to the group is as it was */
  must (world, queue, first);
}

static void
host_twice_is_refused (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  MfpFunction again = *function;
  g_autoptr (GError) error = NULL;
  gboolean done;

  again.alias = (char *) "ua-rule-again";
  take_all (world, world->card);
  must (world, hold, function);
  done = hold (world, &again, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "in use");
  assert_has (world, world->card, F1, 0);

  /* the access to the group is as it was */
  must (world, queue, function);
}

static void
unassigned_is_not_shown (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  g_autoptr (MfpGuest) guest = NULL;
  const MfpGuestDevice *device;

  must (world, take, function);
  must (world, hold, function);
  assert_has (world, world->card, F1, 0);
  guest = look (world, MFP_LIVE);
  device = guest ? mfp_guest_find_host (guest, &function->host) : NULL;
  g_assert_nonnull (device);
  if (!device)
    return;
  g_assert_cmpstr (device->alias, ==, function->alias);
  g_assert_false (device->has_address);
  g_assert_false (device->managed);
}

static void
taken_address_is_refused (World *world)
{
  const MfpFunction *other = function_of (world->other, 0);
  g_autoptr (GError) error = NULL;
  gboolean done;

  take_all (world, world->card);
  take_all (world, world->other);
  must (world, plug, function_of (world->card, 0));
  done = attach (world, world->other, other, MFP_HOSTDEV_PLUG, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "double use of PCI Address");
  assert_has (world, world->other, 0, 0);
  assert_has (world, world->card, F0, F0);
}

static void
failed_attach_takes_access (World *world)
{
  const MfpFunction *held = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  take_all (world, world->card);
  must (world, hold, held);
  done = plug (world, function_of (world->card, 2), &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "function=0");
  done = queue (world, held, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "/dev/vfio/");
  assert_has (world, world->card, F1, 0);
}

/* ---- rules: what QEMU queues and shows ---- */

static void
device_add_queues (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  g_autoptr (GPtrArray) pci = NULL;
  const MfpQemuDevice *device;

  take_all (world, world->card);
  queue_up_to (world, 1);
  assert_has (world, world->card, F1, F1);
  pci = mfp_monitor_query_pci (world->ops, NULL);
  device = pci ? mfp_qmp_find_device (pci, function->alias) : NULL;
  g_assert_nonnull (device);
  if (!device)
    return;
  g_assert_cmpstr (device->parent, ==, world->bus);
  g_assert_cmpuint (device->slot, ==, world->card->slot.slot);
  g_assert_cmpuint (device->function, ==, 1);
}

static void
id_twice_is_refused (World *world)
{
  MfpFunction same = *function_of (world->card, 2);
  g_autoptr (GError) error = NULL;
  gboolean done;

  take_all (world, world->card);
  queue_up_to (world, 1);
  same.alias = function_of (world->card, 1)->alias;
  done = queue (world, &same, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "uplicate");
  assert_has (world, world->card, F1, F1);
}

static void
taken_place_is_refused (World *world)
{
  MfpFunction second = *function_of (world->card, 2);
  g_autoptr (GError) error = NULL;
  gboolean done;

  second.guest_function = 1;
  take_all (world, world->card);
  queue_up_to (world, 1);
  done = queue (world, &second, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "function 1 not available for vfio-pci");
  assert_has (world, world->card, F1, F1);
}

static void
late_function_is_refused (World *world)
{
  const MfpFunction *late = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  take_all (world, world->card);
  must (world, hold, late);
  must (world, plug, function_of (world->card, 0));
  done = queue (world, late, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "function 0 already occupied");
  assert_has (world, world->card, F0 | F1, F0);
}

static void
single_function_is_refused (World *world)
{
  const MfpFunction *other = function_of (world->other, 0);
  g_autoptr (GError) error = NULL;
  gboolean done;

  take_all (world, world->card);
  take_all (world, world->other);
  queue_up_to (world, 1);
  /* @other is the only function of its card: no multifunction='on' */
  done = attach (world, world->other, other, MFP_HOSTDEV_PLUG, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "single function");
  assert_has (world, world->other, 0, 0);
  assert_has (world, world->card, F1, F1);
}

static void
group_must_be_viable (World *world)
{
  const MfpFunction *zero = function_of (world->card, 0), *one = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  must (world, take, zero);
  must (world, take, one);
  must (world, hold, one);
  done = queue (world, one, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "is not viable");
  assert_has (world, world->card, F1, 0);

  done = plug (world, zero, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "is not viable");
  assert_has (world, world->card, F1, 0);
}

static void
function_0_shows_all (World *world)
{
  take_all (world, world->card);
  queue_up_to (world, 2);
  must (world, plug, function_of (world->card, 0));
  assert_has (world, world->card, F0 | F1 | F2, F0 | F1 | F2);
}

/* ---- rules: what leaves ---- */

static void
whole_slot_leaves (World *world)
{
  plug_two (world);
  must (world, detach_alias, function_of (world->card, 0));
  wait_until_gone (world, world->card, F0 | F1);
  /* which was never shown */
  assert_has (world, world->card, F2, 0);
}

static void
deaf_guest_keeps_all (World *world)
{
  plug_two (world);
  world->stop (world);
  must (world, detach_alias, function_of (world->card, 0));
  let_pass (world, MOMENT);
  assert_has (world, world->card, F0 | F1 | F2, F0 | F1);
  world->go (world);
  wait_until_gone (world, world->card, F0 | F1);
}

/* QEMU before 7.2.3 refused that (MFP_ERROR_BUSY), as a native PCIe port still does
 * for a while. */
static void
request_twice (World *world)
{
  plug_two (world);
  world->stop (world);
  must (world, detach_alias, function_of (world->card, 0));
  must (world, detach_alias, function_of (world->card, 0));
  assert_has (world, world->card, F0 | F1 | F2, F0 | F1);
}

static void
queue_is_ejected_whole (World *world)
{
  const MfpFunction *first = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  take_all (world, world->card);
  queue_up_to (world, 2);
  must (world, unqueue, first);
  wait_until_gone (world, world->card, F1 | F2);
  done = unqueue (world, first, &error);
  assert_refused (done, &error, MFP_ERROR_NOT_FOUND, "not found");
  done = unqueue (world, function_of (world->card, 2), &error);
  assert_refused (done, &error, MFP_ERROR_NOT_FOUND, "not found");
  assert_has (world, world->card, 0, 0);
}

static void
unassigned_is_dropped_at_once (World *world)
{
  const MfpFunction *first = function_of (world->card, 1), *second = function_of (world->card, 2);

  must (world, take, first);
  must (world, take, second);
  must (world, hold, first);
  must (world, hold, second);
  world->stop (world);
  must (world, drop, first);
  assert_has (world, world->card, F2, 0);
  must (world, detach_alias, second);
  assert_has (world, world->card, 0, 0);
  g_assert_true (is_on_vfio (world, first));
}

static void
absent_is_not_found (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  g_autofree char *host = mfp_function_describe (function);
  g_autoptr (GError) error = NULL;
  gboolean done = drop (world, function, &error);

  assert_refused (done, &error, MFP_ERROR_NOT_FOUND, host);
  done = detach_alias (world, function, &error);
  assert_refused (done, &error, MFP_ERROR_NOT_FOUND, function->alias);
}

static void
drop_takes_access (World *world)
{
  const MfpFunction *stays = function_of (world->card, 1), *leaves = function_of (world->card, 2);
  g_autoptr (GError) error = NULL;
  gboolean done;

  take_all (world, world->card);
  must (world, hold, stays);
  must (world, hold, leaves);
  must (world, drop, leaves);
  done = queue (world, stays, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "/dev/vfio/");
  assert_has (world, world->card, F1, 0);

  must (world, hold, leaves);
  must (world, queue, stays);
}

static void
open_group_needs_no_access (World *world)
{
  const MfpFunction *leaves = function_of (world->card, 2);

  take_all (world, world->card);
  queue_up_to (world, 1);
  must (world, hold, leaves);
  must (world, drop, leaves);
  must (world, queue, leaves);
  assert_has (world, world->card, F1, F1 | F2);
}

/* ---- rules: the host's side ---- */

static void
host_changes_driver (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);

  must (world, take, function);
  g_assert_true (is_on_vfio (world, function));
  must (world, take, function);
  g_assert_true (is_on_vfio (world, function));
  g_assert_true (is_at_home (world, function_of (world->card, 2)));
  must (world, give_back, function);
  g_assert_true (is_at_home (world, function));
}

static void
held_stays (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  must (world, take, function);
  must (world, hold, function);
  done = take (world, function, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "in use");
  done = give_back (world, function, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "in use");
  g_assert_true (is_on_vfio (world, function));
  assert_has (world, world->card, F1, 0);
}

static void
no_such_function (World *world)
{
  MfpPciAddress address = { .domain = 0xffff, .bus = 0xfe, .slot = 0x1f, .function = 7 };
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpHostFunction) function = world->ops->host_function (world->ops, &address, &error);

  assert_refused (function != NULL, &error, MFP_ERROR_NOT_FOUND, "");
}

static void
group_is_whole (World *world)
{
  const MfpPciAddress *address = &function_of (world->card, 1)->host;
  g_autoptr (MfpHostFunction) function = world->ops->host_function (world->ops, address, NULL);

  g_assert_nonnull (function);
  if (!function)
    return;
  g_assert_cmpuint (function->group->len, >=, world->card->functions->len);
  g_assert_cmpint (function->iommu_group, !=, MFP_NO_IOMMU_GROUP);
}

/* ---- rules: the domain's documents ---- */

static gboolean
write_record (World *world, const MfpRecord *record, GError **error)
{
  g_autofree char *uri = mfp_record_uri (record->id);
  g_autofree char *xml = mfp_record_format (record);

  return world->ops->set_metadata (world->ops, uri, xml, error);
}

static gboolean
erase_record (World *world, const char *id, GError **error)
{
  g_autofree char *uri = mfp_record_uri (id);

  return world->ops->set_metadata (world->ops, uri, NULL, error);
}

/* The domain's records called @id, as text. */
static char *
read_records (const World *world, const char *id)
{
  g_autoptr (MfpGuest) guest = look (world, MFP_LIVE);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; guest && i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);
      g_autofree char *xml = mfp_record_format (record);

      if (strcmp (record->id, id) == 0)
        g_string_append (text, xml);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
assert_recorded (const World *world, const MfpRecord *record)
{
  g_autofree char *written = mfp_record_format (record);
  g_autofree char *read = read_records (world, record->id);

  g_assert_cmpstr (read, ==, written);
}

static void
records_come_back (World *world)
{
  g_autoptr (MfpRecord) first = mfp_record_new (RECORD_1, &world->card->slot);
  g_autoptr (MfpRecord) second = mfp_record_new (RECORD_2, &world->card->slot);
  g_autofree char *left = NULL;
  g_autoptr (GError) error = NULL;
  gboolean done;

  mfp_record_add (first, &(MfpRecordFunction){ .host = function_of (world->card, 1)->host,
                                               .guest_function = 1,
                                               .alias = (char *) "ua-rule-1",
                                               .driver = (char *) "a<&'b",
                                               .taken = TRUE });
  done = write_record (world, first, &error);
  assert_done (done, &error);
  done = write_record (world, second, &error);
  assert_done (done, &error);
  assert_recorded (world, first);
  assert_recorded (world, second);

  second->leaving = TRUE;
  done = write_record (world, second, &error);
  assert_done (done, &error);
  assert_recorded (world, first);
  assert_recorded (world, second);

  done = erase_record (world, RECORD_2, &error);
  assert_done (done, &error);
  left = read_records (world, RECORD_2);
  g_assert_cmpstr (left, ==, "");
  assert_recorded (world, first);
}

static void
absent_record_is_erased (World *world)
{
  g_autoptr (GError) error = NULL;
  gboolean done = erase_record (world, RECORD_1, &error);

  assert_done (done, &error);
}

static gboolean
define (World *world, const MfpFunction *function, GError **error)
{
  return attach (world, world->card, function, MFP_HOSTDEV_ASKED, error);
}

static gboolean
undefine (World *world, const MfpFunction *function, GError **error)
{
  g_autofree char *xml = mfp_hostdev_format (world->card, function, MFP_HOSTDEV_ASKED);

  return world->ops->detach (world->ops, MFP_CONFIG, xml, error);
}

static void
persistent_takes_any_function (World *world)
{
  g_autoptr (MfpGuest) guest = NULL;

  must (world, define, function_of (world->card, 0));
  must (world, define, function_of (world->card, 1));
  guest = look (world, MFP_CONFIG);
  for (guint i = 0; guest && i < 2; i++)
    {
      const MfpGuestDevice *device
          = mfp_guest_find_host (guest, &function_of (world->card, i)->host);
      MfpPciAddress wanted = mfp_pci_address_with_function (&world->card->slot, i);

      g_assert_true (device && device->has_address && device->managed);
      g_assert_true (device && mfp_pci_address_equal (&device->address, &wanted));
    }
  g_assert_true (is_at_home (world, function_of (world->card, 0)));
  assert_has (world, world->card, 0, 0);
}

static void
persistent_refuses_twice (World *world)
{
  g_autoptr (GError) error = NULL;
  gboolean done;

  must (world, define, function_of (world->card, 0));
  done = define (world, function_of (world->card, 0), &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "already in the domain configuration");
  done = attach (world, world->other, function_of (world->other, 0), MFP_HOSTDEV_ASKED, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "double use of PCI Address");
  g_assert_cmphex (in_domain (world, world->other, MFP_CONFIG), ==, 0);
}

static void
persistent_absent_is_not_found (World *world)
{
  g_autoptr (GError) error = NULL;
  gboolean done = undefine (world, function_of (world->card, 0), &error);

  assert_refused (done, &error, MFP_ERROR_NOT_FOUND, "");
}

/* ---- the table ---- */

static const struct
{
  const char *claim;
  void (*check) (World *world);
} rules[] = {
  { "a-live-attach-of-a-function-other-than-0-at-an-address-is-refused", nonzero_is_refused },
  { "an-unmanaged-function-on-its-host-driver-is-refused-and-left-there", host_driver_is_refused },
  { "an-alias-that-is-taken-is-refused-as-such", alias_twice_is_refused },
  { "a-function-that-the-domain-holds-is-refused", host_twice_is_refused },
  { "an-unassigned-function-is-not-in-qemu", unassigned_is_not_shown },
  { "a-plug-at-an-occupied-address-is-refused", taken_address_is_refused },
  { "a-failed-plug-takes-the-access-of-its-group", failed_attach_takes_access },
  { "device-add-of-a-function-other-than-0-queues-it", device_add_queues },
  { "device-add-of-an-id-twice-is-refused", id_twice_is_refused },
  { "device-add-at-a-place-that-is-taken-is-refused", taken_place_is_refused },
  { "device-add-beside-a-function-0-is-refused", late_function_is_refused },
  { "a-single-function-device-over-queued-ones-is-refused", single_function_is_refused },
  { "with-one-of-the-group-on-a-host-driver-none-is-opened", group_must_be_viable },
  { "function-0-is-plugged-over-queued-ones", function_0_shows_all },
  { "detach-of-function-0-takes-the-slot-out-of-qemu-and-then-of-the-xml", whole_slot_leaves },
  { "a-stopped-guest-keeps-all-until-it-goes-on", deaf_guest_keeps_all },
  { "a-second-request-is-accepted-and-changes-nothing-while-the-guest-is-stopped",
    request_twice },
  { "device-del-of-a-queued-function-takes-the-whole-queue", queue_is_ejected_whole },
  { "an-unassigned-function-is-dropped-at-once-whatever-the-guest-does",
    unassigned_is_dropped_at_once },
  { "detach-of-what-is-not-there-is-not-found", absent_is_not_found },
  { "dropping-one-of-a-group-takes-the-access-of-all-until-it-is-held-again", drop_takes_access },
  { "qemu-needs-no-access-to-a-group-that-it-has-open", open_group_needs_no_access },
  { "take-and-give-back-change-the-driver-of-one-function", host_changes_driver },
  { "a-function-that-the-domain-holds-is-neither-taken-nor-given-back", held_stays },
  { "a-function-that-does-not-exist-is-not-found", no_such_function },
  { "a-host-function-names-its-whole-group", group_is_whole },
  { "records-come-back-as-they-were-written", records_come_back },
  { "a-record-that-is-not-there-can-be-erased", absent_record_is_erased },
  { "the-persistent-xml-takes-any-function", persistent_takes_any_function },
  { "the-persistent-xml-refuses-a-function-and-an-address-twice", persistent_refuses_twice },
  { "detach-from-the-persistent-xml-of-what-is-not-there-is-not-found",
    persistent_absent_is_not_found },
};

/* ---- how things were ---- */

/* Asks QEMU to let go of what it has of @card, of which function 0, or any of a
 * queue, takes the others along. */
static void
empty_qemu (World *world, const MfpCard *card)
{
  guint which = in_qemu (world, card);

  if (which == 0)
    return;
  if (which & F0)
    detach_alias (world, function_of (card, 0), NULL);
  else
    unqueue (world, function_of (card, (guint) g_bit_nth_lsf (which, -1)), NULL);
  wait_until_gone (world, card, which);
}

static void
empty_domain (World *world, const MfpCard *card)
{
  guint live = in_domain (world, card, MFP_LIVE), config = in_domain (world, card, MFP_CONFIG);

  for (guint i = 0; i < card->functions->len; i++)
    {
      if (live & (1u << i))
        drop (world, function_of (card, i), NULL);
      if (config & (1u << i))
        undefine (world, function_of (card, i), NULL);
    }
  assert_has (world, card, 0, 0);
  g_assert_cmphex (in_domain (world, card, MFP_CONFIG), ==, 0);
}

/* QEMU may hold the group for a moment after the last function has left. */
static void
return_card (World *world, const MfpCard *card)
{
  gint64 until = world->ops->now (world->ops) + PATIENCE;

  while (!all_at_home (world, card) && world->ops->now (world->ops) < until)
    for (guint i = 0; i < card->functions->len; i++)
      if (!is_at_home (world, function_of (card, i))
          && !give_back (world, function_of (card, i), NULL))
        let_pass (world, TICK);
  g_assert_true (all_at_home (world, card));
}

static void
restore_card (World *world, const MfpCard *card)
{
  empty_qemu (world, card);
  empty_domain (world, card);
  return_card (world, card);
}

static void
restore (World *world)
{
  world->go (world);
  restore_card (world, world->card);
  restore_card (world, world->other);
  erase_record (world, RECORD_1, NULL);
  erase_record (world, RECORD_2, NULL);
}

/* ---- on the model and on the real ones ---- */

static void
stop_fake (World *world)
{
  fake_stop_guest (world->fake);
}

static void
let_fake_go (World *world)
{
  fake_let_guest_go (world->fake);
}

/* Changes the domain's state as MfpOps cannot, on a connection of its own: one
 * that is kept and not served would be closed by libvirtd. */
static void
on_domain (const World *world, int (*act) (virDomainPtr domain))
{
  virConnectPtr connection = virConnectOpen (world->target->uri);
  virDomainPtr domain
      = connection ? virDomainLookupByName (connection, world->target->domain) : NULL;

  g_assert_nonnull (domain);
  if (domain)
    {
      g_assert_cmpint (act (domain), ==, 0);
      virDomainFree (domain);
    }
  if (connection)
    virConnectClose (connection);
}

static void
stop_domain (World *world)
{
  on_domain (world, virDomainSuspend);
}

static int
resume_if_paused (virDomainPtr domain)
{
  int state;

  if (virDomainGetState (domain, &state, NULL, 0) != 0)
    return -1;
  return state == VIR_DOMAIN_PAUSED ? virDomainResume (domain) : 0;
}

static void
let_domain_go (World *world)
{
  on_domain (world, resume_if_paused);
}

static MfpPciAddress
parse_slot (const char *text)
{
  MfpPciAddress address;

  if (!mfp_pci_address_parse_slot (text, &address, NULL))
    g_error ("'%s' is not an address such as 0000:01:00", text);
  return address;
}

static MfpCard *
make_card (const MfpPciAddress *slot)
{
  MfpCard *card = mfp_card_new ();

  card->slot = *slot;
  card->has_slot = TRUE;
  return card;
}

static void
add_function (MfpCard *card, const MfpPciAddress *host, int guest_function, const char *alias)
{
  mfp_card_add (card, host, guest_function)->alias
      = g_strdup_printf ("%s-%u", alias, (guint) host->function);
}

/* The functions of the host device at @text, which are those of the guest. */
static MfpCard *
make_whole_card (const char *text, const MfpPciAddress *slot)
{
  MfpCard *card = make_card (slot);
  MfpPciAddress device = parse_slot (text);

  for (guint i = 0; i <= LAST; i++)
    {
      MfpPciAddress host = mfp_pci_address_with_function (&device, i);

      add_function (card, &host, (int) i, "ua-rule");
    }
  return card;
}

/* Function 0 of the host device at @text, and with it the rest of its group. */
static MfpCard *
make_other_card (MfpOps *ops, const char *text, const MfpPciAddress *slot)
{
  MfpCard *card = make_card (slot);
  MfpPciAddress zero = parse_slot (text);
  g_autoptr (MfpHostFunction) function = ops->host_function (ops, &zero, NULL);

  if (!function)
    g_error ("%s has no function 0", text);
  add_function (card, &zero, 0, "ua-rule-other");
  for (guint i = 0; i < function->group->len; i++)
    {
      const MfpPciAddress *member = &g_array_index (function->group, MfpPciAddress, i);

      if (!mfp_pci_address_equal (member, &zero))
        add_function (card, member, MFP_UNASSIGNED, "ua-rule-other");
    }
  return card;
}

static void
enter_world (World *world)
{
  g_autoptr (MfpGuest) guest = look (world, MFP_LIVE);
  MfpPciAddress slot = parse_slot (world->target->slot);
  const MfpBus *bus = guest ? mfp_guest_bus (guest, slot.bus) : NULL;

  if (!bus)
    g_error ("the domain has no bus for slot %s", world->target->slot);
  world->bus = mfp_guest_bus_qemu_name (guest, bus);
  world->card = make_whole_card (world->target->card, &slot);
  world->other = make_other_card (world->ops, world->target->other, &slot);
}

static void
leave_world (World *world)
{
  mfp_card_free (world->card);
  mfp_card_free (world->other);
  g_free (world->bus);
}

typedef void (*Check) (World *world);

/**
 * Trial:
 * @target: what the command line names
 * @libvirt: (nullable): a connection; NULL: the model
 *
 * One rule and what to try it on.
 */
typedef struct
{
  Check check;
  const Target *target;
  MfpLibvirt *libvirt;
} Trial;

static void
check_rule (World *world, Check check)
{
  gint64 start = world->ops->now (world->ops);

  enter_world (world);
  check (world);
  restore (world);
  leave_world (world);
  g_test_message ("%.1f s", (double) (world->ops->now (world->ops) - start) / G_TIME_SPAN_SECOND);
}

static void
test_on_fake (const Trial *trial)
{
  g_autoptr (Fake) fake = fake_new (FAKE_ACPI, 1);
  g_autofree char *live = fake_describe_live (fake);
  g_autofree char *config = fake_describe_config (fake);
  g_autofree char *live_after = NULL;
  g_autofree char *config_after = NULL;
  World world = {
    .ops = fake_ops (fake),
    .stop = stop_fake,
    .go = let_fake_go,
    .fake = fake,
    .target = trial->target,
  };

  check_rule (&world, trial->check);
  live_after = fake_describe_live (fake);
  config_after = fake_describe_config (fake);
  g_assert_cmpstr (live_after, ==, live);
  g_assert_cmpstr (config_after, ==, config);
  g_assert_cmpstr (fake_violation (fake), ==, NULL);
}

static World
real_world (MfpLibvirt *libvirt, const Target *target)
{
  return (World){
    .ops = mfp_libvirt_api.ops (libvirt),
    .stop = stop_domain,
    .go = let_domain_go,
    .target = target,
  };
}

static void
test_on_libvirt (const Trial *trial)
{
  World world = real_world (trial->libvirt, trial->target);

  check_rule (&world, trial->check);
}

static void
test_rule (gconstpointer data)
{
  const Trial *trial = data;

  if (trial->libvirt)
    test_on_libvirt (trial);
  else
    test_on_fake (trial);
}

/* ---- the command line ---- */

static Target
parse_command_line (int argc, char **argv)
{
  Target target = { .card = "0000:01:00", .other = "0000:02:00", .slot = "0000:03:00" };
  const GOptionEntry entries[] = {
    { "connect", 'c', G_OPTION_FLAG_NONE, G_OPTION_ARG_STRING, &target.uri,
      "try the rules on a real domain", "URI" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[DOMAIN CARD OTHERCARD SLOT]");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  if (argc != (target.uri ? 5 : 1))
    g_error ("usage: test-rules [--connect URI DOMAIN CARD OTHERCARD SLOT]");
  if (target.uri)
    {
      target.domain = argv[1];
      target.card = argv[2];
      target.other = argv[3];
      target.slot = argv[4];
    }
  return target;
}

static MfpLibvirt *
open_libvirt (const Target *target)
{
  MfpInterrupt *interrupt = mfp_interrupt_new ("interrupted", 1);
  g_autoptr (GError) error = NULL;
  MfpLibvirt *libvirt = mfp_libvirt_api.open (target->uri, FALSE, interrupt, NULL, &error);

  if (!libvirt || !mfp_libvirt_api.use_domain (libvirt, target->domain, &error))
    g_error ("%s", error->message);
  return libvirt;
}

/* Nothing that is in use may be put "back". */
static void
check_idle (MfpLibvirt *libvirt, const Target *target)
{
  World world = real_world (libvirt, target);

  enter_world (&world);
  if (!all_at_home (&world, world.card) || !all_at_home (&world, world.other)
      || in_domain (&world, world.card, MFP_CONFIG) || in_domain (&world, world.other, MFP_CONFIG))
    g_error ("%s and %s, with all of their IOMMU groups, have to be on host drivers, and '%s' "
             "may not have them",
             target->card, target->other, target->domain);
  leave_world (&world);
}

static int
run_rules (const Target *target, MfpLibvirt *libvirt)
{
  Trial trials[G_N_ELEMENTS (rules)];

  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autofree char *path = g_strconcat ("/rules/", rules[i].claim, NULL);

      trials[i] = (Trial){ rules[i].check, target, libvirt };
      g_test_add_data_func (path, &trials[i], test_rule);
    }
  return g_test_run ();
}

int
main (int argc, char **argv)
{
  MfpLibvirt *libvirt = NULL;
  Target target;
  int status;

  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  target = parse_command_line (argc, argv);
  if (target.uri)
    {
      libvirt = open_libvirt (&target);
      check_idle (libvirt, &target);
    }
  status = run_rules (&target, libvirt);
  mfp_libvirt_api.free (libvirt);
  g_free (target.uri);
  return status;
}
