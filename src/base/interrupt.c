/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct _MfpInterrupt
{
  sigset_t signals;
  char *parting;
  int status;
  gint came; /* atomic, and so is the next: once, and since it was last taken */
  gint fresh;
};

static void
write_fully (int fd, const char *text)
{
  gsize left = strlen (text);

  while (left > 0)
    {
      gssize written = write (fd, text, left);

      if (written < 0 && errno != EINTR)
        return;
      if (written > 0)
        {
          text += written;
          left -= (gsize) written;
        }
    }
}

static gpointer
receive (gpointer data)
{
  MfpInterrupt *interrupt = data;
  int number;

  sigwait (&interrupt->signals, &number);
  g_atomic_int_set (&interrupt->came, 1);
  g_atomic_int_set (&interrupt->fresh, 1);

  sigwait (&interrupt->signals, &number);
  write_fully (STDERR_FILENO, interrupt->parting);
  _exit (interrupt->status);
}

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

  interrupt->parting = g_strdup (parting);
  interrupt->status = status;
  sigemptyset (&interrupt->signals);
  sigaddset (&interrupt->signals, SIGINT);
  sigaddset (&interrupt->signals, SIGTERM);
  if (!is_ignored (SIGHUP)) /* as nohup wants it */
    sigaddset (&interrupt->signals, SIGHUP);
  pthread_sigmask (SIG_BLOCK, &interrupt->signals, NULL);
  g_thread_unref (g_thread_new ("signals", receive, interrupt));
  return interrupt;
}

gboolean
mfp_interrupt_take (MfpInterrupt *interrupt)
{
  return g_atomic_int_compare_and_exchange (&interrupt->fresh, 1, 0);
}

gboolean
mfp_interrupt_came (MfpInterrupt *interrupt)
{
  return g_atomic_int_get (&interrupt->came);
}
