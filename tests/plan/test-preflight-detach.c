/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "plan/preflight.h"

#define HOSTDEV(bus, f, address)                                                               \
  "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='" #bus                \
  "' slot='0' function='" #f "'/></source><alias name='ua-" #bus #f "'/>" address "</hostdev>"
#define AT(bus, function)                                                                      \
  "<address type='pci' domain='0' bus='" #bus "' slot='0' function='" #function "'/>"
#define UNASSIGNED "<address type='unassigned'/>"

/* The record @name for the guest slot @slot, with the functions that follow. */
#define RECORD(name, slot, ...)                                                                \
  "<card xmlns='urn:virt-mfplug:card:1:" name "' slot='" slot "'>" __VA_ARGS__ "</card>"
#define NOTED(bus, f, guest)                                                                   \
  "<function host='" #bus ":00." #f "'" guest " alias='ua-" #bus #f "' taken='yes'/>"
#define SHOWN(guest) " guest='" #guest "'"

#define GUEST(records, devices)                                                                \
  "<domain type='kvm' id='1'><name>vm</name><metadata>" records "</metadata><devices>" devices \
  "</devices></domain>"

/* The card that a detach of @selections is about. */
static MfpCard *
find_card (const MfpGuest *guest, const GArray *selections)
{
  return mfp_card_from_guest (guest, selections, mfp_preflight_find_record (guest, selections));
}

typedef struct
{
  const char *name;
  const char *xml;
  const char *selections;
  const char *found;   /* the name of the record that is found, or NULL */
  const char *message; /* NULL: admitted */
} Records;

#define ONE RECORD ("one", "06:00", NOTED (1, 0, SHOWN (0)) NOTED (1, 1, ""))
#define TWO RECORD ("two", "07:00", NOTED (2, 0, SHOWN (0)) NOTED (2, 1, SHOWN (1)))
#define SAME_SLOT RECORD ("same", "06:00", NOTED (2, 0, SHOWN (1)))

static const Records records[] = {
  { "no-record-is-accepted", GUEST ("", ""), "01:00", NULL, NULL },
  { "a-record-of-another-card-is-ignored", GUEST (TWO, ""), "01:00", NULL, NULL },
  { "the-record-is-found-by-one-of-its-functions", GUEST (TWO ONE, ""), "01:00.1", "one", NULL },
  { "records-of-cards-that-were-not-named-are-ignored", GUEST (ONE TWO, ""), "02:00", "two",
    NULL },
  { "two-records-for-one-slot-are-accepted", GUEST (ONE SAME_SLOT, ""), "01:00 02:00", "one",
    NULL },
  { "records-for-two-slots-are-refused", GUEST (ONE TWO, ""), "01:00.1 02:00.1", "one",
    "the functions named are of the guest slots 0000:06:00 and 0000:07:00; detach one slot at a "
    "time" },
  { "a-third-record-for-another-slot-is-refused", GUEST (ONE SAME_SLOT TWO, ""), "01:00 02:00",
    "one", "the guest slots 0000:06:00 and 0000:07:00" },
};

static void
test_records (gconstpointer data)
{
  const Records *row = data;
  g_autoptr (MfpGuest) guest = test_guest (row->xml);
  g_autoptr (GArray) selections = test_selections (row->selections);
  const MfpRecord *record = mfp_preflight_find_record (guest, selections);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (record ? record->id : NULL, ==, row->found);
  assert_admitted (mfp_preflight_records (guest, selections, &error), error, row->message);
}

/* A detach of @selections from the guest @xml. */
typedef struct
{
  const char *name;
  const char *xml;
  const char *selections;
  const char *message; /* NULL: admitted */
} Row;

