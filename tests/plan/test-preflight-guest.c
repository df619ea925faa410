/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "common.h"
#include "plan/preflight.h"

#define SOURCE(f)                                                                              \
  "<source><address domain='0' bus='1' slot='0' function='" #f "'/></source>"
#define SHOWN(f, bus, guest)                                                                   \
  "<hostdev mode='subsystem' type='pci'>" SOURCE (f) "<address type='pci' bus='" #bus          \
  "' slot='0' function='" #guest "'/></hostdev>"
#define UNASSIGNED(f)                                                                          \
  "<hostdev mode='subsystem' type='pci'>" SOURCE (f) "<address type='unassigned'/></hostdev>"

/* The @attributes of the record may say that a detach has begun. */
#define RECORD(attributes)                                                                     \
  "<metadata><card xmlns='urn:virt-mfplug:card:1:x' slot='06:00'" attributes ">"               \
  "<function host='01:00.0' guest='0' alias='ua-0'/><function host='01:00.1' guest='1' "       \
  "alias='ua-1'/><function host='01:00.2' alias='ua-2'/></card></metadata>"
#define DETACHING " detaching='run'"

#define LIVE "<domain type='kvm' id='1'><name>my guest</name>"
#define CONFIG "<domain type='kvm'><name>my guest</name>"
#define DEVICES(...) "<devices>" __VA_ARGS__ "</devices></domain>"

#define BOTH "0000:01:00.0=0 0000:01:00.1=1"

static void
test_guest_kinds (void)
{
  static const struct
  {
    const char *type, *arch;
    const char *message; /* NULL: admitted */
  } rows[] = {
    { "kvm", "x86_64", NULL },
    { "qemu", "i686", NULL },
    { "kvm", "ppc64le", NULL },
    { "kvm", "ppc64", NULL },
    { "qemu", "aarch64", NULL },
    { "test", "x86_64", NULL },
    { "xen", "x86_64", "domain 'g' is of type 'xen'; supported are kvm and qemu" },
    { "lxc", "x86_64", "domain 'g' is of type 'lxc'" },
    { "kvm", "s390x", "domain 'g' is a s390x machine" },
    { "kvm", "riscv64", "domain 'g' is a riscv64 machine" },
  };

  FOR_EACH (i, rows)
    {
      MfpGuest guest = { .name = (char *) "g", .type = (char *) rows[i].type,
                         .arch = (char *) rows[i].arch };
      g_autoptr (GError) error = NULL;

      assert_admitted (mfp_preflight_guest (&guest, &error), error, rows[i].message);
    }
}

static void
test_driver (void)
{
  MfpGuest guest = { .name = (char *) "g" };
  g_autoptr (GError) error = NULL;

  guest.type = (char *) "kvm";
  g_assert_true (mfp_preflight_driver (&guest, &error));
  guest.type = (char *) "qemu";
  g_assert_true (mfp_preflight_driver (&guest, &error));
  g_assert_no_error (error);
  guest.type = (char *) "test";
  g_assert_false (mfp_preflight_driver (&guest, &error));
  assert_error (error, MFP_ERROR_REFUSED, "libvirt's test driver cannot plug");
}

typedef struct
{
  const char *name;
  const char *xml;
  int second; /* the guest function that 01:00.1 has to become; 01:00.0 has to become 0 */
  MfpPresence expected;
  const char *message; /* NULL: not refused */
} Presence;

