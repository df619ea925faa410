/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stand-in for libvirt: the vir* functions that virt-mfplug calls, on a model of a
 * host, libvirt, QEMU, guests and the kernel. A program is linked with it instead of
 * libvirt.
 *
 * The model keeps the rules that the real ones showed: libvirt refuses the live attach
 * of a function other than 0; QEMU queues functions until function 0 comes; an eject
 * takes the whole slot; libvirt drops a device from its XML some time after QEMU deleted
 * it; libvirt drops an unassigned device without asking QEMU; when libvirt drops one
 * member of an IOMMU group, or a plug fails, all members lose their access; the kernel
 * refuses to rebind a function whose group is in use, and QEMU uses the group for a
 * moment after the last removal.
 *
 * Time is virtual. It advances by 1 ms at each call to the daemon, and in
 * virEventRunDefaultImpl(), to whatever comes next. A disabled timer (frequency -1) is
 * the doorbell of a call in another thread: while there is one, the loop dispatches
 * nothing and the time stands still until the thread enables it. Only while that call
 * hangs (FAKE_HANG) the time goes on.
 *
 * A call's name is that of its function; that of virDomainQemuMonitorCommand() is its QMP
 * command, "device_add". An occurrence counts the calls of one name, from 1, since the
 * last fake_clear_calls() or fake_mend().
 *
 * With FAKE_LIBVIRT=FILE in the environment the first connection loads FILE, and
 * each change is written back to it; FAKE_FAULTS="virNodeDeviceDetachFlags#2=error-before,
 * device_add#1=lost-after" sets faults.
 */
#pragma once

#include <glib.h>

typedef struct _Fake Fake;

typedef enum
{
  FAKE_ERROR_BEFORE,    /* "error-before": the call fails, and nothing was done */
  FAKE_ERROR_AFTER,     /* "error-after": the call fails, although it was done */
  FAKE_LOST_BEFORE,     /* "lost-before": the connection breaks, and nothing was done */
  FAKE_LOST_AFTER,      /* "lost-after": the connection breaks after it was done */
  FAKE_HANG,            /* "hang": the call does not return before fake_release_hung() */
  FAKE_SILENT_GUEST,    /* "silent-guest": from then on the guest answers no request */
  FAKE_DOMAIN_ENDS,     /* "domain-ends": the guest powers off just before */
  FAKE_DOMAIN_RESTARTS, /* "domain-restarts": it ends and starts again just before */
  FAKE_SIGNAL,          /* "signal": SIGINT comes just before */
  FAKE_BROKEN,          /* "broken": from then on each call that changes anything fails */
  FAKE_KILLED_BEFORE,   /* "killed-before": SIGKILL ends the process, nothing was done */
  FAKE_KILLED_AFTER,    /* "killed-after": SIGKILL ends the process after it was done */
  FAKE_FAULT_KINDS,
} FakeFaultKind;

/* How the guest's ports take plugging. */
typedef enum
{
  FAKE_ACPI,   /* an eject takes the whole slot, queued functions too */
  FAKE_NATIVE, /* a queued function is removed at once, without the guest */
  FAKE_PLAIN,  /* libvirt itself takes multifunction addresses, and detaches of each */
} FakeHotplug;

/* ---- a fake ---- */

/**
 * fake_new_from_file:
 * @path: <node> with <domain> and <device> elements, as libvirt's test driver reads
 *   them, or a state that fake_save() wrote
 *
 * Beside PATH.xml there may be PATH.drivers: lines "NODE-DEVICE DRIVER [HOST-DRIVER]",
 * "-" for no driver, for the devices whose element has no <driver>. HOST-DRIVER is the
 * driver that a reattach binds; without it, that is DRIVER unless DRIVER is of VFIO.
 *
 * A file that cannot be read ends the program.
 */
Fake *fake_new_from_file (const char *path);
void fake_free (Fake *fake); /* releases hung calls, and waits until they have returned */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fake, fake_free)

/* All vir* functions act on @fake (nullable) from now on. */
void fake_use (Fake *fake);

/* Writes the whole state; fake_new_from_file() reads it. */
void fake_save (Fake *fake, const char *path);

/* The virtual time in microseconds. */
gint64 fake_now (Fake *fake);

/* What a real host would not have forgiven (a device whose access was taken while QEMU
 * had it, a rebind in a busy group), or NULL. It lives as long as @fake. */
const char *fake_violation (Fake *fake);

