// SPDX-License-Identifier: GPL-2.0
/* Somebody else's patch: it stacks upon whatever is there. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int hotstick_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, "foreign\n");
	return 0;
}

static struct klp_func hotstick_funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = hotstick_cmdline },
	{}
};

static struct klp_object hotstick_objects[] = {
	{ .funcs = hotstick_funcs },
	{}
};

static struct klp_patch hotstick_patch = {
	.mod = THIS_MODULE,
	.objs = hotstick_objects,
};

static int __init hotstick_init(void)
{
	return klp_enable_patch(&hotstick_patch);
}

static void __exit hotstick_exit(void)
{
}

module_init(hotstick_init);
module_exit(hotstick_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("somebody else's live patch");
MODULE_INFO(livepatch, "Y");
