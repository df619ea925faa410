/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an attach took from the host, written into the live domain's metadata
 * before anything is taken and removed after the verified return. Only the
 * record distinguishes a function that always was on vfio-pci from one that a
 * run took before it died, so a run never acts without it.
 *
 * Each run writes an element of its own, under a namespace of its own
 * (MFP_RECORD_NAMESPACE and an id): libvirt replaces metadata by namespace,
 * so concurrent runs on one domain never overwrite each other.
 */
#pragma once

#include "model/pci-address.h"

#include <libxml/tree.h>

#define MFP_RECORD_NAMESPACE "urn:virt-mfplug:card:1:"
#define MFP_RECORD_PREFIX "mfplug"

/**
 * MfpRecordFunction:
 * @guest_function: 0 to 7, or %MFP_UNASSIGNED
 * @alias: libvirt's alias of the hostdev and QEMU's device id
 * @driver: (nullable): the host driver before; NULL: none
 * @taken: whether the run took it from that driver and so has to reattach it
 * @managed: whether libvirt itself reattaches it, and may fail to
 */
typedef struct
{
  MfpPciAddress host;
  int guest_function;
  char *alias;
  char *driver;
  gboolean taken;
  gboolean managed;
} MfpRecordFunction;

/**
 * MfpRecord:
 * @id: names the run
 * @slot: the guest slot
 * @claiming: the run has not yet found out whether another run claims one of the functions, and
 *   has taken none
 * @detaching: (nullable): names the run that began to detach the card, which then is to be
 *   finished
 * @functions: (element-type MfpRecordFunction)
 */
typedef struct
{
  char *id;
  MfpPciAddress slot;
  gboolean claiming;
  char *detaching;
  GPtrArray *functions;
} MfpRecord;

/* An empty record; with a random UUID for NULL. */
MfpRecord *mfp_record_new (const char *id, const MfpPciAddress *slot);
/* Adds a copy of @function; they are kept in the order of their hosts. */
void mfp_record_add (MfpRecord *record, const MfpRecordFunction *function);
void mfp_record_free (MfpRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpRecord, mfp_record_free)

/* The namespace of the record called @id; the caller frees. */
char *mfp_record_uri (const char *id);

/* The element for virDomainSetMetadata(), without its namespace, which
 * libvirt adds; the caller frees. */
char *mfp_record_format (const MfpRecord *record);

/**
 * mfp_record_parse:
 * @node: a child of a domain's <metadata>
 *
 * Returns: the record; NULL when @node is not one, or cannot be read.
 */
MfpRecord *mfp_record_parse (const xmlNode *node);

/* The entry for the host function @host, or NULL. */
const MfpRecordFunction *mfp_record_find (const MfpRecord *record,
                                          const MfpPciAddress *host);
