package loader_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/steps"
)

// vendor is a live-patch system whose tool takes its time. It works: what it applies, the
// machine's kernel runs. Its steps run beside the loader and verify like real ones.
type vendor struct {
	w    *world
	dir  string
	undo hotstick.Undo
	// takes is how long the tool works before it changes anything.
	takes time.Duration
	// fails is what the tool says instead of working; lies: it works well and does nothing.
	fails error
	lies  bool
	// rooted: only root can read what is in effect.
	rooted bool
	// asleep: nobody starts steps.
	asleep bool
	// deaf is how often whoever starts steps cannot be told.
	deaf int
	// whole: what the tool has begun it ends, whoever tells it to end before.
	whole bool
	// schedule is how the system schedules itself; empty if it does not.
	schedule string
	// gone: the system was uninstalled.
	gone bool
	// picky: the tool begins nothing new; only back it goes.
	picky bool
	// cannot is why the system cannot be used here; empty if it can.
	cannot hotstick.ReasonCode

	wanted bool
	job    *steps.Job
	ground steps.Ground
	since  time.Time
	ending bool
	// did lists what the tool did, ended counts steps that were told to end, and begun those
	// that began. killed is when one was killed.
	did    []string
	ended  int
	begun  int
	killed time.Duration
}

func newVendor(t *testing.T) (*world, *vendor) {
	w := newWorld(t)
	w.vendor = &vendor{w: w, dir: t.TempDir(), undo: hotstick.UndoDisable, takes: 30 * time.Second}
	w.start()
	return w, w.vendor
}

func (v *vendor) uptime() time.Duration { return v.w.clock().Sub(v.w.machine.State().BootedAt) }

// changer is the driver as a new loader has it.
func (v *vendor) changer() driver.Changer {
	desk := &steps.Desk{Dir: v.dir, Starter: v, Uptime: v.uptime}
	var observer driver.Observer = v
	switch {
	case v.rooted:
		observer = rootedVendor{v}
	case v.schedule != "":
		observer = scheduling{v}
	}
	return steps.New(observer, desk, func() (ledger.Ledger, error) {
		data, err := v.w.disk.Memory.Load()
		if err != nil {
			return ledger.Ledger{}, err
		}
		return ledger.Decode(data)
	})
}

// Start implements steps.Starter.
func (v *vendor) Start(context.Context, string) error {
	if v.deaf--; v.deaf >= 0 {
		return errors.New("Failed to connect to bus")
	}
	v.wanted = true
	return nil
}

// End implements steps.Starter.
func (v *vendor) End(_ context.Context, _ string, _ int, kill bool) error {
	v.ended++
	switch {
	case kill:
		v.killed = v.uptime()
		v.die()
	case !v.whole:
		v.ending = true
	}
	return nil
}

// work lets the step do what it can do now.
func (v *vendor) work() {
	if v.wanted && v.job == nil && !v.asleep {
		v.wanted = false
		job, err := (&steps.Desk{Dir: v.dir, Uptime: v.uptime}).Take("kpatch")
		if err != nil {
			v.w.t.Errorf("a step was started for nothing: %v", err)
			return
		}
		v.job, v.since = job, v.w.clock()
		v.begun++
		v.ground = steps.Ground{Ledger: v.w.ledger(), Boot: v.w.machine.State().BootID, Build: build, View: v.w.view, Viewed: true}
		v.ground.Kept, _ = v.w.disk.Kept(job.Request.Artifact)
	}
	var err error
	var value []byte
	var stepper driver.Stepper = v
	if v.schedule != "" {
		stepper = scheduling{v}
	}
	switch {
	case v.job == nil:
		return
	case v.ending:
		err = driver.Refuse(hotstick.ReasonToolFailed, "it was made to end")
	case v.w.clock().Sub(v.since) < v.takes:
		return
	default:
		value, err = v.job.Work(context.Background(), stepper, v.ground)
	}
	if err := v.job.Answer(value, err); err != nil {
		v.w.t.Error(err)
	}
	v.job, v.ending = nil, false
}

// die ends the step as kill -9 does.
func (v *vendor) die() {
	v.job.Abandon()
	v.job = nil
}

func (v *vendor) Name() string { return "kpatch" }

