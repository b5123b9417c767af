package loadercmd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"flag"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
	"github.com/hotstick/hotstick/internal/driver/kernelcare"
	"github.com/hotstick/hotstick/internal/driver/kernelcare/kernelcarestep"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/loader/operate"
	"github.com/hotstick/hotstick/internal/loader/steps"
	kernelcarerig "github.com/hotstick/hotstick/internal/rig/kernelcare"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

// TestARealSystemIsAdopted adopts the rig of KernelCare, which is not KernelCare, in a guest
// with a real kernel: the loader's steps are processes of their own, and the rig's scheduled
// runs really replace the level.
func TestARealSystemIsAdopted(t *testing.T) {
	rigtest.Wanted(t)
	const patches, limit = "../../../patches", 8 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	g := rigtest.Suite{
		Name: "adopted", Files: kernelcarerig.Files(), Patches: patches,
		Build: func(ctx context.Context, k kernelpkg.Kernel, dir string) error {
			return kernelcarerig.Build(ctx, k, patches, dir)
		},
	}.Prepare(t, ctx)[0]
	machine, err := guest.Start(ctx, g.Config(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = machine.Kill() })
	if _, err := machine.WaitBoot(ctx); err != nil {
		t.Fatal(err)
	}
	out, code, err := machine.Run(ctx, g.Command("^TestInsideAnAdoptedHost$", limit*8/10))
	if err != nil || code != 0 || !strings.Contains(out, "--- PASS: TestInsideAnAdoptedHost") {
		t.Fatalf("on %s it ended with %d (%v):\n%s", g.Line, code, err, out)
	}
	t.Logf("on %s:\n%s", g.Line, out)
}

// stateVariable tells a step inside the guest where the loader's ledger is.
const stateVariable = "HOTSTICK_ADOPTED_STATE"

