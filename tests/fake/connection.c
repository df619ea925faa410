/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "connection.h"

#include <string.h>

/**
 * Callback:
 * @references: one of the connection, and one of each delivery
 * @uuid: (nullable): the domain whose events it gets; NULL: those of all domains
 */
typedef struct
{
  int references;
  int id;
  char *uuid;
  int event;
  virConnectDomainEventGenericCallback function;
  void *data;
  virFreeCallback free_data;
  gboolean removed;
} Callback;

/* An event on its way to one callback. */
typedef struct
{
  virConnectPtr connection;
  Callback *callback;
  char *name;
  char *uuid;
  FakeEvent event;
} Delivery;

static GPtrArray *connections; /* virConnectPtr: all that are open */
static GQueue deliveries = G_QUEUE_INIT;

/* ---- callbacks ---- */

/* Releases the lock for a moment if this was the last reference. */
static void
callback_unref (Callback *callback)
{
  if (--callback->references > 0)
    return;
  fake_unlock ();
  if (callback->free_data)
    callback->free_data (callback->data);
  g_free (callback->uuid);
  g_free (callback);
  fake_lock ();
}

static void
delivery_free (Delivery *delivery)
{
  callback_unref (delivery->callback);
  g_free (delivery->name);
  g_free (delivery->uuid);
  g_free (delivery->event.alias);
  g_free (delivery);
}

static Callback *
find_callback (virConnectPtr connection, int id)
{
  for (guint i = 0; i < connection->callbacks->len; i++)
    {
      Callback *callback = g_ptr_array_index (connection->callbacks, i);

      if (callback->id == id)
        return callback;
    }
  return NULL;
}

static Delivery *
take_delivery (Callback *callback)
{
  for (GList *item = deliveries.head; item; item = item->next)
    {
      Delivery *delivery = item->data;

      if (delivery->callback != callback)
        continue;
      g_queue_delete_link (&deliveries, item);
      return delivery;
    }
  return NULL;
}

static void
remove_callback (virConnectPtr connection, Callback *callback)
{
  Delivery *delivery;

  callback->removed = TRUE;
  g_ptr_array_remove (connection->callbacks, callback);
  while ((delivery = take_delivery (callback)))
    delivery_free (delivery);
  callback_unref (callback);
}

/* ---- events ---- */

static gboolean
wants (const Callback *callback, const FakeDomain *domain, int event)
{
  return callback->event == event
         && (!callback->uuid || strcmp (callback->uuid, domain->uuid) == 0);
}

static void
send_to (virConnectPtr connection, Callback *callback, const FakeDomain *domain,
         const FakeEvent *event)
{
  Delivery *delivery = g_new0 (Delivery, 1);

  callback->references++;
  delivery->connection = connection;
  delivery->callback = callback;
  delivery->name = g_strdup (domain->name);
  delivery->uuid = g_strdup (domain->uuid);
  delivery->event = *event;
  delivery->event.alias = g_strdup (event->alias);
  g_queue_push_tail (&deliveries, delivery);
}

void
fake_events_queue (FakeDomain *domain, const FakeEvent *event)
{
  for (guint i = 0; connections && i < connections->len; i++)
    {
      virConnectPtr connection = g_ptr_array_index (connections, i);

      for (guint j = 0; !connection->broken && j < connection->callbacks->len; j++)
        {
          Callback *callback = g_ptr_array_index (connection->callbacks, j);

          if (wants (callback, domain, event->id))
            send_to (connection, callback, domain, event);
        }
    }
  fake_changed ();
}

void
fake_events_queue_alias (FakeDomain *domain, int id, const char *alias)
{
  FakeEvent event = { .id = id, .alias = (char *) alias };

  fake_events_queue (domain, &event);
}

void
fake_events_queue_lifecycle (FakeDomain *domain, int lifecycle, int detail)
{
  FakeEvent event
      = { .id = VIR_DOMAIN_EVENT_ID_LIFECYCLE, .lifecycle = lifecycle, .detail = detail };

  fake_events_queue (domain, &event);
}

