/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the rules of test-rules.c are tried on: rules-on-fake.c provides the fake libvirt of
 * tests/fake, rules-on-libvirt.c a real one.
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

/* Reads the command line without the options of GLib's. A wrong one ends the program. */
Rig *rig_new (int argc, char **argv);
void rig_free (Rig *rig);
const RigTarget *rig_target (const Rig *rig);

/* Before each rule: a connection on which the target's domain is chosen. After the rule
 * rig_leave() takes it back, and asserts what only the rig can see. */
MfpLibvirt *rig_enter (Rig *rig);
void rig_leave (Rig *rig, MfpLibvirt *libvirt);

/* The guest does nothing that it is asked to until it is let go. */
void rig_stop_guest (Rig *rig);
void rig_let_guest_go (Rig *rig);
