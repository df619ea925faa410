/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program: runs the rest of it, which is a library of its own. The libraries
 * of libvirt's client come late, and each symbol of theirs is first looked for in
 * all that the program is linked with (dlopen(3)): so it is linked with nothing.
 */
#include "config.h"

#include "error.h"
#include "main.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

/* A thread of libvirt's may still run, or just end: it crashes over what the libraries
 * that it uses (OpenSSL, GnuTLS) clean up at an exit. So none of them does; all has been
 * printed. A sanitizer looks for leaks at the exit. */
static int
end (int status)
{
  if (!SANITIZED)
    _exit (status);
  return status;
}

int
main (int argc, char **argv)
{
  /* Without a slash: the linker looks where the program's run path says. */
  void *core = dlopen (CORE_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
  MfpMain run = core ? dlsym (core, "mfp_main") : NULL;

  if (run)
    return end (run (argc, (const char **) argv));
  fprintf (stderr,
           "virt-mfplug: error: cannot load the program's own library: %s; install virt-mfplug "
           "again, whole\n",
           dlerror ());
  return MFP_ERROR_REFUSED;
}
