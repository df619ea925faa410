/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/connection-private.h"

#include "base/error.h"
#include "base/xml.h"
#include "libvirt/loop.h"
#include "libvirt/reports.h"

#include <string.h>
#include <unistd.h>

#define NO_HANDLE (-1)
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 3 /* libvirt gives a silent peer up after 15 to 20 s */
#define RECONNECT_LIMIT (30 * G_TIME_SPAN_SECOND) /* a restarted libvirtd asks each QEMU first */
#define RECONNECT_PAUSE (500 * G_TIME_SPAN_MILLISECOND)

static void
ignore_error (void *data G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

/* ---- the connection ---- */

/* A peer that hangs can delay this for ever: keepalive begins with the open connection. */
static gboolean
open_connection (MfpJob *job)
{
  job->connection
      = MFP_CALL (job, virConnectOpenAuth, job->uri, virConnectAuthPtrDefault, job->flags);
  if (!job->connection)
    return mfp_job_fail (job);
  /* A driver without a daemon has no keepalive. */
  MFP_CALL (job, virConnectSetKeepAlive, job->connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
  job->answer = virConnectGetURI (job->connection); /* libvirt's client knows it by itself */
  return TRUE;
}

static gboolean
has_signal (gpointer libvirt)
{
  MfpInterrupt *interrupt = ((MfpLibvirt *) libvirt)->interrupt;

  return interrupt && mfp_interrupt_is_pending (interrupt);
}

/* Whether @text (nullable) is a URI such as qemu:///session, which leads to a user's own libvirt.
 * On the local host it leads root to the system's libvirt. */
static gboolean
is_session_uri (const char *text)
{
  g_autoptr (GUri) uri = text ? g_uri_parse (text, G_URI_FLAGS_NONE, NULL) : NULL;
  const char *host = uri ? g_uri_get_host (uri) : NULL;

  return uri && strcmp (g_uri_get_path (uri), "/session") == 0
         && ((host && *host) || geteuid () != 0);
}

/* @is_over: (nullable): see mfp_libvirt_do(). The worker is left in the call then. */
static gboolean
connect_once (MfpLibvirt *libvirt, gboolean (*is_over) (gpointer data), GError **error)
{
  g_autoptr (MfpJob) job = mfp_job_new (open_connection, libvirt->uri);

  job->uri = g_strdup (libvirt->uri);
  job->flags = libvirt->read_only ? VIR_CONNECT_RO : 0;
  if (!mfp_libvirt_do (libvirt, job, is_over, error))
    return FALSE;
  libvirt->connection = job->connection;
  libvirt->is_session = is_session_uri (job->answer);
  libvirt->lost = FALSE;
  return TRUE;
}

static gboolean
close_connection (MfpJob *job)
{
  for (guint i = 0; i < MFP_JOB_IDS; i++)
    if (job->ids[i] != MFP_NO_CALLBACK)
      MFP_CALL (job, virConnectDomainEventDeregisterAny, job->connection, job->ids[i]);
  MFP_CALL (job, virConnectClose, job->connection);
  job->connection = NULL; /* the handle is gone even if the call failed */
  return TRUE;
}

static void
forget_callbacks (MfpLibvirt *libvirt)
{
  for (guint i = 0; i < MFP_JOB_IDS; i++)
    libvirt->callbacks[i] = MFP_NO_CALLBACK;
}

static void
disconnect (MfpLibvirt *libvirt)
{
  g_autoptr (MfpJob) job = mfp_job_new (close_connection, NULL);

  if (!libvirt->connection || libvirt->hung)
    return;
  g_clear_pointer (&libvirt->domain, virDomainFree);
  memcpy (job->ids, libvirt->callbacks, sizeof job->ids);
  job->connection = libvirt->connection;
  job->even_if_lost = TRUE;
  mfp_libvirt_do (libvirt, job, NULL, NULL);
  libvirt->connection = NULL;
  forget_callbacks (libvirt);
}

static gboolean
never (gpointer data G_GNUC_UNUSED)
{
  return FALSE;
}

static void
pause_for (gint64 duration)
{
  g_autoptr (MfpTimer) limit = mfp_timer_new (duration);

  mfp_loop_wait (never, NULL, limit);
}

/* Connects again and again for a while, whatever signal comes: a run that is to stop needs
 * the connection to undo what it did. An error that is left is the last. */
static gboolean
connect_again (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (MfpTimer) limit = mfp_timer_new (RECONNECT_LIMIT);
  g_autoptr (GError) local = NULL;

  while (!connect_once (libvirt, NULL, &local))
    {
      if (mfp_timer_is_due (limit) || mfp_error_is (local, MFP_ERROR_HUNG))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      g_clear_error (&local);
      pause_for (RECONNECT_PAUSE);
    }
  return TRUE;
}

/* Makes sure that there is a connection, and that the worker can make a call. */
static gboolean
ensure_connection (MfpLibvirt *libvirt, GError **error)
{
  if (libvirt->hung)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_HUNG,
                           "an earlier call of libvirt's has not returned");
      return FALSE;
    }
  if (libvirt->connection && !libvirt->lost)
    return TRUE;
  if (libvirt->given_up)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_FAILED,
                           "the connection to libvirt is lost");
      return FALSE;
    }
  disconnect (libvirt);
  libvirt->given_up = !connect_again (libvirt, error);
  return !libvirt->given_up;
}

