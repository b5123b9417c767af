package susestep_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/suse/susestep"
)

const (
	release = "5.14.21-150400.24.33-default"
	name    = "kernel-livepatch-5_14_21-150400_24_33-default"
)

func level(version, module string) hotstick.Recipe {
	return hotstick.Recipe{
		Schema: hotstick.RecipeSchema, Driver: "suse", Module: module,
		Build:    hotstick.KernelBuild{Release: release, Arch: "x86_64", BuildID: "0011223344556677889900112233445566778899"},
		Packages: []hotstick.Package{{Name: name, Version: version}},
	}
}

var (
	five = level("5-150400.2.2", "livepatch_5_150400_2_2")
	six  = level("6-150400.2.2", "livepatch_6_150400_2_2")
)

// host is a SLES whose zypper and rpm do as their manual pages say, but for what a test
// tells them.
type host struct {
	fstest.MapFS
	rpm map[string]string
	// answer is what zypper does once instead of installing.
	answer *driver.Ran
	// script is false: the package's script does not load the module, and 107 is the code.
	script bool
	calls  []string
}

func newHost() *host {
	h := &host{MapFS: fstest.MapFS{"sys/kernel/livepatch": {Mode: fs.ModeDir | 0o755}}, rpm: map[string]string{}, script: true}
	h.put("etc/os-release", "ID=\"sles\"\n", "proc/sys/kernel/osrelease", release+"\n", "proc/modules", "", "usr/sbin/klp", "")
	return h
}

