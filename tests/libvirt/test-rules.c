/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of libvirt, QEMU and the kernel that the program relies on and that the fake
 * libvirt follows. Each is a small scenario on the functions of src/libvirt. test-rules tests
 * them on the fake. test-rules-on-libvirt tests the same rules on a real libvirt, QEMU and
 * kernel, which shows that the fake follows the real rules.
 *
 * Each rule leaves everything as it was before.
 *
 * Two rules are not tested, because breaking them damages a real host. The fake records a
 * violation of either:
 *  - A function must not be reattached while QEMU has another function of its IOMMU group.
 *    The kernel refuses, and leaves the function without a driver. A kernel before 5.19
 *    crashes with a BUG().
 *  - libvirt must not drop a device that QEMU still has.
 */
#include "config.h"

#include "libvirt/rules.h"

#include "base/error.h"
#include "libvirt/domain.h"
#include "libvirt/events.h"
#include "libvirt/loop.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"
#include "model/hostdev-xml.h"

#include <string.h>

#define PATIENCE (180 * G_TIME_SPAN_SECOND) /* for an emulated guest on a busy machine */
#define MOMENT (3 * G_TIME_SPAN_SECOND)     /* in which a running guest would have acted */
#define TICK (500 * G_TIME_SPAN_MILLISECOND)
#define LAST 3 /* functions 0 to 3 are the card, and its IOMMU group */
#define F0 1u
#define F1 2u
#define F2 4u
#define RECORD_1 "rule-1"
#define RECORD_2 "rule-2"

/**
 * World:
 * @card: each of its functions gets the same number in the guest
 * @other: another card: only its function 0 goes to the guest, and the rest of its IOMMU
 *   group is unassigned
 * @bus: QEMU's name for the bus of their slot
 *
 * What a rule is tested on.
 */
typedef struct
{
  Rig *rig;
  MfpLibvirt *libvirt;
  MfpCard *card;
  MfpCard *other;
  char *bus;
} World;

/* Assertions are not fatal, so that a rule that fails still restores the state for the next
 * one. A rule goes on after a failed assertion, so a pointer may be NULL. */

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

/* ---- reading ---- */

static MfpFunction *
function_of (const MfpCard *card, guint number)
{
  return g_ptr_array_index (card->functions, number);
}

static MfpGuest *
read_guest (const World *world, MfpForm form)
{
  g_autoptr (GError) error = NULL;
  MfpGuest *guest = mfp_domain_read (world->libvirt, form, &error);

  assert_done (guest != NULL, &error);
  return guest;
}

/* The functions of @card that the domain has, as bits: F0 for the first. */
static guint
in_domain (const World *world, const MfpCard *card, MfpForm form)
{
  g_autoptr (MfpGuest) guest = read_guest (world, form);
  guint which = 0;

  for (guint i = 0; guest && i < card->functions->len; i++)
    if (mfp_guest_find_host (guest, &function_of (card, i)->host))
      which |= 1u << i;
  return which;
}

/* The functions of @card that QEMU has, as bits. */
static guint
in_qemu (const World *world, const MfpCard *card)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) ids = mfp_qemu_list_devices (world->libvirt, &error);
  guint which = 0;

  assert_done (ids != NULL, &error);
  for (guint i = 0; ids && i < card->functions->len; i++)
    if (g_hash_table_contains (ids, function_of (card, i)->alias))
      which |= 1u << i;
  return which;
}

/* Asserts that the domain and QEMU have exactly these functions of @card. */
static void
assert_has (const World *world, const MfpCard *card, guint domain, guint qemu)
{
  g_assert_cmphex (in_domain (world, card, MFP_LIVE), ==, domain);
  g_assert_cmphex (in_qemu (world, card), ==, qemu);
}

static char *
driver_of (const World *world, const MfpFunction *function)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpHostFunction) now
      = mfp_node_device_read_at (world->libvirt, &function->host, &error);

  assert_done (now != NULL, &error);
  return now ? g_strdup (now->driver) : NULL;
}

static gboolean
is_on_vfio (const World *world, const MfpFunction *function)
{
  g_autofree char *driver = driver_of (world, function);

  return mfp_driver_is_vfio (driver);
}

