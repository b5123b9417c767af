// SPDX-License-Identifier: GPL-2.0
/* busy, level 1: replaces the function that readers of /dev/hotstick_busy sleep in. */
#include <linux/fs.h>
#define HOTSTICK_PATCHED_OBJECT "hotstick_busy_target"
#include "../common/replace_patch.h"

static ssize_t hotstick_busy_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return 0;
}

static struct klp_func hotstick_funcs[] = {
	{ .old_name = "hotstick_busy_wait", .new_func = hotstick_busy_read },
	{}
};

HOTSTICK_PATCH();

static int __init hotstick_init(void)
{
	return klp_enable_patch(&hotstick_patch);
}

static void __exit hotstick_exit(void)
{
}

module_init(hotstick_init);
module_exit(hotstick_exit);
HOTSTICK_MODULE("makes reads of /dev/hotstick_busy end at once");
