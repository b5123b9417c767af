package show

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	now    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	old    = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}
	newer  = hotstick.KernelBuild{Release: "6.12.9-amd64", Arch: "x86_64", BuildID: strings.Repeat("cd", 20)}
	ref    = hotstick.PatchRef{Name: "unix-ioctl", Level: 2}
	before = hotstick.PatchRef{Name: "unix-ioctl", Level: 1}
	digest = hotstick.NewDigest([]byte("plan"))
	evil   = "db\x1b[2J\u202e<script>"
)

// golden compares text with a file of testdata; -update writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got\n%s\nwant\n%s", path, got, want)
	}
	if strings.Contains(got, "\x1b[2J") || strings.Contains(got, "\u202e") {
		t.Errorf("%s lets a hostname act on the terminal", name)
	}
}

func reason(code hotstick.ReasonCode, text string) *api.Reason {
	return &api.Reason{Reason: hotstick.Reason{Code: code}, Text: text}
}

func hosts() []api.Host {
	return []api.Host{
		{ID: "h-aaaaaaaaaaaaaaaa", Name: "web-01", Build: old, State: "applied", InEffect: ref, LastSeen: now.Add(-9 * time.Second), Labels: map[string]string{"rack": "a1", "role": "web"}, Boots: 1},
		{ID: "h-bbbbbbbbbbbbbbbb", Name: evil, Build: newer, State: "quarantined", LastSeen: now.Add(-3 * time.Hour), Silent: true, Strikes: []hotstick.PatchRef{ref}, Reason: reason(hotstick.ReasonCrash, "The host went down uncleanly.")},
		{ID: "h-cccccccccccccccc", Name: "web-02", Build: newer, State: "waiting", InEffect: before, Reason: reason(hotstick.ReasonBudget, "")},
	}
}

