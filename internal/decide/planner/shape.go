package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

// Defaults stand in for what a policy's shape leaves out. They are careful, for
// a fleet nobody is in a hurry with: long bakes early are worth more than small
// waves late. A fleet budget of a quarter of the plan's hosts is added where a
// shape has none.
func Defaults() policy.Shape {
	return policy.Shape{
		Probation:  10 * time.Minute,
		Transition: 75 * time.Second,
		Life:       14 * 24 * time.Hour,
		Waves: policy.Waves{
			FirstBake:  time.Hour,
			CanaryBake: 30 * time.Minute,
			Bake:       30 * time.Minute,
			StandIns:   hotstick.MaxStandIns,
			Widen:      []int{5, 25, 100},
		},
	}
}

// How long a level may take to come into effect by drivers that do more than load it,
// where the policy does not say: a package manager downloads and installs, Windows Update
// does so at its own pace, and a reboot comes after its host was emptied.
const (
	stepTransition    = 15 * time.Minute
	rebootTransition  = 30 * time.Minute
	windowsTransition = time.Hour
)

// transitionBy is how long a level may take to come into effect by a driver.
func transitionBy(s policy.Shape, driver string) time.Duration {
	if said, ok := s.TransitionBy[driver]; ok {
		return said
	}
	usual := time.Duration(0)
	switch {
	case hotstick.Reboots(driver):
		usual = rebootTransition
	case driver == "windows":
		usual = windowsTransition
	case hotstick.ClassOf(driver) == hotstick.TrustPin, hotstick.ClassOf(driver) == hotstick.TrustStep:
		usual = stepTransition
	}
	return max(s.Transition, usual)
}

// CalendarKind is the kind of domain, for spread caps only, that a host's calendar
// makes: how many hosts that start in one window a single wave may hold.
const CalendarKind = "calendar"

// maxRings bounds the rings of a policy; each makes waves of its own.
const maxRings = 64

// withDefaults fills in what is zero, and refuses what contradicts itself.
func withDefaults(s policy.Shape) (policy.Shape, error) {
	d := Defaults()
	s.Probation = cmp.Or(s.Probation, d.Probation)
	s.Transition = cmp.Or(s.Transition, d.Transition)
	s.Life = cmp.Or(s.Life, d.Life)
	w := &s.Waves
	w.FirstBake = cmp.Or(w.FirstBake, d.Waves.FirstBake)
	w.CanaryBake = cmp.Or(w.CanaryBake, d.Waves.CanaryBake)
	w.Bake = cmp.Or(w.Bake, d.Waves.Bake)
	w.StandIns = cmp.Or(w.StandIns, d.Waves.StandIns)
	if len(w.Widen) == 0 {
		w.Widen = d.Waves.Widen
	}
	s.Budgets = slices.Clone(s.Budgets)
	slices.SortStableFunc(s.Budgets, func(a, b hotstick.Budget) int { return strings.Compare(a.Domain, b.Domain) })
	return s, checkShape(s)
}

func checkShape(s policy.Shape) error {
	w := s.Waves
	for _, d := range append([]time.Duration{s.Probation, s.Transition, s.Life, w.FirstBake, w.CanaryBake, w.Bake, w.Delay}, w.RingDelay...) {
		if d < 0 {
			return fmt.Errorf("cannot make a plan with a time span of %s", d)
		}
	}
	for _, driver := range sortedKeys(s.TransitionBy) {
		if s.TransitionBy[driver] <= 0 {
			return fmt.Errorf("cannot make a plan with a transition of %s by %s", s.TransitionBy[driver], driver)
		}
	}
	if w.StandIns < 0 || w.StandIns > hotstick.MaxStandIns {
		return fmt.Errorf("cannot make a plan with %d stand-ins of each canary: want at most %d", w.StandIns, hotstick.MaxStandIns)
	}
	if len(w.RingDelay) > maxRings {
		return fmt.Errorf("cannot make a plan of %d rings: the limit is %d", len(w.RingDelay), maxRings)
	}
	last := 0
	for _, percent := range w.Widen {
		if percent <= last || percent > 100 {
			return fmt.Errorf("cannot widen by %v: want percentages that grow from at least 1 to 100", w.Widen)
		}
		last = percent
	}
	if last != 100 {
		return fmt.Errorf("cannot widen by %v: the last wave must take all that remain", w.Widen)
	}
	for _, kind := range sortedKeys(w.Spread) {
		if kind == "" || w.Spread[kind] < 1 {
			return fmt.Errorf("cannot spread %q by %d hosts a wave: want a kind of domain and at least 1", kind, w.Spread[kind])
		}
	}
	for i, b := range s.Budgets {
		if i > 0 && b.Domain == s.Budgets[i-1].Domain {
			return fmt.Errorf("cannot make a plan with two budgets of domain %q", b.Domain)
		}
	}
	return nil
}

// seconds rounds up: a limit in a signed plan is never shorter than was asked.
func seconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}
