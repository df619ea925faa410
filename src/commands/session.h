/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the words of the command line to an open connection, the domain and what was read
 * of it for the plan.
 */
#pragma once

#include "base/interrupt.h"
#include "commands/options.h"
#include "libvirt/connection.h"
#include "libvirt/domain.h"

/**
 * MfpSession:
 * @interrupt: (nullable): set only with %MFP_ACCESS_CHANGE
 * @trace: for @libvirt, with --verbose
 * @live, @config: (nullable): the forms of the domain that the command is about: as it
 *   runs, and as it will start next
 *
 * A connection, and in most cases a domain on it.
 */
typedef struct
{
  MfpInterrupt *interrupt;
  MfpCallTrace trace;
  MfpLibvirt *libvirt;
  MfpGuest *live;
  MfpGuest *config;
} MfpSession;

void mfp_session_free (MfpSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MfpSession, mfp_session_free)

/**
 * MfpAccess:
 * @MFP_ACCESS_READ: nothing will be changed, nor QEMU asked: a read-only
 *   connection will do
 * @MFP_ACCESS_ASK: nothing will be changed, but QEMU will be asked
 * @MFP_ACCESS_CHANGE: things will be changed, and a signal stops the run in an orderly way
 */
typedef enum
{
  MFP_ACCESS_READ,
  MFP_ACCESS_ASK,
  MFP_ACCESS_CHANGE,
} MfpAccess;

/* Only connects. @remedy: (nullable): the command that finishes or undoes a run which a
 * second signal stopped, with %MFP_ACCESS_CHANGE. */
MfpSession *mfp_session_connect (MfpInvocation *invocation, const MfpCommonOptions *options,
                                 MfpAccess access, const char *remedy, GError **error);

/* Connects, finds the domain and reads the forms that @options mean, in
 * virsh's sense of --live, --config, --persistent and --current. */
MfpSession *mfp_session_open (MfpInvocation *invocation, const MfpCommonOptions *options,
                              MfpAccess access, const char *domain, GError **error);

/* The running domain, if the command is about it, else its persistent form. */
const MfpGuest *mfp_session_guest (const MfpSession *session);

/* Refuses (MFP_ERROR_REFUSED) when a running domain other than the chosen one has one of
 * @functions (element-type MfpHostFunction). */
gboolean mfp_session_check_others (MfpSession *session, const GPtrArray *functions,
                                   GError **error);
