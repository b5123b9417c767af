package loader_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/loader/operate"
	"github.com/hotstick/hotstick/internal/statement"
)

// fixedBuild is the kernel that a host is rebooted into, newestBuild one that it is rebooted
// into from there, and strangeBuild one that nobody has asked for.
var (
	newestBuild  = hotstick.KernelBuild{Release: "6.1.0-60-amd64", Arch: "x86_64", BuildID: strings.Repeat("7c", 20)}
	fixedBuild   = hotstick.KernelBuild{Release: "6.1.0-56-amd64", Arch: "x86_64", BuildID: strings.Repeat("ef", 20)}
	strangeBuild = hotstick.KernelBuild{Release: "6.1.0-50-amd64", Arch: "x86_64", BuildID: strings.Repeat("0a", 20)}
)

const (
	fixedModule  = "kernel_6_1_0_56_amd64"
	newestModule = "kernel_6_1_0_60_amd64"
)

// kernels is a driver whose levels are the kernels that a machine boots. It works: what it
// is told is what the next boot starts, once.
type kernels struct {
	w    *world
	runs hotstick.KernelBuild
	// usual is what every boot starts, and once what the next one starts.
	usual, once hotstick.KernelBuild
	orderedBoot string
	orderedTo   hotstick.KernelBuild
	// ours are the kernels that we have booted, and from where.
	ours        map[hotstick.KernelBuild]hotstick.KernelBuild
	moving      bool
	refuse      *driver.Refusal
	settleFails int
	settled     []string
}

func (k *kernels) Name() string { return "reboot" }

func (k *kernels) Capabilities(context.Context) hotstick.Capabilities {
	return hotstick.Capabilities{Driver: "reboot", TrustClass: hotstick.TrustStep, Rollback: []hotstick.Reversibility{hotstick.ReversibleReboot}, Available: true}
}

// moduleOf is what a kernel is listed as.
func moduleOf(b hotstick.KernelBuild) string {
	return map[hotstick.KernelBuild]string{fixedBuild: fixedModule, newestBuild: newestModule}[b]
}

func (k *kernels) Observe(context.Context) ([]hotstick.LoadedPatch, error) {
	var listed []hotstick.LoadedPatch
	if _, ours := k.ours[k.runs]; ours {
		p := hotstick.LoadedPatch{Module: moduleOf(k.runs), Driver: "reboot", State: hotstick.InEffect}
		if k.moving && k.orderedTo == k.ours[k.runs] {
			p.State = hotstick.TransitionOut
		}
		listed = append(listed, p)
	}
	if k.moving && moduleOf(k.orderedTo) != "" && k.orderedTo != k.ours[k.runs] {
		listed = append(listed, hotstick.LoadedPatch{Module: moduleOf(k.orderedTo), Driver: "reboot", State: hotstick.TransitionIn})
	}
	return listed, nil
}

func (k *kernels) Load(_ context.Context, load driver.Load) error {
	if k.refuse != nil {
		return k.refuse
	}
	k.once = map[string]hotstick.KernelBuild{fixedModule: fixedBuild, newestModule: newestBuild}[load.Module]
	k.tell(k.once)
	return nil
}

func (k *kernels) Disable(_ context.Context, module string) error {
	if moduleOf(k.runs) != module {
		k.moving, k.once, k.orderedBoot = false, hotstick.KernelBuild{}, ""
		return nil
	}
	k.usual, k.once = k.ours[k.runs], hotstick.KernelBuild{}
	k.tell(k.usual)
	return nil
}

func (k *kernels) tell(to hotstick.KernelBuild) {
	k.moving, k.orderedBoot, k.orderedTo = true, k.w.machine.State().BootID, to
}

func (k *kernels) Unload(context.Context, string) error { return nil }

func (k *kernels) Settle(_ context.Context, _ driver.Load, keep bool) error {
	if k.settleFails > 0 {
		k.settleFails--
		return driver.Refuse(hotstick.ReasonDrainFailed, "the hook uncordon: code 1")
	}
	k.settled = append(k.settled, fmt.Sprintf("%s keep=%v", k.runs.Release, keep))
	if keep {
		k.usual = k.runs
	}
	k.orderedBoot = ""
	return nil
}

func (k *kernels) told() (string, hotstick.KernelBuild) { return k.orderedBoot, k.orderedTo }

// log has the kernel say something now.
func (w *world) log(text string) {
	w.says = append(w.says, klog.Record{Seq: 1000, Uptime: w.now.Sub(w.machine.State().BootedAt), Text: text})
}

