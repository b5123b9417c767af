package checker

import (
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

func blastRules() []Rule {
	return []Rule{
		{ID: "S3", Name: "no start over budget", check: startBudget,
			Text: "A host is admitted only if each of its failure domains has room before it; a quorum domain counts every member that is known to be down."},
		{ID: "S3r", Name: "reverts have a budget", check: revertBudget,
			Text: "At most a quarter of a plan's hosts, and of those in each domain with a budget, is ordered back from a confirmed level at once; at least one is, and one of a quorum domain."},
		{ID: "S4", Name: "caused bound", check: causedBound,
			Text: "At no moment are more hosts of a failure domain truly disturbed by plans than its budget allows."},
		{ID: "S6", Name: "halt means stop", check: haltStops,
			Text: "After a halt no grant of the plan is given, and nothing starts once the grants that were out are dead. The same for a plan that is over or held, and for the fleet's stop."},
		{ID: "S6h", Name: "a halt is learned for ever", check: haltLearned,
			Text: "A host that durably learned that a plan was halted never starts it."},
		{ID: "S15", Name: "empty is not all", check: emptyIsNotAll,
			Text: "A plan whose selector matches nothing is refused, and no plan lists more hosts than its selector matches."},
	}
}

// budgeted returns the limit of a domain for a plan.
func (p *plan) budgeted(b hotstick.Budget, value string) int {
	n := 0
	for id := range p.listed {
		if p.domain(id, b.Domain) == value {
			n++
		}
	}
	return b.Limit(n)
}

// members lists the hosts of a domain, as all known plans tell.
func (f *fleet) members(kind, value string) []*host {
	var list []*host
	for _, h := range f.hostOrder {
		for _, p := range f.planOrder {
			if _, listed := p.listed[h.id]; listed && p.domain(h.id, kind) == value {
				list = append(list, h)
				break
			}
		}
	}
	return list
}

// serversAway is what servers that were away themselves may add to the silence, in
// nanoseconds, after which they know that a host is down.
const serversAway = int64(25 * time.Second)

func startBudget(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindHostState || e.To != string(hotstick.Admitted) {
		return false, ""
	}
	p := f.plan(e.Plan)
	if !p.known() || f.owned {
		return false, ""
	}
	for _, b := range p.body.Plan.Budgets {
		value := p.domain(e.Host, b.Domain)
		if value == "" {
			continue
		}
		used, limit := 0, p.budgeted(b, value)
		for _, h := range f.members(b.Domain, value) {
			switch {
			case h.id == e.Host || h.writtenOff:
			case f.holdsKind(h.id, b.Domain), h.caused() && f.plan(h.open.plan).has(b.Domain):
				used++
			case b.Quorum && f.ground != nil && !h.up && e.T-h.heard > ms(f.ground.SilentMillis)+serversAway:
				used++
			}
		}
		if used >= limit {
			return true, fmt.Sprintf("%d hosts of %s=%s are disturbed already, the budget is %d", used, b.Domain, value, limit)
		}
	}
	return true, ""
}

// has reports whether the plan has a budget for domains of the kind.
func (p *plan) has(kind string) bool {
	for _, b := range p.body.Plan.Budgets {
		if b.Domain == kind {
			return true
		}
	}
	return false
}

// holdsKind is holds, of plans that have a budget for the kind.
func (f *fleet) holdsKind(id hotstick.HostID, kind string) bool {
	for _, p := range f.planOrder {
		if !p.has(kind) {
			continue
		}
		if l := p.lines[id]; l != nil && l.state.HoldsSlot() && !(l.state == hotstick.Reverting && p.truth[truthKey{id, l.attempt, hotstick.Confirmed}]) {
			return true
		}
	}
	return false
}

func revertBudget(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindHostState || e.To != string(hotstick.Reverting) || e.From != string(hotstick.Confirmed) || e.Node != "server" {
		return false, ""
	}
	p := f.plan(e.Plan)
	if !p.known() || f.owned || e.Cause != string(hotstick.ReasonRevertOrdered) {
		return false, ""
	}
	for _, b := range append([]hotstick.Budget{{Domain: hotstick.FleetDomain}}, p.body.Plan.Budgets...) {
		if text := p.backIn(b, e.Host); text != "" {
			return true, text
		}
	}
	return true, ""
}

// backIn says why one more host of a domain may not be sent back; empty if it may.
func (p *plan) backIn(b hotstick.Budget, id hotstick.HostID) string {
	value, listed, back := p.domain(id, b.Domain), 0, 0
	if value == "" {
		return ""
	}
	for other := range p.listed {
		if p.domain(other, b.Domain) != value {
			continue
		}
		listed++
		if l := p.lines[other]; other != id && l != nil && l.state == hotstick.Reverting {
			back++
		}
	}
	limit := max(1, listed/4)
	if b.Quorum {
		limit = 1
	}
	if back < limit {
		return ""
	}
	return fmt.Sprintf("%d hosts of %s=%s are on their way back already, of at most %d", back, b.Domain, value, limit)
}

// causedBound is looked at where it can break: when a host arms.
func causedBound(f *fleet, e *trace.Event) (bool, string) {
	p, ok := f.started(e)
	if !ok || f.owned {
		return false, ""
	}
	for _, b := range p.body.Plan.Budgets {
		value := p.domain(e.Host, b.Domain)
		if value == "" {
			continue
		}
		n, limit := 1, p.budgeted(b, value)
		for _, h := range f.members(b.Domain, value) {
			if h.id == e.Host || !h.caused() {
				continue
			}
			other := f.plan(h.open.plan)
			if !other.has(b.Domain) {
				continue
			}
			n++
			for _, ob := range other.body.Plan.Budgets {
				if ob.Domain == b.Domain {
					limit = max(limit, other.budgeted(ob, value))
				}
			}
		}
		if n > limit {
			return true, fmt.Sprintf("%d hosts of %s=%s are truly disturbed, the budget is %d", n, b.Domain, value, limit)
		}
	}
	return true, ""
}

func haltStops(f *fleet, e *trace.Event) (bool, string) {
	if f.owned {
		return false, ""
	}
	switch e.Kind {
	case trace.KindGrant:
		p := f.plan(e.Plan)
		switch {
		case !p.known():
			return false, ""
		case p.status != hotstick.Running:
			return true, fmt.Sprintf("a grant was given while the plan is %s", p.status)
		case f.stopAll:
			return true, "a grant was given while everything is stopped"
		}
		return true, ""
	case trace.KindIntent:
		p, ok := f.started(e)
		if !ok || p.ended == 0 || f.ground == nil {
			return false, ""
		}
		if late := e.T - p.ended; late > ms(f.ground.GrantMillis) {
			return true, fmt.Sprintf("a host starts %s after the plan's end", sec(late))
		}
		return true, ""
	}
	return false, ""
}

func haltLearned(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindIntent || e.Plan == "" {
		return false, ""
	}
	if f.host(e.Host).halted[e.Plan] {
		return true, "the host starts a plan that it knows to be halted"
	}
	return true, ""
}

// emptyIsNotAll reads from a plan's event how many hosts its selector matches.
func emptyIsNotAll(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindPlan || e.Detail == "" {
		return false, ""
	}
	var n, listed int
	if _, err := fmt.Sscanf(e.Detail, "matches %d lists %d", &n, &listed); err != nil {
		return false, ""
	}
	if n == 0 || listed > n {
		return true, fmt.Sprintf("the selector matches %d hosts and the plan lists %d", n, listed)
	}
	return true, ""
}