static gboolean
is_on_host_driver (const World *world, const MfpFunction *function)
{
  g_autofree char *driver = driver_of (world, function);

  return driver && !mfp_driver_is_vfio (driver);
}

static gboolean
are_on_host_drivers (const World *world, const MfpCard *card)
{
  for (guint i = 0; i < card->functions->len; i++)
    if (!is_on_host_driver (world, function_of (card, i)))
      return FALSE;
  return TRUE;
}

/* ---- waiting ---- */

static gboolean
is_never_over (gpointer data G_GNUC_UNUSED)
{
  return FALSE;
}

static void
let_pass (gint64 duration)
{
  g_autoptr (MfpTimer) timer = mfp_timer_new (duration);

  mfp_loop_wait (is_never_over, NULL, timer);
}

/* Waits until neither QEMU nor the domain has any of these @functions of @card. The domain
 * must not lose a function before QEMU does. */
static void
wait_until_gone (const World *world, const MfpCard *card, guint functions)
{
  g_autoptr (MfpTimer) limit = mfp_timer_new (PATIENCE);
  guint listed = in_domain (world, card, MFP_LIVE) & functions;
  guint domain, qemu;

  do
    {
      let_pass (TICK);
      domain = in_domain (world, card, MFP_LIVE) & functions;
      qemu = in_qemu (world, card) & functions;
      g_assert_cmphex (qemu & listed & ~domain, ==, 0);
    }
  while ((domain | qemu) != 0 && !mfp_timer_is_due (limit));
  g_assert_cmphex (domain | qemu, ==, 0);
}

/* ---- changing ---- */

static gboolean
detach_from_host (World *world, const MfpFunction *function, GError **error)
{
  g_autoptr (MfpNodeDevice) node = mfp_node_device_new (&function->host);

  return mfp_node_device_detach (world->libvirt, node, error);
}

static gboolean
reattach (World *world, const MfpFunction *function, GError **error)
{
  g_autoptr (MfpNodeDevice) node = mfp_node_device_new (&function->host);

  return mfp_node_device_reattach (world->libvirt, node, error);
}

static gboolean
attach (World *world, const MfpCard *card, const MfpFunction *function, MfpHostdevForm form,
        GError **error)
{
  g_autofree char *xml = mfp_hostdev_format (card, function, form);

  return mfp_domain_attach (world->libvirt, form == MFP_HOSTDEV_ASKED ? MFP_CONFIG : MFP_LIVE, xml,
                            function->alias, error);
}

static gboolean
attach_unassigned (World *world, const MfpFunction *function, GError **error)
{
  return attach (world, world->card, function, MFP_HOSTDEV_UNASSIGNED, error);
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

  return mfp_qemu_tell (world->libvirt, command, error);
}

static gboolean
unqueue (World *world, const MfpFunction *function, GError **error)
{
  g_autofree char *command = mfp_qmp_device_del (function->alias);

  return mfp_qemu_tell (world->libvirt, command, error);
}

static gboolean
detach_unassigned (World *world, const MfpFunction *function, GError **error)
{
  g_autofree char *xml = mfp_hostdev_format (world->card, function, MFP_HOSTDEV_UNASSIGNED);

  return mfp_domain_detach (world->libvirt, MFP_LIVE, xml, error);
}

static gboolean
detach_alias (World *world, const MfpFunction *function, GError **error)
{
  return mfp_domain_detach_alias (world->libvirt, function->alias, error);
}

/* Does a step that a rule needs first. The step must succeed. */
static void
require (World *world, gboolean (*act) (World *world, const MfpFunction *function, GError **error),
         const MfpFunction *function)
{
  g_autoptr (GError) error = NULL;
  gboolean done = act (world, function, &error);

  assert_done (done, &error);
}

static void
detach_all_from_host (World *world, const MfpCard *card)
{
  for (guint i = 0; i < card->functions->len; i++)
    if (!is_on_vfio (world, function_of (card, i)))
      require (world, detach_from_host, function_of (card, i));
}

/* Queues functions 1 to @last for function 0. */
static void
queue_up_to (World *world, guint last)
{
  for (guint i = 1; i <= last; i++)
    require (world, attach_unassigned, function_of (world->card, i));
  for (guint i = 1; i <= last; i++)
    require (world, queue, function_of (world->card, i));
}

