package planner_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/decide/planner"
)

func build(name string) hotstick.KernelBuild {
	return hotstick.KernelBuild{Release: "6.1-" + name, Arch: "x86_64", BuildID: strings.Repeat("0", 14) + fmt.Sprintf("%02x", name[0])}
}

func patch(level int, builds string) hotstick.Patch {
	p := hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: level}, Driver: "klp", Reversibility: hotstick.ReversibleLive, Replace: true}
	for _, b := range builds {
		p.Artifacts = append(p.Artifacts, hotstick.Artifact{Build: build(string(b)), SizeBytes: 1,
			Digest: hotstick.NewDigest(fmt.Append(nil, level, string(b))), Module: fmt.Sprintf("fix_%d", level)})
	}
	return p
}

// host is NAME on a kernel build, with klp available.
func host(name, kernel string) planner.Host {
	return planner.Host{
		ID: hotstick.HostID("h-" + name), Name: name, Identity: hotstick.NewDigest([]byte(name)), Labels: map[string]string{"rack": name[:1]},
		Compat: compat.Host{Facts: &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: build(kernel)},
			Drivers: []hotstick.Capabilities{{Driver: "klp", Available: true}}}},
	}
}

func request(p hotstick.Patch, hosts ...planner.Host) planner.Request {
	return planner.Request{
		Patch: p, Author: "ada", Epoch: 1, Now: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), Hosts: hosts,
		Catalog: []hotstick.Patch{patch(1, "abcdefgh"), p},
		Root:    func(hosts []hotstick.PlanHost) (string, error) { return fmt.Sprint(len(hosts)), nil },
	}
}

// shape writes the waves as their hosts' kernel builds.
func shape(d planner.Draft) string {
	waves := make([][]string, len(d.Plan.Waves))
	for _, h := range d.Hosts {
		waves[h.Wave] = append(waves[h.Wave], strings.TrimPrefix(h.Build.Release, "6.1-"))
	}
	var out []string
	for _, w := range waves {
		slices.Sort(w)
		out = append(out, strings.Join(w, ""))
	}
	return strings.Join(out, " ")
}

func TestCanariesAreStaged(t *testing.T) {
	tests := []struct{ fleet, want string }{
		{"a", "a"},
		{"aabb", "a b ab"},
		{"aaaa", "a a a a"},
		{"aabbccddeeffgghh", "a bc defg h abcdefgh"},
	}
	for _, test := range tests {
		var hosts []planner.Host
		for i, k := range test.fleet {
			hosts = append(hosts, host(fmt.Sprintf("n%02d", i), string(k)))
		}
		d, err := planner.Build(request(patch(2, "abcdefgh"), hosts...))
		if err != nil {
			t.Fatal(err)
		}
		if got := shape(d); got != test.want {
			t.Errorf("%s: waves %q, want %q", test.fleet, got, test.want)
		}
	}
}

