/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connection, for the files of this folder that make handles on it.
 */
#pragma once

#include "model.h"

/**
 * virConnect:
 * @references: one of the program, and one of each handle
 * @broken: for good
 * @callbacks: of events
 */
struct _virConnect
{
  int references;
  char *uri;
  gboolean read_only;
  gboolean broken;
  GPtrArray *callbacks;
  int next_callback;
};

void fake_connection_ref (virConnectPtr connection);
int fake_connection_unref (virConnectPtr connection); /* how many references are left */

virDomainPtr fake_domain_handle (virConnectPtr connection, const char *name, const char *uuid);
const char *fake_handle_uuid (virDomainPtr domain);