/* Plugs functions 0 and 1, and attaches function 2 as unassigned. */
static void
plug_two (World *world)
{
  detach_all_from_host (world, world->card);
  queue_up_to (world, 1);
  require (world, attach_unassigned, function_of (world->card, 2));
  require (world, plug, function_of (world->card, 0));
}

/* ---- rules: what libvirt attaches ---- */

static void
nonzero_is_refused (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  detach_all_from_host (world, world->card);
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

  require (world, detach_from_host, first);
  require (world, attach_unassigned, first);
  done = attach_unassigned (world, second, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "must be manually detached");
  assert_has (world, world->card, F1, 0);
  g_assert_true (is_on_host_driver (world, second));

  /* QEMU still has access to the IOMMU group. */
  detach_all_from_host (world, world->card);
  require (world, queue, first);
}

static void
alias_twice_is_refused (World *world)
{
  const MfpFunction *first = function_of (world->card, 1), *second = function_of (world->card, 2);
  MfpFunction same = *second;
  g_autoptr (GError) error = NULL;
  gboolean done;

  same.alias = first->alias;
  detach_all_from_host (world, world->card);
  require (world, attach_unassigned, first);
  done = attach_unassigned (world, &same, &error);
  assert_refused (done, &error, MFP_ERROR_ALIAS_TAKEN, first->alias);
  assert_has (world, world->card, F1, 0);

  /* QEMU still has access to the IOMMU group. */
  require (world, queue, first);
}

static void
host_twice_is_refused (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  MfpFunction again = *function;
  g_autoptr (GError) error = NULL;
  gboolean done;

  again.alias = (char *) "ua-rule-again";
  detach_all_from_host (world, world->card);
  require (world, attach_unassigned, function);
  done = attach_unassigned (world, &again, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "in use");
  assert_has (world, world->card, F1, 0);

  /* QEMU still has access to the IOMMU group. */
  require (world, queue, function);
}

static void
unassigned_is_not_shown (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  g_autoptr (MfpGuest) guest = NULL;
  const MfpGuestDevice *device;

  require (world, detach_from_host, function);
  require (world, attach_unassigned, function);
  assert_has (world, world->card, F1, 0);
  guest = read_guest (world, MFP_LIVE);
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

  detach_all_from_host (world, world->card);
  detach_all_from_host (world, world->other);
  require (world, plug, function_of (world->card, 0));
  done = attach (world, world->other, other, MFP_HOSTDEV_PLUG, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "double use of PCI Address");
  assert_has (world, world->other, 0, 0);
  assert_has (world, world->card, F0, F0);
}

static void
failed_plug_takes_access (World *world)
{
  const MfpFunction *unassigned = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  detach_all_from_host (world, world->card);
  require (world, attach_unassigned, unassigned);
  done = plug (world, function_of (world->card, 2), &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "function=0");
  done = queue (world, unassigned, &error);
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

  detach_all_from_host (world, world->card);
  queue_up_to (world, 1);
  assert_has (world, world->card, F1, F1);
  pci = mfp_qemu_query_pci (world->libvirt, NULL);
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

  detach_all_from_host (world, world->card);
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
  detach_all_from_host (world, world->card);
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

  detach_all_from_host (world, world->card);
  require (world, attach_unassigned, late);
  require (world, plug, function_of (world->card, 0));
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

  detach_all_from_host (world, world->card);
  detach_all_from_host (world, world->other);
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

  require (world, detach_from_host, zero);
  require (world, detach_from_host, one);
  require (world, attach_unassigned, one);
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
  detach_all_from_host (world, world->card);
  queue_up_to (world, 2);
  require (world, plug, function_of (world->card, 0));
  assert_has (world, world->card, F0 | F1 | F2, F0 | F1 | F2);
}

/* ---- rules: what leaves ---- */

static void
whole_slot_leaves (World *world)
{
  plug_two (world);
  require (world, detach_alias, function_of (world->card, 0));
  wait_until_gone (world, world->card, F0 | F1);
  /* The guest never had function 2. */
  assert_has (world, world->card, F2, 0);
}

