/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model/hostdev-xml.h"

#include "base/error.h"
#include "base/xml.h"

#include <string.h>

MfpTuning *
mfp_tuning_read (const xmlDoc *doc)
{
  MfpTuning *tuning = g_new0 (MfpTuning, 1);
  const xmlNode *hostdev = doc ? xmlDocGetRootElement (doc) : NULL;
  const xmlNode *rom = mfp_xml_child (hostdev, "rom");

  tuning->rom_bar = MFP_UNSET;
  mfp_xml_attribute_uint (mfp_xml_child (hostdev, "boot"), "order", G_MAXINT,
                          &tuning->boot_order);
  if (mfp_xml_attribute_is (rom, "enabled", "no"))
    {
      tuning->rom_file = g_strdup ("");
      return tuning;
    }
  tuning->rom_file = mfp_xml_attribute (rom, "file");
  if (mfp_xml_attribute_is (rom, "bar", "on"))
    tuning->rom_bar = 1;
  if (mfp_xml_attribute_is (rom, "bar", "off"))
    tuning->rom_bar = 0;
  return tuning;
}

void
mfp_tuning_free (MfpTuning *tuning)
{
  if (!tuning)
    return;
  g_free (tuning->rom_file);
  g_free (tuning);
}

static void
set_hex (xmlNode *node, const char *name, int digits, guint value)
{
  g_autofree char *text = g_strdup_printf ("0x%0*x", digits, value);

  xmlNewProp (node, BAD_CAST name, BAD_CAST text);
}

static void
set_address (xmlNode *node, const MfpPciAddress *address)
{
  set_hex (node, "domain", 4, address->domain);
  set_hex (node, "bus", 2, address->bus);
  set_hex (node, "slot", 2, address->slot);
  set_hex (node, "function", 1, address->function);
}

static void
add_guest_address (xmlNode *hostdev, const MfpCard *card, const MfpFunction *function,
                   gboolean hold)
{
  xmlNode *node = xmlNewChild (hostdev, NULL, BAD_CAST "address", NULL);
  MfpPciAddress address;

  if (hold || !mfp_function_is_exposed (function))
    {
      xmlNewProp (node, BAD_CAST "type", BAD_CAST "unassigned");
      return;
    }
  address = mfp_pci_address_with_function (&card->slot, (guint) function->guest_function);
  xmlNewProp (node, BAD_CAST "type", BAD_CAST "pci");
  set_address (node, &address);
  if (function->guest_function == 0 && mfp_card_count_exposed (card) > 1)
    xmlNewProp (node, BAD_CAST "multifunction", BAD_CAST "on");
}

static void
add_tuning (xmlNode *hostdev, const xmlDoc *tuning)
{
  const xmlNode *root = tuning ? xmlDocGetRootElement (tuning) : NULL;

  for (xmlNode *child = mfp_xml_first_element (root); child;
       child = mfp_xml_next_element (child))
    xmlAddChild (hostdev, xmlDocCopyNode (child, hostdev->doc, 1));
}

static void
add_driver (xmlNode *hostdev, const MfpCard *card)
{
  xmlNode *driver = mfp_xml_child (hostdev, "driver");

  if (!card->avoid_iommufd)
    return;
  if (!driver)
    driver = xmlNewChild (hostdev, NULL, BAD_CAST "driver", NULL);
  xmlSetProp (driver, BAD_CAST "iommufd", BAD_CAST "no");
}

