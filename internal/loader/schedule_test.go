package loader_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// scheduling is a vendor whose system schedules itself.
type scheduling struct{ *vendor }

// onHold is how a system is set that was put on hold, and hourly how one was before.
const (
	onHold = "on hold"
	hourly = "every hour"
)

func (v scheduling) Held(context.Context) (bool, string, error) {
	if v.schedule == onHold {
		return true, "", nil
	}
	return false, "it runs " + v.schedule, nil
}

func (v scheduling) Settings(context.Context) ([]byte, error) {
	v.did = append(v.did, "settings")
	return []byte(v.schedule), v.fails
}

func (v scheduling) Hold(context.Context) error {
	v.did = append(v.did, "hold")
	if v.fails != nil || v.lies {
		return v.fails
	}
	v.schedule = onHold
	return nil
}

func (v scheduling) Release(_ context.Context, settings []byte) error {
	v.did = append(v.did, "release "+string(settings))
	if v.fails != nil {
		return v.fails
	}
	v.schedule = string(settings)
	return nil
}

// newScheduler is a world whose vendor's system has loaded a level that the catalog lists, and
// schedules itself.
func newScheduler(t *testing.T) (*world, *vendor, hotstick.Patch) {
	t.Helper()
	w, v := newVendor(t)
	v.schedule, v.takes = hourly, time.Second
	p := v.recipe("fix@1", fake.Behaviour{})
	w.journal = journal.Open(t.TempDir())
	w.start()
	if err := v.load(t.Context(), "kpatch_fix_1"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	return w, v, p
}

// adopts asks until the loader says that it is done or why not, as hotstick-agent does.
func (w *world) adopts() operate.Answer {
	w.t.Helper()
	for range 60 {
		a := w.does(operate.Request{Action: operate.Adopt})
		if a.Refused != nil || a.Waiting == "" {
			return a
		}
		w.pass(time.Second)
		if s := w.does(operate.Request{Action: operate.State}).State; s.Schedule != nil {
			return operate.Answer{Refused: s.Schedule}
		}
	}
	w.t.Fatal("the adoption does not end")
	return operate.Answer{}
}

// releases asks for a release and waits for its end.
func (w *world) releases() {
	w.t.Helper()
	w.mustDo(operate.Request{Action: operate.Release})
	for range 60 {
		if w.ledger().Adopted == nil {
			return
		}
		w.pass(time.Second)
	}
	w.t.Fatalf("the release does not end: %+v", w.does(operate.Request{Action: operate.State}).State.Schedule)
}

// wrote lists the kinds in the journal that tell of adoptions.
func (w *world) wrote() string {
	w.t.Helper()
	var kinds []string
	for _, e := range w.mustDo(operate.Request{Action: operate.Journal}).Entries {
		if slices.Contains([]journal.Kind{journal.KindAdopt, journal.KindHeldAgain, journal.KindLifted, journal.KindRelease, journal.KindReleased, journal.KindForgotten}, e.Kind) {
			kinds = append(kinds, string(e.Kind))
		}
	}
	return strings.Join(kinds, " ")
}

func TestASystemThatSchedulesItselfIsHeldByAStepAndGivenBackAsItWas(t *testing.T) {
	w, v, p := newScheduler(t)
	a := w.adopts()
	if a.Refused != nil || a.Adoption == nil || a.Adoption.Stage != ledger.Taken || a.Adoption.Driver != "kpatch" || a.Adoption.Level.Patch != p.Ref ||
		string(a.Adoption.Settings) != hourly || a.Adoption.By != "alice" {
		t.Fatalf("the adoption came to %+v %+v", a, a.Adoption)
	}
	if v.schedule != onHold || strings.Join(v.did, ", ") != "settings, hold" {
		t.Fatalf("it is %s after %v", v.schedule, v.did)
	}
	if resp := w.exchange(); resp.InEffect != p.Ref || resp.AdoptedFor != "kpatch" || resp.Lifted != nil || *resp.Expected != p.Ref {
		t.Fatalf("the agent is told %+v", resp)
	}
	if again := w.adopts(); again.Adoption == nil || len(v.did) != 2 {
		t.Fatalf("repeated it did %v", v.did)
	}
	w.mustRun(p.Ref)
	w.releases()
	if v.schedule != hourly || v.did[len(v.did)-1] != "release "+hourly {
		t.Errorf("it is %s after %v", v.schedule, v.did)
	}
	if led := w.ledger(); led.Permit != nil || led.Adopted != nil {
		t.Errorf("the ledger has %+v and %+v", led.Permit, led.Adopted)
	}
	if wrote := w.wrote(); wrote != "adopt on_hold release released" {
		t.Errorf("the journal has %s", wrote)
	}
}

func TestALevelGoesToAHostWhoseSystemIsHeldAndToNoOther(t *testing.T) {
	w, v, _ := newScheduler(t)
	next := v.recipe("fix@2", fake.Behaviour{})
	v.offer(next)
	w.mustRefuse(hotstick.ReasonOtherMaster)
	w.adopts()
	v.mustConfirm(next)
	if v.schedule != onHold {
		t.Errorf("after that it is %s", v.schedule)
	}
	w.releases() // the newer level is the system's own, and stays
	w.mustRun(next.Ref)
}

func TestALiftedHoldIsSeenWrittenDownAndKeepsGrantsAway(t *testing.T) {
	w, v, _ := newScheduler(t)
	w.adopts()
	v.schedule = "every minute"
	resp := w.exchange() // the first call after it
	if l := resp.Lifted; l == nil || !strings.Contains(l.Detail, "every minute") || l.Before.IsZero() || l.At.Before(l.Before) {
		t.Fatalf("the agent is told of %+v", resp.Lifted)
	}
	v.offer(v.recipe("fix@2", fake.Behaviour{}))
	w.mustRefuse(hotstick.ReasonHoldLifted)
	w.start() // another process does not tell it again
	w.pass(2 * time.Second)
	if wrote := w.wrote(); wrote != "adopt on_hold hold_lifted" {
		t.Fatalf("the journal has %s", wrote)
	}
	if len(v.did) != 2 || v.schedule != "every minute" {
		t.Fatalf("nobody has asked for it, and it did %v", v.did)
	}
	if a := w.adopts(); a.Refused != nil || v.schedule != onHold || a.Adoption.Lifted != nil || string(a.Adoption.Settings) != hourly {
		t.Fatalf("put on hold again it is %s: %+v", v.schedule, a.Adoption)
	}
	if resp := w.exchange(); resp.Lifted != nil {
		t.Errorf("the agent is still told of %+v", resp.Lifted)
	}
	v.schedule = "daily"
	w.exchange()
	v.schedule = onHold // by whoever had lifted it
	w.exchange()
	if wrote := w.wrote(); wrote != "adopt on_hold hold_lifted adopt on_hold hold_lifted on_hold" {
		t.Errorf("the journal has %s", wrote)
	}
	w.releases()
	if v.schedule != hourly {
		t.Errorf("what comes back is %s", v.schedule)
	}
}

func TestAnAdoptionThatCannotHoldSaysWhyAndGoesOnLater(t *testing.T) {
	w, v, _ := newScheduler(t)
	v.fails = driver.Refuse(hotstick.ReasonToolFailed, "the lock is taken")
	if a := w.adopts(); codeOf(a.Refused) != hotstick.ReasonToolFailed || w.ledger().Adopted != nil {
		t.Fatalf("settings that cannot be read came to %+v, %+v", a.Refused, w.ledger().Adopted)
	}
	v.fails, v.lies = nil, true
	if a := w.adopts(); codeOf(a.Refused) != hotstick.ReasonToolFailed || w.ledger().Adopted.Stage != ledger.Taking {
		t.Fatalf("a hold that is none came to %+v", a.Refused)
	}
	if resp := w.exchange(); len(resp.Adopted) != 0 {
		t.Errorf("the agent is told that %v is adopted", resp.Adopted)
	}
	v.lies = false
	w.pass(2 * time.Minute) // nobody asks again
	if v.schedule != onHold || w.ledger().Adopted.Stage != ledger.Taken {
		t.Errorf("later it is %s", v.schedule)
	}
}

// TestSettingsThatCannotBeGivenBackStayUntilSomebodySaysSo: a tool that fails, a system that
// was uninstalled and a driver that this loader has not got are all that somebody may mend.
// Whoever knows better forgets the adoption, and the ledger keeps what was not given back.
func TestSettingsThatCannotBeGivenBackStayUntilSomebodySaysSo(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(w *world, v *vendor)
		code hotstick.ReasonCode
	}{
		{"a tool that fails", func(_ *world, v *vendor) { v.fails = driver.Refuse(hotstick.ReasonToolFailed, "broken") }, hotstick.ReasonToolFailed},
		{"a system that was uninstalled", func(_ *world, v *vendor) {
			v.gone, v.fails = true, driver.Refuse(hotstick.ReasonUnsupported, "cannot find the program")
		}, hotstick.ReasonUnsupported},
		{"a driver that there is not", func(w *world, _ *vendor) { w.vendor = nil; w.start(); w.exchange() }, hotstick.ReasonUnsupported},
	} {
		w, v, p := newScheduler(t)
		w.adopts()
		w.mustBeRefused(operate.Request{Action: operate.Release, Forget: true}, hotstick.ReasonOtherMaster) // nobody has tried yet
		row.edit(w, v)
		w.mustDo(operate.Request{Action: operate.Release})
		w.mustBeRefused(operate.Request{Action: operate.Release, Forget: true}, hotstick.ReasonOtherMaster) // it is being tried
		w.pass(3 * time.Minute)
		s := w.does(operate.Request{Action: operate.State}).State
		if s.Adopted == nil || string(s.Adopted.Settings) != hourly || codeOf(s.Schedule) != row.code {
			t.Fatalf("%s came to %+v, %+v", row.name, s.Adopted, s.Schedule)
		}
		a := w.mustDo(operate.Request{Action: operate.Release, Forget: true})
		if a.Adoption == nil || string(a.Adoption.Settings) != hourly || !strings.Contains(a.Done, "nothing was given back") {
			t.Errorf("%s: whoever forgets it is told %+v", row.name, a)
		}
		f := w.ledger().Forgotten
		if w.ledger().Adopted != nil || f == nil || string(f.Adoption.Settings) != hourly || f.Adoption.Level.Patch != p.Ref || f.By != "alice" || codeOf(f.Why) != row.code {
			t.Errorf("%s: the ledger has %+v and %+v", row.name, w.ledger().Adopted, f)
		}
		w.pass(2 * time.Minute)
		if wrote := w.wrote(); wrote != "adopt on_hold release forgotten" || v.schedule != onHold {
			t.Errorf("%s: the journal has %s, and it is %s", row.name, wrote, v.schedule)
		}
	}
}

