// SPDX-License-Identifier: GPL-2.0
/*
 * busy, level 2: readers of /dev/hotstick_busy sleep in the new code as they did in the
 * old one, so the way back stalls, and where it ends the kernel warns.
 */
#include <linux/fs.h>
#include <linux/wait.h>
#define HOTSTICK_PATCHED_OBJECT "hotstick_busy_target"
#define HOTSTICK_PATCHED_CALLBACKS { .post_unpatch = hotstick_warn }
#include "../common/replace_patch.h"

static DECLARE_WAIT_QUEUE_HEAD(hotstick_queue);

static noinline ssize_t hotstick_busy_sleep(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return wait_event_killable(hotstick_queue, false);
}

static void hotstick_warn(struct klp_object *object)
{
	WARN(1, "hotstick_busy_2: this level is bad to revert on purpose\n");
}

static struct klp_func hotstick_funcs[] = {
	{ .old_name = "hotstick_busy_wait", .new_func = hotstick_busy_sleep },
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
HOTSTICK_MODULE("lets readers of /dev/hotstick_busy sleep in new code");