func tableText(t *testing.T, table Table, st Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := table.Write(&b, st); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func rollout() api.Rollout {
	started := now.Add(-4 * time.Minute)
	earliest := now.Add(90 * time.Second)
	cell := func(name string, s hotstick.HostState, r *api.Reason) api.Cell {
		return api.Cell{Name: name, State: s, Attempt: 1, Reason: r, Updated: now.Add(-time.Minute)}
	}
	return api.Rollout{
		RolloutSummary: api.RolloutSummary{Plan: digest, Name: "close CVE", Patch: ref, Status: hotstick.Running, Author: "alice", Hosts: 4,
			States:  map[hotstick.HostState]int{hotstick.Confirmed: 1, hotstick.Reverted: 1, hotstick.Waiting: 2},
			Created: now.Add(-time.Hour), Started: &started},
		Headline: "Wave 1 bakes for another 90 s.", Needed: 2,
		Approvals: []api.Approval{{Person: "alice", Role: "author"}, {Person: "bob", Role: "approver"}},
		Waves: []api.Wave{
			{Index: 0, Name: "canary", Size: 1, States: map[hotstick.HostState]int{hotstick.Confirmed: 1}, Hosts: []api.Cell{cell("web-01", hotstick.Confirmed, nil)},
				Gate: api.Gate{Verdict: "hold", Reason: *reason(hotstick.ReasonBake, "Bakes."), Confirmed: 1, Needed: 1, EarliestAt: &earliest, Limit: 0.95}},
			{Index: 1, Name: "rest", Size: 3, States: map[hotstick.HostState]int{hotstick.Reverted: 1, hotstick.Waiting: 2}, Hosts: []api.Cell{cell(evil, hotstick.Reverted, reason(hotstick.ReasonProbeFailed, "Probe http failed: \x1b[2J")), cell("web-02", hotstick.Waiting, nil), cell("web-03", hotstick.Waiting, nil)},
				Gate: api.Gate{Verdict: "hold", Reason: *reason(hotstick.ReasonNoReadings, ""), Needed: 3}},
		},
		Budgets:  []api.BudgetUse{{Domain: "rack", Value: "a1", Used: 1, Max: 1}, {Domain: "fleet", Max: 2}},
		Timeline: []api.Event{{Seq: 7, At: now, Kind: "plan_started", Actor: "carol", Text: "carol started the rollout"}},
	}
}

func review() Review {
	last := plan()
	next := plan()
	next.Name, next.Patch, next.Reapply = "second", ref, 2
	next.Waves[1].BakeSeconds = 60
	next.Budgets = []hotstick.Budget{{Domain: "rack", Max: 2}, {Domain: "zone", Max: 1}}
	next.Lanes[0].RevertTo = []hotstick.RevertTarget{{Patch: before}, {}}
	next.Lanes = next.Lanes[:1]
	host := func(name string, b hotstick.KernelBuild, wave int, rack string) hotstick.PlanHost {
		return hotstick.PlanHost{Name: name, Build: b, Wave: wave, Domains: map[string]string{"rack": rack, "zone": "z1"}}
	}
	return Review{ID: digest, Plan: next, Previous: &last, Needed: 2, Approvers: []hotstick.Person{"bob"},
		Hosts:   []hotstick.PlanHost{host("web-01", old, 0, "a1"), host("web-02", old, 1, "a1"), host("web-03", old, 1, "a2"), host("web-04", old, 1, evil)},
		LeftOut: []api.LeftOut{{Name: evil, Reason: *reason(hotstick.ReasonNoArtifact, "No artifact fits its kernel build.")}}}
}

func plan() hotstick.Plan {
	return hotstick.Plan{Name: "first", Patch: before, Author: "alice", Epoch: 1, CreatedAt: now, NotAfter: now.Add(14 * 24 * time.Hour),
		Lanes: []hotstick.Lane{{Build: old, Driver: "klp", Artifact: digest, Module: "hs_unix_ioctl_2", RevertTo: []hotstick.RevertTarget{{}}},
			{Build: newer, Driver: "klp", Artifact: digest, Module: "hs_unix_ioctl_2"}},
		Waves:     []hotstick.Wave{{Name: "canary", Hosts: 1, BakeSeconds: 600}, {Name: "rest", Hosts: 3, DelaySeconds: 600, BakeSeconds: 600}},
		HostsRoot: "root", HostCount: 4, Budgets: []hotstick.Budget{{Domain: "fleet", Max: 10}, {Domain: "rack", Max: 1}},
		ProbationSeconds: 300, TransitionSeconds: 60}
}

func TestTheTextsOfEveryNoun(t *testing.T) {
	st := Style{Now: now}
	wide := Style{Now: now, Wide: true}
	term := Style{Now: now, Terminal: true, Color: true}
	detail := api.HostDetail{Host: hosts()[1], Identity: digest, Enrolled: now, Why: []string{"It crashed \x1b[2J."},
		Facts: &hotstick.Facts{Host: hotstick.HostFacts{Distribution: "Debian \u202e12", CPUs: 2, MemoryBytes: 4 << 30},
			Drivers: []hotstick.Capabilities{{Driver: "klp", Truth: "sysfs", Reason: &hotstick.Reason{Code: hotstick.ReasonUnsupported}}}},
		Patches:  []api.LoadedPatch{{LoadedPatch: hotstick.LoadedPatch{Module: "kpatch_x", Driver: "klp", State: hotstick.InEffect}, Foreign: true}},
		Readings: []hotstick.Reading{{Probe: "http", Detail: "exit status 1\n\x1b[2J", At: now}},
		Rollouts: []api.HostRollout{{Plan: digest, Name: "close CVE", Patch: ref, State: hotstick.Quarantined, Attempt: 1, Updated: now}}}
	catalog := api.Catalog{Patches: []api.Patch{{Patch: hotstick.Patch{Ref: ref, Summary: "SIOCATMARK \x1b[2J", CVEs: []string{"CVE-2026-52928"}, Driver: "klp", Reversibility: hotstick.ReversibleLive, Replace: true,
		Artifacts: []hotstick.Artifact{{Build: old, Digest: digest, SizeBytes: 9000, Module: "hs_unix_ioctl_2"}}}, InEffectHosts: 1, FittingHosts: 3, SignedBy: []string{"publisher"},
		Ban: &api.Ban{Reason: *reason(hotstick.ReasonOperator, "A person said so."), By: "carol", At: now}}}}
	for name, got := range map[string]string{
		"hosts":          tableText(t, Hosts(hosts(), st), st),
		"hosts-wide":     tableText(t, Hosts(hosts(), wide), wide),
		"hosts-terminal": tableText(t, Hosts(hosts(), term), term),
		"hosts-empty":    tableText(t, Hosts(nil, st), st),
		"host":           Host(detail, st),
		"why":            Why(api.Why{Host: hosts()[1], Lines: []string{"It went down."}, Reason: hosts()[1].Reason, Changes: "A signed clear."}, st),
		"patches":        tableText(t, Patches(catalog, st), st),
		"patch":          Patch(catalog.Patches[0], st),
		"rollouts":       tableText(t, Rollouts([]api.RolloutSummary{rollout().RolloutSummary}, wide), wide),
		"rollout":        Rollout(rollout(), st),
		"review":         review().Text(st),
		"frame":          strings.Join(Frame(rollout(), 80, Style{Now: now, Terminal: true}), "\n") + "\n",
		"frame-narrow":   strings.Join(Frame(rollout(), 46, Style{Now: now, Terminal: true}), "\n") + "\n",
		"progress":       Progress(rollout()) + "\n",
		"events":         tableText(t, Events(rollout().Timeline, wide), wide),
	} {
		golden(t, name, got)
	}
}

func TestTheOutcomeIsGoodOnlyIfEveryHostIsConfirmed(t *testing.T) {
	for _, c := range []struct {
		what   string
		status hotstick.PlanStatus
		states map[hotstick.HostState]int
		well   bool
	}{
		{"all confirmed", hotstick.Completed, map[hotstick.HostState]int{hotstick.Confirmed: 4}, true},
		{"one skipped by decision", hotstick.Completed, map[hotstick.HostState]int{hotstick.Confirmed: 3, hotstick.Skipped: 1}, true},
		{"one failed", hotstick.Completed, map[hotstick.HostState]int{hotstick.Confirmed: 3, hotstick.Failed: 1}, false},
		{"halted", hotstick.Halted, map[hotstick.HostState]int{hotstick.Confirmed: 4}, false},
		{"expired", hotstick.Expired, nil, false},
	} {
		if _, well := Outcome(api.RolloutSummary{Status: c.status, States: c.states, Hosts: 4}); well != c.well {
			t.Errorf("%s: well is %t", c.what, well)
		}
	}
}

func TestHostNamesLeadBackToOneHost(t *testing.T) {
	list := append(hosts(), api.Host{ID: "h-dddddddddddddddd", Name: "web-02"})
	got := strings.Join(HostNames(list), " ")
	if want := "web-01 h-bbbbbbbbbbbbbbbb h-cccccccccccccccc h-dddddddddddddddd"; got != want {
		t.Errorf("HostNames = %s, want %s", got, want)
	}
}
