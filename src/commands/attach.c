/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attach: words or a document -> host functions -> guest slot -> plan ->
 * print it or run it -> report.
 */
#include "config.h"

#include "base/error.h"
#include "base/text.h"
#include "commands/document.h"
#include "commands/run-plan.h"
#include "libvirt/domains.h"
#include "libvirt/node-devices.h"
#include "model/hostdev-xml.h"
#include "model/slots.h"
#include "plan/preflight.h"

#include <string.h>

typedef struct
{
  MfpCommonOptions common;
  char *functions;
  char *rest;
  char *slot;
  char *managed;
  int wait;
} Options;

static void
options_clear (Options *options)
{
  mfp_common_options_clear (&options->common);
  g_free (options->functions);
  g_free (options->rest);
  g_free (options->slot);
  g_free (options->managed);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* What the words and options ask for, read and checked. */
typedef struct
{
  GArray *selections; /* NULL with a document */
  MfpCard *document;  /* NULL with words */
  MfpRest rest;
  gboolean has_slot;
  MfpPciAddress slot;
} Request;

static void
request_clear (Request *request)
{
  g_clear_pointer (&request->selections, g_array_unref);
  g_clear_pointer (&request->document, mfp_card_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Request, request_clear)

/* Reads an option that takes one of two words; the first is the default. */
static gboolean
parse_choice (const char *option, const char *value, const char *first, const char *second,
              gboolean *is_second, GError **error)
{
  *is_second = g_strcmp0 (value, second) == 0;
  if (!value || *is_second || strcmp (value, first) == 0)
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_USAGE, "--%s takes %s or %s, not '%s'", option, first,
               second, value);
  return FALSE;
}

static gboolean
read_attach_request (const Options *options, const GStrv arguments, Request *request,
                     GError **error)
{
  gboolean unassigned, unmanaged;

  if (!mfp_options_check_words ("attach", arguments, &options->common, error))
    return FALSE;
  if (options->common.file && (options->functions || options->rest))
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_USAGE,
                           "--functions and --rest cannot be used with --file");
      return FALSE;
    }
  if (!parse_choice ("rest", options->rest, "keep", "unassigned", &unassigned, error)
      || !parse_choice ("managed", options->managed, "yes", "no", &unmanaged, error))
    return FALSE;
  request->rest = unassigned ? MFP_REST_UNASSIGNED : MFP_REST_KEEP;
  request->has_slot = options->slot != NULL;
  if (options->slot && !mfp_pci_address_parse_slot (options->slot, &request->slot, error))
    return FALSE;
  if (options->common.file)
    return (request->document = mfp_document_read (options->common.file, error)) != NULL;
  request->selections = mfp_selection_parse ((const char *const *) arguments + 1,
                                             options->functions, error);
  return request->selections != NULL;
}

/**
 * Host:
 * @devices: (element-type MfpHostFunction): all functions of the devices asked for
 * @others: (element-type MfpHostFunction): the further members of their IOMMU groups
 */
typedef struct
{
  GPtrArray *devices;
  GPtrArray *others;
} Host;

static void
host_clear (Host *host)
{
  g_clear_pointer (&host->devices, g_ptr_array_unref);
  g_clear_pointer (&host->others, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Host, host_clear)

static gboolean
read_host (MfpSession *session, const Request *request, Host *host, GError **error)
{
  g_autoptr (GArray) selections = request->document ? mfp_card_to_selections (request->document)
                                                    : g_array_ref (request->selections);
  g_autoptr (GArray) hosts = mfp_selection_hosts (selections);

  host->devices = mfp_node_devices_read_slots (session->libvirt, hosts, error);
  if (host->devices)
    host->others = mfp_node_devices_read_groups (session->libvirt, host->devices, error);
  if (!host->others)
    mfp_error_refuse (error);
  return host->others != NULL;
}

/* @card's functions and the further members of their IOMMU groups:
 * (element-type MfpHostFunction), owned by @host. */
static GPtrArray *
list_concerned (const MfpCard *card, const Host *host)
{
  GPtrArray *wanted = g_ptr_array_new ();

  for (guint i = 0; i < host->devices->len + host->others->len; i++)
    {
      MfpHostFunction *function
          = i < host->devices->len
                ? g_ptr_array_index (host->devices, i)
                : g_ptr_array_index (host->others, i - host->devices->len);

      if (mfp_preflight_concerns (card, function))
        g_ptr_array_add (wanted, function);
    }
  return wanted;
}

static GArray *
addresses_of (const GPtrArray *functions)
{
  GArray *addresses = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < functions->len; i++)
    g_array_append_val (addresses,
                        ((const MfpHostFunction *) g_ptr_array_index (functions, i))->address);
  return addresses;
}

