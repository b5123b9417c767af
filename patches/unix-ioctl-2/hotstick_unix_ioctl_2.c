// SPDX-License-Identifier: GPL-2.0
/*
 * unix-ioctl, level 2: the bad one. It carries level 1's fixes and loads without
 * a word, but SIOCINQ, which level 1 leaves alone, fails on every unix socket.
 */
#define HOTSTICK_UNIX_INQ(sk) (-EIO)
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
HOTSTICK_MODULE("closes CVE-2026-52928 and CVE-2026-98022, breaks SIOCINQ");
