/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules on a real libvirt, QEMU and kernel:
 *
 *   test-rules-on-libvirt --connect URI DOMAIN CARD OTHERCARD SLOT
 *
 * DOMAIN is a running q35 guest with ACPI hotplug. rules.h describes the other words.
 */
#include "config.h"

#include "libvirt/rules.h"

#include "libvirt/domain.h"

#include <libvirt/libvirt.h>

#define TIMEOUT (60 * G_TIME_SPAN_SECOND)

/**
 * Rig:
 * @libvirt: (nullable): all rules share it, because libvirt's event loop can be set up only
 *   once
 */
struct _Rig
{
  char *uri;
  RigTarget target;
  MfpLibvirt *libvirt;
  gboolean left_in_call;
};

Rig *
rig_new (int argc, char **argv)
{
  Rig *rig = g_new0 (Rig, 1);
  const GOptionEntry entries[] = {
    { "connect", 'c', G_OPTION_FLAG_NONE, G_OPTION_ARG_STRING, &rig->uri,
      "where the domain is", "URI" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("DOMAIN CARD OTHERCARD SLOT");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  if (!rig->uri || argc != 5)
    g_error ("usage: %s --connect URI DOMAIN CARD OTHERCARD SLOT", argv[0]);
  rig->target = (RigTarget){
    .domain = argv[1], .card = argv[2], .other = argv[3], .slot = argv[4]
  };
  return rig;
}

void
rig_free (Rig *rig)
{
  mfp_libvirt_free (rig->libvirt);
  g_free (rig->uri);
  g_free (rig);
}

const RigTarget *
rig_target (const Rig *rig)
{
  return &rig->target;
}

MfpLibvirt *
rig_enter (Rig *rig)
{
  MfpLibvirtOptions options
      = { .uri = rig->uri, .timeout = TIMEOUT, .left_in_call = &rig->left_in_call };
  g_autoptr (GError) error = NULL;

  if (rig->libvirt)
    return rig->libvirt;
  rig->libvirt = mfp_libvirt_open (&options, &error);
  if (!rig->libvirt || !mfp_domain_choose (rig->libvirt, rig->target.domain, &error))
    g_error ("%s", error->message);
  return rig->libvirt;
}

void
rig_leave (Rig *rig, MfpLibvirt *libvirt G_GNUC_UNUSED)
{
  /* A call that has not returned blocks all further calls. */
  if (rig->left_in_call)
    g_error ("a libvirt call has not returned");
}

/* Pauses or resumes the domain on a connection of its own: src/libvirt has no function for
 * that. */
static void
change_state (const Rig *rig, int (*change) (virDomainPtr domain))
{
  virConnectPtr connection = virConnectOpen (rig->uri);
  virDomainPtr domain
      = connection ? virDomainLookupByName (connection, rig->target.domain) : NULL;

  g_assert_nonnull (domain);
  if (domain)
    {
      g_assert_cmpint (change (domain), ==, 0);
      virDomainFree (domain);
    }
  if (connection)
    virConnectClose (connection);
}

void
rig_stop_guest (Rig *rig)
{
  change_state (rig, virDomainSuspend);
}

static int
resume_if_paused (virDomainPtr domain)
{
  int state;

  if (virDomainGetState (domain, &state, NULL, 0) != 0)
    return -1;
  return state == VIR_DOMAIN_PAUSED ? virDomainResume (domain) : 0;
}

void
rig_resume_guest (Rig *rig)
{
  change_state (rig, resume_if_paused);
}
