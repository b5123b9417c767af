package loader_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/touch"
)

// things are sysctls, modules, services and what commands did, in memory. They notice
// what the loader does to them, and may break or pull the plug.
type things struct {
	w *world
	// values are those of now, by thing.
	values map[string]string
	// booted are those that every boot begins with; commands outlive it.
	booted map[string]string
	// did lists changes as THING=VALUE@LEVEL, with the level that the kernel runs.
	did []string
	// broken things cannot be set, to the value or at all.
	broken map[string]string
	// busy: a driver's step runs, beside which nothing can be touched.
	busy bool
	// calls counts changes. The plug is pulled around the one with the number plug.
	calls, plug int
	// reads counts looks.
	reads int
	// stop, if set, tells the loader to stop in the midst of a change, which cuts it short.
	stop   func()
	before bool
}

var errBroken = errors.New("input/output error")

func newThings(w *world) *things {
	s := &things{w: w, broken: map[string]string{}, booted: map[string]string{
		"sysctl vm/a": "0", "sysctl vm/b": "10\t20", "parameter kvm.c": "N", "module af_alg": touch.Loaded,
		"module tun": touch.Absent, "service web.service": touch.Active, "service idle.service": touch.Inactive}}
	s.values = maps.Clone(s.booted)
	w.things = s
	w.start()
	return s
}

// Read implements touch.World.
func (s *things) Read(_ context.Context, t hotstick.Touch) (string, error) {
	s.reads++
	if t.Kind == hotstick.TouchCommand {
		return "", nil
	}
	v, ok := s.values[t.Thing()]
	if !ok {
		return "", fmt.Errorf("cannot read the %s: no such thing", t.Thing())
	}
	return v, nil
}

// Set implements touch.World. Nothing may be changed that the ledger does not tell of.
func (s *things) Set(_ context.Context, t hotstick.Touch, value string) error {
	if s.busy {
		return touch.ErrBusy
	}
	s.calls++
	if s.stop != nil {
		s.stop()
		return errBroken
	}
	if s.calls == s.plug && s.before {
		panic(pulled{})
	}
	if !slices.ContainsFunc(s.w.ledger().Touched, func(r ledger.Touched) bool { return r.Touch.Thing() == t.Thing() }) {
		s.w.breaks("%s is set to %q without a record of it", t.Thing(), value)
	}
	if bad, ok := s.broken[t.Thing()]; ok && (bad == value || bad == "") {
		return errBroken
	}
	s.did = append(s.did, fmt.Sprintf("%s=%s@%d", t.Thing(), value, s.w.running().Level))
	if t.Kind == hotstick.TouchParameter {
		value = map[string]string{"1": "Y", "0": "N"}[value] + strings.Trim(value, "01")
	}
	s.values[t.Thing()] = value
	if s.calls == s.plug {
		panic(pulled{})
	}
	return nil
}

// reboot gives everything the value that it has after a boot. What commands did stays.
func (s *things) reboot() {
	for thing := range s.values {
		if !strings.HasPrefix(thing, "command") {
			delete(s.values, thing)
		}
	}
	maps.Copy(s.values, s.booted)
}

func sysctl(name, value string) hotstick.Touch {
	return hotstick.Touch{Kind: hotstick.TouchSysctl, When: hotstick.TouchBefore, Name: name, Value: value}
}

func command(name string, undo bool) hotstick.Touch {
	t := hotstick.Touch{Kind: hotstick.TouchCommand, When: hotstick.TouchAfter, Name: name, Do: []string{"/usr/bin/" + name}}
	if undo {
		t.Undo = []string{"/usr/bin/" + name, "--undo"}
	}
	return t
}

func restart(unit string) hotstick.Touch {
	return hotstick.Touch{Kind: hotstick.TouchServiceRestart, When: hotstick.TouchAfter, Name: unit}
}

func after(t hotstick.Touch) hotstick.Touch {
	t.When = hotstick.TouchAfter
	return t
}

