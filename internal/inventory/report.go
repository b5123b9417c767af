package inventory

import (
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/store"
)

// reports takes each report once, in the order of their numbers.
func (t *taking) reports() error {
	for _, r := range t.req.Reports {
		if r.Seq <= t.host.Reported && !planted.Bug("other-attempt-counts") {
			continue
		}
		if err := t.report(r); err != nil {
			return err
		}
		t.host.Reported = r.Seq
	}
	return nil
}

func (t *taking) report(r hotstick.Report) error {
	if err := t.sticks(r); err != nil {
		return err
	}
	e := store.Event{Kind: HostPermit, Plan: r.Plan, Patch: r.Patch, State: string(r.State), Reason: r.Reason, Evidence: r.Evidence}
	if r.Plan == "" {
		return t.event(e)
	}
	line, err := t.tx.Plans().Host(r.Plan, t.host.ID)
	if errors.Is(err, store.ErrNotFound) {
		e.Kind = HostReport
		return t.event(e)
	}
	if err != nil {
		return err
	}
	known := rollout.Host{State: line.State, Attempt: line.Attempt, Reason: line.Reason}
	cut := t.powerCut(line, r)
	switch crashed := rollout.Crashed(known, r); {
	case crashed && cut == nil:
		return t.crashed(line, e)
	case r.State == hotstick.Confirmed:
		// It went down after its attempt: a row that has moved on since, such as to go
		// back, is not cut short by that.
	case cut != nil:
		r.State, r.Reason = hotstick.Interrupted, cut
		e.State, e.Reason = string(r.State), cut
	}
	state, changes := rollout.Observe(known, r)
	line.Timing = mergeTiming(line.Timing, r.Timing, r.Attempt == line.Attempt)
	if !changes {
		e.Kind = HostReport
		if err := t.event(e); err != nil {
			return err
		}
		return t.tx.Plans().PutHost(line)
	}
	now := t.tx.Now()
	line.State, line.Reason, line.Evidence, line.Updated, line.Ended = state, r.Reason, r.Evidence, now, nil
	if line.Started == nil {
		line.Started = &now
	}
	if state.Terminal() {
		line.Ended = &now
	}
	if err := t.tx.Plans().PutHost(line); err != nil {
		return err
	}
	if err := t.stopPrint(line, r); err != nil {
		return err
	}
	return t.stateEvent(e, state)
}

// powerCut says with whom a host went down, if that is why it crashed: it left no
// trace, and others of its domain went down as well. An attempt is judged cut short
// then. The host's loader, which cannot know, holds a strike all the same, until a
// clear.
func (t *taking) powerCut(line store.PlanHost, r hotstick.Report) *hotstick.Reason {
	alone := r.Reason == nil || r.Reason.Code != hotstick.ReasonCrash || len(r.Evidence) > 0
	switch {
	case alone:
		return nil
	case r.State == hotstick.Quarantined && line.State.CanBecome(hotstick.Interrupted), r.State == hotstick.Confirmed:
		return t.together(line, t.old.LastSeen)
	}
	return nil
}

// crashed notes beside a host's line that it went down after it was confirmed.
func (t *taking) crashed(line store.PlanHost, e store.Event) error {
	now := t.tx.Now()
	line.Reason, line.Evidence, line.Ended = e.Reason, e.Evidence, &now
	if err := t.tx.Plans().PutHost(line); err != nil {
		return err
	}
	e.Kind = HostCrashed
	return t.event(e)
}

// bidden reports whether a host goes back because somebody said so, and not on its
// own readings: by an order, a recall, or the off-switch on the host.
func bidden(why *hotstick.Reason) bool {
	return why != nil && (why.Code == hotstick.ReasonRevertOrdered || why.Code == hotstick.ReasonRecalled || why.Code == hotstick.ReasonSwitchedOff)
}

// sticks marks the host when it takes a patch back out by itself. Where a revert
// was ordered, whoever ordered it has banned the patch or marked the host; and a
// recall holds for itself.
func (t *taking) sticks(r hotstick.Report) error {
	back := r.State == hotstick.Reverting || r.State == hotstick.Reverted
	if !back || r.Reason == nil || bidden(r.Reason) || !mark(&t.host, r.Patch) {
		return nil
	}
	return t.event(store.Event{Kind: HostMarked, Patch: r.Patch, Reason: r.Reason})
}

// stateEvent records a host's new state; a host that takes a patch back out on
// its own is worth telling people about.
func (t *taking) stateEvent(e store.Event, state hotstick.HostState) error {
	e.Kind, e.Host, e.HostName = HostState, t.host.ID, t.host.Name
	e, err := t.tx.Events().Append(e)
	if err != nil {
		return err
	}
	if state == hotstick.Reverting && e.Reason != nil && !bidden(e.Reason) {
		return Notify(t.tx, NotifySelf, e)
	}
	return nil
}

// mergeTiming keeps the parts of an attempt that earlier reports timed.
func mergeTiming(old, next hotstick.Timing, same bool) hotstick.Timing {
	if !same {
		return old
	}
	if next.LoadMillis != 0 {
		old.LoadMillis = next.LoadMillis
	}
	if next.TransitionMillis != 0 {
		old.TransitionMillis = next.TransitionMillis
	}
	if next.RevertMillis != 0 {
		old.RevertMillis = next.RevertMillis
	}
	return old
}