func (v *vendor) Capabilities(context.Context) hotstick.Capabilities {
	if v.gone {
		return hotstick.Capabilities{Driver: "kpatch", TrustClass: hotstick.TrustStep, Reason: &hotstick.Reason{Code: hotstick.ReasonUnsupported}}
	}
	if v.cannot != "" {
		return hotstick.Capabilities{Driver: "kpatch", TrustClass: hotstick.TrustStep, Reason: &hotstick.Reason{Code: v.cannot}}
	}
	return hotstick.Capabilities{Driver: "kpatch", TrustClass: hotstick.TrustStep, Available: true, Undo: v.undo, Truth: "the simulated kernel",
		Schedules: v.schedule != "", Held: v.schedule == onHold}
}

func (v *vendor) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	patches, err := v.w.machine.Observe(ctx)
	patches = slices.DeleteFunc(patches, func(p hotstick.LoadedPatch) bool {
		return !strings.HasPrefix(p.Module, "kpatch_") || p.State == hotstick.Disabled
	})
	for i := range patches {
		patches[i].Driver = "kpatch"
	}
	return patches, err
}

// load puts a module of the vendor's into the kernel, whoever asks.
func (v *vendor) load(ctx context.Context, module string) error {
	info := kmod.Info{Name: module, License: "GPL", Livepatch: true, Arch: build.Arch, Vermagic: build.Release + " SMP preempt mod_unload modversions "}
	load := driver.Load{Module: module, File: mustFile(v.w.t, kmod.Compose(info)), Build: build}
	patches, err := v.w.machine.Observe(ctx)
	for _, p := range patches {
		load.Replaces = append(load.Replaces, p.Module)
	}
	return errors.Join(err, v.w.machine.Load(ctx, load))
}

func (v *vendor) Apply(ctx context.Context, r hotstick.Recipe) error {
	v.did = append(v.did, "apply "+r.Module)
	if v.picky {
		return driver.Refuse(hotstick.ReasonOtherMaster, "the next boot would load something else")
	}
	return v.applies(ctx, r)
}

func (v *vendor) applies(ctx context.Context, r hotstick.Recipe) error {
	if v.fails != nil || v.lies {
		return v.fails
	}
	return v.load(ctx, r.Module)
}

// returning is the vendor's tool on the way back.
type returning struct{ *vendor }

// Back implements driver.Returning.
func (v *vendor) Back() driver.Stepper { return returning{v} }

func (v returning) Apply(ctx context.Context, r hotstick.Recipe) error {
	v.did = append(v.did, "apply "+r.Module)
	return v.applies(ctx, r)
}

func (v *vendor) Remove(ctx context.Context, r hotstick.Recipe) error {
	v.did = append(v.did, "remove "+r.Module)
	if v.fails != nil {
		return v.fails
	}
	return v.w.machine.Disable(ctx, r.Module)
}

// recipe adds a level of the vendor's to the catalog.
func (v *vendor) recipe(ref string, does fake.Behaviour) hotstick.Patch {
	v.w.t.Helper()
	r, err := hotstick.ParsePatchRef(ref)
	if err != nil {
		v.w.t.Fatal(err)
	}
	module := fmt.Sprintf("kpatch_%s_%d", r.Name, r.Level)
	recipe := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "kpatch", Build: build, Module: module,
		Packages: []hotstick.Package{{Name: "kpatch-patch-" + r.Name, Version: fmt.Sprint("1-", r.Level)}}}
	data, err := recipe.Encode()
	if err != nil {
		v.w.t.Fatal(err)
	}
	digest := hotstick.NewDigest(data)
	v.w.staged[digest] = data
	v.w.machine.Behave(module, does)
	p := hotstick.Patch{Ref: r, Driver: "kpatch", Reversibility: hotstick.ReversibleLive, Replace: true,
		Artifacts: []hotstick.Artifact{{Build: build, Digest: digest, SizeBytes: int64(len(data)), Module: module}}}
	view := v.w.view
	v.w.view = catalog.NewView(view.Version+1, view.Expires, view.Trust, append(slices.Clone(view.Patches), p))
	return p
}

