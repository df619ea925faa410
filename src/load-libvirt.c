/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "load-libvirt.h"

#include "error.h"

#include <dlfcn.h>

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
  void *module = dlopen (path, RTLD_LAZY | RTLD_LOCAL);
  const MfpLibvirtApi *api = module ? dlsym (module, "mfp_libvirt_api") : NULL;

  if (!api)
    g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                 "cannot load the part of virt-mfplug that knows libvirt: %s; install "
                 "virt-mfplug again, whole",
                 dlerror ());
  return api;
}
