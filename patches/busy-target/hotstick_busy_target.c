// SPDX-License-Identifier: GPL-2.0
/*
 * Not a patch: a module to patch. Reading /dev/hotstick_busy sleeps in
 * hotstick_busy_wait() until the reader is killed. The sleep is killable but not
 * interruptible, so the kernel's fake signal does not end it: a patch of that
 * function stalls in its transition for as long as somebody reads.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(hotstick_busy_queue);

static noinline ssize_t hotstick_busy_wait(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return wait_event_killable(hotstick_busy_queue, false);
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

module_misc_device(hotstick_busy_device);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a function that tasks sleep in, for tests of stalled transitions");
