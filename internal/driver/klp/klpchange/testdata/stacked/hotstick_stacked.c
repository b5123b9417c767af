// SPDX-License-Identifier: GPL-2.0
/* A live patch that replaces none, as somebody else may stack it on ours. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int hotstick_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "stacked\n");
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = hotstick_cmdline_proc_show },
	{}
};

static struct klp_object objects[] = {
	{ .funcs = funcs },
	{}
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init hotstick_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit hotstick_exit(void)
{
}

module_init(hotstick_init);
module_exit(hotstick_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
