package policy_test

import (
	"fmt"
	"testing"

	"github.com/hotstick/hotstick/internal/decide/policy"
)

// fleet makes hosts as a large site has them.
func fleet(n int) []policy.Host {
	hosts := make([]policy.Host, n)
	for i := range hosts {
		role := []string{"web", "db", "cache", "build"}[i%4]
		hosts[i] = policy.Host{ID: fmt.Sprintf("h-%d", i), Name: fmt.Sprintf("%s-%06d", role, i), Release: "6.1.0-47-amd64", Arch: "x86_64",
			Labels:  map[string]string{"role": role, "rack": fmt.Sprint("r", i%400), "site": fmt.Sprint("s", i%7), "critical": fmt.Sprint(i%100 == 0)},
			Drivers: map[string]string{"klp": "bytes"}}
	}
	return hosts
}

// BenchmarkSelect judges a fleet by a policy with rules, rings, windows and a freeze.
func BenchmarkSelect(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			p := mustCompile(b, example, "web", noon)
			hosts := fleet(n)
			patch := policy.Patch{Driver: "klp", Reversibility: "live", Severity: "high", Published: noon.AddDate(0, 0, -3)}
			picked := 0
			for b.Loop() {
				j := p.For(patch, noon)
				for _, h := range hosts {
					if j.Judge(h).Reason == nil {
						picked++
					}
				}
			}
			if picked == 0 {
				b.Fatal("nothing was picked")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/host")
		})
	}
}

// BenchmarkExplain is the price of one trace.
func BenchmarkExplain(b *testing.B) {
	p := mustCompile(b, example, "web", noon)
	h := fleet(1)[0]
	for b.Loop() {
		p.For(policy.Patch{Driver: "klp"}, noon).Explain(h)
	}
}