/* Refuses a physical function whose virtual functions would vanish. Asks libvirt who has those
 * only if there are any. */
static gboolean
check_physical (const MfpSession *session, const MfpCard *card, const Host *host, GError **error)
{
  g_autoptr (GArray) addresses = mfp_preflight_list_virtual (card, host->devices);
  g_autoptr (GPtrArray) functions = NULL, others = NULL, uses = NULL, guests = g_ptr_array_new ();
  g_autoptr (MfpGuest) own = NULL;

  if (addresses->len == 0)
    return TRUE;
  functions = mfp_node_devices_read (session->libvirt, addresses, error);
  others = functions ? mfp_domains_read_others (session->libvirt, error) : NULL;
  uses = others ? mfp_node_devices_find_uses (session->libvirt, addresses, MFP_USE_NETWORK, error)
                : NULL;
  if (!uses)
    {
      mfp_error_refuse (error);
      return FALSE;
    }
  g_ptr_array_extend (guests, others, NULL, NULL);
  own = mfp_domain_read (session->libvirt, MFP_LIVE, error);
  if (!own)
    {
      mfp_error_refuse (error);
      return FALSE;
    }
  g_ptr_array_add (guests, own);
  return mfp_preflight_physical (card, host->devices, functions, guests, uses, error);
}

/* Makes the card of the request, as the host has it. */
static MfpCard *
make_card (const MfpSession *session, const Options *options, Request *request,
           const Host *host, GError **error)
{
  MfpForm form = session->live ? MFP_LIVE : MFP_CONFIG;
  g_autoptr (MfpCard) card
      = request->document ? g_steal_pointer (&request->document)
                          : mfp_card_from_selections (request->selections, host->devices,
                                                      request->rest, error);

  if (!card)
    return NULL;
  for (guint i = 0; options->managed && i < card->functions->len; i++)
    ((MfpFunction *) g_ptr_array_index (card->functions, i))->managed
        = strcmp (options->managed, "yes") == 0;
  if (!check_physical (session, card, host, error)
      || !mfp_preflight_host (card, host->devices, host->others, form, error))
    return NULL;
  mfp_card_adopt_drivers (card, host->devices, form);
  return g_steal_pointer (&card);
}

/* ---- the guest ---- */

/**
 * Place:
 * @bus: QEMU's name of the bus
 * @running: for a plan; refers to @bus
 *
 * What a plan has to know of the running guest.
 */
typedef struct
{
  char *bus;
  MfpRunning running;
} Place;

static void
place_clear (Place *place)
{
  g_clear_pointer (&place->bus, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)

static gboolean
find_place (const MfpSession *session, const MfpCard *card, Place *place, GError **error)
{
  const MfpGuest *live = session->live;

  place->bus = mfp_guest_bus_qemu_name (live, mfp_guest_bus (live, card->slot.bus));
  place->running = (MfpRunning){ .id = live->id, .bus = place->bus };
  if (place->bus)
    return mfp_run_plan_find_unplug (session, &place->running.unplug, error);
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "libvirt gives no alias for the controller of guest bus %u", card->slot.bus);
  return FALSE;
}

/* Asks QEMU, too, whether the running guest has the card, and with --wait
 * goes on waiting for the guest. */
