package why_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/why"
)

// needNothing are the codes that describe no wait: what was decided, or is done.
var needNothing = map[hotstick.ReasonCode]bool{
	hotstick.ReasonAlreadyInEffect: true, hotstick.ReasonOperator: true, hotstick.ReasonSuperseded: true,
	hotstick.ReasonWrittenOff: true, hotstick.ReasonWaived: true, hotstick.ReasonRevertOrdered: true,
}

func TestEveryReasonHasARemedyOrEndsByItself(t *testing.T) {
	for _, code := range hotstick.ReasonCodes() {
		r := hotstick.Reason{Code: code}
		said := 0
		for _, yes := range []bool{why.Remedy(r) != "", why.Ends(r) != "", needNothing[code]} {
			if yes {
				said++
			}
		}
		if said != 1 {
			t.Errorf("%s: remedy %q, ends %q, needs nothing: %v; want exactly one", code, why.Remedy(r), why.Ends(r), needNothing[code])
		}
	}
}

func TestACauseMayHaveTheRemedy(t *testing.T) {
	r := hotstick.Reason{Code: hotstick.ReasonBudget, Cause: hotstick.ReasonSilentAfter, Detail: "db-1 keeps its slot"}
	if got := why.Remedy(r); !strings.Contains(got, "hotstick host write-off") {
		t.Errorf("of a slot that a lost host keeps: %q", got)
	}
}

func TestSentence(t *testing.T) {
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	later := now.Add(90 * time.Minute)
	tests := []struct {
		name   string
		of     why.Subject
		what   string
		reason *hotstick.Reason
		want   string
	}{
		{"what moves", why.AWave, "w2", nil, "Wave w2 moves, or has nothing left to do."},
		{"what ends by itself", why.AHost, "db-1", &hotstick.Reason{Code: hotstick.ReasonBudget, Subject: "rack=a3", Detail: "1 of 1 in use"},
			"Host db-1 waits: the disruption budget of a failure domain is used up: rack=a3 (1 of 1 in use). It starts when a host of that domain is confirmed or reverted."},
		{"what ends at a known time", why.AHost, "db-1", &hotstick.Reason{Code: hotstick.ReasonWindowClosed, Subject: "night", Until: &later},
			"Host db-1 waits: the host's maintenance window is closed: night. That ends at 2026-11-21T04:30:00Z, in 1h30m."},
		{"what a person may end", why.AWave, "w3", &hotstick.Reason{Code: hotstick.ReasonNeedsPromotion, Subject: "w3"},
			"Wave w3 waits: the wave waits for an operator to open it: w3. Open it by hand: hotstick rollout next-wave PLAN"},
		{"what both may end", why.ARollout, "p", &hotstick.Reason{Code: hotstick.ReasonFreeze, Subject: "sale", Until: &later},
			"Rollout p waits: a change freeze is on: sale. That ends at 2026-11-21T04:30:00Z, in 1h30m. It goes on when the freeze ends, or is taken away: hotstick freeze remove ID --reason TEXT"},
		{"a held lane", why.ALane, "6.1.0", &hotstick.Reason{Code: hotstick.ReasonCanaryLost, Subject: "db-1", Cause: hotstick.ReasonCrash, Detail: "rcu"},
			"Lane 6.1.0 waits: a canary of this lane was lost: db-1. The host went down uncleanly: rcu. Look at the lost canary; a second loss of the same kind fails the rollout."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := why.Sentence(test.of, test.what, test.reason, now); got != test.want {
				t.Errorf("said\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
