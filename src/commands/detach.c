/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * detach: words or a document -> what the guest has of it -> plan -> print it
 * or run it -> report.
 */
#include "config.h"

#include "base/error.h"
#include "commands/document.h"
#include "commands/run-plan.h"
#include "libvirt/qemu.h"
#include "model/hostdev-xml.h"
#include "plan/preflight.h"

static GArray *
read_selections (const MfpCommonOptions *options, const GStrv arguments, GError **error)
{
  g_autoptr (MfpCard) document = NULL;

  if (!mfp_options_check_words ("detach", arguments, options, error))
    return NULL;
  if (!options->file)
    return mfp_selection_parse ((const char *const *) arguments + 1, NULL, error);
  document = mfp_document_read (options->file, error);
  return document ? mfp_card_to_selections (document) : NULL;
}

/* Asks QEMU what shares the slot with function 0 although libvirt believes it unassigned:
 * parts of a card that was plugged by hand, without a record. */
static gboolean
learn_from_qemu (const MfpSession *session, MfpCard *card, GPtrArray **pci, GError **error)
{
  *pci = mfp_qemu_query_pci (session->libvirt, error);
  if (*pci)
    mfp_card_adopt_places (card, session->live, *pci);
  else
    mfp_error_refuse (error);
  return *pci != NULL;
}

/* What of @selections the running guest has, consent checked. */
static MfpCard *
find_live (const MfpSession *session, const GArray *selections, const MfpCommonOptions *options,
           GError **error)
{
  const MfpGuest *live = session->live;
  g_autoptr (MfpCard) card
      = mfp_card_from_guest (live, selections, mfp_preflight_find_record (live, selections));
  g_autoptr (GPtrArray) pci = NULL;

  if (!mfp_preflight_records (live, selections, error))
    return NULL;
  if (card->functions->len == 0)
    return g_steal_pointer (&card);
  if (!mfp_preflight_one_slot (card, live, error)
      || !(options->dry_run || mfp_preflight_driver (live, error))
      || !(options->dry_run || learn_from_qemu (session, card, &pci, error))
      || !mfp_preflight_consent (card, live, selections, pci, error))
    return NULL;
  return g_steal_pointer (&card);
}

/* What of @selections the persistent XML has, consent checked. */
static MfpCard *
find_persistent (const MfpGuest *guest, const GArray *selections, const MfpCommonOptions *options,
                 GError **error)
{
  g_autoptr (MfpCard) card = mfp_card_from_guest (guest, selections, NULL);

  if (!mfp_preflight_one_slot (card, guest, error)
      || !mfp_preflight_consent (card, guest, selections, NULL, error)
      || !(options->dry_run || card->functions->len == 0
           || mfp_preflight_driver (guest, error)))
    return NULL;
  return g_steal_pointer (&card);
}

/* Takes over both cards; each is NULL where that form is left alone. */
static MfpPlan *
plan_detach (const MfpSession *session, MfpCard *live, MfpCard *config, GError **error)
{
  MfpRunning running = { .id = session->live ? session->live->id : NULL };

  if (!live)
    return mfp_plan_detach (NULL, NULL, config);
  if (mfp_run_plan_find_unplug (session, &running.unplug, error))
    return mfp_plan_detach (live, &running, config);
  mfp_card_free (live);
  mfp_card_free (config);
  return NULL;
}

static gboolean
is_empty (const MfpCard *card)
{
  return !card || card->functions->len == 0;
}

/* From the open domain on. */
static char *
detach_from (const MfpSession *session, const MfpInvocation *invocation,
             const MfpCommonOptions *options, const GArray *selections, GError **error)
{
  g_autoptr (MfpCard) live = NULL, config = NULL;
  g_autoptr (MfpPlan) plan = NULL;
  const MfpCard *shown;

  if (session->live && !(live = find_live (session, selections, options, error)))
    return NULL;
  if (session->config
      && !(config = find_persistent (session->config, selections, options, error)))
    return NULL;
  shown = !is_empty (live) ? live : config ? config : live;
  if (options->dry_run)
    return mfp_devices_format (shown);
  if (is_empty (shown))
    return mfp_run_plan_report (session, invocation, (MfpReport){ .command = "detach" });
  if (is_empty (live))
    g_clear_pointer (&live, mfp_card_free);
  plan = plan_detach (session, g_steal_pointer (&live), g_steal_pointer (&config), error);
  if (!plan || !mfp_run_plan (session, invocation, options, plan, error))
    return NULL;
  return mfp_run_plan_report (
      session, invocation, (MfpReport){ .command = "detach", .changed = TRUE, .card = shown });
}

char *
mfp_cmd_detach (MfpInvocation *invocation, GError **error)
{
  g_auto (MfpCommonOptions) options = { .timeout = MFP_TIMEOUT_DEFAULT };
  static const char usage[]
      = "[OPTION...] DOMAIN DEVICE...\n\n"
        "Unplugs the guest slot that has the functions, and reattaches them to their host\n"
        "drivers. Every function in the slot has to be named.\n" MFP_DOMAIN_HELP
        MFP_DEVICE_HELP;
  const struct poptOption table[] = {
    MFP_FORM_OPTIONS (&options),
    MFP_DRY_RUN_OPTION (&options, "print the <devices> document and touch nothing"),
    MFP_WAIT_OPTIONS (&options),
    POPT_TABLEEND,
  };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *help = NULL;
  g_autoptr (GArray) selections = NULL;
  g_autoptr (MfpSession) session = NULL;

  if (!mfp_options_parse (invocation, table, usage, &options, &arguments, &help, error))
    return NULL;
  if (help)
    return g_steal_pointer (&help);
  selections = read_selections (&options, arguments, error);
  if (!selections)
    return NULL;
  session = mfp_session_open (invocation, &options,
                              options.dry_run ? MFP_ACCESS_READ : MFP_ACCESS_CHANGE, arguments[0],
                              error);
  return session ? detach_from (session, invocation, &options, selections, error) : NULL;
}
