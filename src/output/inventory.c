/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "output/inventory.h"

#include "model/card.h"
#include "plan/preflight.h"

/* ---- tables by address ---- */

static guint
hash_address (gconstpointer key)
{
  const MfpPciAddress *address = key;

  return address->domain << 16 ^ (guint) address->bus << 8 ^ (guint) address->slot << 3
         ^ address->function;
}

static gboolean
same_address (gconstpointer a, gconstpointer b)
{
  return mfp_pci_address_equal (a, b);
}

/* By MfpPciAddress; the keys lie in the values, or outlive the table. */
static GHashTable *
table_new (GDestroyNotify free_value)
{
  return g_hash_table_new_full (hash_address, same_address, NULL, free_value);
}

static int
compare_host_functions (gconstpointer a, gconstpointer b)
{
  const MfpHostFunction *const *left = a, *const *right = b;

  return mfp_pci_address_compare (&(*left)->address, &(*right)->address);
}

/* ---- the host ---- */

/* Who has the host function @host, and where. */
typedef struct
{
  MfpPciAddress host;
  const MfpGuest *guest;
  gboolean has_place;
  MfpPciAddress place;
} Holder;

/* Notes that @guest has @host, at @place (nullable), unless it is known. */
static void
note_holder (GHashTable *holders, const MfpGuest *guest, const MfpPciAddress *host,
             const MfpPciAddress *place)
{
  Holder *holder = g_hash_table_lookup (holders, host);

  if (!holder)
    {
      holder = g_new0 (Holder, 1);
      holder->host = *host;
      holder->guest = guest;
      g_hash_table_insert (holders, &holder->host, holder);
    }
  if (!place || holder->has_place || holder->guest != guest)
    return;
  holder->has_place = TRUE;
  holder->place = *place;
}

static void
note_devices (GHashTable *holders, const MfpGuest *guest)
{
  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (device->holds_host)
        note_holder (holders, guest, &device->host, device->has_address ? &device->address : NULL);
    }
}

static void
note_record (GHashTable *holders, const MfpGuest *guest, const MfpRecord *record)
{
  for (guint i = 0; i < record->functions->len; i++)
    {
      const MfpRecordFunction *function = g_ptr_array_index (record->functions, i);
      gboolean has_place = function->guest_function >= 0;
      MfpPciAddress place = mfp_pci_address_with_function (
          &record->slot, has_place ? (guint) function->guest_function : 0);

      note_holder (holders, guest, &function->host, has_place ? &place : NULL);
    }
}

/* Every host function that a guest has, or that a record of it names: Holder by
 * its address. What any guest has goes before what the record of another names. */
static GHashTable *
find_holders (const GPtrArray *guests)
{
  GHashTable *holders = table_new (g_free);

  for (guint i = 0; i < guests->len; i++)
    note_devices (holders, g_ptr_array_index (guests, i));
  for (guint i = 0; i < guests->len; i++)
    {
      const MfpGuest *guest = g_ptr_array_index (guests, i);

      for (guint j = 0; j < guest->records->len; j++)
        {
          const MfpRecord *record = g_ptr_array_index (guest->records, j);

          if (!record->claiming)
            note_record (holders, guest, record);
        }
    }
  return holders;
}

/**
 * Host:
 * @functions: MfpHostFunction by its address
 * @holders: Holder by the address of the function
 * @uses: (element-type MfpHostUse)
 */
typedef struct
{
  GHashTable *functions;
  GHashTable *holders;
  const GPtrArray *uses;
} Host;

static void
host_entry_clear (gpointer data)
{
  g_array_unref (((MfpHostEntry *) data)->virtual_functions);
}

static GArray *
host_entries_new (void)
{
  GArray *entries = g_array_new (FALSE, FALSE, sizeof (MfpHostEntry));

  g_array_set_clear_func (entries, host_entry_clear);
  return entries;
}

static void
host_device_free (gpointer data)
{
  MfpHostDevice *device = data;

  g_array_unref (device->functions);
  g_ptr_array_unref (device->others);
  g_free (device->reason);
  g_free (device);
}

