/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * floor: the bare libvirt calls that bench compares virt-mfplug with, on one connection.
 * attach and detach move a card of four functions into a running domain and back, with only
 * the calls that change something. They check nothing before or after, and undo nothing.
 * dumpxml opens libvirt and reads one XML.
 *
 *   floor attach DOMAIN CARD BUS     such as 0000:01:00, to slot 0 of the port pci.BUS
 *   floor detach DOMAIN CARD
 *   floor dumpxml DOMAIN URI
 */
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FUNCTIONS 4
#define ALIAS "ua-bare-"
#define GIVE_UP 120 /* seconds */

typedef struct
{
  virConnectPtr connection;
  virDomainPtr domain;
  unsigned int host[3]; /* PCI domain, bus and slot */
  unsigned int bus;
} Card;

static void
need (bool done, const char *what)
{
  if (done)
    return;
  fprintf (stderr, "floor: %s: %s\n", what, virGetLastErrorMessage ());
  exit (EXIT_FAILURE);
}

static virNodeDevicePtr
node_device (const Card *self, int function)
{
  char name[32];
  virNodeDevicePtr device;

  snprintf (name, sizeof name, "pci_%04x_%02x_%02x_%x", self->host[0], self->host[1],
            self->host[2], function);
  device = virNodeDeviceLookupByName (self->connection, name);
  need (device, name);
  return device;
}

static void
take (const Card *self, int function)
{
  virNodeDevicePtr device = node_device (self, function);

  need (virNodeDeviceDetachFlags (device, NULL, 0) == 0, "take");
  virNodeDeviceFree (device);
}

static void
reattach (const Card *self, int function)
{
  virNodeDevicePtr device = node_device (self, function);

  need (virNodeDeviceReAttach (device) == 0, "reattach");
  virNodeDeviceFree (device);
}

static void
attach (const Card *self, int function, const char *address)
{
  char xml[512];

  snprintf (xml, sizeof xml,
            "<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0x%04x' "
            "bus='0x%02x' slot='0x%02x' function='0x%x'/></source><alias name='" ALIAS "%d'/>"
            "<address %s/></hostdev>",
            self->host[0], self->host[1], self->host[2], function, function, address);
  need (virDomainAttachDeviceFlags (self->domain, xml, VIR_DOMAIN_AFFECT_LIVE) == 0, "attach");
}

static void
queue (const Card *self, int function)
{
  char command[256];
  char *answer = NULL;

  snprintf (command, sizeof command,
            "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"vfio-pci\","
            "\"host\":\"%04x:%02x:%02x.%x\",\"id\":\"" ALIAS "%d\",\"bus\":\"pci.%u\","
            "\"addr\":\"0.%x\"}}",
            self->host[0], self->host[1], self->host[2], function, function, self->bus, function);
  need (virDomainQemuMonitorCommand (self->domain, command, &answer, 0) == 0, "queue");
  need (strstr (answer, "\"return\""), answer);
  free (answer);
}

static void
attach_card (const Card *self)
{
  char zero[96];

  for (int function = 0; function < FUNCTIONS; function++)
    take (self, function);
  for (int function = 1; function < FUNCTIONS; function++)
    attach (self, function, "type='unassigned'");
  for (int function = 1; function < FUNCTIONS; function++)
    queue (self, function);
  snprintf (zero, sizeof zero,
            "type='pci' domain='0' bus='%u' slot='0' function='0' multifunction='on'", self->bus);
  attach (self, 0, zero);
}

static void
on_removed (virConnectPtr connection, virDomainPtr domain, const char *alias, void *data)
{
  int *left = data;

  (void) connection;
  (void) domain;
  if (strncmp (alias, ALIAS, strlen (ALIAS)) == 0)
    (*left)--;
}

static void
detach_card (const Card *self)
{
  int left = FUNCTIONS;
  int callback = virConnectDomainEventRegisterAny (
      self->connection, self->domain, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
      VIR_DOMAIN_EVENT_CALLBACK ((void (*) (void)) on_removed), &left, NULL);

  need (callback >= 0, "events");
  need (virDomainDetachDeviceAlias (self->domain, ALIAS "0", VIR_DOMAIN_AFFECT_LIVE) == 0,
        "detach");
  while (left > 0)
    need (virEventRunDefaultImpl () == 0, "event loop");
  for (int function = 0; function < FUNCTIONS; function++)
    reattach (self, function);
}

static void
dump_xml (const Card *self)
{
  char *xml = virDomainGetXMLDesc (self->domain, 0);

  need (xml, "dumpxml");
  puts (xml);
  free (xml);
}

static bool
read_words (Card *self, int argc, char **argv)
{
  unsigned int *host = self->host;
  bool attaches = argc == 5 && strcmp (argv[1], "attach") == 0;
  bool detaches = argc == 4 && strcmp (argv[1], "detach") == 0;

  return (attaches || detaches)
         && sscanf (argv[3], "%x:%x:%x", &host[0], &host[1], &host[2]) == 3
         && (detaches || sscanf (argv[4], "%u", &self->bus) == 1);
}

int
main (int argc, char **argv)
{
  Card self = { 0 };
  bool dumps = argc == 4 && strcmp (argv[1], "dumpxml") == 0;

  if (!dumps && !read_words (&self, argc, argv))
    {
      fputs ("usage: floor attach DOMAIN CARD BUS | floor detach DOMAIN CARD | "
             "floor dumpxml DOMAIN URI\n",
             stderr);
      return 2;
    }
  alarm (GIVE_UP); /* in case an event does not come */
  need (virEventRegisterDefaultImpl () == 0, "event loop");
  self.connection = virConnectOpen (dumps ? argv[3] : NULL);
  need (self.connection, "connect");
  self.domain = virDomainLookupByName (self.connection, argv[2]);
  need (self.domain, argv[2]);
  if (dumps)
    dump_xml (&self);
  else if (argc == 5)
    attach_card (&self);
  else
    detach_card (&self);
  virDomainFree (self.domain);
  virConnectClose (self.connection);
  return EXIT_SUCCESS;
}