func TestLeavesOut(t *testing.T) {
	with := func(edit func(*planner.Host)) planner.Host { h := host("x", "a"); edit(&h); return h }
	yes := true
	tests := []struct {
		name string
		host planner.Host
		want hotstick.ReasonCode
	}{
		{"another kernel build", host("x", "z"), hotstick.ReasonNoArtifact},
		{"a struck host", with(func(h *planner.Host) { h.Compat.Strikes = []hotstick.PatchRef{{Name: "fix", Level: 2}} }), hotstick.ReasonStruck},
		{"a host where it was reverted", with(func(h *planner.Host) { h.Compat.Reverted = []hotstick.PatchRef{{Name: "fix", Level: 2}} }), hotstick.ReasonRevertedBefore},
		{"a host that the policy does not pick", with(func(h *planner.Host) { h.Verdict.Reason = &hotstick.Reason{Code: hotstick.ReasonNotEligible} }), hotstick.ReasonNotEligible},
		{"an excluded host", with(func(h *planner.Host) { h.Verdict.Reason = &hotstick.Reason{Code: hotstick.ReasonExcluded} }), hotstick.ReasonExcluded},
		{"a host at that level", with(func(h *planner.Host) { h.Compat.InEffect = hotstick.PatchRef{Name: "fix", Level: 2} }), hotstick.ReasonAlreadyInEffect},
		{"a host at a newer level", with(func(h *planner.Host) { h.Compat.InEffect = hotstick.PatchRef{Name: "fix", Level: 3} }), hotstick.ReasonDowngrade},
		{"a host without the driver", with(func(h *planner.Host) { h.Compat.Facts.Drivers = nil }), hotstick.ReasonUnsupported},
		{"a kernel that loads no modules", with(func(h *planner.Host) { h.Compat.Facts.Security.ModulesDisabled = &yes }), hotstick.ReasonModulesDisabled},
		{"a host with a foreign patch", with(func(h *planner.Host) {
			h.Compat.Patches = []hotstick.LoadedPatch{{Module: "kpatch_other", State: hotstick.InEffect}}
		}), hotstick.ReasonForeignPatch},
		{"a host that never sent facts", with(func(h *planner.Host) { h.Compat.Facts = nil }), hotstick.ReasonHostSilent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := planner.Build(request(patch(2, "a"), test.host, host("good", "a")))
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Hosts) != 1 || len(d.LeftOut) != 1 || d.LeftOut[0].Reason.Code != test.want {
				t.Errorf("listed %d hosts, left out %+v", len(d.Hosts), d.LeftOut)
			}
		})
	}
}

func TestRefusesToPlan(t *testing.T) {
	var refusal *planner.Refusal
	if _, err := planner.Build(request(patch(2, "a"))); !errors.As(err, &refusal) {
		t.Errorf("an empty selection gave %v", err)
	}
	for _, code := range []hotstick.ReasonCode{hotstick.ReasonBanned, hotstick.ReasonRecalled} {
		forbidden := request(patch(2, "a"), host("x", "a"))
		forbidden.Forbidden = &hotstick.Reason{Code: code}
		if _, err := planner.Build(forbidden); !errors.As(err, &refusal) || refusal.Reason.Code != code {
			t.Errorf("a patch that is %s gave %v", code, err)
		}
	}
}

func TestRevertTargetsAreTheLevelsInEffect(t *testing.T) {
	patched := host("p", "a")
	patched.Compat.InEffect = hotstick.PatchRef{Name: "fix", Level: 1}
	d, err := planner.Build(request(patch(2, "a"), patched, host("q", "a")))
	if err != nil {
		t.Fatal(err)
	}
	got := d.Plan.Lanes[0].RevertTo
	if len(got) != 2 || !got[0].Patch.IsZero() || got[1].Patch.Level != 1 || got[1].Module != "fix_1" {
		t.Errorf("may go back to %+v", got)
	}
}

// TestAHostThatWasRebootedGoesBackToTheKernelAsItBooted: nothing of a reboot could be
// loaded there.
func TestAHostThatWasRebootedGoesBackToTheKernelAsItBooted(t *testing.T) {
	rebooted := host("p", "a")
	rebooted.Compat.InEffect = hotstick.PatchRef{Name: "kernel", Level: 1}
	r := request(patch(2, "a"), rebooted, host("q", "a"))
	r.Catalog = append(r.Catalog, hotstick.Patch{Ref: hotstick.PatchRef{Name: "kernel", Level: 1}, Driver: "reboot"})
	d, err := planner.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Plan.Lanes[0].RevertTo; len(d.Hosts) != 2 || len(got) != 1 || got[0] != (hotstick.RevertTarget{}) {
		t.Errorf("%d hosts may go back to %+v", len(d.Hosts), got)
	}
}

func TestAnOlderLevelThatWasRevertedOrStruckDoesNotKeepTheNewOneOut(t *testing.T) {
	h := host("x", "a")
	h.Compat.Reverted, h.Compat.Strikes = []hotstick.PatchRef{{Name: "fix", Level: 1}}, []hotstick.PatchRef{{Name: "fix", Level: 1}}
	if d, err := planner.Build(request(patch(2, "a"), h)); err != nil || len(d.Hosts) != 1 {
		t.Errorf("left out %+v (%v)", d.LeftOut, err)
	}
}

