/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A rig is what test-rules.c tests the rules on. rules-on-fake.c makes one of the fake
 * libvirt, and rules-on-libvirt.c makes one of a real libvirt.
 */
#pragma once

#include "libvirt/connection.h"

typedef struct _Rig Rig;

/**
 * RigTarget:
 * @card: "0000:01:00": a host device with the functions 0 to 3, which are one IOMMU group
 * @other: a host device with a function 0 in another IOMMU group
 * @slot: "0000:03:00": an empty slot of the guest
 *
 * All functions of both IOMMU groups are on their host drivers, and the domain, which is
 * running, has none of them.
 */
typedef struct
{
  char *domain;
  char *card;
  char *other;
  char *slot;
} RigTarget;

/* Reads the command line, from which GLib has removed its options. A wrong command line
 * ends the program. */
Rig *rig_new (int argc, char **argv);
void rig_free (Rig *rig);
const RigTarget *rig_target (const Rig *rig);

/* rig_enter() comes before each rule. It returns a connection on which the target's domain
 * is chosen. rig_leave() comes after the rule. It takes the connection back, and asserts
 * what only the rig can see. */
MfpLibvirt *rig_enter (Rig *rig);
void rig_leave (Rig *rig, MfpLibvirt *libvirt);

/* A stopped guest does nothing that it is asked to do until it resumes. */
void rig_stop_guest (Rig *rig);
void rig_resume_guest (Rig *rig);
