/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/card.h"

#include "base/autoptr.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>

static void
function_free (gpointer data)
{
  MfpFunction *function = data;

  g_free (function->alias);
  g_free (function->user_alias);
  g_free (function->driver);
  g_free (function->xml);
  g_clear_pointer (&function->group, g_array_unref);
  g_clear_pointer (&function->tuning, xmlFreeDoc);
  g_free (function);
}

MfpCard *
mfp_card_new (void)
{
  MfpCard *card = g_new0 (MfpCard, 1);

  card->functions = g_ptr_array_new_with_free_func (function_free);
  return card;
}

void
mfp_card_free (MfpCard *card)
{
  if (!card)
    return;
  g_ptr_array_unref (card->functions);
  g_free (card->record_id);
  g_free (card);
}

MfpFunction *
mfp_card_add (MfpCard *card, const MfpPciAddress *host, int guest_function)
{
  MfpFunction *function = g_new0 (MfpFunction, 1);

  function->host = *host;
  function->guest_function = guest_function;
  function->managed = TRUE;
  g_ptr_array_add (card->functions, function);
  return function;
}

MfpFunction *
mfp_card_find_host (const MfpCard *card, const MfpPciAddress *host)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (mfp_pci_address_equal (&function->host, host))
        return function;
    }
  return NULL;
}

MfpFunction *
mfp_card_find_guest (const MfpCard *card, int guest_function)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (function->guest_function == guest_function)
        return function;
    }
  return NULL;
}

gboolean
mfp_function_is_exposed (const MfpFunction *function)
{
  return function->guest_function >= 0;
}

gboolean
mfp_function_is_among (const MfpFunction *function, GHashTable *aliases)
{
  return function->alias && g_hash_table_contains (aliases, function->alias);
}

guint
mfp_card_count_exposed (const MfpCard *card)
{
  guint count = 0;

  for (guint i = 0; i < card->functions->len; i++)
    count += mfp_function_is_exposed (g_ptr_array_index (card->functions, i)) ? 1 : 0;
  return count;
}

char *
mfp_function_describe (const MfpFunction *function)
{
  return mfp_pci_address_format (&function->host);
}

/* The addresses of the @host functions of @device, for a message. */
static char *
list_functions (const GPtrArray *host, const MfpPciAddress *device)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < host->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (host, i);

      if (mfp_pci_address_same_slot (&function->address, device))
        {
          g_autofree char *address = mfp_pci_address_format (&function->address);

          mfp_append_item (text, "%s", address);
        }
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* A word for a whole device selects no virtual functions: the host creates and removes them, and
 * may give each to a different user. */
static gboolean
is_selected (const MfpSelection *selection, const MfpHostFunction *function)
{
  return mfp_selection_matches (selection, &function->address)
         && !(selection->whole && function->is_virtual);
}

/* Adds the functions that one selection names. */
static gboolean
add_selected (MfpCard *card, const MfpSelection *selection, const GPtrArray *host,
              GError **error)
{
  gboolean found = FALSE;
  g_autofree char *name = NULL, *present = NULL;

  for (guint i = 0; i < host->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (host, i);

      if (is_selected (selection, function))
        {
          mfp_card_add (card, &function->address, selection->guest_function);
          found = TRUE;
        }
    }
  if (found)
    return TRUE;

  name = selection->whole ? mfp_pci_address_format_slot (&selection->host)
                          : mfp_pci_address_format (&selection->host);
  present = list_functions (host, &selection->host);
  if (selection->whole && *present)
    g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                 "host device %s has only virtual functions; name each that you mean: %s", name,
                 present);
  else
    g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED, "the host has no PCI device %s%s%s",
                 name, *present ? "; that device has " : "", present);
  return FALSE;
}

/* The functions whose guest number is not decided: (element-type
 * MfpFunction), owned by @card. */
static GPtrArray *
undecided (const MfpCard *card)
{
  GPtrArray *functions = g_ptr_array_new ();

  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (function->guest_function == MFP_GUEST_FUNCTION_UNSET)
        g_ptr_array_add (functions, function);
    }
  return functions;
}

static gboolean
all_of_one_device (const GPtrArray *functions)
{
  for (guint i = 1; i < functions->len; i++)
    {
      const MfpFunction *first = g_ptr_array_index (functions, 0);
      const MfpFunction *function = g_ptr_array_index (functions, i);

      if (!mfp_pci_address_same_slot (&function->host, &first->host))
        return FALSE;
    }
  return TRUE;
}

gboolean
mfp_card_number_functions (MfpCard *card, GError **error)
{
  g_autoptr (GPtrArray) functions = undecided (card);
  gboolean keep_numbers = all_of_one_device (functions);

  if (functions->len > 0 && mfp_card_count_exposed (card) > 0)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED,
                           "some functions have a guest function and some do not; give one "
                           "to each function or to none");
      return FALSE;
    }
  for (guint i = 0; i < functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (functions, i);

      function->guest_function = keep_numbers ? function->host.function : (int) i;
    }
  return TRUE;
}

