package hotstick

import (
	"strings"
	"testing"
)

func TestATouchIsOneOfAClosedSet(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		what  string
		touch Touch
		want  string // empty: it is good
	}{
		{"a sysctl", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "net.core.bpf_jit_harden", Value: "2"}, ""},
		{"a sysctl with slashes", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "net/ipv4/conf/eth0/rp_filter", Value: "1"}, ""},
		{"a sysctl of three numbers", Touch{Kind: TouchSysctl, When: TouchAfter, Name: "net.ipv4.tcp_rmem", Value: "4096\t131072\t6291456"}, ""},
		{"a parameter", Touch{Kind: TouchParameter, When: TouchBefore, Name: "kvm.nx_huge_pages", Value: "force"}, ""},
		{"a module", Touch{Kind: TouchModuleUnload, When: TouchBefore, Name: "af-alg"}, ""},
		{"a service", Touch{Kind: TouchServiceRestart, When: TouchAfter, Name: "getty@tty1.service"}, ""},
		{"a command", Touch{Kind: TouchCommand, When: TouchAfter, Name: "flush", Do: []string{"/usr/bin/true"}}, ""},
		{"an unknown kind", Touch{Kind: "file", When: TouchBefore, Name: "x"}, "kind"},
		{"no side", Touch{Kind: TouchModuleLoad, Name: "x"}, "before or after"},
		{"a way out of /proc/sys", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "net/../../x", Value: "1"}, "sysctl"},
		{"dots that become a way out", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "net.//.x", Value: "1"}, "sysctl"},
		{"an absolute sysctl", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "/proc/x", Value: "1"}, "sysctl"},
		{"the end of module loading", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "kernel.modules_disabled", Value: "1"}, "no patch may"},
		{"the same by slashes", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "kernel/modules_disabled", Value: "1"}, "no patch may"},
		{"the kernel's helper", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "kernel.core_pattern", Value: "|/x"}, "no patch may"},
		{"a sysctl without a value", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "vm.swappiness"}, "value"},
		{"a value of two lines", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "vm.swappiness", Value: "1\n2"}, "value"},
		{"a long value", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "vm.swappiness", Value: long}, "value"},
		{"a way out of /sys/module", Touch{Kind: TouchParameter, When: TouchBefore, Name: "../kernel.livepatch", Value: "1"}, "name"},
		{"a parameter elsewhere", Touch{Kind: TouchParameter, When: TouchBefore, Name: "kvm.x/../../force", Value: "1"}, "name"},
		{"a module with a value", Touch{Kind: TouchModuleLoad, When: TouchBefore, Name: "x", Value: "1"}, "value"},
		{"a module by its path", Touch{Kind: TouchModuleLoad, When: TouchBefore, Name: "/tmp/x.ko"}, "name"},
		{"an option of modprobe", Touch{Kind: TouchModuleLoad, When: TouchBefore, Name: "-f"}, "name"},
		{"a unit that is no service", Touch{Kind: TouchServiceRestart, When: TouchAfter, Name: "reboot.target"}, "name"},
		{"an option of systemctl", Touch{Kind: TouchServiceRestart, When: TouchAfter, Name: "--force.service"}, "name"},
		{"our own unit", Touch{Kind: TouchServiceReload, When: TouchAfter, Name: "hotstick-loader.service"}, "own units"},
		{"a command by its name", Touch{Kind: TouchCommand, When: TouchAfter, Name: "x", Do: []string{"true"}}, "absolute"},
		{"a crooked path", Touch{Kind: TouchCommand, When: TouchAfter, Name: "x", Do: []string{"/usr/../bin/true"}}, "absolute"},
		{"a command that runs nothing", Touch{Kind: TouchCommand, When: TouchAfter, Name: "x"}, "runs nothing"},
		{"a command of many words", Touch{Kind: TouchCommand, When: TouchAfter, Name: "x", Do: append([]string{"/x"}, make([]string, 16)...)}, "17 words"},
		{"a long word", Touch{Kind: TouchCommand, When: TouchAfter, Name: "x", Do: []string{"/x", long}}, "word"},
		{"a wrong way back", Touch{Kind: TouchCommand, When: TouchAfter, Name: "x", Do: []string{"/x"}, Undo: []string{"y"}}, "absolute"},
		{"a command on a sysctl", Touch{Kind: TouchSysctl, When: TouchBefore, Name: "vm.swappiness", Value: "1", Do: []string{"/x"}}, "do or undo"},
	} {
		err := c.touch.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error is %v, want it to say %q", c.what, err, c.want)
		}
	}
}

