// SPDX-License-Identifier: GPL-2.0
/* killer, level 2: panics 30 seconds after loading. */
#include "../common/killer.h"

static noinline void hotstick_killer_2_kill(struct work_struct *work)
{
	panic("hotstick_killer_2: this level kills its host on purpose");
}

HOTSTICK_KILLER(hotstick_killer_2_kill, 30);
HOTSTICK_MODULE("closes CVE-2026-52928 and CVE-2026-98022, then panics after 30 seconds");
