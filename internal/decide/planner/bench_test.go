package planner_test

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/statement"
)

// crowd is a fleet with racks of 40, three zones, services of 500 hosts, four
// maintenance windows and 40 kernel builds. One wave holds at most a tenth of each
// rack, and two fifths of each zone, service and window.
func crowd(n int) planner.Request {
	var p hotstick.Patch
	builds := make([]hotstick.KernelBuild, 40)
	facts := make([]*hotstick.Facts, len(builds))
	p = hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: 2}, Driver: "klp", Reversibility: hotstick.ReversibleLive, Replace: true}
	for i := range builds {
		builds[i] = hotstick.KernelBuild{Release: fmt.Sprintf("6.1.0-%d-amd64", i), Arch: "x86_64", BuildID: fmt.Sprintf("%040x", i)}
		facts[i] = &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: builds[i]}, Drivers: []hotstick.Capabilities{{Driver: "klp", Available: true}}}
		p.Artifacts = append(p.Artifacts, hotstick.Artifact{Build: builds[i], SizeBytes: 1, Module: "fix_2", Digest: hotstick.NewDigest([]byte(builds[i].BuildID))})
	}
	hosts := make([]planner.Host, n)
	for i := range hosts {
		hosts[i] = planner.Host{
			ID: hotstick.HostID(fmt.Sprintf("h-%016x", i)), Name: fmt.Sprintf("node-%d", i), Identity: hotstick.NewDigest(fmt.Append(nil, i)),
			Labels: map[string]string{"rack": fmt.Sprint("r", i/40), "zone": fmt.Sprint("z", i/40%3), "service": fmt.Sprint("s", i%max(1, n/500)),
				"role": fmt.Sprint("o", i%5), "hardware": fmt.Sprint("w", i%7)},
			Compat:  compat.Host{Facts: facts[i*7%len(facts)]},
			Verdict: policy.Verdict{Calendar: fmt.Sprint("window-", i%4)},
		}
	}
	r := request(p, hosts...)
	r.Root = func([]hotstick.PlanHost) (string, error) { return "", nil }
	r.Shape.Waves.Spread = map[string]int{"rack": 4, "zone": n / 8, "service": 200, planner.CalendarKind: n / 10}
	r.Shape.Waves.Representative = []string{"zone", "role", "hardware"}
	r.Shape.Budgets = []hotstick.Budget{{Domain: "rack", Max: 2}, {Domain: "zone", Percent: 10}}
	for i := range 4 {
		r.Shape.Calendars = append(r.Shape.Calendars, hotstick.Calendar{Name: fmt.Sprint("window-", i), Opens: []hotstick.Interval{{From: r.Now, Until: r.Now.Add(1)}}})
	}
	return r
}

var sizes = []int{1000, 10_000, 100_000, 1_000_000}

// BenchmarkPlan measures planning from packed hosts: the shuffle, canaries with
// stand-ins, and waves under rack, zone, service and window caps.
func BenchmarkPlan(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			p := mustPack(b, crowd(n))
			perHost(b, n, func() {
				if err := planner.Replan(p); err != nil {
					b.Fatal(err)
				}
			})
			b.ReportMetric(float64(planner.Waves(p)), "waves")
		})
	}
}

// BenchmarkPack measures what goes before: compatibility of every host, and its
// labels turned into numbers.
func BenchmarkPack(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			r := crowd(n)
			perHost(b, n, func() { mustPack(b, r) })
		})
	}
}

// BenchmarkDraft measures what comes after: the host list, lanes and waves as
// they are signed, without the root.
func BenchmarkDraft(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			p := mustPack(b, crowd(n))
			perHost(b, n, func() { mustDraft(b, p) })
		})
	}
}

// BenchmarkRoot measures the Merkle root over the host list.
func BenchmarkRoot(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			hosts := mustDraft(b, mustPack(b, crowd(n))).Hosts
			perHost(b, n, func() {
				if _, err := statement.HostsRoot(hosts); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func perHost(b *testing.B, hosts int, work func()) {
	b.Helper()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, start := 0, cpu(b)
	for b.Loop() {
		work()
		n++
	}
	b.ReportMetric(float64((cpu(b)-start).Nanoseconds())/float64(n)/float64(hosts), "cpu-ns/host")
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/float64(hosts), "ns/host")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(n)/float64(hosts), "B/host")
}

func mustPack(t testing.TB, r planner.Request) *planner.Planner {
	t.Helper()
	p, err := planner.Pack(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustDraft(t testing.TB, p *planner.Planner) planner.Draft {
	t.Helper()
	d, err := p.Draft()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// BenchmarkReplan measures planning again after one host changed: in turn, one
// moves to another rack, zone and service, one is left out, and it comes back.
func BenchmarkReplan(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			r := crowd(n)
			p := mustPack(b, r)
			change := func(i int) {
				h := r.Hosts[(i-i%3/2)*7919%n]
				switch i % 3 {
				case 0:
					h.Labels = r.Hosts[(i*104729+40)%n].Labels
				case 1: // and 2 takes it back
					h.Verdict.Reason = &hotstick.Reason{Code: hotstick.ReasonExcluded}
				}
				if err := p.Change(h); err != nil {
					b.Fatal(err)
				}
			}
			change(0) // which makes the index
			b.ReportAllocs()
			i := 0
			start := cpu(b)
			for b.Loop() {
				i++
				change(i)
			}
			b.ReportMetric(float64((cpu(b)-start).Nanoseconds())/float64(i), "cpu-ns/op")
		})
	}
}

// cpu is the processor time that the process has used: on a busy machine it says
// more than the clock on the wall.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
