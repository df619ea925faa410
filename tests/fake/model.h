/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the model, for the files of this folder only. One lock guards the whole
 * model. A function expects its caller to hold the lock unless its comment says otherwise.
 */
#pragma once

#include "fake.h"

#include "base/xml.h"
#include "model/pci-address.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#define FAKE_NAMESPACE "urn:virt-mfplug:fake"
#define FAKE_NEVER G_MAXINT64
#define FAKE_NO_GROUP (-1)

/**
 * FakeNode:
 * @doc: the <device>, without its driver
 * @is_pci: whether it is a PCI function; the members below are set only then
 * @group: number of its IOMMU group, or %FAKE_NO_GROUP
 * @driver: (nullable)
 * @host_driver: (nullable): the driver that a reattach binds
 * @detached: virNodeDeviceDetachFlags() has detached it: libvirt does not rebind it on its
 *   own, even if its hostdev is managed
 * @stuck: the next rebind by libvirt on its own fails
 * @dropped_early: see fake_drop_early()
 */
typedef struct
{
  char *name;
  xmlDoc *doc;
  gboolean is_pci;
  MfpPciAddress address;
  int group;
  char *driver;
  char *host_driver;
  gboolean unreadable;
  gboolean detached;
  gboolean stuck;
  gboolean dropped_early;
} FakeNode;

/**
 * FakeQemuDevice:
 * @guest: its guest address, whose bus is the index of the controller
 * @is_vfio: whether it is the host function @host
 * @asked_at: when its removal was last requested
 * @leaves: the removal of its slot was requested: it leaves when the guest acts
 * @gone_at: when it leaves
 * @enumerated_at: from when on its BARs have addresses from the guest
 */
typedef struct
{
  char *id;
  MfpPciAddress guest;
  gboolean is_vfio;
  MfpPciAddress host;
  gint64 asked_at;
  gboolean leaves;
  gint64 gone_at;
  gint64 enumerated_at;
} FakeQemuDevice;

/* What libvirt will do later: drop the device from its XML, or report an event. */
typedef enum
{
  FAKE_DROP,
  FAKE_REPORT_REJECTED,
  FAKE_REPORT_RESUMED,
} FakeTaskKind;

typedef struct
{
  gint64 at;
  FakeTaskKind kind;
  char *alias; /* nullable */
} FakeTask;

/**
 * FakeDomain:
 * @live: (nullable): the XML of the running domain
 * @config: (nullable): the XML of a persistent domain
 * @qemu: (element-type FakeQemuDevice): in the order in which they were added
 * @access: numbers of the IOMMU groups that QEMU may open
 * @tasks: (element-type FakeTask)
 * @silent: the guest acts on nothing
 * @stranger: see fake_send_stranger()
 */
typedef struct
{
  char *name;
  char *uuid;
  int id;
  xmlDoc *live;
  xmlDoc *config;
  gboolean paused;
  FakeHotplug hotplug;
  guint version_major;
  guint version_minor;
  GPtrArray *qemu;
  GHashTable *access;
  GPtrArray *tasks;
  gboolean silent;
  gboolean rejects;
  gboolean stranger;
  guint lost_events;
} FakeDomain;

/**
 * FakeEvent:
 * @id: VIR_DOMAIN_EVENT_ID_*
 * @alias: (nullable)
 * @lifecycle, @detail: of VIR_DOMAIN_EVENT_ID_LIFECYCLE
 */
typedef struct
{
  int id;
  char *alias;
  int lifecycle;
  int detail;
} FakeEvent;

/**
 * Fake:
 * @path: (nullable): the file to which each change is written
 * @held_until: for each IOMMU group, until when QEMU still uses it (gint64)
 * @group_held: how long QEMU still uses a group after the last removal
 * @inside: how many calls have begun and not ended
 * @hanging: how many of those hang
 * @releases: how often hung calls were released
 * @in_hook: a hook runs, so the calls are its own
 */
struct _Fake
{
  char *path;
  gint64 clock;
  int last_id;
  GPtrArray *nodes;   /* FakeNode */
  GPtrArray *domains; /* FakeDomain */
  GHashTable *held_until;
  gint64 group_held;
  char *violation;

