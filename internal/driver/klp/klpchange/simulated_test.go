package klpchange_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/klp/klpchange"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

var build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0123456789abcdef0123456789abcdef01234567"}

// machine is a simulated kernel with a changer on its tree.
type machine struct {
	*klpchange.Changer
	kernel *fake.Kernel
	calls  *recorded
	now    time.Time
	hidden map[string]bool // files that cannot be read
}

func boot(t *testing.T, behaviours map[string]fake.Behaviour, files map[string]string) *machine {
	t.Helper()
	m := &machine{now: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), hidden: map[string]bool{}}
	m.kernel = fake.New(fake.Config{
		Name: "a", Build: build, Clock: func() time.Time { return m.now }, Transition: 3 * time.Second,
		Behaviours: behaviours, Files: files,
	})
	m.calls = &recorded{Calls: m.kernel.Calls()}
	m.Changer = klpchange.NewWith(hiding{m.kernel.FS(), m.hidden}, m.calls)
	return m
}

// recorded notes each call that reaches the kernel.
type recorded struct {
	klpchange.Calls
	made []string
}

func (r *recorded) Finit(f *os.File) error {
	r.made = append(r.made, "finit")
	return r.Calls.Finit(f)
}

func (r *recorded) Disable(module string) error {
	r.made = append(r.made, "disable "+module)
	return r.Calls.Disable(module)
}

func (r *recorded) Delete(module string) error {
	r.made = append(r.made, "delete "+module)
	return r.Calls.Delete(module)
}

func (r *recorded) Help(module string) error {
	r.made = append(r.made, "help "+module)
	return r.Calls.Help(module)
}

// hiding is a tree of which some files cannot be read.
type hiding struct {
	fs.FS
	hidden map[string]bool
}