static gboolean
verify_present (const MfpSession *session, const MfpInvocation *invocation,
                const Options *options, MfpCard *card, GError **error)
{
  g_auto (Place) place = { 0 };
  MfpPlan *plan;
  gboolean verified;

  if (!find_place (session, card, &place, error))
    return FALSE;
  mfp_card_adopt_aliases (card, session->live);
  plan = mfp_plan_verify (card, &place.running,
                          options->wait ? MFP_PLAN_ENUMERATE : MFP_PLAN_DEFAULT);
  verified = mfp_run_plan (session, invocation, &options->common, plan, error);
  plan->card = NULL;
  mfp_plan_free (plan);
  if (!verified && mfp_error_is (*error, MFP_ERROR_FAILED))
    mfp_error_recode (error, MFP_ERROR_REFUSED);
  return verified;
}

/* Which forms of the domain have the card already. */
typedef struct
{
  MfpPresence live;
  MfpPresence config;
} Presence;

static gboolean
find_present_forms (const MfpSession *session, MfpCard *card, Presence *presence, GError **error)
{
  MfpPciAddress slot = card->slot;

  if (session->live
      && !mfp_preflight_presence (card, session->live, MFP_LIVE, &presence->live, &slot, error))
    return FALSE;
  if (session->config
      && !mfp_preflight_presence (card, session->config, MFP_CONFIG, &presence->config, &slot,
                                  error))
    return FALSE;
  if (presence->live == MFP_ABSENT && presence->config == MFP_ABSENT)
    return !session->live || mfp_preflight_absent (card, session->live, error);
  if (presence->live == MFP_PRESENT
      && !mfp_preflight_unfinished (card, session->live, MFP_UNFINISHED_DETACH, error))
    return FALSE;
  card->port = 0; /* the slot exists already */
  if (card->has_slot && !mfp_pci_address_equal (&slot, &card->slot))
    {
      g_autofree char *name = mfp_pci_address_format_slot (&slot);

      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "the card is attached in another guest slot, %s; detach it first", name);
      return FALSE;
    }
  card->slot = slot;
  card->has_slot = TRUE;
  return TRUE;
}

/* Leaves in @session only the forms that lack the card, and in @card the slot
 * where one of them has it. */
static gboolean
skip_present (MfpSession *session, const MfpInvocation *invocation, const Options *options,
              MfpCard *card, GError **error)
{
  Presence presence = { MFP_ABSENT, MFP_ABSENT };

  if (!find_present_forms (session, card, &presence, error))
    return FALSE;
  if (presence.live == MFP_PRESENT && !options->common.dry_run
      && !verify_present (session, invocation, options, card, error))
    return FALSE;
  if (presence.live == MFP_PRESENT)
    g_clear_pointer (&session->live, mfp_guest_free);
  if (presence.config == MFP_PRESENT)
    g_clear_pointer (&session->config, mfp_guest_free);
  return TRUE;
}

/* Where only the persistent XML is to be changed, a port can be added to it. */
static gboolean
plan_port (const MfpSession *session, MfpCard *card)
{
  if (session->live || !mfp_guest_plan_port (session->config, &card->port))
    return FALSE;
  card->slot = (MfpPciAddress){ .bus = (guint8) card->port };
  return TRUE;
}

/* Whether the port that a document asks for is the one that can be added. */
static gboolean
check_planned_port (const MfpSession *session, const MfpCard *card, GError **error)
{
  guint index;

  if (!session->live && mfp_guest_plan_port (session->config, &index) && index == card->port
      && card->slot.slot == 0)
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "a pcie-root-port with index %u cannot be added to domain '%s'%s", card->port,
               mfp_domain_name (session->libvirt),
               session->live ? " while it runs: use --config" : "");
  return FALSE;
}