  GPtrArray *calls; /* utf8 */
  GPtrArray *faults;
  GPtrArray *hooks;
  GRand *random;
  guint odds;
  gboolean broken;
  gboolean in_hook;
  guint inside;
  guint hanging;
  guint releases;
};

/* ---- model.c ---- */

void fake_lock (void);
void fake_unlock (void);
void fake_changed (void);                /* wakes all threads in fake_wait() */
void fake_wait (void);                   /* waits for fake_changed() */
Fake *fake_current (void);               /* or NULL */
gint64 *fake_clock (void);               /* of the current fake, or without one */
Fake *fake_new_empty (void);
void fake_violate (Fake *fake, const char *what);

/* ---- xml.c ---- */

xmlNode *fake_xml_required (xmlNode *node, const char *name); /* added if it is absent */
void fake_xml_set (xmlNode *node, const char *name, const char *value);
void fake_xml_set_address (xmlNode *node, const MfpPciAddress *address);
void fake_xml_remove (xmlNode *node);
xmlDoc *fake_xml_copy (xmlNode *node); /* as a document of its own */
xmlNode *fake_xml_root (xmlDoc *doc);
char *fake_xml_child_text (const xmlNode *node, const char *name);

/* ---- host.c ---- */

FakeNode *fake_node_new (xmlNode *device);
void fake_node_free (gpointer node);
FakeNode *fake_node_find (Fake *fake, const char *name);
FakeNode *fake_host_find (Fake *fake, const MfpPciAddress *address);
void fake_host_set_driver (FakeNode *node, const char *driver);
gboolean fake_driver_is_vfio (const char *driver);
gboolean fake_group_is_viable (Fake *fake, int group);
FakeDomain *fake_group_user (Fake *fake, int group); /* the domain whose QEMU has it */
gboolean fake_group_is_held (Fake *fake, int group); /* after the last removal */
void fake_group_hold (Fake *fake, int group);
FakeDomain *fake_host_user (Fake *fake, const MfpPciAddress *address); /* a running one */
void fake_host_remove (Fake *fake, FakeNode *node);
/* Removes the virtual functions of @node, as unbinding its driver does. */
void fake_host_destroy_vfs (Fake *fake, FakeNode *node);

/* ---- domains.c ---- */

FakeDomain *fake_domain_new (void);
void fake_domain_free (gpointer domain);
FakeDomain *fake_domain_find (Fake *fake, const char *name);
FakeDomain *fake_domain_find_uuid (Fake *fake, const char *uuid);
gboolean fake_domain_is_stopped (const FakeDomain *domain); /* silent or paused */
xmlNode *fake_domain_devices (xmlDoc *doc);
xmlNode *fake_device_by_host (xmlDoc *doc, const MfpPciAddress *host);
xmlNode *fake_device_by_alias (xmlDoc *doc, const char *alias);
xmlNode *fake_device_by_guest (xmlDoc *doc, const MfpPciAddress *guest);
gboolean fake_device_host (const xmlNode *device, MfpPciAddress *host);
gboolean fake_device_guest (const xmlNode *device, MfpPciAddress *guest);
char *fake_device_alias (const xmlNode *device);
gboolean fake_device_is_pci_controller (const xmlNode *device);
xmlNode *fake_controller_by_index (xmlDoc *doc, guint index);
void fake_domain_give_aliases (xmlDoc *doc);
void fake_domain_strip_aliases (xmlDoc *doc);
char *fake_domain_new_alias (xmlDoc *doc, const xmlNode *device);
void fake_domain_fill_qemu (Fake *fake, FakeDomain *domain);
void fake_domain_show_id (FakeDomain *domain); /* in the live XML */
void fake_domain_end (Fake *fake, FakeDomain *domain);
gboolean fake_domain_start (Fake *fake, FakeDomain *domain);
/* Do what follows when the guest stops or resumes. The caller has set @silent or @paused. */
void fake_domain_stopped (Fake *fake, FakeDomain *domain);
void fake_domain_resumed (Fake *fake, FakeDomain *domain);
/* libvirt drops @device from the live XML, and QEMU loses its access to the IOMMU group. */
void fake_domain_drop (Fake *fake, FakeDomain *domain, xmlNode *device);
void fake_domain_add_task (FakeDomain *domain, gint64 at, FakeTaskKind kind, const char *alias);

