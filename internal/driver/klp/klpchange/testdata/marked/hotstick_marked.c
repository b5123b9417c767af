// SPDX-License-Identifier: GPL-2.0
/* A live patch that shows everything that bars a simple way back. It is never loaded. */
#include <linux/livepatch.h>
#include <linux/module.h>

static int hotstick_pre_patch(struct klp_object *obj)
{
	return klp_shadow_get(obj, 1) ? 0 : -ENODEV;
}

static int hotstick_ioctl(void)
{
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "unix_ioctl", .new_func = hotstick_ioctl },
	{}
};

static struct klp_object objects[] = {
	{ .funcs = funcs, .callbacks = { .pre_patch = hotstick_pre_patch } },
	{}
};

static struct klp_state states[] = {
	{ .id = 1, .version = 1 },
	{}
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects, .states = states, .replace = true };

static int __init hotstick_init(void)
{
	return klp_enable_patch(&patch);
}

module_init(hotstick_init);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
