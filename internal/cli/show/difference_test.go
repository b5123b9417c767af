package show

import (
	"slices"
	"testing"

	"github.com/hotstick/hotstick"
)

// TestADifferenceOfLanesIsShown: what a lane alone says is signed as all else is.
func TestADifferenceOfLanesIsShown(t *testing.T) {
	for _, test := range []struct {
		what   string
		change func(last, next *hotstick.Plan)
		want   []string
	}{
		{"nothing", func(*hotstick.Plan, *hotstick.Plan) {}, nil},
		{"a lane's limit", func(last, next *hotstick.Plan) {
			last.Lanes[0].TransitionSeconds, next.Lanes[0].TransitionSeconds = 900, 1800
		}, []string{"kernel build " + old.String() + " transition limit: 15m0s → 30m0s"}},
		{"a lane that has the plan's limit no more", func(_, next *hotstick.Plan) { next.Lanes[1].TransitionSeconds = 1800 },
			[]string{"kernel build " + newer.String() + " transition limit: 1m0s → 30m0s"}},
		{"a limit that stays, said otherwise", func(_, next *hotstick.Plan) { next.Lanes[0].TransitionSeconds = 60 }, nil},
		{"the plan's limit, which lanes have as well", func(_, next *hotstick.Plan) { next.TransitionSeconds = 120 }, []string{"transition limit: 1m0s → 2m0s"}},
		{"a lane's patch, in plans for a CVE", func(last, next *hotstick.Plan) {
			for _, p := range []*hotstick.Plan{last, next} {
				p.CVE, p.Patch = "CVE-2026-52928", hotstick.PatchRef{}
				p.Lanes[0].Patch, p.Lanes[1].Patch = before, before
			}
			next.Lanes[1].Patch = ref
		}, []string{"kernel build " + newer.String() + " by klp gets: " + before.String() + " → " + ref.String()}},
		{"the CVE", func(last, next *hotstick.Plan) { last.CVE, next.CVE = "CVE-2026-1", "CVE-2026-2" }, []string{"CVE: CVE-2026-1 → CVE-2026-2"}},
	} {
		last, next := plan(), plan()
		test.change(&last, &next)
		if got := Difference(last, next); !slices.Equal(got, test.want) {
			t.Errorf("%s: it says %q, want %q", test.what, got, test.want)
		}
	}
}