// publishTouching is publish for a level that touches things.
func (w *world) publishTouching(ref string, does fake.Behaviour, touches ...hotstick.Touch) hotstick.Patch {
	w.t.Helper()
	p := w.publish(ref, does)
	p.Touches = touches
	if err := p.Validate(); err != nil {
		w.t.Fatal(err)
	}
	patches := slices.Clone(w.view.Patches)
	patches[len(patches)-1] = p
	recalls := w.view.Recalls
	w.view = catalog.NewView(w.view.Version, w.view.Expires, w.view.Trust, patches)
	w.view.Recalls = recalls
	return p
}

// mustBe checks things by THING=VALUE.
func (s *things) mustBe(want ...string) {
	s.w.t.Helper()
	for _, w := range want {
		thing, value, _ := strings.Cut(w, "=")
		if s.values[thing] != value {
			s.w.t.Errorf("the %s is %q, want %q", thing, s.values[thing], value)
		}
	}
}

// mustBeAsBooted checks that nothing is left of what levels touched.
func (s *things) mustBeAsBooted() {
	s.w.t.Helper()
	for thing, value := range s.values {
		want, known := s.booted[thing]
		if !known {
			want = touch.Undone
		}
		if value != want {
			s.w.t.Errorf("the %s is %q, it was %q", thing, value, want)
		}
	}
	if left := s.w.ledger().Touched; len(left) != 0 {
		s.w.t.Errorf("the journal still has %+v", left)
	}
}

var everything = []hotstick.Touch{
	sysctl("vm.a", "1"), after(sysctl("vm.b", "1 2")),
	{Kind: hotstick.TouchParameter, When: hotstick.TouchBefore, Name: "kvm.c", Value: "1"},
	{Kind: hotstick.TouchModuleUnload, When: hotstick.TouchBefore, Name: "af_alg"},
	{Kind: hotstick.TouchModuleLoad, When: hotstick.TouchBefore, Name: "tun"},
	command("flush", true), restart("web.service"), restart("idle.service"),
}

func TestTouchesAreMadeInTheirOrderAndPutBackInReverse(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	id := w.mustConfirm(w.publishTouching("fix@1", fake.Behaviour{}, everything...))
	w.exchange(w.order(id, nil))
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	flush := command("flush", true).Thing()
	want := []string{"sysctl vm/a=1@0", "parameter kvm.c=1@0", "module af_alg=absent@0", "module tun=loaded@0",
		"sysctl vm/b=1 2@1", flush + "=done@1", "service web.service=active@1",
		flush + "=undone@1", "sysctl vm/b=10\t20@1",
		"module tun=absent@0", "module af_alg=loaded@0", "parameter kvm.c=N@0", "sysctl vm/a=0@0", "service web.service=active@0"}
	if !slices.Equal(s.did, want) {
		t.Errorf("it did\n%s\nwant\n%s", strings.Join(s.did, "\n"), strings.Join(want, "\n"))
	}
	s.mustBeAsBooted()
}

// A step of a driver and one that touches something cannot run beside each other; the one
// that comes second waits, and nothing fails for that.
func TestATouchWaitsForADriversStep(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	s.busy = true
	id := w.offer(w.publishTouching("fix@1", fake.Behaviour{}, everything...), 1)
	w.pass(30 * time.Second)
	if w.states() != "armed" || s.calls != 0 {
		t.Fatalf("beside a step: %s, and %d changes", w.states(), s.calls)
	}
	s.busy = false
	w.pass(30 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	s.busy = true
	w.exchange(w.order(id, nil))
	w.pass(time.Minute)
	s.busy = false
	w.pass(time.Minute)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	s.mustBeAsBooted()
}

func TestATouchDoesNotWaitForEver(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	s.busy = true
	w.offer(w.publishTouching("fix@1", fake.Behaviour{}, everything...), 1)
	w.pass(40 * time.Minute)
	w.mustEnd(hotstick.Failed, hotstick.ReasonTouchFailed)
	s.mustBeAsBooted()
}

func TestATouchThatFailsBeforeTheLoadEndsTheAttempt(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	s.broken["module tun"] = touch.Loaded
	w.offer(w.publishTouching("fix@1", fake.Behaviour{}, everything...), 1)
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonTouchFailed)
	if w.loads["fix_1"] != 0 {
		t.Error("the level was loaded")
	}
	s.mustBeAsBooted()
}

