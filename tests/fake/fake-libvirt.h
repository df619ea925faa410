/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model of libvirt, QEMU, the guest and the host's kernel, as far as a plan
 * can notice them, behind the operations of ops.h; with faults on demand and
 * a clock of its own.
 *
 * The rules it keeps are those that the real ones showed: a live attach of a
 * function other than 0 is refused; QEMU queues functions until function 0
 * comes; an eject takes the whole slot; libvirt forgets a device some time
 * after QEMU did; an unassigned device is dropped without asking QEMU; dropping
 * one member of an IOMMU group takes the access of all, and so does a failed
 * plug; the kernel refuses to rebind a function whose group is in use, and QEMU
 * keeps it in use for a moment after the last removal. test-rules.c tries each
 * of those that can be tried on the model and, in the lab, on the real ones.
 */
#pragma once

#include "libvirt/ops.h"
#include "model/guest-pci.h"

typedef struct _Fake Fake;

/* What happens at the operation that fake_fail_at() chose. */
typedef enum
{
  FAULT_ERROR,        /* it fails, and nothing was done */
  FAULT_ERROR_AFTER,  /* it fails, although it was done */
  FAULT_LOST_BEFORE,  /* the connection breaks, and nothing was done */
  FAULT_LOST_AFTER,   /* the connection breaks after it was done */
  FAULT_SILENT_GUEST, /* from then on the guest answers no request */
  FAULT_DOMAIN_ENDS,  /* the guest powers off just before */
  FAULT_INTERRUPT,    /* a signal comes just before */
  FAULT_BROKEN,       /* from then on every operation that changes anything fails */
  FAULT_KINDS,
} FakeFault;

/* How the guest's ports take plugging. */
typedef enum
{
  FAKE_ACPI,   /* an eject takes the whole slot, queued functions too */
  FAKE_NATIVE, /* a queued function is removed at once, without the guest */
} FakeHotplug;

/**
 * fake_new:
 *
 * A host with two four-function devices, 0000:01:00 and 0000:02:00, each one
 * IOMMU group, all functions on "nic"; and a running q35 guest with empty ports
 * at buses 1 to 3, persistent.
 */
Fake *fake_new (FakeHotplug hotplug, guint32 seed);
void fake_free (Fake *fake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fake, fake_free)

MfpOps *fake_ops (Fake *fake);

/* Injects @fault at the operation number @operation from here on (from 0). */
void fake_fail_at (Fake *fake, guint operation, FakeFault fault);
/* From here on each operation has, with a chance of 1 in @odds, one of the
 * faults up to FAULT_LOST_AFTER. */
void fake_fail_at_random (Fake *fake, guint odds);
void fake_mend (Fake *fake); /* no more faults; the guest answers again */

/* The guest's system stops, as a paused one does, and goes on: then it does what
 * it was asked meanwhile. */
void fake_stop_guest (Fake *fake);
void fake_let_guest_go (Fake *fake);

/* The kernel lets go of a group as soon as QEMU does, not a moment later. */
void fake_release_at_once (Fake *fake);

/* Operations since the last fake_fail_at() or fake_mend(). */
guint fake_operations (const Fake *fake);

/* How often libvirt was called since then: what is called together counts once. */
guint fake_trips (const Fake *fake);

/* How many host functions were read since then. */
guint fake_host_reads (const Fake *fake);

/* The next wait ends soon: the domain reports something that is no removal. */
void fake_report_other (Fake *fake);

/* When the guest lets go of the slot of @host, QEMU takes longer for that function than
 * for the rest, and somebody has libvirt drop it before. */
void fake_drop_early (Fake *fake, const char *host);

/* Libvirt fails to give @host back by itself when it drops it. */
void fake_fail_rebind (Fake *fake, const char *host);

/* Every look at the host function fails, and not because it is gone. */
void fake_make_unreadable (Fake *fake, const char *host);

/* libvirt misses QEMU's report of the next @count removals. */
void fake_lose_events (Fake *fake, guint count);

/* The host function is not there any more: it was pulled out. */
void fake_pull_out (Fake *fake, const char *host);

/* How many functions libvirt was asked for together with others. */
guint fake_given_back_at_once (const Fake *fake);

/* The guest rejects the next removal, and QEMU reports that. */
void fake_reject_removal (Fake *fake);

/* Binds a host function to @driver by hand. */
void fake_bind (Fake *fake, const char *host, const char *driver);

/* A stranger's function 0 comes into the guest slot as soon as something is
 * queued there. */
void fake_send_stranger (Fake *fake);

/* The domain starts again with what the persistent XML has. */
void fake_restart_domain (Fake *fake);

/* What matters, as text to compare: drivers, the domain's devices, QEMU's, the
 * records; and the persistent XML's devices. The caller frees. */
char *fake_describe_live (const Fake *fake);
char *fake_describe_config (const Fake *fake);

/* Only the host's drivers. */
char *fake_describe_drivers (const Fake *fake);

/* What a real host would not have forgiven (a device whose access was taken
 * while QEMU had it, a rebind in a busy group), or NULL. */
const char *fake_violation (const Fake *fake);