static void
stopped_guest_keeps_all (World *world)
{
  plug_two (world);
  rig_stop_guest (world->rig);
  require (world, detach_alias, function_of (world->card, 0));
  let_pass (MOMENT);
  assert_has (world, world->card, F0 | F1 | F2, F0 | F1);
  rig_resume_guest (world->rig);
  wait_until_gone (world, world->card, F0 | F1);
}

/* QEMU before 7.2.3 refused a second request (MFP_ERROR_BUSY). A native PCIe port still does
 * so for some time. */
static void
request_twice (World *world)
{
  plug_two (world);
  rig_stop_guest (world->rig);
  require (world, detach_alias, function_of (world->card, 0));
  require (world, detach_alias, function_of (world->card, 0));
  assert_has (world, world->card, F0 | F1 | F2, F0 | F1);
}

static void
queue_is_ejected_whole (World *world)
{
  const MfpFunction *first = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  detach_all_from_host (world, world->card);
  queue_up_to (world, 2);
  require (world, unqueue, first);
  wait_until_gone (world, world->card, F1 | F2);
  done = unqueue (world, first, &error);
  assert_refused (done, &error, MFP_ERROR_NOT_FOUND, "not found");
  done = unqueue (world, function_of (world->card, 2), &error);
  assert_refused (done, &error, MFP_ERROR_NOT_FOUND, "not found");
  assert_has (world, world->card, 0, 0);
}

static void
unassigned_leaves_at_once (World *world)
{
  const MfpFunction *first = function_of (world->card, 1), *second = function_of (world->card, 2);

  require (world, detach_from_host, first);
  require (world, detach_from_host, second);
  require (world, attach_unassigned, first);
  require (world, attach_unassigned, second);
  rig_stop_guest (world->rig);
  require (world, detach_unassigned, first);
  assert_has (world, world->card, F2, 0);
  require (world, detach_alias, second);
  assert_has (world, world->card, 0, 0);
  g_assert_true (is_on_vfio (world, first));
}

static void
absent_is_not_found (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  g_autofree char *host = mfp_function_describe (function);
  g_autoptr (GError) error = NULL;
  gboolean done = detach_unassigned (world, function, &error);

  assert_refused (done, &error, MFP_ERROR_NOT_FOUND, host);
  done = detach_alias (world, function, &error);
  assert_refused (done, &error, MFP_ERROR_NOT_FOUND, function->alias);
}

static void
detach_takes_access (World *world)
{
  const MfpFunction *stays = function_of (world->card, 1), *leaves = function_of (world->card, 2);
  g_autoptr (GError) error = NULL;
  gboolean done;

  detach_all_from_host (world, world->card);
  require (world, attach_unassigned, stays);
  require (world, attach_unassigned, leaves);
  require (world, detach_unassigned, leaves);
  done = queue (world, stays, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "/dev/vfio/");
  assert_has (world, world->card, F1, 0);

  require (world, attach_unassigned, leaves);
  require (world, queue, stays);
}

static void
open_group_needs_no_access (World *world)
{
  const MfpFunction *leaves = function_of (world->card, 2);

  detach_all_from_host (world, world->card);
  queue_up_to (world, 1);
  require (world, attach_unassigned, leaves);
  require (world, detach_unassigned, leaves);
  require (world, queue, leaves);
  assert_has (world, world->card, F1, F1 | F2);
}

static GPtrArray *
alias_of (const MfpFunction *function)
{
  GPtrArray *aliases = g_ptr_array_new ();

  g_ptr_array_add (aliases, function->alias);
  return aliases;
}

static gboolean
is_reported (const World *world, const MfpFunction *function)
{
  g_autoptr (GPtrArray) aliases = alias_of (function);

  return mfp_events_all_removed (world->libvirt, aliases);
}

/* Waits for the report of @function's removal, and returns as soon as it arrives. */
static void
wait_for_report (World *world, const MfpFunction *function)
{
  g_autoptr (GPtrArray) aliases = alias_of (function);
  g_autoptr (MfpTimer) limit = mfp_timer_new (PATIENCE);
  g_autofree char *rejected = NULL;
  g_autoptr (GError) error = NULL;
  gboolean done
      = mfp_events_wait (world->libvirt, aliases, PATIENCE, limit, &rejected, &error);

  assert_done (done, &error);
  g_assert_cmpstr (rejected, ==, NULL);
  g_assert_true (is_reported (world, function));
}

