package why_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/why"
)

func TestWhatAHostSaysBesideItsLevelIsExplained(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name           string
		host           why.Host
		lines, changes []string
	}{
		{"a stall", why.Host{Stall: &hotstick.Stall{Module: "fix_2", State: hotstick.TransitionIn, ForMillis: 61_000, Tasks: 2, Blockers: []hotstick.Blocker{
			{TID: 7, Command: "nfsd", Unit: "nfs.service", Cause: hotstick.BlockInside, Function: "f", Stack: []string{"f", "g", "h", "i", "j"}}}}},
			[]string{"fix_2", "1m1s", "2 tasks have", "nfsd (thread 7 of nfs.service)", "inside a function", "f < g < h < i"}, []string{"restart the service"}},
		{"a stall of which the kernel says nothing", why.Host{Stall: &hotstick.Stall{Module: "m", State: hotstick.TransitionOut, Tasks: 1}},
			[]string{"1 task has not moved back"}, []string{"hotstick-agent doctor"}},
		{"a drift", why.Host{Drift: &hotstick.Drift{Kind: hotstick.DriftForeign, Expected: hotstick.PatchRef{Name: "fix", Level: 2}, Module: "kpatch_x", Master: "kpatch", Since: at, Before: at.Add(-time.Minute)}},
			[]string{"Expected: fix@2; found: kpatch_x.", "between 2026-11-22T11:59:00Z and 2026-11-22T12:00:00Z, by kpatch."}, []string{"Remove the other"}},
		{"a hold", why.Host{Barred: &hotstick.Reason{Code: hotstick.ReasonHeldOnHost, Subject: "root", Detail: "backup"}},
			[]string{"root (backup)"}, []string{"unhold"}},
	} {
		lines, changes := why.Explain(c.host)
		text := strings.Join(lines, "\n")
		for _, want := range c.lines {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q lacks %q", c.name, text, want)
			}
		}
		for _, want := range c.changes {
			if !strings.Contains(changes, want) {
				t.Errorf("%s: what changes it is %q, want %q", c.name, changes, want)
			}
		}
	}
	for _, kind := range hotstick.DriftKinds() {
		if _, changes := why.Explain(why.Host{Drift: &hotstick.Drift{Kind: kind}}); changes == "" {
			t.Errorf("nobody says what to do about %s", kind)
		}
	}
	for _, cause := range hotstick.BlockCauses() {
		_, changes := why.Explain(why.Host{Stall: &hotstick.Stall{Blockers: []hotstick.Blocker{{Cause: cause}}}})
		if changes == "" {
			t.Errorf("nobody says what to do about a task that is %s", cause)
		}
	}
}