/* The members of the IOMMU groups of @functions that are not among them. */
static GPtrArray *
find_others (const GPtrArray *functions, GHashTable *host)
{
  g_autoptr (GArray) addresses = mfp_host_functions_list_group_others (functions);
  GPtrArray *others = g_ptr_array_new ();

  for (guint i = 0; i < addresses->len; i++)
    {
      MfpHostFunction *other
          = g_hash_table_lookup (host, &g_array_index (addresses, MfpPciAddress, i));

      if (other)
        g_ptr_array_add (others, other);
    }
  return others;
}

/* Adds to @guests those that have one of @functions. */
static void
add_holders (GPtrArray *guests, const GPtrArray *functions, GHashTable *holders)
{
  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);
      const Holder *holder = g_hash_table_lookup (holders, &function->address);

      if (holder && !g_ptr_array_find (guests, holder->guest, NULL))
        g_ptr_array_add (guests, (gpointer) holder->guest);
    }
}

/* Puts the physical functions of @card to the check of an attach. */
static gboolean
check_physical (const MfpCard *card, const GPtrArray *functions, const Host *host, GError **error)
{
  g_autoptr (GArray) addresses = mfp_preflight_list_virtual (card, functions);
  g_autoptr (GPtrArray) virtual_functions = g_ptr_array_new ();
  g_autoptr (GPtrArray) guests = g_ptr_array_new ();

  for (guint i = 0; i < addresses->len; i++)
    {
      MfpHostFunction *function
          = g_hash_table_lookup (host->functions, &g_array_index (addresses, MfpPciAddress, i));

      if (function)
        g_ptr_array_add (virtual_functions, function);
    }
  add_holders (guests, virtual_functions, host->holders);
  return mfp_preflight_physical (card, functions, virtual_functions, guests, host->uses, error);
}

/* Puts the whole device to the checks of an attach. Returns what they object,
 * or NULL; the caller frees. */
static char *
find_objection (const GPtrArray *functions, const GPtrArray *others, const Host *host)
{
  const MfpHostFunction *first = g_ptr_array_index (functions, 0);
  MfpSelection selection = { .host = mfp_pci_address_with_function (&first->address, 0),
                             .whole = TRUE,
                             .guest_function = MFP_GUEST_FUNCTION_UNSET };
  g_autoptr (GArray) selections = g_array_new (FALSE, FALSE, sizeof (MfpSelection));
  g_autoptr (GPtrArray) guests = g_ptr_array_new ();
  g_autoptr (MfpCard) card = NULL;
  g_autoptr (GError) error = NULL;

  g_array_append_val (selections, selection);
  add_holders (guests, functions, host->holders);
  add_holders (guests, others, host->holders);
  card = mfp_card_from_selections (selections, functions, MFP_REST_KEEP, &error);
  if (card && check_physical (card, functions, host, &error)
      && mfp_preflight_host (card, functions, others, MFP_LIVE, &error)
      && mfp_preflight_holders (functions, guests, &error)
      && mfp_preflight_holders (others, guests, &error))
    return NULL;
  return g_strdup (error->message);
}

/* Adds @function, and below it its virtual functions. */
static void
add_host_entry (GArray *entries, const MfpHostFunction *function, const Host *host)
{
  MfpHostEntry entry = { .host = function, .virtual_functions = host_entries_new () };
  const Holder *holder = g_hash_table_lookup (host->holders, &function->address);

  if (holder)
    {
      entry.holder = holder->guest;
      entry.has_place = holder->has_place;
      entry.place = holder->place;
    }
  for (guint i = 0; !function->is_virtual && i < function->virtual_functions->len; i++)
    {
      const MfpHostFunction *below = g_hash_table_lookup (
          host->functions, &g_array_index (function->virtual_functions, MfpPciAddress, i));

      if (below && below->is_virtual)
        add_host_entry (entry.virtual_functions, below, host);
    }
  g_array_append_val (entries, entry);
}

