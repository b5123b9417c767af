package view

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

var (
	now   = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0011223344556677"}
	other = hotstick.KernelBuild{Release: "6.12.9-amd64", Arch: "x86_64", BuildID: "8899aabbccddeeff"}
	one   = hotstick.PatchRef{Name: "unix-ioctl", Level: 1}
	two   = hotstick.PatchRef{Name: "unix-ioctl", Level: 2}
	plan  = hotstick.NewDigest([]byte("plan"))
)

// moment is a catalog with two levels for one build, and one plan.
func moment(status hotstick.PlanStatus) Moment {
	artifact := func(module string) []hotstick.Artifact { return []hotstick.Artifact{{Build: build, Module: module}} }
	trusted := catalog.NewView(1, now.Add(30*24*time.Hour), hotstick.Trust{}, []hotstick.Patch{
		{Ref: one, Artifacts: artifact("ours_1"), CVEs: []string{"CVE-2026-0001"}}, {Ref: two, Artifacts: artifact("ours_2")}})
	return NewMoment(now, time.Minute, trusted, []store.Plan{{ID: plan, Name: "p", Patch: two, Status: status}}, nil)
}

// running is a host whose truth source lists one module.
func running(module string, state hotstick.Effect) store.Host {
	h := store.Host{ID: "h-aaaaaaaaaaaaaaaa", Name: "db-1", Enrolled: now.Add(-time.Hour), LastSeen: now.Add(-time.Second),
		Facts: &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: build}}}
	if module != "" {
		h.Patches = []hotstick.LoadedPatch{{Module: module, State: state, StackOrder: 1}}
	}
	return h
}

func line(state hotstick.HostState) []store.PlanHost {
	if state == "" {
		return nil
	}
	return []store.PlanHost{{Plan: plan, State: state, Reason: &hotstick.Reason{Code: hotstick.ReasonOperator}, Updated: now}}
}

func TestAppliedIsOnlySaidOfWhatTheTruthSourceSays(t *testing.T) {
	old := func(h store.Host) store.Host { h.LastSeen = now.Add(-time.Hour); return h }
	tests := []struct {
		name   string
		host   store.Host
		line   hotstick.HostState
		status hotstick.PlanStatus
		want   string
	}{
		{"nothing loaded, no rollout", running("", ""), "", "", StateUnpatched},
		{"ours in effect, no rollout", running("ours_1", hotstick.InEffect), "", "", StateApplied},
		{"confirmed and in effect", running("ours_2", hotstick.InEffect), hotstick.Confirmed, hotstick.Completed, StateApplied},
		{"confirmed, but not in effect any more", running("", ""), hotstick.Confirmed, hotstick.Completed, StateUnpatched},
		{"confirmed, but nobody heard of it for an hour", old(running("ours_2", hotstick.InEffect)), hotstick.Confirmed, hotstick.Completed, StateStale},
		{"confirmed, with something foreign above", func() store.Host {
			h := running("ours_2", hotstick.InEffect)
			h.Patches = append(h.Patches, hotstick.LoadedPatch{Module: "kpatch", State: hotstick.InEffect, StackOrder: 2})
			return h
		}(), hotstick.Confirmed, hotstick.Completed, StateUnknown},
		{"confirmed, but in transition", running("ours_2", hotstick.TransitionOut), hotstick.Confirmed, hotstick.Completed, StateTransitioning},
		{"on probation", running("ours_2", hotstick.InEffect), hotstick.Probation, hotstick.Running, StateProbation},
		{"on probation, but stale", old(running("ours_2", hotstick.InEffect)), hotstick.Probation, hotstick.Running, StateStale},
		{"waiting in a running plan", running("ours_1", hotstick.InEffect), hotstick.Waiting, hotstick.Running, StateWaiting},
		{"waiting in a plan that was halted", running("ours_1", hotstick.InEffect), hotstick.Waiting, hotstick.Halted, StateApplied},
		{"going back", running("ours_2", hotstick.InEffect), hotstick.Reverting, hotstick.Halted, StateReverting},
		{"back at the level before", running("ours_1", hotstick.InEffect), hotstick.Reverted, hotstick.Halted, StateReverted},
		{"struck", running("ours_1", hotstick.InEffect), hotstick.Quarantined, hotstick.Halted, StateQuarantined},
		{"lost, but heard of again", running("ours_1", hotstick.InEffect), hotstick.Lost, hotstick.Running, StateUnknown},
		{"cloned, and stale", old(func() store.Host {
			h := running("ours_1", hotstick.InEffect)
			h.Lineage.Cloned = &store.Clone{At: now}
			return h
		}()), hotstick.Waiting, hotstick.Running, StateCloned},
		{"never heard of", store.Host{Enrolled: now}, "", "", StateUnknown},
	}
	for _, tt := range tests {
		if got := moment(tt.status).Host(tt.host, line(tt.line)); got.State != tt.want {
			t.Errorf("%s: %s; want %s", tt.name, got.State, tt.want)
		}
	}
}