func TestATouchThatFailsAfterTheLoadSendsTheHostBack(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	s.broken[command("flush", true).Thing()] = touch.Done
	w.offer(w.publishTouching("fix@1", fake.Behaviour{}, everything...), 1)
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonTouchFailed)
	w.mustRun(hotstick.PatchRef{})
	s.mustBeAsBooted()
}

func TestWhatCannotBePutBackKeepsNoLevelInTheKernel(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	id := w.mustConfirm(w.publishTouching("fix@1", fake.Behaviour{}, everything...))
	s.broken["sysctl vm/b"], s.broken["sysctl vm/a"] = "", ""
	w.exchange(w.order(id, nil))
	w.pass(time.Second)
	w.mustRun(hotstick.PatchRef{})
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonRevertFailed)
	r := w.reports[len(w.reports)-1].Reason
	if r.Cause != hotstick.ReasonTouchFailed || !strings.Contains(r.Detail, "sysctl vm/a; sysctl vm/b: input/output error") {
		t.Errorf("the reason is %+v", r)
	}
	s.mustBe("sysctl vm/a=1", "sysctl vm/b=1 2", "parameter kvm.c=N", "module af_alg=loaded")

	// A later level's way back finds what was left, and puts it back at last.
	s.broken = map[string]string{}
	id = w.mustConfirm(w.publishTouching("fix@2", fake.Behaviour{}, sysctl("vm.a", "7")))
	s.mustBe("sysctl vm/a=7", "sysctl vm/b=10\t20")
	w.exchange(w.order(id, nil))
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	s.mustBeAsBooted()
}

func TestWhatSomebodyElseChangedIsLeftAloneAndSaid(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	id := w.mustConfirm(w.publishTouching("fix@1", fake.Behaviour{}, everything...))
	s.values["sysctl vm/a"] = "42"
	w.exchange(w.order(id, nil))
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	s.mustBe("sysctl vm/a=42", "sysctl vm/b=10\t20")
	e := w.reports[len(w.reports)-1].Evidence
	if len(e) != 1 || e[0].Kind != "touch" || !strings.Contains(e[0].Text, "sysctl vm/a was changed to 42 by somebody else") {
		t.Errorf("the evidence is %v", e)
	}
}

func TestWhatCannotBePutBackAtAllIsSaid(t *testing.T) {
	w := newWorld(t)
	newThings(w)
	id := w.mustConfirm(w.publishTouching("fix@1", fake.Behaviour{}, command("once", false)))
	w.exchange(w.order(id, nil))
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	e := w.reports[len(w.reports)-1].Evidence
	if len(e) != 1 || !strings.Contains(e[0].Text, "cannot be put back before a reboot") {
		t.Errorf("the evidence is %v", e)
	}
}

func TestANewerLevelPutsBackWhatItDoesNotTouch(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	flush, rinse := command("flush", true), command("rinse", true)
	w.mustConfirm(w.publishTouching("fix@1", fake.Behaviour{}, sysctl("vm.a", "1"), after(sysctl("vm.b", "3")), flush, rinse, restart("web.service")))
	s.did = nil
	id := w.mustConfirm(w.publishTouching("fix@2", fake.Behaviour{}, sysctl("vm.a", "2"), flush))
	s.mustBe("sysctl vm/a=2", "sysctl vm/b=10\t20", flush.Thing()+"=done", rinse.Thing()+"=undone")
	want := []string{"sysctl vm/a=2@1", rinse.Thing() + "=undone@2", "sysctl vm/b=10\t20@2", "service web.service=active@2"}
	if !slices.Equal(s.did, want) {
		t.Errorf("it did %q, want %q", s.did, want)
	}
	w.exchange(w.order(id, nil))
	w.pass(10 * time.Second)
	w.mustRun(hotstick.PatchRef{Name: "fix", Level: 1})
	s.mustBe("sysctl vm/a=1", "sysctl vm/b=3", flush.Thing()+"=done", rinse.Thing()+"=done")
}

