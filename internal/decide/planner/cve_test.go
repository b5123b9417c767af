package planner_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"pgregory.net/rapid"
)

const cve = "CVE-2026-52928"

// of is a level of one system that closes the CVE on some kernel builds.
func of(driver, name string, level int, builds string) hotstick.Patch {
	p := patch(level, builds)
	p.Ref, p.Driver, p.CVEs, p.Replace = hotstick.PatchRef{Name: name, Level: level}, driver, []string{cve}, false
	for i := range p.Artifacts {
		a := &p.Artifacts[i]
		a.Digest = hotstick.NewDigest(fmt.Append(nil, driver, name, level, a.Build))
		a.Module = fmt.Sprintf("%s_%d", strings.ReplaceAll(name, "-", "_"), level)
	}
	return p
}

// with is a host that has these systems.
func with(name, kernel string, drivers ...hotstick.Capabilities) planner.Host {
	h := host(name, kernel)
	facts := *h.Compat.Facts
	facts.Drivers = drivers
	h.Compat.Facts = &facts
	return h
}

func can(driver string) hotstick.Capabilities {
	return hotstick.Capabilities{Driver: driver, TrustClass: hotstick.ClassOf(driver), Available: true, Rollback: []hotstick.Reversibility{hotstick.ReversibleLive}}
}

func cannot(driver string, why hotstick.ReasonCode) hotstick.Capabilities {
	return hotstick.Capabilities{Driver: driver, TrustClass: hotstick.ClassOf(driver), Reason: &hotstick.Reason{Code: why}}
}

func scheduling(driver string, held bool) hotstick.Capabilities {
	c := can(driver)
	c.Schedules, c.Held = true, held
	return c
}

func closing(patches []hotstick.Patch, hosts ...planner.Host) planner.Request {
	r := request(hotstick.Patch{}, hosts...)
	r.CVE, r.Catalog = cve, patches
	for _, p := range patches {
		r.Candidates = append(r.Candidates, planner.Candidate{Patch: p})
	}
	return r
}