static const Presence presences[] = {
  { "a-guest-without-the-card-is-absent", LIVE DEVICES (""), 1, MFP_ABSENT, NULL },
  { "a-guest-with-another-function-is-absent",
    LIVE DEVICES (SHOWN (5, 6, 0)), 1, MFP_ABSENT, NULL },
  { "a-cold-plugged-card-is-present", LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 6, 1)), 1,
    MFP_PRESENT, NULL },
  { "a-hot-plugged-card-is-present", LIVE RECORD ("") DEVICES (SHOWN (0, 6, 0) UNASSIGNED (1)), 1,
    MFP_PRESENT, NULL },
  { "an-unassigned-function-that-is-asked-for-is-present",
    LIVE DEVICES (SHOWN (0, 6, 0) UNASSIGNED (1)),
    MFP_UNASSIGNED, MFP_PRESENT, NULL },
  { "function-0-alone-is-partial", LIVE DEVICES (SHOWN (0, 6, 0)), 1, MFP_PARTIAL,
    "attached: 0000:01:00.0; not attached as asked: 0000:01:00.1" },
  { "an-unassigned-function-alone-is-partial", LIVE DEVICES (UNASSIGNED (1)), 1, MFP_PARTIAL,
    "attached: 0000:01:00.1; not attached as asked: 0000:01:00.0" },
  /* The guest does not have function 0, so the run that wrote the record is not finished. */
  { "an-unassigned-function-alone-with-a-record-belongs-to-another-run",
    LIVE RECORD ("") DEVICES (UNASSIGNED (1)), 1, MFP_PARTIAL,
    "another virt-mfplug is working on host function 0000:01:00.0, or was interrupted" },
  { "unassigned-function-0-is-partial",
    LIVE DEVICES (UNASSIGNED (0) UNASSIGNED (1)), 1, MFP_PARTIAL,
    "not attached as asked: 0000:01:00.0 (elsewhere in the guest)" },
  { "another-guest-function-is-partial", LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 6, 3)), 1,
    MFP_PARTIAL, "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "a-function-shown-instead-of-unassigned-is-partial",
    LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 6, 1)),
    MFP_UNASSIGNED, MFP_PARTIAL, "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "another-guest-function-in-the-record-is-partial",
    LIVE RECORD ("") DEVICES (SHOWN (0, 6, 0) UNASSIGNED (1)), 2,
    MFP_PARTIAL, "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "a-function-recorded-as-shown-and-asked-for-as-unassigned-is-partial",
    LIVE RECORD ("") DEVICES (SHOWN (0, 6, 0) UNASSIGNED (1)), MFP_UNASSIGNED, MFP_PARTIAL,
    "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "two-functions-0-are-partial", LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 7, 0)), 1,
    MFP_PARTIAL, "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  { "the-right-guest-function-in-another-slot-is-partial",
    LIVE DEVICES (SHOWN (0, 6, 0) SHOWN (1, 7, 1)), 1, MFP_PARTIAL,
    "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
  /* Nothing is queued for a guest that does not run, so a function that is unassigned in the
   * persistent XML stays unassigned at the next start. */
  { "an-unassigned-function-in-the-config-is-partial",
    CONFIG DEVICES (SHOWN (0, 6, 0) UNASSIGNED (1)), 1, MFP_PARTIAL,
    "not attached as asked: 0000:01:00.1 (elsewhere in the guest)" },
};

static void
test_presence (gconstpointer data)
{
  const Presence *row = data;
  g_autoptr (MfpGuest) guest = test_guest (row->xml);
  g_autoptr (MfpCard) card = test_card (BOTH);
  g_autoptr (GError) error = NULL;
  g_autofree char *slot_text = NULL;
  MfpPciAddress slot = { 0 };
  MfpPresence presence;
  gboolean admitted;

  test_function (card, 1)->guest_function = row->second;
  admitted = mfp_preflight_presence (card, guest, guest->id ? MFP_LIVE : MFP_CONFIG, &presence,
                                     &slot, &error);
  slot_text = mfp_pci_address_format (&slot);
  assert_admitted (admitted, error, row->message);
  g_assert_cmpint (presence, ==, row->expected);
  g_assert_cmpstr (slot_text, ==, presence == MFP_PRESENT ? "0000:06:00.0" : "0000:00:00.0");
}

static void
test_presence_form (void)
{
  static const struct
  {
    const char *xml;
    MfpForm form;
    const char *message;
  } rows[] = {
    { LIVE DEVICES (SHOWN (0, 6, 0)), MFP_LIVE, "the running domain 'my guest' has only a part" },
    { CONFIG DEVICES (SHOWN (0, 6, 0)), MFP_CONFIG,
      "the persistent domain 'my guest' has only a part" },
  };

  FOR_EACH (i, rows)
    {
      g_autoptr (MfpGuest) guest = test_guest (rows[i].xml);
      g_autoptr (MfpCard) card = test_card (BOTH);
      g_autoptr (GError) error = NULL;
      MfpPresence presence;
      MfpPciAddress slot;

      g_assert_false (
          mfp_preflight_presence (card, guest, rows[i].form, &presence, &slot, &error));
      assert_error (error, MFP_ERROR_REFUSED, rows[i].message);
    }
}

/* ---- unfinished runs ---- */

