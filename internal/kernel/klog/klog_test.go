package klog_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick/internal/kernel/klog"
)

// The recordings are from Debian's kernels 6.1.170 and 6.12.107 in QEMU, with a
// module whose function hotstick_faulty_work does on purpose what the file's name
// says.
var kernels = []string{"6.1", "6.12"}

const faulty = "hotstick_faulty"

func recorded(t *testing.T, kernel, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + kernel + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func kinds(faults []klog.Fault) string {
	var s []string
	for _, f := range faults {
		s = append(s, string(f.Kind))
	}
	return strings.Join(s, " ")
}

func TestRecordedFaultsAreFoundAndNamed(t *testing.T) {
	tests := []struct {
		file, kernel, want string
	}{
		{"warn.log", "6.1", "warning"}, {"warn.log", "6.12", "warning"},
		{"oops.log", "6.1", "oops"}, {"oops.log", "6.12", "oops"},
		{"gpf.log", "6.1", "oops"}, {"gpf.log", "6.12", "oops"},
		{"bug.log", "6.1", "bug"}, {"bug.log", "6.12", "bug"},
		{"hung.log", "6.1", "hung_task hung_task"}, {"hung.log", "6.12", "hung_task hung_task"},
		{"lockup.log", "6.1", "lockup"}, {"lockup.log", "6.12", "rcu_stall lockup"},
		{"rcu.log", "6.1", "rcu_stall"}, {"rcu.log", "6.12", "rcu_stall"},
		{"atomic.log", "6.1", "bug bug bug"}, {"atomic.log", "6.12", "bug bug bug"},
	}
	for _, test := range tests {
		t.Run(test.kernel+" "+test.file, func(t *testing.T) {
			text := recorded(t, test.kernel, test.file)
			faults := klog.FindFaults(text)
			if got := kinds(faults); got != test.want {
				t.Fatalf("found %q, want %q", got, test.want)
			}
			named := 0
			for _, f := range faults {
				if _, ok := klog.Names(f.Text, faulty, nil); ok {
					named++
				}
				if name, ok := klog.Names(f.Text, "virtio_net", []string{"vmlinux:unix_ioctl"}); ok {
					t.Errorf("%s was blamed, which is only loaded:\n%s", name, f.Text)
				}
				if len(f.Text) > klog.MaxText || f.Uptime == 0 {
					t.Errorf("%d bytes at %v", len(f.Text), f.Uptime)
				}
			}
			if named == 0 {
				t.Errorf("no trace names the module:\n%s", faults[0].Text)
			}
		})
	}
}

func TestAFaultKeepsItsWholeStory(t *testing.T) {
	for _, kernel := range kernels {
		for file, want := range map[string][]string{
			"warn.log": {"hotstick_faulty: this must not be", "WARNING: CPU: 0", "RIP: 0010:hotstick_faulty_work", "---[ end trace"},
			"oops.log": {"BUG: kernel NULL pointer dereference", "[#1] PREEMPT", "CR2: 0000000000000008", "---[ end trace"},
			"bug.log":  {"kernel BUG at ./faulty", "invalid opcode: 0000", "---[ end trace"},
		} {
			text := klog.FindFaults(recorded(t, kernel, file))[0].Text
			for _, w := range want {
				if !strings.Contains(text, w) {
					t.Errorf("%s %s: %q is missing in:\n%s", kernel, file, w, text)
				}
			}
		}
	}
}

func TestALineSpeaksOfAFault(t *testing.T) {
	tests := []struct {
		line string
		want klog.Kind // empty: no fault
	}{
		{"Kernel panic - not syncing: Fatal exception in interrupt", klog.Panic},
		{"BUG: unable to handle page fault for address: ffffc90000000000", klog.Oops},
		{"Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008", klog.Oops},
		{"Internal error: Oops: 0000000096000004 [#1] SMP", klog.Oops},
		{"divide error: 0000 [#1] PREEMPT SMP NOPTI", klog.Oops},
		{"stack segment: 0000 [#2] SMP", klog.Oops},
		{"kernel BUG at mm/slub.c:435!", klog.Bug},
		{"BUG: Bad page state in process kworker/0:1  pfn:12345", klog.Bug},
		{"BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585", klog.Bug},
		{"BUG: KASAN: slab-use-after-free in unix_ioctl+0x12/0x34", klog.Bug},
		{"BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!", klog.Bug},
		{"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [stress:812]", klog.Lockup},
		{"NMI watchdog: Watchdog detected hard LOCKUP on cpu 3", klog.Lockup},
		{"watchdog: Watchdog detected hard LOCKUP on cpu 3", klog.Lockup},
		{"rcu: INFO: rcu_sched self-detected stall on CPU", klog.RCUStall},
		{"rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 5 jiffies s: 1 root: 0x2/.", klog.RCUStall},
		{"INFO: task jbd2/vda1-8:155 blocked for more than 120 seconds.", klog.HungTask},
		{"WARNING: CPU: 1 PID: 7 at kernel/livepatch/patch.c:54 klp_ftrace_handler+0x1/0x2", klog.Warning},
		{"WARNING: net/unix/af_unix.c:3100 at unix_ioctl+0x12/0x34, CPU#0: cat/77", klog.Warning},
		{"WARNING: possible circular locking dependency detected", klog.Warning},
		{"WARNING: suspicious RCU usage", klog.Warning},
		{"UBSAN: array-index-out-of-bounds in drivers/x.c:1:2", klog.Warning},
		{"refcount_t: underflow; use-after-free.", klog.Warning},

		{"BUG: KFENCE: use-after-free read in unix_ioctl+0x12/0x34", klog.Bug},
		{"BUG kmalloc-64 (Not tainted): Poison overwritten", klog.Bug},
		{"BUG: scheduling while atomic: cat/77/0x00000002", klog.Bug},
		{"list_add double add: new=ffff888003a1b2c0, prev=ffff888003a1b2c0, next=ffff888003a1b2d0.", klog.Bug},
		{"list_del corruption. prev->next should be ffff888003a1b2c0, but was dead000000000100.", klog.Bug},
		{"CFI failure at unix_ioctl+0x12/0x34 (target: f+0x0/0x10; expected type: 0x12345678)", klog.Bug},
		{"general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] PREEMPT SMP NOPTI", klog.Oops},
		{"Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] PREEMPT SMP NOPTI", klog.Oops},
		{"rcu: INFO: rcu_tasks detected stalls on tasks:", klog.RCUStall},
		{"livepatch: patch 'hotstick_unix_ioctl_3' failed for module 'af_alg', refusing to load module 'af_alg'", klog.ModuleRefused},

		{"livepatch: pre-patch callback failed for object 'af_alg'", ""},
		{"livepatch: failed to register ftrace handler for function 'f' (-16)", ""},
		{"stress: page allocation failure: order:5, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0", ""},
		{"Out of memory: Killed process 812 (stress) total-vm:1024kB", ""},
		{"I/O error, dev vda, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2", ""},
		{"EXT4-fs error (device vda1): ext4_lookup:1785: inode #2: comm ls: deleted inode referenced: 12", ""},
		{"livepatch: 'hotstick_unix_ioctl_1': patching complete", ""},
		{"Modules linked in: hotstick_unix_ioctl_1(OEK)", ""},
		{"hotstick_unix_ioctl_1: module verification failed: signature and/or required key missing - tainting kernel", ""},
		{"x86/cpu: SGX disabled or unsupported by BIOS.", ""},
		{"Warning: unable to open an initial console.", ""},
		{"rcu: INFO is good", ""},
		{"INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.2 msecs", ""},
		{"audit: user wrote Kernel panic - not syncing", ""},
		{"BUGGY firmware", ""},
	}
	for _, test := range tests {
		faults := klog.FindFaults("[    1.000000] " + test.line + "\n")
		if kinds(faults) != string(test.want) {
			t.Errorf("%q: found %q, want %q", test.line, kinds(faults), test.want)
		}
	}
}

func TestWhichPatchKeepsAModuleOut(t *testing.T) {
	faults := klog.FindFaults("[    1.000000] livepatch: patch 'hotstick_a_3' failed for module 'af_alg', refusing to load module 'af_alg'\n")
	if patch, module, ok := faults[0].Refuser(); !ok || patch != "hotstick_a_3" || module != "af_alg" {
		t.Errorf("%q keeps %q out, %t", patch, module, ok)
	}
	if _, _, ok := (klog.Fault{Kind: klog.Bug, Text: faults[0].Text}).Refuser(); ok {
		t.Error("another fault names a patch that keeps modules out")
	}
}

func TestRecordsOfKmsg(t *testing.T) {
	tests := []struct {
		raw  string
		want string // "" is refused
	}{
		{"6,339,5140900,-;NET: Registered PF_INET6 protocol family\n", "339 5.1409s NET: Registered PF_INET6 protocol family"},
		{"4,1,24123547,-,caller=T44; <TASK>\n", "1 24.123547s  <TASK>"},
		{"0,7,1,c;a\\x09tab and \\x1b[31m red\\x0a\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:02.0\n", "7 1µs a\ttab and \ufffd[31m red"},
		{"12,340,5140900,-;Kernel panic - not syncing: said a process\n", ""},
		{"30,340,5140900,-;systemd[1]: Started\n", ""},
		{"6,339,5140900;too few fields\n", ""},
		{"x,339,5140900,-;no priority\n", ""},
		{"6,-1,5140900,-;a negative number\n", ""},
		{"6,1,99999999999999999999,-;a number that is too large\n", ""},
		{"no semicolon", ""},
		{"", ""},
	}
	for _, test := range tests {
		r, ok := klog.ParseRecord(test.raw)
		got := ""
		if ok {
			got = fmt.Sprintf("%d %v %s", r.Seq, r.Uptime, r.Text)
		}
		if got != test.want {
			t.Errorf("%q: read %q, want %q", test.raw, got, test.want)
		}
	}
}

func TestLinesOfAConsole(t *testing.T) {
	text := "Panic#1 Part1\n" +
		"<4>[   61.318024] Call Trace:\n" +
		"[   61.318025][  T44]  <TASK>\n" +
		"<12>[   61.400000] Kernel panic - not syncing: said a process\n" +
		"booting\r\n" +
		"[12345.000001] last\r\n"
	var got []string
	for _, r := range klog.ParseText(text) {
		got = append(got, fmt.Sprintf("%v|%s", r.Uptime, r.Text))
	}
	want := "1m1.318024s|Call Trace: / 1m1.318025s| <TASK> / 3h25m45.000001s|last"
	if strings.Join(got, " / ") != want {
		t.Errorf("read %q", got)
	}
}

func TestWhoIsNamed(t *testing.T) {
	const module = "hotstick_unix_ioctl_3"
	functions := []string{"vmlinux:unix_ioctl", "nf_tables:nft_do_chain,1"}
	tests := []struct {
		line, want string
	}{
		{"RIP: 0010:hotstick_unix_ioctl+0x15/0x20 [hotstick_unix_ioctl_3]", module},
		{" hotstick_unix_ioctl_3_kill.cold+0xc/0xc [hotstick_unix_ioctl_3]", module},
		{" hotstick_kill+0x15/0x20 [hotstick_unix_ioctl_3 0123456789abcdef]", module},
		{"WARNING: CPU: 0 PID: 44 at ./x.c:18 f+0x10c/0x1f0 [hotstick_unix_ioctl_3]", module},
		{"pc : hotstick_unix_ioctl+0x14/0x20 [hotstick_unix_ioctl_3]", module},
		{" unix_ioctl+0x41/0x130", "vmlinux:unix_ioctl"},
		{" unix_ioctl.cold+0x1/0x2", "vmlinux:unix_ioctl"},
		{" unix_ioctl.isra.0+0x1/0x2", "vmlinux:unix_ioctl"},
		{" nft_do_chain+0x1/0x2 [nf_tables]", "nf_tables:nft_do_chain,1"},

		{" ? hotstick_unix_ioctl+0x15/0x20 [hotstick_unix_ioctl_3]", ""},
		{" ? unix_ioctl+0x41/0x130", ""},
		{" unix_ioctl_compat+0x41/0x130", ""},
		{" my_unix_ioctl+0x41/0x130", ""},
		{" unix_ioctl+0x41/0x130 [other_module]", ""},
		{" nft_do_chain+0x1/0x2", ""},
		{" f+0x1/0x2 [hotstick_unix_ioctl_31]", ""},
		{"Modules linked in: hotstick_unix_ioctl_3(OEK) virtio_net", ""},
		{"Workqueue: events hotstick_unix_ioctl_3_kill [hotstick_unix_ioctl_3]", ""},
		{"unix_ioctl said something", ""},
		{"", ""},
	}
	for _, test := range tests {
		name, ok := klog.Names("Call Trace:\n"+test.line+"\n", module, functions)
		if name != test.want || ok != (test.want != "") {
			t.Errorf("%q names %q, want %q", test.line, name, test.want)
		}
	}
	if name, ok := klog.Names("f+0x1/0x2 [x]", "", nil); ok {
		t.Errorf("nobody was to be found, and %q was", name)
	}
}

func TestRecordedCrashesAreReadAndBlamed(t *testing.T) {
	for _, kernel := range kernels {
		dumps, err := klog.ReadPstore(os.DirFS("testdata/" + kernel + "/panic"))
		if err != nil || len(dumps) != 1 || dumps[0].Reason != "Panic" {
			t.Fatalf("%s: %+v, %v", kernel, dumps, err)
		}
		fatal := dumps[0].Fatal()
		if !strings.HasPrefix(fatal, "Kernel panic - not syncing: hotstick_faulty: on purpose\n") {
			t.Errorf("%s: the end reads %q", kernel, fatal)
		}
		if name, _ := klog.Names(fatal, faulty, nil); name != faulty {
			t.Errorf("%s: the crash names %q", kernel, name)
		}
	}
}

// The recording has an oops in the module, which the kernel survived, and two
// seconds later a crash that somebody else caused.
func TestAnOldOopsIsNotBlamedForALaterCrash(t *testing.T) {
	for _, kernel := range kernels {
		dumps, err := klog.ReadPstore(os.DirFS("testdata/" + kernel + "/sysrq"))
		if err != nil || len(dumps) != 2 {
			t.Fatalf("%s: %+v, %v", kernel, dumps, err)
		}
		if name, ok := klog.Names(dumps[0].Fatal(), faulty, nil); !ok || dumps[0].Reason != "Oops" {
			t.Errorf("%s: the oops names %q", kernel, name)
		}
		fatal := dumps[1].Fatal()
		if !strings.HasPrefix(fatal, "Kernel panic - not syncing: sysrq triggered crash") {
			t.Errorf("%s: the end reads %q", kernel, fatal)
		}
		if name, ok := klog.Names(fatal, faulty, nil); ok {
			t.Errorf("%s: the crash is blamed on %s", kernel, name)
		}
	}
}

func TestAnOopsThatEndsInPanicIsOneEnd(t *testing.T) {
	text := recorded(t, "6.1", "oops.log") + "<0>[    2.900000] Kernel panic - not syncing: Fatal exception\n"
	fatal := klog.Dump{Text: text}.Fatal()
	if name, _ := klog.Names(fatal, faulty, nil); name != faulty || !strings.Contains(fatal, "Kernel panic") {
		t.Errorf("the end reads %q", fatal)
	}
	if got := (klog.Dump{Text: "<6>[    1.000000] all is well\n"}).Fatal(); got != "" {
		t.Errorf("a log without a fault ends with %q", got)
	}
}

func TestPartsOfADumpAreJoined(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	dumps, err := klog.ReadPstore(fstest.MapFS{
		"sys/fs/pstore/dmesg-efi_pstore-170000000001001": file("Panic#2 Part1\nlast\n"),
		"sys/fs/pstore/dmesg-efi_pstore-170000000002001": file("Panic#2 Part2\nmiddle\n"),
		"sys/fs/pstore/dmesg-efi_pstore-170000000003001": file("Panic#2 Part3\nfirst\n"),
		"sys/fs/pstore/dmesg-efi_pstore-180000000001001": file("Panic#2 Part1\nanother boot\n"),
		"sys/fs/pstore/dmesg-erst-1":                     file("no heading\n"),
		"sys/fs/pstore/dmesg-ramoops-0.enc.z":            file("compressed"),
		"sys/fs/pstore/console-ramoops-0":                file("a console"),
	})
	var got []string
	for _, d := range dumps {
		got = append(got, fmt.Sprintf("%s %d %q", d.Reason, len(d.Files), d.Text))
	}
	want := []string{`Panic 3 "first\nmiddle\nlast\n"`, `Panic 1 "another boot\n"`, ` 1 "no heading\n"`}
	if err != nil || strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("read %v, %v", got, err)
	}
	if dumps, err := klog.ReadPstore(fstest.MapFS{}); err != nil || dumps != nil {
		t.Errorf("a machine without pstore: %v, %v", dumps, err)
	}
}

