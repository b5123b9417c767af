package loader_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// asks lets time go by, and grants the first attempt once more.
func (v *vendor) asks(after time.Duration, id hotstick.PlanID) {
	v.w.t.Helper()
	v.w.now = v.w.now.Add(after)
	v.w.exchange() // for a nonce
	v.w.exchange(v.w.grant(id, 1, nil))
}

// TestAToolThatStaysBrokenEndsTheGrantForGood: a host that waits for it keeps the slots of
// its failure domains, and the hosts beside it wait as well.
func TestAToolThatStaysBrokenEndsTheGrantForGood(t *testing.T) {
	for _, code := range []hotstick.ReasonCode{hotstick.ReasonToolFailed, hotstick.ReasonVerificationFailed, hotstick.ReasonTransitionBusy} {
		w, v := newVendor(t)
		v.cannot = code
		id := v.offer(v.recipe("fix@1", fake.Behaviour{}))
		for range 3 {
			v.asks(3*time.Minute, id)
			w.mustRefuse(code)
		}
		w.skew = 2 * time.Hour // the wall clock says nothing
		v.asks(59*time.Second, id)
		if w.mustRefuse(code); w.states() != "" {
			t.Fatalf("%s: before ten minutes are over it reported %q", code, w.states())
		}
		v.asks(2*time.Second, id)
		w.mustRefuse(code)
		w.mustEnd(hotstick.Failed, code)
		if said := w.reports[0].Reason.Detail; !strings.HasPrefix(said, "for 10m") {
			t.Errorf("%s: people are told %q", code, said)
		}
		v.cannot = ""
		v.asks(time.Second, id)
		w.mustRefuse(hotstick.ReasonGrantReplayed)
	}
}

func TestAToolHasTimeAnewAfterItAnswered(t *testing.T) {
	for name, change := range map[string]func(*vendor, hotstick.PlanID){
		"another cause":   func(v *vendor, id hotstick.PlanID) { v.cannot = hotstick.ReasonTransitionBusy; v.asks(time.Second, id) },
		"another attempt": func(v *vendor, id hotstick.PlanID) { v.w.exchange(v.w.grant(id, 2, nil)) },
		"a loader anew":   func(v *vendor, _ hotstick.PlanID) { v.w.start() },
		"an answer":       func(v *vendor, id hotstick.PlanID) { v.answersToAHeldHost(id) },
	} {
		w, v := newVendor(t)
		v.cannot = hotstick.ReasonToolFailed
		id := v.offer(v.recipe("fix@1", fake.Behaviour{}))
		v.asks(9*time.Minute, id)
		change(v, id)
		v.cannot = hotstick.ReasonToolFailed
		v.asks(9*time.Minute, id)
		if w.mustRefuse(hotstick.ReasonToolFailed); w.states() != "" {
			t.Errorf("%s: after nine minutes it reported %q", name, w.states())
		}
		v.asks(11*time.Minute, id)
		w.mustEnd(hotstick.Failed, hotstick.ReasonToolFailed)
	}
}

// answersToAHeldHost lets the tool answer to a grant while a person holds the host.
func (v *vendor) answersToAHeldHost(id hotstick.PlanID) {
	v.cannot = ""
	v.w.mustDo(operate.Request{Action: operate.Hold, Reason: "night shift"})
	v.asks(time.Second, id)
	v.w.mustRefuse(hotstick.ReasonHeldOnHost)
	v.w.mustDo(operate.Request{Action: operate.Unhold})
}

// TestALoaderThatCountsDoesNotEnd: it alone knows for how long the tool has not answered.
func TestALoaderThatCountsDoesNotEnd(t *testing.T) {
	w, v := newVendor(t)
	w.limits.Idle = time.Minute
	w.start()
	v.cannot = hotstick.ReasonToolFailed
	v.offer(v.recipe("fix@1", fake.Behaviour{}))
	w.now = w.now.Add(9 * time.Minute)
	w.mustIdle(false, "while it counts")
	w.now = w.now.Add(2 * time.Minute)
	w.mustIdle(true, "when nobody has asked for so long")
}