static void
fill_hostdev (xmlNode *hostdev, const MfpCard *card, const MfpFunction *function,
              MfpHostdevForm form)
{
  gboolean managed = form == MFP_HOSTDEV_ASKED && function->managed;
  const char *name = form == MFP_HOSTDEV_ASKED ? function->user_alias : function->alias;
  xmlNode *source;

  xmlNewProp (hostdev, BAD_CAST "mode", BAD_CAST "subsystem");
  xmlNewProp (hostdev, BAD_CAST "type", BAD_CAST "pci");
  xmlNewProp (hostdev, BAD_CAST "managed", BAD_CAST (managed ? "yes" : "no"));
  source = xmlNewChild (hostdev, NULL, BAD_CAST "source", NULL);
  set_address (xmlNewChild (source, NULL, BAD_CAST "address", NULL), &function->host);
  if (name)
    {
      xmlNode *alias = xmlNewChild (hostdev, NULL, BAD_CAST "alias", NULL);

      xmlNewProp (alias, BAD_CAST "name", BAD_CAST name);
    }
  add_tuning (hostdev, function->tuning);
  add_driver (hostdev, card);
  add_guest_address (hostdev, card, function, form == MFP_HOSTDEV_UNASSIGNED);
}

char *
mfp_hostdev_format (const MfpCard *card, const MfpFunction *function, MfpHostdevForm form)
{
  g_autoptr (xmlDoc) doc = xmlNewDoc (BAD_CAST "1.0");
  xmlNode *hostdev = xmlNewDocNode (doc, NULL, BAD_CAST "hostdev", NULL);

  xmlDocSetRootElement (doc, hostdev);
  fill_hostdev (hostdev, card, function, form);
  return mfp_xml_serialize (hostdev);
}

/* libvirt fills in model name, chassis and port when a whole domain is defined,
 * and wants them said when a controller comes alone. */
static void
fill_port (xmlNode *controller, const MfpCard *card)
{
  g_autofree char *index = g_strdup_printf ("%u", card->port);
  xmlNode *model, *target;

  xmlNewProp (controller, BAD_CAST "type", BAD_CAST "pci");
  xmlNewProp (controller, BAD_CAST "index", BAD_CAST index);
  xmlNewProp (controller, BAD_CAST "model", BAD_CAST "pcie-root-port");
  model = xmlNewChild (controller, NULL, BAD_CAST "model", NULL);
  xmlNewProp (model, BAD_CAST "name", BAD_CAST "pcie-root-port");
  target = xmlNewChild (controller, NULL, BAD_CAST "target", NULL);
  xmlNewProp (target, BAD_CAST "chassis", BAD_CAST index);
  xmlNewProp (target, BAD_CAST "port", BAD_CAST index);
}

char *
mfp_port_format (const MfpCard *card)
{
  g_autoptr (xmlDoc) doc = xmlNewDoc (BAD_CAST "1.0");
  xmlNode *controller = xmlNewDocNode (doc, NULL, BAD_CAST "controller", NULL);

  xmlDocSetRootElement (doc, controller);
  fill_port (controller, card);
  return mfp_xml_serialize (controller);
}

char *
mfp_devices_format (const MfpCard *card)
{
  g_autoptr (xmlDoc) doc = xmlNewDoc (BAD_CAST "1.0");
  xmlNode *devices = xmlNewDocNode (doc, NULL, BAD_CAST "devices", NULL);
  g_autofree char *text = NULL;

  xmlDocSetRootElement (doc, devices);
  if (card->port)
    fill_port (xmlNewChild (devices, NULL, BAD_CAST "controller", NULL), card);
  for (guint i = 0; i < card->functions->len; i++)
    fill_hostdev (xmlNewChild (devices, NULL, BAD_CAST "hostdev", NULL), card,
                  g_ptr_array_index (card->functions, i), MFP_HOSTDEV_ASKED);
  text = mfp_xml_serialize (devices);
  return g_strconcat (text, "\n", NULL);
}

/* Says what is wrong at @node of the document called @name. */
static gboolean G_GNUC_PRINTF (4, 5)
refuse_element (GError **error, const char *name, const xmlNode *node, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_prefixed_error (error,
                              g_error_new_valist (MFP_ERROR, MFP_ERROR_REFUSED, format, args),
                              "%s:%ld: ", name, xmlGetLineNo (node));
  va_end (args);
  return FALSE;
}

/* Refuses attributes of @node that are not in the NULL-terminated @known: a
 * wish that is not understood must not be dropped in silence. */