static MfpHostDevice *
make_device (const GPtrArray *functions, const Host *host)
{
  MfpHostDevice *device = g_new0 (MfpHostDevice, 1);
  const MfpHostFunction *first = g_ptr_array_index (functions, 0);

  device->address = mfp_pci_address_with_function (&first->address, 0);
  device->functions = host_entries_new ();
  for (guint i = 0; i < functions->len; i++)
    add_host_entry (device->functions, g_ptr_array_index (functions, i), host);
  device->others = find_others (functions, host->functions);
  device->reason = find_objection (functions, device->others, host);
  return device;
}

/* Whether the device of @functions is of interest to most: a card. */
static gboolean
is_card (const GPtrArray *functions)
{
  gboolean has_endpoint = FALSE, has_virtual_functions = FALSE;

  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);

      has_endpoint = has_endpoint || !function->is_bridge;
      has_virtual_functions = has_virtual_functions || function->virtual_functions->len > 0;
    }
  return has_virtual_functions || (functions->len > 1 && has_endpoint);
}

/* Those of @functions that are no virtual functions of others, in order. */
static GPtrArray *
list_independent (const GPtrArray *functions)
{
  GPtrArray *independent = g_ptr_array_new ();
  g_autoptr (GHashTable) below = table_new (NULL);

  for (guint i = 0; i < functions->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (functions, i);

      for (guint j = 0; j < function->virtual_functions->len; j++)
        g_hash_table_add (below, &g_array_index (function->virtual_functions, MfpPciAddress, j));
    }
  for (guint i = 0; i < functions->len; i++)
    {
      MfpHostFunction *function = g_ptr_array_index (functions, i);

      if (!function->is_virtual || !g_hash_table_contains (below, &function->address))
        g_ptr_array_add (independent, function);
    }
  g_ptr_array_sort (independent, compare_host_functions);
  return independent;
}

GPtrArray *
mfp_inventory_host (const GPtrArray *functions, const GPtrArray *guests, const GPtrArray *uses,
                    gboolean all)
{
  GPtrArray *devices = g_ptr_array_new_with_free_func (host_device_free);
  g_autoptr (GPtrArray) run = g_ptr_array_new ();
  g_autoptr (GPtrArray) sorted = list_independent (functions);
  g_autoptr (GHashTable) table = table_new (NULL);
  g_autoptr (GHashTable) holders = find_holders (guests);
  const Host host = { .functions = table, .holders = holders, .uses = uses };

  for (guint i = 0; i < functions->len; i++)
    {
      MfpHostFunction *function = g_ptr_array_index (functions, i);

      g_hash_table_insert (table, &function->address, function);
    }
  for (guint i = 0; i < sorted->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (sorted, i);
      const MfpHostFunction *next = i + 1 < sorted->len ? g_ptr_array_index (sorted, i + 1) : NULL;

      g_ptr_array_add (run, (gpointer) function);
      if (next && mfp_pci_address_same_slot (&function->address, &next->address))
        continue;
      if (all || is_card (run))
        g_ptr_array_add (devices, make_device (run, &host));
      g_ptr_array_set_size (run, 0);
    }
  return devices;
}

/* ---- a guest ---- */

static void
guest_entry_free (gpointer data)
{
  MfpGuestEntry *entry = data;

  g_free (entry->alias);
  g_free (entry->driver);
  g_free (entry);
}

static void
guest_card_free (gpointer data)
{
  MfpGuestCard *card = data;

  g_ptr_array_unref (card->functions);
  g_free (card);
}

static MfpGuestCard *
add_guest_card (GPtrArray *cards, const MfpPciAddress *slot)
{
  MfpGuestCard *card = g_new0 (MfpGuestCard, 1);

  if (slot)
    {
      card->has_slot = TRUE;
      card->slot = mfp_pci_address_with_function (slot, 0);
    }
  card->functions = g_ptr_array_new_with_free_func (guest_entry_free);
  g_ptr_array_add (cards, card);
  return card;
}

