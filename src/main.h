/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

typedef int (*MfpMain) (int argc, const char **argv);

/* What main() is for a program, with the exit status. */
int mfp_main (int argc, const char **argv);