// boots starts the machine again, with the kernel that its boot loader chooses or, if one
// is named, with that one.
func (k *kernels) boots(clean bool, named ...hotstick.KernelBuild) {
	k.w.t.Helper()
	was := k.runs
	k.runs, k.once = k.usual, hotstick.KernelBuild{}
	if len(named) > 0 {
		k.runs = named[0]
	}
	if k.orderedBoot != "" && k.runs == k.orderedTo && moduleOf(k.runs) != "" && k.ours[k.runs] == (hotstick.KernelBuild{}) {
		k.ours[k.runs] = was
	}
	k.moving, k.w.says = false, nil
	k.w.reboot(clean)
}

// comes starts the kernel that was chosen for once.
func (k *kernels) comes() {
	k.w.t.Helper()
	k.boots(true, k.once)
}

// newKernels is a host with a plan that reboots it, up to the reboot itself.
func newKernels(t *testing.T) (*world, *kernels, hotstick.Patch) {
	w := newWorld(t)
	w.kernels = &kernels{w: w, runs: build, usual: build, ours: map[hotstick.KernelBuild]hotstick.KernelBuild{}}
	w.start()
	w.now = w.now.Add(time.Minute)
	return w, w.kernels, w.publishKernel(56, build, fixedBuild)
}

// publishKernel adds a recipe to the catalog that leads from one kernel to another.
func (w *world) publishKernel(level int, from, to hotstick.KernelBuild) hotstick.Patch {
	w.t.Helper()
	module := moduleOf(to)
	data, err := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "reboot", Build: from, Module: module, Target: to,
		Packages: []hotstick.Package{{Name: "linux-image-" + to.Release, Version: "6.1.192-1"}}}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	artifact := hotstick.Artifact{Build: from, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: module}
	p := hotstick.Patch{Ref: hotstick.PatchRef{Name: "debian-kernel", Level: level}, Driver: "reboot", Reversibility: hotstick.ReversibleReboot,
		Replace: true, Artifacts: []hotstick.Artifact{artifact}}
	w.staged[artifact.Digest] = data
	w.view = catalog.NewView(w.view.Version+1, w.view.Expires, w.view.Trust, append(w.view.Patches, p))
	return p
}

func (w *world) mustTellStates(want string) {
	w.t.Helper()
	if got := w.states(); got != want {
		w.t.Fatalf("reported %q, want %q; refusals %v", got, want, w.refusals)
	}
}

func TestARebootIsTheTransitionAndNoStrike(t *testing.T) {
	w, k, p := newKernels(t)
	id := w.offer(p, 1)
	w.pass(2 * time.Second)
	w.mustTellStates("armed applying")
	k.comes()
	w.pass(5 * time.Second)
	w.mustTellStates("armed applying probation")
	if k.usual != build {
		t.Error("the new kernel is the default before it has proved anything")
	}
	w.pass(20 * time.Second)
	w.mustTellStates("armed applying probation confirmed")
	if want := fixedBuild.Release + " keep=true"; strings.Join(k.settled, ", ") != want || k.usual != fixedBuild {
		t.Errorf("settled %q, want %q", k.settled, want)
	}
	if led := w.ledger(); len(led.Strikes) != 0 || led.Unsettled != nil || led.Permit == nil || led.Permit.Plan != id || len(led.Boot.UncleanMillis) != 0 {
		t.Errorf("the ledger has strikes %v, unsettled %v, permit %v, unclean %v", led.Strikes, led.Unsettled, led.Permit, led.Boot.UncleanMillis)
	}
	// Later boots start it, and nothing is done about that.
	k.boots(true)
	w.pass(time.Minute)
	w.mustTellStates("armed applying probation confirmed")
	if resp := w.exchange(); resp.Expected == nil || *resp.Expected != p.Ref {
		t.Errorf("in a later boot %v is expected, want %s", resp.Expected, p.Ref)
	}
}

func TestAKernelThatDoesNotComeUpIsAFailedAttemptOnce(t *testing.T) {
	for name, crash := range map[string]string{"it hangs, or is not chosen": "", "it panics": "Kernel panic - not syncing: VFS: Unable to mount root fs"} {
		t.Run(name, func(t *testing.T) {
			w, k, p := newKernels(t)
			id := w.offer(p, 1)
			w.pass(2 * time.Second)
			if err := w.loader.Stop(); err != nil {
				t.Fatal(err)
			}
			if crash != "" {
				w.machine.Crash(crash)
			}
			k.boots(false)
			w.pass(time.Minute)
			w.mustTellStates("armed applying failed")
			w.mustEnd(hotstick.Failed, hotstick.ReasonOldKernel)
			evidence := fmt.Sprint(w.reports[2].Evidence)
			if !strings.Contains(evidence, "was told to boot "+fixedBuild.Release) || !strings.Contains(evidence, crash) {
				t.Errorf("the evidence is %s", evidence)
			}
			if want := build.Release + " keep=false"; strings.Join(k.settled, ", ") != want {
				t.Errorf("settled %q, want %q: work must come back", k.settled, want)
			}
			w.exchange(w.grant(id, 2, nil))
			w.pass(time.Second)
			w.mustEnd(hotstick.Failed, hotstick.ReasonStruck)
			if k.moving {
				t.Error("it was rebooted again without a clear")
			}
		})
	}
}

