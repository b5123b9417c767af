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
	server := api.HostDetail{Host: hosts()[1], Identity: digest, Enrolled: now, Facts: &hotstick.Facts{Host: hotstick.HostFacts{Distribution: "Windows Server 2025 Datacenter 24H2", CPUs: 4, MemoryBytes: 8 << 30},
		Windows: &hotstick.WindowsFacts{Level: "26100.3981", Booted: "26100.3788", VBS: hotstick.VBSRunning, Enrolment: "Hotpatch Enrollment Package\x1b[2J 10.0.26100.3775", Eligible: true, PendingReboot: []string{"windows_update"}, NextBaseline: "2025-07"}}}
	client := server
	client.Facts = &hotstick.Facts{Windows: &hotstick.WindowsFacts{Level: "26100.1", Booted: "26100.1", Against: []string{"virtualisation-based security is off", "the machine is not enrolled"}}}
	for name, got := range map[string]string{
		"host-windows":   Host(server, st) + Host(client, st),
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

// mixed is a plan for a CVE whose hosts have systems of every class, one of which reboots.
func mixed() Review {
	r := review()
	r.Plan.CVE, r.Plan.Patch, r.Plan.Reapply = "CVE-2026-52928", hotstick.PatchRef{}, 0
	digestOf := func(s string) hotstick.Digest { return hotstick.NewDigest([]byte(s)) }
	sles := hotstick.KernelBuild{Release: "5.14.21-150400.24.33-default", Arch: "x86_64", BuildID: strings.Repeat("12", 20)}
	ubuntu := hotstick.KernelBuild{Release: "6.8.0-1047-aws", Arch: "x86_64", BuildID: strings.Repeat("34", 20)}
	bare := hotstick.KernelBuild{Release: "6.1.0-30-amd64", Arch: "x86_64", BuildID: strings.Repeat("56", 20)}
	sle := hotstick.PatchRef{Name: "sle-unix", Level: 6}
	sleBefore := hotstick.PatchRef{Name: "sle-unix", Level: 5}
	r.Plan.Lanes = []hotstick.Lane{
		{Build: old, Driver: "klp", Patch: ref, Artifact: digest, Module: "hs_unix_ioctl_2", RevertTo: []hotstick.RevertTarget{{}}},
		{Build: sles, Driver: "suse", Patch: sle, Artifact: digestOf("sle6"), Module: "livepatch_6_150400_2_2",
			RevertTo: []hotstick.RevertTarget{{Patch: sleBefore, Artifact: digestOf("sle5"), Module: "livepatch_5_150400_2_2"}}},
		{Build: ubuntu, Driver: "canonical", Patch: hotstick.PatchRef{Name: "lsn-121", Level: 4}, Artifact: digestOf("lsn"), Module: "lkp_Ubuntu_6_8_0_1047_50_aws_121"},
		{Build: bare, Driver: "reboot", Patch: hotstick.PatchRef{Name: "debian-linux", Level: 192}, Artifact: digestOf("deb"), Module: "kernel_6_1_0_56_amd64"},
	}
	r.Recipes = map[hotstick.Digest]hotstick.Recipe{
		digestOf("sle6"): {Module: "livepatch_6_150400_2_2", Packages: []hotstick.Package{{Name: "kernel-livepatch-5_14_21-150400_24_33-default", Version: "6-150400.2.2"}}},
		digestOf("sle5"): {Module: "livepatch_5_150400_2_2", Packages: []hotstick.Package{{Name: "kernel-livepatch-5_14_21-150400_24_33-default", Version: "5-150400.2.2"}}},
		digestOf("lsn"):  {Module: "lkp_Ubuntu_6_8_0_1047_50_aws_121", Version: "121.4", CutOff: now},
		digestOf("deb"): {Module: "kernel_6_1_0_56_amd64", Packages: []hotstick.Package{{Name: "linux-image-6.1.0-56-amd64", Version: "6.1.192-1"}},
			Target: hotstick.KernelBuild{Release: "6.1.0-56-amd64", Arch: "x86_64", BuildID: strings.Repeat("78", 20)}},
	}
	host := func(name string, b hotstick.KernelBuild, driver string, patch hotstick.PatchRef, wave int) hotstick.PlanHost {
		return hotstick.PlanHost{Name: name, Build: b, Driver: driver, Patch: patch, Wave: wave, Domains: map[string]string{"rack": "a1", "zone": "z1"}}
	}
	r.Hosts = []hotstick.PlanHost{host("web-01", old, "klp", ref, 0), host("sap-01", sles, "suse", sle, 0), host("sap-02", sles, "suse", sle, 1),
		host("app-01", ubuntu, "canonical", r.Plan.Lanes[2].Patch, 0), host("old-01", bare, "reboot", r.Plan.Lanes[3].Patch, 1)}
	r.Previous = nil
	for i := range r.Plan.Lanes {
		r.Plan.Lanes[i].TransitionSeconds = map[string]int{"suse": 900, "canonical": 900, "reboot": 1800}[r.Plan.Lanes[i].Driver]
	}
	gap := func(name, has string) api.LeftOut {
		why := reason(hotstick.ReasonNotCovered, "No patch of any system that this host has fixes it here.")
		why.Detail, why.Changes = has, "Publish a patch for the host's system and kernel build, or one for the driver reboot: hotstick patch publish FOLDER --key FILE"
		return api.LeftOut{Name: name, Reason: *why}
	}
	r.LeftOut = []api.LeftOut{gap("edge-01", "5.10.0-9-amd64 (9a9a9a9a) has klp"), gap("edge-02", "5.10.0-9-amd64 (9a9a9a9a) has klp"),
		gap("box-01", "4.19.0-1-amd64 (8b8b8b8b) has no live-patch system")}
	return r
}

func TestWhoSignsReadsWhatRunsAndWhoIsRebooted(t *testing.T) {
	r := mixed()
	golden(t, "review-mixed", r.Text(Style{Now: now})+r.Question("Approve", "bob")+"\n")
	if q := review().Question("Approve", "bob"); strings.Contains(q, "reboot") {
		t.Errorf("nobody is rebooted, and the question says %q", q)
	}
}

// The how-to shows what the command prints.
func TestTheHowToShowsWhatAPlanForACVELooksLike(t *testing.T) {
	page, err := os.ReadFile("../../../docs/how-to/close-a-cve-everywhere.md")
	if err != nil {
		t.Fatal(err)
	}
	printed := mixed().Text(Style{Now: now})
	for _, block := range strings.Split(string(page), "```")[1:] {
		body, shown := strings.CutPrefix(block, "text\n")
		if shown && !strings.Contains(printed, strings.TrimRight(body, "\n ")) {
			t.Errorf("the command does not print\n%s\nbut\n%s", body, printed)
		}
	}
	if strings.Count(string(page), "```text") < 3 {
		t.Error("the page shows next to nothing")
	}
}

func TestTheFleetBySystem(t *testing.T) {
	live := []hotstick.Reversibility{hotstick.ReversibleLive, hotstick.ReversibleDowngrade, hotstick.ReversibleReboot}
	care := api.Driver{Driver: "kernelcare", Class: hotstick.TrustPin, Claim: hotstick.TrustPin.Claim(), Hosts: 12, Available: 9, Scheduling: 9, Held: 7,
		Unheld:    []api.HostRef{{Host: "h-bbbbbbbbbbbbbbbb", Name: evil}, {Host: "h-cccccccccccccccc", Name: "web-02"}},
		Abilities: []api.DriverAbility{{Undo: hotstick.UndoAll, Rollback: live, Pinnable: true, Truth: "kcarectl --info", Hosts: 9}},
		Tools:     []api.DriverTool{{Tool: "kcarectl 2.90-1", Hosts: 6}, {Tool: evil, Hosts: 2}, {Tool: "kcarectl 2.80-1", Hosts: 1}},
		Reasons:   []api.DriverReason{{Reason: *reason(hotstick.ReasonNotEntitled, "The vendor gives this host no patches: \x1b[2J."), Hosts: 3}},
		Cover:     map[string]int{"2027-03": 4, "2026-12": 1}}
	list := api.DriverList{Drivers: []api.Driver{care,
		{Driver: "klp", Class: hotstick.TrustBytes, Claim: hotstick.TrustBytes.Claim(), Hosts: 12, Available: 12, Abilities: []api.DriverAbility{{Undo: hotstick.UndoDisable, Rollback: live, Truth: "/sys/kernel/livepatch", Hosts: 12}}},
		{Driver: "reboot", Class: hotstick.TrustStep, Claim: hotstick.TrustStep.Claim(), Reboots: true, Hosts: 12, Reasons: []api.DriverReason{{Reason: *reason(hotstick.ReasonUnsupported, "The host has no panic=N."), Hosts: 12}}}}}
	st, wide := Style{Now: now}, Style{Now: now, Wide: true}
	golden(t, "drivers", tableText(t, Drivers(list, st), st))
	golden(t, "drivers-wide", tableText(t, Drivers(list, wide), wide))
	golden(t, "drivers-empty", tableText(t, Drivers(api.DriverList{}, st), st))
	golden(t, "driver", Driver(care, st)+Driver(list.Drivers[1], st)+Driver(list.Drivers[2], st))
}
