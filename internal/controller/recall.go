package controller

import (
	"context"
	"errors"
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
// recalled by block-and-revert. Open plans see to theirs by themselves. It looks once
// for each version of the catalog, and when the server starts.
func (c *Controller) callBack(ctx context.Context) error {
	trusted := c.catalog.View()
	if trusted.Version == c.calledBack {
		return nil
	}
	var over []store.Plan
	err := c.store.View(ctx, func(tx store.Tx) error {
		over = nil
		plans, err := tx.Plans().List(false)
		if err != nil {
			return err
		}
		for _, p := range plans {
			if !p.Status.Over() || p.Reverting {
				continue
			}
			recalled, err := c.calledBackIn(tx, trusted, p)
			if err != nil {
				return err
			}
			if len(recalled) > 0 {
				over = append(over, p)
			}
		}
		return nil
	})
	for _, p := range over {
		if err == nil {
			_, err = c.onPlan(ctx, string(p.ID), func(w *committing) error { return w.callBack(trusted) })
		}
	}
	if err == nil {
		c.calledBack = trusted.Version
	}
	return err
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

// callBack wants back those hosts of a plan that still run a level that was recalled.
func (w *committing) callBack(trusted catalog.View) error {
	recalls, err := w.c.calledBackIn(w.tx, trusted, w.plan)
	for _, recall := range recalls {
		if err == nil {
			err = w.callBackOne(recall)
		}
	}
	return err
}

func (w *committing) callBackOne(recall hotstick.Recall) error {
	all, err := w.tx.Plans().Hosts(w.plan.ID)
	if err != nil {
		return err
	}
	var lines []store.PlanHost
	for _, line := range all {
		if line.State != hotstick.Confirmed || line.Recall != nil || line.Listed.PatchIn(w.plan.Patch) != recall.Patch {
			continue
		}
		h, err := w.tx.Hosts().Get(line.Listed.Host)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if h.Loader.InEffect == recall.Patch {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	why := hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: recall.Patch.String(), Detail: recall.Reason}
	if err := w.wantBack(lines, actor, why); err != nil {
		return err
	}
	e, err := w.event(store.Event{Kind: inventory.PlanReverting, Actor: actor, Reason: &why})
	if err != nil {
		return err
	}
	return inventory.Notify(w.tx, inventory.NotifyRevert, e)
}
