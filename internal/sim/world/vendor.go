package world

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/steps"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/trace"
)

// system is one vendor's live-patch system, as the simulation knows it.
type system struct {
	name   string
	undo   hotstick.Undo
	ways   []hotstick.Reversibility
	starts bool // patches by itself, unless it is on hold
}

// systems are the vendors' systems of a mixed fleet: one of each way back.
func systems() []system {
	live := []hotstick.Reversibility{hotstick.ReversibleLive, hotstick.ReversibleDowngrade, hotstick.ReversibleReboot}
	return []system{
		{"kpatch", hotstick.UndoDisable, live, false},
		{"suse", hotstick.UndoPrevious, live[1:], false},
		{"kernelcare", hotstick.UndoAll, live, true},
		{"canonical", hotstick.UndoReboot, live[2:], true},
	}
}

// stays: what the system has loaded it cannot always take out.
func stays(driver string) bool {
	for _, s := range systems() {
		if s.name == driver {
			return s.undo == hotstick.UndoPrevious || s.undo == hotstick.UndoReboot
		}
	}
	return false
}

// vendor is a vendor's system on one machine: the tools that it has there, and the step
// unit in which they run. What the loader has to do with it is the real driver's side of
// steps, over the files of a real desk.
type vendor struct {
	system
	n   *node
	dir string
	// changer is the loader's, and dies with its process; desk is where it and the step
	// meet.
	changer *steps.Changer
	desk    *steps.Desk
	// job is what its step works at; nil while none runs. number tells a step from its
	// successors.
	job    *steps.Job
	number int
	// lifted: it starts patches by itself, for somebody has taken its hold away.
	lifted bool
}

var (
	_ driver.Observer = (*vendor)(nil)
	_ steps.Starter   = (*vendor)(nil)
)

// plug makes the loader's side of the system anew, for a new process of the loader.
func (v *vendor) plug() driver.Changer {
	v.desk = &steps.Desk{Dir: v.dir, Starter: v, Uptime: v.n.m.Uptime}
	v.changer = steps.New(v, v.desk, v.ledger).(*steps.Changer)
	return v.changer
}

// ledger is the host's, as it lies on its disk.
func (v *vendor) ledger() (ledger.Ledger, error) { return ledger.Decode(v.n.disk.ledger) }

// Name implements [driver.Observer].
func (v *vendor) Name() string { return v.name }

// Capabilities implements [driver.Observer].
func (v *vendor) Capabilities(context.Context) hotstick.Capabilities {
	return hotstick.Capabilities{Driver: v.name, TrustClass: hotstick.ClassOf(v.name), Rollback: v.ways, Asynchronous: true,
		Truth: "the simulated kernel", Available: true, Undo: v.undo, Schedules: v.starts, Held: v.starts && !v.lifted, Pinnable: true, Tool: "simulated"}
}

// Observe implements [driver.Observer]: only modules of its own that the kernel has taken.
func (v *vendor) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	all, err := v.n.m.Kernel.Observe(ctx)
	if err != nil {
		return nil, err
	}
	var own []hotstick.LoadedPatch
	for _, p := range all {
		if v.n.w.driverOf[p.Module] == v.name && p.State != hotstick.Disabled {
			p.Driver = v.name
			own = append(own, p)
		}
	}
	return own, nil
}

// Masters implements [loader.Others].
func (v *vendor) Masters([]hotstick.LoadedPatch) []hotstick.Master {
	return []hotstick.Master{{System: v.name, Active: v.lifted, Adopted: true}}
}

// Module implements [loader.Others]; nobody adopts a level here.
func (v *vendor) Module(string) ([]byte, error) { return nil, os.ErrNotExist }

// Loaded implements [loader.Others].
func (v *vendor) Loaded(string) (srcVersion, buildID string) { return "", "" }

// Start implements [steps.Starter]: systemd takes a moment.
func (v *vendor) Start(context.Context, string) error {
	boot := v.n.life.boot
	v.n.w.after(time.Duration(20+v.n.random.IntN(300))*time.Millisecond, func() {
		if v.n.life.boot == boot && !v.n.m.down && !v.n.life.hung {
			v.begin()
		}
	})
	return nil
}

// End implements [steps.Starter]: the step is told to end, and what it has done
// by then stays.
func (v *vendor) End(context.Context, string, int, bool) error {
	v.later(50*time.Millisecond, func() {
		v.n.w.some("step ended from outside")
		v.answer(driver.Refuse(hotstick.ReasonToolFailed, "it was made to end"))
	})
	return nil
}

// die ends the step without an answer, with its machine.
func (v *vendor) die() {
	if v.job != nil {
		v.job.Abandon()
		v.job = nil
		v.n.w.some("machine down during a step")
	}
	v.number++
	if err := os.RemoveAll(v.dir); err != nil {
		v.n.w.fail("cannot empty a directory of steps: %v", err)
	}
}

