package controller

import (
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// findLate looks for hosts that enrolled after the plan was made, when the plan is
// taken up. Hosts that come or change later are found by their events.
func (c *Controller) findLate(tx store.Tx, l *live) error {
	if l.body.Late == nil {
		return nil
	}
	for id := range c.picture.hosts {
		if _, listed := l.r.Host(id); listed {
			continue
		}
		h, err := tx.Hosts().Get(id)
		if err != nil {
			return err
		}
		if h.Enrolled.After(l.body.CreatedAt) && c.joins(l.body, h) {
			l.joining = append(l.joining, id)
		}
	}
	slices.Sort(l.joining)
	return nil
}

func (c *Controller) joins(body hotstick.Plan, h store.Host) bool {
	return !h.Revoked && h.Facts != nil && rollout.Joins(body, h.Facts.Kernel.Build, h.Facts.Labels)
}

// admitLate appends the hosts that may join to the plan's list, while it may still
// start any. One that was completed takes in nobody more.
func (c *Controller) admitLate(tx store.Tx, l *live, plan store.Plan) error {
	joining := l.joining
	if !l.waived.until.IsZero() && !tx.Now().Before(l.waived.until) {
		joining = append(joining, l.waived.hosts...)
		l.waived = waivedLate{}
	}
	l.joining = nil
	if len(joining) == 0 || !plan.Status.Active() || plan.Reopened || !tx.Now().Before(l.body.NotAfter) {
		return nil
	}
	waivers, err := c.leavingOut(tx, l.body)
	if err != nil {
		return err
	}
	for _, id := range joining {
		h, err := tx.Hosts().Get(id)
		if err != nil {
			return err
		}
		if !c.joins(l.body, h) {
			continue
		}
		if until, out := c.leftOut(waivers, h); out {
			l.waived.add(id, until)
			continue
		}
		if err := c.join(tx, l, plan, h); err != nil && !errors.Is(err, store.ErrTaken) {
			return err
		}
	}
	slices.Sort(l.waived.hosts)
	l.waived.hosts = slices.Compact(l.waived.hosts)
	return nil
}

// waivedLate are late hosts that waivers leave out, and when the first of those ends.
type waivedLate struct {
	hosts []hotstick.HostID
	until time.Time
}

func (w *waivedLate) add(id hotstick.HostID, until time.Time) {
	w.hosts = append(w.hosts, id)
	if w.until.IsZero() || until.Before(w.until) {
		w.until = until
	}
}

// leaving is a waiver that leaves hosts out.
type leaving struct {
	hosts policy.Selector
	until time.Time
}

// leavingOut are the waivers that hold now and leave hosts out of a plan: those of the
// policy that shaped it, in the text that they ask for, and all of them where no policy
// did. A draft leaves such hosts out by them; the rule for late hosts must not let the
// same hosts in behind its back.
func (c *Controller) leavingOut(tx store.Tx, body hotstick.Plan) ([]leaving, error) {
	all, err := PolicyWaivers(tx, c.catalog.View().Trust)
	var out []leaving
	for _, w := range all {
		shaped := body.Policy == hotstick.PolicyRef{} || w.Policy == body.Policy.Name && (w.Text == "" || w.Text == body.Policy.Digest)
		if !w.LeaveOut || !shaped {
			continue
		}
		selector, err := policy.CompileSelector(w.Hosts)
		if err != nil {
			return nil, err
		}
		out = append(out, leaving{selector, w.Until})
	}
	return out, err
}

// leftOut reports whether one of the waivers means the host, and when to look again. One
// that cannot be judged for the host leaves it out.
func (c *Controller) leftOut(waivers []leaving, h store.Host) (time.Time, bool) {
	about := policy.NewHost(h.ID, h.Name, h.Facts, c.inEffect(h))
	for _, w := range waivers {
		if means, err := w.hosts.Matches(about); means || err != nil {
			return w.until, true
		}
	}
	return time.Time{}, false
}

func (c *Controller) join(tx store.Tx, l *live, plan store.Plan, h store.Host) error {
	last := len(l.body.Waves) - 1
	line, err := tx.Plans().AddLate(store.PlanHost{Plan: plan.ID, State: hotstick.Waiting, Updated: tx.Now(),
		Reason: &hotstick.Reason{Code: hotstick.ReasonWaveNotOpen, Subject: l.body.Waves[last].Name},
		Listed: hotstick.PlanHost{Host: h.ID, Name: h.Name, Identity: hotstick.NewFingerprint(h.Identity), Build: h.Build(),
			Wave: last, Domains: lateDomains(l.body, h), Calendar: l.body.Late.Calendar}})
	if err != nil {
		return err
	}
	_, err = tx.Events().Append(store.Event{Kind: inventory.HostJoined, Actor: actor, Plan: plan.ID, Patch: plan.Patch,
		Host: h.ID, HostName: h.Name, Generation: plan.Generation})
	if err != nil {
		return err
	}
	l.r.SetOutsider(rollout.Outsider{Host: h.ID}, false)
	for kind, values := range l.domains {
		value := line.Listed.Domains[kind]
		values[value] = append(values[value], h.ID)
	}
	return c.syncLine(tx, l, h)
}

// lateDomains are the failure domains of a host by its labels, for the kinds that
// the plan has budgets for.
func lateDomains(body hotstick.Plan, h store.Host) map[string]string {
	domains := map[string]string{}
	for _, b := range body.Budgets {
		if value, ok := h.Facts.Labels[b.Domain]; ok && b.Domain != hotstick.FleetDomain {
			domains[b.Domain] = value
		}
	}
	return domains
}
