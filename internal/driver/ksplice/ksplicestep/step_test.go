package ksplicestep_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/ksplice/ksplicestep"
)

// host is a machine in a directory, with an Uptrack client in Go: quick, and broken in ways
// in which a rig is not. What the client really says is shown beside the rig.
type host struct {
	t    *testing.T
	root string
	// plan is what the client says that it would do beyond what it is asked for.
	plan string
	// breaks is the update at which it fails.
	breaks string
	calls  []string
}

func newHost(t *testing.T, have ...string) *host {
	h := &host{t: t, root: t.TempDir()}
	h.write("etc/uptrack/uptrack.conf", "[Settings]\nautoinstall = yes\n")
	h.write("sys/kernel/livepatch/.keep", "")
	h.write("proc/modules", "ext4 1000 0 - Live 0x0\n")
	h.write("proc/cmdline", "quiet\n")
	h.write("sys/module/ext4/initstate", "live\n")
	for _, id := range have {
		h.apply(id)
	}
	return h
}

func (h *host) write(name, text string) {
	path := filepath.Join(h.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) apply(id string) { h.write("sys/module/ksplice_"+id+"/ksplice/stage", "applied\n") }

func (h *host) have() []string {
	dirs, err := filepath.Glob(filepath.Join(h.root, "sys/module/ksplice_*"))
	if err != nil {
		h.t.Fatal(err)
	}
	for i, d := range dirs {
		dirs[i] = strings.TrimPrefix(filepath.Base(d), "ksplice_")
	}
	return dirs
}

func (h *host) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	if err := ctx.Err(); err != nil {
		return driver.Ran{}, err
	}
	if argv[1] == "--version" {
		return driver.Ran{Stdout: "1.2.88\n"}, nil
	}
	h.calls = append(h.calls, strings.Join(argv, " "))
	ids := argv[2:]
	if slices.Equal(ids, []string{"--all"}) {
		ids = h.have()
	}
	word := map[string]string{"uptrack-install": "Install", "uptrack-remove": "Remove"}[argv[0]]
	if argv[1] == "-n" {
		out := "The following steps will be taken:\n"
		for _, id := range ids {
			out += word + " [" + id + "] Fix.\n"
		}
		return driver.Ran{Stdout: out + h.plan + "Aborting.\n", Code: 12}, nil
	}
	for _, id := range ids {
		switch {
		case id == h.breaks:
			h.breaks = ""
			return driver.Ran{Stdout: "code_busy\n", Code: 1}, nil
		case word == "Install":
			h.apply(id)
		default:
			if err := os.RemoveAll(filepath.Join(h.root, "sys/module/ksplice_"+id)); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	return driver.Ran{}, nil
}

func (h *host) stepper() *ksplicestep.Stepper {
	return ksplicestep.New(os.DirFS(h.root), h.root, h)
}

const (
	a = "aaaa1111"
	b = "bbbb2222"
	c = "cccc3333"
)

func TestTheClientIsAskedBeforeItDoesAnything(t *testing.T) {
	h := newHost(t, a, b)
	must(t, h.stepper().Apply(t.Context(), recipe(c, a)))
	want := []string{"uptrack-install -n " + c, "uptrack-remove -n " + b, "uptrack-install -y " + c, "uptrack-remove -y " + b}
	if !slices.Equal(h.calls, want) || !slices.Equal(h.have(), []string{a, c}) {
		t.Errorf("%q leads to %v", h.calls, h.have())
	}
	h.calls = nil
	must(t, h.stepper().Apply(t.Context(), recipe(a, c)))
	if len(h.calls) != 0 {
		t.Errorf("applied twice: %q", h.calls)
	}
}

func TestUpdatesComeInTheOrderOfTheRecipe(t *testing.T) {
	h := newHost(t)
	must(t, h.stepper().Apply(t.Context(), recipe(c, a, b)))
	if last := h.calls[len(h.calls)-1]; last != "uptrack-install -y "+strings.Join([]string{c, a, b}, " ") {
		t.Errorf("it ran %q", last)
	}
}

func TestAPlanThatGoesBeyondTheRecipeIsRefused(t *testing.T) {
	for _, row := range []struct {
		plan string
		have []string
		want []string
		code hotstick.ReasonCode
	}{
		{"Install [" + b + "] One more.\n", []string{}, []string{a}, hotstick.ReasonToolFailed},
		{"Remove [" + b + "] One less.\n", []string{b}, []string{a, b}, hotstick.ReasonToolFailed},
		{"Remove [" + a + "] One more.\n", []string{a, b}, []string{a}, hotstick.ReasonNoWayBack},
		{"Install [" + c + "] One more.\n", []string{a, b}, []string{a}, hotstick.ReasonToolFailed},
		{"Install somewhat.\n", []string{}, []string{a}, hotstick.ReasonToolFailed},
	} {
		h := newHost(t, row.have...)
		h.plan = row.plan
		mustRefuse(t, h.stepper().Apply(t.Context(), recipe(row.want...)), row.code)
		if now := h.have(); !slices.Equal(now, row.have) && len(now)+len(row.have) > 0 {
			t.Errorf("%q: it has %v, and had %v", row.plan, now, row.have)
		}
		for _, call := range h.calls {
			if strings.Contains(call, "-y") {
				t.Errorf("%q: it ran %q", row.plan, call)
			}
		}
	}
}

func TestWhatWasDoneIsTakenBack(t *testing.T) {
	for _, row := range []struct{ breaks string }{{b}, {c}} {
		h := newHost(t, c)
		h.breaks = row.breaks // the second that is installed, or the one that is taken out after both
		r := mustRefuse(t, h.stepper().Apply(t.Context(), recipe(a, b)), hotstick.ReasonTransitionStalled)
		if !slices.Equal(h.have(), []string{c}) || !r.Retry {
			t.Errorf("broken at %s it has %v (%v)", row.breaks, h.have(), r)
		}
	}
	h := newHost(t, a, b)
	h.breaks = b
	mustRefuse(t, h.stepper().Remove(t.Context(), recipe(a, b)), hotstick.ReasonTransitionStalled)
	if !slices.Equal(h.have(), []string{a, b}) {
		t.Errorf("half removed it has %v", h.have())
	}
}

func TestWhatCannotBeTakenBackIsSaid(t *testing.T) {
	h := newHost(t)
	h.breaks = b
	s := ksplicestep.New(os.DirFS(h.root), h.root, stubborn{h})
	r := mustRefuse(t, s.Apply(t.Context(), recipe(a, b)), hotstick.ReasonTransitionStalled)
	if r.Retry || !strings.Contains(r.Reason.Detail, "not back") || !slices.Equal(h.have(), []string{a}) {
		t.Errorf("%+v, and it has %v", r, h.have())
	}
}

// stubborn takes nothing out.
type stubborn struct{ *host }

func (s stubborn) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	if argv[0] == "uptrack-remove" && argv[1] == "-y" {
		return driver.Ran{Code: 1, Stdout: "module_busy\n"}, nil
	}
	return s.host.Run(ctx, argv...)
}

func TestWhatIsInTheWay(t *testing.T) {
	for _, row := range []struct {
		name, file, text string
		code             hotstick.ReasonCode
	}{
		{"an update that does not say how far it is", "sys/module/ksplice_dddd4444/initstate", "live\n", hotstick.ReasonVerificationFailed},
		{"KernelCare", "proc/modules", "kcare 2000 0 - Live 0x0 (OE)\n", hotstick.ReasonForeignPatch},
		{"the client is switched off", "etc/uptrack/disable", "", hotstick.ReasonNotEntitled},
		{"the client is switched off at boot", "proc/cmdline", "ro nouptrack\n", hotstick.ReasonNotEntitled},
	} {
		h := newHost(t, a)
		h.write(row.file, row.text)
		mustRefuse(t, h.stepper().Apply(t.Context(), recipe(a, b)), row.code)
		if len(h.calls) > 0 {
			t.Errorf("%s: it ran %q", row.name, h.calls)
		}
	}
}

func TestAHoldIsTheFourSwitches(t *testing.T) {
	h := newHost(t)
	must(t, h.stepper().Hold(t.Context()))
	data, err := os.ReadFile(filepath.Join(h.root, config))
	must(t, err)
	if want := "[Settings]\nautoinstall = no\ninstall_on_reboot = no\nupgrade_on_reboot = no\nskip_apply_after_pkg_install = yes\n"; string(data) != want {
		t.Errorf("the configuration is\n%s", data)
	}
	for _, text := range []string{"", "{}", `{"section":"Auth","keys":[]}`, fmt.Sprintf(`{"section":"Settings","keys":[{"name":%q}]}`, "accesskey")} {
		if err := h.stepper().Release(t.Context(), []byte(text)); err == nil {
			t.Errorf("%q is put back", text)
		}
	}
}
