// SPDX-License-Identifier: GPL-2.0
/* killer, level 1: panics while it is loaded. */
#include "../common/unix_ioctl_funcs.h"

static noinline void hotstick_killer_1_kill(void)
{
	panic("hotstick_killer_1: this level kills its host on purpose");
}

static int __init hotstick_init(void)
{
	int err = klp_enable_patch(&hotstick_patch);

	if (!err)
		hotstick_killer_1_kill();
	return err;
}

static void __exit hotstick_exit(void)
{
}

module_init(hotstick_init);
module_exit(hotstick_exit);
HOTSTICK_MODULE("closes CVE-2026-52928 and CVE-2026-98022, and panics at once");