func TestEachHostGetsThePatchOfItsOwnSystem(t *testing.T) {
	all := []hotstick.Patch{of("klp", "ours", 1, "ab"), of("klp", "ours", 2, "ab"), of("suse", "sle", 3, "ab"),
		of("canonical", "ubuntu", 1, "ab"), of("reboot", "kernel", 1, "abc")}
	master := func(h planner.Host, m hotstick.Master) planner.Host {
		h.Compat.Facts.Masters = append(h.Compat.Facts.Masters, m)
		return h
	}
	adopted := hotstick.Master{System: "canonical", Active: true, Adopted: true, Driver: "canonical"}
	for _, test := range []struct {
		what string
		host planner.Host
		want string
	}{
		{"klp takes the newest level", with("n", "a", can("klp")), "ours@2 by klp"},
		{"a vendor's system goes before klp", with("n", "a", can("klp"), can("suse")), "sle@3 by suse"},
		{"a vendor's system that is not there does not", with("n", "a", can("klp"), cannot("suse", hotstick.ReasonUnsupported)), "ours@2 by klp"},
		{"an adopted scheduler on hold", master(with("n", "a", can("klp"), scheduling("canonical", true)), adopted), "ubuntu@1 by canonical"},
		{"somebody lifted its hold", master(with("n", "a", scheduling("canonical", false), can("reboot")), adopted), "hold_lifted"},
		{"a scheduler that is not adopted", with("n", "a", scheduling("canonical", false)), "other_master"},
		{"another system that is active", master(with("n", "a", can("klp")), hotstick.Master{System: "kernelcare", Active: true}), "other_master"},
		{"no subscription, and no reboot", with("n", "a", cannot("suse", hotstick.ReasonNotEntitled)), "not_entitled"},
		{"no subscription, so it reboots", with("n", "a", cannot("suse", hotstick.ReasonNotEntitled), can("reboot")), "kernel@1 by reboot"},
		{"cover has ended, so it reboots", with("n", "a", cannot("suse", hotstick.ReasonCoverEnded), can("reboot")), "kernel@1 by reboot"},
		{"no live patch for the build, so it reboots", with("n", "c", can("klp"), can("reboot")), "kernel@1 by reboot"},
		{"no patch of any system", with("n", "c", can("klp"), can("suse")), "not_covered"},
		{"no system at all", with("n", "a"), "not_covered"},
		{"it is closed there already", func() planner.Host {
			h := with("n", "a", can("suse"), can("reboot"))
			h.Compat.InEffect = hotstick.PatchRef{Name: "sle", Level: 3}
			return h
		}(), "already_in_effect"},
		{"a struck level is no cause to reboot", func() planner.Host {
			h := with("n", "a", can("suse"), can("reboot"))
			h.Compat.Strikes = []hotstick.PatchRef{{Name: "sle", Level: 3}}
			return h
		}(), "struck"},
		{"an operator's word", func() planner.Host {
			h := with("n", "a", can("suse"), can("reboot"))
			h.Verdict.Reason = &hotstick.Reason{Code: hotstick.ReasonExcluded}
			return h
		}(), "excluded"},
	} {
		test.host.Labels = map[string]string{}
		other := with("other", "b", can("klp")) // so that no plan is empty
		d, err := planner.Build(closing(all, test.host, other))
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		got := "nothing"
		for _, h := range d.Hosts {
			if h.Name == "n" {
				got = fmt.Sprintf("%s by %s", h.Patch, h.Driver)
			}
		}
		for _, l := range d.LeftOut {
			if l.Name == "n" {
				got = string(l.Reason.Code)
			}
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
}

func TestAPolicyThatDemandsAWayBackSendsAHostToTheNextSystem(t *testing.T) {
	all := []hotstick.Patch{of("suse", "sle", 1, "a"), of("reboot", "kernel", 1, "a")}
	h := with("n", "a", can("suse"), can("reboot"))
	h.Verdicts = []policy.Verdict{{Reason: &hotstick.Reason{Code: hotstick.ReasonNotReversible}}, {}}
	d, err := planner.Build(closing(all, h))
	if err != nil || d.Hosts[0].Driver != "reboot" {
		t.Errorf("%+v, %v", d.Hosts, err)
	}
}

func TestABannedCandidateIsNobodysChoice(t *testing.T) {
	r := closing([]hotstick.Patch{of("klp", "ours", 1, "a"), of("klp", "ours", 2, "a")}, with("n", "a", can("klp")))
	r.Candidates[1].Forbidden = &hotstick.Reason{Code: hotstick.ReasonBanned}
	d, err := planner.Build(r)
	if err != nil || d.Hosts[0].Patch.Level != 1 {
		t.Errorf("%+v, %v", d.Hosts, err)
	}
}

// anyMixed draws a fleet of several systems, and the patches that close a CVE on some of
// its kernel builds.
func anyMixed(t *rapid.T) planner.Request {
	shape := anyShape(t)
	names := map[string]string{"klp": "ours", "suse": "sle", "canonical": "ubuntu", "reboot": "kernel"}
	var all []hotstick.Patch
	for _, driver := range []string{"klp", "suse", "canonical", "reboot"} {
		for level := range rapid.IntRange(0, 2).Draw(t, "levels of "+driver) {
			builds := rapid.SampledFrom([]string{"a", "ab", "bc", "abcd"}).Draw(t, "builds")
			all = append(all, of(driver, names[driver], level+1, builds))
		}
	}
	var hosts []planner.Host
	for i := range rapid.IntRange(1, 60).Draw(t, "hosts") {
		h := with(fmt.Sprintf("n%03d", i), string(alphabet[rapid.IntRange(0, 3).Draw(t, "build")]))
		for _, driver := range []string{"klp", "suse", "canonical", "reboot"} {
			switch rapid.IntRange(0, 4).Draw(t, driver) {
			case 0, 1:
				h.Compat.Facts.Drivers = append(h.Compat.Facts.Drivers, can(driver))
			case 2:
				h.Compat.Facts.Drivers = append(h.Compat.Facts.Drivers, cannot(driver, hotstick.ReasonNotEntitled))
			}
		}
		h.Labels = map[string]string{"rack": fmt.Sprintf("r%d", i%5)}
		if rapid.IntRange(0, 5).Draw(t, "clustered") == 0 {
			h.Labels["pair"] = fmt.Sprintf("p%d", i/3)
		}
		if rapid.IntRange(0, 12).Draw(t, "critical") == 0 {
			h.Labels["critical"] = "true"
		}
		ring := rapid.IntRange(0, max(0, len(shape.Waves.RingDelay)-1)).Draw(t, "ring")
		for range all {
			h.Verdicts = append(h.Verdicts, policy.Verdict{Ring: ring})
		}
		if len(all) > 0 && rapid.IntRange(0, 9).Draw(t, "struck") == 0 {
			h.Compat.Strikes = []hotstick.PatchRef{rapid.SampledFrom(all).Draw(t, "by").Ref}
		}
		hosts = append(hosts, h)
	}
	r := closing(all, hosts...)
	r.Shape = shape
	return r
}

// laneOf names the system and kernel build of a listed host.
func laneOf(h hotstick.PlanHost) string { return h.Build.BuildID + " " + h.Driver }

// apart judges the order of a plan for a CVE by brute force: one host goes before all
// others, then one of each system and kernel build in steps of at most 2, 4, 8 …; and for
// each patch the waves grow as they would in a plan of its own.
func apart(r planner.Request, d planner.Draft) (wrong []string) {
	begun, of := map[string]bool{}, map[hotstick.PatchRef]int{}
	clustered := func(h hotstick.PlanHost) bool {
		return slices.ContainsFunc(r.Shape.Budgets, func(b hotstick.Budget) bool { return b.Quorum && h.Domains[b.Domain] != "" })
	}
	canaries, rest := 0, d.Hosts
	for w, wave := range d.Plan.Waves {
		hosts := rest[:wave.Hosts]
		rest = rest[wave.Hosts:]
		first, here, cluster := 0, map[hotstick.PatchRef]int{}, false
		opens := map[string]bool{}
		for _, h := range hosts {
			if h.Wave != w {
				wrong = append(wrong, fmt.Sprintf("%s is not in wave %d", h.Name, w))
			}
			if !begun[laneOf(h)] {
				if opens[laneOf(h)] {
					wrong = append(wrong, fmt.Sprintf("%s begins with two hosts", laneOf(h)))
				}
				opens[laneOf(h)] = true
				first++
			}
			here[h.Patch]++
			cluster = cluster || clustered(h)
		}
		switch {
		case w == 0 && len(hosts) != 1:
			wrong = append(wrong, fmt.Sprintf("%d hosts go first", len(hosts)))
		case first > 0 && (first != len(hosts) || first > canaries+1):
			wrong = append(wrong, fmt.Sprintf("wave %d begins %d lanes with %d hosts, after %d", w, first, len(hosts), canaries))
		}
		for patch, n := range here {
			switch {
			case first > 0 && n > of[patch]+1:
				wrong = append(wrong, fmt.Sprintf("wave %d begins %d lanes of %s after %d hosts", w, n, patch, of[patch]))
			case first == 0 && n > of[patch] && !cluster:
				wrong = append(wrong, fmt.Sprintf("wave %d gives %s to %d hosts after %d", w, patch, n, of[patch]))
			}
		}
		for _, h := range hosts {
			begun[laneOf(h)] = true
			of[h.Patch]++
		}
		if first > 0 {
			canaries += first
		}
	}
	return wrong
}

func TestEveryPlanForACVEKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyMixed(t)
		d, err := planner.Build(r)
		if err != nil {
			if len(d.Hosts) > 0 {
				t.Fatalf("a refused plan lists hosts: %v", err)
			}
			return
		}
		if len(d.Hosts)+len(d.LeftOut) != len(r.Hosts) {
			t.Fatalf("%d of %d hosts are listed and %d left out", len(d.Hosts), len(r.Hosts), len(d.LeftOut))
		}
		for _, h := range d.Hosts {
			lane, ok := d.Plan.LaneOf(h)
			if !ok || lane.Patch != h.Patch || d.Plan.PatchOf(lane) != h.Patch {
				t.Fatalf("%s is in no lane of its own: %+v", h.Name, h)
			}
			p := r.Catalog[slices.IndexFunc(r.Catalog, func(p hotstick.Patch) bool { return p.Ref == h.Patch })]
			if a, ok := p.Artifact(h.Build); !ok || a.Digest != lane.Artifact || p.Driver != h.Driver {
				t.Fatalf("%s gets what is not for it: %+v", h.Name, lane)
			}
			src := r.Hosts[slices.IndexFunc(r.Hosts, func(o planner.Host) bool { return o.Name == h.Name })]
			if !slices.ContainsFunc(src.Compat.Facts.Drivers, func(c hotstick.Capabilities) bool { return c.Driver == h.Driver && c.Available }) {
				t.Fatalf("%s has no %s", h.Name, h.Driver)
			}
			if slices.Contains(src.Compat.Strikes, h.Patch) {
				t.Fatalf("%s gets what struck it", h.Name)
			}
		}
		if wrong := apart(r, d); len(wrong) > 0 {
			for _, h := range d.Hosts {
				t.Logf("%d %s %s %s %v", h.Wave, h.Name, laneOf(h), h.Patch, h.Domains)
			}
			t.Fatalf("%q", wrong)
		}
		same, err := planner.Build(r)
		if err != nil || !reflect.DeepEqual(same, d) {
			t.Fatalf("the same request gives another plan: %v", err)
		}
	})
}

