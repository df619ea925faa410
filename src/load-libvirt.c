/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "load-libvirt.h"

#include "error.h"

#include <dlfcn.h>

const MfpLibvirtApi *
mfp_libvirt_load (GError **error)
{
  /* Without a slash: the linker looks where the program's run path says. */
  void *module = dlopen (LIBVIRT_MODULE, RTLD_LAZY | RTLD_LOCAL);
  const MfpLibvirtApi *api = module ? dlsym (module, "mfp_libvirt_api") : NULL;

  if (!api)
    g_set_error (error, MFP_ERROR, MFP_ERROR_REFUSED,
                 "cannot load the part of virt-mfplug that knows libvirt: %s; install "
                 "virt-mfplug again, whole",
                 dlerror ());
  return api;
}