func TestWhatABootMeansForAnOpenReboot(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*world, *kernels) // after the machine was told
		boot   func(*kernels)
		state  hotstick.HostState
		code   hotstick.ReasonCode
		struck bool
	}{
		{name: "a third kernel", boot: func(k *kernels) { k.boots(true, strangeBuild) }, state: hotstick.Failed, code: hotstick.ReasonWrongBuild},
		{name: "somebody shuts it down before it was told",
			before: func(_ *world, k *kernels) { k.orderedBoot = "" },
			boot:   func(k *kernels) { k.boots(true) }, state: hotstick.Interrupted, code: hotstick.ReasonCleanShutdown},
		{name: "the old kernel dies before it was told",
			before: func(_ *world, k *kernels) { k.orderedBoot = "" },
			boot:   func(k *kernels) { k.boots(false) }, state: hotstick.Quarantined, code: hotstick.ReasonCrash, struck: true},
		{name: "the new kernel dies on probation",
			before: func(w *world, k *kernels) { k.comes(); w.pass(3 * time.Second) },
			boot:   func(k *kernels) { k.boots(false) }, state: hotstick.Quarantined, code: hotstick.ReasonCrash, struck: true},
		{name: "somebody reboots it on probation",
			before: func(w *world, k *kernels) { k.comes(); w.pass(3 * time.Second) },
			boot:   func(k *kernels) { k.boots(true) }, state: hotstick.Interrupted, code: hotstick.ReasonCleanShutdown},
		{name: "somebody reboots it into the new kernel on probation",
			before: func(w *world, k *kernels) { k.comes(); w.pass(3 * time.Second) },
			boot:   func(k *kernels) { k.boots(true, fixedBuild) }, state: hotstick.Confirmed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, k, p := newKernels(t)
			w.offer(p, 1)
			w.pass(2 * time.Second)
			if c.before != nil {
				c.before(w, k)
			}
			c.boot(k)
			w.pass(40 * time.Second)
			w.mustEnd(c.state, c.code)
			if led := w.ledger(); led.Struck(p.Ref) != c.struck || led.Attempt != nil || led.Unsettled != nil {
				t.Errorf("struck %v, attempt %v, unsettled %v", led.Struck(p.Ref), led.Attempt, led.Unsettled)
			}
			if len(k.settled) != 1 {
				t.Errorf("settled %q, want once", k.settled)
			}
		})
	}
}

func TestAnIllNewKernelIsLeftByAnotherReboot(t *testing.T) {
	w, k, p := newKernels(t)
	w.offer(p, 1)
	w.pass(2 * time.Second)
	k.comes()
	w.pass(2 * time.Second)
	w.probe = "503"
	w.pass(3 * time.Second)
	w.mustTellStates("armed applying probation reverting")
	if !k.moving || k.orderedTo != build {
		t.Fatal("the machine was not told to boot the old kernel")
	}
	w.probe = ""
	k.boots(true)
	w.pass(20 * time.Second)
	w.mustTellStates("armed applying probation reverting reverted")
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	if led := w.ledger(); len(led.Strikes) != 0 || led.Permit != nil {
		t.Errorf("strikes %v, permit %v", led.Strikes, led.Permit)
	}
	if want := build.Release + " keep=false"; strings.Join(k.settled, ", ") != want {
		t.Errorf("settled %q, want %q", k.settled, want)
	}
}

