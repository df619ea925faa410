/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attach: words or a document -> host functions -> guest slot -> plan ->
 * print it or run it -> report.
 */
#include "config.h"

#include "base/error.h"
#include "base/text.h"
#include "commands/command.h"
#include "libvirt/survey.h"
#include "model/hostdev-xml.h"
#include "plan/plan.h"
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

static gboolean
one_of (const char *option, const char *value, const char *first, const char *second,
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
read_request (const Options *options, const GStrv arguments, Request *request, GError **error)
{
  gboolean unassigned, unmanaged;

  if (!mfp_check_words ("attach", arguments, &options->common, error))
    return FALSE;
  if (options->common.file && (options->functions || options->rest))
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_USAGE,
                           "--functions and --rest do not go with --file, which says it all");
      return FALSE;
    }
  if (!one_of ("rest", options->rest, "keep", "unassigned", &unassigned, error)
      || !one_of ("managed", options->managed, "yes", "no", &unmanaged, error))
    return FALSE;
  request->rest = unassigned ? MFP_REST_UNASSIGNED : MFP_REST_KEEP;
  request->has_slot = options->slot != NULL;
  if (options->slot && !mfp_pci_address_parse_slot (options->slot, &request->slot, error))
    return FALSE;
  if (options->common.file)
    return (request->document = mfp_read_document (options->common.file, error)) != NULL;
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
survey (MfpTarget *target, const Request *request, Host *host, GError **error)
{
  MfpOps *ops = target->ops;
  g_autoptr (GArray) selections = request->document ? mfp_card_to_selections (request->document)
                                                    : g_array_ref (request->selections);
  g_autoptr (GArray) hosts = mfp_selection_hosts (selections);

  host->devices = mfp_survey_devices (ops, hosts, error);
  if (host->devices)
    host->others = mfp_survey_groups (ops, host->devices, error);
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

/* Makes the card of the request, as the host has it. */
static MfpCard *
make_card (MfpTarget *target, const Options *options, Request *request, const Host *host,
           GError **error)
{
  g_autoptr (MfpCard) card
      = request->document ? g_steal_pointer (&request->document)
                          : mfp_card_from_selections (request->selections, host->devices,
                                                      request->rest, error);

  if (!card)
    return NULL;
  for (guint i = 0; options->managed && i < card->functions->len; i++)
    ((MfpFunction *) g_ptr_array_index (card->functions, i))->managed
        = strcmp (options->managed, "yes") == 0;
  if (!mfp_preflight_host (card, host->devices, host->others, target->seen.live != NULL, error))
    return NULL;
  return g_steal_pointer (&card);
}

/* Refuses a card that a run has in hand, or had when it was interrupted: only
 * its record tells where the functions came from. @leaving: only when the run
 * is a detach. */
static gboolean
check_unfinished (const MfpCard *card, const MfpGuest *guest, gboolean leaving, GError **error)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpRecord *record = mfp_guest_find_record (guest, &function->host);
      g_autofree char *host = NULL, *name = NULL;

      if (!record || (leaving && !record->leaving))
        continue;
      host = mfp_function_describe (function);
      name = mfp_shell_word (guest->name);
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "another run has host function %s in hand, or was interrupted; if none is "
                   "under way: virt-mfplug recover %s",
                   host, name);
      return FALSE;
    }
  return TRUE;
}

/* Whether the running guest has none of @card, not even in another way. */
static gboolean
check_absent (const MfpCard *card, const MfpGuest *guest, GError **error)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpGuestDevice *holder = mfp_guest_find_holder (guest, &function->host);
      g_autofree char *host = NULL, *what = NULL;

      if (!holder)
        continue;
      host = mfp_function_describe (function);
      what = mfp_guest_device_describe (holder);
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "host function %s is in use by %s of this domain", host, what);
      return FALSE;
    }
  return check_unfinished (card, guest, FALSE, error);
}

/* Whether the guest sees what is to be function 0, and so the slot. */
static gboolean
is_plugged (const MfpCard *card, const MfpGuest *guest)
{
  const MfpGuestDevice *device
      = mfp_guest_find_host (guest, &mfp_card_find_guest (card, 0)->host);

  return device && device->has_address;
}

