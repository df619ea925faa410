/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A card: host functions that share, or are to share, one guest slot.
 */
#pragma once

#include "model/guest.h"
#include "model/host-device.h"
#include "model/selection.h"

#include <libxml/tree.h>

/* Begins each alias that this tool makes; libvirt keeps an alias from outside
 * only with "ua-". */
#define MFP_ALIAS_PREFIX "ua-mfplug-"

/**
 * MfpFunction:
 * @guest_function: 0 to 7, or %MFP_UNASSIGNED
 * @alias: libvirt's alias and QEMU's device id; NULL until mfp_card_name_functions()
 * @user_alias: (nullable): the alias that the person asked for
 * @managed: what the person asked for: TRUE: taken from its host driver and
 *   reattached to it; FALSE: it is bound to VFIO already and stays there
 * @driver: (nullable): the host driver before; NULL: none, or not known
 * @take: it has to be taken from @driver, and reattached to it in the end
 * @group: (nullable) (element-type MfpPciAddress): the members of its IOMMU group, itself
 *   included; NULL: not known
 * @tuning: (nullable): a <hostdev> with the person's own <rom>, <boot>, ...
 * @xml: (nullable): its element in the domain that it was read from
 * @line: where its document names it, for messages; 0: no document
 */
typedef struct
{
  MfpPciAddress host;
  int guest_function;
  char *alias;
  char *user_alias;
  gboolean managed;
  char *driver;
  gboolean take;
  GArray *group;
  xmlDoc *tuning;
  char *xml;
  guint line;
} MfpFunction;

/**
 * MfpCard:
 * @slot: the guest slot; its function is 0
 * @has_slot: whether @slot is known
 * @functions: (element-type MfpFunction)
 * @port: index of a pcie-root-port that the persistent XML is to get for it;
 *   0: none
 * @record_id: names the record of the attach, or NULL
 * @avoid_iommufd: its domain uses IOMMUFD by default, and the card must not: QEMU opens the
 *   queued functions by their VFIO group, and the kernel lets a group be opened one way only
 */
typedef struct
{
  MfpPciAddress slot;
  gboolean has_slot;
  guint port;
  GPtrArray *functions;
  char *record_id;
  gboolean avoid_iommufd;
} MfpCard;

/* What becomes of functions of a named device that were not selected. */
typedef enum
{
  MFP_REST_KEEP,
  MFP_REST_UNASSIGNED,
} MfpRest;

MfpCard *mfp_card_new (void);
void mfp_card_free (MfpCard *card);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpCard, mfp_card_free)

/* Adds a function, with the defaults of a managed one; the card owns it. */
MfpFunction *mfp_card_add (MfpCard *card, const MfpPciAddress *host,
                           int guest_function);

/* The function with that host address or guest function, or NULL. */
MfpFunction *mfp_card_find_host (const MfpCard *card, const MfpPciAddress *host);
MfpFunction *mfp_card_find_guest (const MfpCard *card, int guest_function);

gboolean mfp_function_is_exposed (const MfpFunction *function);

/* Whether its alias, if it has one, is in @aliases (element-type utf8), a set. */
gboolean mfp_function_is_among (const MfpFunction *function, GHashTable *aliases);

guint mfp_card_count_exposed (const MfpCard *card);

/**
 * mfp_card_from_selections:
 * @selections: (element-type MfpSelection)
 * @host: (element-type MfpHostFunction): all functions of the named devices
 * @rest: what becomes of those not selected
 *
 * Decides which host function becomes which guest function: as mapped, else
 * the same number where one device is named, else in the order given.
 *
 * Returns: the caller owns it. NULL and MFP_ERROR_REFUSED when a function
 * does not exist, two would meet, or none becomes function 0.
 */
MfpCard *mfp_card_from_selections (const GArray *selections,
                                   const GPtrArray *host, MfpRest rest,
                                   GError **error);

/**
 * mfp_card_number_functions:
 *
 * Decides the guest functions that are %MFP_GUEST_FUNCTION_UNSET: the host's
 * numbers where all are of one host device, else 0 and up in order. Fails
 * (MFP_ERROR_REFUSED) when only some are unset.
 */
gboolean mfp_card_number_functions (MfpCard *card, GError **error);

/* The rules that hold for every card, wherever it comes from: 1 to 8 exposed
 * functions, a function 0, no two alike. */
gboolean mfp_card_check (const MfpCard *card, GError **error);

/**
 * mfp_card_name_functions:
 *
 * Gives each function without one an alias. That of the first exposed
 * non-zero function is derived from the guest slot and goes to libvirt
 * first: libvirt refuses the same alias twice, so it is the lock on the slot.
 * Fails when the person's own aliases leave no function for it.
 */
gboolean mfp_card_name_functions (MfpCard *card, GError **error);

/* The function whose alias locks the slot; NULL when there is only one
 * exposed function, whose plug is atomic. */
MfpFunction *mfp_card_lock (const MfpCard *card);

/**
 * mfp_card_from_guest:
 * @guest: the live or persistent form of the domain
 * @selections: (nullable): which host functions; NULL: those of @record
 * @record: (nullable): what an attach wrote down
 *
 * The functions named by @selections or @record that @guest has as host
 * devices, wherever they are.
 */
MfpCard *mfp_card_from_guest (const MfpGuest *guest, const GArray *selections,
                              const MfpRecord *record);

/* Gives each function the alias that @guest knows it by. */
void mfp_card_adopt_aliases (MfpCard *card, const MfpGuest *guest);

/* Names every function of @card: (element-type MfpSelection); the caller owns
 * it. */
GArray *mfp_card_to_selections (const MfpCard *card);

/* The host addresses of all functions: (element-type MfpPciAddress), in their
 * order; the caller owns it. */
GArray *mfp_card_hosts (const MfpCard *card);

/* What to record of @card, under its record_id or a new one. */
MfpRecord *mfp_card_to_record (const MfpCard *card);

/* The same for a detach, which gets a name of its own. It also names for return those
 * functions that libvirt itself reattaches, which may fail. */
MfpRecord *mfp_card_to_detaching_record (const MfpCard *card);

/* Gives each function the driver and the IOMMU group that it has on the host (element-type
 * MfpHostFunction), and decides whether it has to be taken for a change of @form. */
void mfp_card_adopt_drivers (MfpCard *card, const GPtrArray *devices, MfpForm form);

/* The host address as text: "0000:01:00.2"; the caller frees. */
char *mfp_function_describe (const MfpFunction *function);
