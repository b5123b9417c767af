package controller

import (
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// driftOf is how a host drifts, as far as the plan may put its level back there: nil if
// it does not, if the plan's signatures do not let it, or if another plan that is not
// over lists the host for the same patch, for that one knows better which level it wants.
func driftOf(tx store.Tx, id hotstick.PlanID, body hotstick.Plan, h store.Host) (*hotstick.Drift, error) {
	d := h.Drift.Shown()
	if d == nil || body.Reapply == 0 || d.Expected != body.Patch {
		return nil, nil
	}
	plans, err := tx.Plans().List(true)
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		if p.ID == id || p.Patch.Name != body.Patch.Name || !p.Status.Active() {
			continue
		}
		if _, err := tx.Plans().Host(p.ID, h.ID); err == nil {
			return nil, nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	return d, nil
}

// rouse takes up again what is completed and lists a host that drifts: the newest such
// plan for the level that went away may be one that puts it back.
func (m *picture) rouse(tx store.Tx, host hotstick.HostID) error {
	h, err := tx.Hosts().Get(host)
	if errors.Is(err, store.ErrNotFound) || err == nil && h.Drift.Shown() == nil {
		return nil
	}
	if err != nil {
		return err
	}
	lines, err := tx.Plans().OfHost(host)
	if err != nil {
		return err
	}
	for _, l := range lines {
		p, err := tx.Plans().Get(l.Plan)
		if err != nil {
			return err
		}
		if p.Status == hotstick.Completed && p.Patch == h.Drift.Expected {
			m.awake[p.ID] = true
			return nil
		}
	}
	return nil
}
