/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fake libvirt: the vir* functions that virt-mfplug calls, on a model of a host, libvirt,
 * QEMU, guests and the kernel. A program links with it instead of libvirt.
 *
 * The model follows these rules, which the real ones showed:
 *  - libvirt refuses the live attach of a function other than 0.
 *  - QEMU queues functions until function 0 is plugged.
 *  - An eject removes the whole slot.
 *  - libvirt drops a device from its XML some time after QEMU has deleted it.
 *  - libvirt drops an unassigned device without asking QEMU.
 *  - When libvirt drops one member of an IOMMU group, or a plug fails, QEMU loses its access
 *    to all members.
 *  - The kernel refuses to rebind a function whose IOMMU group is in use. QEMU still uses
 *    the group for a moment after the last removal.
 *
 * Time is virtual. Each call to the daemon advances it by 1 ms, and virEventRunDefaultImpl()
 * advances it to the next event. A disabled timer (frequency -1) is the doorbell of a call
 * in another thread, which enables the timer when the call has returned. While there is such
 * a timer, the loop dispatches nothing and time stands still. Time passes only if that call
 * hangs (FAKE_HANG).
 *
 * The name of a call is the name of its function. The name of a call of
 * virDomainQemuMonitorCommand() is its QMP command, for example "device_add". An occurrence
 * is the number of a call among the calls of one name. It counts from 1, since the last
 * fake_clear_calls() or fake_mend().
 *
 * If the environment has FAKE_LIBVIRT=FILE, the first connection loads FILE, and each change
 * is written back to it. FAKE_FAULTS sets faults, for example
 * "virNodeDeviceDetachFlags#2=error-before,device_add#1=lost-after".
 */
#pragma once

#include <glib.h>

typedef struct _Fake Fake;

typedef enum
{
  FAKE_ERROR_BEFORE,    /* "error-before": the call fails before it does anything */
  FAKE_ERROR_AFTER,     /* "error-after": the call fails although it has taken effect */
  FAKE_LOST_BEFORE,     /* "lost-before": the connection breaks before the call does anything */
  FAKE_LOST_AFTER,      /* "lost-after": it breaks after the call has taken effect */
  FAKE_HANG,            /* "hang": the call does not return before fake_release_hung() */
  FAKE_SILENT_GUEST,    /* "silent-guest": from this call on, the guest answers no request */
  FAKE_DOMAIN_ENDS,     /* "domain-ends": the guest powers off just before the call */
  FAKE_DOMAIN_RESTARTS, /* "domain-restarts": it ends and starts again just before the call */
  FAKE_SIGNAL,          /* "signal": SIGINT arrives just before the call */
  FAKE_BROKEN,          /* "broken": from this call on, every call that makes a change fails */
  FAKE_KILLED_BEFORE,   /* "killed-before": SIGKILL ends the process before the call acts */
  FAKE_KILLED_AFTER,    /* "killed-after": it does so after the call has taken effect */
  FAKE_FAULT_KINDS,
} FakeFaultKind;

/* How the guest handles hotplug. */
typedef enum
{
  FAKE_ACPI,   /* an eject removes the whole slot, with queued functions */
  FAKE_NATIVE, /* a queued function is removed at once, without the guest */
  FAKE_PLAIN,  /* libvirt itself attaches and detaches functions other than 0 */
} FakeHotplug;

/* ---- the fake ---- */

/**
 * fake_new_from_file:
 * @path: <node> with <domain> and <device> elements, as libvirt's test driver reads
 *   them, or a state that fake_save() wrote
 *
 * A file PATH.drivers beside PATH.xml sets the drivers of the devices whose element has no
 * <driver>. Each line is "NODE-DEVICE DRIVER [HOST-DRIVER]", and "-" means no driver. A
 * reattach binds HOST-DRIVER. If that is missing, a reattach binds DRIVER, or no driver if
 * DRIVER belongs to VFIO.
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

/* The first operation that would have done damage on a real host, such as a reattach while
 * QEMU has the IOMMU group, or NULL. The text lives as long as @fake. */
const char *fake_violation (Fake *fake);

/* ---- faults and calls ---- */

/* Sets a fault at the @occurrence of the call @name. A fault happens once. A fault of a
 * domain affects the domain that the call is about, or else the first domain of the file. */
void fake_fault (Fake *fake, const char *name, guint occurrence, FakeFaultKind kind);