func TestACollectorKeepsTheNewestAndForgetsTheRest(t *testing.T) {
	var c klog.Collector
	for i := range 200 {
		c.Add(klog.Record{Uptime: time.Duration(i) * time.Minute, Text: "WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2"})
		for range 200 {
			c.Add(klog.Record{Uptime: time.Duration(i) * time.Minute, Text: strings.Repeat("x", 1000)})
		}
	}
	faults := c.Faults()
	if len(faults) == 0 || len(faults) > 64 || faults[len(faults)-1].Uptime != 199*time.Minute {
		t.Fatalf("%d faults are kept", len(faults))
	}
	for _, f := range faults {
		if len(f.Text) > klog.MaxText {
			t.Errorf("a fault of %d bytes", len(f.Text))
		}
	}
	if n := len(c.Since(198 * time.Minute)); n != 2 {
		t.Errorf("%d faults since the last but one", n)
	}
	faults[0].Text = "changed"
	if c.Faults()[0].Text == "changed" {
		t.Error("the caller can change what is kept")
	}
}

func TestAFaultEndsAfterAPause(t *testing.T) {
	var c klog.Collector
	for _, r := range klog.ParseText("[    1.000000] WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2\n[    9.000000] unrelated\n[    9.100000] unrelated\n") {
		c.Add(r)
	}
	if text := c.Faults()[0].Text; strings.Contains(text, "unrelated") {
		t.Errorf("the fault reads %q", text)
	}
}

func FuzzText(f *testing.F) {
	for _, kernel := range kernels {
		for _, name := range []string{"oops.log", "rcu.log", "atomic.log"} {
			data, err := os.ReadFile("testdata/" + kernel + "/" + name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		klog.ParseRecord(text)
		faults := klog.FindFaults(text)
		for _, fault := range faults {
			if len(fault.Text) > klog.MaxText {
				t.Fatalf("a fault of %d bytes", len(fault.Text))
			}
			klog.Names(fault.Text, "a", []string{"vmlinux:b"})
		}
		klog.Dump{Text: text}.Fatal()
	})
}
