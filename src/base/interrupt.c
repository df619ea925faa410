/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/interrupt.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/**
 * MfpInterrupt:
 * @came: how many signals came
 * @taken: the first of them was taken
 * @hear: (nullable): called with @data when the first comes
 */
struct _MfpInterrupt
{
  int fd;
  char *parting;
  int status;
  guint came;
  gboolean taken;
  void (*hear) (gpointer data);
  gpointer data;
};

static gboolean
is_ignored (int number)
{
  struct sigaction action;

  return sigaction (number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

MfpInterrupt *
mfp_interrupt_new (const char *parting, int status)
{
  MfpInterrupt *interrupt = g_new0 (MfpInterrupt, 1);
  sigset_t signals;

  interrupt->parting = g_strdup (parting);
  interrupt->status = status;
  sigemptyset (&signals);
  sigaddset (&signals, SIGINT);
  sigaddset (&signals, SIGTERM);
  if (!is_ignored (SIGHUP)) /* nohup(1) ignores it */
    sigaddset (&signals, SIGHUP);
  pthread_sigmask (SIG_BLOCK, &signals, NULL);
  interrupt->fd = signalfd (-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  if (interrupt->fd < 0)
    g_error ("signalfd: %s", g_strerror (errno));
  return interrupt;
}

void
mfp_interrupt_on_first (MfpInterrupt *interrupt, void (*hear) (gpointer data), gpointer data)
{
  interrupt->hear = hear;
  interrupt->data = data;
}

void
mfp_interrupt_free (MfpInterrupt *interrupt)
{
  if (!interrupt)
    return;
  g_close (interrupt->fd, NULL);
  g_free (interrupt->parting);
  g_free (interrupt);
}

int
mfp_interrupt_fd (const MfpInterrupt *interrupt)
{
  return interrupt->fd;
}

static void
end_program (const MfpInterrupt *interrupt)
{
  fputs (interrupt->parting, stderr);
  fflush (stderr);
  _exit (interrupt->status); /* a call of libvirt's may be under way in the other thread */
}

void
mfp_interrupt_receive (MfpInterrupt *interrupt)
{
  struct signalfd_siginfo info;

  while (read (interrupt->fd, &info, sizeof info) == (gssize) sizeof info)
    {
      if (++interrupt->came > 1)
        end_program (interrupt);
      if (interrupt->hear)
        interrupt->hear (interrupt->data);
    }
}

gboolean
mfp_interrupt_is_pending (MfpInterrupt *interrupt)
{
  return mfp_interrupt_came (interrupt) && !interrupt->taken;
}

gboolean
mfp_interrupt_take (MfpInterrupt *interrupt)
{
  gboolean pending = mfp_interrupt_is_pending (interrupt);

  interrupt->taken = interrupt->taken || pending;
  return pending;
}

gboolean
mfp_interrupt_came (MfpInterrupt *interrupt)
{
  mfp_interrupt_receive (interrupt);
  return interrupt->came > 0;
}
