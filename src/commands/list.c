/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * list: what there is, from libvirt and, of a running domain, from QEMU ->
 * inventory -> report. Nothing is changed.
 */
#include "config.h"

#include "base/error.h"
#include "commands/command.h"
#include "libvirt/monitor.h"
#include "output/report-list.h"
#include "plan/preflight.h"

static char *
list_host (const MfpInvocation *invocation, gboolean all, GError **error)
{
  g_autoptr (MfpTarget) target = mfp_target_connect (invocation, MFP_ACCESS_READ, NULL, error);
  g_autoptr (GPtrArray) functions = NULL, guests = NULL, devices = NULL;

  if (target)
    functions = target->api->host_functions (target->libvirt, error);
  if (functions)
    guests = target->api->other_guests (target->libvirt, error);
  if (!guests)
    return NULL;
  devices = mfp_inventory_host (functions, guests, all);
  return mfp_report_host_list (devices, all, invocation->format);
}

/* Whether QEMU has to be asked for what is in @target, and can be. */
static gboolean
is_for_qemu (const MfpTarget *target)
{
  g_autofree char *driver = target->api->driver (target->libvirt);

  return target->seen.live && mfp_inventory_needs_qemu (target->seen.live)
         && g_strcmp0 (driver, "qemu") == 0;
}

/* Asks QEMU which devices it has, which a read-only connection may not.
 * @target is replaced by one that is not read-only. Returns a set, which the
 * caller owns. NULL when QEMU cannot be asked: with a warning only, since
 * what libvirt tells is worth a list. */
static GHashTable *
ask_qemu (MfpTarget **target, const MfpInvocation *invocation, const MfpCommonOptions *options,
          const char *domain)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpTarget) full = mfp_target_open (invocation, options, MFP_ACCESS_ASK, domain, &error);
  GHashTable *devices
      = full ? mfp_monitor_list_devices (full->ops, &error) : NULL;

  if (!devices)
    {
      mfp_warn (invocation,
                "QEMU cannot be asked, so the states are what libvirt and the records tell: %s",
                error->message);
      return NULL;
    }
  mfp_target_free (*target);
  *target = g_steal_pointer (&full);
  return devices;
}

static char *
list_guest (const MfpInvocation *invocation, const MfpCommonOptions *options, const char *domain,
            gboolean all, GError **error)
{
  g_autoptr (MfpTarget) target = mfp_target_open (invocation, options, MFP_ACCESS_READ, domain, error);
  g_autoptr (GHashTable) in_qemu = NULL;
  g_autoptr (GPtrArray) cards = NULL;
  MfpGuestList list = { .all = all };

  if (!target)
    return NULL;
  if (is_for_qemu (target))
    in_qemu = ask_qemu (&target, invocation, options, domain);
  list.guest = target->seen.live ? target->seen.live : target->config;
  list.qemu_asked = in_qemu != NULL;
  list.cards = cards = mfp_inventory_guest (list.guest, in_qemu, all);
  return mfp_report_guest_list (&list, invocation->format);
}

/* Where attach could put a card, were it called now with the same domain. */
static char *
list_slots (const MfpInvocation *invocation, const MfpCommonOptions *options, const char *domain,
            GError **error)
{
  g_autoptr (MfpTarget) target = mfp_target_open (invocation, options, MFP_ACCESS_READ, domain, error);
  g_autoptr (GPtrArray) slots = NULL;
  const MfpGuest *guest;

  if (!target)
    return NULL;
  guest = target->seen.live ? target->seen.live : target->config;
  if (!mfp_preflight_guest (guest, error))
    return NULL;
  slots = mfp_guest_survey_slots (target->seen.live, target->config);
  return mfp_report_slots (guest, slots, invocation->format);
}

static gboolean
check_usage (const GStrv arguments, gboolean all, gboolean slots, GError **error)
{
  const char *problem = NULL;

  if (g_strv_length (arguments) > 1)
    problem = "list takes one domain at most";
  else if (slots && !arguments[0])
    problem = "list --slots takes a domain";
  else if (slots && all)
    problem = "--slots does not go with --all, since it lists all slots";
  if (problem)
    g_set_error_literal (error, MFP_ERROR, MFP_ERROR_USAGE, problem);
  return problem == NULL;
}

char *
mfp_cmd_list (MfpInvocation *invocation, GError **error)
{
  g_auto (MfpCommonOptions) options = { .timeout = MFP_TIMEOUT_DEFAULT };
  static const char usage[]
      = "[OPTION...] [DOMAIN]\n\n"
        "Lists the host's cards, and whether they could be attached; with DOMAIN those of\n"
        "that domain, or with --slots its slots. Nothing is changed.\n" MFP_DOMAIN_HELP;
  int all = 0, slots = 0;
  const struct poptOption table[] = {
    { "all", '\0', POPT_ARG_NONE, &all, 0, "devices of one function, and bridges, too", NULL },
    { "slots", '\0', POPT_ARG_NONE, &slots, 0, "the guest slots of DOMAIN: free, or who has them",
      NULL },
    MFP_RESULT_OPTIONS (&options),
    POPT_TABLEEND,
  };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *help = NULL;

  if (!mfp_parse_options (invocation, table, usage, &options, &arguments, &help, error))
    return NULL;
  if (help)
    return g_steal_pointer (&help);
  if (!check_usage (arguments, all != 0, slots != 0, error))
    return NULL;
  if (slots)
    return list_slots (invocation, &options, arguments[0], error);
  return arguments[0] ? list_guest (invocation, &options, arguments[0], all != 0, error)
                      : list_host (invocation, all != 0, error);
}