// TestInsideTheAdoptedHostsStep is hotstick-loader step NAME, as the loader inside starts it.
func TestInsideTheAdoptedHostsStep(t *testing.T) {
	if os.Getenv(stateVariable) == "" || flag.NArg() != 1 {
		t.Skip("is a step of the loader in TestInsideAnAdoptedHost")
	}
	if err := adoptedSettings().step(t.Context(), flag.Arg(0), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

func adoptedSettings() settings {
	dir := os.Getenv(stateVariable)
	return settings{state: dir + "/loader", agent: dir + "/agent", socket: dir + "/run/loader.sock"}
}

// adopted is a host on which KernelCare's rig schedules itself, with its loader.
type adopted struct {
	t      *testing.T
	view   catalog.View
	recipe []byte
	loader *loader.Loader
}

// Load, Refresh and Artifact implement loader.Catalog.
func (h *adopted) Load() (catalog.View, error)                               { return h.view, nil }
func (h *adopted) Refresh(context.Context, time.Time) (catalog.View, error)  { return h.view, nil }
func (h *adopted) Artifact(context.Context, hotstick.Digest) ([]byte, error) { return h.recipe, nil }
func (h *adopted) must(err error)                                            { h.t.Helper(); mustNot(h.t, err) }

func mustNot(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open starts a loader on what the disk has.
func (h *adopted) open() {
	h.t.Helper()
	s := adoptedSettings()
	h.must(os.MkdirAll(s.state, 0o700))
	disk, err := ledger.OpenDir(s.state)
	h.must(err)
	h.t.Cleanup(func() { _ = disk.Close() })
	desk := &steps.Desk{Dir: stepDir(s), Uptime: clock{}.Uptime, Starter: children{[]string{os.Args[0], "-test.run=^TestInsideTheAdoptedHostsStep$", "touch"}}}
	root := os.DirFS("/")
	running, err := newRunning(root, "/dev/kmsg")
	h.must(err)
	release := os.Getenv("HOTSTICK_RELEASE")
	changer := steps.New(steppers[kernelcare.Name](root, hostcmd.Host{}), desk, func() (ledger.Ledger, error) { return ledger.Peek(s.state) })
	h.loader, err = loader.New(loader.Config{Drivers: driver.Set{changer}, Clock: clock{}, Disk: disk, Kernel: running, Catalog: h,
		Identity: func() (ed25519.PublicKey, error) { return nil, fs.ErrNotExist }, Others: others{root, release}, Journal: journal.Open(s.state),
		Limits: loader.Limits{AgentSilence: time.Minute, Settle: time.Second, Busy: 10 * time.Second}})
	h.must(err)
}

// until lets the loader and its agent work until something is so.
func (h *adopted) until(what string, so func(resp link.Response) bool) {
	h.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range 1500 {
		h.loader.Tick(h.t.Context())
		resp, err := h.loader.Exchange(h.t.Context(), link.Request{})
		h.must(err)
		if so(resp) {
			return
		}
		<-tick.C
	}
	h.t.Fatalf("it never came to this: %s; the loader says %+v", what, h.asks(operate.State).State)
}

func (h *adopted) asks(a operate.Action) operate.Answer {
	h.t.Helper()
	return h.loader.Operate(h.t.Context(), operate.Caller{Name: "alice"}, operate.Request{Action: a})
}

// adopts asks as hotstick-agent adopt does.
func (h *adopted) adopts() {
	h.t.Helper()
	h.until("it is adopted and on hold", func(link.Response) bool {
		a := h.asks(operate.Adopt)
		if a.Refused != nil {
			h.t.Fatalf("the adoption was refused: %+v %v", a.Refused, a.Unknown)
		}
		return a.Adoption != nil && a.Adoption.Stage == ledger.Taken && a.Adoption.Lifted == nil
	})
}

// scheduled lets the rig's job run once, as cron has it, and returns the level after that.
func (h *adopted) scheduled() string {
	h.t.Helper()
	_ = exec.Command("/usr/bin/kcarectl", "-q", "--auto-update").Run() // how it went the kernel says
	return h.level()
}

// level is what the kernel runs, past driver and tool.
func (h *adopted) level() string {
	h.t.Helper()
	data, err := os.ReadFile("/sys/module/kcare/parameters/level")
	h.must(err)
	return strings.TrimSpace(string(data))
}

// begins has the rig at level 1, with settings by which it goes to the newest by itself, and
// returns those.
func (h *adopted) begins(stepper *kernelcarestep.Stepper, recipe hotstick.Recipe) []byte {
	h.t.Helper()
	const config = "/" + kernelcare.Config
	as := []byte("# of the company\nAUTO_UPDATE=True\nHTTPS_PROXY=http://proxy.example.com:3128\n")
	for range 2 {
		h.must(stepper.Apply(h.t.Context(), recipe))
		if got := h.level(); got != "1" {
			h.t.Fatalf("the kernel runs level %s, want 1", got)
		}
		h.must(os.WriteFile(config, as, 0o644))
		if kept, err := os.ReadFile("/run/adopted-shown"); err == nil && string(kept) == "yes" {
			return as
		}
		if got := h.scheduled(); got == "1" {
			h.t.Fatal("the rig's own job brings no newer level: what follows would show nothing")
		}
		h.must(os.WriteFile("/run/adopted-shown", []byte("yes"), 0o644))
	}
	return as
}

// TestInsideAnAdoptedHost adopts, lets the rig's job run, lifts the hold, and releases.
func TestInsideAnAdoptedHost(t *testing.T) {
	rigtest.Inside(t)
	t.Setenv(stateVariable, t.TempDir())
	const config = "/" + kernelcare.Config
	recipe := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: kernelcare.Name, Module: kernelcare.LevelModule(1), Version: "1", PatchSet: "K20260101_01",
		Build: hotstick.KernelBuild{Release: os.Getenv("HOTSTICK_RELEASE"), Arch: "x86_64", BuildID: os.Getenv("HOTSTICK_BUILD_ID")}}
	data, err := recipe.Encode()
	mustNot(t, err)
	p := hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: 1}, Driver: kernelcare.Name, Reversibility: hotstick.ReversibleLive, Replace: true,
		Artifacts: []hotstick.Artifact{{Build: recipe.Build, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: recipe.Module}}}
	h := &adopted{t: t, recipe: data, view: catalog.NewView(1, time.Now().Add(month), hotstick.Trust{Epoch: 1}, []hotstick.Patch{p})}
	was := h.begins(kernelcarestep.New(os.DirFS("/"), "/", hostcmd.Host{}), recipe)

	h.open()
	h.adopts()
	if got := h.scheduled(); got != "1" {
		t.Fatalf("while it is on hold its own job brings level %s", got)
	}
	h.until("the level is Hotstick's", func(r link.Response) bool {
		return r.InEffect == p.Ref && r.AdoptedFor == kernelcare.Name && r.Lifted == nil
	})

	now, err := os.ReadFile(config)
	mustNot(t, err)
	mustNot(t, os.WriteFile(config, bytes.Replace(now, []byte("AUTO_UPDATE=False"), []byte("AUTO_UPDATE=True"), 1), 0o644))
	resp, err := h.loader.Exchange(t.Context(), link.Request{}) // the first check-in after it
	mustNot(t, err)
	if resp.Lifted == nil || !strings.Contains(resp.Lifted.Detail, "AUTO_UPDATE=True") {
		t.Fatalf("somebody has lifted the hold, and the agent is told of %+v", resp.Lifted)
	}
	h.adopts()
	if got := h.scheduled(); got != "1" {
		t.Fatalf("on hold again, its own job brings level %s", got)
	}

	if a := h.asks(operate.Release); a.Refused != nil {
		t.Fatalf("the release was refused: %+v", a.Refused)
	}
	h.until("it is given back", func(link.Response) bool { return h.asks(operate.State).State.Adopted == nil })
	if now, err = os.ReadFile(config); err != nil || !bytes.Equal(now, was) {
		t.Fatalf("its settings are now\n%s(%v) and were\n%s", now, err, was)
	}
	if got := h.level(); got != "1" {
		t.Fatalf("the release has left level %s", got)
	}
	if got := h.scheduled(); got == "1" {
		t.Error("given back, its own job brings no newer level")
	}
	var wrote []string
	for _, e := range h.asks(operate.Journal).Entries {
		wrote = append(wrote, string(e.Kind))
	}
	if got := strings.Join(wrote, " "); got != "adopt on_hold hold_lifted adopt on_hold release released" {
		t.Errorf("the journal has %s", got)
	}
}