func TestAfterARebootTouchesComeBackWithTheirLevel(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	id := w.mustConfirm(w.publishTouching("fix@1", fake.Behaviour{}, sysctl("vm.a", "1"), command("flush", true)))
	id2 := w.mustConfirm(w.publishTouching("fix@2", fake.Behaviour{}, sysctl("vm.a", "2")))
	s.reboot()
	w.reboot(true)
	w.pass(20 * time.Second)
	w.mustRun(hotstick.PatchRef{Name: "fix", Level: 2})
	s.mustBe("sysctl vm/a=2")
	// The level before was not in effect in this boot. What it touches comes with it.
	w.exchange(w.order(id2, nil))
	w.pass(10 * time.Second)
	w.mustRun(hotstick.PatchRef{Name: "fix", Level: 1})
	s.mustBe("sysctl vm/a=1", command("flush", true).Thing()+"=done")
	w.exchange(w.order(id, nil))
	w.pass(10 * time.Second)
}

func TestALoaderThatCanTouchNothingRefuses(t *testing.T) {
	w := newWorld(t)
	w.offer(w.publishTouching("fix@1", fake.Behaviour{}, sysctl("vm.a", "1")), 1)
	w.mustRefuse(hotstick.ReasonUnsupported)
	newThings(w)
	w.exchange()
	w.offer(w.publishTouching("fix@2", fake.Behaviour{}, sysctl("vm.nowhere", "1")), 1)
	w.mustRefuse(hotstick.ReasonUnsupported)
}

// touchPlay confirms a level, offers the next one, which may be ill, and pulls the plug
// around the nth write to the disk or change of a thing after that. It reports whether
// there were so many.
func touchPlay(t *testing.T, ill, disk bool, n int, before bool) (*world, *things, bool) {
	w := newWorld(t)
	s := newThings(w)
	w.mustConfirm(w.publishTouching("fix@1", fake.Behaviour{}, sysctl("vm.a", "1"), after(sysctl("vm.b", "3")), command("flush", true)))
	does := fake.Behaviour{}
	if ill {
		does.Ill = "503"
	}
	second := w.publishTouching("fix@2", does, sysctl("vm.a", "2"), everything[3], command("rinse", true), restart("web.service"))
	if disk {
		w.disk.plug, w.disk.before = w.disk.saves+n, before
	} else {
		s.plug, s.before = s.calls+n, before
	}
	was := untilPlug(func() {
		w.offer(second, 1)
		w.pass(30 * time.Second)
	})
	w.disk.plug, s.plug = 0, 0
	return w, s, was
}

// asLevel checks that everything is as the level in the kernel says.
func (s *things) asLevel() {
	s.w.t.Helper()
	flush, rinse := command("flush", true).Thing(), command("rinse", true).Thing()
	switch s.w.running().Level {
	case 1:
		s.mustBe("sysctl vm/a=1", "sysctl vm/b=3", "module af_alg=loaded", flush+"=done")
		if s.values[rinse] == touch.Done {
			s.w.t.Error("the second level's command was not undone")
		}
	case 2:
		s.mustBe("sysctl vm/a=2", "sysctl vm/b=10\t20", "module af_alg=absent", flush+"=undone", rinse+"=done")
	default:
		s.w.t.Errorf("the kernel runs %v", s.w.running())
	}
}

func everyTouch(t *testing.T, f func(w *world, s *things)) {
	for _, ill := range []bool{false, true} {
		for _, disk := range []bool{false, true} {
			for _, before := range []bool{false, true} {
				points := 0
				for n := 1; ; n++ {
					w, s, was := touchPlay(t, ill, disk, n, before)
					if !was {
						break
					}
					points++
					t.Run(fmt.Sprintf("ill=%t/disk=%t/before=%t/%d", ill, disk, before, n), func(t *testing.T) {
						w.t = t
						f(w, s)
					})
				}
				if points < 6 {
					t.Fatalf("the plug was pulled %d times only", points)
				}
			}
		}
	}
}

func TestALoaderKilledAtAnyTouchLeavesEverythingAsItsLevelSays(t *testing.T) {
	everyTouch(t, func(w *world, s *things) {
		w.start()
		w.exchange()
		w.pass(30 * time.Second)
		if w.ledger().Attempt != nil {
			w.t.Fatalf("the attempt goes on for ever: %s", w.states())
		}
		s.asLevel()
	})
}

