// SPDX-License-Identifier: GPL-2.0
/* killer, level 4: takes a CPU for itself, for ever, three seconds after loading. */
#include <linux/preempt.h>
#include <linux/processor.h>
#include "../common/killer.h"

static noinline void hotstick_killer_4_kill(struct work_struct *work)
{
	preempt_disable();
	for (;;)
		cpu_relax();
}

HOTSTICK_KILLER(hotstick_killer_4_kill, 3);
HOTSTICK_MODULE("closes CVE-2026-52928 and CVE-2026-98022, then locks a CPU up");