func TestCriticalHostsGoLast(t *testing.T) {
	var hosts []planner.Host
	for i := range 20 {
		h := host(fmt.Sprintf("n%02d", i), "a")
		if i == 7 {
			h.Labels["critical"] = "true"
		}
		hosts = append(hosts, h)
	}
	d, err := planner.Build(request(patch(2, "a"), hosts...))
	if err != nil {
		t.Fatal(err)
	}
	last := d.Hosts[len(d.Hosts)-1]
	if wave := d.Plan.Waves[last.Wave]; last.Name != "n07" || wave.Hosts != 1 || !strings.HasPrefix(wave.Name, "last-") {
		t.Errorf("%s goes last, in wave %+v", last.Name, wave)
	}
}

func TestPercentagesRoundDownAndNeverToZero(t *testing.T) {
	tests := []struct {
		hosts int
		widen []int
		want  string
	}{
		{4, []int{1, 100}, "1 1 2"}, // 1 % of 3
		{3, []int{50, 100}, "1 1 1"},
		{101, []int{1, 2, 100}, "1 1 1 3 6 12 24 32 21"},
		{200, []int{1, 100}, "1 1 2 4 8 16 32 42 70 24"}, // 1.99
		{2, []int{1, 2, 3, 4, 100}, "1 1"},
		{1, []int{100}, "1"},
	}
	for _, test := range tests {
		var hosts []planner.Host
		for i := range test.hosts {
			hosts = append(hosts, host(fmt.Sprintf("n%03d", i), "a"))
		}
		r := request(patch(2, "a"), hosts...)
		r.Shape.Waves.Widen = test.widen
		d, err := planner.Build(r)
		if err != nil {
			t.Fatal(err)
		}
		var sizes []string
		for _, w := range d.Plan.Waves {
			sizes = append(sizes, fmt.Sprint(w.Hosts))
		}
		if got := strings.Join(sizes, " "); got != test.want {
			t.Errorf("%d hosts by %v: waves of %s, want %s", test.hosts, test.widen, got, test.want)
		}
	}
}

func TestShapesThatContradictThemselvesAreRefused(t *testing.T) {
	tests := []struct {
		name string
		edit func(*planner.Request)
	}{
		{"a wave of 0 %", func(r *planner.Request) { r.Shape.Waves.Widen = []int{0, 100} }},
		{"waves that shrink", func(r *planner.Request) { r.Shape.Waves.Widen = []int{30, 20, 100} }},
		{"waves that overlap", func(r *planner.Request) { r.Shape.Waves.Widen = []int{30, 30, 100} }},
		{"waves that leave hosts behind", func(r *planner.Request) { r.Shape.Waves.Widen = []int{10, 99} }},
		{"more than all", func(r *planner.Request) { r.Shape.Waves.Widen = []int{100, 200} }},
		{"a spread of nothing", func(r *planner.Request) { r.Shape.Waves.Spread = map[string]int{"rack": 0} }},
		{"a negative spread", func(r *planner.Request) { r.Shape.Waves.Spread = map[string]int{"rack": -1} }},
		{"a spread of no kind", func(r *planner.Request) { r.Shape.Waves.Spread = map[string]int{"": 1} }},
		{"a negative bake", func(r *planner.Request) { r.Shape.Waves.Bake = -1 }},
		{"a negative ring delay", func(r *planner.Request) { r.Shape.Waves.RingDelay = []time.Duration{-1} }},
		{"a crowd of stand-ins", func(r *planner.Request) { r.Shape.Waves.StandIns = 4 }},
		{"an endless life", func(r *planner.Request) { r.Shape.Life = -time.Hour }},
		{"two budgets of one kind", func(r *planner.Request) {
			r.Shape.Budgets = []hotstick.Budget{{Domain: "rack", Max: 1}, {Domain: "rack", Max: 2}}
		}},
		{"a budget of nothing", func(r *planner.Request) { r.Shape.Budgets = []hotstick.Budget{{Domain: "rack"}} }},
		{"a negative budget", func(r *planner.Request) { r.Shape.Budgets = []hotstick.Budget{{Domain: "rack", Max: -1}} }},
		{"a budget of both kinds", func(r *planner.Request) { r.Shape.Budgets = []hotstick.Budget{{Domain: "rack", Max: 1, Percent: 1}} }},
		{"a host in a ring that is not there", func(r *planner.Request) { r.Hosts[0].Verdict.Ring = 1 }},
		{"a host in a negative ring", func(r *planner.Request) { r.Hosts[0].Verdict.Ring = -1 }},
		{"a host in a calendar that is not there", func(r *planner.Request) { r.Hosts[0].Verdict.Calendar = "night" }},
		{"a calendar that never opens", func(r *planner.Request) {
			r.Hosts[0].Verdict.Calendar = "never"
			r.Shape.Calendars = []hotstick.Calendar{{Name: "never"}}
		}},
		{"a rule for late hosts that means all", func(r *planner.Request) { r.Shape.Late = &hotstick.LateRule{} }},
		{"a host selected twice", func(r *planner.Request) { r.Hosts = append(r.Hosts, r.Hosts[0]) }},
		{"caps that need 300 waves", func(r *planner.Request) {
			for i := range 300 {
				r.Hosts = append(r.Hosts, host(fmt.Sprintf("m%03d", i), "a"))
			}
			r.Shape.Waves.Spread = map[string]int{"fleet": 1}
		}},
	}
	for _, test := range tests {
		r := request(patch(2, "a"), host("x", "a"), host("y", "a"))
		test.edit(&r)
		if d, err := planner.Build(r); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: %d waves, %v", test.name, len(d.Plan.Waves), err)
		}
	}
}