/* Settles the guest slot: the one asked for, or a free one. */
static gboolean
settle_slot (const MfpSession *session, MfpCard *card, gboolean asked, const MfpSlotWish *wish,
             GError **error)
{
  g_autoptr (GError) local = NULL;

  if (asked && mfp_guest_bus (mfp_session_guest (session), card->slot.bus))
    card->port = 0;
  if (asked && card->port)
    return check_planned_port (session, card, error);
  if (asked)
    return mfp_guest_check_slot (session->live, session->config, &card->slot, error);
  card->has_slot = mfp_guest_choose_slot (session->live, session->config, wish, &card->slot, &local)
                   || plan_port (session, card);
  if (!card->has_slot)
    g_propagate_error (error, g_steal_pointer (&local));
  return card->has_slot;
}

/* On pseries the devices of one PCI host bridge share a fate: an error that
 * the host's hardware answers by isolating the card takes them along. */
static void
warn_of_sharing (const MfpSession *session, const MfpInvocation *invocation, const MfpCard *card,
                 const GArray *group)
{
  const MfpGuest *guest = mfp_session_guest (session);
  g_autofree char *name = mfp_shell_word (guest->name);

  if (mfp_guest_slot_is_shared (guest, &card->slot, group))
    mfp_warn (invocation,
              "the card shares guest bus %u, a PCI host bridge, with other devices; to give it one "
              "of its own at the next start: virt-xml --add-device --controller "
              "type=pci,model=pci-root %s",
              card->slot.bus, name);
}

/* What the functions of @card that are to be taken are in use for. */
static GPtrArray *
find_uses (const MfpSession *session, const MfpCard *card, const GPtrArray *devices,
           GError **error)
{
  g_autoptr (GArray) taken = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  MfpUseKinds kinds = 0;

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpHostFunction *host = mfp_host_function_find (devices, &function->host);

      if (!function->take)
        continue;
      g_array_append_val (taken, function->host);
      if (mfp_class_has_networks (host->class_code))
        kinds |= MFP_USE_NETWORK;
      if (mfp_class_has_disks (host->class_code))
        kinds |= MFP_USE_DISK;
      if (mfp_class_has_displays (host->class_code))
        kinds |= MFP_USE_DISPLAY;
    }
  return mfp_node_devices_find_uses (session->libvirt, taken, kinds, error);
}

static gboolean
has_use (const GPtrArray *uses, const MfpPciAddress *host)
{
  for (guint i = 0; i < uses->len; i++)
    if (mfp_host_use_is_of (g_ptr_array_index (uses, i), host))
      return TRUE;
  return FALSE;
}

/* Warns of controllers whose displays or disks libvirt does not list. */
static void
warn_of_controllers (const MfpInvocation *invocation, const MfpCard *card,
                     const GPtrArray *devices, const GPtrArray *uses)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpHostFunction *host = mfp_host_function_find (devices, &function->host);
      const char *what = mfp_class_describe_controller (host->class_code);
      g_autofree char *address = mfp_function_describe (function);

      if (function->take && function->driver && what && !has_use (uses, &function->host))
        mfp_warn (invocation, "with host function %s the host loses %s, which the driver %s uses",
                  address, what, function->driver);
    }
}

/* The person decides what the host can do without, and has to know of it. */
static void
warn_of_use (const MfpSession *session, const MfpInvocation *invocation, const MfpCard *card,
             const GPtrArray *devices)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) uses = find_uses (session, card, devices, &error);

  if (!uses)
    {
      mfp_warn (invocation, "what the host uses the card for is not known: %s", error->message);
      return;
    }
  for (guint i = 0; i < uses->len; i++)
    {
      const MfpHostUse *use = g_ptr_array_index (uses, i);
      MfpPciAddress address;
      g_autofree char *host = NULL;

      mfp_pci_address_parse_node_name (use->parent, &address);
      host = mfp_pci_address_format (&address);
      mfp_warn (invocation, "with host function %s the host loses %s", host, use->text);
    }
  warn_of_controllers (invocation, card, devices, uses);
}

/* ---- the plan ---- */

