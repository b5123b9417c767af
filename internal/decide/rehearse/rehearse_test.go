package rehearse_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/decide/rehearse"
)

var t0 = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

// planned is a plan over a fleet of as many hosts and kernel builds, in three zones
// and racks of 40, made by the planner.
func planned(tb testing.TB, hosts, builds int, shape policy.Shape) planner.Draft {
	tb.Helper()
	patch := hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: 1}, Driver: "klp", Reversibility: hotstick.ReversibleLive, Replace: true}
	for b := range builds {
		patch.Artifacts = append(patch.Artifacts, hotstick.Artifact{Build: build(b), SizeBytes: 1,
			Digest: hotstick.NewDigest(fmt.Append(nil, b)), Module: "fix_1"})
	}
	req := planner.Request{Patch: patch, Author: "ada", Epoch: 1, Now: t0, Catalog: []hotstick.Patch{patch}, Shape: shape,
		Root: func(hosts []hotstick.PlanHost) (string, error) { return fmt.Sprint(len(hosts)), nil }}
	for i := range hosts {
		name := fmt.Sprintf("node-%06d", i)
		req.Hosts = append(req.Hosts, planner.Host{ID: hotstick.HostID("h-" + name), Name: name, Identity: hotstick.NewDigest([]byte(name)),
			Labels: map[string]string{"zone": fmt.Sprint("z", i%3), "rack": fmt.Sprint("r", i/40)},
			Compat: compat.Host{Facts: &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: build(i % builds)},
				Drivers: []hotstick.Capabilities{{Driver: "klp", Available: true}}}}})
	}
	d, err := planner.Build(req)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func build(n int) hotstick.KernelBuild {
	return hotstick.KernelBuild{Release: fmt.Sprint("6.1.0-", n), Arch: "x86_64", BuildID: fmt.Sprintf("%040x", n)}
}

func request(d planner.Draft, runs int, scenarios ...rehearse.Scenario) rehearse.Request {
	return rehearse.Request{Plan: d.Plan, ID: "sha256:plan", Hosts: d.Hosts, Start: t0, Scenarios: scenarios, Runs: runs, Seed: 1, Model: rehearse.DefaultModel()}
}

func mustRun(tb testing.TB, r rehearse.Request) rehearse.Result {
	tb.Helper()
	result, err := rehearse.Run(r)
	if err != nil {
		tb.Fatal(err)
	}
	return result
}

func scenario(tb testing.TB, name string) rehearse.Scenario {
	tb.Helper()
	s, ok := rehearse.ScenarioNamed(name)
	if !ok {
		tb.Fatalf("there is no scenario %q", name)
	}
	return s
}

func TestTheSameSeedGivesTheSameResult(t *testing.T) {
	d := planned(t, 200, 7, policy.Shape{})
	if a, b := mustRun(t, request(d, 3)), mustRun(t, request(d, 3)); !reflect.DeepEqual(a, b) {
		t.Errorf("one seed gave two results:\n%+v\n%+v", a, b)
	}
}

// calm is a fleet in which nothing goes down by itself.
func calm(d planner.Draft, runs int, scenarios ...rehearse.Scenario) rehearse.Request {
	r := request(d, runs, scenarios...)
	r.Model.BackgroundPPM = 0
	return r
}

func TestAGoodPatchGetsThroughWithinItsBudgets(t *testing.T) {
	d := planned(t, 600, 7, policy.Shape{Budgets: []hotstick.Budget{{Domain: "rack", Max: 2}, {Domain: "zone", Percent: 5}, {Domain: hotstick.FleetDomain, Max: 20}}})
	o := mustRun(t, calm(d, 5, scenario(t, "good"))).Scenarios[0]
	if o.Ends.Completed != 5 || o.Crashed.Max != 0 || o.Reached.Median != 100 || len(o.Stops) != 0 {
		t.Errorf("a good patch: %+v", o)
	}
	limits := map[string]int{"rack": 2, "zone": 10, "fleet": 20}
	for _, b := range o.Blast {
		if b.Hosts < 1 || b.Hosts > limits[b.Domain] {
			t.Errorf("disturbed %d hosts of %s=%s at once, want at most %d", b.Hosts, b.Domain, b.Value, limits[b.Domain])
		}
	}
	if len(o.Blast) != len(limits) {
		t.Errorf("the blast speaks of %d kinds of domains, want %d", len(o.Blast), len(limits))
	}
}

func TestBadPatchesAreStopped(t *testing.T) {
	d := planned(t, 1000, 20, policy.Shape{})
	tests := []struct {
		name, scenario string
		traces         int
		mean, most     float64
		end            rehearse.End
		wave           string
	}{
		{"a killer without a trace crashes the first host only", "killer", 0, 1, 1, rehearse.Held, "first-host"},
		{"a killer whose trace names it is halted there", "killer", 1_000_000, 1, 1, rehearse.Halted, "first-host"},
		{"a slow killer is caught among the first canaries", "slow-killer", 1_000_000, 2, 6, rehearse.Halted, "first-host"},
		{"one that takes hours comes further", "very-slow-killer", 1_000_000, 3, 20, rehearse.Halted, ""},
		{"one that kills every tenth is caught among the canaries", "10%-killer", 1_000_000, 6, 40, rehearse.Halted, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := calm(d, 20, scenario(t, test.scenario))
			r.Model.TracePPM = test.traces
			o := mustRun(t, r).Scenarios[0]
			if o.Ends.Completed > 0 || o.Crashed.Mean > test.mean || o.Crashed.Max > test.most || o.Crashed.Max < 1 {
				t.Errorf("ends %+v, crashed %+v; want a mean of at most %g and never more than %g", o.Ends, o.Crashed, test.mean, test.most)
			}
			if s := o.Stops[0]; s.End != test.end || test.wave != "" && s.Name != test.wave || s.Code == "" {
				t.Errorf("stopped first at %+v, want %s in %q", s, test.end, test.wave)
			}
		})
	}
}

