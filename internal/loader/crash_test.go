package loader_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader/link"
)

// untilPlug runs f and reports whether the plug was pulled in it.
func untilPlug(f func()) (was bool) {
	defer func() {
		switch p := recover(); p.(type) {
		case nil:
		case pulled:
			was = true
		default:
			panic(p)
		}
	}()
	f()
	return false
}

// crashCase is one kind of patch, with what must be true at the end.
type crashCase struct {
	what string
	does fake.Behaviour
	// ends are the ways in which the second level may end if the loader is killed
	// in the same boot.
	ends []hotstick.HostState
}

var crashCases = []crashCase{
	{what: "good", ends: []hotstick.HostState{hotstick.Confirmed, hotstick.Interrupted}},
	{what: "bad", does: fake.Behaviour{Ill: "503"}, ends: []hotstick.HostState{hotstick.Reverted, hotstick.Interrupted}},
	{what: "stalling", does: fake.Behaviour{Stall: true}, ends: []hotstick.HostState{hotstick.Reverted, hotstick.Interrupted}},
	{what: "refused", does: fake.Behaviour{Refuse: hotstick.ReasonKernelRefused}, ends: []hotstick.HostState{hotstick.Failed, hotstick.Interrupted}},
}

// play confirms level 1 and then offers level 2, and pulls the plug around the
// nth write after that. It returns false if there were fewer writes.
func play(t *testing.T, c crashCase, n int, before bool) (*world, bool) {
	w := newWorld(t)
	w.mustConfirm(w.publish("fix@1", fake.Behaviour{}))
	second := w.publish("fix@2", c.does)
	w.disk.plug, w.disk.before = w.disk.saves+n, before
	was := untilPlug(func() {
		w.offer(second, 1)
		w.pass(time.Minute)
	})
	w.disk.plug = 0
	return w, was
}

// everyPlug runs f with the plug pulled before and after each write of each case.
func everyPlug(t *testing.T, f func(t *testing.T, c crashCase, w *world)) {
	for _, c := range crashCases {
		for _, before := range []bool{true, false} {
			writes := 0
			for n := 1; ; n++ {
				w, was := play(t, c, n, before)
				if !was {
					break
				}
				writes++
				t.Run(fmt.Sprintf("%s/before=%t/%d", c.what, before, n), func(t *testing.T) {
					w.t = t
					f(t, c, w)
				})
			}
			if writes < 4 {
				t.Fatalf("%s: the plug was pulled %d times only", c.what, writes)
			}
		}
	}
}

func TestALoaderKilledAtAnyWriteResumesInTheSameBoot(t *testing.T) {
	everyPlug(t, func(t *testing.T, c crashCase, w *world) {
		w.start()
		w.exchange()
		w.pass(time.Minute)
		if n := w.loads["fix_2"]; n > 1 {
			t.Fatalf("one attempt loaded %d times; reported %s", n, w.states())
		}
		if strings.Contains(w.states(), "quarantined") {
			t.Fatalf("the loader's own death was taken for the host's: %s", w.states())
		}
		if w.loads["fix_2"] == 0 && len(w.reports) == 4 {
			w.mustRun(hotstick.PatchRef{Name: "fix", Level: 1}) // killed before the intent was durable
			return
		}
		end := w.reports[len(w.reports)-1].State
		if !slices.Contains(c.ends, end) {
			t.Fatalf("ended as %s: %s", end, w.states())
		}
		want := hotstick.PatchRef{Name: "fix", Level: 1}
		if end == hotstick.Confirmed {
			want.Level = 2
		}
		w.mustRun(want)
	})
}

func TestAHostThatGoesDownAtAnyWriteStrikesOnceAndComesBackSafe(t *testing.T) {
	everyPlug(t, func(t *testing.T, c crashCase, w *world) {
		led := w.ledger()
		open := led.Attempt != nil && led.Attempt.Level.Patch.Level == 2
		confirmed := led.Confirmed["fix"] == 2
		w.machine.Crash("")
		w.reboot(false)
		w.pass(time.Minute)
		if got := strings.Count(w.states(), "quarantined"); got != count(open) {
			t.Fatalf("an attempt was open: %t; strikes reported: %d; %s", open, got, w.states())
		}
		want := hotstick.PatchRef{Name: "fix", Level: 1}
		if confirmed {
			want.Level = 2
		}
		w.mustRun(want)
		if n := w.loads["fix_2"]; !confirmed && n > 1 {
			t.Fatalf("the second level was loaded %d times", n)
		}
		// And again: a second restart of everything changes nothing.
		states := w.states()
		w.start()
		w.exchange()
		w.pass(10 * time.Second)
		if w.states() != states {
			t.Errorf("after a restart there is more: %s, before %s", w.states(), states)
		}
		w.mustRun(want)
	})
}

func TestAHostShutDownCleanlyAtAnyWriteIsNeverStruck(t *testing.T) {
	everyPlug(t, func(t *testing.T, c crashCase, w *world) {
		w.start() // the loader was killed; systemd starts it again
		w.reboot(true)
		w.pass(time.Minute)
		if strings.Contains(w.states(), "quarantined") {
			t.Fatalf("a clean shutdown struck: %s", w.states())
		}
		if len(w.last.Strikes) != 0 {
			t.Fatalf("there are strikes: %v", w.last.Strikes)
		}
		if got := w.running(); got.Name != "fix" {
			t.Fatalf("the kernel runs %v", got)
		}
	})
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A loader that was killed between the bad reading and the way back has forgotten that
// reading. Its successor confirms nothing on the word of nobody.
func TestALoaderKilledBeforeTheWayBackDoesNotConfirmUnheard(t *testing.T) {
	for _, c := range []struct {
		what  string
		calls func(w *world)
		why   hotstick.ReasonCode
	}{
		{"no agent calls", func(*world) {}, hotstick.ReasonAgentSilent},
		{"an agent calls that has no readings", func(w *world) {
			if _, err := w.loader.Exchange(context.Background(), link.Request{}); err != nil {
				w.t.Fatal(err)
			}
		}, hotstick.ReasonProbeFailed},
		{"another probe answers", func(w *world) {
			readings := []hotstick.Reading{{Probe: "disk", Healthy: true}}
			if _, err := w.loader.Exchange(context.Background(), link.Request{Readings: readings}); err != nil {
				w.t.Fatal(err)
			}
		}, hotstick.ReasonProbeFailed},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			first := w.publish("fix@1", fake.Behaviour{})
			w.mustConfirm(first)
			w.offer(w.publish("fix@2", fake.Behaviour{}), 1)
			for w.ledger().Attempt.Phase != hotstick.Probation {
				w.pass(100 * time.Millisecond)
			}
			w.probe = "503"
			w.disk.plug, w.disk.before = w.disk.saves+1, true
			if !untilPlug(func() { w.pass(time.Minute) }) {
				t.Fatal("nothing was written about the way back")
			}
			w.disk.plug, w.mute = 0, true
			w.start()
			for range 60 { // a call a second, for longer than an agent may be silent
				w.pass(time.Second)
				c.calls(w)
			}
			w.mute = false
			w.probe = ""
			w.exchange()
			w.mustEnd(hotstick.Reverted, c.why)
			w.mustRun(first.Ref)
		})
	}
}
