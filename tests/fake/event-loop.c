/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <poll.h>

/**
 * Timer:
 * @frequency: in milliseconds; negative: it is disabled
 * @due: on the virtual clock, if it is enabled
 * @hung: it is the doorbell of a call that hangs
 */
typedef struct
{
  int id;
  int frequency;
  gint64 due;
  virEventTimeoutCallback function;
  void *data;
  virFreeCallback free_data;
  gboolean hung;
  gboolean dispatching;
  gboolean removed;
} Timer;

typedef struct
{
  int id;
  int fd;
  int events;
  virEventHandleCallback function;
  void *data;
  virFreeCallback free_data;
  gboolean dispatching;
  gboolean removed;
} Handle;

static gboolean registered;
static GPtrArray *timers;  /* Timer */
static GPtrArray *handles; /* Handle */
static int last_id;

/* ---- timers ---- */

static gint64
due_of (int frequency)
{
  return frequency < 0 ? FAKE_NEVER
                       : *fake_clock () + (gint64) frequency * G_TIME_SPAN_MILLISECOND;
}

static Timer *
find_timer (int id)
{
  for (guint i = 0; timers && i < timers->len; i++)
    {
      Timer *timer = g_ptr_array_index (timers, i);

      if (timer->id == id)
        return timer;
    }
  return NULL;
}

/* Releases the lock for a moment. */
static void
free_timer (Timer *timer)
{
  fake_unlock ();
  if (timer->free_data)
    timer->free_data (timer->data);
  g_free (timer);
  fake_lock ();
}

int
virEventAddTimeout (int frequency, virEventTimeoutCallback cb, void *opaque, virFreeCallback ff)
{
  Timer *timer = g_new0 (Timer, 1);
  int id;

  fake_lock ();
  if (!timers)
    timers = g_ptr_array_new ();
  timer->id = id = ++last_id;
  timer->frequency = frequency;
  timer->due = due_of (frequency);
  timer->function = cb;
  timer->data = opaque;
  timer->free_data = ff;
  g_ptr_array_add (timers, timer);
  fake_changed ();
  fake_unlock ();
  return id;
}

void
virEventUpdateTimeout (int timer, int frequency)
{
  Timer *found;

  fake_lock ();
  found = find_timer (timer);
  if (found)
    {
      found->frequency = frequency;
      found->due = due_of (frequency);
    }
  fake_changed ();
  fake_unlock ();
}

int
virEventRemoveTimeout (int timer)
{
  Timer *found;

  fake_lock ();
  found = find_timer (timer);
  if (found)
    {
      g_ptr_array_remove (timers, found);
      if (timers->len == 0)
        g_clear_pointer (&timers, g_ptr_array_unref);
      found->removed = TRUE;
      if (!found->dispatching)
        free_timer (found);
    }
  fake_changed ();
  fake_unlock ();
  return found ? 0 : -1;
}

void
fake_loop_rebase (gint64 difference)
{
  for (guint i = 0; timers && i < timers->len; i++)
    {
      Timer *timer = g_ptr_array_index (timers, i);

      if (timer->frequency >= 0)
        timer->due += difference;
    }
}

/* The newest disabled timer is the doorbell: there is one call at a time. */
void
fake_loop_mark_hung (void)
{
  for (guint i = timers ? timers->len : 0; i-- > 0;)
    {
      Timer *timer = g_ptr_array_index (timers, i);

      if (timer->frequency < 0 && !timer->hung)
        {
          timer->hung = TRUE;
          return;
        }
    }
}

void
fake_loop_unmark_hung (void)
{
  for (guint i = 0; timers && i < timers->len; i++)
    ((Timer *) g_ptr_array_index (timers, i))->hung = FALSE;
}

/* Whether another thread makes a call and will enable its timer. */
static gboolean
is_awaiting_doorbell (void)
{
  for (guint i = 0; timers && i < timers->len; i++)
    {
      const Timer *timer = g_ptr_array_index (timers, i);

      if (timer->frequency < 0 && !timer->hung)
        return TRUE;
    }
  return FALSE;
}

static Timer *
next_timer (void)
{
  Timer *next = NULL;

  for (guint i = 0; timers && i < timers->len; i++)
    {
      Timer *timer = g_ptr_array_index (timers, i);

      if (timer->frequency >= 0 && (!next || timer->due < next->due))
        next = timer;
    }
  return next;
}

static gboolean
dispatch_timer (void)
{
  Timer *timer = next_timer ();

  if (!timer || timer->due > *fake_clock ())
    return FALSE;
  timer->due = due_of (timer->frequency);
  timer->dispatching = TRUE;
  fake_unlock ();
  timer->function (timer->id, timer->data);
  fake_lock ();
  timer->dispatching = FALSE;
  if (timer->removed)
    free_timer (timer);
  return TRUE;
}