// later goes on with the step that runs now, if it still does then.
func (v *vendor) later(d time.Duration, do func()) {
	number := v.number
	v.n.w.after(d, func() {
		if v.number == number && v.job != nil && !v.n.m.down && !v.n.life.hung {
			do()
			v.n.settle()
		}
	})
}

// answer says how the step went, and ends it.
func (v *vendor) answer(refusal error) {
	job := v.job
	v.job = nil
	v.number++
	if err := job.Answer(nil, refusal); err != nil {
		v.n.w.fail("cannot answer for a step: %v", err)
	}
	if refusal != nil {
		v.n.w.some("step refused")
		return
	}
	v.n.w.some("step done")
}

// begin is the step's process: it takes the request, looks whether it is justified, and
// lets the tool work.
func (v *vendor) begin() {
	if v.job != nil {
		return
	}
	job, err := v.desk.Take(v.name)
	if err != nil {
		v.n.w.some("step without a request")
		return
	}
	v.job = job
	v.number++
	if v.n.loader == nil {
		v.n.w.some("step without a loader")
	}
	led, err := v.ledger()
	if err != nil {
		v.n.w.fail("cannot read the ledger for a step: %v", err)
		return
	}
	boot, _ := v.n.m.Boot()
	kept, err := v.n.disk.Kept(job.Request.Artifact)
	if err != nil {
		kept = nil
	}
	recipe, err := steps.Justify(steps.Ground{Ledger: led, Boot: boot, Build: v.n.m.Member.Build, View: v.n.shelf.trusted,
		Viewed: v.n.shelf.known, Kept: kept}, job.Request)
	if err != nil {
		v.n.w.some("step not justified")
		v.answer(driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err))
		return
	}
	v.later(time.Duration(job.Request.LimitSeconds)*time.Second, func() {
		v.n.w.some("step out of time")
		v.answer(driver.Refuse(hotstick.ReasonToolFailed, "it had not ended in time"))
	})
	v.n.w.emit(trace.Event{Node: "kernel", Kind: trace.KindStep, Host: v.n.id, Boot: boot, Artifact: job.Request.Artifact,
		To: string(job.Request.Act), Detail: v.name})
	v.n.w.some("step " + v.name + " " + string(job.Request.Act))
	if job.Request.Act == steps.Remove {
		v.remove(recipe)
		return
	}
	v.apply(recipe)
}

// fate is what becomes of a tool that is to bring a level in.
func (v *vendor) fate() string {
	at := v.n.random.IntN(100)
	if v.n.w.quiet {
		at = 99
	}
	for _, f := range []struct {
		name  string
		below int
	}{{"fails", 5}, {"fails late", 10}, {"lies", 14}, {"hangs", 19}, {"slow", 30}} {
		if at < f.below {
			v.n.w.some("tool " + f.name)
			return f.name
		}
	}
	return ""
}

func (v *vendor) apply(r hotstick.Recipe) {
	fate := v.fate()
	work := time.Duration(200+v.n.random.IntN(6000)) * time.Millisecond
	if fate == "slow" {
		work += time.Duration(15+v.n.random.IntN(60)) * time.Second
	}
	failed := driver.Refuse(hotstick.ReasonToolFailed, "it failed")
	v.later(work, func() {
		switch fate {
		case "fails":
			v.answer(failed)
		case "lies":
			v.answer(nil)
		case "hangs":
		case "fails late":
			v.load(r, failed)
		default:
			v.load(r, nil)
		}
	})
}

// load has the kernel take the vendor's module, as soon as no transition runs, and ends the
// step soon after.
func (v *vendor) load(r hotstick.Recipe, end error) {
	switch state := v.n.m.seen[r.Module]; {
	case state == hotstick.InEffect:
		v.answer(end)
		return
	case v.moving():
		v.later(2*time.Second, func() { v.load(r, end) })
		return
	case state == hotstick.Disabled:
		// A left-over of before; the vendor cleans up.
		if err := v.n.m.Kernel.Calls().Delete(r.Module); err != nil {
			v.answer(driver.Refuse(hotstick.ReasonKernelRefused, "cannot unload: %v", err))
			return
		}
	}
	err := v.finit(r.Module, true)
	if v.job == nil {
		return // it took the machine down
	}
	if err != nil {
		v.answer(driver.Refuse(hotstick.ReasonKernelRefused, "cannot load: %v", err))
		return
	}
	v.later(300*time.Millisecond, func() { v.answer(end) })
}