/* Finds out what of the card @guest has; FALSE when it is a part. */
static gboolean
check_presence (const MfpCard *card, const MfpGuest *guest, const char *form,
                MfpPresence *presence, MfpPciAddress *slot, GError **error)
{
  g_autofree char *difference = NULL;

  *presence = mfp_card_presence (card, guest, slot, &difference);
  if (*presence != MFP_PARTIAL)
    return TRUE;
  /* A part because a run has it in hand, or did not finish? */
  if (!is_plugged (card, guest) && !check_unfinished (card, guest, FALSE, error))
    return FALSE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "the %s domain '%s' has a part of the card, or has it otherwise: %s", form,
               guest->name, difference);
  return FALSE;
}

/* Asks QEMU, too, whether the running guest has the card, and with --wait
 * goes on waiting for the guest. */
static gboolean
verify_present (MfpTarget *target, const MfpInvocation *invocation, const Options *options,
                MfpCard *card, GError **error)
{
  g_autofree char *name
      = mfp_guest_bus_qemu_name (target->seen.live, mfp_guest_bus (target->seen.live, card->slot.bus));
  MfpPlan *plan;
  gboolean verified;

  mfp_card_adopt_aliases (card, target->seen.live);
  plan = mfp_plan_verify (card, name, options->wait != 0);
  verified = mfp_target_execute (target, invocation, &options->common, plan, error);
  plan->card = NULL;
  mfp_plan_free (plan);
  if (!verified && mfp_error_is (*error, MFP_ERROR_FAILED))
    mfp_error_recode (error, MFP_ERROR_REFUSED);
  return verified;
}

/* Leaves in @target only the forms that lack the card, and in @card the slot
 * where one of them has it. */
static gboolean
skip_present (MfpTarget *target, const MfpInvocation *invocation, const Options *options,
              MfpCard *card, GError **error)
{
  MfpPresence live = MFP_ABSENT, config = MFP_ABSENT;
  MfpPciAddress slot = card->slot;

  if (target->seen.live && !check_presence (card, target->seen.live, "running", &live, &slot, error))
    return FALSE;
  if (target->config
      && !check_presence (card, target->config, "persistent", &config, &slot, error))
    return FALSE;
  if (live == MFP_ABSENT && config == MFP_ABSENT)
    return !target->seen.live || check_absent (card, target->seen.live, error);
  if (live == MFP_PRESENT && !check_unfinished (card, target->seen.live, TRUE, error))
    return FALSE;
  card->port = 0; /* the slot is there already */
  if (card->has_slot && !mfp_pci_address_equal (&slot, &card->slot))
    {
      g_autofree char *name = mfp_pci_address_format_slot (&slot);

      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "the card is attached in another guest slot, %s; detach it first", name);
      return FALSE;
    }
  card->slot = slot;
  card->has_slot = TRUE;
  if (live == MFP_PRESENT && !options->common.dry_run
      && !verify_present (target, invocation, options, card, error))
    return FALSE;
  if (live == MFP_PRESENT)
    g_clear_pointer (&target->seen.live, mfp_guest_free);
  if (config == MFP_PRESENT)
    g_clear_pointer (&target->config, mfp_guest_free);
  return TRUE;
}

/* Where only the persistent XML is to be changed, a port can be added to it. */
static gboolean
plan_port (const MfpTarget *target, MfpCard *card)
{
  if (target->seen.live || !mfp_guest_plan_port (target->config, &card->port))
    return FALSE;
  card->slot = (MfpPciAddress){ .bus = (guint8) card->port };
  return TRUE;
}

/* Whether the port that a document asks for is the one that can be added. */
static gboolean
check_port (const MfpTarget *target, const MfpCard *card, GError **error)
{
  guint index;

  if (!target->seen.live && mfp_guest_plan_port (target->config, &index) && index == card->port
      && card->slot.slot == 0)
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "a pcie-root-port with index %u cannot be added to domain '%s'%s", card->port,
               target->api->domain_name (target->libvirt),
               target->seen.live ? " while it runs: use --config" : "");
  return FALSE;
}

/* Settles the guest slot: the one asked for, or a free one. */
static gboolean
settle_slot (const MfpTarget *target, MfpCard *card, gboolean asked, const MfpSlotWish *wish,
             GError **error)
{
  g_autoptr (GError) local = NULL;

  if (asked && mfp_guest_bus (target->seen.live ? target->seen.live : target->config, card->slot.bus))
    card->port = 0;
  if (asked && card->port)
    return check_port (target, card, error);
  if (asked)
    return mfp_guest_check_slot (target->seen.live, target->config, &card->slot, error);
  card->has_slot = mfp_guest_choose_slot (target->seen.live, target->config, wish, &card->slot, &local)
                   || plan_port (target, card);
  if (!card->has_slot)
    g_propagate_error (error, g_steal_pointer (&local));
  return card->has_slot;
}

