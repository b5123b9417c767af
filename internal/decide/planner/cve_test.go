package planner_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

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
	adopted := hotstick.Master{System: "canonical", Active: true, Adopted: true}
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
		if len(all) > 0 && rapid.IntRange(0, 9).Draw(t, "struck") == 0 {
			h.Compat.Strikes = []hotstick.PatchRef{rapid.SampledFrom(all).Draw(t, "by").Ref}
		}
		hosts = append(hosts, h)
	}
	return closing(all, hosts...)
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
		firsts := map[string]int{}
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
			key := lane.Build.BuildID + " " + lane.Driver
			if w, ok := firsts[key]; !ok || h.Wave < w {
				firsts[key] = h.Wave
			}
		}
		// The first wave is one host, and each lane begins with one.
		begins := map[string]int{}
		for _, h := range d.Hosts {
			if key := h.Build.BuildID + " " + h.Driver; h.Wave == firsts[key] {
				begins[key]++
			}
		}
		for key, n := range begins {
			if n != 1 {
				t.Fatalf("lane %s begins with %d hosts", key, n)
			}
		}
		if d.Plan.Waves[0].Hosts != 1 {
			t.Fatalf("the plan begins with %d hosts", d.Plan.Waves[0].Hosts)
		}
		same, err := planner.Build(r)
		if err != nil || !reflect.DeepEqual(same, d) {
			t.Fatalf("the same request gives another plan: %v", err)
		}
	})
}
