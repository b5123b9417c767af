package loadercmd

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/loader/steps"
	"github.com/hotstick/hotstick/internal/rig"
	kpatchrig "github.com/hotstick/hotstick/internal/rig/kpatch"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
	"github.com/hotstick/hotstick/internal/statement"
)

// labLoader is the loader's lab build inside a guest.
const labLoader = "/usr/sbin/hotstick-loader"

// TestStepsOnRealKernels runs the real loader and its steps, as processes of the lab build,
// in guests where a rig stands in for the kpatch tool, and the kernel and the live patches
// are real.
func TestStepsOnRealKernels(t *testing.T) {
	rigtest.Wanted(t)
	program := filepath.Join(t.TempDir(), "hotstick-loader")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "lab", "-o", program, "github.com/hotstick/hotstick/cmd/hotstick-loader")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rigtest.Suite{
		Name: "steps", Patches: "../../../patches", AtLeast: 1 + len(stepPoints), Match: "^TestInsideAStepIsKilledAtEachOfItsPoints$", Limit: 20 * time.Minute, Turns: true,
		Files:   append(slices.Concat(rig.Files(), kpatchrig.Files()), guest.File{Path: labLoader, Source: program, Mode: 0o755}),
		Modules: []rig.Module{{Name: "livepatch_fix_1"}},
	}.Run(t)
}

// stepPoints are the points within a step, and whether the loader itself dies there.
var stepPoints = []struct {
	point  failpoint.Name
	loader bool
}{
	{failpoint.LoaderStepBeforeAsked, true},
	{failpoint.LoaderStepAsked, true},
	{failpoint.LoaderStepTaken, false},
	{failpoint.LoaderStepDone, false},
	{failpoint.LoaderStepAnswered, false},
}

// stepHost is a host with a real kernel and the real loader, and an agent and a server that
// the test plays.
type stepHost struct {
	*hostile
	cmd   *exec.Cmd
	ended chan struct{}
	patch hotstick.Patch
	acked uint64
	// before is what a step had taken before the loader was started last.
	before string
}

// Whatever dies at whatever point of a step, the level comes and goes once: no tool is run
// twice for what it has done, and nothing is left in between.
func TestInsideAStepIsKilledAtEachOfItsPoints(t *testing.T) {
	modules := rigtest.Inside(t)
	rigtest.Fresh(t, "/usr/sbin/kpatch")
	h := newStepHost(t, modules)
	for _, p := range stepPoints {
		t.Run(string(p.point), func(t *testing.T) {
			h.t = t
			calls := len(h.calls())
			h.start(p.point)
			raw, id := h.plan(h.patch, "plan for "+string(p.point))
			h.send(raw)
			h.send(h.grantOf(id, 1, h.send().Nonce))
			h.dies(p.loader)
			h.start("")
			end := h.end()
			if p.point == failpoint.LoaderStepBeforeAsked && end.State == hotstick.Interrupted {
				// Nobody can tell whether the load was asked for, so the server tries again.
				h.send(h.grantOf(id, 2, h.send().Nonce))
				end = h.end()
			}
			h.mustBe(end, hotstick.Confirmed, "livepatch_fix_1")
			h.stop()

			h.start(p.point)
			h.send(h.order(id, h.send().Nonce))
			h.dies(p.loader)
			h.start("")
			h.mustBe(h.end(), hotstick.Reverted)
			h.stop()
			did := h.calls()[calls:]
			if len(did) != 2 || !strings.HasPrefix(did[0], "kpatch load ") || did[1] != "kpatch unload livepatch_fix_1" {
				t.Errorf("the tool was called as\n%s", strings.Join(did, "\n"))
			}
		})
	}
}

func newStepHost(t *testing.T, modules string) *stepHost {
	t.Helper()
	h := &stepHost{hostile: newHost(t)}
	var err error
	h.build, err = kernel.Build(os.DirFS("/"), kernel.Machine())
	h.must(err)
	data, err := os.ReadFile(filepath.Join(modules, "livepatch_fix_1.ko"))
	h.must(err)
	rigtest.Write(t, filepath.Join("/var/lib/kpatch", h.build.Release, "livepatch-fix-1.ko"), string(data))
	recipe, err := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "kpatch", Build: h.build, Module: "livepatch_fix_1", File: hotstick.NewDigest(data)}.Encode()
	h.must(err)
	h.driver = named{name: "kpatch"}
	h.patch = h.list(hotstick.PatchRef{Name: "fix", Level: 1}, "livepatch_fix_1", recipe)
	return h
}

// named is a driver of which only the name is asked.
type named struct {
	driver.Changer
	name string
}

func (n named) Name() string { return n.name }

