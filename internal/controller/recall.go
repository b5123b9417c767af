package controller

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// Recalled returns the recall of a patch level that no clear has lifted, nil if there
// is none.
func Recalled(tx store.Tx, trusted catalog.View, patch hotstick.PatchRef) (*hotstick.Recall, error) {
	if _, ever := trusted.Recalled(patch, time.Time{}); !ever {
		return nil, nil
	}
	clears, err := tx.Bans().Statements(string(statement.KindClear))
	if err != nil {
		return nil, err
	}
	var since time.Time
	for _, kept := range clears {
		if kept.Patch != patch {
			continue
		}
		read, err := statement.ParseClear(kept.Envelope)
		if err != nil {
			return nil, err
		}
		if read.Clear.Recall && read.Clear.IssuedAt.After(since) {
			since = read.Clear.IssuedAt
		}
	}
	r, recalled := trusted.Recalled(patch, since)
	if !recalled {
		return nil, nil
	}
	return &r, nil
}

// Recalls returns the recalls that no clear has lifted, one a patch level, by name and
// level.
func Recalls(tx store.Tx, trusted catalog.View) ([]hotstick.Recall, error) {
	var standing []hotstick.Recall
	for i, r := range trusted.Recalls {
		if i > 0 && trusted.Recalls[i-1].Patch == r.Patch {
			continue
		}
		if now, err := Recalled(tx, trusted, r.Patch); err != nil {
			return nil, err
		} else if now != nil {
			standing = append(standing, *now)
		}
	}
	return standing, nil
}

// Forbidden says why nobody may arm a patch level: it is banned, or recalled. It is
// nil if one may.
func Forbidden(tx store.Tx, trusted catalog.View, patch hotstick.PatchRef) (*hotstick.Reason, error) {
	if have, err := banned(tx, patch); err != nil || have {
		return &hotstick.Reason{Code: hotstick.ReasonBanned, Subject: patch.String()}, err
	}
	r, err := Recalled(tx, trusted, patch)
	if err != nil || r == nil {
		return nil, err
	}
	return &hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: patch.String(), Detail: r.Reason}, nil
}

// checkForbidden refuses what would arm a patch level that nobody may arm. what is
// what cannot be done.
func (c *Controller) checkForbidden(tx store.Tx, patch hotstick.PatchRef, what string) error {
	why, err := Forbidden(tx, c.catalog.View(), patch)
	switch {
	case err != nil || why == nil:
		return err
	case why.Code == hotstick.ReasonRecalled:
		return refuse(CodeRecalled, "lifting a recall needs a clear signed by the approvers", "cannot %s: %s was recalled (%s)", what, patch, why.Detail)
	}
	return refuse(CodeBanned, "lifting a ban needs a clear signed by the approvers", "cannot %s: %s is banned", what, patch)
}

// callBack wants back the hosts of plans that are over, if the level that they run is
// recalled by block-and-revert. Open plans see to theirs by themselves, unless they end
// first. It looks at all plans once for each version of the catalog, and when the server
// starts, and at each that ends meanwhile. It reports whether it wanted anybody back.
func (c *Controller) callBack(ctx context.Context) (called bool, err error) {
	trusted := c.catalog.View()
	ended, all := c.picture.takeEnded()
	all = all || trusted.Version != c.calledBack
	if !all && len(ended) == 0 {
		return false, nil
	}
	if called, err = c.callBackOver(ctx, trusted, ended, all); err != nil {
		c.picture.putEnded(ended, all)
		return called, err
	}
	c.calledBack = trusted.Version
	return called, nil
}

// callBackOver calls back from those plans that are over, all of them or these only.
func (c *Controller) callBackOver(ctx context.Context, trusted catalog.View, ended map[hotstick.PlanID]bool, all bool) (called bool, err error) {
	var calls []calling
	err = c.store.View(ctx, func(tx store.Tx) error {
		calls = nil
		plans, err := plansOf(tx, ended, all)
		if err != nil {
			return err
		}
		for _, p := range plans {
			if !p.Status.Over() || p.Reverting {
				continue
			}
			found, err := c.runners(tx, trusted, p)
			if err != nil {
				return err
			}
			calls = append(calls, found...)
		}
		return nil
	})
	for _, call := range calls {
		if err == nil {
			called, err = called || len(call.hosts) > 0, c.call(ctx, call)
		}
	}
	return called, err
}

