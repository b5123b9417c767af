package hotstick

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Lane returns the lane of a kernel build and, in a plan for a CVE, of a driver. Where the
// plan has one patch for all, nobody names a driver.
func (p Plan) Lane(build KernelBuild, driver string) (Lane, bool) {
	for _, l := range p.Lanes {
		if l.Build == build && driver == p.laneDriver(l) {
			return l, true
		}
	}
	return Lane{}, false
}

// laneDriver is the driver by which hosts name their lane.
func (p Plan) laneDriver(l Lane) string {
	if p.CVE == "" {
		return ""
	}
	return l.Driver
}

// LaneOf returns the lane of a listed host.
func (p Plan) LaneOf(h PlanHost) (Lane, bool) { return p.Lane(h.Build, h.Driver) }

// LaneIndex finds the lanes of a plan's hosts without going through all of them, as
// [Plan.LaneOf] does. It holds for the plan as it was when the index was made.
type LaneIndex map[lanePlace]Lane

// lanePlace is by what a host names its lane.
type lanePlace struct {
	build  KernelBuild
	driver string
}

// IndexLanes makes the index of the plan's lanes.
func (p Plan) IndexLanes() LaneIndex {
	index := make(LaneIndex, len(p.Lanes))
	for _, l := range slices.Backward(p.Lanes) { // of two alike the first counts
		index[lanePlace{l.Build, p.laneDriver(l)}] = l
	}
	return index
}

// Of returns the lane of a listed host.
func (x LaneIndex) Of(h PlanHost) (Lane, bool) {
	l, ok := x[lanePlace{h.Build, h.Driver}]
	return l, ok
}

// LaneLike returns the lane that is to this plan what a lane of another is to that one.
func (p Plan) LaneLike(other Lane) (Lane, bool) { return p.Lane(other.Build, p.laneDriver(other)) }

// PatchOf is what a lane of the plan brings into effect. Whatever asks which patch a plan
// is about, asks it of a lane: a plan for a CVE has several.
func (p Plan) PatchOf(l Lane) PatchRef { return cmp.Or(l.Patch, p.Patch) }

// TransitionOf is how long, in seconds, a level may take to come into effect in a lane of
// the plan.
func (p Plan) TransitionOf(l Lane) int { return cmp.Or(l.TransitionSeconds, p.TransitionSeconds) }

// Patches are all that the plan brings into effect, each once, by name and level.
func (p Plan) Patches() []PatchRef {
	if p.CVE == "" {
		return []PatchRef{p.Patch}
	}
	seen := map[PatchRef]bool{}
	var all []PatchRef
	for _, l := range p.Lanes {
		if !seen[l.Patch] {
			seen[l.Patch] = true
			all = append(all, l.Patch)
		}
	}
	slices.SortFunc(all, func(a, b PatchRef) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Level, b.Level)) })
	return all
}

// Closes says in a word what the plan is for: its patch, or its CVE.
func (p Plan) Closes() string {
	if p.CVE != "" {
		return p.CVE
	}
	return p.Patch.String()
}

// PatchIn is what the host gets from a plan with this patch, which is none in a plan for
// a CVE.
func (h PlanHost) PatchIn(plan PatchRef) PatchRef { return cmp.Or(h.Patch, plan) }

// Validate reports the first thing that is malformed or inconsistent.
func (p Plan) Validate() error {
	switch {
	case p.Schema != PlanSchema:
		return fmt.Errorf("cannot read plan schema %q: this version knows %s", p.Schema, PlanSchema)
	case p.Name == "" || len(p.Name) > 200:
		return fmt.Errorf("cannot use a plan name of %d characters: want 1 to 200", len(p.Name))
	case p.Author == "":
		return fmt.Errorf("cannot use a plan without an author")
	case !p.NotAfter.After(p.CreatedAt):
		return fmt.Errorf("cannot use a plan that ends before it begins")
	case p.HostCount < 1 || p.HostCount > MaxPlanHosts:
		return fmt.Errorf("cannot use a plan of %d hosts: an empty selection is never all hosts", p.HostCount)
	case p.ProbationSeconds < 1 || p.TransitionSeconds < 1:
		return fmt.Errorf("cannot use a plan without a probation and a transition limit")
	}
	if err := p.validateAim(); err != nil {
		return err
	}
	if err := p.validateLanes(); err != nil {
		return err
	}
	if err := p.validateRules(); err != nil {
		return err
	}
	return p.validateWaves()
}

