/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <stdio.h>

static void
free_error (gpointer error)
{
  virFreeError (error);
}

/* Each thread has a last error of its own. */
static GPrivate last_error = G_PRIVATE_INIT (free_error);

static virErrorFunc error_function;
static void *error_data;

/* The text that virErrorMsg() of libvirt 9.0 puts before the message. */
static const struct
{
  int code;
  const char *prefix;
} prefixes[] = {
  { VIR_ERR_INTERNAL_ERROR, "internal error: " },
  { VIR_ERR_NO_DOMAIN, "Domain not found: " },
  { VIR_ERR_NO_NODE_DEVICE, "Node device not found: " },
  { VIR_ERR_DEVICE_MISSING, "device not found: " },
  { VIR_ERR_NO_DOMAIN_METADATA, "metadata not found: " },
  { VIR_ERR_OPERATION_INVALID, "Requested operation is not valid: " },
  { VIR_ERR_OPERATION_UNSUPPORTED, "Operation not supported: " },
  { VIR_ERR_OPERATION_FAILED, "operation failed: " },
  { VIR_ERR_OPERATION_DENIED, "operation forbidden: " },
  { VIR_ERR_CONFIG_UNSUPPORTED, "unsupported configuration: " },
  { VIR_ERR_INVALID_ARG, "invalid argument: " },
  { VIR_ERR_XML_ERROR, "XML error: " },
  { VIR_ERR_RPC, "Unable to encode message payload: " },
};

static const char *
prefix_of (int code)
{
  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    if (prefixes[i].code == code)
      return prefixes[i].prefix;
  return "";
}

void
fake_error (int code, const char *format, ...)
{
  virErrorPtr error = g_new0 (virError, 1);
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  error->code = code;
  error->domain = VIR_FROM_QEMU;
  error->level = VIR_ERR_ERROR;
  error->message = g_strconcat (prefix_of (code), text, NULL);
  g_private_replace (&last_error, error);
}

void
fake_error_reset (void)
{
  g_private_replace (&last_error, NULL);
}

void
fake_error_restore (virErrorPtr error)
{
  g_private_replace (&last_error, error);
}

/* libvirt writes the error to stderr if the program has set no error function. */
void
fake_error_dispatch (void)
{
  virErrorPtr error = g_private_get (&last_error);

  if (!error)
    return;
  if (error_function)
    error_function (error_data, error);
  else
    fprintf (stderr, "libvirt: error : %s\n", error->message);
}

void
virSetErrorFunc (void *userData, virErrorFunc handler)
{
  error_data = userData;
  error_function = handler;
}

virErrorPtr
virGetLastError (void)
{
  return g_private_get (&last_error);
}

int
virGetLastErrorCode (void)
{
  const virError *error = g_private_get (&last_error);

  return error ? error->code : VIR_ERR_OK;
}

const char *
virGetLastErrorMessage (void)
{
  const virError *error = g_private_get (&last_error);

  return error ? error->message : "no error";
}

virErrorPtr
virSaveLastError (void)
{
  const virError *error = g_private_get (&last_error);
  virErrorPtr copy = g_new0 (virError, 1);

  if (!error)
    return copy;
  *copy = *error;
  copy->message = g_strdup (error->message);
  return copy;
}

void
virResetLastError (void)
{
  fake_error_reset ();
}

void
virFreeError (virErrorPtr err)
{
  if (!err)
    return;
  g_free (err->message);
  g_free (err);
}