#define UNFINISHED                                                                             \
  "another virt-mfplug is working on host function 0000:01:00.1, or was interrupted; if none " \
  "is running: virt-mfplug recover 'my guest'"

typedef struct
{
  const char *name;
  const char *xml;
  gboolean any;    /* whether an unfinished run of any kind is found */
  gboolean detach; /* whether an unfinished detach is found */
} Unfinished;

static const Unfinished unfinished[] = {
  { "without-a-record-there-is-no-unfinished-run", LIVE DEVICES (UNASSIGNED (1)), FALSE, FALSE },
  { "a-record-is-an-unfinished-run", LIVE RECORD ("") DEVICES (""), TRUE, FALSE },
  { "a-record-of-a-detach-is-an-unfinished-detach", LIVE RECORD (DETACHING) DEVICES (""), TRUE,
    TRUE },
};

static void
test_unfinished (gconstpointer data)
{
  const Unfinished *row = data;
  g_autoptr (MfpGuest) guest = test_guest (row->xml);
  g_autoptr (MfpCard) named = test_card ("0000:02:00.0=0 0000:01:00.1=1");
  g_autoptr (MfpCard) other = test_card ("0000:02:00.0=0 0000:01:00.3=1");
  g_autoptr (GError) any = NULL, detach = NULL, none = NULL;

  assert_admitted (mfp_preflight_unfinished (named, guest, MFP_UNFINISHED_ANY, &any), any,
                   row->any ? UNFINISHED : NULL);
  assert_admitted (mfp_preflight_unfinished (named, guest, MFP_UNFINISHED_DETACH, &detach),
                   detach, row->detach ? UNFINISHED : NULL);
  g_assert_true (mfp_preflight_unfinished (other, guest, MFP_UNFINISHED_ANY, &none));
  g_assert_true (mfp_preflight_unfinished (other, guest, MFP_UNFINISHED_DETACH, &none));
  g_assert_no_error (none);
}

#define INTERFACE(f)                                                                           \
  "<interface type='hostdev'><alias name='net0'/><source><address type='pci' domain='0' "      \
  "bus='1' slot='0' function='" #f "'/></source>"                                              \
  "<address type='pci' bus='6' slot='0' function='0'/></interface>"

typedef struct
{
  const char *name;
  const char *xml;
  const char *message; /* NULL: admitted */
} Absent;

static const Absent absents[] = {
  { "accepts-a-guest-without-the-card", LIVE DEVICES (SHOWN (5, 6, 0)), NULL },
  { "refuses-a-function-that-the-guest-sees", LIVE DEVICES (SHOWN (1, 6, 0)),
    "host function 0000:01:00.1 is in use by hostdev 0000:01:00.1 of this domain" },
  { "refuses-a-function-that-the-guest-has-unassigned", LIVE DEVICES (UNASSIGNED (1)),
    "host function 0000:01:00.1 is in use by hostdev 0000:01:00.1 of this domain" },
  { "refuses-a-function-that-an-interface-uses", LIVE DEVICES (INTERFACE (1)),
    "host function 0000:01:00.1 is in use by interface net0 of this domain" },
  { "refuses-a-function-that-a-record-names", LIVE RECORD ("") DEVICES (""), UNFINISHED },
};

static void
test_absent (gconstpointer data)
{
  const Absent *row = data;
  g_autoptr (MfpGuest) guest = test_guest (row->xml);
  g_autoptr (MfpCard) card = test_card ("0000:02:00.0=0 0000:01:00.1=1");
  g_autoptr (GError) error = NULL;

  assert_admitted (mfp_preflight_absent (card, guest, &error), error, row->message);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/preflight/driver/refuses-libvirt-s-test-driver", test_driver);
  g_test_add_func ("/preflight/guest/depends-on-type-and-architecture", test_guest_kinds);
  FOR_EACH (i, presences)
    test_add_row ("/preflight/presence/", presences[i].name, &presences[i], test_presence);
  g_test_add_func ("/preflight/presence/says-which-form-of-the-domain", test_presence_form);
  FOR_EACH (i, unfinished)
    test_add_row ("/preflight/unfinished/", unfinished[i].name, &unfinished[i], test_unfinished);
  FOR_EACH (i, absents)
    test_add_row ("/preflight/absent/", absents[i].name, &absents[i], test_absent);
  return g_test_run ();
}
