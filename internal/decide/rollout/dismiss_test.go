package rollout_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// dismiss does to a host what an operator's word does.
func dismiss(h *rollout.Host) {
	why := rollout.Dismissal(h.State, h.Reason, hotstick.Reason{Code: hotstick.ReasonOperator, Subject: "alice", Detail: "bad memory"})
	h.State, h.Reason = hotstick.Skipped, &why
}

// traced gives crashes one trace each, by the function in which the kernel stopped.
func traced(function string) func(*rollout.Host) {
	return func(h *rollout.Host) {
		h.Evidence = []hotstick.Evidence{{Kind: "crash_trace", Text: "RIP: 0010:" + function + "+0x1/0x2"}}
	}
}

func TestDismissedHosts(t *testing.T) {
	in := on("b", standsInFor("a", 0))
	holds(t, []rule{
		{"a lane without a confirmed canary goes on holding", "a/x/0:quarantined=crash b/x/1:waiting", on("a", dismiss), time.Hour, ""},
		{"a stand-in takes the place", "a/x/0:quarantined=crash b/x/1:waiting", all(in, on("a", dismiss)), 0, "start b, b stands in"},
		{"and its readings open the lane", "a/x/0:quarantined=crash b/x/1:confirmed c/x/1:waiting",
			all(in, on("a", dismiss), on("b", standing)), time.Minute, "start c"},
		{"another host of the wave opens it as well", "a/x/0:quarantined=crash b/x/0:confirmed c/x/1:waiting", on("a", dismiss), time.Minute, "start c"},
		{"a second loss of the same kind halts", "a/x/0:quarantined=crash b/x/0:quarantined=crash c/x/1:waiting",
			all(on("a b", traced("do_exit")), on("a", dismiss)), time.Minute, "halted, revert, ban"},
		{"also where both were dismissed", "a/x/0:quarantined=crash b/x/0:quarantined=crash c/x/1:waiting",
			all(on("a b", traced("do_exit")), on("a b", dismiss)), time.Minute, "halted, revert, ban"},
		{"a reverted canary makes room for its stand-in", "a/x/0:reverted=revert_ordered b/x/1:waiting", all(in, on("a", dismiss)), 0, "start b, b stands in"},
		{"a dismissed host never comes back", "a/x/0:failed=kernel_refused b/x/0:confirmed", on("a", dismiss), time.Hour, "completed"},
	})
}

func TestADismissalKeepsHowTheHostEnded(t *testing.T) {
	said := hotstick.Reason{Code: hotstick.ReasonOperator, Subject: "alice", Detail: "bad memory"}
	for _, state := range hotstick.HostStates() {
		if !rollout.MayDismiss(state) {
			continue
		}
		if !state.CanBecome(hotstick.Skipped) {
			t.Errorf("%s cannot be skipped", state)
		}
		for _, code := range append(hotstick.ReasonCodes(), "") {
			happened := &hotstick.Reason{Code: code, Subject: "rcu"}
			if code == "" {
				happened = nil
			}
			why := rollout.Dismissal(state, happened, said)
			if why.Validate() != nil || why.Code != hotstick.ReasonDismissed || why.Subject != "alice: bad memory" {
				t.Errorf("%s for %q is dismissed as %+v", state, code, why)
			}
			if got := rollout.Outcome(hotstick.Skipped, &why); got != state {
				t.Errorf("%s for %q counts as %s once it is dismissed", state, code, got)
			}
		}
	}
}

// TestADismissedCrashStillCountsInTheRates: the losses of a plan add up, whoever
// looked at them.
func TestADismissedCrashStillCountsInTheRates(t *testing.T) {
	v := fleet("a/x/0:quarantined=crash b/y/0:quarantined=crash c/z/0:quarantined=crash d/z/1:waiting")
	v.Plan.Gate = hotstick.GateSettings{}
	on("a b c", dismiss)(&v)
	d := rollout.Next(v, t0.Add(time.Hour))
	if d.Status != hotstick.Halted || d.Reason.Cause != hotstick.ReasonRate {
		t.Errorf("decided %s because of %+v, want a halt for the rate of losses", d.Status, d.Reason)
	}
	for _, g := range d.Gates {
		if g.Outcome == gate.Pass {
			t.Errorf("a gate passed: %+v", g)
		}
	}
}
