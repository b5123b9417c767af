package checker

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// Causes of fault events that tell what people ordered, as far as no row of the
// server does.
const (
	// OrderFreeze and OrderThaw: a freeze begins, and ends.
	OrderFreeze = "freeze"
	OrderThaw   = "thaw"
	// OrderExclude and OrderInclude: a host is kept out of all rollouts, and is not
	// any more.
	OrderExclude = "exclude"
	OrderInclude = "include"
)

// orders are what people ordered.
type orders struct {
	freezes int // that are on
	out     map[hotstick.HostID]int
	any     bool
}

// ordered takes what people ordered into the state.
func (o *orders) ordered(e *trace.Event) {
	switch e.Cause {
	case OrderFreeze:
		o.freezes++
	case OrderThaw:
		o.freezes--
	case OrderExclude:
		o.out[e.Host]++
	case OrderInclude:
		o.out[e.Host]--
	default:
		return
	}
	o.any = true
}

func ordersKept(f *fleet, e *trace.Event) (bool, string) {
	what := "admitted"
	switch {
	case f.owned:
		return false, ""
	case e.Kind == trace.KindGrant:
		what = "given a grant"
	case e.Kind != trace.KindHostState || e.To != string(hotstick.Admitted):
		return false, ""
	}
	switch {
	case f.freezes > 0:
		return true, "a host is " + what + " while changes are frozen"
	case f.out[e.Host] > 0:
		return true, "a host is " + what + " that is kept out of all rollouts"
	}
	return f.any, ""
}

// placeOf is a host's line in a plan; for one that is not listed and joins late it
// is the last wave.
func (f *fleet) placeOf(p *plan, id hotstick.HostID) (hotstick.PlanHost, bool) {
	h, listed := p.listed[id]
	if listed || p.body.Plan.Late == nil || f.hosts[id] == nil {
		return h, listed
	}
	return hotstick.PlanHost{Host: id, Build: f.hosts[id].build, Wave: len(p.body.Plan.Waves) - 1, Calendar: p.body.Plan.Late.Calendar}, true
}
