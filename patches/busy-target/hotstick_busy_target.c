// SPDX-License-Identifier: GPL-2.0
/*
 * Not a patch: a module to patch. Reading /dev/hotstick_busy sleeps in
 * hotstick_busy_wait() until the reader is killed. The sleep is killable but not
 * interruptible, so the kernel's fake signal does not end it: a patch of that
 * function stalls in its transition for as long as somebody reads. With thread=1 a
 * thread of the kernel's sleeps there too, and nothing but unloading this ends it.
 */
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/wait.h>

static bool thread;
module_param(thread, bool, 0444);
MODULE_PARM_DESC(thread, "let a thread of the kernel's sleep in hotstick_busy_wait()");

static DECLARE_WAIT_QUEUE_HEAD(hotstick_busy_queue);
static bool hotstick_over;
static struct task_struct *hotstick_thread;

static noinline ssize_t hotstick_busy_wait(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return wait_event_killable(hotstick_busy_queue, READ_ONCE(hotstick_over));
}

static const struct file_operations hotstick_busy_fops = {
	.owner = THIS_MODULE,
	.read = hotstick_busy_wait,
};

static struct miscdevice hotstick_busy_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "hotstick_busy",
	.fops = &hotstick_busy_fops,
	.mode = 0444,
};

static int hotstick_sleep(void *unused)
{
	hotstick_busy_wait(NULL, NULL, 0, NULL);
	return 0;
}

static int __init hotstick_init(void)
{
	int err = misc_register(&hotstick_busy_device);

	if (err || !thread)
		return err;
	hotstick_thread = kthread_create(hotstick_sleep, NULL, "hotstick_busy");
	if (IS_ERR(hotstick_thread)) {
		misc_deregister(&hotstick_busy_device);
		return PTR_ERR(hotstick_thread);
	}
	get_task_struct(hotstick_thread);
	wake_up_process(hotstick_thread);
	return 0;
}

static void __exit hotstick_exit(void)
{
	WRITE_ONCE(hotstick_over, true);
	wake_up_all(&hotstick_busy_queue);
	if (hotstick_thread) {
		kthread_stop(hotstick_thread);
		put_task_struct(hotstick_thread);
	}
	misc_deregister(&hotstick_busy_device);
}

module_init(hotstick_init);
module_exit(hotstick_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a function that tasks sleep in, for tests of stalled transitions");