static const Row slots[] = {
  { "accepts-functions-of-one-slot",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (2, 0, AT (6, 1))), "01:00 02:00", NULL },
  { "ignores-other-slots",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (2, 0, AT (7, 0))), "01:00", NULL },
  { "ignores-unassigned-functions",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, UNASSIGNED)), "01:00", NULL },
  { "accepts-a-recorded-card",
    GUEST (ONE, HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, UNASSIGNED)), "01:00", NULL },
  { "accepts-a-guest-that-has-nothing-of-it", GUEST ("", ""), "01:00", NULL },
  { "refuses-two-slots-and-names-each-function",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, UNASSIGNED) HOSTDEV (1, 2, AT (6, 3))
               HOSTDEV (2, 0, AT (7, 0))),
    "01:00 02:00",
    "the functions named are in several guest slots: 0000:01:00.0 at 0000:06:00.0, 0000:01:00.2 "
    "at 0000:06:00.3, 0000:02:00.0 at 0000:07:00.0; detach one slot at a time" },
  { "counts-the-slot-of-a-recorded-card-that-the-guest-does-not-see",
    GUEST (TWO, HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (2, 1, UNASSIGNED)), "01:00 02:00",
    "0000:01:00.0 at 0000:06:00.0, 0000:02:00.1 at 0000:07:00.1, 0000:02:00.0 at 0000:07:00.0" },
};

static void
test_one_slot (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (MfpGuest) guest = test_guest (row->xml);
  g_autoptr (GArray) selections = test_selections (row->selections);
  g_autoptr (MfpCard) card = find_card (guest, selections);
  g_autoptr (GError) error = NULL;

  assert_admitted (mfp_preflight_one_slot (card, guest, &error), error, row->message);
}

/* ---- consent ---- */

#define LOSES(what)                                                                            \
  "the slot also holds " what ", which you did not name and which would be detached too; "     \
  "name every function in the slot, or the whole device"
#define DISK "<disk type='file'><alias name='virtio-disk0'/>" AT (6, 2) "</disk>"
#define INTERFACE                                                                              \
  "<interface type='hostdev'><alias name='net0'/><source><address type='pci' domain='0' "      \
  "bus='1' slot='0' function='1'/></source>" AT (6, 1) "</interface>"
#define CARD                                                                                   \
  RECORD ("one", "06:00", NOTED (1, 0, SHOWN (0)) NOTED (1, 1, SHOWN (1)) NOTED (1, 2, ""))

static const Row consents[] = {
  { "accepts-a-whole-card", GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, AT (6, 1))),
    "01:00", NULL },
  { "accepts-each-function-of-a-slot-by-its-name",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (2, 1, AT (6, 1))), "01:00.0 02:00.1", NULL },
  { "ignores-other-slots", GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (2, 0, AT (7, 0))),
    "01:00", NULL },
  { "refuses-a-function-that-was-not-named",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, AT (6, 1))), "01:00.0",
    LOSES ("hostdev 0000:01:00.1") },
  { "refuses-function-0-that-was-not-named",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, AT (6, 1))), "01:00.1",
    LOSES ("hostdev 0000:01:00.0") },
  { "refuses-devices-of-any-kind",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) DISK HOSTDEV (2, 0, AT (6, 3))), "01:00",
    LOSES ("disk virtio-disk0, hostdev 0000:02:00.0") },
  /* An interface is not a hostdev, so a detach cannot drop it. */
  { "refuses-an-interface-that-uses-a-named-function",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) INTERFACE), "01:00", LOSES ("interface net0") },
  { "refuses-a-function-that-only-the-record-knows-to-be-shown",
    GUEST (CARD, HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, UNASSIGNED)
                 HOSTDEV (1, 2, UNASSIGNED)),
    "01:00.0", LOSES ("0000:01:00.1") },
  { "accepts-shown-functions-without-an-unassigned-one",
    GUEST (CARD, HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, UNASSIGNED)
                 HOSTDEV (1, 2, UNASSIGNED)),
    "01:00.0,1", NULL },
  { "refuses-an-unassigned-function-alone",
    GUEST (CARD, HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, UNASSIGNED)
                 HOSTDEV (1, 2, UNASSIGNED)),
    "01:00.2", LOSES ("0000:01:00.0, 0000:01:00.1") },
};

