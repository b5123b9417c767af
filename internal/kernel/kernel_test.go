package kernel_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel"
)

// The trees were recorded in guests that run Debian's kernels, with level 2 of
// the demonstration's patch in effect and level 1 left behind by it.
func TestRecordedMachinesAreRead(t *testing.T) {
	tests := []struct {
		tree    string
		build   hotstick.KernelBuild
		booted  int64
		memory  int64
		modules int
		source  string // srcversion of virtio_pci
		replace *bool
	}{
		{"debian-6.1", hotstick.KernelBuild{Release: "6.1.0-47-cloud-amd64", Arch: "x86_64", BuildID: "4f61d8f6405b1c6eed15a7a3e2e27067394202d3"},
			1795241781, 480264 << 10, 13, "EE09249788678838FC31C8E", nil},
		{"debian-6.12", hotstick.KernelBuild{Release: "6.12.107+deb12-cloud-amd64", Arch: "x86_64", BuildID: "d74ef9d763bbd2561619db994071f549808d2ce1"},
			1795241898, 474992 << 10, 8, "", new(true)},
	}
	for _, test := range tests {
		t.Run(test.tree, func(t *testing.T) {
			facts, err := kernel.Read(os.DirFS("testdata/"+test.tree), "wrong")
			if err != nil {
				t.Fatal(err)
			}
			h, k := facts.Host, facts.Kernel
			if h.Hostname != "rec" || h.MachineID != "0123456789abcdef0123456789abcdef" || len(h.BootID) != 36 ||
				h.Distribution != "Debian GNU/Linux 12 (bookworm)" || h.CPUs != 1 {
				t.Errorf("host: %+v", h)
			}
			if !h.BootedAt.Equal(time.Unix(test.booted, 0)) || h.MemoryBytes != test.memory {
				t.Errorf("booted at %v (%d) with %d bytes", h.BootedAt, h.BootedAt.Unix(), h.MemoryBytes)
			}
			if k.Build != test.build || !strings.HasPrefix(k.Version, "#1 SMP PREEMPT_DYNAMIC Debian") ||
				!strings.HasPrefix(k.CommandLine, "console=ttyS0 ") || k.Tainted != 45056 || !k.LivepatchSupported {
				t.Errorf("kernel: %+v", k)
			}
			s := facts.Security
			if s.Lockdown != "none" || s.SignatureEnforced == nil || *s.SignatureEnforced ||
				s.ModulesDisabled == nil || *s.ModulesDisabled || s.SecureBoot != nil {
				t.Errorf("security: %+v", s)
			}
			i := slices.IndexFunc(facts.Modules, func(m hotstick.ModuleFacts) bool { return m.Name == "hotstick_unix_ioctl_2" })
			if len(facts.Modules) != test.modules || i < 0 || facts.Modules[i].Taints != "OEK" || facts.Modules[i].SizeBytes != 16384 {
				t.Errorf("modules: %+v", facts.Modules)
			}
			if !slices.IsSortedFunc(facts.Modules, func(a, b hotstick.ModuleFacts) int { return strings.Compare(a.Name, b.Name) }) {
				t.Errorf("modules are not in the order of their names: %+v", facts.Modules)
			}
			m, loaded, err := kernel.Module(os.DirFS("testdata/"+test.tree), "virtio_pci")
			if err != nil || m.SrcVersion != test.source || loaded != (test.source != "") {
				t.Errorf("virtio_pci: %+v, %v, %v", m, loaded, err)
			}
			patches, err := kernel.Livepatches(os.DirFS("testdata/" + test.tree))
			if err != nil || len(patches) != 2 {
				t.Fatal(patches, err)
			}
			mustEqual(t, patches, []hotstick.LoadedPatch{
				{Module: "hotstick_unix_ioctl_1", State: hotstick.Disabled},
				{Module: "hotstick_unix_ioctl_2", State: hotstick.InEffect, Replace: test.replace,
					Functions: []string{"vmlinux:dev_change_tx_queue_len,1", "vmlinux:unix_ioctl,1"}},
			})
		})
	}
}

