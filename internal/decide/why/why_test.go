package why_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/why"
)

func TestEveryReasonReadsAsASentence(t *testing.T) {
	for _, code := range hotstick.ReasonCodes() {
		text := why.Text(hotstick.Reason{Code: code, Subject: "rack=a3", Detail: "1 of 1 in use"})
		if !strings.HasSuffix(text, ".") || !strings.Contains(text, "rack=a3 (1 of 1 in use)") {
			t.Errorf("%s: %q", code, text)
		}
	}
}

func TestACauseIsASentenceOfItsOwn(t *testing.T) {
	text := why.Text(hotstick.Reason{Code: hotstick.ReasonGateFailed, Subject: "db-1", Cause: hotstick.ReasonProbeFailed, Detail: "sockets: refused"})
	if want := "The gate judged the patch bad: db-1. A health probe failed: sockets: refused."; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

func TestExplain(t *testing.T) {
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	fix := hotstick.PatchRef{Name: "fix", Level: 2}
	line := why.Line{Plan: "p", Patch: fix, Status: hotstick.Held, State: hotstick.Waiting,
		Reason: &hotstick.Reason{Code: hotstick.ReasonPlanHeld}, Since: now.Add(-time.Minute)}
	tests := []struct {
		name    string
		host    why.Host
		say     string
		changes string
	}{
		{"a quiet host", why.Host{Name: "db-1"}, "No rollout concerns it.", ""},
		{"a held rollout", why.Host{Name: "db-1", Rollout: &line}, "The rollout is on hold.", "hotstick rollout resume PLAN"},
		{"a silent host", why.Host{Name: "db-1", Silent: true, Now: now, LastSeen: now.Add(-time.Hour)}, "not checked in for 1h0m0s", "is it up"},
		{"a struck host", why.Host{Name: "db-1", Strikes: []hotstick.PatchRef{fix}}, "went down once with fix@2", ""},
		{"a patched host", why.Host{Name: "db-1", InEffect: fix}, "with fix@2 in effect", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lines, changes := why.Explain(test.host)
			if text := strings.Join(lines, "\n"); !strings.Contains(text, test.say) {
				t.Errorf("said %q, want %q in it", text, test.say)
			}
			if !strings.Contains(changes, test.changes) || (test.changes == "") != (changes == "") {
				t.Errorf("would change with %q, want %q", changes, test.changes)
			}
		})
	}
}

func TestAWaiverSaysWhoseItIsAndUntilWhen(t *testing.T) {
	w := why.Waiver{Name: "farm", Policy: "shop", Rules: []string{"ours", "aged"}, Why: "it moves.", By: []hotstick.Person{"ada", "bob"},
		Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	if got := why.Excepted(w); got != "Under policy shop the waiver farm, signed by ada, bob, lets it in without ours, aged until 2027-01-01T00:00:00Z: it moves." {
		t.Error(got)
	}
	w.LeaveOut = true
	if got := why.Excepted(w); got != "Under policy shop the waiver farm, signed by ada, bob, keeps it out until 2027-01-01T00:00:00Z: it moves." {
		t.Error(got)
	}
}
