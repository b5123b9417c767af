package controller

import (
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// driftOf is how a host drifts, as far as the plan may put its level back there: nil if
// it does not, if the plan's signatures do not let it, or if another plan knows better
// which level the host is to run.
func driftOf(tx store.Tx, id hotstick.PlanID, body hotstick.Plan, h store.Host) (*hotstick.Drift, error) {
	d := h.Drift.Shown()
	if d == nil || body.Reapply == 0 {
		return nil, nil
	}
	if line, err := tx.Plans().Host(id, h.ID); err != nil || line.Listed.PatchIn(body.Patch) != d.Expected {
		return nil, notFoundIsNone(err)
	}
	if p, _, err := lastWord(tx, h.ID, d.Expected.Name); err != nil || p.ID != id {
		return nil, err
	}
	return d, nil
}

// lastWord returns the plan that says what becomes of a patch on a host: of those that
// list the host the one that was started last, whatever became of it, with the level that
// it gives the host; the zero plan if there is none.
func lastWord(tx store.Tx, host hotstick.HostID, patch string) (store.Plan, hotstick.PatchRef, error) {
	var last store.Plan
	var level hotstick.PatchRef
	lines, err := tx.Plans().OfHost(host)
	if err != nil {
		return last, level, err
	}
	for _, l := range lines {
		p, err := tx.Plans().Get(l.Plan)
		if err != nil {
			return last, level, err
		}
		if gets := l.Listed.PatchIn(p.Patch); gets.Name == patch && p.Started != nil && (last.Started == nil || p.Started.After(*last.Started)) {
			last, level = p, gets
		}
	}
	return last, level, nil
}

// notFoundIsNone takes what is not there for nothing.
func notFoundIsNone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// rouse takes up again what is completed and has the last word on a host that drifts: it
// may be one that puts its level back.
func (m *picture) rouse(tx store.Tx, host hotstick.HostID) error {
	h, err := tx.Hosts().Get(host)
	if errors.Is(err, store.ErrNotFound) || err == nil && h.Drift.Shown() == nil {
		return nil
	}
	if err != nil {
		return err
	}
	p, level, err := lastWord(tx, host, h.Drift.Expected.Name)
	if err == nil && p.Status == hotstick.Completed && level == h.Drift.Expected {
		m.awake[p.ID] = true
	}
	return err
}

// overrule tells the plans that might put a patch back that another one has begun or
// ended: who has the last word on a host may have changed.
func (c *Controller) overrule(tx store.Tx, by hotstick.PlanID, patch string) error {
	for _, l := range c.picture.plans() {
		// A plan for a CVE has patches of several names, as the one that began may have.
		if l.id == by || l.body.Reapply == 0 || l.body.Patch.Name != patch && patch != "" && l.body.CVE == "" {
			continue
		}
		for _, id := range l.r.Drifting() {
			h, err := tx.Hosts().Get(id)
			if err != nil {
				return err
			}
			if err := c.syncLine(tx, l, h); err != nil {
				return err
			}
		}
	}
	return nil
}
