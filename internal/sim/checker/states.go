package checker

import (
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

func stateRules() []Rule {
	return []Rule{
		{ID: "S7", Name: "fencing", check: fencing,
			Text: "A host starts nothing of a plan of an older epoch than it knows; a slot is never held twice."},
		{ID: "S18", Name: "one identity, one host", check: oneIdentity,
			Text: "Once a newer boot of an identity was heard of, an older one, such as a clone's, is not shown again and gets no grant. The product does not quarantine the newer one."},
		{ID: "S19", Name: "no phantom", check: noPhantom,
			Text: "No server row says of an attempt what never happened on the host: no report is invented, taken from another attempt, or replayed into another state."},
		{ID: "S23", Name: "audited", check: audited,
			Text: "Every change of a plan, a host's row, a slot, a ban or the stop has its leaf in the same transaction, and the log only grows."},
		{ID: "S27", Name: "no time travel", check: noTimeTravel,
			Text: "What a host durably knows never runs backwards: epoch, catalog version, highest confirmed levels, the ledger's clock and its report numbers; only an older ledger that was put back does that. Servers' stores are not restored: there is no reconcile yet."},
		{ID: "S28", Name: "clocks do not matter", check: clocks,
			Text: "A host whose wall clock jumped, by up to ten years either way, starts no earlier than its signed delay, on no grant that is too old, and comes back by itself no more often."},
		{ID: "S29", Name: "bounded", check: bounded,
			Text: "No host adds more than 300 entries to the audit log in a minute, whatever it sends."},
		{ID: "S30", Name: "fail static", check: failStatic,
			Text: "While the store fails no grant is given, and no host ever starts on a grant that was not committed, or whose life is over."},
	}
}

func fencing(f *fleet, e *trace.Event) (bool, string) {
	switch e.Kind {
	case trace.KindIntent:
		p, ok := f.started(e)
		if !ok {
			return false, ""
		}
		if h := f.host(e.Host); p.body.Plan.Epoch < h.epoch {
			return true, fmt.Sprintf("the plan is of epoch %d and the host knows %d", p.body.Plan.Epoch, h.epoch)
		}
		return true, ""
	case trace.KindSlot:
		if e.To != "taken" {
			return false, ""
		}
		for kind, value := range e.Domains {
			for _, p := range f.planOrder {
				for id, l := range p.lines {
					if (id != e.Host || p.id != e.Plan) && l.slots[slotKey(kind, value, e.Detail)] {
						return true, fmt.Sprintf("slot %s of %s=%s is held already", e.Detail, kind, value)
					}
				}
			}
		}
		return true, ""
	}
	return false, ""
}

func oneIdentity(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindShown && e.Kind != trace.KindGrant || e.Boot == "" {
		return false, ""
	}
	switch h := f.host(e.Host); {
	case h.shown.shown[e.Boot] == 0 || h.shownBoot == e.Boot:
		return true, ""
	case e.Kind == trace.KindGrant:
		return true, "a grant was given to an older boot after a newer one was heard of"
	}
	return true, "an older boot is shown again after a newer one"
}

// ranBack are the words for what must never be less than it was.
var ranBack = []string{"epoch", "clock", "report number", "confirmed level"}

func noTimeTravel(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindLearned {
		return false, ""
	}
	h := f.host(e.Host)
	switch {
	case e.To == learnedEpoch && e.Epoch < h.epoch:
		return true, fmt.Sprintf("the host takes epoch %d after %d", e.Epoch, h.epoch)
	case e.To == learnedCatalog && e.Generation < h.catalogVersion:
		return true, fmt.Sprintf("the host takes version %d of the catalog after %d", e.Generation, h.catalogVersion)
	case e.To == learnedForgotten && slices.Contains(ranBack, e.From):
		return true, "the host's " + e.From + " ran backwards"
	}
	return e.To != learnedForgotten, ""
}

func noPhantom(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindHostState || f.ground == nil {
		return false, ""
	}
	to := hotstick.HostState(e.To)
	switch to {
	case hotstick.Armed, hotstick.Applying, hotstick.Probation, hotstick.Confirmed, hotstick.Reverted, hotstick.Quarantined:
	default:
		return false, ""
	}
	if !f.plan(e.Plan).truth[truthKey{e.Host, f.plan(e.Plan).line(e.Host).attempt, to}] {
		return true, fmt.Sprintf("the server says %s of attempt %d; that never happened", to, f.plan(e.Plan).line(e.Host).attempt)
	}
	return true, ""
}

func audited(f *fleet, e *trace.Event) (bool, string) {
	if f.ground == nil {
		return false, ""
	}
	if e.Kind == trace.KindLeaf {
		if e.Generation < f.leaves {
			return true, fmt.Sprintf("the log shrinks from %d to %d", f.leaves, e.Generation)
		}
		return true, ""
	}
	if f.unlogged > 0 && e.Node != "server" {
		return true, fmt.Sprintf("%d changes have no leaf", f.unlogged)
	}
	return false, ""
}

// clocks holds a host whose wall clock jumped against the rules that count time.
func clocks(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindIntent || !f.host(e.Host).clockBad {
		return false, ""
	}
	for _, rule := range []func(*fleet, *trace.Event) (bool, string){signedDelay, failStatic, writeAhead} {
		if _, text := rule(f, e); text != "" {
			return true, "with a wall clock that jumped: " + text
		}
	}
	return true, ""
}

const maxLeaves = 300

func bounded(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindLeaf || e.Host == "" {
		return false, ""
	}
	h := f.host(e.Host)
	for len(h.leafTimes) > 0 && e.T-h.leafTimes[0] > int64(time.Minute) {
		h.leafTimes = h.leafTimes[1:]
	}
	if len(h.leafTimes) >= maxLeaves {
		return true, fmt.Sprintf("%d entries in a minute", len(h.leafTimes)+1)
	}
	return true, ""
}

func failStatic(f *fleet, e *trace.Event) (bool, string) {
	switch e.Kind {
	case trace.KindGrant:
		if f.failing {
			return true, "a grant was given while the store fails"
		}
		return true, ""
	case trace.KindIntent:
		if e.Plan == "" || e.Grant == "" || f.owned || f.ground == nil {
			return false, ""
		}
		given, committed := f.grants[e.Grant]
		switch {
		case !committed:
			return true, "the host starts on a grant that was never committed"
		case e.T-given > ms(f.ground.GrantMillis):
			return true, fmt.Sprintf("the host starts on a grant that is %s old", sec(e.T-given))
		}
		return true, ""
	}
	return false, ""
}