// What was ordered is no sign of ill health: services leave a host that is drained, and
// come up some time after its kernel.
func TestProbesWhileAHostRebootsAreHeededInTheirTime(t *testing.T) {
	const oops = "BUG: kernel NULL pointer dereference, address: 0000000000000010"
	for _, c := range []struct {
		name   string
		drain  func(*world)           // before the machine restarts
		starts func(*world, *kernels) // after it
		want   string
		code   hotstick.ReasonCode
	}{
		{name: "a probe fails while the host is drained, and comes back with the new kernel",
			drain: func(w *world) { w.probe = "503" }, starts: func(w *world, _ *kernels) { w.probe = "" },
			want: "armed applying probation confirmed"},
		{name: "the kernel oopses while the host is drained",
			drain: func(w *world) { w.log(oops) },
			want:  "armed applying reverting reverted", code: hotstick.ReasonKernelLog},
		{name: "a service takes its time to start",
			drain: func(w *world) { w.probe = "503" }, starts: func(w *world, _ *kernels) { w.pass(6 * time.Second); w.probe = "" },
			want: "armed applying probation confirmed"},
		{name: "a service does not start at all",
			drain: func(w *world) { w.probe = "503" },
			starts: func(w *world, k *kernels) {
				w.pass(9 * time.Second)
				w.mustTellStates("armed applying probation")
				w.pass(4 * time.Second)
				w.mustTellStates("armed applying probation reverting")
				k.boots(true)
			},
			want: "armed applying probation reverting reverted", code: hotstick.ReasonProbeFailed},
		{name: "a service starts and fails",
			starts: func(w *world, k *kernels) {
				w.pass(2 * time.Second)
				w.probe = "503"
				w.pass(3 * time.Second)
				k.boots(true)
			},
			want: "armed applying probation reverting reverted", code: hotstick.ReasonProbeFailed},
		{name: "a service starts, the loader is restarted, and the service fails",
			starts: func(w *world, k *kernels) {
				w.pass(2 * time.Second)
				w.start()
				w.probe = "503"
				w.pass(3 * time.Second)
				k.boots(true)
			},
			want: "armed applying probation reverting reverted", code: hotstick.ReasonProbeFailed},
		{name: "the new kernel oopses while its services start",
			drain: func(w *world) { w.probe = "503" },
			starts: func(w *world, k *kernels) {
				w.pass(2 * time.Second)
				w.log(oops)
				w.pass(3 * time.Second)
				k.boots(true)
			},
			want: "armed applying probation reverting reverted", code: hotstick.ReasonKernelLog},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, k, p := newKernels(t)
			w.offer(p, 1)
			w.pass(2 * time.Second)
			if c.drain != nil {
				c.drain(w)
				w.pass(8 * time.Second)
			}
			if c.starts != nil {
				k.comes()
				c.starts(w, k)
			}
			w.probe = ""
			w.pass(20 * time.Second)
			w.mustTellStates(c.want)
			end := hotstick.Reverted
			if c.code == "" {
				end = hotstick.Confirmed
			}
			w.mustEnd(end, c.code)
		})
	}
}