// offer starts a plan whose transition may take two minutes.
func (v *vendor) offer(p hotstick.Patch) hotstick.PlanID {
	v.w.t.Helper()
	raw, id := v.w.plan(p, func(plan *hotstick.Plan) { plan.TransitionSeconds = 120 })
	v.w.exchange(raw)
	v.w.exchange(v.w.grant(id, 1, nil))
	return id
}

// mustConfirm brings a level to its confirmed end.
func (v *vendor) mustConfirm(p hotstick.Patch) hotstick.PlanID {
	v.w.t.Helper()
	id := v.offer(p)
	v.w.pass(time.Minute)
	v.w.mustEnd(hotstick.Confirmed, "")
	v.w.mustRun(p.Ref)
	return id
}

// mustDo checks what the vendor's tool did.
func (v *vendor) mustDo(want ...string) {
	v.w.t.Helper()
	if !slices.Equal(v.did, want) {
		v.w.t.Fatalf("the tool did %q, want %q; reported %s", v.did, want, v.w.states())
	}
}

func TestAVendorsLevelComesByAStepWhileTheLoaderGoesOnWatching(t *testing.T) {
	w, v := newVendor(t)
	p := v.recipe("fix@1", fake.Behaviour{})
	v.offer(p)
	w.pass(20 * time.Second)
	if w.states() != "armed applying" || w.last.Stall != nil {
		t.Fatalf("while the tool works: %s, stalled %+v", w.states(), w.last.Stall)
	}
	w.pass(40 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(p.Ref)
	v.mustDo("apply kpatch_fix_1")
}

func TestAStepThatChangedNothingIsAFailedAttempt(t *testing.T) {
	for _, c := range []struct {
		what  string
		spoil func(v *vendor)
		code  hotstick.ReasonCode
		did   int
	}{
		{"the tool fails", func(v *vendor) { v.fails = errors.New("No match for argument") }, hotstick.ReasonToolFailed, 1},
		{"the tool has a reason", func(v *vendor) { v.fails = driver.Refuse(hotstick.ReasonNotEntitled, "not registered") }, hotstick.ReasonNotEntitled, 1},
		{"the tool lies", func(v *vendor) { v.lies = true }, hotstick.ReasonVerificationFailed, 1},
		{"the tool takes too long", func(v *vendor) { v.takes = time.Hour }, hotstick.ReasonToolFailed, 0},
		{"nobody starts it", func(v *vendor) { v.asleep = true }, hotstick.ReasonToolFailed, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			w, v := newVendor(t)
			c.spoil(v)
			v.offer(v.recipe("fix@1", fake.Behaviour{}))
			w.pass(3 * time.Minute)
			w.mustEnd(hotstick.Failed, c.code)
			if w.states() != "armed applying failed" || len(v.did) != c.did {
				t.Fatalf("reported %s, and the tool did %q", w.states(), v.did)
			}
			w.mustRun(hotstick.PatchRef{})
		})
	}
}

// A tool that failed when it was asked last may work the next time: such a grant is refused,
// and its attempt is there for another. What is so for good ends the attempt.
func TestAToolThatFailedOnceDoesNotEndAGrantForGood(t *testing.T) {
	for _, row := range []struct {
		code    hotstick.ReasonCode
		forGood bool
	}{
		{hotstick.ReasonToolFailed, false}, {hotstick.ReasonVerificationFailed, false},
		{hotstick.ReasonUnsupported, true}, {hotstick.ReasonNotEntitled, true}, {hotstick.ReasonCoverEnded, true},
	} {
		w, v := newVendor(t)
		p := v.recipe("fix@1", fake.Behaviour{})
		v.cannot = row.code
		id := v.offer(p)
		w.mustRefuse(row.code)
		if states := w.states(); (states == "failed") != row.forGood {
			t.Fatalf("%s: reported %q", row.code, states)
		}
		if v.cannot = ""; row.forGood {
			continue
		}
		w.exchange(w.grant(id, 1, nil))
		w.pass(time.Minute)
		w.mustEnd(hotstick.Confirmed, "")
		w.mustRun(p.Ref)
	}
}

func TestAnIllHostEndsTheStepAndGoesBack(t *testing.T) {
	w, v := newVendor(t)
	v.offer(v.recipe("fix@1", fake.Behaviour{}))
	w.pass(10 * time.Second)
	w.probe = "503"
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	if v.ended != 1 {
		t.Fatalf("the step was made to end %d times", v.ended)
	}
	v.mustDo()
}