static void
removals_are_reported (World *world)
{
  g_autoptr (GError) error = NULL;
  gboolean done;

  plug_two (world);
  done = mfp_events_listen (world->libvirt, &error);
  assert_done (done, &error);
  require (world, detach_alias, function_of (world->card, 0));
  g_assert_false (is_reported (world, function_of (world->card, 0)));
  for (guint i = 0; i < 2; i++)
    {
      wait_for_report (world, function_of (world->card, i));
      g_assert_cmphex (in_domain (world, world->card, MFP_LIVE) & (1u << i), ==, 0);
      g_assert_cmphex (in_qemu (world, world->card), ==, 0);
    }
  g_assert_false (is_reported (world, function_of (world->card, 2)));
  assert_has (world, world->card, F2, 0);
}

/* ---- rules: the host's side ---- */

static void
host_changes_driver (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);

  require (world, detach_from_host, function);
  g_assert_true (is_on_vfio (world, function));
  require (world, detach_from_host, function);
  g_assert_true (is_on_vfio (world, function));
  g_assert_true (is_on_host_driver (world, function_of (world->card, 2)));
  require (world, reattach, function);
  g_assert_true (is_on_host_driver (world, function));
}

static void
attached_stays (World *world)
{
  const MfpFunction *function = function_of (world->card, 1);
  g_autoptr (GError) error = NULL;
  gboolean done;

  require (world, detach_from_host, function);
  require (world, attach_unassigned, function);
  done = detach_from_host (world, function, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "in use");
  done = reattach (world, function, &error);
  assert_refused (done, &error, MFP_ERROR_FAILED, "in use");
  g_assert_true (is_on_vfio (world, function));
  assert_has (world, world->card, F1, 0);
}

static void
no_such_function (World *world)
{
  MfpPciAddress address = { .domain = 0xffff, .bus = 0xfe, .slot = 0x1f, .function = 7 };
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpHostFunction) function = mfp_node_device_read_at (world->libvirt, &address, &error);

  assert_refused (function != NULL, &error, MFP_ERROR_NOT_FOUND, "");
}

static void
group_is_whole (World *world)
{
  const MfpPciAddress *address = &function_of (world->card, 1)->host;
  g_autoptr (MfpHostFunction) function = mfp_node_device_read_at (world->libvirt, address, NULL);

  g_assert_nonnull (function);
  if (!function)
    return;
  g_assert_cmpuint (function->group->len, >=, world->card->functions->len);
  g_assert_cmpint (function->iommu_group, !=, MFP_NO_IOMMU_GROUP);
}

static void
list_is_whole (World *world)
{
  const MfpPciAddress *device = &function_of (world->card, LAST)->host;
  g_autoptr (GArray) hosts = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  g_autoptr (GPtrArray) functions = NULL;
  g_autoptr (GError) error = NULL;

  g_array_append_val (hosts, *device);
  functions = mfp_node_devices_read_slots (world->libvirt, hosts, &error);
  assert_done (functions != NULL, &error);
  for (guint i = 0; functions && i < world->card->functions->len; i++)
    g_assert_nonnull (mfp_host_function_find (functions, &function_of (world->card, i)->host));
}

/* ---- rules: the domain's documents ---- */

static gboolean
write_record (World *world, const MfpRecord *record, GError **error)
{
  g_autofree char *uri = mfp_record_uri (record->id);
  g_autofree char *xml = mfp_record_format (record);

  return mfp_domain_set_metadata (world->libvirt, uri, xml, error);
}

static gboolean
erase_record (World *world, const char *id, GError **error)
{
  g_autofree char *uri = mfp_record_uri (id);

  return mfp_domain_set_metadata (world->libvirt, uri, NULL, error);
}

/* The domain's records called @id, as text. */
static char *
read_records (const World *world, const char *id)
{
  g_autoptr (MfpGuest) guest = read_guest (world, MFP_LIVE);
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
record_is_read (World *world)
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

  second->detaching = g_strdup ("rule");
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

  return mfp_domain_detach (world->libvirt, MFP_CONFIG, xml, error);
}

