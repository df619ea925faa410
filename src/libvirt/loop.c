/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/loop.h"

#include <libvirt/libvirt.h>

#define NO_TIMEOUT (-1)

struct _MfpTimer
{
  int id;
  gboolean due;
};

void
mfp_loop_init (void)
{
  virEventRegisterDefaultImpl ();
}

/* A timer of libvirt's fires again and again, and this one only once. */
static void
stop_timer (MfpTimer *timer)
{
  if (timer->id != NO_TIMEOUT)
    virEventRemoveTimeout (timer->id);
  timer->id = NO_TIMEOUT;
}

static void
on_due (int id G_GNUC_UNUSED, void *data)
{
  MfpTimer *timer = data;

  timer->due = TRUE;
  stop_timer (timer);
}

MfpTimer *
mfp_timer_new (gint64 duration)
{
  MfpTimer *timer = g_new0 (MfpTimer, 1);
  gint64 milliseconds = (duration + G_TIME_SPAN_MILLISECOND - 1) / G_TIME_SPAN_MILLISECOND;

  timer->id = virEventAddTimeout ((int) CLAMP (milliseconds, 0, G_MAXINT), on_due, timer, NULL);
  return timer;
}

void
mfp_timer_free (MfpTimer *timer)
{
  if (!timer)
    return;
  stop_timer (timer);
  g_free (timer);
}

gboolean
mfp_timer_is_due (const MfpTimer *timer)
{
  return timer->due;
}

void
mfp_loop_wait (gboolean (*is_over) (gpointer data), gpointer data, const MfpTimer *limit)
{
  while (!is_over (data) && !(limit && mfp_timer_is_due (limit)))
    if (virEventRunDefaultImpl () < 0)
      return;
}