/* Adds what was not named of the devices, but no virtual functions. */
static void
add_rest (MfpCard *card, const GPtrArray *host)
{
  for (guint i = 0; i < host->len; i++)
    {
      const MfpHostFunction *function = g_ptr_array_index (host, i);

      if (!function->is_virtual && !mfp_card_find_host (card, &function->address))
        mfp_card_add (card, &function->address, MFP_UNASSIGNED);
    }
}

MfpCard *
mfp_card_from_selections (const GArray *selections, const GPtrArray *host,
                          MfpRest rest, GError **error)
{
  g_autoptr (MfpCard) card = mfp_card_new ();

  for (guint i = 0; i < selections->len; i++)
    if (!add_selected (card, &g_array_index (selections, MfpSelection, i), host, error))
      return NULL;
  if (!mfp_card_number_functions (card, error) || !mfp_card_check (card, error))
    return NULL;
  if (rest == MFP_REST_UNASSIGNED)
    add_rest (card, host);
  return g_steal_pointer (&card);
}

/* A mapping that packs the exposed functions from 0 up: "01:00.1=0,...". */
static char *
suggest_mapping (const MfpCard *card)
{
  g_autoptr (GString) text = g_string_new (NULL);
  int guest = 0;

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      g_autofree char *host = mfp_function_describe (function);

      if (mfp_function_is_exposed (function))
        g_string_append_printf (text, "%s%s=%d", text->len ? "," : "", host, guest++);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* The first function with that alias of the person's own, or NULL. */
static const MfpFunction *
find_user_alias (const MfpCard *card, const char *alias)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (g_strcmp0 (function->user_alias, alias) == 0)
        return function;
    }
  return NULL;
}

/* Refuses @function when one before it has its host function, its guest
 * function or its alias. */
static gboolean
check_unique (const MfpCard *card, const MfpFunction *function, GError **error)
{
  const MfpFunction *same_host = mfp_card_find_host (card, &function->host);
  const MfpFunction *same_guest = mfp_card_find_guest (card, function->guest_function);
  g_autofree char *host = mfp_function_describe (function);
  g_autofree char *place = function->line ? g_strdup_printf ("line %u: ", function->line)
                                          : g_strdup ("");

  if (same_host != function)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "%shost function %s is named twice", place, host);
      return FALSE;
    }
  if (function->user_alias && find_user_alias (card, function->user_alias) != function)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED, "%stwo functions have the alias '%s'",
                   place, function->user_alias);
      return FALSE;
    }
  if (mfp_function_is_exposed (function) && same_guest != function)
    {
      g_autofree char *other = mfp_function_describe (same_guest);

      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "%shost functions %s and %s would both become guest function %d",
                   place, other, host, function->guest_function);
      return FALSE;
    }
  return TRUE;
}

gboolean
mfp_card_check (const MfpCard *card, GError **error)
{
  if (mfp_card_count_exposed (card) > MFP_PCI_FUNCTIONS)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "%u functions were named, and a guest slot holds %d",
                   mfp_card_count_exposed (card), MFP_PCI_FUNCTIONS);
      return FALSE;
    }
  for (guint i = 0; i < card->functions->len; i++)
    if (!check_unique (card, g_ptr_array_index (card->functions, i), error))
      return FALSE;
  if (!mfp_card_find_guest (card, 0))
    {
      g_autofree char *mapping = suggest_mapping (card);

      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "no function becomes guest function 0, and a guest ignores a slot "
                   "without it%s%s",
                   *mapping ? "; a mapping that works: " : "", mapping);
      return FALSE;
    }
  return TRUE;
}

MfpFunction *
mfp_card_lock (const MfpCard *card)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);

      if (function->guest_function > 0 && !function->user_alias)
        return function;
    }
  return NULL;
}

gboolean
mfp_card_name_functions (MfpCard *card, GError **error)
{
  MfpFunction *lock = mfp_card_lock (card);

  if (!lock && mfp_card_count_exposed (card) > 1)
    {
      g_set_error_literal (error, MFP_ERROR, MFP_ERROR_REFUSED,
                           "every non-zero function has its own <alias>; leave one without, as "
                           "virt-mfplug locks the guest slot by its alias");
      return FALSE;
    }
  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);
      g_autofree char *address = function == lock ? mfp_pci_address_format_slot (&card->slot)
                                                  : mfp_pci_address_format (&function->host);

      g_free (function->alias);
      function->alias = function->user_alias
                            ? g_strdup (function->user_alias)
                            : g_strconcat (MFP_ALIAS_PREFIX, function == lock ? "slot-" : "",
                                           g_strdelimit (address, ":.", '-'), NULL);
    }
  return TRUE;
}

/* What @record (nullable) says of @device: of the one that the attach made, not
 * of another use of the same host function. */
static const MfpRecordFunction *
find_noted (const MfpRecord *record, const MfpGuestDevice *device)
{
  const MfpRecordFunction *noted = record ? mfp_record_find (record, &device->host) : NULL;

  return noted && g_strcmp0 (noted->alias, device->alias) == 0 ? noted : NULL;
}