func TestAHostThatGoesDownAtAnyTouchComesBackAsItsLevelSays(t *testing.T) {
	everyTouch(t, func(w *world, s *things) {
		w.machine.Crash("")
		s.reboot()
		w.reboot(false)
		w.pass(40 * time.Second)
		s.asLevel()
		for _, r := range w.ledger().Touched {
			if r.Boot != w.ledger().Boot.ID {
				w.t.Errorf("the journal has %+v of an earlier boot", r)
			}
		}
	})
}

// Whatever happens in whatever order, what is touched is as the level in the kernel
// says, and in the end as it was before the first level, or as somebody else set it.
func TestTheWorldIsAsItWasBefore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { newTouchHistory(t, rt).run() })
}

// touchHistory is a random history of one host.
type touchHistory struct {
	rt *rapid.T
	w  *world
	s  *things
	// plans are those of levels, by level; level is the newest that was published.
	plans map[int]hotstick.PlanID
	level int
	// persons is what somebody else set in this boot.
	persons map[string]string
}

func newTouchHistory(t *testing.T, rt *rapid.T) *touchHistory {
	w := newWorld(t)
	return &touchHistory{rt: rt, w: w, s: newThings(w), plans: map[int]hotstick.PlanID{}, persons: map[string]string{}}
}

func (h *touchHistory) run() {
	for range rapid.IntRange(2, 7).Draw(h.rt, "steps") {
		switch rapid.SampledFrom([]string{"upgrade", "upgrade", "upgrade", "back", "person", "reboot"}).Draw(h.rt, "step") {
		case "upgrade":
			h.upgrade()
		case "back":
			h.back()
		case "person":
			thing := rapid.SampledFrom([]string{"sysctl vm/a", "sysctl vm/b"}).Draw(h.rt, "thing")
			h.persons[thing] = fmt.Sprint(1000 + len(h.s.did) + len(h.persons))
			h.s.values[thing] = h.persons[thing]
		case "reboot":
			h.reboot(rapid.Bool().Draw(h.rt, "clean"))
		}
		h.check()
	}
	for h.w.running().Level > 0 {
		was := h.w.running()
		h.back()
		if h.w.running() == was {
			h.rt.Fatalf("%v does not go back: %s", was, h.w.states())
		}
		h.check()
	}
	for thing, value := range h.s.values {
		want, known := h.s.booted[thing]
		if p, changed := h.persons[thing]; changed {
			want, known = p, true
		}
		if known && value != want || !known && value == touch.Done {
			h.rt.Fatalf("in the end the %s is %q, want %q; it did %q", thing, value, want, h.s.did)
		}
	}
}

var touchable = []hotstick.Touch{
	sysctl("vm.a", "1"), sysctl("vm.a", "2"), after(sysctl("vm.b", "3")), sysctl("vm.b", "4"), everything[3], everything[4],
	command("flush", true), command("rinse", true), restart("web.service"),
}

// upgrade offers the next level, which may be ill, with the plug pulled somewhere.
func (h *touchHistory) upgrade() {
	h.level++
	touches := rapid.SliceOfNDistinct(rapid.SampledFrom(touchable), 0, 4, hotstick.Touch.Thing).Draw(h.rt, "touches")
	does := fake.Behaviour{}
	if rapid.IntRange(0, 3).Draw(h.rt, "ill") == 0 {
		does.Ill = "503"
	}
	p := h.w.publishTouching(fmt.Sprintf("fix@%d", h.level), does, touches...)
	h.plug(func() { h.plans[h.level] = h.w.offer(p, 1); h.settle() })
}

// back orders the level in effect back, with the plug pulled somewhere.
func (h *touchHistory) back() {
	id, ok := h.plans[h.w.running().Level]
	if !ok {
		return
	}
	h.plug(func() { h.w.exchange(h.w.order(id, nil)); h.settle() })
	if h.w.ledger().Attempt == nil && h.w.running().Level > 0 {
		h.w.exchange(h.w.order(id, nil)) // the plug was pulled before the order counted
		h.settle()
	}
}

// plug runs f and kills the loader at a random write or change in it, or nowhere.
func (h *touchHistory) plug(f func()) {
	n := rapid.IntRange(0, 12).Draw(h.rt, "plug")
	before := rapid.Bool().Draw(h.rt, "before")
	switch {
	case n == 0:
	case rapid.Bool().Draw(h.rt, "disk"):
		h.w.disk.plug, h.w.disk.before = h.w.disk.saves+n, before
	default:
		h.s.plug, h.s.before = h.s.calls+n, before
	}
	was := untilPlug(f)
	h.w.disk.plug, h.s.plug = 0, 0
	if was {
		h.w.start()
		h.w.exchange()
		h.settle()
	}
}