// The level that was live before is loaded again once the old kernel runs, and not into the
// new one, for which it was not made.
func TestAWayBackFromANewKernelEndsWithTheLevelBefore(t *testing.T) {
	w, k, p := newKernels(t)
	level := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(level)
	raw, id := w.plan(p, func(body *hotstick.Plan) {
		a := level.Artifacts[0]
		body.Lanes[0].RevertTo = []hotstick.RevertTarget{{Patch: level.Ref, Artifact: a.Digest, Module: a.Module}}
	})
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.pass(2 * time.Second)
	k.comes()
	w.pass(2 * time.Second)
	w.probe = "503"
	w.pass(3 * time.Second)
	if !k.moving || k.orderedTo != build {
		t.Fatalf("the machine was not told to boot the old kernel; it says %q, refusals %v", w.states(), w.refusals)
	}
	w.mustRun(hotstick.PatchRef{})
	w.probe = ""
	k.boots(true)
	w.pass(20 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	w.mustRun(level.Ref)
}

// A boot loader that does not do what it was told must not make a host reboot for ever.
func TestAWayBackThatLeadsToTheNewKernelFails(t *testing.T) {
	w, k, p := newKernels(t)
	w.offer(p, 1)
	w.pass(2 * time.Second)
	k.comes()
	w.pass(2 * time.Second)
	w.probe = "503"
	w.pass(3 * time.Second)
	k.boots(true, fixedBuild)
	w.pass(20 * time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonRevertFailed)
	if k.moving || strings.Join(k.settled, ", ") != fixedBuild.Release+" keep=false" {
		t.Errorf("it is told to reboot again: %v; settled %q", k.moving, k.settled)
	}
}

func TestARefusedRebootEndsBeforeAnything(t *testing.T) {
	w, k, p := newKernels(t)
	k.refuse = driver.Refuse(hotstick.ReasonUsersLoggedIn, "ann on pts/0")
	w.offer(p, 1)
	w.pass(8 * time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonUsersLoggedIn)
}

// What follows from a reboot is done however often it takes and whatever happens between.
func TestSettlingIsTriedUntilItIsDone(t *testing.T) {
	w, k, p := newKernels(t)
	k.settleFails = 4
	w.offer(p, 1)
	w.pass(2 * time.Second)
	k.comes()
	w.pass(16 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	if w.ledger().Unsettled == nil || len(k.settled) != 0 {
		t.Fatalf("settled %q", k.settled)
	}
	if w.loader.Idle(); w.ledger().Unsettled == nil {
		t.Error("it is forgotten")
	}
	w.start() // the loader is restarted
	w.pass(30 * time.Second)
	if len(k.settled) != 1 || w.ledger().Unsettled != nil {
		t.Errorf("settled %q, unsettled %v", k.settled, w.ledger().Unsettled)
	}
}

// A host that an administrator boots into the old kernel stays there, and says so.
func TestNobodyIsRebootedByAPermit(t *testing.T) {
	w, k, p := newKernels(t)
	w.offer(p, 1)
	w.pass(2 * time.Second)
	k.comes()
	w.pass(20 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	k.boots(true, build)
	w.pass(2 * time.Minute)
	w.mustEnd(hotstick.Failed, hotstick.ReasonOldKernel)
	if k.moving {
		t.Fatal("it was rebooted without anybody's word")
	}
	if resp := w.exchange(); resp.Expected == nil || *resp.Expected != p.Ref {
		t.Errorf("%v is expected, so nobody would see that the host has drifted", resp.Expected)
	}
}

// The kernel that was kept before is a confirmed level still, whatever becomes of the next
// one: it is expected, and can be left.
func TestASecondRebootThatComesToNothingLeavesTheFirstConfirmed(t *testing.T) {
	for _, c := range []struct {
		name string
		does func(*world, *kernels, hotstick.PlanID)
	}{
		{"it does not come up", func(w *world, k *kernels, _ hotstick.PlanID) { k.boots(false) }},
		{"it is ill", func(w *world, k *kernels, _ hotstick.PlanID) {
			k.comes()
			w.pass(2 * time.Second)
			w.probe = "503"
			w.pass(3 * time.Second)
			w.probe = ""
			k.boots(true)
		}},
		{"it was kept, and is ordered back", func(w *world, k *kernels, id hotstick.PlanID) {
			k.comes()
			w.pass(20 * time.Second)
			w.mustEnd(hotstick.Confirmed, "")
			w.exchange(w.order(id, nil))
			w.pass(2 * time.Second)
			k.boots(true)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, k, p := newKernels(t)
			w.offer(p, 1)
			w.pass(2 * time.Second)
			k.comes()
			w.pass(20 * time.Second)
			w.mustEnd(hotstick.Confirmed, "")
			second := w.publishKernel(60, fixedBuild, newestBuild)
			raw, id := w.plan(second, func(body *hotstick.Plan) {
				body.Lanes[0].Build, body.Lanes[0].RevertTo = fixedBuild, []hotstick.RevertTarget{{}}
			})
			w.exchange(raw)
			w.exchange(w.grant(id, 1, func(g *statement.Grant) { g.Build = fixedBuild }))
			w.pass(2 * time.Second)
			if !k.moving || k.orderedTo != newestBuild {
				t.Fatalf("it is not rebooted: %q, refusals %v", w.states(), w.refusals)
			}
			c.does(w, k, id)
			w.pass(20 * time.Second)
			if k.runs != fixedBuild || w.ledger().Attempt != nil || w.ledger().Unsettled != nil {
				t.Fatalf("it runs %s; %q", k.runs, w.states())
			}
			if resp := w.exchange(); resp.Expected == nil || *resp.Expected != p.Ref {
				t.Errorf("%v is expected, want %s", resp.Expected, p.Ref)
			}
			if permit := w.ledger().Permit; permit == nil || permit.Level.Patch != p.Ref || permit.AppliedBoot != w.ledger().Boot.ID {
				t.Errorf("the permit is %+v", permit)
			}
			if answer := w.loader.Operate(t.Context(), operate.Caller{Name: "ann"}, operate.Request{Action: operate.Revert, Reason: "a test"}); answer.Refused != nil {
				t.Fatalf("it cannot be left: %+v", answer.Refused)
			}
			w.pass(2 * time.Second)
			k.boots(true)
			w.pass(20 * time.Second)
			if k.runs != build {
				t.Errorf("left, it runs %s", k.runs)
			}
			w.mustEnd(hotstick.Reverted, hotstick.ReasonOperator)
		})
	}
}
