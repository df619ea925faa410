/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A library for LD_PRELOAD that makes one of virt-mfplug's calls to libvirt
 * fail. It counts only calls that change something. FAULT_AT is the number of
 * the call, from 1. The call fails before it reaches libvirt or, if
 * FAULT_AFTER is set, after libvirt has done it. If FAULT_LOG is set, the
 * library appends a line for each such call to that file.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Counts and logs the call of @name. Returns true if this call is to fail. */
static bool
is_chosen (const char *name)
{
  static int calls;
  const char *chosen = getenv ("FAULT_AT");
  const char *log = getenv ("FAULT_LOG");
  FILE *file = log ? fopen (log, "ae") : NULL;

  calls++;
  if (file)
    {
      fprintf (file, "%s\n", name);
      fclose (file);
    }
  return chosen && atoi (chosen) == calls;
}

static bool
fails_afterwards (void)
{
  return getenv ("FAULT_AFTER") != NULL;
}

/* Has libvirt set an error: virDomainGetName() does not accept NULL. */
static int
fail (void)
{
  virDomainGetName (NULL);
  return -1;
}

#define FAULTY(name, parameters, arguments)                                                       \
  int name parameters                                                                             \
  {                                                                                               \
    int (*real) parameters = (int (*) parameters) dlsym (RTLD_NEXT, #name);                       \
    bool chosen = is_chosen (#name);                                                              \
    int result = chosen && !fails_afterwards () ? -1 : real arguments;                            \
                                                                                                  \
    return chosen ? fail () : result;                                                             \
  }

FAULTY (virDomainSetMetadata,
        (virDomainPtr domain, int type, const char *metadata, const char *key, const char *uri,
         unsigned int flags),
        (domain, type, metadata, key, uri, flags))
FAULTY (virNodeDeviceDetachFlags,
        (virNodeDevicePtr device, const char *driver, unsigned int flags),
        (device, driver, flags))
FAULTY (virNodeDeviceReAttach, (virNodeDevicePtr device), (device))
FAULTY (virDomainAttachDeviceFlags, (virDomainPtr domain, const char *xml, unsigned int flags),
        (domain, xml, flags))
FAULTY (virDomainDetachDeviceFlags, (virDomainPtr domain, const char *xml, unsigned int flags),
        (domain, xml, flags))
FAULTY (virDomainDetachDeviceAlias, (virDomainPtr domain, const char *alias, unsigned int flags),
        (domain, alias, flags))

/* Only commands that change something count: device_add and device_del. */
int
virDomainQemuMonitorCommand (virDomainPtr domain, const char *command, char **answer,
                             unsigned int flags)
{
  int (*real) (virDomainPtr, const char *, char **, unsigned int)
      = (int (*) (virDomainPtr, const char *, char **, unsigned int)) dlsym (
          RTLD_NEXT, "virDomainQemuMonitorCommand");
  bool chosen = strstr (command, "\"device_") && is_chosen (command);
  int result = chosen && !fails_afterwards () ? -1 : real (domain, command, answer, flags);

  if (!chosen)
    return result;
  if (result == 0)
    free (*answer);
  *answer = NULL;
  return fail ();
}
