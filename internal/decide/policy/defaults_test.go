package policy_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestDefaultsPassTheirOwnTests(t *testing.T) {
	for _, name := range policy.Defaults() {
		set, err := policy.Default(name)
		if err != nil {
			t.Fatalf("%s: %v", name, explain(err))
		}
		results, err := set.Test(nil)
		if err != nil || len(results) < 2 {
			t.Errorf("%s: %d tests, %v", name, len(results), err)
		}
		for _, r := range results {
			if !r.Passed {
				t.Errorf("%s, %s: %v", name, r.Name, r.Differences)
			}
		}
	}
}

// A signed command is the weakest claim there is: one default lets it in, and says so by its
// name.
func TestOneDefaultLetsInWhatASignedCommandBrings(t *testing.T) {
	for _, name := range policy.Defaults() {
		set, err := policy.Default(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := set.Compile("", noon)
		if err != nil {
			t.Fatal(err)
		}
		for _, driver := range hotstick.Drivers() {
			if hotstick.ClassOf(driver) != hotstick.TrustStep {
				continue
			}
			h := policy.NewHost("h-aaaaaaaaaaaaaaaa", "web-1", &hotstick.Facts{Drivers: []hotstick.Capabilities{
				{Driver: driver, TrustClass: hotstick.TrustStep, Available: true}}}, hotstick.PatchRef{})
			patch := policy.NewPatch(hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: 1}, Driver: driver, Reversibility: hotstick.ReversibleReboot, Published: noon.Add(-time.Hour)})
			v := p.For(patch, noon).Judge(h)
			if want := name == "vendors" && !hotstick.Reboots(driver); (v.Reason == nil) != want {
				t.Errorf("%s, %s: %+v", name, driver, v.Reason)
			}
		}
	}
}

// Whatever a default sets makes a plan that can be signed: no budget is zero, every
// delay is within the plan's life, and hosts go one at a time first.
func TestDefaultsShapePlansThatHold(t *testing.T) {
	for _, name := range policy.Defaults() {
		set, err := policy.Default(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := set.Compile("", noon)
		if err != nil || len(p.Notes()) > 0 || p.Name() != name {
			t.Fatalf("%s: %v, notes %v, name %s", name, err, p.Notes(), p.Name())
		}
		s := p.Shape()
		if s.Policy != (hotstick.PolicyRef{Name: name, Digest: set.Digest()}) {
			t.Errorf("%s: the plan would name %+v", name, s.Policy)
		}
		fleet := false
		for _, b := range s.Budgets {
			for _, hosts := range []int{1, 2, 3, 99, 10_000} {
				if b.Limit(hosts) < 1 {
					t.Errorf("%s: the budget of %s is zero for %d hosts", name, b.Domain, hosts)
				}
			}
			fleet = fleet || b.Domain == hotstick.FleetDomain
		}
		w := s.Waves
		if !fleet || w.FirstBake < 5*time.Minute || w.CanaryBake < w.FirstBake || w.StandIns != hotstick.MaxStandIns || w.Widen[len(w.Widen)-1] != 100 {
			t.Errorf("%s: shape %+v", name, s)
		}
	}
}

func explain(err error) string {
	problems, ok := err.(policy.Problems)
	if !ok {
		return err.Error()
	}
	text := ""
	for _, p := range problems {
		text += p.Error() + "\n" + p.Excerpt() + p.Hint + "\n"
	}
	return text
}
