package checker

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// wayBack is where a host goes back to, in truth.
type wayBack struct {
	// places are what was in effect before each attempt of a plan; empty for the
	// kernel as it booted.
	places map[intentKey]hotstick.Digest
	// good is the level that was confirmed last and not taken back since, and former
	// the one before it.
	good, former hotstick.PatchRef
}

// inEffect lists the levels of ours that are in effect, without one.
func (h *host) inEffect(without hotstick.Digest) []hotstick.Digest {
	var list []hotstick.Digest
	for _, a := range slices.Sorted(maps.Keys(h.kernel)) {
		if a != without && h.kernel[a] == string(hotstick.InEffect) {
			list = append(list, a)
		}
	}
	return list
}

// unreadable: some level's state cannot be read, or somebody else has changed what
// is loaded in this boot.
func (h *host) unreadable() bool {
	for _, state := range h.kernel {
		if state == string(hotstick.EffectUnknown) {
			return true
		}
	}
	return h.foreign > 0 && h.foreign >= h.bootAt
}

// bad: the host may not take the patch.
func (h *host) bad(ref hotstick.PatchRef) bool { return h.banned[ref] || h.crashed[ref] }

// sets out: an attempt of a plan begins.
func (b *wayBack) setsOut(h *host, e *trace.Event) {
	place := hotstick.Digest("")
	for _, a := range h.inEffect(e.Artifact) {
		place = a
	}
	b.places[intentKey{e.Plan, e.Attempt}] = place
}

// ends takes the end of an attempt.
func (b *wayBack) ends(f *fleet, e *trace.Event) {
	switch to := hotstick.HostState(e.To); {
	case e.Patch.IsZero(): // the level was there already
	case to == hotstick.Confirmed && e.Patch != b.good:
		b.good, b.former = e.Patch, b.good
	case to == hotstick.Confirmed, e.Plan == "", e.Patch != b.good:
	case to == hotstick.Reverted:
		b.good, b.former = f.artifacts[b.places[intentKey{e.Plan, e.Attempt}]].Patch, hotstick.PatchRef{}
	}
}

// lastKnownGood is looked at where it counts: when a host sets out, and when a level
// comes back by itself.
func lastKnownGood(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindIntent || f.ground == nil {
		return false, ""
	}
	h := f.host(e.Host)
	if e.Plan == "" {
		switch {
		case h.putBack || e.Patch == h.good:
			return true, ""
		case e.Patch == h.former && h.bad(h.good):
			return true, ""
		case e.Patch == h.former:
			return true, fmt.Sprintf("%s comes back by itself; the last known good is %s", e.Patch, h.good)
		}
		return true, fmt.Sprintf("%s comes back by itself and is not known to be good; the last known good is %q", e.Patch, h.good)
	}
	p := f.plan(e.Plan)
	if !p.known() || h.unreadable() {
		return false, ""
	}
	lane, ok := p.body.Plan.Lane(h.build, p.listed[e.Host].Driver)
	if !ok {
		return false, ""
	}
	for _, a := range h.inEffect(e.Artifact) {
		was := f.artifacts[a].Patch
		if was != h.good && !h.putBack {
			return true, fmt.Sprintf("the host sets out from %s, which is not known to be good", was)
		}
		if !slices.ContainsFunc(lane.RevertTo, func(t hotstick.RevertTarget) bool { return t.Artifact == a }) {
			return true, fmt.Sprintf("the plan's signatures do not list %s to go back to", was)
		}
	}
	return true, ""
}

// revertRestores is looked at where a way back has ended.
func revertRestores(f *fleet, e *trace.Event) (bool, string) {
	h := f.host(e.Host)
	if e.Kind != trace.KindPhase || e.To != string(hotstick.Reverted) || f.ground == nil || !h.up {
		return false, ""
	}
	place, known := h.places[intentKey{e.Plan, e.Attempt}]
	if !known || h.unreadable() || h.open == nil || h.open.artifact != e.Artifact {
		return false, ""
	}
	was, now := f.artifacts[place].Patch, h.inEffect("")
	for _, a := range now {
		if a != place {
			return true, fmt.Sprintf("%s is in effect after the way back; %q was before", f.artifacts[a].Patch, was)
		}
	}
	if place != "" && len(now) == 0 && !h.bad(was) {
		return true, fmt.Sprintf("%s was in effect before and is not put back", was)
	}
	return true, ""
}