// A tool that failed once gives the settings back once it works again.
func TestAReleaseThatFailedIsDoneLater(t *testing.T) {
	w, v, _ := newScheduler(t)
	w.adopts()
	v.gone, v.fails = true, driver.Refuse(hotstick.ReasonUnsupported, "cannot find the program")
	w.mustDo(operate.Request{Action: operate.Release})
	w.pass(time.Minute)
	v.gone, v.fails = false, nil
	w.releases()
	if v.schedule != hourly || w.ledger().Forgotten != nil {
		t.Errorf("it is %s, and the ledger has %+v", v.schedule, w.ledger().Forgotten)
	}
}

func TestASystemWithNothingInEffectIsOnlyPutOnHold(t *testing.T) {
	w, v := newVendor(t)
	v.schedule, v.takes = hourly, time.Second
	w.start()
	w.exchange()
	if a := w.adopts(); a.Refused != nil || !a.Adoption.Level.Patch.IsZero() || v.schedule != onHold || w.ledger().Permit != nil {
		t.Fatalf("it came to %+v", a)
	}
	v.mustConfirm(v.recipe("fix@1", fake.Behaviour{}))
	w.start() // the ledger reads well
	w.releases()
	if v.schedule != hourly {
		t.Errorf("what comes back is %s", v.schedule)
	}
}