// plansOf are these plans, or all that there are.
func plansOf(tx store.Tx, ids map[hotstick.PlanID]bool, all bool) ([]store.Plan, error) {
	if all {
		return tx.Plans().List(false)
	}
	var plans []store.Plan
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		p, err := tx.Plans().Get(id)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// calledBackIn are the recalls of a plan's patches that send back whoever runs them.
func (c *Controller) calledBackIn(tx store.Tx, trusted catalog.View, p store.Plan) ([]hotstick.Recall, error) {
	patches, err := c.patchesOf(p)
	var out []hotstick.Recall
	for _, patch := range patches {
		r, err := Recalled(tx, trusted, patch)
		if err != nil {
			return nil, err
		}
		if r != nil && r.Action == hotstick.RecallRevert {
			out = append(out, *r)
		}
	}
	return out, err
}

// calledAtOnce bounds how many hosts of a plan one transaction wants back.
const calledAtOnce = 100

// calling is a recall, and the hosts of a plan that it wants back.
type calling struct {
	plan   hotstick.PlanID
	recall hotstick.Recall
	hosts  []hotstick.HostID
	// again: hosts of the plan were called back for it before.
	again bool
}

// runners lists, for each recall of its patches, the hosts of a plan that run the level, or
// may come to: it reads the plan's lines once, however many they are.
func (c *Controller) runners(tx store.Tx, trusted catalog.View, p store.Plan) ([]calling, error) {
	recalls, err := c.calledBackIn(tx, trusted, p)
	if err != nil || len(recalls) == 0 {
		return nil, err
	}
	lines, err := tx.Plans().Hosts(p.ID)
	if err != nil {
		return nil, err
	}
	calls := make([]calling, len(recalls))
	for i, r := range recalls {
		calls[i] = calling{plan: p.ID, recall: r}
	}
	for _, line := range lines {
		i := slices.IndexFunc(recalls, func(r hotstick.Recall) bool { return r.Patch == line.Listed.PatchIn(p.Patch) })
		if i < 0 {
			continue
		}
		calls[i].again = calls[i].again || line.Recall != nil && line.Recall.Code == hotstick.ReasonRecalled
		runs, err := mayRun(tx, line, recalls[i].Patch)
		if err != nil {
			return nil, err
		}
		if runs {
			calls[i].hosts = append(calls[i].hosts, line.Listed.Host)
		}
	}
	return calls, nil
}

// mayRun reports whether a host of a plan that is over runs a level, or is under way to it,
// and nobody wants it back yet.
func mayRun(tx store.Tx, line store.PlanHost, patch hotstick.PatchRef) (bool, error) {
	if line.Recall != nil || !revertible(line.State) {
		return false, nil
	}
	if line.State != hotstick.Confirmed {
		return true, nil
	}
	h, err := tx.Hosts().Get(line.Listed.Host)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && h.Loader.InEffect == patch, err
}

// call wants back the hosts of a calling, a few at a time.
func (c *Controller) call(ctx context.Context, call calling) error {
	for some := range slices.Chunk(call.hosts, calledAtOnce) {
		if _, err := c.onPlan(ctx, string(call.plan), func(w *committing) error { return w.call(call, some) }); err != nil {
			return err
		}
		call.again = true
	}
	return nil
}

// call wants back those of some hosts that still run the level.
func (w *committing) call(call calling, hosts []hotstick.HostID) error {
	var lines []store.PlanHost
	for _, id := range hosts {
		line, err := w.tx.Plans().Host(w.plan.ID, id)
		if err != nil {
			return err
		}
		runs, err := mayRun(w.tx, line, call.recall.Patch)
		if err != nil {
			return err
		}
		if runs {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	why := hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: call.recall.Patch.String(), Detail: call.recall.Reason}
	if err := w.wantBack(lines, actor, why); err != nil || call.again {
		return err
	}
	e, err := w.event(store.Event{Kind: inventory.PlanReverting, Actor: actor, Reason: &why})
	if err != nil {
		return err
	}
	return inventory.Notify(w.tx, inventory.NotifyRevert, e)
}