static gboolean
check_attributes (const char *name, const xmlNode *node, const char *const *known,
                  GError **error)
{
  for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next)
    if (!g_strv_contains (known, (const char *) attribute->name))
      return refuse_element (error, name, node, "<%s %s=...> is not supported", node->name,
                             attribute->name);
  return TRUE;
}

/* The same for elements below @node. */
static gboolean
check_empty (const char *name, const xmlNode *node, GError **error)
{
  const xmlNode *child = mfp_xml_first_element (node);

  return !child
         || refuse_element (error, name, child, "<%s> in <%s> is not supported", child->name,
                            node->name);
}

static gboolean
parse_source (const char *name, const xmlNode *node, MfpFunction *function, GError **error)
{
  static const char *const none[] = { NULL };
  static const char *const known[] = { "domain", "bus", "slot", "function", "type", NULL };
  const xmlNode *address = mfp_xml_child (node, "address");

  if (!address || !mfp_pci_address_from_xml (address, &function->host))
    return refuse_element (error, name, node, "<source> holds no PCI address of the host");
  if (mfp_xml_next_element (address) || mfp_xml_first_element (node) != address)
    return refuse_element (error, name, node,
                           "<source> holds more than one PCI address of the host");
  return check_attributes (name, node, none, error)
         && check_attributes (name, address, known, error) && check_empty (name, address, error);
}

static gboolean
is_user_alias (const char *alias)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

  return alias && g_str_has_prefix (alias, "ua-") && strspn (alias, allowed) == strlen (alias);
}

static gboolean
parse_alias (const char *name, const xmlNode *node, MfpFunction *function, GError **error)
{
  g_autofree char *alias = mfp_xml_attribute (node, "name");

  if (!is_user_alias (alias))
    return refuse_element (error, name, node,
                           "<alias name='%s'>: libvirt keeps only names that begin with 'ua-' and "
                           "hold letters, digits, '-' and '_'",
                           alias ? alias : "");
  /* Our own, in a document taken from a running domain, is made anew. */
  if (g_str_has_prefix (alias, MFP_ALIAS_PREFIX))
    return TRUE;
  function->user_alias = g_steal_pointer (&alias);
  return TRUE;
}

/* Reads the guest's side of a function; the slot must be that of the ones
 * before. */
static gboolean
parse_guest_address (const char *name, const xmlNode *node, MfpCard *card,
                     MfpFunction *function, GError **error)
{
  static const char *const known[] = { "type", "domain", "bus", "slot", "function",
                                       "multifunction", NULL };
  MfpPciAddress address;

  if (!check_attributes (name, node, known, error))
    return FALSE;
  if (mfp_xml_attribute_is (node, "type", "unassigned"))
    {
      function->guest_function = MFP_UNASSIGNED;
      return TRUE;
    }
  if (!mfp_xml_attribute_is (node, "type", "pci") || !mfp_pci_address_from_xml (node, &address))
    return refuse_element (error, name, node, "this is not a guest PCI address");
  if (card->has_slot && !mfp_pci_address_same_slot (&address, &card->slot))
    {
      g_autofree char *slot = mfp_pci_address_format_slot (&card->slot);

      return refuse_element (error, name, node,
                             "the earlier functions are in guest slot %s, and this one is not; "
                             "a document is one card in one slot",
                             slot);
    }
  card->slot = mfp_pci_address_with_function (&address, 0);
  card->has_slot = TRUE;
  function->guest_function = address.function;
  return TRUE;
}

/* Whether @attribute of @node is absent, @yes or @no. */
static gboolean
is_one_of (const xmlNode *node, const char *attribute, const char *yes, const char *no)
{
  return !xmlHasProp (node, BAD_CAST attribute) || mfp_xml_attribute_is (node, attribute, yes)
         || mfp_xml_attribute_is (node, attribute, no);
}

