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
	hotstick.ReasonDismissed: true,
}

func TestEveryReasonHasARemedyOrEndsByItself(t *testing.T) {
	for _, code := range hotstick.ReasonCodes() {
		r := hotstick.Reason{Code: code}
		said := 0
		for _, yes := range []bool{why.Remedy(r, why.Place{}) != "", why.Ends(r) != "", needNothing[code]} {
			if yes {
				said++
			}
		}
		if said != 1 {
			t.Errorf("%s: remedy %q, ends %q, needs nothing: %v; want exactly one", code, why.Remedy(r, why.Place{}), why.Ends(r), needNothing[code])
		}
	}
}

func TestACauseMayHaveTheRemedy(t *testing.T) {
	r := hotstick.Reason{Code: hotstick.ReasonBudget, Cause: hotstick.ReasonSilentAfter, Detail: "db-1 keeps its slot"}
	if got := why.Remedy(r, why.Place{}); !strings.Contains(got, "hotstick host write-off") {
		t.Errorf("of a slot that a lost host keeps: %q", got)
	}
}

func TestSentence(t *testing.T) {
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	later := now.Add(90 * time.Minute)
	at := why.Place{Plan: "3f2a9c01d4e5", Freeze: "7"}
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
			"Wave w3 waits: the wave waits for an operator to open it: w3. Open it by hand: hotstick rollout next-wave 3f2a9c01d4e5"},
		{"what both may end", why.ARollout, "p", &hotstick.Reason{Code: hotstick.ReasonFreeze, Subject: "sale", Until: &later},
			"Rollout p waits: a change freeze is on: sale. That ends at 2026-11-21T04:30:00Z, in 1h30m. It goes on when the freeze ends, or is taken away: hotstick freeze remove 7 --reason TEXT"},
		{"a held lane", why.ALane, "6.1.0", &hotstick.Reason{Code: hotstick.ReasonCanaryLost, Subject: "db-1", Cause: hotstick.ReasonCrash, Detail: "rcu"},
			"Lane 6.1.0 waits: a canary of this lane was lost: db-1. The host went down uncleanly: rcu. Look at the lost canary; a second loss of the same kind fails the rollout. If the patch is not to blame, dismiss the host so that a stand-in goes first: hotstick rollout dismiss 3f2a9c01d4e5 db-1 --reason TEXT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := why.Sentence(test.of, test.what, test.reason, at, now); got != test.want {
				t.Errorf("said\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestACommandNamesWhatItIsAbout(t *testing.T) {
	at := why.Place{Plan: "3f2a9c01d4e5", Host: "web-2", Patch: hotstick.PatchRef{Name: "fix", Level: 2}, Freeze: "7"}
	tests := []struct {
		name   string
		reason hotstick.Reason
		want   string
	}{
		{"the plan", hotstick.Reason{Code: hotstick.ReasonPlanHeld}, "hotstick rollout resume 3f2a9c01d4e5"},
		{"the freeze", hotstick.Reason{Code: hotstick.ReasonFreeze, Subject: "sale"}, "hotstick freeze remove 7 --reason TEXT"},
		{"the patch", hotstick.Reason{Code: hotstick.ReasonBanned}, "hotstick clear make fix@2 --ban --key FILE"},
		{"what was recalled", hotstick.Reason{Code: hotstick.ReasonRecalled}, "hotstick clear make fix@2 --recall --key FILE"},
		{"the host that is excluded", hotstick.Reason{Code: hotstick.ReasonExcluded, Subject: "alice"}, "hotstick host include web-2 --reason TEXT"},
		{"the canary, not who waits for it", hotstick.Reason{Code: hotstick.ReasonCanaryLost, Subject: "db-1"}, "hotstick rollout dismiss 3f2a9c01d4e5 db-1 --reason TEXT"},
		{"who keeps the slot", hotstick.Reason{Code: hotstick.ReasonBudget, Cause: hotstick.ReasonSilentAfter, Subject: "rack=a3",
			Detail: "db-1 keeps its slot until it is written off (1 of 1 in use)"}, "hotstick host write-off db-1 --reason TEXT"},
		{"the host that is struck", hotstick.Reason{Code: hotstick.ReasonStruck, Subject: "fix@2"}, "hotstick clear make fix@2 --host web-2 --key FILE"},
		{"all whom a power cut struck", hotstick.Reason{Code: hotstick.ReasonStruck, Subject: "fix@2", Cause: hotstick.ReasonPowerCut,
			Detail: "rack=a3, with 3 others; it struck db-1, web-2"}, "hotstick clear make fix@2 --host db-1 --host web-2 --key FILE"},
		{"nobody with a name that is no word", hotstick.Reason{Code: hotstick.ReasonStruck, Subject: "fix@2", Cause: hotstick.ReasonPowerCut,
			Detail: "rack=a3, with 3 others; it struck $(reboot), web-2"}, "hotstick clear make fix@2 --host web-2 --key FILE"},
		{"nobody where nobody is named", hotstick.Reason{Code: hotstick.ReasonTooFewReadings, Subject: "w2"}, "hotstick host exclude HOST --until TIME --reason TEXT"},
		{"who ended badly, not the wave", hotstick.Reason{Code: hotstick.ReasonLaneHeld, Subject: "w2", Cause: hotstick.ReasonNoReadings, Detail: "db-1"}, "dismiss 3f2a9c01d4e5 db-1 --reason TEXT"},
		{"a wave of which nobody is there", hotstick.Reason{Code: hotstick.ReasonLaneHeld, Subject: "w2", Cause: hotstick.ReasonNoReadings, Detail: "1 of 3 elsewhere"}, "hotstick host exclude HOST --until TIME --reason TEXT"},
		{"no wave as if it were a host", hotstick.Reason{Code: hotstick.ReasonLaneHeld, Subject: "w2", Cause: hotstick.ReasonNoReadings}, "dismiss 3f2a9c01d4e5 HOST --reason TEXT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := why.Remedy(test.reason, at); !strings.Contains(got, test.want) {
				t.Errorf("said %q, want %q in it", got, test.want)
			}
		})
	}
}

// TestAHostsNameGetsNoCommandIntoAShell: whoever names a host writes what an operator
// may paste at three in the morning.
func TestAHostsNameGetsNoCommandIntoAShell(t *testing.T) {
	for _, name := range []string{"x; rm -rf /", "$(reboot)", "`id`", "--all", "a b", "a\nb", "a'b", "x&&y", "x|y", "ö", ""} {
		r := hotstick.Reason{Code: hotstick.ReasonCanaryLost, Subject: name}
		if got := why.Remedy(r, why.Place{Host: name}); !strings.Contains(got, "dismiss PLAN HOST --reason") {
			t.Errorf("of a host called %q: %q", name, got)
		}
	}
}
