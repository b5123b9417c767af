/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the killers that kill later have in common: HOTSTICK_KILLER(name, seconds) calls
 * name() that long after the patch is loaded, unless it is unloaded before.
 */
#ifndef HOTSTICK_KILLER_H
#define HOTSTICK_KILLER_H

#include <linux/workqueue.h>
#include "unix_ioctl_funcs.h"

#define HOTSTICK_KILLER(name, seconds)					\
	static DECLARE_DELAYED_WORK(hotstick_killer, name);		\
	static int __init hotstick_init(void)				\
	{								\
		int err = klp_enable_patch(&hotstick_patch);		\
									\
		if (!err)						\
			schedule_delayed_work(&hotstick_killer, (seconds) * HZ); \
		return err;						\
	}								\
	static void __exit hotstick_exit(void)				\
	{								\
		cancel_delayed_work_sync(&hotstick_killer);		\
	}								\
	module_init(hotstick_init);					\
	module_exit(hotstick_exit)

#endif
