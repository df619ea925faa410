/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands between virt-mfplug and libvirt (LD_PRELOAD) and has one of the calls
 * that change something fail: number FAULT_AT, counted from 1, before it
 * reaches libvirt, or with FAULT_AFTER set when it has been done already.
 * FAULT_LOG, if set, is a file that gets a line for each such call.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Notes the call of @name, and tells whether it is the one. */
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
is_after (void)
{
  return getenv ("FAULT_AFTER") != NULL;
}

/* An error of libvirt's own making. */
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
    int result = chosen && !is_after () ? -1 : real arguments;                                    \
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

/* Only commands that change something count. */
int
virDomainQemuMonitorCommand (virDomainPtr domain, const char *command, char **answer,
                             unsigned int flags)
{
  int (*real) (virDomainPtr, const char *, char **, unsigned int)
      = (int (*) (virDomainPtr, const char *, char **, unsigned int)) dlsym (
          RTLD_NEXT, "virDomainQemuMonitorCommand");
  bool chosen = strstr (command, "\"device_") && is_chosen (command);
  int result = chosen && !is_after () ? -1 : real (domain, command, answer, flags);

  if (!chosen)
    return result;
  if (result == 0)
    free (*answer);
  *answer = NULL;
  return fail ();
}