// Of a build that runs on clusters only, the canary begins one: what is left of
// that cluster follows in the first wave that widens, the others go together later.
func TestAClusterThatACanaryBeganIsFinishedFirst(t *testing.T) {
	var hosts []planner.Host
	for i := range 60 {
		h := host(fmt.Sprintf("n%02d", i), "a")
		if i < 12 {
			h = host(fmt.Sprintf("n%02d", i), "b")
			h.Labels["ceph"] = fmt.Sprint("osd", i/3)
		}
		hosts = append(hosts, h)
	}
	r := request(patch(2, "ab"), hosts...)
	r.Shape.Budgets = []hotstick.Budget{{Domain: "ceph", Max: 1, Quorum: true}}
	d, err := planner.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	waves := map[string][]string{}
	for _, h := range d.Hosts {
		if c := h.Domains["ceph"]; c != "" {
			waves[c] = append(waves[c], strings.TrimRight(d.Plan.Waves[h.Wave].Name, "0123456789"))
		}
	}
	begun := 0
	for _, names := range waves {
		switch strings.Join(names, " ") {
		case "canary- wave- wave-":
			begun++
		case "clusters- clusters- clusters-":
		default:
			t.Errorf("a cluster goes in %q", names)
		}
	}
	if begun != 1 || len(waves) != 4 {
		t.Errorf("%d of %d clusters begun", begun, len(waves))
	}
}

func TestTwoThousandBuildsArePlanned(t *testing.T) {
	p := hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: 2}, Driver: "klp", Reversibility: hotstick.ReversibleLive}
	var hosts []planner.Host
	for i := range 2000 {
		b := hotstick.KernelBuild{Release: fmt.Sprintf("6.1.0-%d", i), Arch: "x86_64", BuildID: fmt.Sprintf("%040x", i)}
		p.Artifacts = append(p.Artifacts, hotstick.Artifact{Build: b, SizeBytes: 1, Module: "fix_2", Digest: hotstick.NewDigest([]byte(b.BuildID))})
		for j := range 5 {
			h := host(fmt.Sprintf("n%d-%d", i, j), "a")
			h.Compat.Facts = &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: b}, Drivers: h.Compat.Facts.Drivers}
			hosts = append(hosts, h)
		}
	}
	d, err := planner.Build(request(p, hosts...))
	if err != nil {
		t.Fatal(err)
	}
	if sizes := d.Plan.Waves; len(d.Plan.Lanes) != 2000 || sizes[0].Hosts != 1 || sizes[1].Hosts != 2 || sizes[9].Hosts != 512 || sizes[10].Hosts != 977 {
		t.Errorf("%d lanes, waves %+v", len(d.Plan.Lanes), sizes)
	}
}