static gboolean
look_up_by_uuid (MfpJob *job)
{
  job->domain = MFP_CALL (job, virDomainLookupByUUIDString, job->connection, job->text);
  return job->domain || mfp_job_fail (job);
}

/* Finds the chosen domain on a new connection. */
static gboolean
ensure_domain (MfpLibvirt *libvirt, GError **error)
{
  g_autoptr (MfpJob) job = NULL;

  if (libvirt->domain)
    return TRUE;
  job = mfp_job_new (look_up_by_uuid, libvirt->name);
  job->text = g_strdup (libvirt->uuid);
  job->connection = libvirt->connection;
  if (!mfp_libvirt_do (libvirt, job, NULL, error))
    return FALSE;
  libvirt->domain = g_steal_pointer (&job->domain);
  return TRUE;
}

static void
use_domain (const MfpLibvirt *libvirt, MfpJob *job)
{
  g_clear_pointer (&job->domain, virDomainFree);
  virDomainRef (libvirt->domain);
  job->domain = libvirt->domain;
}

/* Fails if @job has a handle of another connection than the open one. */
static gboolean
check_handle (const MfpLibvirt *libvirt, const MfpJob *job, GError **error)
{
  if (!job->only_on || job->only_on == libvirt->connection)
    return TRUE;
  g_set_error_literal (error, MFP_ERROR, MFP_ERROR_DISCONNECTED,
                       "the connection to libvirt was lost, and opened again");
  return FALSE;
}

/* Does @job once on a connection. *@again: the connection had died before, so nothing
 * happened. */
static gboolean
try_call (MfpLibvirt *libvirt, MfpJob *job, gboolean of_domain, gboolean *again, GError **error)
{
  gboolean done;

  *again = FALSE;
  if (!ensure_connection (libvirt, error) || !check_handle (libvirt, job, error)
      || (of_domain && !ensure_domain (libvirt, error)))
    return FALSE;
  *again = libvirt->lost;
  if (*again)
    return TRUE;
  job->connection = libvirt->connection;
  if (of_domain)
    use_domain (libvirt, job);
  done = mfp_libvirt_do (libvirt, job, NULL, error);
  *again = done && job->unsent;
  /* Drop our reference: the last one frees the connection, and that must happen in the
   * worker, in close_connection(). */
  if (*again && of_domain)
    g_clear_pointer (&job->domain, virDomainFree);
  return done;
}

/* Does @job, again if the connection had died before it, until libvirt has accepted and
 * dropped connections for too long. */
