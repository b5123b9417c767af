package hotstick_test

import (
	"fmt"
	"testing"

	"github.com/hotstick/hotstick"
)

func lanes(cve string, n int) hotstick.Plan {
	p := hotstick.Plan{CVE: cve}
	for i := range n {
		p.Lanes = append(p.Lanes, hotstick.Lane{Build: hotstick.KernelBuild{Release: fmt.Sprint(i / 2)}, Driver: []string{"klp", "suse"}[i%2], Module: fmt.Sprint(i)})
	}
	return p
}

// TestTheIndexOfLanesSaysWhatThePlanSays: of every host, listed or not.
func TestTheIndexOfLanesSaysWhatThePlanSays(t *testing.T) {
	for _, cve := range []string{"", "CVE-2026-52928"} {
		p := lanes(cve, 6)
		index := p.IndexLanes()
		for _, release := range []string{"0", "1", "2", "3"} {
			for _, driver := range []string{"", "klp", "suse", "kpatch"} {
				h := hotstick.PlanHost{Build: hotstick.KernelBuild{Release: release}, Driver: driver}
				want, listed := p.LaneOf(h)
				if got, ok := index.Of(h); got.Module != want.Module || ok != listed {
					t.Errorf("%q: of %q by %q it says %q, %v, and the plan %q, %v", cve, release, driver, got.Module, ok, want.Module, listed)
				}
			}
		}
	}
}

// BenchmarkLaneOfHost finds the lane of the last of many kernel builds.
func BenchmarkLaneOfHost(b *testing.B) {
	p := lanes("CVE-2026-52928", 2000)
	h := hotstick.PlanHost{Build: hotstick.KernelBuild{Release: "999"}, Driver: "suse"}
	index := p.IndexLanes()
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			index.Of(h)
		}
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			p.LaneOf(h)
		}
	})
}