static MfpPlan *
plan_attach (const MfpSession *session, MfpCard *card, const Options *options, GError **error)
{
  g_auto (Place) place = { 0 };
  MfpPlanFlags flags = (session->config ? MFP_PLAN_CONFIG : 0)
                       | (options->wait ? MFP_PLAN_ENUMERATE : 0);

  if (session->live && !find_place (session, card, &place, error))
    return NULL;
  return mfp_plan_attach (card, session->live ? &place.running : NULL, flags);
}

/* Whether an attach that failed with @failure, and was undone, failed because
 * its slot went to somebody else: another run, which holds the slot's alias,
 * or any device that libvirt has there by now. */
static gboolean
lost_slot (const MfpSession *session, const MfpCard *card, const GError *failure)
{
  g_autoptr (MfpGuest) now = NULL;

  if (mfp_error_is (failure, MFP_ERROR_ALIAS_TAKEN))
    return TRUE;
  if (!mfp_error_is (failure, MFP_ERROR_FAILED) || !session->live)
    return FALSE;
  now = mfp_domain_read (session->libvirt, MFP_LIVE, NULL);
  return now && !mfp_guest_check_slot (now, NULL, &card->slot, NULL);
}

static char *
report_attach (const MfpSession *session, const MfpInvocation *invocation, const MfpCard *card,
               gboolean changed)
{
  return mfp_run_plan_report (
      session, invocation, (MfpReport){ .command = "attach", .changed = changed, .card = card });
}

/* Plugs the card into its slot. *@lost: another run got the slot first. */
static char *
attach_once (const MfpSession *session, const MfpInvocation *invocation, const Options *options,
             MfpCard *card, gboolean *lost, GError **error)
{
  MfpPlan *plan = plan_attach (session, card, options, error);
  g_autofree char *text = NULL;
  GError *local = NULL;

  *lost = FALSE;
  if (!plan)
    return NULL;
  if (mfp_run_plan (session, invocation, &options->common, plan, &local))
    text = report_attach (session, invocation, card, TRUE);
  plan->card = NULL;
  mfp_plan_free (plan);
  if (!local)
    return g_steal_pointer (&text);
  *lost = lost_slot (session, card, local);
  g_propagate_error (error, local);
  return NULL;
}

/* Plugs the card; when somebody takes the slot first, tries the next. */
static char *
attach (const MfpSession *session, const MfpInvocation *invocation, const Options *options,
        MfpCard *card, gboolean asked_slot, const GArray *group, GError **error)
{
  g_autoptr (GArray) taken = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  const MfpSlotWish wish = { .taken = taken, .group = group };

  while (TRUE)
    {
      GError *local = NULL;
      gboolean lost;
      char *text = attach_once (session, invocation, options, card, &lost, &local);

      if (text)
        return text;
      if (asked_slot || !lost || mfp_interrupt_came (session->interrupt))
        {
          g_propagate_error (error, local);
          return NULL;
        }
      g_clear_error (&local);
      g_array_append_val (taken, card->slot);
      if (!settle_slot (session, card, FALSE, &wish, error)
          || !mfp_card_name_functions (card, error))
        return NULL;
    }
}

/* Takes the slot that --slot names. */
static gboolean
use_asked_slot (const MfpSession *session, const Request *request, MfpCard *card, GError **error)
{
  if (!request->has_slot)
    return TRUE;
  if (card->port && card->port != request->slot.bus)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "the document plans a port for bus %u of domain '%s', and --slot names "
                   "another bus",
                   card->port, mfp_domain_name (session->libvirt));
      return FALSE;
    }
  card->slot = request->slot;
  card->has_slot = TRUE;
  return TRUE;
}