// A package manager that is killed in the middle of a transaction leaves a host that nobody
// can repair from afar, so it may end, however ill the host is. Then it goes back.
func TestAnIllHostLetsATransactionEndAndGoesBackThen(t *testing.T) {
	w, v := newVendor(t)
	v.whole = true
	v.offer(v.recipe("fix@1", fake.Behaviour{}))
	w.pass(10 * time.Second)
	w.probe = "503"
	w.pass(10 * time.Second)
	if w.states() != "armed applying reverting" || v.ended == 0 || v.job == nil {
		t.Fatalf("reported %s, the step was told to end %d times", w.states(), v.ended)
	}
	w.pass(2 * time.Minute)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	w.mustRun(hotstick.PatchRef{})
	v.mustDo("apply kpatch_fix_1", "remove kpatch_fix_1")
	if v.killed != 0 {
		t.Fatal("the step was killed")
	}
}

// What takes longer than the plan allows has time to end, and the way back its own.
func TestAStepThatTakesLongerThanThePlanAllowsIsToldAndNotKilled(t *testing.T) {
	w, v := newVendor(t)
	v.whole, v.takes = true, 10*time.Minute
	v.offer(v.recipe("fix@1", fake.Behaviour{}))
	w.pass(9 * time.Minute)
	w.probe = "503"
	w.pass(30 * time.Second)
	v.takes = 0
	w.pass(5 * time.Minute)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	v.mustDo("apply kpatch_fix_1", "remove kpatch_fix_1")
	if v.killed != 0 || v.ended < 10 {
		t.Fatalf("it was told %d times, and killed at %s", v.ended, v.killed)
	}
}

func TestAStepThatNeverEndsIsKilledInTheEnd(t *testing.T) {
	w, v := newVendor(t)
	v.whole, v.takes = true, 24*time.Hour
	began := v.uptime()
	v.offer(v.recipe("fix@1", fake.Behaviour{}))
	w.pass(20 * time.Minute)
	w.mustEnd(hotstick.Failed, hotstick.ReasonToolFailed)
	if at := v.killed - began; at < 2*time.Minute+driver.StepGrace || v.begun != 1 {
		t.Fatalf("it was killed after %s, and %d steps began", at, v.begun)
	}
}

func TestAStepThatDiesIsTriedAgainAndNotForEver(t *testing.T) {
	w, v := newVendor(t)
	v.offer(v.recipe("fix@1", fake.Behaviour{}))
	for range 30 {
		w.pass(3 * time.Second)
		if v.job != nil {
			v.die()
		}
	}
	w.mustEnd(hotstick.Failed, hotstick.ReasonToolFailed)
	v.mustDo()
	if v.begun != 3 {
		t.Fatalf("%d steps began", v.begun)
	}
}

func TestAStepThatCannotBeStartedIsAskedForAgain(t *testing.T) {
	for _, c := range []struct {
		deaf int
		end  hotstick.HostState
		code hotstick.ReasonCode
		did  int
	}{{3, hotstick.Confirmed, "", 1}, {1 << 20, hotstick.Failed, hotstick.ReasonToolFailed, 0}} {
		w, v := newVendor(t)
		v.deaf = c.deaf
		v.offer(v.recipe("fix@1", fake.Behaviour{}))
		w.pass(3 * time.Minute)
		w.mustEnd(c.end, c.code)
		if asked := 1<<20 - v.deaf; len(v.did) != c.did || c.did == 0 && asked > 40 {
			t.Fatalf("the tool did %q after the step was asked for %d times", v.did, asked)
		}
	}
}

func TestAnIllVendorsLevelIsTakenOutByAStep(t *testing.T) {
	w, v := newVendor(t)
	first := v.recipe("fix@1", fake.Behaviour{})
	v.mustConfirm(first)
	v.offer(v.recipe("fix@2", fake.Behaviour{Ill: "503"}))
	w.pass(3 * time.Minute)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	w.mustRun(first.Ref)
	v.mustDo("apply kpatch_fix_1", "apply kpatch_fix_2", "apply kpatch_fix_1")
}