static void
persistent_takes_any_function (World *world)
{
  g_autoptr (MfpGuest) guest = NULL;

  require (world, define, function_of (world->card, 0));
  require (world, define, function_of (world->card, 1));
  guest = read_guest (world, MFP_CONFIG);
  for (guint i = 0; guest && i < 2; i++)
    {
      const MfpGuestDevice *device
          = mfp_guest_find_host (guest, &function_of (world->card, i)->host);
      MfpPciAddress wanted = mfp_pci_address_with_function (&world->card->slot, i);

      g_assert_true (device && device->has_address && device->managed);
      g_assert_true (device && mfp_pci_address_equal (&device->address, &wanted));
    }
  g_assert_true (is_on_host_driver (world, function_of (world->card, 0)));
  assert_has (world, world->card, 0, 0);
}

static void
persistent_refuses_twice (World *world)
{
  g_autoptr (GError) error = NULL;
  gboolean done;

  require (world, define, function_of (world->card, 0));
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
  { "a-function-that-the-domain-has-is-refused", host_twice_is_refused },
  { "an-unassigned-function-is-not-in-qemu", unassigned_is_not_shown },
  { "a-plug-at-an-occupied-address-is-refused", taken_address_is_refused },
  { "a-failed-plug-takes-away-the-access-to-its-group", failed_plug_takes_access },
  { "device-add-of-a-function-other-than-0-queues-it", device_add_queues },
  { "device-add-of-an-id-twice-is-refused", id_twice_is_refused },
  { "device-add-at-an-occupied-address-is-refused", taken_place_is_refused },
  { "device-add-beside-a-function-0-is-refused", late_function_is_refused },
  { "a-single-function-device-over-queued-ones-is-refused", single_function_is_refused },
  { "qemu-opens-no-function-while-another-of-its-group-has-a-host-driver", group_must_be_viable },
  { "function-0-is-plugged-over-queued-ones", function_0_shows_all },
  { "detach-of-function-0-removes-the-slot-from-qemu-and-then-from-the-xml", whole_slot_leaves },
  { "a-stopped-guest-keeps-everything-until-it-resumes", stopped_guest_keeps_all },
  { "a-second-request-is-accepted-and-changes-nothing-while-the-guest-is-stopped",
    request_twice },
  { "libvirt-reports-each-removal-after-the-function-has-left-the-xml", removals_are_reported },
  { "device-del-of-a-queued-function-removes-the-whole-queue", queue_is_ejected_whole },
  { "an-unassigned-function-leaves-at-once-even-if-the-guest-is-stopped",
    unassigned_leaves_at_once },
  { "detach-of-an-absent-device-is-not-found", absent_is_not_found },
  { "detaching-a-function-takes-away-the-access-to-its-group-until-it-is-attached-again",
    detach_takes_access },
  { "qemu-needs-no-access-to-a-group-that-it-has-open", open_group_needs_no_access },
  { "detach-and-reattach-change-the-driver-of-one-host-function", host_changes_driver },
  { "a-function-that-the-domain-has-is-neither-detached-nor-reattached", attached_stays },
  { "a-function-that-does-not-exist-is-not-found", no_such_function },
  { "the-list-of-pci-devices-names-every-function-of-a-card", list_is_whole },
  { "a-host-function-names-its-whole-group", group_is_whole },
  { "a-record-is-read-as-it-was-written", record_is_read },
  { "an-absent-record-can-be-erased", absent_record_is_erased },
  { "the-persistent-xml-takes-any-function", persistent_takes_any_function },
  { "the-persistent-xml-refuses-a-function-and-an-address-twice", persistent_refuses_twice },
  { "detach-of-an-absent-device-from-the-persistent-xml-is-not-found",
    persistent_absent_is_not_found },
};

/* ---- the state before a rule ---- */

/* Asks QEMU to remove the functions that it has of @card. The removal of function 0, or of
 * any queued function, removes the others too. */
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
        detach_unassigned (world, function_of (card, i), NULL);
      if (config & (1u << i))
        undefine (world, function_of (card, i), NULL);
    }
  assert_has (world, card, 0, 0);
  g_assert_cmphex (in_domain (world, card, MFP_CONFIG), ==, 0);
}