static gboolean
call (MfpLibvirt *libvirt, MfpJob *job, gboolean of_domain, GError **error)
{
  g_autoptr (MfpTimer) limit = mfp_timer_new (RECONNECT_LIMIT);
  gboolean again;

  for (guint attempt = 1; !mfp_timer_is_due (limit); attempt++)
    {
      gboolean done = try_call (libvirt, job, of_domain, &again, error);

      if (!again)
        return done;
      if (attempt > 1)
        pause_for (RECONNECT_PAUSE);
    }
  g_set_error (error, MFP_ERROR, MFP_ERROR_DISCONNECTED,
               "libvirt accepts a connection and drops it at once; gave up after %d s",
               (int) (RECONNECT_LIMIT / G_TIME_SPAN_SECOND));
  return FALSE;
}

gboolean
mfp_libvirt_call (MfpLibvirt *libvirt, MfpJob *job, GError **error)
{
  return call (libvirt, job, FALSE, error);
}

gboolean
mfp_libvirt_call_domain (MfpLibvirt *libvirt, MfpJob *job, GError **error)
{
  return call (libvirt, job, TRUE, error);
}

/* ---- from the beginning to the end ---- */

static void
on_signal (int watch G_GNUC_UNUSED, int fd G_GNUC_UNUSED, int events G_GNUC_UNUSED, void *data)
{
  mfp_interrupt_receive (data);
}

static MfpLibvirt *
libvirt_new (const MfpLibvirtOptions *options)
{
  MfpLibvirt *libvirt = g_new0 (MfpLibvirt, 1);

  libvirt->uri = g_strdup (options->uri);
  libvirt->read_only = options->read_only;
  libvirt->timeout = options->timeout;
  libvirt->interrupt = options->interrupt;
  libvirt->trace = options->trace;
  libvirt->on_wait = options->on_wait;
  libvirt->on_wait_data = options->on_wait_data;
  libvirt->left_in_call = options->left_in_call;
  libvirt->reports = mfp_reports_new ();
  forget_callbacks (libvirt);
  libvirt->signals = NO_HANDLE;
  if (libvirt->interrupt)
    libvirt->signals = virEventAddHandle (mfp_interrupt_fd (libvirt->interrupt),
                                          VIR_EVENT_HANDLE_READABLE, on_signal,
                                          libvirt->interrupt, NULL);
  return libvirt;
}

MfpLibvirt *
mfp_libvirt_open (const MfpLibvirtOptions *options, GError **error)
{
  g_autoptr (MfpLibvirt) libvirt = NULL;

  virSetErrorFunc (NULL, ignore_error);
  mfp_xml_init (); /* libxml2 has to be set up before there is a second thread */
  mfp_loop_init ();
  libvirt = libvirt_new (options);
  libvirt->worker = mfp_worker_new ();
  if (connect_once (libvirt, has_signal, error))
    return g_steal_pointer (&libvirt);
  if (mfp_error_is (*error, MFP_ERROR_INTERRUPTED))
    return NULL;
  g_prefix_error (error, "cannot connect to %s: ", options->uri ? options->uri : "libvirt");
  if (!libvirt->hung)
    mfp_error_recode (error, MFP_ERROR_REFUSED);
  return NULL;
}

gboolean
mfp_libvirt_is_session (const MfpLibvirt *libvirt)
{
  return libvirt->is_session;
}

void
mfp_libvirt_free (MfpLibvirt *libvirt)
{
  if (!libvirt)
    return;
  disconnect (libvirt);
  if (libvirt->signals != NO_HANDLE)
    virEventRemoveHandle (libvirt->signals);
  g_clear_pointer (&libvirt->domain, virDomainFree);
  /* The call may use the connection, which stays open then. */
  if (libvirt->hung)
    mfp_worker_abandon (libvirt->worker);
  else
    mfp_worker_free (libvirt->worker);
  mfp_reports_unref (libvirt->reports);
  g_free (libvirt->uri);
  g_free (libvirt->name);
  g_free (libvirt);
}