/* ---- handles ---- */

static const struct
{
  int libvirt;
  short kernel;
} conditions[] = {
  { VIR_EVENT_HANDLE_READABLE, POLLIN },
  { VIR_EVENT_HANDLE_WRITABLE, POLLOUT },
  { VIR_EVENT_HANDLE_ERROR, POLLERR },
  { VIR_EVENT_HANDLE_HANGUP, POLLHUP },
};

static short
to_kernel (int events)
{
  short result = 0;

  for (guint i = 0; i < G_N_ELEMENTS (conditions); i++)
    if (events & conditions[i].libvirt)
      result = (short) (result | conditions[i].kernel);
  return result;
}

static int
from_kernel (short events)
{
  int result = 0;

  for (guint i = 0; i < G_N_ELEMENTS (conditions); i++)
    if (events & conditions[i].kernel)
      result |= conditions[i].libvirt;
  return result;
}

static Handle *
find_handle (int id)
{
  for (guint i = 0; handles && i < handles->len; i++)
    {
      Handle *handle = g_ptr_array_index (handles, i);

      if (handle->id == id)
        return handle;
    }
  return NULL;
}

static void
free_handle (Handle *handle)
{
  fake_unlock ();
  if (handle->free_data)
    handle->free_data (handle->data);
  g_free (handle);
  fake_lock ();
}

int
virEventAddHandle (int fd, int events, virEventHandleCallback cb, void *opaque,
                   virFreeCallback ff)
{
  Handle *handle = g_new0 (Handle, 1);
  int id;

  fake_lock ();
  if (!handles)
    handles = g_ptr_array_new ();
  handle->id = id = ++last_id;
  handle->fd = fd;
  handle->events = events;
  handle->function = cb;
  handle->data = opaque;
  handle->free_data = ff;
  g_ptr_array_add (handles, handle);
  fake_changed ();
  fake_unlock ();
  return id;
}

void
virEventUpdateHandle (int watch, int events)
{
  Handle *found;

  fake_lock ();
  found = find_handle (watch);
  if (found)
    found->events = events;
  fake_changed ();
  fake_unlock ();
}

int
virEventRemoveHandle (int watch)
{
  Handle *found;

  fake_lock ();
  found = find_handle (watch);
  if (found)
    {
      g_ptr_array_remove (handles, found);
      if (handles->len == 0)
        g_clear_pointer (&handles, g_ptr_array_unref);
      found->removed = TRUE;
      if (!found->dispatching)
        free_handle (found);
    }
  fake_unlock ();
  return found ? 0 : -1;
}

static Handle *
find_ready_handle (int *events)
{
  for (guint i = 0; handles && i < handles->len; i++)
    {
      Handle *handle = g_ptr_array_index (handles, i);
      struct pollfd poll_fd = { .fd = handle->fd, .events = to_kernel (handle->events) };

      if (handle->events == 0 || poll (&poll_fd, 1, 0) <= 0)
        continue;
      *events = from_kernel (poll_fd.revents);
      return handle;
    }
  return NULL;
}

static gboolean
dispatch_handle (void)
{
  int events;
  Handle *handle = find_ready_handle (&events);

  if (!handle)
    return FALSE;
  handle->dispatching = TRUE;
  fake_unlock ();
  handle->function (handle->id, handle->fd, events, handle->data);
  fake_lock ();
  handle->dispatching = FALSE;
  if (handle->removed)
    free_handle (handle);
  return TRUE;
}

/* ---- the loop ---- */

/* Advances time to the next timer or the next change of the model. */
static void
advance (void)
{
  Fake *fake = fake_current ();
  const Timer *timer = next_timer ();
  gint64 next = timer ? timer->due : FAKE_NEVER;

  if (fake)
    next = MIN (next, fake_next_due (fake));
  if (next == FAKE_NEVER)
    g_error ("the event loop waits for ever: there is no timer, nothing happens in the model, "
             "and no file descriptor is ready");
  *fake_clock () = MAX (*fake_clock (), next);
  if (!fake)
    return;
  fake_settle (fake);
  fake_store (fake);
}

int
virEventRegisterDefaultImpl (void)
{
  registered = TRUE;
  return 0;
}

/* The loop dispatches nothing during a call, so that the order of events does not depend on
 * the speed of the threads. */
int
virEventRunDefaultImpl (void)
{
  if (!registered)
    return -1;
  fake_lock ();
  while (is_awaiting_doorbell () || !(dispatch_handle () || fake_events_deliver ()
                                      || dispatch_timer ()))
    if (is_awaiting_doorbell ())
      fake_wait ();
    else
      advance ();
  fake_unlock ();
  return 0;
}