func TestWhatKeepsASystemFromBeingAdopted(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(w *world, v *vendor)
		code hotstick.ReasonCode
	}{
		{"a level that the catalog does not list", func(w *world, _ *vendor) { w.view.Patches = nil; w.exchange() }, hotstick.ReasonForeignPatch},
		{"two levels with the same module", func(w *world, _ *vendor) {
			twice := w.view.Patches[0]
			twice.Ref.Level++
			w.view.Patches = append(w.view.Patches, twice)
			w.exchange()
		}, hotstick.ReasonForeignPatch},
		{"another system that loads by itself", func(w *world, _ *vendor) { w.others = &also{}; w.start(); w.exchange() }, hotstick.ReasonForeignPatch},
		{"a recalled level", func(w *world, _ *vendor) { w.recall(w.view.Patches[0], hotstick.RecallBlock); w.exchange() }, hotstick.ReasonForeignPatch},
	} {
		w, v, _ := newScheduler(t)
		row.edit(w, v)
		if a := w.adopts(); codeOf(a.Refused) != row.code || w.ledger().Adopted != nil || v.schedule != hourly {
			t.Errorf("%s: %+v %v", row.name, a.Refused, a.Unknown)
		}
	}
}

// also is a host on which another vendor's daemon runs as well.
type also struct{ neighbour }

