/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The error domain. A code says what state things were left in, because that
 * is what the exit status tells.
 */
#pragma once

#include <glib.h>

#define MFP_ERROR (mfp_error_quark ())

/**
 * MfpError:
 * @MFP_ERROR_FAILED: failed; what was done has been undone
 * @MFP_ERROR_USAGE: the command line is wrong
 * @MFP_ERROR_REFUSED: refused before anything was touched
 * @MFP_ERROR_PENDING: the guest has not acted in time; the request stands
 * @MFP_ERROR_LEFT: a state was left that needs `recover`
 * @MFP_ERROR_NOT_FOUND: no such domain, device or QEMU object
 * @MFP_ERROR_ALIAS_TAKEN: another device has the alias: the slot is locked
 * @MFP_ERROR_BUSY: refused for now (unplug under way, migration): try again
 * @MFP_ERROR_GUEST_REFUSED: the guest's system rejected the removal
 * @MFP_ERROR_DOMAIN_GONE: the domain ended meanwhile
 * @MFP_ERROR_DOMAIN_RESTARTED: it ended and started again, and the new instance has a
 *   function of the card
 * @MFP_ERROR_DISCONNECTED: the connection to libvirt was lost
 * @MFP_ERROR_INTERRUPTED: a signal asked to stop
 * @MFP_ERROR_HUNG: a call of libvirt's has not returned, and no other is possible
 *
 * The codes from @MFP_ERROR_NOT_FOUND on say why an operation failed, for
 * callers that act on it; a person sees them as @MFP_ERROR_FAILED.
 */
typedef enum
{
  MFP_ERROR_FAILED = 1,
  MFP_ERROR_USAGE = 2,
  MFP_ERROR_REFUSED = 3,
  MFP_ERROR_PENDING = 4,
  MFP_ERROR_LEFT = 5,
  MFP_ERROR_NOT_FOUND,
  MFP_ERROR_ALIAS_TAKEN,
  MFP_ERROR_BUSY,
  MFP_ERROR_GUEST_REFUSED,
  MFP_ERROR_DOMAIN_GONE,
  MFP_ERROR_DOMAIN_RESTARTED,
  MFP_ERROR_DISCONNECTED,
  MFP_ERROR_INTERRUPTED,
  MFP_ERROR_HUNG,
} MfpError;

GQuark mfp_error_quark (void);

/* Whether @error (nullable) is ours and has @code. */
gboolean mfp_error_is (const GError *error, MfpError code);

/* The program's exit status for @error; 0 for NULL. */
int mfp_error_exit_status (const GError *error);

/**
 * mfp_error_recode:
 * @error: an error of any domain, or NULL
 * @code: the code that it is to have
 *
 * Gives an error the code of the state that things are in now, which the
 * place where it arose could not know. The message stays.
 */
void mfp_error_recode (GError **error, MfpError code);

/* Says that nothing was touched before *@error came: MFP_ERROR_REFUSED, unless the code says
 * that or more already, or that a signal came. */
void mfp_error_refuse (GError **error);

/* Adds @from (transfer full) to *@all, on a line of its own. A hung call outweighs other errors,
 * because no further call is possible. */
void mfp_error_collect (GError **all, GError *from);

/* Appends a line to the message of @error, which must be set. */
void mfp_error_append (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