func TestALaneSaysHowLongItsSystemMayTake(t *testing.T) {
	all := []hotstick.Patch{of("klp", "ours", 1, "a"), of("suse", "sle", 1, "b"), of("canonical", "ubuntu", 1, "c"),
		of("reboot", "kernel", 1, "d"), of("windows", "kb", 1, "e")}
	hosts := []planner.Host{with("1", "a", can("klp")), with("2", "b", can("suse")), with("3", "c", can("canonical")),
		with("4", "d", can("reboot")), with("5", "e", can("windows"))}
	for _, test := range []struct {
		what  string
		shape policy.Shape
		want  map[string]int
	}{
		{"by default", policy.Shape{}, map[string]int{"klp": 75, "suse": 900, "canonical": 900, "reboot": 1800, "windows": 3600}},
		{"by the policy", policy.Shape{TransitionBy: map[string]time.Duration{"suse": 20 * time.Minute, "reboot": time.Minute}},
			map[string]int{"klp": 75, "suse": 1200, "canonical": 900, "reboot": 60, "windows": 3600}},
		{"never less than the policy has for all", policy.Shape{Transition: 40 * time.Minute},
			map[string]int{"klp": 2400, "suse": 2400, "canonical": 2400, "reboot": 2400, "windows": 3600}},
	} {
		r := closing(all, hosts...)
		r.Shape = test.shape
		d, err := planner.Build(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range d.Plan.Lanes {
			if got := d.Plan.TransitionOf(l); got != test.want[l.Driver] || l.TransitionSeconds == d.Plan.TransitionSeconds {
				t.Errorf("%s: %s may take %d s (written %d), want %d", test.what, l.Driver, got, l.TransitionSeconds, test.want[l.Driver])
			}
		}
	}
	r := closing(all, hosts...)
	r.Shape.TransitionBy = map[string]time.Duration{"suse": 0}
	if _, err := planner.Build(r); err == nil {
		t.Error("a transition of no time was taken")
	}
}

// TestAPlanOfOnePatchSaysForAllHostsHowLongItMayTake: what only lanes can say, loaders of
// before lanes could say it refuse.
func TestAPlanOfOnePatchSaysForAllHostsHowLongItMayTake(t *testing.T) {
	for driver, want := range map[string]int{"klp": 75, "suse": 900, "reboot": 1800, "windows": 3600} {
		r := request(of(driver, "fix", 1, "ab"), with("1", "a", can(driver)), with("2", "b", can(driver)))
		d, err := planner.Build(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Plan.Lanes) != 2 || d.Plan.TransitionSeconds != want {
			t.Errorf("%s: its %d lanes may take %d s, want %d", driver, len(d.Plan.Lanes), d.Plan.TransitionSeconds, want)
		}
		for _, l := range d.Plan.Lanes {
			if l.TransitionSeconds != 0 {
				t.Errorf("%s: the lane of %s says %d s", driver, l.Build.Release, l.TransitionSeconds)
			}
		}
	}
}

// TestCoverageNeedsNoPlan: what keeps a plan from being made says nothing of a host.
func TestCoverageNeedsNoPlan(t *testing.T) {
	all := []hotstick.Patch{of("klp", "ours", 1, "a")}
	r := closing(all, with("1", "a", can("klp")), with("2", "b", can("klp")))
	r.Hosts[0].Verdict.Calendar = "of no policy"
	if _, err := planner.Build(r); err == nil {
		t.Fatal("a plan was made")
	}
	if got := planner.Cover(r); len(got) != 2 || got[0] != nil || got[1] == nil || got[1].Code != hotstick.ReasonNotCovered {
		t.Errorf("it says %v", got)
	}
	r.Candidates = nil
	if got := planner.Cover(r); len(got) != 2 || got[0] == nil || got[0].Code != hotstick.ReasonNotCovered || got[1] == nil {
		t.Errorf("without a patch it says %v", got)
	}
}