func mustEqual(t *testing.T, have, want any) {
	t.Helper()
	h, err1 := json.Marshal(have)
	w, err2 := json.Marshal(want)
	if err1 != nil || err2 != nil || string(h) != string(w) {
		t.Fatalf("have %s\nwant %s (%v, %v)", h, w, err1, err2)
	}
}

// machine is a small tree that can be read; edits say what differs. An empty text
// takes a file away.
func machine(edits map[string]string) fstest.MapFS {
	files := map[string]string{
		"proc/sys/kernel/random/boot_id": "f5fdb431-9d66-492a-a619-2454bfc4538a\n",
		"proc/sys/kernel/osrelease":      "5.10.0-1-amd64\n",
		"proc/sys/kernel/tainted":        "0\n",
		"proc/modules":                   "ext4 1032192 1 - Live 0x0000000000000000\n",
		"sys/kernel/notes":               "\x04\x00\x00\x00\x08\x00\x00\x00\x03\x00\x00\x00GNU\x00\x01\x02\x03\x04\x05\x06\x07\x08",
		"sys/kernel/livepatch/.keep":     "x",
	}
	maps.Copy(files, edits)
	tree := fstest.MapFS{}
	for name, text := range files {
		if text != "" {
			tree[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return tree
}

func TestWhatIsAbsentIsUnknownAndNotZero(t *testing.T) {
	facts, err := kernel.Read(machine(nil), "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, facts, hotstick.Facts{
		Host: hotstick.HostFacts{BootID: "f5fdb431-9d66-492a-a619-2454bfc4538a"},
		Kernel: hotstick.KernelFacts{LivepatchSupported: true,
			Build: hotstick.KernelBuild{Release: "5.10.0-1-amd64", Arch: "x86_64", BuildID: "0102030405060708"}},
		Modules: []hotstick.ModuleFacts{{Name: "ext4", SizeBytes: 1032192}},
	})
}

func TestWithoutWhatDecisionsRestOnReadingFails(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"no boot ID", "proc/sys/kernel/random/boot_id", "", "/proc/sys/kernel/random/boot_id"},
		{"a boot ID that is none", "proc/sys/kernel/random/boot_id", "0\n", "as a boot ID"},
		{"no release", "proc/sys/kernel/osrelease", "", "osrelease"},
		{"a release with markup", "proc/sys/kernel/osrelease", "<b>6.1</b>\n", "as a kernel release"},
		{"no notes", "sys/kernel/notes", "", "/sys/kernel/notes"},
		{"notes without a build ID", "sys/kernel/notes", "\x04\x00\x00\x00\x04\x00\x00\x00\x03\x00\x00\x00Xen\x00\x01\x02\x03\x04", "build ID"},
		{"a note that leaves the file", "sys/kernel/notes", "\x04\x00\x00\x00\xff\xff\xff\xff\x03\x00\x00\x00GNU\x00\x01\x02\x03\x04", "build ID"},
		{"notes that are cut", "sys/kernel/notes", "\x04\x00\x00\x00\x08", "build ID"},
		{"endless notes", "sys/kernel/notes", strings.Repeat("x", 2<<20), "longer than"},
		{"no taint", "proc/sys/kernel/tainted", "", "tainted"},
		{"a taint that is no number", "proc/sys/kernel/tainted", "-1\n", "taint mask"},
		{"no modules file", "proc/modules", "", "/proc/modules"},
		{"a module whose name is a path", "proc/modules", "../../x 1 0 - Live 0x0\n", "line 1 is malformed"},
		{"a module without a size", "proc/modules", "ext4 x 0 - Live 0x0\n", "line 1 is malformed"},
	}
	for _, test := range tests {
		_, err := kernel.Read(machine(map[string]string{test.file: test.text}), "x86_64")
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestTheLocksOnModules(t *testing.T) {
	const variable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	tests := []struct {
		name, file, text string
		want             hotstick.SecurityFacts
	}{
		{"locked down", "sys/kernel/security/lockdown", "none [integrity] confidentiality\n", hotstick.SecurityFacts{Lockdown: "integrity"}},
		{"locked down tightly", "sys/kernel/security/lockdown", "none integrity [confidentiality]\n", hotstick.SecurityFacts{Lockdown: "confidentiality"}},
		{"a lockdown nobody knows", "sys/kernel/security/lockdown", "none [total]\n", hotstick.SecurityFacts{}},
		{"signatures enforced", "sys/module/module/parameters/sig_enforce", "Y\n", hotstick.SecurityFacts{SignatureEnforced: new(true)}},
		{"an answer nobody knows", "sys/module/module/parameters/sig_enforce", "maybe\n", hotstick.SecurityFacts{}},
		{"modules disabled", "proc/sys/kernel/modules_disabled", "1\n", hotstick.SecurityFacts{ModulesDisabled: new(true)}},
		{"secure boot on", variable, "\x06\x00\x00\x00\x01", hotstick.SecurityFacts{SecureBoot: new(true)}},
		{"secure boot off", variable, "\x06\x00\x00\x00\x00", hotstick.SecurityFacts{SecureBoot: new(false)}},
		{"a variable of another shape", variable, "\x01", hotstick.SecurityFacts{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mustEqual(t, kernel.Security(machine(map[string]string{test.file: test.text})), test.want)
		})
	}
}

func TestHostFactsAreParsed(t *testing.T) {
	tests := []struct {
		file, text string
		get        func(hotstick.HostFacts) any
		want       any
	}{
		{"sys/devices/system/cpu/online", "0-3,5,8-9\n", func(h hotstick.HostFacts) any { return h.CPUs }, 7},
		{"sys/devices/system/cpu/online", "3-1\n", func(h hotstick.HostFacts) any { return h.CPUs }, 0},
		{"sys/devices/system/cpu/online", "0-99999999999\n", func(h hotstick.HostFacts) any { return h.CPUs }, 0},
		{"proc/meminfo", "MemFree: 1 kB\nMemTotal:       480264 kB\n", func(h hotstick.HostFacts) any { return h.MemoryBytes }, int64(480264 << 10)},
		{"proc/meminfo", "MemTotal: 99999999999999999999 kB\n", func(h hotstick.HostFacts) any { return h.MemoryBytes }, int64(0)},
		{"proc/stat", "intr 1\nbtime 1795241781\n", func(h hotstick.HostFacts) any { return h.BootedAt.Unix() }, int64(1795241781)},
		{"proc/stat", "btime soon\n", func(h hotstick.HostFacts) any { return h.BootedAt.IsZero() }, true},
		{"etc/os-release", "NAME=x\nPRETTY_NAME='Plain'\n", func(h hotstick.HostFacts) any { return h.Distribution }, "Plain"},
		{"etc/os-release", `PRETTY_NAME="a \"b\" \\ \$c"` + "\n", func(h hotstick.HostFacts) any { return h.Distribution }, `a "b" \ $c`},
		{"usr/lib/os-release", "PRETTY_NAME=Fallback\n", func(h hotstick.HostFacts) any { return h.Distribution }, "Fallback"},
		{"etc/machine-id", "uninitialized\n", func(h hotstick.HostFacts) any { return h.MachineID }, ""},
		{"proc/sys/kernel/hostname", "<b>\x1b[31m\xff\n", func(h hotstick.HostFacts) any { return h.Hostname }, "<b>\x1b[31m\ufffd"},
		{"proc/sys/kernel/hostname", strings.Repeat("x", 5<<10), func(h hotstick.HostFacts) any { return h.Hostname }, ""},
	}
	for _, test := range tests {
		facts, err := kernel.Read(machine(map[string]string{test.file: test.text}), "x86_64")
		if got := test.get(facts.Host); err != nil || got != test.want {
			t.Errorf("%s %.40q: %v, want %v (%v)", test.file, test.text, got, test.want, err)
		}
	}
}

func TestTheStateOfAPatch(t *testing.T) {
	const dir = "sys/kernel/livepatch/p/"
	tests := []struct {
		name, enabled, transition, modules string
		want                               hotstick.Effect // "" for not listed
	}{
		{"in effect", "1", "0", "p 1 1 - Live 0x0 (OEK)", hotstick.InEffect},
		{"on its way in", "1", "1", "p 1 1 - Live 0x0 (OEK)", hotstick.TransitionIn},
		{"on its way out", "0", "1", "p 1 1 - Live 0x0 (OEK)", hotstick.TransitionOut},
		{"out", "0", "0", "p 1 1 - Live 0x0 (OEK)", hotstick.Disabled},
		{"left behind", "", "", "p 1 0 - Live 0x0 (OEK)", hotstick.Disabled},
		{"being loaded", "", "", "p 1 1 - Loading 0x0 (OEK+)", hotstick.EffectUnknown},
		{"being unloaded", "", "", "p 1 0 - Unloading 0x0 (OEK-)", hotstick.EffectUnknown},
		{"without enabled", "", "0", "p 1 1 - Live 0x0 (OEK)", hotstick.EffectUnknown},
		{"without transition", "1", "", "p 1 1 - Live 0x0 (OEK)", hotstick.EffectUnknown},
		{"an unknown word", "2", "0", "p 1 1 - Live 0x0 (OEK)", hotstick.EffectUnknown},
		{"no live patch", "", "", "p 1 0 - Live 0x0 (OE)", ""},
		{"without a module line", "1", "0", "q 1 0 - Live 0x0", hotstick.InEffect},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			patches, err := kernel.Livepatches(machine(map[string]string{
				dir + "enabled": test.enabled, dir + "transition": test.transition, "proc/modules": test.modules + "\n",
			}))
			if err != nil {
				t.Fatal(err)
			}
			var got hotstick.Effect
			if len(patches) == 1 {
				got = patches[0].State
			}
			if got != test.want || len(patches) > 1 {
				t.Errorf("have %+v, want %q", patches, test.want)
			}
		})
	}
}