func (also) Masters([]hotstick.LoadedPatch) []hotstick.Master {
	return []hotstick.Master{{System: "canonical", Active: true}, {System: "kpatch", Active: true}}
}

// TestAnAdoptionSurvivesAPulledPlug pulls the plug before and after each durable write of an
// adoption, a lifted hold, a second adoption and a release, restarts the loader or the whole
// machine, and has the person repeat what was asked for. Whatever was cut, the system ends on
// hold after an adoption and exactly as it was after the release.
func TestAnAdoptionSurvivesAPulledPlug(t *testing.T) {
	for _, reboots := range []bool{false, true} {
		for _, before := range []bool{true, false} {
			writes := 0
			for n := 1; ; n++ {
				w, v, _ := newScheduler(t)
				w.disk.plug, w.disk.before = w.disk.saves+n, before
				was := untilPlug(func() { adoptedAndGivenBack(w, v) })
				w.disk.plug = 0
				if !was {
					break
				}
				writes++
				t.Run(fmt.Sprintf("reboots=%t/before=%t/%d", reboots, before, n), func(t *testing.T) {
					w.t = t
					if v.dir = t.TempDir(); reboots { // memory is empty after a boot
						w.machine.Boot()
						if err := v.load(t.Context(), "kpatch_fix_1"); err != nil {
							t.Fatal(err)
						}
					} else if v.job != nil {
						v.die()
					}
					v.job, v.wanted = nil, false
					w.start()
					w.pass(time.Second)
					if a := w.ledger().Adopted; a != nil && a.Stage == ledger.Releasing {
						w.releases()
					}
					if v.schedule != hourly && w.ledger().Adopted == nil {
						t.Fatalf("it is %s, and nobody knows how it was", v.schedule)
					}
					adoptedAndGivenBack(w, v)
				})
			}
			if writes < 5 {
				t.Fatalf("the plug was pulled %d times only", writes)
			}
		}
	}
}

func adoptedAndGivenBack(w *world, v *vendor) {
	w.t.Helper()
	if a := w.adopts(); a.Refused != nil || v.schedule != onHold {
		w.t.Fatalf("the adoption came to %+v %v, and it is %s", a.Refused, a.Unknown, v.schedule)
	}
	v.schedule = "every minute"
	w.exchange()
	if a := w.adopts(); a.Refused != nil || v.schedule != onHold {
		w.t.Fatalf("put on hold again it is %s: %+v", v.schedule, a.Refused)
	}
	w.releases()
	if v.schedule != hourly {
		w.t.Fatalf("given back it is %s", v.schedule)
	}
}