static void
call_back (const Delivery *delivery, virDomainPtr domain)
{
  const Callback *callback = delivery->callback;
  const FakeEvent *event = &delivery->event;

  if (event->id == VIR_DOMAIN_EVENT_ID_LIFECYCLE)
    ((virConnectDomainEventCallback) (void (*) (void)) callback->function) (
        delivery->connection, domain, event->lifecycle, event->detail, callback->data);
  else /* the callbacks of both events about removals have the same type */
    ((virConnectDomainEventDeviceRemovedCallback) (void (*) (void)) callback->function) (
        delivery->connection, domain, event->alias, callback->data);
}

gboolean
fake_events_deliver (void)
{
  Delivery *delivery = g_queue_pop_head (&deliveries);
  virDomainPtr domain;

  if (!delivery)
    return FALSE;
  if (!delivery->connection->broken)
    {
      domain = fake_domain_handle (delivery->connection, delivery->name, delivery->uuid);
      fake_unlock ();
      call_back (delivery, domain);
      virDomainFree (domain);
      fake_lock ();
    }
  delivery_free (delivery);
  return TRUE;
}

/* ---- a connection ---- */

static virConnectPtr
connection_new (const char *uri, gboolean read_only)
{
  virConnectPtr connection = g_new0 (virConnect, 1);

  connection->references = 1;
  connection->uri = g_strdup (uri ? uri : "qemu:///system");
  connection->read_only = read_only;
  connection->callbacks = g_ptr_array_new ();
  if (!connections)
    connections = g_ptr_array_new ();
  g_ptr_array_add (connections, connection);
  return connection;
}

static void
connection_free (virConnectPtr connection)
{
  while (connection->callbacks->len > 0)
    remove_callback (connection, g_ptr_array_index (connection->callbacks, 0));
  g_ptr_array_remove (connections, connection);
  if (connections->len == 0)
    g_clear_pointer (&connections, g_ptr_array_unref);
  g_ptr_array_unref (connection->callbacks);
  g_free (connection->uri);
  g_free (connection);
}

void
fake_connection_ref (virConnectPtr connection)
{
  connection->references++;
}

int
fake_connection_unref (virConnectPtr connection)
{
  int left = --connection->references;

  if (left == 0)
    connection_free (connection);
  return left;
}

void
fake_connection_break (virConnectPtr connection)
{
  connection->broken = TRUE;
}

void
fake_break_connections (Fake *fake G_GNUC_UNUSED)
{
  fake_lock ();
  for (guint i = 0; connections && i < connections->len; i++)
    fake_connection_break (g_ptr_array_index (connections, i));
  fake_changed ();
  fake_unlock ();
}

gboolean
fake_connection_is_usable (virConnectPtr connection)
{
  return !connection->broken;
}

gboolean
fake_connection_is_read_only (virConnectPtr connection)
{
  return connection->read_only;
}

/* The program on the fake gets its model from the environment. */
static void
load_from_environment (void)
{
  static gsize loaded;
  const char *path = g_getenv ("FAKE_LIBVIRT"), *faults = g_getenv ("FAKE_FAULTS");
  Fake *fake;

  if (!g_once_init_enter (&loaded))
    return;
  if (path)
    {
      fake = fake_load (path);
      fake->path = g_strdup (path);
      if (faults && !fake_fault_by_text (fake, faults))
        g_error ("FAKE_FAULTS='%s' is not NAME#OCCURRENCE=KIND,...", faults);
      fake_use (fake);
    }
  g_once_init_leave (&loaded, 1);
}

static virConnectPtr
open_connection (const char *name, const char *uri, gboolean read_only)
{
  FakeCall call = { .name = name };
  virConnectPtr connection;

  load_from_environment ();
  if (!fake_call_begin (&call))
    return NULL;
  connection = connection_new (uri, read_only);
  if (fake_call_end (&call, TRUE))
    return connection;
  fake_lock ();
  connection_free (connection);
  fake_unlock ();
  return NULL;
}

