package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// wide builds a fleet in the middle of its rollout: 40 kernel builds, racks of 40,
// zones of 2,000, pairs; the first waves are confirmed, the next is under way.
func wide(hosts int) rollout.View {
	v := rollout.View{ID: "sha256:plan",
		Frame: rollout.Frame{Status: hotstick.Running, Limits: rollout.DefaultLimits, Started: &t0},
		Plan: hotstick.Plan{Patch: hotstick.PatchRef{Name: "fix", Level: 2}, NotAfter: t0.Add(14 * 24 * time.Hour),
			Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Percent: 5}, {Domain: "zone", Percent: 10},
				{Domain: "rack", Max: 4}, {Domain: "pair", Max: 1, Quorum: true, Open: 5000}}}}
	waves := []int{1, 1, 2, 4, 8, 25, hosts / 100, hosts / 10, hosts / 4, hosts}
	builds := 40
	for i, n := range waves {
		v.Plan.Waves = append(v.Plan.Waves, hotstick.Wave{Name: fmt.Sprint("w", i), Hosts: n, BakeSeconds: 60})
	}
	for wave, at := 0, 0; at < hosts; at++ {
		if waves[wave]--; waves[wave] < 0 {
			wave++
			waves[wave]--
		}
		build := fmt.Sprint("6.1.", at%builds)
		h := rollout.Host{State: hotstick.Waiting, Updated: t0, Posture: rollout.Posture{LastSeen: t0, Announced: true},
			Listed: hotstick.PlanHost{Host: hotstick.HostID(fmt.Sprintf("h-%06d", at)), Name: fmt.Sprintf("host-%06d", at), Wave: wave,
				Build:   hotstick.KernelBuild{Release: build, BuildID: build},
				Domains: map[string]string{"zone": fmt.Sprint(at / 2000), "rack": fmt.Sprint(at / 40), "pair": fmt.Sprint(at / 2)}}}
		if wave < 8 {
			h.State, h.Attempt, h.Updated = hotstick.Confirmed, 1, t0.Add(-time.Hour)
		}
		v.Hosts = append(v.Hosts, h)
	}
	return v
}

// settled opens a fleet and commits decisions until nothing starts any more; it
// returns the hosts that are under way.
func settled(hosts int) (*rollout.Rollout, []hotstick.HostID) {
	r := rollout.Open(wide(hosts))
	var moving []hotstick.HostID
	for {
		d := r.Next(t0)
		if d.Empty() {
			return r, moving
		}
		for _, s := range d.Starts {
			moving = append(moving, s.Host)
		}
	}
}

// BenchmarkNext is one report and the decision after it: a host that was admitted
// is confirmed, its slots are free, another starts; one report in four is only a
// check-in.
func BenchmarkNext(b *testing.B) {
	for _, hosts := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint("hosts=", hosts), func(b *testing.B) {
			r, moving := settled(hosts)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; b.Loop(); n++ {
				if len(moving) == 0 {
					b.StopTimer()
					r, moving = settled(hosts)
					b.StartTimer()
				}
				h, _ := r.Host(moving[0])
				if n%4 != 0 {
					moving = moving[1:]
					h.State, h.Updated, h.Reason = hotstick.Confirmed, t0, nil
				}
				r.SetHost(h)
				for _, s := range r.Next(t0).Starts {
					moving = append(moving, s.Host)
				}
			}
		})
	}
}

// BenchmarkHalt is a report that the patch is bad, and the decision that halts the
// plan.
func BenchmarkHalt(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		r, moving := settled(100_000)
		h, _ := r.Host(moving[0])
		h.State, h.Reason = hotstick.Reverted, &hotstick.Reason{Code: hotstick.ReasonProbeFailed}
		b.StartTimer()
		r.SetHost(h)
		if d := r.Next(t0); d.Status != hotstick.Halted {
			b.Fatal("it was not halted")
		}
	}
}

// BenchmarkOpen takes up a whole plan and makes the first decision.
func BenchmarkOpen(b *testing.B) {
	for _, hosts := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint("hosts=", hosts), func(b *testing.B) {
			v := wide(hosts)
			b.ReportAllocs()
			for b.Loop() {
				rollout.Open(v).Next(t0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(hosts), "ns/host")
		})
	}
}
