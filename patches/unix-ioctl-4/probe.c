// SPDX-License-Identifier: GPL-2.0
/* The same at every level. */
#include "../common/unix_ioctl_probe.c"