/* QEMU may hold the group for a moment after the last function has left. */
static void
reattach_card (World *world, const MfpCard *card)
{
  g_autoptr (MfpTimer) limit = mfp_timer_new (PATIENCE);

  while (!are_on_host_drivers (world, card) && !mfp_timer_is_due (limit))
    for (guint i = 0; i < card->functions->len; i++)
      if (!is_on_host_driver (world, function_of (card, i))
          && !reattach (world, function_of (card, i), NULL))
        let_pass (TICK);
  g_assert_true (are_on_host_drivers (world, card));
}

static void
restore_card (World *world, const MfpCard *card)
{
  empty_qemu (world, card);
  empty_domain (world, card);
  reattach_card (world, card);
}

static void
restore (World *world)
{
  rig_resume_guest (world->rig);
  restore_card (world, world->card);
  restore_card (world, world->other);
  erase_record (world, RECORD_1, NULL);
  erase_record (world, RECORD_2, NULL);
}

/* ---- a rule ---- */

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

/* All functions of the host device at @text, with the same numbers in the guest. */
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

/* Function 0 of the host device at @text, and the rest of its group. */
static MfpCard *
make_other_card (MfpLibvirt *libvirt, const char *text, const MfpPciAddress *slot)
{
  MfpCard *card = make_card (slot);
  MfpPciAddress zero = parse_slot (text);
  g_autoptr (MfpHostFunction) function = mfp_node_device_read_at (libvirt, &zero, NULL);

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
enter_world (World *world, Rig *rig)
{
  const RigTarget *target = rig_target (rig);
  MfpPciAddress slot = parse_slot (target->slot);
  g_autoptr (MfpGuest) guest = NULL;
  const MfpBus *bus;

  world->rig = rig;
  world->libvirt = rig_enter (rig);
  guest = read_guest (world, MFP_LIVE);
  bus = guest ? mfp_guest_bus (guest, slot.bus) : NULL;
  if (!bus)
    g_error ("the domain has no bus for slot %s", target->slot);
  world->bus = mfp_guest_bus_qemu_name (guest, bus);
  world->card = make_whole_card (target->card, &slot);
  world->other = make_other_card (world->libvirt, target->other, &slot);
}

static void
leave_world (World *world)
{
  rig_leave (world->rig, world->libvirt);
  mfp_card_free (world->card);
  mfp_card_free (world->other);
  g_free (world->bus);
}

/* Restoring the state reattaches functions, so none of them may be in use before the test. */
static void
check_idle (World *world)
{
  const RigTarget *target = rig_target (world->rig);

  if (!are_on_host_drivers (world, world->card) || !are_on_host_drivers (world, world->other)
      || in_domain (world, world->card, MFP_CONFIG) || in_domain (world, world->other, MFP_CONFIG))
    g_error ("%s and %s, with all of their IOMMU groups, have to be on host drivers, and '%s' "
             "may not have them",
             target->card, target->other, target->domain);
}

typedef struct
{
  Rig *rig;
  void (*check) (World *world);
} Trial;

static void
test_rule (gconstpointer data)
{
  const Trial *trial = data;
  World world;

  g_test_timer_start ();
  enter_world (&world, trial->rig);
  trial->check (&world);
  restore (&world);
  leave_world (&world);
  g_test_message ("%.1f s", g_test_timer_elapsed ());
}

static void
check_rig (Rig *rig)
{
  World world;

  enter_world (&world, rig);
  check_idle (&world);
  leave_world (&world);
}

static int
run_rules (Rig *rig)
{
  Trial trials[G_N_ELEMENTS (rules)];

  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autofree char *path = g_strconcat ("/rules/", rules[i].claim, NULL);

      trials[i] = (Trial){ rig, rules[i].check };
      g_test_add_data_func (path, &trials[i], test_rule);
    }
  return g_test_run ();
}

int
main (int argc, char **argv)
{
  Rig *rig;
  int status;

  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  rig = rig_new (argc, argv);
  check_rig (rig);
  status = run_rules (rig);
  rig_free (rig);
  return status;
}