/* ---- devices.c: libvirt's attach and detach; they set libvirt's error ---- */

gboolean fake_attach (Fake *fake, FakeDomain *domain, const char *xml, unsigned int flags);
gboolean fake_detach (Fake *fake, FakeDomain *domain, const char *xml, unsigned int flags);
gboolean fake_detach_alias (Fake *fake, FakeDomain *domain, const char *alias);

/* ---- qemu.c ---- */

void fake_qemu_free (gpointer device);
FakeQemuDevice *fake_qemu_find (const FakeDomain *domain, const char *id);
FakeQemuDevice *fake_qemu_at (const FakeDomain *domain, const MfpPciAddress *guest);
FakeQemuDevice *fake_qemu_add (FakeDomain *domain, const char *id, const MfpPciAddress *host,
                               const MfpPciAddress *guest);
/* The guest enumerates the functions in the slot of @guest. */
void fake_qemu_enumerate (Fake *fake, FakeDomain *domain, const MfpPciAddress *guest);
/* QEMU's device_add of a host function. @message: (out): the refusal; the caller frees. */
gboolean fake_qemu_plug (Fake *fake, FakeDomain *domain, const FakeQemuDevice *wanted,
                         gboolean multifunction, char **message);
/* QEMU's device_del. */
gboolean fake_qemu_unplug (Fake *fake, FakeDomain *domain, FakeQemuDevice *device,
                           char **message);
void fake_settle (Fake *fake);        /* does everything that is due */
gint64 fake_next_due (Fake *fake);    /* when the next thing is due, or FAKE_NEVER */

/* ---- qmp.c ---- */

char *fake_qmp_name (const char *command); /* "device_add"; the caller frees */
char *fake_qmp_answer (Fake *fake, FakeDomain *domain, const char *command);

/* ---- errors.c: they need no lock ---- */

void fake_error (int code, const char *format, ...) G_GNUC_PRINTF (2, 3);
void fake_error_reset (void);
void fake_error_restore (virErrorPtr error); /* takes ownership */
void fake_error_dispatch (void); /* to the program's error function; without the lock */

/* ---- faults.c ---- */

/**
 * FakeCall:
 * @connection: (nullable)
 * @uuid: (nullable): of the domain that the call is about
 * @changes: it changes something
 * @needs_writing: a read-only connection refuses it although it changes nothing
 * @is_request: once QEMU has the request, the call reports no error
 *
 * One call to the daemon.
 */
typedef struct
{
  Fake *fake;
  const char *name;
  virConnectPtr connection;
  const char *uuid;
  gboolean changes;
  gboolean needs_writing;
  gboolean is_request;
  int fault; /* FakeFaultKind, or -1 */
} FakeCall;

/* Takes the lock, and keeps it if it returns TRUE. Returns FALSE if the call fails here. */
gboolean fake_call_begin (FakeCall *call);
/* Releases the lock. @done: whether the call did its work. Returns what the call returns. */
gboolean fake_call_end (FakeCall *call, gboolean done);
void fake_faults_init (Fake *fake);
void fake_faults_clear (Fake *fake);
void fake_lost_error (void);

/* ---- connection.c ---- */

void fake_connection_break (virConnectPtr connection);
gboolean fake_connection_is_usable (virConnectPtr connection);
gboolean fake_connection_is_read_only (virConnectPtr connection);
void fake_events_queue (FakeDomain *domain, const FakeEvent *event);
void fake_events_queue_alias (FakeDomain *domain, int id, const char *alias);
void fake_events_queue_lifecycle (FakeDomain *domain, int lifecycle, int detail);
/* Delivers one event, and releases the lock meanwhile. Returns FALSE if there is none. */
gboolean fake_events_deliver (void);

/* ---- event-loop.c ---- */

void fake_loop_rebase (gint64 difference); /* the clock has jumped */
void fake_loop_mark_hung (void);           /* the call of the newest doorbell hangs */
void fake_loop_unmark_hung (void);

/* ---- state.c ---- */

Fake *fake_load (const char *path);
void fake_store (Fake *fake); /* if it has a path */