static gboolean
check_rom (const char *name, const xmlNode *node, GError **error)
{
  static const char *const known[] = { "bar", "file", "enabled", NULL };

  if (!check_attributes (name, node, known, error))
    return FALSE;
  return (is_one_of (node, "bar", "on", "off") && is_one_of (node, "enabled", "yes", "no"))
         || refuse_element (error, name, node, "<rom> takes bar='on|off' and enabled='yes|no'");
}

static gboolean
check_boot (const char *name, const xmlNode *node, GError **error)
{
  static const char *const known[] = { "order", NULL };
  guint order;

  if (!check_attributes (name, node, known, error))
    return FALSE;
  return (mfp_xml_attribute_uint (node, "order", G_MAXINT, &order) && order > 0)
         || refuse_element (error, name, node, "<boot order=...> is not a number of at least 1");
}

static gboolean
check_driver (const char *name, const xmlNode *node, GError **error)
{
  static const char *const known[] = { "name", "iommufd", NULL };

  if (!check_attributes (name, node, known, error))
    return FALSE;
  if (xmlHasProp (node, BAD_CAST "name") && !mfp_xml_attribute_is (node, "name", "vfio"))
    return refuse_element (error, name, node, "the only supported <driver> is name='vfio'");
  if (mfp_xml_attribute_is (node, "iommufd", "yes"))
    return refuse_element (error, name, node,
                           "<driver iommufd='yes'/> is not supported: QEMU opens some of the "
                           "functions by their VFIO group, and the kernel lets a group be opened "
                           "one way only; leave it out, or say iommufd='no'");
  return is_one_of (node, "iommufd", "yes", "no")
         || refuse_element (error, name, node, "<driver> takes iommufd='yes|no'");
}

static gboolean
check_tuning (const char *name, const xmlNode *node, GError **error)
{
  if (mfp_xml_is (node, "rom"))
    return check_rom (name, node, error);
  if (mfp_xml_is (node, "boot"))
    return check_boot (name, node, error);
  if (mfp_xml_is (node, "driver"))
    return check_driver (name, node, error);
  return refuse_element (error, name, node, "<%s> of a multifunction card is not supported",
                         node->name);
}

/* Keeps <rom>, <boot>, <driver> as they are, for libvirt. */
static gboolean
parse_tuning (const char *name, xmlNode *node, MfpFunction *function, GError **error)
{
  if (!check_tuning (name, node, error))
    return FALSE;
  if (!function->tuning)
    {
      function->tuning = xmlNewDoc (BAD_CAST "1.0");
      xmlDocSetRootElement (function->tuning, xmlNewDocNode (function->tuning, NULL,
                                                             BAD_CAST "hostdev", NULL));
    }
  xmlAddChild (xmlDocGetRootElement (function->tuning),
               xmlDocCopyNode (node, function->tuning, 1));
  return TRUE;
}

/* We would keep only one of two equal elements. */
static gboolean
check_once (const char *name, const xmlNode *node, GError **error)
{
  const xmlNode *first = mfp_xml_child (node->parent, (const char *) node->name);

  return first == node || refuse_element (error, name, node, "<%s> appears twice", node->name);
}

static gboolean
parse_child (const char *name, xmlNode *node, MfpCard *card, MfpFunction *function,
             GError **error)
{
  if (!check_once (name, node, error)
      || (!mfp_xml_is (node, "source") && !check_empty (name, node, error)))
    return FALSE;
  if (mfp_xml_is (node, "source"))
    return parse_source (name, node, function, error);
  if (mfp_xml_is (node, "alias"))
    return parse_alias (name, node, function, error);
  if (mfp_xml_is (node, "address"))
    return parse_guest_address (name, node, card, function, error);
  return parse_tuning (name, node, function, error);
}

