package checker

import (
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// putBack is looked at where it is decided: when a plan that was over runs again, and when
// a host that had the level is to wait for another attempt.
func putBack(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind == trace.KindPlanStatus && e.To == string(hotstick.Running) {
		return runsAgain(f.plan(e.Plan))
	}
	if e.Kind != trace.KindHostState || e.To != string(hotstick.Waiting) || e.Cause != string(hotstick.ReasonDrifted) || f.owned {
		return false, ""
	}
	p, l := f.plan(e.Plan), f.plan(e.Plan).line(e.Host)
	if !p.known() {
		return false, ""
	}
	switch most := p.body.Plan.Reapply; {
	case l.putBack >= most:
		return true, fmt.Sprintf("the level is put back for the %d. time; the plan's signatures say %d", l.putBack+1, most)
	case l.state != hotstick.Confirmed && !l.handled():
		return true, fmt.Sprintf("the level is put back on a host that is %s", l.state)
	case p.status != hotstick.Running:
		return true, fmt.Sprintf("the level is put back by a plan that is %s", p.status)
	case f.banned[p.patchOf(e.Host)]:
		return true, "the level is put back although it is banned"
	case f.ground != nil && f.kept(p, l, e):
		return true, "the level is put back on a host that never lost it"
	}
	return true, ""
}

func runsAgain(p *plan) (bool, string) {
	switch {
	case !p.status.Over() || !p.known():
		return false, ""
	case p.status != hotstick.Completed || p.body.Plan.Reapply == 0:
		return true, fmt.Sprintf("a plan that was %s runs again, and its signatures do not say so", p.status)
	}
	return true, ""
}

// handled: the host's loader says that somebody else took the level away.
func (l *line) handled() bool {
	return l.state == hotstick.Failed && l.removed()
}

// removed: so it says, whatever became of the host.
func (l *line) removed() bool { return l.cause == string(hotstick.ReasonRemovedOutside) }

// slack is how much earlier than its row a host may have confirmed.
const slack = 600

// kept: the level has been in effect on the host without a break since it was confirmed.
func (f *fleet) kept(p *plan, l *line, e *trace.Event) bool {
	h := f.host(e.Host)
	lane, ok := p.body.Plan.Lane(h.build, p.listed[e.Host].Driver)
	if !ok || !h.up || h.bootAt > l.since || h.kernel[lane.Artifact] != string(hotstick.InEffect) {
		return false
	}
	last, left := h.effects[effectKey{lane.Artifact, h.boot}]
	return !left || last < l.since-seconds(slack)
}