static MfpGuestCard *
find_slot (const GPtrArray *cards, const MfpPciAddress *slot)
{
  for (guint i = 0; i < cards->len; i++)
    {
      MfpGuestCard *card = g_ptr_array_index (cards, i);

      if (card->has_slot && mfp_pci_address_same_slot (&card->slot, slot))
        return card;
    }
  return NULL;
}

/* The card with functions of the host device at @host, or NULL. */
static MfpGuestCard *
find_host_device (const GPtrArray *cards, const MfpPciAddress *host)
{
  for (guint i = 0; i < cards->len; i++)
    {
      MfpGuestCard *card = g_ptr_array_index (cards, i);

      for (guint j = 0; j < card->functions->len; j++)
        {
          const MfpGuestEntry *entry = g_ptr_array_index (card->functions, j);

          if (mfp_pci_address_same_slot (&entry->host, host))
            return card;
        }
    }
  return NULL;
}

/* The state of one function by itself; settle_states() corrects it for the card. @device:
 * (nullable): what libvirt lists it as. */
static MfpPlugState
first_state (const MfpGuest *guest, const MfpGuestEntry *entry, const MfpGuestDevice *device,
             GHashTable *in_qemu)
{
  gboolean listed = device != NULL;
  gboolean plugged = in_qemu && entry->alias ? g_hash_table_contains (in_qemu, entry->alias)
                                             : listed && entry->has_place;

  if (!guest->id)
    return entry->has_place ? MFP_STATE_CONFIGURED : MFP_STATE_UNASSIGNED;
  if (plugged)
    return listed ? MFP_STATE_PLUGGED : MFP_STATE_LOST;
  return listed ? MFP_STATE_UNASSIGNED : MFP_STATE_RECORDED;
}

static void
add_entry (MfpGuestCard *card, const MfpGuest *guest, const MfpGuestEntry *entry,
           const MfpGuestDevice *device, GHashTable *in_qemu)
{
  MfpGuestEntry *copy = g_memdup2 (entry, sizeof *entry);

  copy->alias = g_strdup (entry->alias);
  copy->driver = g_strdup (entry->driver);
  copy->state = first_state (guest, entry, device, in_qemu);
  g_ptr_array_add (card->functions, copy);
}

/* Adds the card of @record; what of it the guest lists goes to @listed. */
static void
add_recorded_card (GPtrArray *cards, const MfpGuest *guest, const MfpRecord *record,
                   GHashTable *in_qemu, GHashTable *listed)
{
  g_autoptr (MfpCard) source = mfp_card_from_guest (guest, NULL, record);
  MfpGuestCard *card = add_guest_card (cards, &record->slot);

  card->has_record = TRUE;
  for (guint i = 0; i < source->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (source->functions, i);
      /* Only a function read from the guest has xml; one that only the record names has none. */
      const MfpGuestDevice *device
          = function->xml ? mfp_guest_find_host (guest, &function->host) : NULL;
      MfpGuestEntry entry = {
        .host = function->host,
        .has_place = mfp_function_is_exposed (function),
        .alias = function->alias,
        .driver = function->driver,
      };

      if (device && device->has_address)
        entry.place = device->address;
      else if (entry.has_place)
        entry.place = mfp_pci_address_with_function (&record->slot,
                                                     (guint) function->guest_function);
      if (device)
        g_hash_table_add (listed, (gpointer) &device->host);
      add_entry (card, guest, &entry, device, in_qemu);
    }
}

/* Which devices of a guest to add. */
typedef enum
{
  SHOWN,      /* each to the card in its slot */
  UNASSIGNED, /* each to the card with functions of the same host device */
} Visibility;

