package loader_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/operate"
	"github.com/hotstick/hotstick/internal/loader/touch"
)

var switchedOff = loader.Off{By: hotstick.OffByFile, Why: "pages all night"}

func TestWhatIsSwitchedOffStartsNothingAndUsesNoAttemptUp(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.off = switchedOff
	id := w.offer(p, 1)
	w.mustRefuse(hotstick.ReasonSwitchedOff)
	if r := w.refusals[0]; r.Subject != hotstick.OffByFile || r.Detail != "pages all night" || w.last.Off != hotstick.OffByFile {
		t.Errorf("refused with %+v by a loader that says %q", r, w.last.Off)
	}
	w.pass(20 * time.Second)
	w.mustRun(hotstick.PatchRef{})
	w.off = loader.Off{}
	w.exchange()
	w.exchange(w.grant(id, 1, nil))
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
}

func TestWhatIsUnderWayGoesBackBeforeHotstickIsOff(t *testing.T) {
	for _, c := range []struct {
		when   string
		passes time.Duration
	}{
		{"before the load", 0}, {"in the transition", 200 * time.Millisecond}, {"on probation", 5 * time.Second},
	} {
		w := newWorld(t)
		older := w.publish("fix@1", fake.Behaviour{})
		w.mustConfirm(older)
		w.offer(w.publish("fix@2", fake.Behaviour{}), 1)
		w.pass(c.passes)
		w.off = switchedOff
		w.pass(5 * time.Second)
		w.mustEnd(hotstick.Reverted, hotstick.ReasonSwitchedOff)
		w.mustRun(older.Ref)
		if t.Failed() {
			t.Fatalf("switched off %s", c.when)
		}
	}
}

func TestWhatIsSwitchedOffTakesNothingOut(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	id := w.mustConfirm(p)
	w.off = switchedOff
	w.exchange(w.order(id, nil))
	w.mustRefuse(hotstick.ReasonSwitchedOff)
	w.mustBeRefused(operate.Request{Action: operate.Revert, Reason: "by hand"}, hotstick.ReasonSwitchedOff)
	w.recall(p, hotstick.RecallRevert)
	w.exchange()
	w.pass(10 * time.Second)
	w.mustRun(p.Ref)
	w.off = loader.Off{}
	w.pass(time.Second)
	w.mustRun(hotstick.PatchRef{})
}

func TestWhatIsSwitchedOffUndoesNoCommandOfAnEarlierBoot(t *testing.T) {
	w := newWorld(t)
	s := newThings(w)
	w.mustConfirm(w.publishTouching("fix@1", fake.Behaviour{}, command("mark", true)))
	s.did = nil
	w.off = loader.Off{By: hotstick.OffByCommandLine}
	w.reboot(true)
	w.pass(20 * time.Second)
	if len(s.did) != 0 {
		t.Fatalf("switched off, the loader did %q", s.did)
	}
	w.off = loader.Off{}
	w.pass(time.Second)
	if len(s.did) == 0 || !strings.HasSuffix(s.did[0], "="+touch.Undone+"@0") {
		t.Fatalf("switched on again, the loader did %q", s.did)
	}
}

func TestWhatIsSwitchedOffComesBackOnceTheSwitchIsGone(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.off = loader.Off{By: hotstick.OffByCommandLine}
	w.reboot(true)
	w.pass(20 * time.Second)
	w.mustRun(hotstick.PatchRef{})
	if w.last.Off != hotstick.OffByCommandLine {
		t.Errorf("the loader says %q", w.last.Off)
	}
	w.off = loader.Off{}
	w.reboot(true)
	w.pass(20 * time.Second)
	w.mustRun(p.Ref)
}

// mustIdle checks whether the loader may end.
func (w *world) mustIdle(want bool, when string) {
	w.t.Helper()
	if left, may := w.loader.Idle(); (may && left <= 0) != want {
		w.t.Errorf("%s: the loader may end: %t, in %s; want %t now", when, may, left, want)
	}
}

func TestALoaderEndsOnlyForWantOfWork(t *testing.T) {
	w := newWorld(t)
	w.limits.Idle = time.Minute
	w.start()
	w.exchange()
	w.mustIdle(false, "just after a call")
	w.mute = true
	w.pass(61 * time.Second)
	w.mustIdle(true, "a minute after a call")
	w.mute = false
	p := w.publish("fix@1", fake.Behaviour{})
	w.offer(p, 1)
	if _, may := w.loader.Idle(); may {
		t.Error("with an attempt under way it may end")
	}
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mute = true
	w.pass(61 * time.Second)
	w.mustIdle(true, "a minute after a confirmed attempt")

	w.machine.Boot()
	w.now = w.now.Add(time.Second)
	w.start()
	w.loader.Tick(context.Background())
	if _, may := w.loader.Idle(); may {
		t.Error("with a level that is to come back it may end")
	}
	w.pass(80 * time.Second)
	w.mustRun(p.Ref)
	w.mustIdle(true, "when the level is back")

	w.off = switchedOff
	w.machine.Boot()
	w.now = w.now.Add(time.Second)
	w.start()
	w.pass(61 * time.Second)
	w.mustIdle(true, "with a level that must not come back")
}

// leave runs the loader until it ends by itself.
func (w *world) leave() {
	w.t.Helper()
	w.pass(2 * time.Minute)
	if err := w.loader.Run(context.Background()); !errors.Is(err, loader.ErrIdle) {
		w.t.Fatalf("the loader ended with %v", err)
	}
}

func TestHowTheMachineEndsAfterItsLoaderIsKnownAllTheSame(t *testing.T) {
	for _, c := range []struct {
		what    string
		marked  bool
		unclean int
	}{{"a crash", false, 1}, {"a shutdown", true, 0}} {
		w := newWorld(t)
		w.limits.Idle, w.mute = time.Minute, true
		w.start()
		w.leave()
		before := w.ledger().Boot
		w.now = w.now.Add(time.Hour)
		host := &simulated{machine: w.machine, build: build, now: w.clock, skew: func() time.Duration { return 0 }}
		if c.marked {
			if err := loader.MarkClean(w.disk, before.ID, host.Uptime()); err != nil {
				t.Fatal(err)
			}
			if after := w.ledger().Boot; !after.Clean || after.ClockMillis < before.ClockMillis+time.Hour.Milliseconds() {
				t.Errorf("%s left %+v after %+v", c.what, after, before)
			}
		}
		w.machine.Boot()
		w.start()
		if got := w.ledger().Boot; len(got.UncleanMillis) != c.unclean {
			t.Errorf("after %s the ledger says %+v", c.what, got)
		}
	}
}

func TestTheMarkIsForTheBootThatALoaderHasSeen(t *testing.T) {
	w := newWorld(t)
	before := w.ledger()
	if err := loader.MarkClean(w.disk, "another boot", time.Hour); err != nil || w.ledger().Boot.Clean || w.ledger().Boot.ID != before.Boot.ID {
		t.Errorf("another boot's end: %v, %+v", err, w.ledger().Boot)
	}
	if err := loader.MarkClean(&disk{}, "b", time.Hour); err != nil {
		t.Errorf("without a ledger: %v", err)
	}
	broken := &disk{}
	if err := broken.Save([]byte("{")); err != nil {
		t.Fatal(err)
	}
	if err := loader.MarkClean(broken, "b", time.Hour); err == nil {
		t.Error("a ledger that cannot be read is marked")
	}
}