// What speaks against beginning something new does not speak against the way back.
func TestAToolThatBeginsNothingNewStillGoesBack(t *testing.T) {
	w, v := newVendor(t)
	v.takes = time.Second
	first := v.recipe("fix@1", fake.Behaviour{})
	v.mustConfirm(first)
	id := v.mustConfirm(v.recipe("fix@2", fake.Behaviour{}))
	v.picky = true
	w.exchange()
	w.exchange(w.order(id, nil))
	w.pass(2 * time.Minute)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	w.mustRun(first.Ref)
	if last := v.did[len(v.did)-1]; last != "apply kpatch_fix_1" {
		t.Errorf("the tool did %q", v.did)
	}
}

func TestASystemWithNoWayBackSaysSoAtOnce(t *testing.T) {
	for _, undo := range []hotstick.Undo{hotstick.UndoReboot, hotstick.UndoPrevious, hotstick.UndoDisable} {
		t.Run(string(undo), func(t *testing.T) {
			w, v := newVendor(t)
			v.undo, v.takes = undo, time.Second
			p := v.recipe("fix@1", fake.Behaviour{})
			v.offer(p)
			w.pass(5 * time.Second)
			w.probe = "503"
			if undo == hotstick.UndoDisable { // it says it can, and the tool then says that it cannot
				v.fails = driver.Refuse(hotstick.ReasonNoWayBack, "only a reboot")
			}
			w.pass(5 * time.Second)
			w.mustEnd(hotstick.Failed, hotstick.ReasonRevertFailed)
			if r := w.reports[len(w.reports)-1].Reason; r.Cause != hotstick.ReasonNoWayBack {
				t.Fatalf("the reason is %+v", r)
			}
			w.mustRun(p.Ref)
			mustExpect := func(want hotstick.PatchRef) {
				t.Helper()
				if e := w.exchange().Expected; e == nil || *e != want {
					t.Errorf("the server is told that %v is expected, want %v", e, want)
				}
			}
			mustExpect(p.Ref) // it stays, and nobody else has brought it
			w.start()
			mustExpect(p.Ref)
			if err := w.machine.Disable(t.Context(), p.Artifacts[0].Module); err != nil {
				t.Fatal(err)
			}
			w.pass(5 * time.Second)
			mustExpect(hotstick.PatchRef{}) // it was never confirmed: without it nothing is missing
		})
	}
}

func TestALoaderThatIsRestartedFindsItsStepAgain(t *testing.T) {
	for _, c := range []struct {
		what  string
		after time.Duration
		spoil func(v *vendor)
		end   hotstick.HostState
		code  hotstick.ReasonCode
	}{
		{"while it runs", 10 * time.Second, func(*vendor) {}, hotstick.Confirmed, ""},
		{"before it begins", 0, func(*vendor) {}, hotstick.Confirmed, ""},
		{"and it fails", 10 * time.Second, func(v *vendor) { v.fails = driver.Refuse(hotstick.ReasonCoverEnded, "") }, hotstick.Failed, hotstick.ReasonCoverEnded},
		{"and it dies", 10 * time.Second, (*vendor).die, hotstick.Confirmed, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			w, v := newVendor(t)
			v.offer(v.recipe("fix@1", fake.Behaviour{}))
			w.loader.Tick(context.Background())
			w.pass(c.after)
			c.spoil(v)
			w.start()
			w.pass(time.Minute)
			w.mustEnd(c.end, c.code)
			if len(v.did) > 1 {
				t.Fatalf("one attempt had the steps %q", v.did)
			}
		})
	}
}

func TestALoaderKilledAtAnyWriteOfAStepsAttemptResumes(t *testing.T) {
	for _, fails := range []bool{false, true} {
		for _, before := range []bool{true, false} {
			for n := 1; ; n++ {
				w, v := newVendor(t)
				first := v.recipe("fix@1", fake.Behaviour{})
				v.mustConfirm(first)
				second := v.recipe("fix@2", fake.Behaviour{})
				if fails {
					v.fails = errors.New("it says no")
				}
				w.disk.plug, w.disk.before = w.disk.saves+n, before
				was := untilPlug(func() {
					v.offer(second)
					w.pass(2 * time.Minute)
				})
				w.disk.plug = 0
				if !was {
					if n < 4 {
						t.Fatalf("the plug was pulled %d times only", n-1)
					}
					break
				}
				w.start()
				w.exchange()
				w.pass(2 * time.Minute)
				if len(v.did) > 2 {
					t.Fatalf("write %d, before=%t: one attempt had the steps %q", n, before, v.did[1:])
				}
				if w.ledger().Attempt != nil {
					t.Fatalf("write %d, before=%t: the attempt has no end: %s", n, before, w.states())
				}
				want := first.Ref
				if w.reports[len(w.reports)-1].State == hotstick.Confirmed && len(v.did) == 2 {
					want = second.Ref
				}
				w.mustRun(want)
			}
		}
	}
}

