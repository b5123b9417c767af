// SPDX-License-Identifier: GPL-2.0
/* killer, level 3: panics 10 minutes after loading. */
#include "../common/killer.h"

static noinline void hotstick_killer_3_kill(struct work_struct *work)
{
	panic("hotstick_killer_3: this level kills its host on purpose");
}

HOTSTICK_KILLER(hotstick_killer_3_kill, 600);
HOTSTICK_MODULE("closes CVE-2026-52928 and CVE-2026-98022, then panics after 10 minutes");