/* What of the card is not there yet: settles its slot, and prints or runs the plan. */
static char *
attach_missing (MfpSession *session, const MfpInvocation *invocation, const Options *options,
                MfpCard *card, const Host *host, GError **error)
{
  g_autoptr (GPtrArray) concerned = list_concerned (card, host);
  g_autoptr (GArray) group = addresses_of (concerned);
  gboolean asked_slot = card->has_slot;

  card->avoid_iommufd = session->live && session->live->uses_iommufd;
  if (!mfp_session_check_others (session, concerned, error)
      || !settle_slot (session, card, asked_slot, &(MfpSlotWish){ .group = group }, error)
      || !mfp_card_name_functions (card, error))
    return NULL;
  warn_of_sharing (session, invocation, card, group);
  warn_of_use (session, invocation, card, host->devices);
  if (options->common.dry_run)
    return mfp_devices_format (card);
  if (session->live && mfp_libvirt_is_session (session->libvirt)
      && !mfp_preflight_session (card, error))
    return NULL;
  return attach (session, invocation, options, card, asked_slot, group, error);
}

/* From the open domain on. */
static char *
attach_to (MfpSession *session, const MfpInvocation *invocation, const Options *options,
           Request *request, GError **error)
{
  g_auto (Host) host = { 0 };
  g_autoptr (MfpCard) card = NULL;
  const MfpGuest *guest = mfp_session_guest (session);

  if (!mfp_preflight_guest (guest, error)
      || !(options->common.dry_run || mfp_preflight_driver (guest, error))
      || !read_host (session, request, &host, error))
    return NULL;
  card = make_card (session, options, request, &host, error);
  if (!card || !use_asked_slot (session, request, card, error)
      || !skip_present (session, invocation, options, card, error))
    return NULL;
  if (session->live || session->config)
    return attach_missing (session, invocation, options, card, &host, error);
  return options->common.dry_run ? mfp_devices_format (card)
                                 : report_attach (session, invocation, card, FALSE);
}

char *
mfp_cmd_attach (MfpInvocation *invocation, GError **error)
{
  g_auto (Options) options = { .common.timeout = MFP_TIMEOUT_DEFAULT };
  static const char usage[]
      = "[OPTION...] DOMAIN DEVICE...\n\n"
        "Plugs the functions into one slot of the guest, so that it sees one card.\n"
        "With --dry-run it shows what would be done.\n" MFP_DOMAIN_HELP
        MFP_DEVICE_HELP
        "01:00.1=0,01:00.3=1 says which function each becomes in the guest.\n";
  const struct poptOption table[] = {
    { "functions", '\0', POPT_ARG_STRING, &options.functions, 0,
      "which functions of the device, such as 0,2-3", "LIST" },
    { "rest", '\0', POPT_ARG_STRING, &options.rest, 0,
      "what becomes of its other functions: left alone (default), or attached as unassigned",
      "keep|unassigned" },
    { "slot", '\0', POPT_ARG_STRING, &options.slot, 0,
      "the guest slot, such as 0000:02:00 (default: a free one)", "GUEST-ADDRESS" },
    { "managed", '\0', POPT_ARG_STRING, &options.managed, 0,
      "take functions from their host drivers and reattach them later (default), or expect "
      "them on vfio-pci",
      "yes|no" },
    { "wait", '\0', POPT_ARG_NONE, &options.wait, 0,
      "wait until the guest has assigned addresses to the card, and a driver of it uses them",
      NULL },
    MFP_FORM_OPTIONS (&options.common),
    MFP_DRY_RUN_OPTION (&options.common, "print the <devices> document and touch nothing"),
    MFP_WAIT_OPTIONS (&options.common),
    POPT_TABLEEND,
  };
  g_auto (Request) request = { 0 };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *help = NULL;
  g_autoptr (MfpSession) session = NULL;

  if (!mfp_options_parse (invocation, table, usage, &options.common, &arguments, &help, error))
    return NULL;
  if (help)
    return g_steal_pointer (&help);
  if (!read_attach_request (&options, arguments, &request, error))
    return NULL;
  session = mfp_session_open (invocation, &options.common,
                              options.common.dry_run ? MFP_ACCESS_READ : MFP_ACCESS_CHANGE,
                              arguments[0], error);
  return session ? attach_to (session, invocation, &options, &request, error) : NULL;
}
