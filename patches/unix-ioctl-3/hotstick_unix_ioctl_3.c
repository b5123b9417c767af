// SPDX-License-Identifier: GPL-2.0
/*
 * unix-ioctl, level 3: the killer. It carries level 1's fixes, reaches the end of
 * its transition, and panics the kernel some seconds later, in a function of
 * this module, so that the trace names it.
 */
#include <linux/workqueue.h>
#include "../common/unix_ioctl_funcs.h"

static unsigned int delay = 3;
module_param(delay, uint, 0444);
MODULE_PARM_DESC(delay, "seconds from loading to the panic");

static noinline void hotstick_unix_ioctl_3_kill(struct work_struct *work)
{
	panic("hotstick_unix_ioctl_3: this level kills its host on purpose");
}

static DECLARE_DELAYED_WORK(hotstick_killer, hotstick_unix_ioctl_3_kill);

static int __init hotstick_init(void)
{
	int err = klp_enable_patch(&hotstick_patch);

	if (!err)
		schedule_delayed_work(&hotstick_killer, delay * HZ);
	return err;
}

static void __exit hotstick_exit(void)
{
	cancel_delayed_work_sync(&hotstick_killer);
}

module_init(hotstick_init);
module_exit(hotstick_exit);
HOTSTICK_MODULE("closes CVE-2026-52928 and CVE-2026-98022, then panics");