func TestOptionalAttributesOfAPatch(t *testing.T) {
	const dir = "sys/kernel/livepatch/p/"
	patches, err := kernel.Livepatches(machine(map[string]string{
		dir + "enabled": "1\n", dir + "transition": "0\n", dir + "replace": "0\n", dir + "stack_order": "3\n",
		dir + "nf_tables/nft_do_chain,2/.keep": "x", dir + "nf_tables/patched": "0\n",
		dir + "vmlinux/unix_ioctl,1/.keep": "x", dir + "vmlinux/patched": "1\n", dir + "xfs/xfs_read,1/.keep": "x",
	}))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, patches, []hotstick.LoadedPatch{{
		Module: "p", State: hotstick.InEffect, Replace: new(false), StackOrder: 3, Functions: []string{"nf_tables:nft_do_chain,2", "vmlinux:unix_ioctl,1", "xfs:xfs_read,1"},
		Waiting: []string{"nf_tables"},
	}})
}

func TestNoLivePatchingIsNotNoLivePatch(t *testing.T) {
	if patches, err := kernel.Livepatches(machine(nil)); err != nil || len(patches) != 0 {
		t.Errorf("with nothing loaded: %v, %v", patches, err)
	}
	if _, err := kernel.Livepatches(machine(map[string]string{"sys/kernel/livepatch/.keep": ""})); !errors.Is(err, kernel.ErrNoLivepatch) {
		t.Errorf("without live patching: %v", err)
	}
	if _, err := kernel.Livepatches(fstest.MapFS{}); err == nil || errors.Is(err, kernel.ErrNoLivepatch) {
		t.Errorf("without /sys: %v", err)
	}
}

// flickering shows another transition at each reading, as a kernel under change
// would.
type flickering struct {
	fs.FS
	reads *int
}

func (f flickering) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, "/transition") {
		*f.reads++
		return fstest.MapFS{"t": {Data: []byte{"01"[*f.reads%2], '\n'}}}.Open("t")
	}
	return f.FS.Open(name)
}

func TestAStateThatDoesNotHoldStillIsUnknown(t *testing.T) {
	reads := 0
	patches, err := kernel.Livepatches(flickering{machine(map[string]string{
		"sys/kernel/livepatch/p/enabled": "1\n", "sys/kernel/livepatch/p/transition": "0\n",
	}), &reads})
	if err != nil || len(patches) != 1 || patches[0].State != hotstick.EffectUnknown {
		t.Errorf("%+v, %v", patches, err)
	}
}

func TestThisMachineAnswers(t *testing.T) {
	if kernel.Machine() == "" {
		t.Error("uname says nothing")
	}
	root := os.DirFS("/")
	if _, err := kernel.BootID(root); err != nil {
		t.Error(err)
	}
	if _, err := kernel.Taint(root); err != nil {
		t.Error(err)
	}
}