func TestWindowsAreHonoured(t *testing.T) {
	d := planned(t, 60, 2, policy.Shape{})
	for i := range d.Hosts {
		d.Hosts[i].Calendar = "night"
	}
	opens := hotstick.Calendar{Name: "night"}
	for day := range 13 {
		from := t0.Add(time.Duration(24*day+2) * time.Hour)
		opens.Opens = append(opens.Opens, hotstick.Interval{From: from, Until: from.Add(time.Hour)})
	}
	d.Plan.Calendars = []hotstick.Calendar{opens}
	o := mustRun(t, calm(d, 2, scenario(t, "good"))).Scenarios[0]
	if o.Ends.Completed != 2 || o.Seconds.Median < 24*3600 {
		t.Errorf("with an hour a night it took %.0f s, ends %+v", o.Seconds.Median, o.Ends)
	}
}

func TestAnOutageDelaysAndCrashesNobody(t *testing.T) {
	d := planned(t, 300, 2, policy.Shape{})
	o := mustRun(t, calm(d, 3, scenario(t, "zone-outage"))).Scenarios[0]
	if o.Crashed.Max != 0 || o.Ends.Completed+o.Ends.Halted+o.Ends.Held != 3 {
		t.Errorf("an outage: %+v", o)
	}
}

func TestRefusesToRehearse(t *testing.T) {
	d := planned(t, 20, 2, policy.Shape{})
	tests := []struct {
		name   string
		change func(*rehearse.Request)
	}{
		{"no runs", func(r *rehearse.Request) { r.Runs = 0 }},
		{"too many runs", func(r *rehearse.Request) { r.Runs = rehearse.MaxRuns + 1 }},
		{"another host list", func(r *rehearse.Request) { r.Hosts = r.Hosts[1:] }},
		{"a plan that is over", func(r *rehearse.Request) { r.Start = r.Plan.NotAfter }},
		{"hosts that take no time", func(r *rehearse.Request) { r.Model.RebootSeconds = 0 }},
		{"a plan that is no plan", func(r *rehearse.Request) { r.Plan.Waves = nil }},
		{"a listener who has enough", func(r *rehearse.Request) { r.Progress = func(done, of int) bool { return done < of } }},
	}
	for _, test := range tests {
		r := request(d, 1, scenario(t, "good"))
		test.change(&r)
		if _, err := rehearse.Run(r); err == nil {
			t.Errorf("%s: rehearsed", test.name)
		}
	}
}

func TestVerdict(t *testing.T) {
	good, bad := rehearse.Scenario{Name: "good", Text: "is good"}, rehearse.Scenario{Name: "k", Text: "kills", KillPPM: 1}
	outcome := func(s rehearse.Scenario, completed, halted, held int) rehearse.Outcome {
		return rehearse.Outcome{Scenario: s, Runs: 200, Ends: rehearse.Ends{Completed: completed, Halted: halted, Held: held},
			Crashed: rehearse.Spread{Mean: 2, P99: 9}, CrashedShare: rehearse.Spread{P99: 0.09}, Reached: rehearse.Spread{Median: 98}}
	}
	tests := []struct {
		want      string
		scenarios []rehearse.Outcome
	}{
		{"A patch that is good gets through every time.", []rehearse.Outcome{outcome(good, 200, 0, 0)}},
		{"Not ready: a patch that is good is halted in 3 of 200 runs.", []rehearse.Outcome{outcome(good, 197, 3, 0)}},
		{"A patch that is good gets through in 190 of 200 runs; in the others a lane waits for people because a host went down (98 % of the hosts are reached in half of all runs).",
			[]rehearse.Outcome{outcome(good, 190, 0, 10)}},
		{"No gate stops a patch that kills in 1 of 200 runs; it crashes 2 hosts on average. Longer bakes of the first waves would.", []rehearse.Outcome{outcome(bad, 1, 199, 0)}},
		{"A patch that is good gets through every time. Every bad patch is stopped; the worst, one that kills, crashes 2 of 10000 hosts on average and 9 in one of a hundred rollouts (0.09 %).",
			[]rehearse.Outcome{outcome(good, 200, 0, 0), outcome(bad, 0, 200, 0)}},
	}
	for _, test := range tests {
		if got := (rehearse.Result{Hosts: 10_000, Scenarios: test.scenarios}).Verdict(); got != test.want {
			t.Errorf("said %q\nwant %q", got, test.want)
		}
	}
}

// BenchmarkRehearse is G7: how many of 10,000 hosts a bad patch crashes under the
// planner's defaults, where no crash leaves a trace.
func BenchmarkRehearse(b *testing.B) {
	for _, builds := range []int{40, 2000} {
		for _, name := range []string{"killer", "10%-killer"} {
			b.Run(fmt.Sprintf("builds=%d/%s", builds, name), func(b *testing.B) {
				r := request(planned(b, 10_000, builds, policy.Shape{}), 200, scenario(b, name))
				r.Model.TracePPM = 0
				for b.Loop() {
					o := mustRun(b, r).Scenarios[0]
					b.ReportMetric(o.CrashedShare.Mean, "crashed-mean/%")
					b.ReportMetric(o.CrashedShare.P99, "crashed-p99/%")
				}
				b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N)/200, "ms/run")
			})
		}
	}
}