static int
no_credentials (virConnectCredentialPtr credentials G_GNUC_UNUSED, unsigned int count G_GNUC_UNUSED,
                void *data G_GNUC_UNUSED)
{
  return -1;
}

static virConnectAuth auth_default = { .cb = no_credentials };
virConnectAuthPtr virConnectAuthPtrDefault = &auth_default;

virConnectPtr
virConnectOpen (const char *name)
{
  return open_connection ("virConnectOpen", name, FALSE);
}

virConnectPtr
virConnectOpenAuth (const char *name, virConnectAuthPtr auth G_GNUC_UNUSED, unsigned int flags)
{
  return open_connection ("virConnectOpenAuth", name, (flags & VIR_CONNECT_RO) != 0);
}

char *
virConnectGetURI (virConnectPtr conn)
{
  return strdup (conn->uri ? conn->uri : "qemu:///system"); /* the client frees with free() */
}

int
virConnectRef (virConnectPtr conn)
{
  fake_error_reset ();
  fake_lock ();
  fake_connection_ref (conn);
  fake_unlock ();
  return 0;
}

/* The connection is closed even if the call fails. */
int
virConnectClose (virConnectPtr conn)
{
  FakeCall call = { .name = "virConnectClose" };
  gboolean done = TRUE;
  int left;

  fake_lock ();
  left = conn->references - 1;
  fake_unlock ();
  if (left == 0 && fake_current ())
    done = fake_call_begin (&call) && fake_call_end (&call, TRUE);
  else
    fake_error_reset ();
  fake_lock ();
  left = fake_connection_unref (conn);
  fake_unlock ();
  return done ? left : -1;
}

int
virConnectIsAlive (virConnectPtr conn)
{
  gboolean alive;

  fake_error_reset ();
  fake_lock ();
  alive = !conn->broken;
  fake_unlock ();
  return alive ? 1 : 0;
}

int
virConnectSetKeepAlive (virConnectPtr conn G_GNUC_UNUSED, int interval G_GNUC_UNUSED,
                        unsigned int count G_GNUC_UNUSED)
{
  return 0; /* libvirt's client does this without the daemon */
}

/* ---- listening ---- */

int
virConnectDomainEventRegisterAny (virConnectPtr conn, virDomainPtr dom, int eventID,
                                  virConnectDomainEventGenericCallback cb, void *opaque,
                                  virFreeCallback freecb)
{
  FakeCall call = { .name = "virConnectDomainEventRegisterAny", .connection = conn };
  Callback *callback;
  int id;

  if (!fake_call_begin (&call))
    return -1;
  callback = g_new0 (Callback, 1);
  callback->references = 1;
  callback->id = id = conn->next_callback++;
  callback->uuid = dom ? g_strdup (fake_handle_uuid (dom)) : NULL;
  callback->event = eventID;
  callback->function = cb;
  callback->data = opaque;
  callback->free_data = freecb;
  g_ptr_array_add (conn->callbacks, callback);
  if (fake_call_end (&call, TRUE))
    return id;
  /* libvirt frees the data only of a callback that it has accepted. */
  fake_lock ();
  callback->free_data = NULL;
  remove_callback (conn, callback);
  fake_unlock ();
  return -1;
}

/* libvirt's client forgets the callback even if the call fails. */
int
virConnectDomainEventDeregisterAny (virConnectPtr conn, int callbackID)
{
  FakeCall call = { .name = "virConnectDomainEventDeregisterAny", .connection = conn };
  gboolean done;
  Callback *callback;

  fake_lock ();
  callback = find_callback (conn, callbackID);
  if (callback)
    remove_callback (conn, callback);
  fake_unlock ();
  if (!fake_call_begin (&call))
    return -1;
  if (!callback)
    fake_error (VIR_ERR_INVALID_ARG, "could not find event callback %d for deletion", callbackID);
  done = fake_call_end (&call, callback != NULL);
  return done ? 0 : -1;
}
