/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "libvirt/view.h"

void
mfp_view_clear (MfpView *view)
{
  g_clear_pointer (&view->live, mfp_guest_free);
  g_clear_pointer (&view->in_qemu, g_hash_table_unref);
  g_clear_pointer (&view->pci, g_ptr_array_unref);
}

void
mfp_view_take (MfpView *view, MfpView *part)
{
  if (part->live)
    view->live = g_steal_pointer (&part->live);
  if (part->in_qemu)
    view->in_qemu = g_steal_pointer (&part->in_qemu);
  if (part->pci)
    view->pci = g_steal_pointer (&part->pci);
}

MfpView
mfp_view_steal (MfpView *view)
{
  MfpView all = *view;

  *view = (MfpView){ 0 };
  return all;
}