func TestEveryStateIsInTheClosedSet(t *testing.T) {
	for _, s := range lineStates {
		if !KnownState(s) {
			t.Errorf("%q is shown but not in the set", s)
		}
	}
	for _, s := range hotstick.HostStates() {
		_, shown := lineStates[s]
		if byTruth := s == hotstick.Confirmed || s == hotstick.Skipped; shown == byTruth {
			t.Errorf("state %s: shown as itself %v", s, shown)
		}
	}
}

func census(hosts ...store.Host) Census { return moment("").Census(hosts) }

func TestCoverageCountsOnlyTheTruth(t *testing.T) {
	stale := running("ours_2", hotstick.InEffect)
	stale.LastSeen = now.Add(-time.Hour)
	elsewhere := running("", "")
	elsewhere.Facts = &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: other}}
	f := Fleet{Census: census(running("ours_2", hotstick.InEffect), running("ours_1", hotstick.InEffect), running("ours_2", hotstick.TransitionIn), stale, elsewhere)}
	o := moment("").Overview(f)
	if len(o.Coverage) != 2 {
		t.Fatalf("coverage of %d builds; want 2", len(o.Coverage))
	}
	if c := o.Coverage[0]; c.Hosts != 4 || c.Covered != 1 || c.Newest != two {
		t.Errorf("%d of %d hosts at %s; want 1 of 4", c.Covered, c.Hosts, c.Newest)
	}
	if c := o.Coverage[1]; c.Hosts != 1 || c.Covered != 0 || !c.Newest.IsZero() {
		t.Errorf("a build without a patch: %+v", c)
	}
	f.Bans = []store.Ban{{Patch: two, Reason: hotstick.Reason{Code: hotstick.ReasonGateFailed}}}
	if c := moment("").Overview(f).Coverage[0]; c.Newest != one || c.Covered != 2 || len(c.CVEs) != 1 {
		t.Errorf("with the second banned: %d at %s closing %v; want 2 at %s", c.Covered, c.Newest, c.CVEs, one)
	}
}

func TestHeadlinesSayTheStateFirst(t *testing.T) {
	rollout := func(status hotstick.PlanStatus, reverting bool) []api.RolloutSummary {
		return []api.RolloutSummary{{Patch: two, Status: status, Reverting: reverting}}
	}
	tests := []struct {
		name  string
		fleet Fleet
		want  string
	}{
		{"nothing", Fleet{}, "No host has joined yet."},
		{"one host", Fleet{Census: census(running("ours_2", hotstick.InEffect))}, "1 of 1 host runs the newest fix."},
		{"stopped", Fleet{StopAll: true, Census: census(running("", ""))}, "Everything is stopped: new starts are blocked; 0 of 1 host runs the newest fix."},
		{"running", Fleet{Rollouts: rollout(hotstick.Running, false)}, "Rolling out unix-ioctl@2; no host has joined yet."},
		{"on hold", Fleet{Rollouts: rollout(hotstick.Held, false)}, "The rollout of unix-ioctl@2 is on hold; no host has joined yet."},
		{"going back", Fleet{Rollouts: rollout(hotstick.Halted, true)}, "Taking unix-ioctl@2 back; no host has joined yet."},
		{"to be approved", Fleet{Rollouts: rollout(hotstick.Proposed, false)}, "1 plan waits for approval; no host has joined yet."},
	}
	for _, tt := range tests {
		if got := moment("").Overview(tt.fleet).Headline; got != tt.want {
			t.Errorf("%s: %q; want %q", tt.name, got, tt.want)
		}
	}
}

