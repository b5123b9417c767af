package checker

import (
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// A plan for a CVE has patches of several systems, and a fleet hosts of several. The rules
// of this file are about that.

func mixedRules() []Rule {
	return []Rule{
		{ID: "S3p", Name: "no more at risk than shown", check: atRisk,
			Text: "A host is admitted only while fewer hosts of its plan are under way than run the level already, or than a gate needs to judge by. In a plan with several patches one host goes first of all, and of each patch, and then no more are under way with it than run it, and one."},
		{ID: "S5p", Name: "each patch goes first somewhere", check: patchFirst,
			Text: "In a plan with several patches no host is admitted for one in a later wave than the first that has hosts for it, before those have shown it good: evidence for one patch is none for another."},
		{ID: "S34", Name: "steps are granted", check: stepGranted,
			Text: "A vendor's tool works only for the attempt that the host's ledger has: for a level that comes in, by a grant that was committed, of a plan whose line for the host names that driver, that patch and that artifact; or for a level that was confirmed there."},
		{ID: "S35", Name: "one system a host", check: oneSystem,
			Text: "No plan for a CVE patches a host by a system that is not its own, and nothing is loaded beside, or in place of, the level of another system; a reboot is no system."},
		{ID: "S36", Name: "nothing beside a system that schedules itself", check: heldSystem,
			Text: "No attempt of a plan begins on a host whose own system has been starting patches by itself for longer than its loader takes to look."},
	}
}

// laneKey tells a plan's lanes apart: in a plan for a CVE by driver, too.
type laneKey struct {
	build  hotstick.KernelBuild
	driver string
}

func laneOf(h hotstick.PlanHost) laneKey { return laneKey{h.Build, h.Driver} }

func (p *plan) laneKey(l hotstick.Lane) laneKey {
	if p.body.Plan.CVE == "" {
		return laneKey{build: l.Build}
	}
	return laneKey{l.Build, l.Driver}
}

// lanesOf are the lanes that bring a patch into effect.
func (p *plan) lanesOf(patch hotstick.PatchRef) []laneKey {
	var lanes []laneKey
	for _, l := range p.body.Plan.Lanes {
		if p.body.Plan.PatchOf(l) == patch {
			lanes = append(lanes, p.laneKey(l))
		}
	}
	return lanes
}

// firstOf is the first wave that has hosts for the patch of a lane.
func (p *plan) firstOf(lane laneKey) int {
	for _, l := range p.body.Plan.Lanes {
		if p.laneKey(l) == lane {
			return p.firstWith(p.body.Plan.PatchOf(l))
		}
	}
	return 0
}

func (p *plan) firstWith(patch hotstick.PatchRef) int {
	first := -1
	for _, h := range p.body.Hosts {
		if p.patchOf(h.Host) == patch && (first < 0 || h.Wave < first) {
			first = h.Wave
		}
	}
	return first
}

// enough is how many confirmed hosts the plan's gates ask for.
func (p *plan) enough() int {
	if n := p.body.Plan.Gate.MinReadings; n > 0 {
		return n
	}
	return enoughReadings
}

// admission returns the plan and the line of a host that is admitted.
func (f *fleet) admission(e *trace.Event) (*plan, hotstick.PlanHost, bool) {
	if e.Kind != trace.KindHostState || e.To != string(hotstick.Admitted) || f.owned {
		return nil, hotstick.PlanHost{}, false
	}
	p := f.plan(e.Plan)
	if !p.known() {
		return nil, hotstick.PlanHost{}, false
	}
	h, ok := f.placeOf(p, e.Host)
	return p, h, ok
}

func atRisk(f *fleet, e *trace.Event) (bool, string) {
	p, _, ok := f.admission(e)
	if !ok {
		return false, ""
	}
	risked, shown := p.atRisk(e.Host, func(hotstick.HostID) bool { return true })
	if risked >= max(p.enough(), shown) {
		return true, fmt.Sprintf("%d hosts of the plan are under way already; %d run their level, and gates ask for %d", risked, shown, p.enough())
	}
	if len(p.body.Plan.Patches()) < 2 {
		return true, ""
	}
	patch := p.patchOf(e.Host)
	going, good := p.atRisk(e.Host, func(id hotstick.HostID) bool { return p.patchOf(id) == patch })
	if going > good {
		return true, fmt.Sprintf("%d hosts that get %s are under way already, and %d run it", going, patch, good)
	}
	if first, good := p.atRisk(e.Host, func(id hotstick.HostID) bool { return !p.stopped(f, id) }); good == 0 && first > 0 {
		return true, fmt.Sprintf("%d hosts of the plan are under way already, and none has shown anything: one goes first", first)
	}
	return true, ""
}

// atRisk counts the other hosts of some kind that are under way, and those that run their
// level.
func (p *plan) atRisk(but hotstick.HostID, of func(hotstick.HostID) bool) (risked, shown int) {
	for id, l := range p.lines {
		if id == but || !of(id) {
			continue
		}
		switch l.state {
		case hotstick.Admitted, hotstick.Armed, hotstick.Applying, hotstick.Probation:
			risked++
		case hotstick.Confirmed:
			shown++
		case hotstick.Skipped:
			if l.cause == string(hotstick.ReasonAlreadyInEffect) {
				shown++
			}
		}
	}
	return risked, shown
}

func patchFirst(f *fleet, e *trace.Event) (bool, string) {
	p, h, ok := f.admission(e)
	if !ok || p.body.Plan.CVE == "" {
		return false, ""
	}
	patch := p.patchOf(e.Host)
	first := p.firstWith(patch)
	wave := h.Wave
	if h.StandIn != nil {
		wave = min(wave, h.StandIn.Wave)
	}
	if wave <= first {
		return true, ""
	}
	lanes := p.lanesOf(patch)
	passed := slices.ContainsFunc(lanes, func(l laneKey) bool { return p.reached[l] > first })
	t := p.count(first, lanes, f)
	text, _ := t.closed(p, first, passed, p.shown(f, lanes...), f.now)
	if text != "" {
		text = fmt.Sprintf("%s goes on in wave %d: %s", patch, wave, text)
	}
	return true, text
}

func stepGranted(f *fleet, e *trace.Event) (bool, string) {
	h := f.host(e.Host)
	if e.Kind != trace.KindStep || f.ground == nil || h.putBack {
		return false, ""
	}
	a := h.open
	switch {
	case e.To == StepSettle:
		return true, ""
	case a == nil:
		return true, "the host's ledger has no attempt"
	case e.To == StepRemove && a.artifact != e.Artifact, a.boot != e.Boot && a.phase == hotstick.Armed:
		return true, "the host's ledger has an attempt for something else"
	case e.To == StepRemove:
		return true, ""
	case a.artifact != e.Artifact:
		if place := h.places[intentKey{a.plan, a.number}]; place != e.Artifact {
			return true, "the level was not there before the attempt"
		}
		return true, "" // the level before comes back
	case f.artifacts[e.Artifact].Driver != e.Detail:
		return true, fmt.Sprintf("the level is of %s and the step is one of %s", f.artifacts[e.Artifact].Driver, e.Detail)
	case a.plan == "":
		return true, "" // it was confirmed; S33 looks at that
	}
	p := f.plan(a.plan)
	lane, ok := p.body.Plan.Lane(h.build, p.listed[e.Host].Driver)
	_, committed := f.grants[a.grant]
	switch {
	case !p.known(), !ok:
		return true, "no plan names this host's kernel build and driver"
	case lane.Driver != e.Detail || lane.Artifact != e.Artifact || p.body.Plan.PatchOf(lane) != a.patch:
		return true, fmt.Sprintf("the plan names %s by %s for this host", p.body.Plan.PatchOf(lane), lane.Driver)
	case !committed && !f.owned:
		return true, "no grant that was committed stands behind the step"
	}
	return true, ""
}

func oneSystem(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindLoad || f.ground == nil || e.Artifact == "" || e.To == "refused" {
		return false, ""
	}
	h := f.host(e.Host)
	driver := f.artifacts[e.Artifact].Driver
	if h.system == "" || driver == "" || hotstick.Reboots(driver) {
		return false, ""
	}
	if a := h.open; driver != h.system && a != nil && f.plan(a.plan).body.Plan.CVE != "" {
		return true, fmt.Sprintf("a plan for a CVE loads a level of %s on a host of %s", driver, h.system)
	}
	for a, state := range h.kernel {
		if other := f.artifacts[a].Driver; state == string(hotstick.InEffect) && other != driver && !hotstick.Reboots(other) {
			return true, fmt.Sprintf("a level of %s comes beside one of %s", driver, other)
		}
	}
	return true, ""
}

// holdSlack is how old what a loader knows of its host's own system may be, with the life
// of a grant that it has judged by that.
const holdSlack = 45

func heldSystem(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindIntent || e.Plan == "" || f.ground == nil {
		return false, ""
	}
	h := f.host(e.Host)
	if h.lifted == 0 {
		return h.system != "", ""
	}
	if since := e.T - h.lifted; since > seconds(holdSlack) {
		return true, fmt.Sprintf("%s has been starting patches by itself for %s", h.system, sec(since))
	}
	return true, ""
}