static void
add_device (MfpCard *card, const MfpGuestDevice *device, const MfpRecord *record)
{
  const MfpRecordFunction *noted = find_noted (record, device);
  MfpFunction *function = mfp_card_add (card, &device->host, MFP_UNASSIGNED);

  function->alias = g_strdup (device->alias);
  function->xml = g_strdup (device->xml);
  function->managed = device->managed;
  if (device->has_address)
    {
      function->guest_function = device->address.function;
      card->slot = mfp_pci_address_with_function (&device->address, 0);
      card->has_slot = TRUE;
    }
  if (!noted)
    return;
  if (!device->has_address)
    function->guest_function = noted->guest_function;
  function->driver = g_strdup (noted->driver);
  function->take = noted->taken;
  function->managed = device->managed || noted->taken;
}

/* A function that the record names and the domain has no more: it may still
 * have to go back to the host. */
static void
add_noted (MfpCard *card, const MfpRecordFunction *noted)
{
  MfpFunction *function = mfp_card_add (card, &noted->host, noted->guest_function);

  function->alias = g_strdup (noted->alias);
  function->driver = g_strdup (noted->driver);
  function->take = noted->taken;
  function->managed = noted->managed;
}

MfpCard *
mfp_card_from_guest (const MfpGuest *guest, const GArray *selections,
                     const MfpRecord *record)
{
  g_autoptr (MfpCard) card = mfp_card_new ();

  card->avoid_iommufd = guest->uses_iommufd;
  for (guint i = 0; i < guest->devices->len; i++)
    {
      const MfpGuestDevice *device = g_ptr_array_index (guest->devices, i);

      if (device->is_hostdev
          && ((selections && mfp_selection_names (selections, &device->host))
              || find_noted (record, device)))
        add_device (card, device, record);
    }
  for (guint i = 0; record && i < record->functions->len; i++)
    {
      const MfpRecordFunction *noted = g_ptr_array_index (record->functions, i);

      if (!mfp_card_find_host (card, &noted->host))
        add_noted (card, noted);
    }
  if (record)
    {
      card->record_id = g_strdup (record->id);
      card->slot = record->slot;
      card->has_slot = TRUE;
    }
  return g_steal_pointer (&card);
}

void
mfp_card_adopt_aliases (MfpCard *card, const MfpGuest *guest)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpGuestDevice *device = mfp_guest_find_host (guest, &function->host);

      g_free (function->alias);
      function->alias = device ? g_strdup (device->alias) : NULL;
    }
}

GArray *
mfp_card_to_selections (const MfpCard *card)
{
  GArray *selections = g_array_new (FALSE, FALSE, sizeof (MfpSelection));

  for (guint i = 0; i < card->functions->len; i++)
    {
      const MfpFunction *function = g_ptr_array_index (card->functions, i);
      MfpSelection selection = { .host = function->host,
                                 .guest_function = MFP_GUEST_FUNCTION_UNSET };

      g_array_append_val (selections, selection);
    }
  return selections;
}

GArray *
mfp_card_hosts (const MfpCard *card)
{
  GArray *hosts = g_array_new (FALSE, FALSE, sizeof (MfpPciAddress));

  for (guint i = 0; i < card->functions->len; i++)
    g_array_append_val (hosts, ((MfpFunction *) g_ptr_array_index (card->functions, i))->host);
  return hosts;
}

static MfpRecordFunction
to_record_function (const MfpFunction *function)
{
  return (MfpRecordFunction){
    .host = function->host,
    .guest_function = function->guest_function,
    .alias = function->alias,
    .driver = function->driver,
    .taken = function->take,
  };
}

MfpRecord *
mfp_card_to_record (const MfpCard *card)
{
  MfpRecord *record = mfp_record_new (card->record_id, &card->slot);

  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpRecordFunction function = to_record_function (g_ptr_array_index (card->functions, i));

      mfp_record_add (record, &function);
    }
  return record;
}

MfpRecord *
mfp_card_to_detaching_record (const MfpCard *card)
{
  MfpRecord *record = mfp_card_to_record (card);

  record->detaching = g_uuid_string_random ();
  for (guint i = 0; i < record->functions->len; i++)
    {
      MfpRecordFunction *noted = g_ptr_array_index (record->functions, i);
      const MfpFunction *function = mfp_card_find_host (card, &noted->host);

      noted->managed = function->managed && !function->take;
    }
  return record;
}

void
mfp_card_adopt_drivers (MfpCard *card, const GPtrArray *devices, MfpForm form)
{
  for (guint i = 0; i < card->functions->len; i++)
    {
      MfpFunction *function = g_ptr_array_index (card->functions, i);
      const MfpHostFunction *host = mfp_host_function_find (devices, &function->host);

      g_free (function->driver);
      function->driver = host ? g_strdup (host->driver) : NULL;
      g_clear_pointer (&function->group, g_array_unref);
      function->group = host ? g_array_ref (host->group) : NULL;
      function->take = form == MFP_LIVE && function->managed
                       && !mfp_driver_is_vfio (function->driver);
    }
}