/* Adds what the guest has and no record names. */
static void
add_unrecorded (GPtrArray *cards, const MfpGuest *guest, Visibility visibility,
                GHashTable *in_qemu, GHashTable *listed)
{
  gboolean shown = visibility == SHOWN;

  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);
      const MfpPciAddress *slot = shown ? &device->address : NULL;
      MfpGuestEntry entry = { .host = device->host,
                              .has_place = shown,
                              .place = device->address,
                              .alias = device->alias };
      MfpGuestCard *card;

      if (!(shown ? device->holds_host : device->is_hostdev) || device->has_address != shown
          || g_hash_table_contains (listed, &device->host))
        continue;
      card = shown ? find_slot (cards, slot) : find_host_device (cards, &device->host);
      add_entry (card ? card : add_guest_card (cards, slot), guest, &entry, device, in_qemu);
    }
}

static gboolean
has_function_0 (const MfpGuestCard *card)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpGuestEntry *entry = g_ptr_array_index (card->functions, i);

      if ((entry->state == MFP_STATE_PLUGGED || entry->state == MFP_STATE_LOST) && entry->has_place
          && entry->place.function == 0)
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_detaching (const MfpGuest *guest, const MfpGuestCard *card)
{
  for (guint i = 0; card->has_record && i < guest->records->len; i++)
    {
      const MfpRecord *record = g_ptr_array_index (guest->records, i);

      if (record->detaching && mfp_pci_address_same_slot (&record->slot, &card->slot))
        return TRUE;
    }
  return FALSE;
}

/* Settles what the functions of a card mean for each other. */
static void
settle_states (const MfpGuest *guest, MfpGuestCard *card)
{
  gboolean visible = has_function_0 (card), detaching = is_detaching (guest, card);

  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpGuestEntry *entry = g_ptr_array_index (card->functions, i);

      if (detaching)
        entry->state = MFP_STATE_DETACHING;
      else if (entry->state == MFP_STATE_PLUGGED && !visible)
        entry->state = MFP_STATE_QUEUED;
    }
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const MfpGuestEntry *const *left = a, *const *right = b;

  if ((*left)->has_place != (*right)->has_place)
    return (*left)->has_place ? -1 : 1;
  return (*left)->has_place ? mfp_pci_address_compare (&(*left)->place, &(*right)->place)
                            : mfp_pci_address_compare (&(*left)->host, &(*right)->host);
}

static int
compare_cards (gconstpointer a, gconstpointer b)
{
  const MfpGuestCard *const *left = a, *const *right = b;

  if ((*left)->has_slot != (*right)->has_slot)
    return (*left)->has_slot ? -1 : 1;
  if ((*left)->has_slot)
    return mfp_pci_address_compare (&(*left)->slot, &(*right)->slot);
  return compare_entries (&g_ptr_array_index ((*left)->functions, 0),
                          &g_ptr_array_index ((*right)->functions, 0));
}

gboolean
mfp_inventory_needs_qemu (const MfpGuest *guest)
{
  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (device->is_hostdev && !device->has_address)
        return TRUE;
    }
  return guest->records->len > 0;
}

/* Whether @card is worth a line without --all. */
static gboolean
is_of_interest (const MfpGuestCard *card)
{
  return card->has_record || !card->has_slot || card->functions->len > 1;
}

GPtrArray *
mfp_inventory_guest (const MfpGuest *guest, GHashTable *in_qemu, gboolean all)
{
  GPtrArray *cards = g_ptr_array_new_with_free_func (guest_card_free);
  g_autoptr (GHashTable) listed = table_new (NULL);

  for (guint i = 0; i < guest->records->len; i++)
    add_recorded_card (cards, guest, g_ptr_array_index (guest->records, i), in_qemu, listed);
  add_unrecorded (cards, guest, SHOWN, in_qemu, listed);
  add_unrecorded (cards, guest, UNASSIGNED, in_qemu, listed);
  for (guint i = cards->len; i-- > 0;)
    {
      MfpGuestCard *card = g_ptr_array_index (cards, i);

      if (all || is_of_interest (card))
        {
          settle_states (guest, card);
          g_ptr_array_sort (card->functions, compare_entries);
        }
      else
        g_ptr_array_remove_index (cards, i);
    }
  g_ptr_array_sort (cards, compare_cards);
  return cards;
}