// finit hands the vendor's module to the kernel. Told: it is done for the loader.
func (v *vendor) finit(module string, told bool) error {
	f, err := os.CreateTemp(v.n.w.scratch, "*.ko")
	if err != nil {
		v.n.w.fail("cannot make a vendor's module: %v", err)
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(moduleFile(module, v.n.m.Member.Build)); err != nil {
		v.n.w.fail("cannot make a vendor's module: %v", err)
		return err
	}
	err = v.n.m.Kernel.Calls().Finit(f)
	if told && !v.n.m.down {
		v.n.m.asked(trace.KindLoad, v.n.w.artifactOf(v.n.m.Member.Build, module), module, err)
	}
	v.n.m.look()
	return err
}

func moduleFile(module string, build hotstick.KernelBuild) []byte {
	return kmod.Compose(kmod.Info{Name: module, Vermagic: build.Release + " SMP preempt mod_unload modversions ", Livepatch: true, License: "GPL",
		Arch: build.Arch, SrcVersion: "0123456789ABCDEF01234567"})
}

// moving: some transition runs.
func (v *vendor) moving() bool {
	v.n.m.look()
	for _, state := range v.n.m.seen {
		if state == hotstick.TransitionIn || state == hotstick.TransitionOut {
			return true
		}
	}
	return false
}

func (v *vendor) remove(r hotstick.Recipe) {
	if v.undo == hotstick.UndoPrevious || v.undo == hotstick.UndoReboot {
		v.answer(driver.Refuse(hotstick.ReasonNoWayBack, "%s takes nothing out", v.name))
		return
	}
	v.later(time.Duration(100+v.n.random.IntN(2000))*time.Millisecond, func() { v.takeOut(r.Module) })
}

// takeOut disables a module, waits for the end of its transition, and unloads it.
func (v *vendor) takeOut(module string) {
	v.n.m.look()
	calls := v.n.m.Kernel.Calls()
	switch state, there := v.n.m.seen[module]; {
	case !there:
		v.answer(nil)
		return
	case state == hotstick.Disabled:
		if err := calls.Delete(module); err != nil {
			v.answer(driver.Refuse(hotstick.ReasonKernelRefused, "cannot unload: %v", err))
			return
		}
		v.n.m.look()
		v.answer(nil)
		return
	case state != hotstick.TransitionOut:
		if v.n.m.onRevert[module] {
			delete(v.n.m.onRevert, module)
			v.n.w.some("panic on revert")
			v.n.m.Kernel.Crash(crashText(module))
			return
		}
		// Another transition may run: then it is tried again.
		if calls.Disable(module) == nil {
			v.n.m.asked(trace.KindDisable, v.n.w.artifactOf(v.n.m.Member.Build, module), module, nil)
		}
	}
	v.later(500*time.Millisecond, func() { v.takeOut(module) })
}

// lift takes a system's hold away for a while: it then starts the newest level that the
// vendor has.
func (w *World) liftHold(s Step, n *node) {
	v := n.vendor
	if v == nil || !v.starts || v.lifted || n.m.down {
		return
	}
	v.lifted = true
	w.fault(checker.FaultLifted, n)
	life := n.life.boot
	w.after(s.For/4, func() {
		if !v.lifted || n.life.boot != life || n.m.down || n.life.hung {
			return
		}
		newest := w.levels[len(w.levels)-1]
		for _, l := range w.levels {
			if l.Patch.Driver == v.name {
				newest = l
			}
		}
		a, _ := newest.Patch.Artifact(n.m.Member.Build)
		w.fault(checker.FaultForeign, n)
		if v.finit(a.Module, false) == nil {
			w.some("system patched by itself")
		}
		n.settle()
	})
	w.after(3*s.For, v.hold)
}

// scheduling is the first host from a step's on whose system schedules itself.
func (w *World) scheduling(s Step) *node {
	for i := range w.nodes {
		if n := w.nodes[(s.Host+i)%len(w.nodes)]; n.vendor != nil && n.vendor.starts {
			return n
		}
	}
	return w.nodes[s.Host%len(w.nodes)]
}

// hold puts the system on hold again.
func (v *vendor) hold() {
	if v.lifted {
		v.lifted = false
		v.n.w.fault(checker.FaultHeld, v.n)
	}
}

// newDir names the directory of a host's steps.
func (w *World) newDir(name string) string { return filepath.Join(w.scratch, name) }

// drivers are all that the host's loader changes it by.
func (n *node) drivers() driver.Set {
	set := driver.Set{n.m}
	if n.vendor != nil {
		set = append(set, n.vendor.plug())
	}
	return set
}

// listed are the live patches of the machine, as its agent reads them.
func (m *machine) listed(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	all, err := m.Kernel.Observe(ctx)
	if err != nil || m.n.vendor == nil {
		return all, err
	}
	own, err := m.n.vendor.Observe(ctx)
	if err != nil {
		return nil, err
	}
	return driver.Unite(slices.Clip(all), own), nil
}
