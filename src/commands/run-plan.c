/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "commands/run-plan.h"

#include "base/error.h"
#include "libvirt/node-devices.h"
#include "libvirt/qemu.h"
#include "model/hint.h"
#include "run/execute.h"

/* ---- what the person reads during a run ---- */

static void
on_begin (gpointer data, const MfpStep *step, gboolean undo)
{
  const MfpInvocation *invocation = data;
  g_autofree char *text = mfp_step_describe (step);

  mfp_step_log_begin_step (invocation->step_log, step, undo, g_get_monotonic_time ());
  mfp_console_begin_step (invocation->console, text, undo);
}

static void
on_end (gpointer data, const GError *failure)
{
  const MfpInvocation *invocation = data;
  const MfpLoggedStep *step
      = mfp_step_log_end_step (invocation->step_log, failure, g_get_monotonic_time ());

  mfp_console_end_step (invocation->console, step->duration, failure != NULL);
}

static void
on_wait (gpointer data, gint64 limit)
{
  const MfpInvocation *invocation = data;

  mfp_console_wait (invocation->console,
                    g_get_monotonic_time () - mfp_step_log_last (invocation->step_log)->began,
                    limit);
}

static void
on_note (gpointer data, const char *text)
{
  mfp_warn (data, "%s", text);
}

/* ---- the host drivers before and after ---- */

typedef enum
{
  BEFORE,
  AFTER,
} Moment;

/* Notes which driver each function of @card is on, for a result that tells it. A run that
 * begins anew with another slot keeps what the first one noted before. */
static void
note_drivers (const MfpSession *session, const MfpInvocation *invocation, const MfpCard *card,
              Moment moment)
{
  g_autoptr (GArray) addresses = mfp_card_hosts (card);
  g_autoptr (GPtrArray) functions = NULL;

  if (invocation->format != MFP_FORMAT_JSON)
    return;
  functions = mfp_node_devices_read (session->libvirt, addresses, NULL);
  for (guint i = 0; i < addresses->len; i++)
    {
      const MfpPciAddress *address = &g_array_index (addresses, MfpPciAddress, i);
      const MfpHostFunction *host
          = functions ? mfp_host_function_find (functions, address) : NULL;
      MfpLoggedDriver *entry = mfp_step_log_driver (invocation->step_log, address);
      char **noted = moment == AFTER ? &entry->after : &entry->before;

      if (moment == BEFORE && *noted)
        continue;
      g_free (*noted);
      *noted = g_strdup (host ? host->driver : NULL);
    }
}

/* ---- the run ---- */

/* QEMU 4.2 was the first whose pseries machine removes the whole slot with its
 * function 0 (spapr_pci_unplug_request() in hw/ppc/spapr_pci.c). */
gboolean
mfp_run_plan_find_unplug (const MfpSession *session, MfpUnplug *unplug, GError **error)
{
  guint version;

  *unplug = MFP_UNPLUG_SLOT;
  if (!mfp_guest_is_pseries (session->live))
    return TRUE;
  version = mfp_qemu_query_version (session->libvirt, error);
  if (version < MFP_QEMU_VERSION (4, 2))
    *unplug = MFP_UNPLUG_EACH;
  if (version == 0)
    mfp_error_refuse (error);
  return version != 0;
}

gboolean
mfp_run_plan (const MfpSession *session, const MfpInvocation *invocation,
              const MfpCommonOptions *options, const MfpPlan *plan, GError **error)
{
  const MfpObserver observer = {
    .begin = on_begin,
    .end = on_end,
    .wait = on_wait,
    .note = on_note,
    .data = (gpointer) invocation,
  };
  const MfpExecuteOptions execute = {
    .domain = mfp_domain_name (session->libvirt),
    .timeout = options->timeout * G_TIME_SPAN_SECOND,
    .observer = &observer,
  };
  gboolean done;

  note_drivers (session, invocation, plan->card, BEFORE);
  done = mfp_execute (plan, session->libvirt, &execute, error);
  note_drivers (session, invocation, plan->card, AFTER);
  if (!done && mfp_hint ((*error)->message))
    mfp_error_append (error, "%s", mfp_hint ((*error)->message));
  return done;
}

char *
mfp_run_plan_report (const MfpSession *session, const MfpInvocation *invocation,
                     MfpReport report)
{
  report.domain = mfp_domain_name (session->libvirt);
  report.step_log = invocation->step_log;
  return invocation->quiet ? g_strdup ("") : mfp_report_format (&report, invocation->format);
}
