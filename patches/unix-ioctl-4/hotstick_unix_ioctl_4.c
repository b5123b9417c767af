// SPDX-License-Identifier: GPL-2.0
/* unix-ioctl, level 4: level 1 again, above the two levels that were withdrawn. */
#include "../common/unix_ioctl_funcs.h"

static int __init hotstick_init(void)
{
	return klp_enable_patch(&hotstick_patch);
}

static void __exit hotstick_exit(void)
{
}

module_init(hotstick_init);
module_exit(hotstick_exit);
HOTSTICK_MODULE("closes CVE-2026-52928 and CVE-2026-98022");
