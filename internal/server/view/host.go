package view

import (
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// States of a host on the screens, beside the states of hosts in plans that are
// shown under their own name.
const (
	StateApplied       = "applied"
	StateUnpatched     = "unpatched"
	StateTransitioning = "transitioning"
	StateProbation     = "probation"
	StateReverting     = "reverting"
	StateReverted      = "reverted"
	StateFailed        = "failed"
	StateQuarantined   = "quarantined"
	StateWaiting       = "waiting"
	StateCloned        = "cloned"
	StateStale         = "stale"
	StateUnknown       = "unknown"
)

// States returns the closed set of a host's states on the screens.
func States() []string {
	return []string{StateApplied, StateUnpatched, StateTransitioning, StateProbation, StateReverting, StateReverted,
		StateFailed, StateQuarantined, StateCloned, StateWaiting, StateStale, StateUnknown}
}

// Host makes a host's line. Lines are the host's lines in plans, newest plan first.
func (m Moment) Host(h store.Host, lines []store.PlanHost) api.Host {
	truth := inventory.Read(h, m.Modules, m.Now, m.StaleAfter)
	out := api.Host{ID: h.ID, Name: h.Name, InEffect: truth.Level, LastSeen: h.LastSeen,
		Silent: m.Silent(h), Strikes: h.Loader.Strikes, Boots: h.Boots}
	if h.Facts != nil {
		out.Build, out.Labels = h.Facts.Kernel.Build, h.Facts.Labels
	}
	m.survives(h, &out)
	line, concerns := m.concerning(lines)
	at := of(m.place(m.Plans[line.Plan]), h.Name)
	out.State = hostState(truth, line, concerns)
	if concerns {
		out.Reason = Reason(line.Reason, at)
	}
	if c := h.Lineage.Cloned; c != nil {
		out.State = StateCloned
		out.Reason = Reason(&hotstick.Reason{Code: hotstick.ReasonCloned, Detail: strings.TrimPrefix(differing(c.Evidence), ", ")}, at)
		return out
	}
	switch {
	case truth.Knowledge == inventory.Stale:
		out.Reason = Reason(&hotstick.Reason{Code: hotstick.ReasonHostSilent}, at)
	case truth.Foreign != "":
		out.Reason = Reason(&hotstick.Reason{Code: hotstick.ReasonForeignPatch, Subject: truth.Foreign}, at)
	case out.State == StateApplied || out.State == StateUnpatched:
		out.Reason = nil
	}
	return out
}

// Silent reports whether a host was not heard of for longer than the staleness
// limit. A host that has just enrolled is given as long to be heard first.
func (m Moment) Silent(h store.Host) bool {
	last := h.LastSeen
	if last.IsZero() {
		last = h.Enrolled
	}
	return m.Now.Sub(last) > m.StaleAfter
}

// concerning finds the line that says most about the host now: that of a plan
// which is doing something with it, else the newest in which it took part.
func (m Moment) concerning(lines []store.PlanHost) (store.PlanHost, bool) {
	for _, l := range lines {
		if l.State.HoldsSlot() || l.State == hotstick.Reverting {
			return l, true
		}
	}
	for _, l := range lines {
		if m.Plans[l.Plan].Status.Active() && l.State == hotstick.Waiting {
			return l, true
		}
	}
	for _, l := range lines {
		dismissed := l.Reason != nil && l.Reason.Code == hotstick.ReasonDismissed
		if l.State != hotstick.Waiting && l.State != hotstick.Skipped || dismissed {
			return l, true
		}
	}
	return store.PlanHost{}, false
}

// hostState names what the screen shows.
func hostState(truth inventory.Truth, line store.PlanHost, concerns bool) string {
	switch truth.Knowledge {
	case inventory.Stale:
		return StateStale
	case inventory.Unknown:
		return StateUnknown
	}
	if concerns {
		if state, shown := lineStates[line.State]; shown {
			return state
		}
	}
	switch {
	case truth.Knowledge == inventory.Moving:
		return StateTransitioning
	case truth.Level.IsZero():
		return StateUnpatched
	}
	return StateApplied
}

// lineStates says which states in a plan are shown as what. Confirmed is missing
// on purpose: only the truth source says applied.
var lineStates = map[hotstick.HostState]string{
	hotstick.Waiting:     StateWaiting,
	hotstick.Admitted:    StateWaiting,
	hotstick.Armed:       StateTransitioning,
	hotstick.Applying:    StateTransitioning,
	hotstick.Probation:   StateProbation,
	hotstick.Reverting:   StateReverting,
	hotstick.Reverted:    StateReverted,
	hotstick.Failed:      StateFailed,
	hotstick.Quarantined: StateQuarantined,
	hotstick.Interrupted: StateWaiting,
	hotstick.Lost:        StateUnknown,
}

// HostDetail makes a host's page.
func (m Moment) HostDetail(h store.Host, lines []store.PlanHost, events []store.Event) api.HostDetail {
	d := api.HostDetail{
		Host: m.Host(h, lines), Facts: h.Facts, Identity: hotstick.NewFingerprint(h.Identity), Enrolled: h.Enrolled,
		Patches: []api.LoadedPatch{}, Readings: nonNil(h.Readings), Rollouts: []api.HostRollout{}, Timeline: Events(events),
	}
	for _, p := range h.Patches {
		ref, ours := hotstick.PatchRef{}, false
		if h.Facts != nil {
			ref, ours = m.Modules(p.Module, h.Facts.Kernel.Build)
		}
		d.Patches = append(d.Patches, api.LoadedPatch{LoadedPatch: p, Ref: ref, Foreign: !ours})
	}
	for _, l := range lines {
		plan := m.Plans[l.Plan]
		d.Rollouts = append(d.Rollouts, api.HostRollout{Plan: l.Plan, Name: plan.Name, Status: plan.Status, Patch: l.Listed.PatchIn(plan.Patch), Wave: l.Listed.Wave,
			State: l.State, Attempt: l.Attempt, Reason: Reason(l.Reason, of(m.place(plan), h.Name)), Updated: l.Updated})
	}
	d.Why, _ = why.Explain(m.explained(h, lines))
	return d
}

// Why answers "hotstick why HOST".
func (m Moment) Why(h store.Host, lines []store.PlanHost) api.Why {
	w := api.Why{Host: m.Host(h, lines)}
	w.Lines, w.Changes = why.Explain(m.explained(h, lines))
	w.Reason = w.Host.Reason
	if w.Reason != nil {
		w.Text = why.Sentence(why.AHost, h.Name, &w.Reason.Reason, m.explained(h, lines).At, m.Now)
	}
	return w
}

func (m Moment) explained(h store.Host, lines []store.PlanHost) why.Host {
	out := why.Host{Name: h.Name, Now: m.Now, LastSeen: h.LastSeen, Silent: m.Silent(h),
		InEffect: inventory.Read(h, m.Modules, m.Now, m.StaleAfter).Level, Strikes: h.Loader.Strikes}
	if h.Facts != nil {
		out.Build = h.Facts.Kernel.Build
	}
	out.Drift, out.Barred = h.Drift.Shown(), inventory.Barred(h, "")
	if !out.Silent {
		out.Stall = h.Loader.Stall
	}
	if l, ok := m.concerning(lines); ok {
		plan := m.Plans[l.Plan]
		out.At = of(m.place(plan), h.Name)
		out.Rollout = &why.Line{Plan: plan.Name, Patch: l.Listed.PatchIn(plan.Patch), Status: plan.Status, State: l.State,
			Attempt: l.Attempt, Reason: l.Reason, Since: l.Updated}
	}
	return out
}

// Matches reports whether a host's line is in the given state, or drifts, stalls or is
// held; empty matches all.
func Matches(h api.Host, state string) bool {
	switch state {
	case OnlyDrifting:
		return h.Drift != nil
	case OnlyStalled:
		return h.Stall != nil
	case OnlyHeld:
		return h.Barred != nil
	}
	return state == "" || h.State == state
}

// KnownState reports whether a filter names a state that exists.
func KnownState(state string) bool {
	switch state {
	case "", OnlyDrifting, OnlyStalled, OnlyHeld:
		return true
	}
	return slices.Contains(States(), state)
}