func (h *host) put(files ...string) {
	for i := 0; i < len(files); i += 2 {
		h.MapFS[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
}

func (h *host) enable(module, transition string) {
	h.put("sys/kernel/livepatch/"+module+"/enabled", "1\n", "sys/kernel/livepatch/"+module+"/transition", transition+"\n")
}

func (h *host) step() *susestep.Stepper { return susestep.New(h, h, time.Now) }

func (h *host) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	if err := ctx.Err(); err != nil {
		return driver.Ran{}, err
	}
	line := strings.Join(argv, " ")
	h.calls = append(h.calls, line)
	what := argv[len(argv)-1]
	switch {
	case argv[0] == "rpm":
		if v, ok := h.rpm[what]; ok {
			return driver.Ran{Stdout: v + "\n"}, nil
		}
		return driver.Ran{Stdout: "package " + what + " is not installed\n", Code: 1}, nil
	case argv[0] == "zypper" && h.answer != nil:
		ran := *h.answer
		h.answer = nil
		return ran, nil
	case strings.HasPrefix(line, "zypper --non-interactive remove"):
		delete(h.rpm, what)
		return driver.Ran{}, nil
	case strings.HasPrefix(line, "zypper --non-interactive install"):
		n, version, _ := strings.Cut(what, "=")
		h.rpm[n] = version
		if !h.script {
			return driver.Ran{Stderr: "warning: %post(" + what + ".x86_64) scriptlet failed, exit status 1\n", Code: 107}, nil
		}
		for f := range h.MapFS {
			if strings.HasPrefix(f, "sys/kernel/livepatch/") {
				delete(h.MapFS, f)
			}
		}
		h.enable("livepatch_"+strings.NewReplacer("-", "_", ".", "_").Replace(version), "0")
		return driver.Ran{}, nil
	}
	return driver.Ran{}, fmt.Errorf("%w: %s", driver.ErrNoProgram, argv[0])
}

func (h *host) zypped() []string {
	return slices.DeleteFunc(slices.Clone(h.calls), func(c string) bool { return !strings.HasPrefix(c, "zypper") })
}

func mustRefuse(t *testing.T, err error, want hotstick.ReasonCode) *driver.Refusal {
	t.Helper()
	var r *driver.Refusal
	if !errors.As(err, &r) || r.Reason.Code != want {
		t.Fatalf("want a refusal for %s, got %v", want, err)
	}
	return r
}

func TestExactlyOneVersionIsInstalled(t *testing.T) {
	h := newHost()
	for _, r := range []hotstick.Recipe{six, six, five} {
		if err := h.step().Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"zypper --non-interactive install --oldpackage " + name + "=6-150400.2.2",
		"zypper --non-interactive install --oldpackage " + name + "=5-150400.2.2",
	}
	if have := h.zypped(); !slices.Equal(have, want) {
		t.Errorf("it ran %q", have)
	}
}

func TestAPackageThatIsThereAndDoesNotRunIsInstalledAgain(t *testing.T) {
	h := newHost()
	h.rpm[name] = "6-150400.2.2"
	if err := h.step().Apply(t.Context(), six); err != nil {
		t.Fatal(err)
	}
	if have := h.zypped(); len(have) != 1 || !strings.Contains(have[0], " --force ") {
		t.Errorf("it ran %q", have)
	}
}

func TestAPackageWhoseModuleIsNotTakenGoesBack(t *testing.T) {
	for _, before := range []string{"", "5-150400.2.2"} {
		h := newHost()
		if before != "" {
			h.rpm[name] = before
			h.enable(five.Module, "0")
		}
		h.script = false
		mustRefuse(t, h.step().Apply(t.Context(), six), hotstick.ReasonKernelRefused)
		if h.rpm[name] != before {
			t.Errorf("the package is at %q, and was at %q", h.rpm[name], before)
		}
	}
}

func TestWhatARecipeMustSay(t *testing.T) {
	other := level("6-150400.2.2", "livepatch_6_150400_2_2")
	other.Packages = []hotstick.Package{{Name: "kernel-livepatch-5_14_21-150400_24_41-default", Version: "6-150400.2.2"}}
	two := level("6-150400.2.2", "livepatch_6_150400_2_2")
	two.Packages = append(two.Packages, hotstick.Package{Name: "kernel-default", Version: "1"})
	for what, c := range map[string]struct {
		recipe hotstick.Recipe
		want   hotstick.ReasonCode
	}{
		"the package of another kernel": {other, hotstick.ReasonWrongBuild},
		"the module of another version": {level("5-150400.2.2", "livepatch_6_150400_2_2"), hotstick.ReasonVerificationFailed},
		"a kernel beside it":            {two, hotstick.ReasonUnsupported},
	} {
		h := newHost()
		mustRefuse(t, h.step().Apply(t.Context(), c.recipe), c.want)
		if len(h.calls) > 0 {
			t.Errorf("%s: it ran %q", what, h.calls)
		}
	}
}

func TestNothingIsInstalledBesideWhatItWouldDisturb(t *testing.T) {
	for _, c := range []struct {
		module, transition string
		want               hotstick.ReasonCode
		retry              bool
	}{
		{"kpatch_something", "0", hotstick.ReasonForeignPatch, false},
		{"livepatch_4_150400_2_2", "1", hotstick.ReasonTransitionBusy, true},
		{"kpatch_something", "1", hotstick.ReasonTransitionBusy, true},
		{"kpatch_something", "?", hotstick.ReasonVerificationFailed, true},
	} {
		h := newHost()
		h.enable(c.module, c.transition)
		if r := mustRefuse(t, h.step().Apply(t.Context(), six), c.want); r.Retry != c.retry || !strings.Contains(r.Reason.Detail, c.module) {
			t.Errorf("%s %s: %+v", c.module, c.transition, r)
		}
		if len(h.zypped()) > 0 {
			t.Errorf("%s: it ran %q", c.module, h.calls)
		}
	}
}

func TestThereIsNoWayToNoLevel(t *testing.T) {
	h := newHost()
	if err := h.step().Remove(t.Context(), six); err != nil {
		t.Errorf("of nothing: %v", err)
	}
	h.enable(five.Module, "0")
	mustRefuse(t, h.step().Remove(t.Context(), six), hotstick.ReasonNoWayBack)
	if len(h.calls) > 0 {
		t.Errorf("it ran %q", h.calls)
	}
}

// TestWhatZypperSays reads testdata: the exit code in the first line, then what is printed.
// The texts are put together from zypper's manual, its messages and public reports; none
// was recorded on a host with SLES.
func TestWhatZypperSays(t *testing.T) {
	want := map[string]struct {
		code  hotstick.ReasonCode
		retry bool
	}{
		"locked":        {hotstick.ReasonToolFailed, true},
		"network":       {hotstick.ReasonToolFailed, true},
		"permission":    {hotstick.ReasonNotEntitled, false},
		"norepos":       {hotstick.ReasonNotEntitled, false},
		"notfound":      {hotstick.ReasonToolFailed, false},
		"signature":     {hotstick.ReasonSignature, false},
		"solver":        {hotstick.ReasonToolFailed, false},
		"privileges":    {hotstick.ReasonToolFailed, false},
		"space":         {hotstick.ReasonToolFailed, false},
		"busy":          {hotstick.ReasonTransitionBusy, true},
		"key":           {hotstick.ReasonKeyMissing, false},
		"scriptlet":     {hotstick.ReasonKernelRefused, false},
		"skipped":       {hotstick.ReasonToolFailed, true},
		"reboot":        {hotstick.ReasonVerificationFailed, false},
		"nothing-to-do": {hotstick.ReasonVerificationFailed, false},
	}
	files, err := filepath.Glob("testdata/zypper/*.txt")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d texts, want %d (%v)", len(files), len(want), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var ran driver.Ran
		first, text, _ := strings.Cut(string(data), "\n")
		if _, err := fmt.Sscanf(first, "exit %d", &ran.Code); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		ran.Stdout = text
		h := newHost()
		h.answer = &ran
		key := strings.TrimSuffix(filepath.Base(f), ".txt")
		if r := mustRefuse(t, h.step().Apply(t.Context(), six), want[key].code); r.Retry != want[key].retry || r.Reason.Detail == "" {
			t.Errorf("%s: %+v", f, r)
		}
		if _, there := h.rpm[name]; there {
			t.Errorf("%s: the package is there", f)
		}
	}
}

func TestAVersionThatIsGoneAfterTheYearSaysThatCoverEnded(t *testing.T) {
	h := newHost()
	h.put("var/lib/lifecycle/data/sle-live-patching.lifecycle", name+", *, 2023-11-15\n")
	h.answer = &driver.Ran{Stdout: "No provider of 'x' found.\n", Code: 104}
	r := mustRefuse(t, h.step().Apply(t.Context(), six), hotstick.ReasonCoverEnded)
	if !strings.Contains(r.Reason.Detail, "2023-11-15") {
		t.Errorf("it says %q", r.Reason.Detail)
	}
}

func TestALevelOfAnEndedKernelStillComesBack(t *testing.T) {
	h := newHost()
	h.put("var/lib/lifecycle/data/sle-live-patching.lifecycle", name+", *, 2023-11-15\n")
	if err := h.step().Apply(t.Context(), six); err != nil {
		t.Error(err)
	}
}