// start starts the loader's program, to die at a point.
func (h *stepHost) start(at failpoint.Name) {
	h.t.Helper()
	if h.cmd != nil {
		h.stop()
	}
	h.before = h.taken()
	h.cmd = exec.Command(labLoader, "--root", string(h.root), "--state", h.state, "--agent", h.agent, "--agent-user", "0", "--socket", h.socket,
		"--settle", "0s", "--idle-exit", "0s", "--agent-silence", "2m", "--steps", "direct")
	h.cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	if at != "" {
		h.cmd.Env = append(h.cmd.Env, "HOTSTICK_FAILPOINTS="+string(at)+"=kill")
	}
	h.cmd.Stdout, h.cmd.Stderr = os.Stderr, os.Stderr
	h.must(h.cmd.Start())
	ended := make(chan struct{})
	h.ended = ended
	cmd := h.cmd
	go func() { _ = cmd.Wait(); close(ended) }()
}

// stop kills the loader, which is no clean end.
func (h *stepHost) stop() {
	_ = h.cmd.Process.Kill()
	<-h.ended
	h.cmd = nil
}

// dies waits until the point was reached: the loader is dead, or a step is, in the middle of
// what it was asked for or after it. Then the loader is killed too.
func (h *stepHost) dies(loader bool) {
	h.t.Helper()
	h.until("a death at the point", func() bool {
		if loader {
			select {
			case <-h.ended:
				return true
			default:
				h.try(link.Request{Readings: well})
				return false
			}
		}
		h.try(link.Request{Readings: well})
		now := h.taken()
		busy, err := steps.Busy(filepath.Join(filepath.Dir(h.socket), "step"))
		return now != "" && now != h.before && err == nil && !busy
	})
	h.stop()
}

// taken is what a step has taken and not dropped; empty if there is nothing.
func (h *stepHost) taken() string {
	data, _ := os.ReadFile(filepath.Join(filepath.Dir(h.socket), "step", "driver-taken.json"))
	return string(data)
}

// until waits for something, over whatever dies meanwhile.
func (h *stepHost) until(what string, so func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			data, _ := os.ReadFile(filepath.Join(h.state, "ledger.json"))
			h.t.Fatalf("waited in vain for %s; the ledger is\n%s", what, data)
		case <-tick.C:
		}
	}
}

// try is a call that nobody may be there to answer.
func (h *stepHost) try(req link.Request) (link.Response, error) {
	client := link.Dial(h.socket)
	defer client.Close()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	return client.Exchange(ctx, req)
}

// send is a call that is repeated until it is answered.
func (h *stepHost) send(documents ...json.RawMessage) link.Response {
	h.t.Helper()
	var resp link.Response
	h.until("an answer", func() bool {
		var err error
		resp, err = h.try(link.Request{Catalog: true, Documents: documents, Readings: well, Acknowledged: h.acked})
		select {
		case <-h.ended:
			return true // it died of the call
		default:
			return err == nil
		}
	})
	for _, r := range resp.Refusals {
		h.t.Errorf("refused: %s %s", r.Reason.Code, r.Reason.Detail)
	}
	return resp
}

// end waits for a report that ends an attempt, and acknowledges it.
func (h *stepHost) end() hotstick.Report {
	h.t.Helper()
	var last hotstick.Report
	h.until("the end of the attempt", func() bool {
		resp, err := h.try(link.Request{Catalog: true, Readings: well, Acknowledged: h.acked})
		if err != nil || resp.Busy || len(resp.Reports) == 0 {
			return false
		}
		last = resp.Reports[len(resp.Reports)-1]
		return last.State.Terminal() && last.Seq > h.acked
	})
	h.acked = last.Seq
	return last
}

// order signs an order to go back.
func (h *stepHost) order(id hotstick.PlanID, nonce string) json.RawMessage {
	h.t.Helper()
	return h.sign(statement.KindOrder, statement.Order{Plan: id, Host: h.hosts[1].Host, Nonce: nonce, Epoch: 1, TTLSeconds: 60,
		Reason: hotstick.Reason{Code: hotstick.ReasonRevertOrdered}}, h.server)
}

// mustBe checks how an attempt ended, what the kernel runs, and that nothing is left open.
func (h *stepHost) mustBe(end hotstick.Report, state hotstick.HostState, modules ...string) {
	h.t.Helper()
	if end.State != state {
		h.t.Errorf("it ended as %s (%+v), want %s", end.State, end.Reason, state)
	}
	if now := rigtest.Kernel(h.t); !slices.Equal(now, modules) {
		h.t.Errorf("the kernel runs %v, want %v", now, modules)
	}
	led, err := ledger.Peek(h.state)
	h.must(err)
	if led.Attempt != nil {
		h.t.Errorf("an attempt is open: %+v", *led.Attempt)
	}
	if busy, err := steps.Busy(filepath.Join(filepath.Dir(h.socket), "step")); err != nil || busy {
		h.t.Errorf("a step is under way: %t, %v", busy, err)
	}
}

// calls are those of the vendor's tool so far.
func (h *stepHost) calls() []string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(rig.StateDir, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' })
}