static gboolean
parse_hostdev (const char *name, const xmlNode *node, MfpCard *card, GError **error)
{
  static const char *const known[] = { "mode", "type", "managed", NULL };
  MfpFunction *function;

  if (!mfp_xml_is (node, "hostdev") || !mfp_xml_attribute_is (node, "mode", "subsystem")
      || !mfp_xml_attribute_is (node, "type", "pci"))
    return refuse_element (error, name, node,
                           "<%s> is not a <hostdev mode='subsystem' type='pci'>", node->name);
  if (!check_attributes (name, node, known, error))
    return FALSE;
  if (!is_one_of (node, "managed", "yes", "no"))
    return refuse_element (error, name, node, "managed takes yes or no");
  if (!mfp_xml_child (node, "source"))
    return refuse_element (error, name, node, "<hostdev> has no <source>");

  function = mfp_card_add (card, &(MfpPciAddress){ 0 }, MFP_GUEST_FUNCTION_UNSET);
  function->managed = mfp_xml_attribute_is (node, "managed", "yes");
  function->line = (guint) xmlGetLineNo (node);
  for (xmlNode *child = mfp_xml_first_element (node); child;
       child = mfp_xml_next_element (child))
    if (!parse_child (name, child, card, function, error))
      return FALSE;
  return TRUE;
}

static gboolean
parse_port (const char *name, const xmlNode *node, MfpCard *card, GError **error)
{
  g_autofree char *expected = NULL, *actual = NULL;
  g_autoptr (xmlNode) stripped = xmlDocCopyNode ((xmlNode *) node, node->doc, 1);

  mfp_xml_attribute_uint (node, "index", G_MAXUINT8, &card->port);
  expected = mfp_port_format (card);
  mfp_xml_strip (stripped);
  actual = mfp_xml_serialize (stripped);
  if (card->port > 0 && strcmp (actual, expected) == 0)
    return TRUE;
  return refuse_element (error, name, node,
                         "the only supported <controller> is a pcie-root-port for the card, as "
                         "--dry-run prints it");
}

/* Refuses a port that is not the one the functions are behind. */
static gboolean
check_port_used (const char *name, const xmlNode *root, const MfpCard *card, GError **error)
{
  if (card->port == 0 || (card->has_slot && card->slot.bus == card->port))
    return TRUE;
  return refuse_element (error, name, root, "no function is on bus %u, behind the port",
                         card->port);
}

/* A child of <devices>. */
static gboolean
parse_hostdev_or_port (const char *name, const xmlNode *node, MfpCard *card, GError **error)
{
  return mfp_xml_is (node, "controller")
             ? check_once (name, node, error) && parse_port (name, node, card, error)
             : parse_hostdev (name, node, card, error);
}

static gboolean
parse_root (const char *name, const xmlNode *root, MfpCard *card, GError **error)
{
  if (mfp_xml_is (root, "hostdev"))
    return parse_hostdev (name, root, card, error);
  if (!mfp_xml_is (root, "devices"))
    return refuse_element (error, name, root, "<%s> is neither <devices> nor <hostdev>",
                           root->name);
  for (const xmlNode *child = mfp_xml_first_element (root); child;
       child = mfp_xml_next_element (child))
    if (!parse_hostdev_or_port (name, child, card, error))
      return FALSE;
  if (card->functions->len == 0)
    return refuse_element (error, name, root, "<devices> names no function");
  return check_port_used (name, root, card, error);
}

MfpCard *
mfp_devices_parse (const char *text, gsize length, const char *name, GError **error)
{
  g_autoptr (MfpCard) card = mfp_card_new ();
  g_autoptr (xmlDoc) doc = NULL;

  if (length > MFP_DOCUMENT_MAX)
    {
      g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                   "%s:1: the document has more than %d bytes", name, MFP_DOCUMENT_MAX);
      return NULL;
    }
  doc = mfp_xml_parse (text, length, name, error);
  if (!doc || !parse_root (name, xmlDocGetRootElement (doc), card, error))
    return NULL;
  if (!mfp_card_number_functions (card, error) || !mfp_card_check (card, error))
    {
      g_prefix_error (error, "%s: ", name);
      return NULL;
    }
  return g_steal_pointer (&card);
}