/* On pseries the devices of one PCI host bridge share a fate: an error that
 * the host's hardware answers by isolating the card takes them along. */
static void
warn_of_sharing (const MfpTarget *target, const MfpInvocation *invocation, const MfpCard *card,
                 const GArray *group)
{
  const MfpGuest *guest = target->seen.live ? target->seen.live : target->config;
  g_autofree char *name = mfp_shell_word (guest->name);

  if (mfp_guest_slot_is_shared (guest, &card->slot, group))
    mfp_warn (invocation,
              "the card shares guest bus %u, a PCI host bridge, with other devices; for one of "
              "its own at the next start: virt-xml --add-device --controller "
              "type=pci,model=pci-root %s",
              card->slot.bus, name);
}

/* What the functions of @card that are to be taken are in use for. */
static GPtrArray *
find_uses (MfpTarget *target, const MfpCard *card, const GPtrArray *devices, GError **error)
{
  g_autoptr (GArray) taken = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  gboolean networks = FALSE, disks = FALSE;

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpHostFunction *host = mfp_host_function_find (devices, &function->host);

      if (!function->take)
        continue;
      g_array_append_val (taken, function->host);
      networks = networks || mfp_class_has_networks (host->class_code);
      disks = disks || mfp_class_has_disks (host->class_code);
    }
  return target->api->host_uses (target->libvirt, taken, networks, disks, error);
}

static void
warn_of_loss (const MfpInvocation *invocation, const MfpFunction *function, const MfpHostUse *use)
{
  g_autofree char *host = mfp_function_describe (function);

  mfp_warn (invocation, "with host function %s the host loses %s", host, use->text);
}

/* The person decides what the host can do without, and has to know of it. */
static void
warn_of_use (MfpTarget *target, const MfpInvocation *invocation, const MfpCard *card,
             const GPtrArray *devices)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) uses = find_uses (target, card, devices, &error);

  if (!uses)
    mfp_warn (invocation, "what the host uses the card for is not known: %s", error->message);
  for (guint i = 0; uses && i < uses->len; i++)
    {
      const MfpHostUse *use = g_ptr_array_index (uses, i);
      MfpPciAddress address;

      mfp_pci_address_parse_node_name (use->parent, &address);
      warn_of_loss (invocation, mfp_card_find_host (card, &address), use);
    }
}

static MfpPlan *
make_plan (const MfpTarget *target, MfpCard *card, const Options *options, GError **error)
{
  g_autofree char *name = NULL;

  if (!target->seen.live)
    return mfp_plan_attach (card, NULL, TRUE, FALSE);
  name = mfp_guest_bus_qemu_name (target->seen.live, mfp_guest_bus (target->seen.live, card->slot.bus));
  if (!name)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "libvirt gives no alias for the controller of guest bus %u",
                   card->slot.bus);
      return NULL;
    }
  return mfp_plan_attach (card, name, target->config != NULL, options->wait != 0);
}

/* Whether an attach that failed with @failure, and was undone, failed because
 * its slot went to somebody else: another run, which holds the slot's alias,
 * or any device that libvirt has there by now. */
static gboolean
lost_slot (MfpTarget *target, const MfpCard *card, const GError *failure)
{
  MfpOps *ops = target->ops;
  g_autofree char *xml = NULL;
  g_autoptr (MfpGuest) now = NULL;

  if (mfp_error_is (failure, MFP_ERROR_ALIAS_TAKEN))
    return TRUE;
  if (!mfp_error_is (failure, MFP_ERROR_FAILED) || !target->seen.live)
    return FALSE;
  xml = ops->domain_xml (ops, MFP_LIVE, NULL);
  now = xml ? mfp_guest_parse (xml, NULL) : NULL;
  return now && !mfp_guest_check_slot (now, NULL, &card->slot, NULL);
}

static char *
report (MfpTarget *target, const MfpInvocation *invocation, const MfpCard *card, gboolean changed)
{
  return mfp_target_report (target, invocation,
                            (MfpReport){ .command = "attach", .changed = changed, .card = card });
}