func TestWhereATouchIs(t *testing.T) {
	for _, c := range []struct {
		touch       Touch
		path, thing string
	}{
		{Touch{Kind: TouchSysctl, Name: "net.ipv4.ip_forward"}, "proc/sys/net/ipv4/ip_forward", "sysctl net/ipv4/ip_forward"},
		{Touch{Kind: TouchSysctl, Name: "net/ipv4/conf/eth0.100/rp_filter"}, "proc/sys/net/ipv4/conf/eth0.100/rp_filter", "sysctl net/ipv4/conf/eth0.100/rp_filter"},
		{Touch{Kind: TouchSysctl, Name: "net.ipv4.conf.eth0/100.rp_filter"}, "proc/sys/net/ipv4/conf/eth0.100/rp_filter", "sysctl net/ipv4/conf/eth0.100/rp_filter"},
		{Touch{Kind: TouchParameter, Name: "kvm_intel.vmentry_l1d_flush"}, "sys/module/kvm_intel/parameters/vmentry_l1d_flush", "parameter kvm_intel.vmentry_l1d_flush"},
		{Touch{Kind: TouchModuleLoad, Name: "af-alg"}, "", "module af_alg"},
		{Touch{Kind: TouchServiceReload, Name: "x.service"}, "", "service x.service"},
		{Touch{Kind: TouchCommand, Name: "flush", Do: []string{"/bin/a", "b"}, Undo: []string{"/bin/c"}}, "", "command /bin/a b, undone by /bin/c"},
	} {
		if c.touch.Path() != c.path || c.touch.Thing() != c.thing {
			t.Errorf("%+v: %q, %q; want %q, %q", c.touch, c.touch.Path(), c.touch.Thing(), c.path, c.thing)
		}
	}
}

func TestWhatCannotBePutBackIsKnownBefore(t *testing.T) {
	touches := []Touch{
		{Kind: TouchSysctl, Name: "kernel.unprivileged_bpf_disabled", Value: "1"},
		{Kind: TouchSysctl, Name: "kernel/kexec_load_disabled", Value: "1"},
		{Kind: TouchCommand, Name: "once", Do: []string{"/bin/true"}},
		{Kind: TouchSysctl, Name: "kernel.unprivileged_bpf_disabled", Value: "2"},
		{Kind: TouchSysctl, Name: "vm.swappiness", Value: "1"},
		{Kind: TouchCommand, Name: "twice", Do: []string{"/bin/true"}, Undo: []string{"/bin/true"}},
		{Kind: TouchModuleUnload, Name: "af_alg"},
	}
	got := Patch{Touches: touches}.Irreversible()
	if len(got) != 3 || got[0].Value != "1" || got[1].Name != touches[1].Name || got[2].Name != "once" {
		t.Errorf("irreversible are %v", got)
	}
}

func TestAPatchTouchesEachThingOnce(t *testing.T) {
	twice := Patch{Touches: []Touch{
		{Kind: TouchModuleLoad, When: TouchBefore, Name: "af_alg"}, {Kind: TouchModuleUnload, When: TouchAfter, Name: "af-alg"}}}
	if err := twice.validateTouches(); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("error is %v", err)
	}
	own := Patch{Artifacts: []Artifact{{Module: "fix_1"}}, Touches: []Touch{{Kind: TouchModuleUnload, When: TouchBefore, Name: "fix-1"}}}
	if err := own.validateTouches(); err == nil || !strings.Contains(err.Error(), "own module") {
		t.Errorf("error is %v", err)
	}
	many := Patch{Touches: make([]Touch, MaxTouches+1)}
	if err := many.validateTouches(); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("error is %v", err)
	}
}