func (h hiding) Open(name string) (fs.File, error) {
	if h.hidden[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return h.FS.Open(name)
}

func livepatch(name string) kmod.Info {
	return kmod.Info{Name: name, Vermagic: build.Release + " SMP preempt ", Livepatch: true, License: "GPL"}
}

func writeModule(t *testing.T, info kmod.Info) drivertest.Module {
	t.Helper()
	path := filepath.Join(t.TempDir(), info.Name+".ko")
	if err := os.WriteFile(path, kmod.Compose(info), 0o600); err != nil {
		t.Fatal(err)
	}
	return drivertest.Module{Name: info.Name, Path: path}
}

func (m *machine) load(t *testing.T, info kmod.Info, replaces ...string) error {
	t.Helper()
	f, err := os.Open(writeModule(t, info).Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return m.Load(t.Context(), driver.Load{Module: info.Name, File: f, Build: build, Replaces: replaces})
}

func (m *machine) mustApply(t *testing.T, info kmod.Info, replaces ...string) {
	t.Helper()
	if err := m.load(t, info, replaces...); err != nil {
		t.Fatal(err)
	}
	m.now = m.now.Add(time.Minute)
	m.calls.made = nil
}

func mustRefuse(t *testing.T, err error, code hotstick.ReasonCode, detail string) *driver.Refusal {
	t.Helper()
	var refusal *driver.Refusal
	if !errors.As(err, &refusal) || refusal.Reason.Code != code || !strings.Contains(refusal.Reason.Detail, detail) {
		t.Fatalf("want a refusal for %s with %q, got %v", code, detail, err)
	}
	return refusal
}

func TestTheDriverKeepsItsPromisesOnASimulatedKernel(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.World {
		m := boot(t, map[string]fake.Behaviour{"stalling": {Stall: true}, "stacked": {Stacks: true}}, nil)
		plain, other := livepatch("plain"), livepatch("other")
		plain.Livepatch = false
		other.Vermagic = "6.12.0-1-amd64 SMP "
		return drivertest.World{
			Changer: m, Build: build,
			Good: writeModule(t, livepatch("good")), Newer: writeModule(t, livepatch("newer")),
			Stalling: writeModule(t, livepatch("stalling")), NotLivepatch: writeModule(t, plain), OtherBuild: writeModule(t, other),
			Stacked: writeModule(t, livepatch("stacked")), Insert: func(module drivertest.Module) { insertFile(t, m.kernel.Calls(), module.Path) },
			Pause: func() { m.now = m.now.Add(time.Second) },
			Blind: func(module string) { m.hidden["sys/kernel/livepatch/"+module+"/transition"] = true },
			Forced: func() bool {
				for _, record := range m.kernel.State().Log {
					if strings.Contains(record.Text, "forcing") {
						return true
					}
				}
				return false
			},
		}
	})
}

func TestWhatTheKernelSaysIsTranslated(t *testing.T) {
	locked := map[string]string{"sys/kernel/security/lockdown": "none [integrity] confidentiality"}
	tests := []struct {
		errno  syscall.Errno
		files  map[string]string
		code   hotstick.ReasonCode
		detail string
		retry  bool
	}{
		{syscall.EBUSY, nil, hotstick.ReasonKernelRefused, "ftrace", false},
		{syscall.EEXIST, nil, hotstick.ReasonKernelRefused, "just been loaded", true},
		{syscall.ENOMEM, nil, hotstick.ReasonKernelRefused, "memory", true},
		{syscall.ETXTBSY, nil, hotstick.ReasonKernelRefused, "open for writing", true},
		{syscall.EKEYREJECTED, nil, hotstick.ReasonSignature, "/proc/keys", false},
		{syscall.ENOKEY, nil, hotstick.ReasonSignature, "/proc/keys", false},
		{syscall.EBADMSG, nil, hotstick.ReasonSignature, "/proc/keys", false},
		{syscall.EPERM, locked, hotstick.ReasonSignature, "locked down (integrity)", false},
		{syscall.EPERM, nil, hotstick.ReasonKernelRefused, "CAP_SYS_MODULE", false},
		{syscall.ENOEXEC, nil, hotstick.ReasonKernelRefused, "vermagic", false},
		{syscall.EINVAL, nil, hotstick.ReasonKernelRefused, "kernel log", false},
		{syscall.ENOENT, nil, hotstick.ReasonKernelRefused, "symbol", false},
		{syscall.ENOSYS, nil, hotstick.ReasonUnsupported, "no modules", false},
		{syscall.ENODEV, nil, hotstick.ReasonKernelRefused, "callback", false},
		{syscall.EACCES, nil, hotstick.ReasonKernelRefused, "SELinux", false},
		{syscall.E2BIG, nil, hotstick.ReasonKernelRefused, "larger", false},
		{syscall.EOPNOTSUPP, nil, hotstick.ReasonKernelRefused, "start-up", false},
	}
	for _, test := range tests {
		t.Run(test.errno.Error()+" "+string(test.code), func(t *testing.T) {
			m := boot(t, map[string]fake.Behaviour{"good": {Errno: test.errno}}, test.files)
			refusal := mustRefuse(t, m.load(t, livepatch("good")), test.code, test.detail)
			if refusal.Retry != test.retry {
				t.Errorf("retry is %v", refusal.Retry)
			}
			if !strings.Contains(refusal.Reason.Detail, "load good: E") {
				t.Errorf("the kernel's own word is missing: %q", refusal.Reason.Detail)
			}
		})
	}
}

func TestTheKernelsOwnWordsAreQuoted(t *testing.T) {
	tests := []struct {
		errno      syscall.Errno
		says, want string
	}{
		{syscall.EINVAL, "livepatch: symbol 'unix_ioctl' not found in symbol table", "livepatch: symbol 'unix_ioctl' not found"},
		{syscall.EBUSY, "livepatch: failed to register ftrace handler for function 'unix_ioctl' (-16)", "(-16)"},
		{syscall.ENOEXEC, "good: version magic '6.1.0-1' should be '6.1.0-2'", "should be '6.1.0-2'"},
		{syscall.EPERM, "Lockdown: insmod: unsigned module loading is restricted", "Lockdown: insmod"},
		{syscall.EKEYREJECTED, "Loading of unsigned module is rejected", "unsigned module"},
		{syscall.EINVAL, "livepatch: enabling patch 'good'", ""},
		{syscall.EINVAL, "eth0: link is down", ""},
	}
	for _, test := range tests {
		m := boot(t, map[string]fake.Behaviour{"good": {Errno: test.errno, Says: test.says}}, nil)
		var refusal *driver.Refusal
		if err := m.load(t, livepatch("good")); !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		_, quoted, found := strings.Cut(refusal.Reason.Detail, "the kernel says: ")
		if !strings.Contains(quoted, test.want) || found != (test.want != "") {
			t.Errorf("%v with %q in the log: %s", test.errno, test.says, refusal.Reason.Detail)
		}
	}
}

func TestHelpIsForTheTransitionOfTheModuleOnly(t *testing.T) {
	m := boot(t, map[string]fake.Behaviour{"good": {Sleepy: true}}, nil)
	if err := m.load(t, livepatch("good")); err != nil {
		t.Fatal(err)
	}
	m.now = m.now.Add(time.Hour)
	for _, other := range []string{"newer", "good"} {
		m.calls.made = nil
		if patches, err := m.Observe(t.Context()); err != nil || patches[0].State != hotstick.TransitionIn {
			t.Fatalf("before help for %s: %+v, %v", other, patches, err)
		}
		if err := m.Help(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
	if patches, err := m.Observe(t.Context()); err != nil || patches[0].State != hotstick.InEffect {
		t.Errorf("helped, it is %+v, %v", patches, err)
	}
	if err := m.Help(t.Context(), "good"); err != nil || strings.Join(m.calls.made, ", ") != "help good" {
		t.Errorf("the kernel was asked: %v, %v", m.calls.made, err)
	}
	if err := m.Help(t.Context(), "../good"); err == nil {
		t.Error("a path was taken for a module")
	}
}

func TestAnErrorThatLeavesDoubtIsNoRefusal(t *testing.T) {
	m := boot(t, map[string]fake.Behaviour{"good": {Errno: syscall.EINTR}}, nil)
	err := m.load(t, livepatch("good"))
	var refusal *driver.Refusal
	if err == nil || errors.As(err, &refusal) || !errors.Is(err, syscall.EINTR) {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheKernelOffersNotIsRefusedBeforeTheCall(t *testing.T) {
	tests := []struct {
		name   string
		files  map[string]string
		hide   string
		code   hotstick.ReasonCode
		detail string
	}{
		{"modules are disabled", map[string]string{"proc/sys/kernel/modules_disabled": "1"}, "", hotstick.ReasonModulesDisabled, "modules_disabled"},
		{"no live patching", nil, "sys/kernel/livepatch", hotstick.ReasonUnsupported, "/sys/kernel/livepatch"},
		{"the build cannot be read", nil, "sys/kernel/notes", hotstick.ReasonWrongBuild, "cannot be read"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := boot(t, nil, test.files)
			m.hidden[test.hide] = true
			mustRefuse(t, m.load(t, livepatch("good")), test.code, test.detail)
			if len(m.calls.made) != 0 {
				t.Errorf("the kernel was asked: %v", m.calls.made)
			}
			c := m.Capabilities(t.Context())
			if test.code != hotstick.ReasonWrongBuild && (c.Available || c.Reason == nil || c.Reason.Code != test.code) {
				t.Errorf("capabilities: %+v", c)
			}
		})
	}
}

func TestWhatIsNotOursIsNotTouched(t *testing.T) {
	other := livepatch("good")
	other.SrcVersion = "AAAAAAAAAAAAAAAAAAAAAAA"
	mine := livepatch("good")
	mine.SrcVersion = "BBBBBBBBBBBBBBBBBBBBBBB"
	plain := livepatch("good")
	plain.Livepatch = false
	tests := []struct {
		name   string
		loaded kmod.Info
		code   hotstick.ReasonCode
		detail string
	}{
		{"a patch of the same name from other sources", other, hotstick.ReasonForeignPatch, "other sources"},
		{"a module of the same name that is no live patch", plain, hotstick.ReasonNotLivepatch, "no live patch"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := boot(t, nil, nil)
			insert(t, m, test.loaded)
			mustRefuse(t, m.load(t, mine), test.code, test.detail)
			if len(m.calls.made) != 0 {
				t.Errorf("the kernel was asked: %v", m.calls.made)
			}
		})
	}
	t.Run("unloading a module that is no live patch", func(t *testing.T) {
		m := boot(t, nil, nil)
		insert(t, m, plain)
		mustRefuse(t, m.Unload(t.Context(), "good"), hotstick.ReasonNotLivepatch, "no live patch")
		if len(m.calls.made) != 0 {
			t.Errorf("the kernel was asked: %v", m.calls.made)
		}
	})
}

// insert loads a module behind the driver's back.
func insert(t *testing.T, m *machine, info kmod.Info) {
	t.Helper()
	insertFile(t, m.kernel.Calls(), writeModule(t, info).Path)
	m.now = m.now.Add(time.Minute)
}

func TestALeftoverIsUnloadedBeforeTheLoadAndNothingElseIs(t *testing.T) {
	m := boot(t, nil, nil)
	m.mustApply(t, livepatch("good"))
	m.mustApply(t, livepatch("newer"), "good")
	if err := m.load(t, livepatch("good"), "newer"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(m.calls.made, ", "); got != "delete good, finit" {
		t.Errorf("the kernel was asked: %s", got)
	}
}

func TestAnEnabledPatchCausesNoCall(t *testing.T) {
	m := boot(t, nil, nil)
	m.mustApply(t, livepatch("good"))
	if err := m.load(t, livepatch("good")); err != nil || len(m.calls.made) != 0 {
		t.Errorf("%v, %v", err, m.calls.made)
	}
}

func TestANameIsNeverAPath(t *testing.T) {
	m := boot(t, nil, nil)
	for _, name := range []string{"", ".", "..", "../livepatch/good", "good/enabled", "good\x00", strings.Repeat("x", 56), "gööd"} {
		if err := m.Disable(t.Context(), name); err == nil || !strings.Contains(err.Error(), "as a module name") {
			t.Errorf("disable %q: %v", name, err)
		}
		if err := m.Unload(t.Context(), name); err == nil || !strings.Contains(err.Error(), "as a module name") {
			t.Errorf("unload %q: %v", name, err)
		}
		if err := m.Load(t.Context(), driver.Load{Module: name}); err == nil || !strings.Contains(err.Error(), "as a module name") {
			t.Errorf("load %q: %v", name, err)
		}
	}
}

func TestRacesWithTheKernelEndWell(t *testing.T) {
	m := boot(t, nil, nil)
	m.mustApply(t, livepatch("good"))
	for _, test := range []struct {
		errno syscall.Errno
		code  hotstick.ReasonCode // empty: no error
	}{
		{syscall.ENOENT, ""}, {syscall.EBUSY, hotstick.ReasonTransitionBusy}, {syscall.EINVAL, hotstick.ReasonKernelRefused},
		{syscall.ENOMEM, hotstick.ReasonKernelRefused}, {syscall.EINTR, hotstick.ReasonKernelRefused},
	} {
		m.calls.Calls = failing{m.kernel.Calls(), test.errno}
		err := m.Disable(t.Context(), "good")
		if test.code == "" {
			if err != nil {
				t.Errorf("disable with %v: %v", test.errno, err)
			}
			continue
		}
		if r := mustRefuse(t, err, test.code, "disable good: "); !r.Retry {
			t.Errorf("disable with %v: it does not say that trying again may help", test.errno)
		}
	}
	m.calls.Calls = m.kernel.Calls()
	if err := m.Disable(t.Context(), "good"); err != nil {
		t.Fatal(err)
	}
	m.now = m.now.Add(time.Minute)
	m.calls.Calls = failing{m.kernel.Calls(), syscall.EWOULDBLOCK}
	if r := mustRefuse(t, m.Unload(t.Context(), "good"), hotstick.ReasonKernelRefused, "still holds"); !r.Retry {
		t.Error("unload: it does not say that trying again may help")
	}
	m.calls.Calls = failing{m.kernel.Calls(), syscall.EBUSY}
	if r := mustRefuse(t, m.Unload(t.Context(), "good"), hotstick.ReasonKernelRefused, "exit function"); !r.Retry {
		t.Error("unload: it does not say that trying again may help")
	}
	m.calls.Calls = failing{m.kernel.Calls(), syscall.ENOENT}
	if err := m.Unload(t.Context(), "good"); err != nil {
		t.Error(err)
	}
}

// failing refuses the ways out with one error.
type failing struct {
	klpchange.Calls
	errno syscall.Errno
}

func (f failing) Disable(string) error { return f.errno }
func (f failing) Delete(string) error  { return f.errno }

func TestTheObserverNamesItself(t *testing.T) {
	m := boot(t, map[string]fake.Behaviour{"good": {Functions: []string{"vmlinux:unix_ioctl,1", "vmlinux:dev_change_tx_queue_len,1"}}}, nil)
	m.mustApply(t, livepatch("good"))
	patches, err := m.Observe(t.Context())
	if err != nil || len(patches) != 1 {
		t.Fatal(patches, err)
	}
	p := patches[0]
	if p.Driver != klp.Name || p.Replace == nil || !*p.Replace || p.StackOrder != 1 ||
		strings.Join(p.Functions, " ") != "vmlinux:dev_change_tx_queue_len,1 vmlinux:unix_ioctl,1" {
		t.Errorf("%+v", p)
	}
}

// The kernel ends a transition by decree when somebody writes to an attribute.
// Neither its name nor a way to write to any other file stands in this package.
func TestNothingHereCanForce(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{`/force`, `"force`, "O_TRUNC", "WriteFile", "OpenFile", "os.Create"} {
			if strings.Contains(string(source), bad) {
				t.Errorf("%s contains %s", name, bad)
			}
		}
		// calls.go writes an attribute, wake.go this session's place among the others.
		may := map[string]int{"calls.go": 1, "wake.go": strings.Count(string(source), "unix.Open(autogroup, ")}[name]
		if writes, opens := strings.Count(string(source), "unix.Write("), strings.Count(string(source), "unix.Open("); writes > may || opens > may {
			t.Errorf("%s opens %d and writes to %d files, and may to %d", name, opens, writes, may)
		}
		if strings.Contains(string(source), "unix.DeleteModule(") && !strings.Contains(string(source), "unix.DeleteModule(module, unix.O_NONBLOCK)") {
			t.Errorf("%s unloads with other flags than O_NONBLOCK", name)
		}
	}
}

// A promise of the manifest is held against the file before the kernel is asked.
func TestAWorseWayBackThanPromisedIsRefusedBeforeTheLoad(t *testing.T) {
	m := boot(t, nil, nil)
	marked := livepatch("good")
	marked.Marks = kmod.Marks{Shadow: true}
	f, err := os.Open(writeModule(t, marked).Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	load := driver.Load{Module: "good", File: f, Build: build, Promised: hotstick.ReversibleLive}
	mustRefuse(t, m.Load(t.Context(), load), hotstick.ReasonNotReversible, "shadow variables")
	if len(m.calls.made) != 0 {
		t.Errorf("the kernel was asked: %v", m.calls.made)
	}
	load.Promised = hotstick.ReversibleDowngrade
	if err := m.Load(t.Context(), load); err != nil {
		t.Error(err)
	}
}