/* Plugs the card; when somebody takes the slot first, tries the next. */
static char *
attach (MfpTarget *target, const MfpInvocation *invocation, const Options *options,
        MfpCard *card, gboolean asked_slot, const GArray *group, GError **error)
{
  g_autoptr (GArray) lost = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));
  const MfpSlotWish wish = { .taken = lost, .group = group };

  while (TRUE)
    {
      g_autoptr (GError) local = NULL;
      MfpPlan *plan = make_plan (target, card, options, error);
      g_autofree char *text = NULL;
      gboolean done;

      if (!plan)
        return NULL;
      done = mfp_target_execute (target, invocation, &options->common, plan, &local);
      if (done)
        text = report (target, invocation, card, TRUE);
      plan->card = NULL;
      mfp_plan_free (plan);
      if (done)
        return g_steal_pointer (&text);
      if (asked_slot || !lost_slot (target, card, local))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return NULL;
        }
      g_array_append_val (lost, card->slot);
      if (!settle_slot (target, card, FALSE, &wish, error)
          || !mfp_card_name_functions (card, error))
        return NULL;
    }
}

/* From the open domain on. */
static char *
attach_to (MfpTarget *target, MfpInvocation *invocation, const Options *options,
           Request *request, GError **error)
{
  g_auto (Host) host = { 0 };
  g_autoptr (MfpCard) card = NULL;
  g_autoptr (GPtrArray) concerned = NULL;
  g_autoptr (GArray) group = NULL;
  gboolean asked_slot;

  if (!mfp_preflight_guest (target->seen.live ? target->seen.live : target->config, error)
      || !(options->common.dry_run || mfp_target_can_change (target, error))
      || !survey (target, request, &host, error))
    return NULL;
  card = make_card (target, options, request, &host, error);
  if (!card)
    return NULL;
  if (request->has_slot && card->port && card->port != request->slot.bus)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "the document plans a port for bus %u of domain '%s', and --slot is elsewhere",
                   card->port, target->api->domain_name (target->libvirt));
      return NULL;
    }
  if (request->has_slot)
    {
      card->slot = request->slot;
      card->has_slot = TRUE;
    }
  if (!skip_present (target, invocation, options, card, error))
    return NULL;
  if (!target->seen.live && !target->config)
    return options->common.dry_run ? mfp_devices_format (card)
                                   : report (target, invocation, card, FALSE);
  asked_slot = card->has_slot;
  concerned = list_concerned (card, &host);
  group = addresses_of (concerned);
  if (!mfp_target_check_free (target, concerned, error)
      || !settle_slot (target, card, asked_slot, &(MfpSlotWish){ .group = group }, error)
      || !mfp_card_name_functions (card, error))
    return NULL;
  warn_of_sharing (target, invocation, card, group);
  warn_of_use (target, invocation, card, host.devices);
  if (options->common.dry_run)
    return mfp_devices_format (card);
  return attach (target, invocation, options, card, asked_slot, group, error);
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
      "what becomes of its other functions: left alone (default), or held unseen for the guest",
      "keep|unassigned" },
    { "slot", '\0', POPT_ARG_STRING, &options.slot, 0,
      "the guest slot, such as 0000:02:00 (default: a free one)", "GUEST-ADDRESS" },
    { "managed", '\0', POPT_ARG_STRING, &options.managed, 0,
      "take functions from their host drivers and give them back (default), or expect them on "
      "vfio-pci",
      "yes|no" },
    { "wait", '\0', POPT_ARG_NONE, &options.wait, 0,
      "wait until the guest has assigned addresses to the card, and a driver of it uses them", NULL },
    MFP_FORM_OPTIONS (&options.common),
    MFP_DRY_RUN_OPTION (&options.common, "print the <devices> document and touch nothing"),
    MFP_WAIT_OPTIONS (&options.common),
    POPT_TABLEEND,
  };
  g_auto (Request) request = { 0 };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *help = NULL;
  g_autoptr (MfpTarget) target = NULL;

  if (!mfp_parse_options (invocation, table, usage, &options.common, &arguments, &help, error))
    return NULL;
  if (help)
    return g_steal_pointer (&help);
  if (!read_request (&options, arguments, &request, error))
    return NULL;
  target = mfp_target_open (invocation, &options.common,
                            options.common.dry_run ? MFP_ACCESS_READ : MFP_ACCESS_CHANGE,
                            arguments[0], error);
  return target ? attach_to (target, invocation, &options, &request, error) : NULL;
}
