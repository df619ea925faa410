/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules on the fake libvirt. Each rule gets a new fake. After the rule, the fake must be
 * in the same state as before, and must have recorded no violation.
 */
#include "config.h"

#include "libvirt/rules.h"

#include "fake/fake.h"
#include "libvirt/domain.h"

#define TIMEOUT (30 * G_TIME_SPAN_SECOND)

/**
 * Rig:
 * @live, @config: descriptions of the domain before the rule
 */
struct _Rig
{
  RigTarget target;
  Fake *fake;
  char *live;
  char *config;
  gboolean left_in_call;
};

Rig *
rig_new (int argc, char **argv)
{
  Rig *rig;

  if (argc != 1)
    g_error ("usage: %s", argv[0]);
  rig = g_new0 (Rig, 1);
  rig->target = (RigTarget){ .domain = (char *) "vm",
                             .card = (char *) "0000:01:00",
                             .other = (char *) "0000:02:00",
                             .slot = (char *) "0000:03:00" };
  return rig;
}

void
rig_free (Rig *rig)
{
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
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "fake", "host.xml", NULL);
  MfpLibvirtOptions options = { .timeout = TIMEOUT, .left_in_call = &rig->left_in_call };
  g_autoptr (GError) error = NULL;
  MfpLibvirt *libvirt;

  rig->fake = fake_new_from_file (path);
  fake_use (rig->fake);
  libvirt = mfp_libvirt_open (&options, &error);
  if (!libvirt || !mfp_domain_choose (libvirt, rig->target.domain, &error))
    g_error ("%s", error->message);
  rig->live = fake_describe_live (rig->fake, rig->target.domain);
  rig->config = fake_describe_config (rig->fake, rig->target.domain);
  return libvirt;
}

void
rig_leave (Rig *rig, MfpLibvirt *libvirt)
{
  g_autofree char *live = fake_describe_live (rig->fake, rig->target.domain);
  g_autofree char *config = fake_describe_config (rig->fake, rig->target.domain);

  g_assert_cmpstr (live, ==, rig->live);
  g_assert_cmpstr (config, ==, rig->config);
  g_assert_cmpstr (fake_violation (rig->fake), ==, NULL);
  mfp_libvirt_free (libvirt);
  g_clear_pointer (&rig->live, g_free);
  g_clear_pointer (&rig->config, g_free);
  g_clear_pointer (&rig->fake, fake_free);
}

void
rig_stop_guest (Rig *rig)
{
  fake_stop_guest (rig->fake, rig->target.domain);
}

void
rig_resume_guest (Rig *rig)
{
  fake_resume_guest (rig->fake, rig->target.domain);
}
