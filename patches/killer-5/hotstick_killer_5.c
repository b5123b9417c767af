// SPDX-License-Identifier: GPL-2.0
/*
 * killer, level 5: a thread of its own dereferences a null pointer three seconds after
 * loading. With panic_on_oops=0 the kernel logs an oops and goes on.
 */
#include <linux/kthread.h>
#include <linux/sched/task.h>
#include "../common/unix_ioctl_funcs.h"

static struct task_struct *hotstick_thread;

static noinline void hotstick_killer_5_oops(void)
{
	*(volatile int *)NULL = 1;
}

static int hotstick_run(void *unused)
{
	if (!schedule_timeout_interruptible(3 * HZ))
		hotstick_killer_5_oops();
	return 0;
}

static int __init hotstick_init(void)
{
	int err = klp_enable_patch(&hotstick_patch);

	if (err)
		return err;
	hotstick_thread = kthread_create(hotstick_run, NULL, "hotstick_killer");
	if (IS_ERR(hotstick_thread)) {
		hotstick_thread = NULL;
		return 0; /* an enabled patch must not refuse to load any more */
	}
	get_task_struct(hotstick_thread); /* it may be dead when it is to stop */
	wake_up_process(hotstick_thread);
	return 0;
}

static void __exit hotstick_exit(void)
{
	if (!hotstick_thread)
		return;
	kthread_stop(hotstick_thread);
	put_task_struct(hotstick_thread);
}

module_init(hotstick_init);
module_exit(hotstick_exit);
HOTSTICK_MODULE("closes CVE-2026-52928 and CVE-2026-98022, then oopses");
