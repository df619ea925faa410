/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "load-libvirt.h"

#include "error.h"

#include <dlfcn.h>

/* Each symbol of the libraries that one dlopen() brings is looked for in all of them, in
 * turn, and libvirt brings fifty. These have the most symbols: loaded alone, each is searched
 * with its own few. What is not installed, or not used by this build of libvirt, costs time
 * and nothing else. */
static void
load_largest (void)
{
  static const char *const names[] = { "libcrypto.so.3", "libgnutls.so.30" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    dlopen (names[i], RTLD_LAZY | RTLD_LOCAL);
}

/* Beside the library that this is part of. A run path would be searched for each
 * library of libvirt's, too. */
static char *
find_module (void)
{
  Dl_info here = { .dli_fname = "" };
  g_autofree char *directory = NULL;

  dladdr (find_module, &here);
  directory = g_path_get_dirname (here.dli_fname);
  return g_build_filename (directory, LIBVIRT_MODULE, NULL);
}

const MfpLibvirtApi *
mfp_libvirt_load (GError **error)
{
  g_autofree char *path = find_module ();
  const MfpLibvirtApi *api;
  void *module;

  load_largest ();
  module = dlopen (path, RTLD_LAZY | RTLD_LOCAL);
  api = module ? dlsym (module, "mfp_libvirt_api") : NULL;
  if (!api)
    g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                 "cannot load the part of virt-mfplug that knows libvirt: %s; install "
                 "virt-mfplug again, whole",
                 dlerror ());
  return api;
}