/* Sets the faults of @text: "NAME#OCCURRENCE=KIND", separated by commas. Returns FALSE if
 * @text has another form. */
gboolean fake_fault_by_text (Fake *fake, const char *text);

/* From now on, each call has a fault with a probability of 1 in @odds. The kind is one of
 * those up to FAKE_LOST_AFTER. 0: no more such faults. */
void fake_fault_at_random (Fake *fake, guint odds);
void fake_seed (Fake *fake, guint32 seed);

/* Removes all faults and hooks, lets the guests answer again, and clears the log of calls. */
void fake_mend (Fake *fake);

/* Makes hung calls return as if their connection had broken. */
void fake_release_hung (Fake *fake);

/* Breaks every open connection, as a restart of libvirtd does. */
void fake_break_connections (Fake *fake);

/* How many calls hang. */
guint fake_hanging (Fake *fake);

typedef void (*FakeHook) (Fake *fake, gpointer data);

/* Runs @hook at the @occurrence of the call @name (0: at every one), just before the call
 * acts, in the thread of the call. A hook may call fake_* and vir* functions. Its own calls
 * are not logged and have no faults. */
void fake_at_call (Fake *fake, const char *name, guint occurrence, FakeHook hook, gpointer data);

/* The names of the calls to the daemon, in order: (element-type utf8); the caller owns the
 * array. */
GPtrArray *fake_calls (Fake *fake);
guint fake_count (Fake *fake, const char *name); /* NULL: all */
void fake_clear_calls (Fake *fake);

/* ---- guests: @domain is a name ---- */

void fake_set_hotplug (Fake *fake, const char *domain, FakeHotplug hotplug);
void fake_set_qemu_version (Fake *fake, const char *domain, guint major, guint minor);

/* Stops the guest's system, as a pause does, and resumes it. A guest that resumes does what
 * it was asked to do meanwhile. */
void fake_stop_guest (Fake *fake, const char *domain);
void fake_resume_guest (Fake *fake, const char *domain);

/* Makes the guest reject the next removal, which QEMU reports. */
void fake_reject_removal (Fake *fake, const char *domain);

/* Makes the domain soon report an event that is not a removal: its guest has resumed. */
void fake_report_other (Fake *fake, const char *domain);

/* Makes libvirt miss QEMU's reports of the next @count removals. */
void fake_lose_events (Fake *fake, const char *domain, guint count);

/* Makes somebody else plug function 0 of another device into the guest slot, as soon as a
 * function is queued there. */
void fake_send_stranger (Fake *fake, const char *domain);

void fake_end_domain (Fake *fake, const char *domain);

/* Starts the domain from its persistent XML. Returns FALSE if libvirt refuses. */
gboolean fake_start_domain (Fake *fake, const char *domain);
gboolean fake_restart_domain (Fake *fake, const char *domain);
gboolean fake_is_running (Fake *fake, const char *domain);

/* ---- host functions: @host is "0000:01:00.0" ---- */

/* Binds a function to @driver (nullable), as a person does without libvirt. */
void fake_bind (Fake *fake, const char *host, const char *driver);

/* Sets the driver (nullable) to which a reattach binds the function. */
void fake_set_host_driver (Fake *fake, const char *host, const char *driver);

/* The function's driver, or NULL; the caller frees. */
char *fake_driver (Fake *fake, const char *host);

/* Removes the function from the host, as if somebody had pulled out the card. */
void fake_pull_out (Fake *fake, const char *host);

/* Makes each reading of the function's XML fail, although the function is there. */
void fake_make_unreadable (Fake *fake, const char *host);

/* Makes libvirt fail once to rebind the function on its own when it drops the hostdev. */
void fake_fail_rebind (Fake *fake, const char *host);

/* When the guest releases its slot, QEMU takes longer to remove this function than the
 * others, and somebody makes libvirt drop it before QEMU has removed it. */
void fake_drop_early (Fake *fake, const char *host);

/* Makes QEMU release an IOMMU group at once after the last removal, not a moment later. */
void fake_release_at_once (Fake *fake);

/* ---- descriptions of the state, for comparisons; the caller frees ---- */

/* The drivers of the host, and the domain's hostdevs, QEMU devices and metadata. */
char *fake_describe_live (Fake *fake, const char *domain);

/* The hostdevs of the persistent XML. */
char *fake_describe_config (Fake *fake, const char *domain);
char *fake_describe_drivers (Fake *fake);
