/* SPDX-License-Identifier: GPL-2.0 */
/* The replaced functions of the patch "unix-ioctl", the same at every level. */
#ifndef HOTSTICK_UNIX_IOCTL_FUNCS_H
#define HOTSTICK_UNIX_IOCTL_FUNCS_H

#include "replace_patch.h"
#include "unix_ioctl_fixed.h"

static struct klp_func hotstick_funcs[] = {
	{ .old_name = "unix_ioctl", .new_func = hotstick_unix_ioctl },
	{ .old_name = "dev_change_tx_queue_len", .new_func = hotstick_dev_change_tx_queue_len },
	{}
};

HOTSTICK_PATCH();

#endif