func TestTheCatalogWarnsBeforeItExpires(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		offline, online time.Duration
		want            string
	}{
		{30 * day, day, ""},
		{6 * day, day, "expire in 144h0m0s; renew them with the offline keys"},
		{-time.Hour, day, "have expired"},
		{30 * day, 30 * time.Minute, "its log says why"},
		{30 * day, -time.Minute, "The server's own signatures on the catalog have expired"},
	}
	for _, tt := range tests {
		m := moment("")
		m.Trusted.Expires = now.Add(tt.online)
		got := m.Catalog(Census{}, nil, Signed{Expires: now.Add(tt.offline)}).Warning
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s and %s before the ends: %q; want %q", tt.offline, tt.online, got, tt.want)
		}
	}
}

// TestEveryKindOfEventHasItsSentence: a kind without one would be shown as its
// code.
func TestEveryKindOfEventHasItsSentence(t *testing.T) {
	kinds := []string{identity.TokenMade, identity.TokenRevoked, identity.AuthorityAnnounced, identity.AuthorityReplaced, identity.AuthoritySucceeded, identity.HostEnrolled, inventory.HostBooted, inventory.HostRepinned, inventory.HostFacts, inventory.HostReturned,
		inventory.HostEffect, inventory.HostAnnounced, inventory.HostStruck, inventory.HostRefused, inventory.HostCloned, inventory.HostUncloned, inventory.HostRestored,
		inventory.HostState, inventory.HostCrashed, inventory.HostPermit, inventory.HostReport, inventory.HostRevoked, inventory.SlotsReleased,
		inventory.GrantIssued, inventory.PlanProposed, inventory.PlanSigned, inventory.PlanStatus, inventory.PlanReverting,
		inventory.HostIll, inventory.HostWell, inventory.HostUnstruck, inventory.HostMarked, inventory.HostCleared,
		inventory.HostExcluded, inventory.HostIncluded, inventory.HostJoined, inventory.HostStandsIn, inventory.HostRecalled,
		inventory.PlanPromoted, inventory.PlanRetried, inventory.WaveReverting, inventory.PatchCleared, inventory.StatementTaken,
		inventory.FleetFrozen, inventory.FleetThawed, inventory.PatchBanned, inventory.FleetStopped, inventory.FleetLifted, inventory.CatalogPublished,
		inventory.SessionOpened, inventory.SessionClosed, inventory.HostDrifted, inventory.HostAligned, inventory.HostStalled, inventory.HostUnstalled,
		inventory.HostHeld, inventory.HostUnheld, inventory.PatchStopped, inventory.FeedAdded, inventory.FeedChanged, inventory.FeedRemoved}
	for _, kind := range kinds {
		e := store.Event{Kind: kind, HostName: "db-1", Patch: two, Plan: plan, State: "confirmed", Actor: "alice"}
		text := Event(e).Text
		if text == kind || !strings.HasSuffix(text, ".") || strings.Contains(text, "  ") {
			t.Errorf("%s: %q", kind, text)
		}
		e.Reason = &hotstick.Reason{Code: hotstick.ReasonProbeFailed, Subject: "smoke"}
		if with := Event(e).Text; !strings.Contains(with, "A health probe failed: smoke.") {
			t.Errorf("%s: the reason is missing in %q", kind, with)
		}
	}
}