// settle lets time pass until nothing is under way.
func (h *touchHistory) settle() {
	h.w.pass(time.Second)
	for range 60 {
		if h.w.ledger().Attempt == nil {
			return
		}
		h.w.pass(time.Second)
	}
	h.rt.Fatalf("an attempt goes on for ever: %s", h.w.states())
}

func (h *touchHistory) reboot(clean bool) {
	h.persons = map[string]string{}
	h.w.now = h.w.now.Add(time.Hour) // two crashes are no boot loop
	if !clean {
		h.w.machine.Crash("")
	}
	h.s.reboot()
	h.w.reboot(clean)
	h.w.pass(10 * time.Second)
	h.settle()
}

// check compares everything with what the level in the kernel declares.
func (h *touchHistory) check() {
	declared := map[string]string{}
	running := h.w.running()
	if p, ok := h.w.view.Patch(running); ok {
		for _, t := range p.Touches {
			switch t.Kind {
			case hotstick.TouchModuleLoad:
				declared[t.Thing()] = touch.Loaded
			case hotstick.TouchModuleUnload:
				declared[t.Thing()] = touch.Absent
			case hotstick.TouchCommand:
				declared[t.Thing()] = touch.Done
			case hotstick.TouchSysctl:
				declared[t.Thing()] = t.Value
			}
		}
	}
	for thing, value := range h.s.values {
		want, known := declared[thing]
		if !known {
			want, known = h.s.booted[thing]
		}
		if _, changed := h.persons[thing]; changed {
			continue // judged at the end
		}
		if known && value != want || !known && value == touch.Done {
			h.rt.Fatalf("with %v the %s is %q, want %q; it did %q; %s", running, thing, value, want, h.s.did, h.w.states())
		}
	}
}

func TestWhatWasTouchedBeforeARefusedLoadIsPutBack(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	w.offer(w.publishTouching("fix@1", fake.Behaviour{Refuse: hotstick.ReasonKernelRefused}, sysctl("vm.a", "1")), 1)
	w.pass(2 * time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonKernelRefused)
	s.mustBe("sysctl vm/a=0")
	if left := w.ledger().Touched; len(left) != 0 {
		t.Errorf("the ledger still has %+v", left)
	}
	if !slices.Equal(s.did, []string{"sysctl vm/a=1@0", "sysctl vm/a=0@0"}) {
		t.Errorf("the loader did %q", s.did)
	}
}

func TestALoaderThatIsToldToStopInATouchHasNotFailed(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	w.mustConfirm(w.publishTouching("fix@1", fake.Behaviour{}, command("mark", true)))
	w.machine.Boot()
	w.now = w.now.Add(time.Second)
	w.start()
	told, stop := context.WithCancel(t.Context())
	s.did, s.stop = nil, stop
	w.loader.Tick(told)
	if r := w.ledger().Touched; told.Err() == nil || len(r) != 1 || r[0].Tries != 0 {
		t.Fatalf("told to stop in the midst of undoing a command, the ledger has %+v", r)
	}
	s.stop = nil
	w.start()
	w.pass(time.Second)
	if len(s.did) == 0 || !strings.HasSuffix(s.did[0], "="+touch.Undone+"@0") {
		t.Fatalf("the next loader did %q", s.did)
	}
}

func TestAnOldGrantMakesNoLoaderLookAtThings(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	p := w.publishTouching("fix@1", fake.Behaviour{}, sysctl("vm.a", "1"))
	raw, id := w.plan(p, nil)
	w.exchange(raw)
	old := w.grant(id, 1, nil)
	w.pass(5 * time.Minute)
	before := s.reads
	w.exchange(old)
	w.mustRefuse(hotstick.ReasonGrantExpired)
	if s.reads != before {
		t.Errorf("an old grant made the loader read %d things", s.reads-before)
	}
	w.exchange(w.grant(id, 1, nil))
	if s.reads == before {
		t.Error("a good grant was judged without a look at what it touches")
	}
}
