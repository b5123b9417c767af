// SPDX-License-Identifier: GPL-2.0
/*
 * Rig: stands in for a patch of a vendor whose mechanism is not the kernel's own live
 * patching (KernelCare, Ksplice). It replaces a function while it is loaded, by ftrace, and
 * so that nothing of it is in /sys/kernel/livepatch. It has no consistency model: a
 * vendor's looks at every stack first, this one waits a moment before it is unloaded.
 *
 * SPLICE_FUNCTIONS	what it replaces: 1 unix_ioctl, 2 dev_change_tx_queue_len, 3 both, 0 nothing
 * SPLICE_STAGE		it shows a directory "ksplice" with the file "stage" in sysfs
 */
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#ifndef SPLICE_FUNCTIONS
#define SPLICE_FUNCTIONS 1
#endif

#pragma GCC diagnostic ignored "-Wunused-function"
#include "../common/unix_ioctl_fixed.h"

struct splice {
	struct ftrace_ops ops;
	const char *old;
	unsigned long new;
};

static void notrace splice_enter(unsigned long ip, unsigned long parent,
				 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct splice *s = container_of(ops, struct splice, ops);

#ifdef ftrace_regs_set_instruction_pointer
	ftrace_regs_set_instruction_pointer(fregs, s->new);
#else
	ftrace_instruction_pointer_set(fregs, s->new);
#endif
}

#define SPLICE(o, n)							\
	{ .ops = { .func = splice_enter, .flags = FTRACE_OPS_FL_IPMODIFY }, \
	  .old = o, .new = (unsigned long)(n) }

static struct splice splices[] = {
#if SPLICE_FUNCTIONS & 1
	SPLICE("unix_ioctl", hotstick_unix_ioctl),
#endif
#if SPLICE_FUNCTIONS & 2
	SPLICE("dev_change_tx_queue_len", hotstick_dev_change_tx_queue_len),
#endif
	{}
};

/* The first so many go out again. */
static void splice_out(int n)
{
	while (n-- > 0)
		unregister_ftrace_function(&splices[n].ops);
	msleep(100);
}

static int splice_in(void)
{
	int n, err = 0;

	for (n = 0; splices[n].old; n++) {
		char name[64];

		strscpy(name, splices[n].old, sizeof(name));
		err = ftrace_set_filter(&splices[n].ops, name, strlen(name), 1);
		if (!err)
			err = register_ftrace_function(&splices[n].ops);
		if (err) {
			splice_out(n);
			return err;
		}
	}
	return 0;
}

/* The patch level; for those who look past the driver. */
static int level;
module_param(level, int, 0444);

#ifdef SPLICE_STAGE
static struct kobject *splice_dir;

static ssize_t stage_show(struct kobject *k, struct kobj_attribute *a, char *buf)
{
	return sysfs_emit(buf, "applied\n");
}

static struct kobj_attribute splice_stage = __ATTR(stage, 0400, stage_show, NULL);

static int splice_show(void)
{
	int err;

	splice_dir = kobject_create_and_add("ksplice", &THIS_MODULE->mkobj.kobj);
	if (!splice_dir)
		return -ENOMEM;
	err = sysfs_create_file(splice_dir, &splice_stage.attr);
	if (err)
		kobject_put(splice_dir);
	return err;
}

static void splice_hide(void)
{
	kobject_put(splice_dir);
}
#else
static int splice_show(void) { return 0; }
static void splice_hide(void) { }
#endif

static int __init splice_init(void)
{
	int err = splice_in();

	if (err)
		return err;
	err = splice_show();
	if (err)
		splice_out(ARRAY_SIZE(splices) - 1);
	return err;
}

static void __exit splice_exit(void)
{
	splice_hide();
	splice_out(ARRAY_SIZE(splices) - 1);
}

module_init(splice_init);
module_exit(splice_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("rig: a patch that is not the kernel's own live patch");