// validateAim checks that the plan has one patch for all, or one CVE.
func (p Plan) validateAim() error {
	switch {
	case p.CVE == "":
		return p.Patch.Validate()
	case !p.Patch.IsZero():
		return fmt.Errorf("cannot use a plan for %s and for %.80q: want one of them", p.Patch, p.CVE)
	case p.Continues != "":
		return fmt.Errorf("cannot use a plan for a CVE that continues another: what that proved is of one patch")
	case p.Late != nil:
		return fmt.Errorf("cannot use a plan for a CVE with a rule for late hosts: which system patches a host is planned and signed")
	}
	return ValidateCVE(p.CVE)
}

// ValidateCVE reports whether a name is a CVE's.
func ValidateCVE(name string) error {
	if !cvePattern.MatchString(name) {
		return fmt.Errorf("cannot use %.80q as a CVE: want CVE-YEAR-NUMBER", name)
	}
	return nil
}

func (p Plan) validateLanes() error {
	if len(p.Lanes) == 0 || len(p.Lanes) > MaxPlanLanes {
		return fmt.Errorf("cannot use a plan of %d lanes: want 1 to %d", len(p.Lanes), MaxPlanLanes)
	}
	type place struct {
		build  KernelBuild
		driver string
	}
	seen := map[place]bool{}
	for _, l := range p.Lanes {
		if err := l.Build.Validate(); err != nil {
			return err
		}
		at := place{l.Build, p.laneDriver(l)}
		if seen[at] {
			return fmt.Errorf("cannot use a plan with two lanes for %s", l.Build)
		}
		seen[at] = true
		if err := p.validatePatchOf(l); err != nil {
			return err
		}
		if err := l.Artifact.Validate(); err != nil {
			return err
		}
		if l.TransitionSeconds < 0 {
			return fmt.Errorf("cannot use a transition of %d seconds for %s", l.TransitionSeconds, l.Build)
		}
		if !modulePattern.MatchString(l.Module) || !driverPattern.MatchString(l.Driver) {
			return fmt.Errorf("cannot use module %q with driver %q in a plan", l.Module, l.Driver)
		}
	}
	return nil
}

func (p Plan) validatePatchOf(l Lane) error {
	switch {
	case p.CVE != "":
		return l.Patch.Validate()
	case !l.Patch.IsZero():
		return fmt.Errorf("cannot use a plan for %s with a lane for %s", p.Patch, l.Patch)
	}
	return nil
}

func (p Plan) validateWaves() error {
	if len(p.Waves) == 0 || len(p.Waves) > MaxPlanWaves {
		return fmt.Errorf("cannot use a plan of %d waves: want 1 to %d", len(p.Waves), MaxPlanWaves)
	}
	total, delay := 0, 0
	for i, w := range p.Waves {
		if w.Hosts < 1 {
			return fmt.Errorf("cannot use wave %d: it lists no host", i)
		}
		if w.DelaySeconds < delay || w.BakeSeconds < 0 {
			return fmt.Errorf("cannot use wave %d: delays must not shrink and bakes must not be negative", i)
		}
		delay = w.DelaySeconds
		total += w.Hosts
	}
	if total != p.HostCount {
		return fmt.Errorf("cannot use a plan whose waves list %d hosts and whose total says %d", total, p.HostCount)
	}
	if p.Reapply < 0 || p.Reapply > MaxReapply {
		return fmt.Errorf("cannot re-apply %d times on a host: want 0 to %d", p.Reapply, MaxReapply)
	}
	return ValidateBudgets(p.Budgets)
}

