/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "commands/session.h"

#include "base/error.h"
#include "base/text.h"
#include "libvirt/domains.h"
#include "model/hint.h"
#include "plan/preflight.h"

void
mfp_session_free (MfpSession *session)
{
  if (!session)
    return;
  mfp_guest_free (session->live);
  mfp_guest_free (session->config);
  mfp_libvirt_free (session->libvirt);
  mfp_interrupt_free (session->interrupt);
  g_free (session);
}

static gboolean
read_config (MfpSession *session, GError **error)
{
  gboolean persistent;

  if (!mfp_domain_is_persistent (session->libvirt, &persistent, error))
    return FALSE;
  if (!persistent)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "domain '%s' is transient and has no persistent XML; use --live",
                   mfp_domain_name (session->libvirt));
      return FALSE;
    }
  session->config = mfp_domain_read (session->libvirt, MFP_CONFIG, error);
  return session->config != NULL;
}

static gboolean
read_live (MfpSession *session, const MfpCommonOptions *options, GError **error)
{
  g_autoptr (MfpGuest) guest = mfp_domain_read (session->libvirt, MFP_LIVE, error);

  if (!guest)
    return FALSE;
  if (guest->id)
    session->live = g_steal_pointer (&guest);
  if (session->live || !options->live)
    return TRUE;
  g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
               "domain '%s' is not running, so there is nothing to change live; "
               "--config affects its next start",
               guest->name);
  return FALSE;
}

/* Reads the forms of the domain that @options are about. */
static gboolean
read_forms (MfpSession *session, const MfpCommonOptions *options, GError **error)
{
  gboolean current = !options->live && !options->config && !options->persistent;
  gboolean only_config = options->config && !options->live && !options->persistent;

  if (!only_config && !read_live (session, options, error))
    return FALSE;
  return !(options->config || options->persistent || (current && !session->live))
         || read_config (session, error);
}

static void
on_call (gpointer data, const char *function, const char *object, gint64 duration)
{
  mfp_console_call (data, function, object, duration);
}

static void
on_wait (gpointer console, gint64 elapsed, gint64 limit)
{
  mfp_console_wait (console, elapsed, limit);
}

static void
on_first_signal (gpointer console)
{
  mfp_console_interrupt (console);
}

static MfpInterrupt *
new_interrupt (MfpConsole *console, const char *remedy)
{
  MfpInterrupt *interrupt;
  g_autofree char *parting
      = g_strdup_printf ("\nvirt-mfplug: stopped by a second signal; what was under way is "
                         "neither finished nor undone.\nTo finish or undo it: virt-mfplug %s\n",
                         remedy);

  interrupt = mfp_interrupt_new (parting, MFP_ERROR_LEFT);
  mfp_interrupt_on_first (interrupt, on_first_signal, console);
  return interrupt;
}

MfpSession *
mfp_session_connect (MfpInvocation *invocation, const MfpCommonOptions *options, MfpAccess access,
                     const char *remedy, GError **error)
{
  g_autoptr (MfpSession) session = g_new0 (MfpSession, 1);

  if (access == MFP_ACCESS_CHANGE)
    session->interrupt = new_interrupt (invocation->console, remedy);
  session->trace = (MfpCallTrace){ .call = on_call, .data = invocation->console };
  session->libvirt = mfp_libvirt_open (
      &(MfpLibvirtOptions){
          .uri = invocation->uri,
          .read_only = access == MFP_ACCESS_READ,
          .timeout = options->timeout * G_TIME_SPAN_SECOND,
          .interrupt = session->interrupt,
          .trace = mfp_console_is_verbose (invocation->console) ? &session->trace : NULL,
          .on_wait = on_wait,
          .on_wait_data = invocation->console,
          .left_in_call = &invocation->left_in_call,
      },
      error);
  if (!session->libvirt && mfp_hint ((*error)->message))
    mfp_error_append (error, "%s", mfp_hint ((*error)->message));
  return session->libvirt ? g_steal_pointer (&session) : NULL;
}

MfpSession *
mfp_session_open (MfpInvocation *invocation, const MfpCommonOptions *options, MfpAccess access,
                  const char *domain, GError **error)
{
  g_autofree char *quoted = mfp_shell_word (domain);
  g_autofree char *remedy = g_strconcat ("recover ", quoted, NULL);
  g_autoptr (MfpSession) session
      = mfp_session_connect (invocation, options, access, remedy, error);

  if (!session || !mfp_domain_choose (session->libvirt, domain, error))
    return NULL;
  if (!read_forms (session, options, error))
    {
      mfp_error_recode (error, MFP_ERROR_REFUSED);
      return NULL;
    }
  return g_steal_pointer (&session);
}

const MfpGuest *
mfp_session_guest (const MfpSession *session)
{
  return session->live ? session->live : session->config;
}

static gboolean
any_on_vfio (const GPtrArray *functions)
{
  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);

      if (mfp_driver_is_vfio (function->driver))
        return TRUE;
    }
  return FALSE;
}

/* Only a function on VFIO can be in a running guest: without one the domains need not be
 * read. */
gboolean
mfp_session_check_others (MfpSession *session, const GPtrArray *functions, GError **error)
{
  g_autoptr (GPtrArray) guests = NULL;

  if (!any_on_vfio (functions))
    return TRUE;
  guests = mfp_domains_read_others (session->libvirt, error);
  if (!guests)
    mfp_error_refuse (error);
  return guests && mfp_preflight_holders (functions, guests, error);
}
