package controller

import (
	"cmp"
	"errors"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// actor is the name of the server's own decisions in the audit log.
const actor = "controller"

// committing is one decision on its way into the store.
type committing struct {
	c    *Controller
	tx   store.Tx
	plan store.Plan
	now  time.Time
}

// commit writes a decision: everything or nothing, and only if the plan's
// generation is still the one that was read.
func (c *Controller) commit(tx store.Tx, plan store.Plan, d rollout.Decision) error {
	w := &committing{c: c, tx: tx, plan: plan, now: tx.Now()}
	if d.Status != "" {
		w.plan.Reopened = plan.Reopened || plan.Status == hotstick.Completed && d.Status == hotstick.Running
		w.plan.Status, w.plan.Reason = d.Status, d.Reason
		if w.plan.Ended = nil; d.Status.Over() {
			w.plan.Ended = &w.now
		}
	}
	w.plan.Reverting = w.plan.Reverting || d.Revert
	if err := w.advance(); err != nil {
		return err
	}
	for _, host := range d.StandIns {
		if err := w.standIn(host); err != nil {
			return err
		}
	}
	if err := w.changes(d, false); err != nil {
		return err
	}
	for _, host := range d.Release {
		if err := w.release(host); err != nil {
			return err
		}
	}
	if err := w.changes(d, true); err != nil {
		return err
	}
	for _, s := range d.Starts {
		if err := w.start(s); err != nil {
			return err
		}
	}
	if d.Ban != nil {
		if err := w.banAll(*d.Ban, actor); err != nil {
			return err
		}
	}
	for _, s := range d.Stops {
		if err := w.stop(s); err != nil {
			return err
		}
	}
	if d.Status != "" {
		if err := w.status(actor); err != nil {
			return err
		}
	}
	if d.Revert {
		return w.reverting(actor)
	}
	return nil
}

// banAll forbids what the plan brings into effect.
func (w *committing) banAll(why hotstick.Reason, who string) error {
	patches, err := w.c.patchesOf(w.plan)
	for _, patch := range patches {
		if err == nil {
			err = w.c.ban(w.tx, patch, why, who, w.plan.ID)
		}
	}
	return err
}

// stop stops one patch of a plan for a CVE.
func (w *committing) stop(s rollout.Stop) error {
	if s.Ban {
		if err := w.c.ban(w.tx, s.Patch, s.Reason, actor, w.plan.ID); err != nil {
			return err
		}
	}
	var lines []store.PlanHost
	for _, id := range s.Hosts {
		line, err := w.tx.Plans().Host(w.plan.ID, id)
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	if err := w.wanted(lines, actor, s.Reason); err != nil || s.Again {
		return err
	}
	e, err := w.event(store.Event{Kind: inventory.LaneStopped, Actor: actor, Patch: s.Patch, Reason: &s.Reason})
	if err != nil {
		return err
	}
	return inventory.Notify(w.tx, inventory.NotifyRevert, e)
}

// event appends an event of the plan. In a plan for a CVE what is about a host names that
// host's patch, and what is about the whole plan has the CVE among its evidence.
func (w *committing) event(e store.Event) (store.Event, error) {
	e.Plan, e.Patch, e.Generation = w.plan.ID, cmp.Or(e.Patch, w.plan.Patch), w.plan.Generation
	if e.Patch.IsZero() && e.Host != "" {
		line, err := w.tx.Plans().Host(w.plan.ID, e.Host)
		if err != nil {
			return e, err
		}
		e.Patch = line.Listed.Patch
	} else if w.plan.CVE != "" {
		e.Evidence = append(e.Evidence, forCVE(w.plan)...)
	}
	return w.tx.Events().Append(e)
}

// forCVE is what an event of a plan says of the CVE that it closes.
func forCVE(p store.Plan) []hotstick.Evidence {
	if p.CVE == "" {
		return nil
	}
	return []hotstick.Evidence{{Kind: inventory.EvidenceCVE, Text: p.CVE}}
}

// changes applies the changes that take slots, or the others: what takes slots may
// take one that the same decision releases.
func (w *committing) changes(d rollout.Decision, slots bool) error {
	for _, ch := range d.Changes {
		if (len(ch.Slots) > 0) != slots {
			continue
		}
		if err := w.change(ch, actor); err != nil {
			return err
		}
	}
	return nil
}

func (w *committing) change(ch rollout.Change, who string) error {
	line, err := w.tx.Plans().Host(w.plan.ID, ch.Host)
	if err != nil {
		return err
	}
	if !line.State.CanBecome(ch.State) {
		return store.ErrConflict
	}
	if err := w.take(ch.Host, ch.Slots); err != nil {
		return err
	}
	if ch.Reapply {
		line.Reapplied++
	}
	why := ch.Reason
	line.State, line.Reason, line.Updated, line.Ended = ch.State, &why, w.now, nil
	switch {
	case ch.State == hotstick.Waiting:
		line.Granted, line.Started = nil, nil
	case ch.State.Terminal():
		line.Ended = &w.now
	}
	return w.put(line, who)
}

// put writes a host's line with its event.
func (w *committing) put(line store.PlanHost, who string) error {
	if err := w.tx.Plans().PutHost(line); err != nil || planted.Bug("change-unaudited") {
		return err
	}
	_, err := w.event(store.Event{Kind: inventory.HostState, Actor: who, Host: line.Listed.Host,
		HostName: line.Listed.Name, State: string(line.State), Reason: line.Reason})
	return err
}

// standIn lets a host take the place of the canary that it stands in for.
func (w *committing) standIn(host hotstick.HostID) error {
	line, err := w.tx.Plans().Host(w.plan.ID, host)
	if err != nil || line.Standing {
		return err
	}
	line.Standing = true
	if err := w.tx.Plans().PutHost(line); err != nil {
		return err
	}
	_, err = w.event(store.Event{Kind: inventory.HostStandsIn, Actor: actor, Host: host, HostName: line.Listed.Name})
	return err
}

func (w *committing) start(s rollout.Start) error {
	line, err := w.tx.Plans().Host(w.plan.ID, s.Host)
	if err != nil {
		return err
	}
	if !line.State.CanBecome(hotstick.Admitted) {
		return store.ErrConflict
	}
	if err := w.take(s.Host, s.Slots); err != nil {
		return err
	}
	line.State, line.Attempt, line.Updated = hotstick.Admitted, s.Attempt, w.now
	line.Reason = &hotstick.Reason{Code: hotstick.ReasonAwaitingGrant}
	line.Evidence, line.Timing = nil, hotstick.Timing{}
	line.Granted, line.Started, line.Ended = nil, nil, nil
	return w.put(line, actor)
}

// take takes a host's slots, each of which nobody else may hold.
func (w *committing) take(host hotstick.HostID, slots []rollout.Slot) error {
	for _, slot := range slots {
		err := w.tx.Slots().Take(store.Slot{Domain: slot.Domain, Value: slot.Value, Index: slot.Index,
			Plan: w.plan.ID, Host: host, Taken: w.now})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *committing) release(host hotstick.HostID) error {
	if err := w.tx.Slots().Release(w.plan.ID, host); err != nil {
		return err
	}
	line, err := w.tx.Plans().Host(w.plan.ID, host)
	if err != nil {
		return err
	}
	_, err = w.event(store.Event{Kind: inventory.SlotsReleased, Actor: actor, Host: host, HostName: line.Listed.Name})
	return err
}

// status records the plan's new status and tells people of holds, halts and ends.
func (w *committing) status(who string) error {
	e, err := w.event(store.Event{Kind: inventory.PlanStatus, Actor: who, State: string(w.plan.Status), Reason: w.plan.Reason})
	if err != nil {
		return err
	}
	kind := ""
	switch w.plan.Status {
	case hotstick.Held:
		kind = inventory.NotifyHold
	case hotstick.Halted:
		kind = inventory.NotifyHalt
	case hotstick.Completed:
		kind = inventory.NotifyFinish
	}
	if kind == "" {
		return nil
	}
	return inventory.Notify(w.tx, kind, e)
}

// advance raises the plan's generation, on the condition that nobody else did.
func (w *committing) advance() error {
	if err := w.tx.Plans().Advance(w.plan); err != nil {
		return err
	}
	w.plan.Generation++
	return nil
}

func (w *committing) reverting(who string) error {
	e, err := w.event(store.Event{Kind: inventory.PlanReverting, Actor: who, Reason: w.plan.Reason})
	if err != nil {
		return err
	}
	return inventory.Notify(w.tx, inventory.NotifyRevert, e)
}

// ban forbids a patch level, once: the first ban's reason stays.
func (c *Controller) ban(tx store.Tx, patch hotstick.PatchRef, why hotstick.Reason, who string, plan hotstick.PlanID) error {
	if have, err := banned(tx, patch); err != nil || have {
		return err
	}
	envelope, err := statement.Sign(statement.KindBan, statement.Ban{Patch: patch, Reason: clip(why),
		Epoch: c.catalog.View().Trust.Epoch, IssuedAt: tx.Now().UTC().Truncate(time.Second)}, c.online)
	if err != nil {
		return err
	}
	err = tx.Bans().Put(store.Ban{Patch: patch, Envelope: envelope, Reason: why, At: tx.Now(), By: who})
	if err != nil {
		return err
	}
	_, err = tx.Events().Append(store.Event{Kind: inventory.PatchBanned, Actor: who, Plan: plan, Patch: patch, Reason: &why})
	return err
}

func banned(tx store.Tx, patch hotstick.PatchRef) (bool, error) {
	_, err := tx.Bans().Get(patch)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