func TestAVendorsLevelComesBackAfterAReboot(t *testing.T) {
	for _, byVendor := range []bool{false, true} {
		t.Run(fmt.Sprint("the vendor loads it at boot: ", byVendor), func(t *testing.T) {
			w, v := newVendor(t)
			p := v.recipe("fix@1", fake.Behaviour{})
			v.mustConfirm(p)
			if err := w.loader.Stop(); err != nil {
				t.Fatal(err)
			}
			w.machine.Boot()
			if err := os.RemoveAll(v.dir); err != nil { // it was in memory
				t.Fatal(err)
			}
			want := []string{"apply kpatch_fix_1", "apply kpatch_fix_1"}
			if byVendor {
				want = want[:1]
				if err := v.load(context.Background(), "kpatch_fix_1"); err != nil {
					t.Fatal(err)
				}
			}
			w.now = w.now.Add(time.Second)
			w.start()
			w.pass(2 * time.Minute)
			w.mustEnd(hotstick.Confirmed, "")
			w.mustRun(p.Ref)
			v.mustDo(want...)
		})
	}
}

func TestAPermitWhoseStepFailsIsNotTriedOverAndOver(t *testing.T) {
	w, v := newVendor(t)
	v.mustConfirm(v.recipe("fix@1", fake.Behaviour{}))
	w.machine.Boot()
	if err := os.RemoveAll(v.dir); err != nil {
		t.Fatal(err)
	}
	v.fails = driver.Refuse(hotstick.ReasonNotEntitled, "it ended last night")
	w.now = w.now.Add(time.Second)
	w.start()
	w.pass(5 * time.Minute)
	w.mustEnd(hotstick.Failed, hotstick.ReasonNotEntitled)
	v.mustDo("apply kpatch_fix_1", "apply kpatch_fix_1")
}

func TestAConfirmedVendorsLevelGoesBackByOrder(t *testing.T) {
	w, v := newVendor(t)
	id := v.mustConfirm(v.recipe("fix@1", fake.Behaviour{}))
	w.exchange()
	w.exchange(w.order(id, nil))
	w.pass(2 * time.Minute)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	w.mustRun(hotstick.PatchRef{})
	v.mustDo("apply kpatch_fix_1", "remove kpatch_fix_1")
}

// rootedVendor is one whose truth only root can read.
type rootedVendor struct{ *vendor }

func (rootedVendor) NeedsRoot() bool { return true }

func TestWhatOnlyRootCanSeeTheLoaderTells(t *testing.T) {
	w, v := newVendor(t)
	v.rooted = true
	w.start()
	v.mustConfirm(v.recipe("fix@1", fake.Behaviour{}))
	want := []hotstick.LoadedPatch{{Module: "kpatch_fix_1", Driver: "kpatch", State: hotstick.InEffect}}
	got := w.exchange().Rooted
	for i := range got {
		got[i] = hotstick.LoadedPatch{Module: got[i].Module, Driver: got[i].Driver, State: got[i].State}
	}
	if !slices.EqualFunc(got, want, func(a, b hotstick.LoadedPatch) bool {
		return a.Module == b.Module && a.Driver == b.Driver && a.State == b.State
	}) {
		t.Fatalf("the agent is told of %+v", got)
	}
	if d := w.last.Drivers; len(d) != 1 || d[0].Driver != "kpatch" {
		t.Fatalf("the agent is told of the drivers %+v", d)
	}
	w.pass(time.Second)
	rung := w.rung
	if err := w.machine.Disable(context.Background(), "kpatch_fix_1"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	if len(w.exchange().Rooted) != 0 || w.rung == rung {
		t.Fatalf("an agent that rests is not woken: %+v", w.last.Rooted)
	}
}