// ValidateBudgets reports the first budget that is malformed, or a kind of domain
// that has two; 1 to [MaxPlanBudgets] are wanted.
func ValidateBudgets(budgets []Budget) error {
	if len(budgets) == 0 || len(budgets) > MaxPlanBudgets {
		return fmt.Errorf("cannot use %d budgets: want 1 to %d", len(budgets), MaxPlanBudgets)
	}
	for i, b := range budgets {
		if err := b.Validate(); err != nil {
			return err
		}
		if slices.ContainsFunc(budgets[:i], func(other Budget) bool { return other.Domain == b.Domain }) {
			return fmt.Errorf("cannot use two budgets for domains of the kind %q", b.Domain)
		}
	}
	return nil
}

// Validate reports the first number that is out of range or contradicts another.
func (b Budget) Validate() error {
	switch {
	case b.Domain == "":
		return fmt.Errorf("cannot use a budget that names no kind of domain")
	case b.Max < 0 || b.Percent < 0 || b.Percent > 100 || b.Open < 0 || b.MixedSeconds < 0:
		return fmt.Errorf("cannot use the budget of domain %q: its numbers are out of range", b.Domain)
	case (b.Max == 0) == (b.Percent == 0):
		return fmt.Errorf("cannot use the budget of domain %q: want at least one host, or a percentage, and not both", b.Domain)
	case !b.Quorum && (b.Open > 0 || b.MixedSeconds > 0):
		return fmt.Errorf("cannot use the budget of domain %q: open and mixed_seconds are for quorum domains", b.Domain)
	}
	return nil
}

// Calendar returns the calendar of that name.
func (p Plan) Calendar(name string) (Calendar, bool) {
	for _, c := range p.Calendars {
		if c.Name == name {
			return c, true
		}
	}
	return Calendar{}, false
}

// Open reports whether hosts that keep to a calendar may start at a time. The empty
// name is no calendar: they may at any.
func (p Plan) Open(calendar string, at time.Time) bool {
	if calendar == "" {
		return true
	}
	c, _ := p.Calendar(calendar)
	return slices.ContainsFunc(c.Opens, func(i Interval) bool { return !at.Before(i.From) && at.Before(i.Until) })
}

func (p Plan) validateRules() error {
	g := p.Gate
	if g.MinReadings < 0 || g.FreshSeconds < 0 || g.BackgroundPPM < 0 || g.BackgroundPPM > 1_000_000 ||
		g.FalseAlarmPPM < 0 || g.FalseAlarmPPM > 1_000_000 || g.SlowTransitionMillis < 0 {
		return fmt.Errorf("cannot use the plan's gate settings: a number is out of range")
	}
	if p.Approvals < 0 || p.Approvals > MaxPlanApprovals {
		return fmt.Errorf("cannot use a plan that asks for %d approvals: the limit is %d", p.Approvals, MaxPlanApprovals)
	}
	if p.Late != nil && len(p.Late.Labels) == 0 {
		return fmt.Errorf("cannot use a rule for late hosts without labels: an empty selection is never all hosts")
	}
	if p.Continues != "" {
		if err := p.Continues.Validate(); err != nil {
			return err
		}
	}
	if len(p.Calendars) > MaxCalendars {
		return fmt.Errorf("cannot use a plan of %d calendars: the limit is %d", len(p.Calendars), MaxCalendars)
	}
	seen := map[string]bool{}
	for _, c := range p.Calendars {
		if c.Name == "" || seen[c.Name] {
			return fmt.Errorf("cannot use two calendars of the name %q, or one without", c.Name)
		}
		seen[c.Name] = true
		if err := c.validate(); err != nil {
			return err
		}
	}
	if p.Late != nil && p.Late.Calendar != "" && !seen[p.Late.Calendar] {
		return fmt.Errorf("cannot start late hosts by calendar %q: the plan has no such calendar", p.Late.Calendar)
	}
	return nil
}

func (c Calendar) validate() error {
	if len(c.Opens) == 0 || len(c.Opens) > MaxIntervals {
		return fmt.Errorf("cannot use calendar %q of %d windows: want 1 to %d", c.Name, len(c.Opens), MaxIntervals)
	}
	var last time.Time
	for _, i := range c.Opens {
		if !i.Until.After(i.From) || i.From.Before(last) {
			return fmt.Errorf("cannot use calendar %q: its windows must be in order and not empty", c.Name)
		}
		last = i.Until
	}
	return nil
}
