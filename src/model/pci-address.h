/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PCI addresses: domain:bus:slot.function, on the host or in a guest.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

#define MFP_PCI_FUNCTIONS 8 /* functions in a slot: three bits of the address */
#define MFP_PCI_SLOTS 32    /* slots on a bus: five bits */

/* In place of a guest function's number: */
#define MFP_GUEST_FUNCTION_UNSET (-1) /* not decided yet */
#define MFP_UNASSIGNED (-2)             /* the domain has it, and the guest does not see it */

typedef struct
{
  guint32 domain;
  guint8 bus;
  guint8 slot;
  guint8 function;
} MfpPciAddress;

/**
 * mfp_pci_address_scan:
 * @cursor: in: the text; out: the first character that was not used
 * @address: (out): the address; function is 0
 *
 * Reads "[domain:]bus:slot", hexadecimal, of at most 8, 2 and 2 digits. An
 * absent domain is 0. Nothing is written and the cursor stays when the text
 * does not begin with an address.
 */
gboolean mfp_pci_address_scan (const char **cursor, MfpPciAddress *address);

/**
 * mfp_pci_address_parse:
 * @text: "[domain:]bus:slot.function" and nothing else
 */
gboolean mfp_pci_address_parse (const char *text, MfpPciAddress *address,
                                GError **error);

/**
 * mfp_pci_address_parse_slot:
 * @text: "[domain:]bus:slot", optionally followed by ".0"
 *
 * The name of a guest slot as a person gives it.
 */
gboolean mfp_pci_address_parse_slot (const char *text, MfpPciAddress *address,
                                     GError **error);

/**
 * mfp_pci_address_parse_node_name:
 * @name: "pci_0000_01_00_0", libvirt's name for a PCI node device
 *
 * Returns: whether @name is such a name; @address is written only then.
 */
gboolean mfp_pci_address_parse_node_name (const char *name,
                                          MfpPciAddress *address);

/* Reads the attributes domain (0 when absent), bus, slot and function (0 when absent) of
 * @node (nullable); @address is written only then. */
gboolean mfp_pci_address_from_xml (const xmlNode *node, MfpPciAddress *address);

/* "0000:01:00.0", "0000:01:00" and "pci_0000_01_00_0"; the caller frees. */
char *mfp_pci_address_format (const MfpPciAddress *address);
char *mfp_pci_address_format_slot (const MfpPciAddress *address);
char *mfp_pci_address_format_node_name (const MfpPciAddress *address);

/* Order by domain, bus, slot, function; fit for g_array_sort(). */
int mfp_pci_address_compare (gconstpointer a, gconstpointer b);
gboolean mfp_pci_address_equal (const MfpPciAddress *a, const MfpPciAddress *b);

/* Whether @addresses (nullable) (element-type MfpPciAddress) has @address. */
gboolean mfp_pci_addresses_contain (const GArray *addresses, const MfpPciAddress *address);

/* Whether two addresses lie in one slot, whatever their functions are. */
gboolean mfp_pci_address_same_slot (const MfpPciAddress *a,
                                    const MfpPciAddress *b);

/* A copy of @address whose function is @function. */
MfpPciAddress mfp_pci_address_with_function (const MfpPciAddress *address,
                                             guint function);