/* @pci: (nullable): QEMU's devices. @message: (nullable): the whole message of a refusal */
static void
assert_consent (const char *xml, const char *devices, const GPtrArray *pci, const char *message)
{
  g_autoptr (MfpGuest) guest = test_guest (xml);
  g_autoptr (GArray) selections = test_selections (devices);
  g_autoptr (MfpCard) card = find_card (guest, selections);
  g_autoptr (GError) error = NULL;

  if (pci)
    mfp_card_adopt_places (card, guest, pci);
  assert_admitted (mfp_preflight_consent (card, guest, selections, pci, &error), error, message);
  if (message)
    g_assert_cmpstr (error->message, ==, message);
}

static void
test_consent (gconstpointer data)
{
  const Row *row = data;

  assert_consent (row->xml, row->selections, NULL, row->message);
}

/* ---- consent, with the devices that QEMU has ---- */

#define PORT(id, slot, ...)                                                                    \
  "{\"slot\":" #slot ",\"function\":0,\"qdev_id\":\"" id "\",\"pci_bridge\":{\"devices\":["        \
  __VA_ARGS__ "]}}"
#define DEVICE(id, function) "{\"slot\":0,\"function\":" #function ",\"qdev_id\":\"" id "\"}"

/* A card without a record: function 0 plugged, function 1 queued by hand. */
#define BY_HAND GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, UNASSIGNED))

typedef struct
{
  const char *name;
  const char *xml;
  const char *selections;
  const char *ports; /* the devices on QEMU's root bus */
  const char *message;
} Qemu;

static const Qemu qemus[] = {
  { "accepts-the-functions-named", BY_HAND, "01:00",
    PORT ("pci.6", 1, DEVICE ("ua-10", 0) "," DEVICE ("ua-11", 1)), NULL },
  { "accepts-when-qemu-has-only-what-was-named", BY_HAND, "01:00.0",
    PORT ("pci.6", 1, DEVICE ("ua-10", 0)), NULL },
  { "refuses-an-unassigned-function-that-qemu-shows", BY_HAND, "01:00.0",
    PORT ("pci.6", 1, DEVICE ("ua-10", 0) "," DEVICE ("ua-11", 1)), LOSES ("ua-11") },
  { "refuses-a-device-that-libvirt-does-not-know", BY_HAND, "01:00",
    PORT ("pci.6", 1, DEVICE ("ua-10", 0) "," DEVICE ("ua-11", 1) "," DEVICE ("stray", 2)),
    LOSES ("stray") },
  { "names-a-device-once-if-libvirt-shows-it-too",
    GUEST ("", HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, AT (6, 1))), "01:00.0",
    PORT ("pci.6", 1, DEVICE ("ua-10", 0) "," DEVICE ("ua-11", 1)),
    LOSES ("hostdev 0000:01:00.1") },
  { "ignores-what-qemu-has-in-other-slots", BY_HAND, "01:00.0",
    PORT ("pci.6", 1, DEVICE ("ua-10", 0)) "," PORT ("pci.7", 2, DEVICE ("stray", 0)), NULL },
  { "needs-function-0-in-qemu-to-know-the-slot", BY_HAND, "01:00.0",
    PORT ("pci.6", 1, DEVICE ("stray", 1)), NULL },
  { "refuses-what-the-record-shows-whatever-qemu-has",
    GUEST (CARD, HOSTDEV (1, 0, AT (6, 0)) HOSTDEV (1, 1, UNASSIGNED)), "01:00.0",
    PORT ("pci.6", 1, DEVICE ("ua-10", 0)), LOSES ("0000:01:00.1") },
};

static void
test_qemu (gconstpointer data)
{
  const Qemu *row = data;
  g_autoptr (GPtrArray) pci = test_qemu_devices (row->ports);

  assert_consent (row->xml, row->selections, pci, row->message);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  FOR_EACH (i, records)
    test_add_row ("/preflight/records/", records[i].name, &records[i], test_records);
  FOR_EACH (i, slots)
    test_add_row ("/preflight/one-slot/", slots[i].name, &slots[i], test_one_slot);
  FOR_EACH (i, consents)
    test_add_row ("/preflight/consent/", consents[i].name, &consents[i], test_consent);
  FOR_EACH (i, qemus)
    test_add_row ("/preflight/consent-by-qemu/", qemus[i].name, &qemus[i], test_qemu);
  return g_test_run ();
}