/* ---- faults and calls ---- */

/* Lets the call @name have a fault at its @occurrence. A fault happens once. Faults of
 * a domain happen to the one that the call is on, or to the first of the file. */
void fake_fault (Fake *fake, const char *name, guint occurrence, FakeFaultKind kind);

/* "NAME#OCCURRENCE=KIND", separated by commas. FALSE: it is something else. */
gboolean fake_fault_by_text (Fake *fake, const char *text);

/* From now on each call has, with a chance of 1 in @odds, one of the faults up to
 * FAKE_LOST_AFTER. */
void fake_fault_at_random (Fake *fake, guint odds);
void fake_seed (Fake *fake, guint32 seed);

/* No more faults or hooks, the guests answer again, and the calls count anew. */
void fake_mend (Fake *fake);

/* Lets hung calls return, as on a broken connection. */
void fake_release_hung (Fake *fake);

/* Every open connection breaks, as when libvirtd restarts. */
void fake_break_connections (Fake *fake);

/* How many calls hang. */
guint fake_hanging (Fake *fake);

typedef void (*FakeHook) (Fake *fake, gpointer data);

/* Calls @hook in the thread of the call @name at its @occurrence (0: at each), just
 * before the call acts. It may call fake_* and vir* functions; its own calls are not
 * logged and have no faults. */
void fake_at_call (Fake *fake, const char *name, guint occurrence, FakeHook hook, gpointer data);

/* Names of the calls that went to the daemon, in order: (element-type utf8); the caller
 * owns the array. */
GPtrArray *fake_calls (Fake *fake);
guint fake_count (Fake *fake, const char *name); /* NULL: all */
void fake_clear_calls (Fake *fake);

/* ---- guests: @domain is a name ---- */

void fake_set_hotplug (Fake *fake, const char *domain, FakeHotplug hotplug);
void fake_set_qemu_version (Fake *fake, const char *domain, guint major, guint minor);

/* The guest's system stops, as a paused one does, and goes on: then it does what it
 * was asked meanwhile. */
void fake_stop_guest (Fake *fake, const char *domain);
void fake_let_guest_go (Fake *fake, const char *domain);

/* The guest rejects the next removal, and QEMU reports that. */
void fake_reject_removal (Fake *fake, const char *domain);

/* Soon the domain reports something that is no removal: that its guest resumed. */
void fake_report_other (Fake *fake, const char *domain);

/* libvirt misses QEMU's report of the next @count removals. */
void fake_lose_events (Fake *fake, const char *domain, guint count);

/* A stranger's function 0 comes into the guest slot as soon as something is queued
 * there. */
void fake_send_stranger (Fake *fake, const char *domain);

void fake_end_domain (Fake *fake, const char *domain);

/* Starts it with what the persistent XML has. FALSE: libvirt refuses. */
gboolean fake_start_domain (Fake *fake, const char *domain);
gboolean fake_restart_domain (Fake *fake, const char *domain);
gboolean fake_is_running (Fake *fake, const char *domain);

/* ---- host functions: @host is "0000:01:00.0" ---- */

/* Binds a function to @driver (nullable) by hand. */
void fake_bind (Fake *fake, const char *host, const char *driver);

/* The driver (nullable) that a reattach binds the function to. */
void fake_set_host_driver (Fake *fake, const char *host, const char *driver);

/* The function's driver, or NULL; the caller frees. */
char *fake_driver (Fake *fake, const char *host);

/* The function was pulled out of the host. */
void fake_pull_out (Fake *fake, const char *host);

/* Each reading of the function's XML fails, and not because it is gone. */
void fake_make_unreadable (Fake *fake, const char *host);

/* libvirt fails once to rebind the function by itself when it drops its hostdev. */
void fake_fail_rebind (Fake *fake, const char *host);

/* When the guest lets go of the slot of @host, QEMU takes longer for that function than
 * for the rest, and somebody has libvirt drop it before. */
void fake_drop_early (Fake *fake, const char *host);

/* The kernel lets go of a group as soon as QEMU does, not a moment later. */
void fake_release_at_once (Fake *fake);

/* ---- what there is, as text to compare; the caller frees ---- */

/* The drivers of the host, and the domain's hostdevs, QEMU devices and metadata. */
char *fake_describe_live (Fake *fake, const char *domain);

/* The hostdevs of the persistent XML. */
char *fake_describe_config (Fake *fake, const char *domain);
char *fake_describe_drivers (Fake *fake);
