package kernel

import (
	"io/fs"
	"strings"
)

// Sysctls returns the names of those that are told, in order. They are what decides
// whether a live patch takes effect, what becomes of a kernel that faults, and how much of
// the kernel an unprivileged attacker reaches. All may be read by anybody, and none holds
// anything secret.
func Sysctls() []string {
	return []string{
		"dev.tty.ldisc_autoload",
		"kernel.apparmor_restrict_unprivileged_userns",
		"kernel.ftrace_enabled",
		"kernel.hardlockup_panic",
		"kernel.hung_task_panic",
		"kernel.hung_task_timeout_secs",
		"kernel.io_uring_disabled",
		"kernel.kexec_load_disabled",
		"kernel.oops_limit",
		"kernel.panic",
		"kernel.panic_on_oops",
		"kernel.panic_on_unrecovered_nmi",
		"kernel.panic_on_warn",
		"kernel.perf_event_paranoid",
		"kernel.randomize_va_space",
		"kernel.softlockup_panic",
		"kernel.sysrq",
		"kernel.unprivileged_bpf_disabled",
		"kernel.unprivileged_userns_clone",
		"kernel.warn_limit",
		"kernel.yama.ptrace_scope",
		"net.core.bpf_jit_enable",
		"user.max_user_namespaces",
		"vm.mmap_min_addr",
		"vm.panic_on_oom",
		"vm.unprivileged_userfaultfd",
	}
}

// maxSysctl bounds a value; those of the list are numbers.
const maxSysctl = 64

// readSysctls reads the list; one that the kernel lacks, or keeps to itself, is absent.
func readSysctls(fsys fs.FS) map[string]string {
	values := map[string]string{}
	for _, name := range Sysctls() {
		if v := line(fsys, "proc/sys/"+strings.ReplaceAll(name, ".", "/")); v != "" && len(v) <= maxSysctl {
			values[name] = v
		}
	}
	if len(values) == 0 {
		return nil
	}
	return values
}
