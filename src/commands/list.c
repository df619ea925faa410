/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * list: what there is, from libvirt and, of a running domain, from QEMU ->
 * inventory -> report. Nothing is changed.
 */
#include "config.h"

#include "base/error.h"
#include "commands/session.h"
#include "libvirt/domains.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"
#include "model/slots.h"
#include "output/report-list.h"
#include "plan/preflight.h"

/* What the host uses the virtual functions of @functions for. */
static GPtrArray *
find_virtual_uses (const MfpSession *session, const GPtrArray *functions, GError **error)
{
  g_autoptr (GArray) addresses = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < functions->len; i++)
    {
      const GArray *below
          = ((const MfpHostFunction *) g_ptr_array_index (functions, i))->virtual_functions;

      g_array_append_vals (addresses, below->data, below->len);
    }
  return mfp_node_devices_find_uses (session->libvirt, addresses,
                                     addresses->len ? MFP_USE_NETWORK : 0, error);
}

static char *
list_host (MfpInvocation *invocation, const MfpCommonOptions *options, MfpHostList list,
           GError **error)
{
  g_autoptr (MfpSession) session
      = mfp_session_connect (invocation, options, MFP_ACCESS_READ, NULL, error);
  g_autoptr (GPtrArray) functions = NULL, guests = NULL, uses = NULL, devices = NULL;

  if (session)
    functions = mfp_node_devices_read_all (session->libvirt, error);
  if (functions)
    guests = mfp_domains_read_others (session->libvirt, error);
  if (guests)
    uses = find_virtual_uses (session, functions, error);
  if (!uses)
    {
      mfp_error_refuse (error);
      return NULL;
    }
  list.devices = devices = mfp_inventory_host (functions, guests, uses, list.all);
  return mfp_report_host_list (&list, invocation->format);
}

/* Asks QEMU which devices it has, which a read-only connection may not. Returns a set,
 * which the caller owns. NULL when QEMU cannot be asked: with a warning only, since
 * what libvirt tells is worth a list. */
static GHashTable *
ask_qemu (MfpInvocation *invocation, const MfpCommonOptions *options, const char *domain)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MfpSession) session
      = mfp_session_open (invocation, options, MFP_ACCESS_ASK, domain, &error);
  GHashTable *devices = session ? mfp_qemu_list_devices (session->libvirt, &error) : NULL;

  if (!devices)
    mfp_warn (invocation,
              "QEMU cannot be asked, so the states are what libvirt and the records tell: %s",
              error->message);
  return devices;
}

/* Reads the domain that @options mean. The connection is closed again. */
static MfpGuest *
read_listed_guest (MfpInvocation *invocation, const MfpCommonOptions *options, const char *domain,
                   GError **error)
{
  g_autoptr (MfpSession) session
      = mfp_session_open (invocation, options, MFP_ACCESS_READ, domain, error);

  if (!session)
    return NULL;
  return session->live ? g_steal_pointer (&session->live) : g_steal_pointer (&session->config);
}

static char *
list_guest (MfpInvocation *invocation, const MfpCommonOptions *options, const char *domain,
            gboolean all, GError **error)
{
  g_autoptr (MfpGuest) guest = read_listed_guest (invocation, options, domain, error);
  g_autoptr (GHashTable) in_qemu = NULL;
  g_autoptr (GPtrArray) cards = NULL;
  MfpGuestList list = { .all = all };

  if (!guest)
    return NULL;
  if (guest->id && mfp_inventory_needs_qemu (guest) && mfp_preflight_driver (guest, NULL))
    in_qemu = ask_qemu (invocation, options, domain);
  list.guest = guest;
  list.qemu_asked = in_qemu != NULL;
  list.cards = cards = mfp_inventory_guest (guest, in_qemu, all);
  return mfp_report_guest_list (&list, invocation->format);
}

/* Where attach could put a card, were it called now with the same domain. */
static char *
list_slots (MfpInvocation *invocation, const MfpCommonOptions *options, const char *domain,
            GError **error)
{
  g_autoptr (MfpSession) session
      = mfp_session_open (invocation, options, MFP_ACCESS_READ, domain, error);
  g_autoptr (GPtrArray) slots = NULL;

  if (!session || !mfp_preflight_guest (mfp_session_guest (session), error))
    return NULL;
  slots = mfp_guest_survey_slots (session->live, session->config);
  return mfp_report_slots (mfp_session_guest (session), slots, invocation->format);
}

static gboolean
check_list_usage (const GStrv arguments, const MfpHostList *list, gboolean slots, GError **error)
{
  const char *problem = NULL;

  if (g_strv_length (arguments) > 1)
    problem = "list takes one domain at most";
  else if (list->vfs && arguments[0])
    problem = "list --vfs takes no domain";
  else if (slots && !arguments[0])
    problem = "list --slots takes a domain";
  else if (slots && list->all)
    problem = "--slots cannot be used with --all: it always lists all slots";
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
  int all = 0, slots = 0, vfs = 0;
  const struct poptOption table[] = {
    { "all", '\0', POPT_ARG_NONE, &all, 0, "devices of one function, and bridges, too", NULL },
    { "vfs", '\0', POPT_ARG_NONE, &vfs, 0, "each virtual function, instead of their number", NULL },
    { "slots", '\0', POPT_ARG_NONE, &slots, 0, "the guest slots of DOMAIN, and what occupies them",
      NULL },
    MFP_RESULT_OPTIONS (&options),
    POPT_TABLEEND,
  };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *help = NULL;
  MfpHostList list;

  if (!mfp_options_parse (invocation, table, usage, &options, &arguments, &help, error))
    return NULL;
  if (help)
    return g_steal_pointer (&help);
  list = (MfpHostList){ .all = all != 0, .vfs = vfs != 0 };
  if (!check_list_usage (arguments, &list, slots != 0, error))
    return NULL;
  if (slots)
    return list_slots (invocation, &options, arguments[0], error);
  return arguments[0] ? list_guest (invocation, &options, arguments[0], all != 0, error)
                      : list_host (invocation, &options, list, error);
}
