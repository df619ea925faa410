/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host uses a PCI function for, as far as libvirt's node devices tell:
 * network interfaces that are up, disks and displays. (They do not tell of mounts.)
 */
#pragma once

#include "model/pci-address.h"

/**
 * MfpHostUse:
 * @parent: name of the node device that it belongs to
 * @text: (nullable): "network interface eth0, which is up"; NULL: nothing that
 *   somebody would miss
 */
typedef struct
{
  char *parent;
  char *text;
} MfpHostUse;

/**
 * mfp_host_use_parse:
 * @xml: a node device document
 *
 * Returns: the caller frees; NULL on error (MFP_ERROR_FAILED: no parent).
 */
MfpHostUse *mfp_host_use_parse (const char *xml, GError **error);
void mfp_host_use_free (MfpHostUse *use);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpHostUse, mfp_host_use_free)

/* Whether @use is of the host function @host: its parent has that name. */
gboolean mfp_host_use_is_of (const MfpHostUse *use, const MfpPciAddress *host);

/**
 * mfp_interface_may_be_of:
 * @name: libvirt's name of a network interface's node device ("net_enp1s0f1_52_54_00_12_34_56")
 * @functions: (element-type MfpPciAddress)
 *
 * FALSE: the interface is of no @functions: udev named it after another PCI function
 * (systemd.net-naming-scheme(7)), or libvirt made it for a guest or a network. Whoever reads
 * only the others reads few of the interfaces of a large host.
 */
gboolean mfp_interface_may_be_of (const char *name, const GArray *functions);

/* Which node devices can be a use of a function of class @class_code. */
gboolean mfp_class_has_networks (guint class_code);
gboolean mfp_class_has_disks (guint class_code);
gboolean mfp_class_has_displays (guint class_code);

/* What the host loses with a controller of class @class_code for which libvirt has no such node
 * device: some drivers of displays make none, and a disk with several paths belongs to none of
 * its controllers. NULL: nothing that somebody would miss. */
const char *mfp_class_describe_controller (guint class_code);
