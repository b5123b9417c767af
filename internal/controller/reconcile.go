package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// Reconciled is what a reconciliation found and did.
type Reconciled struct {
	// Halted are the plans that were open in the older database. What became of them
	// since is not known here, so each is halted for good; a new plan may continue it.
	Halted []hotstick.PlanID
	// Banned are patch levels that hosts hold a ban of and the database did not know.
	Banned []hotstick.PatchRef
	// Ahead are hosts that have a plan in their ledger which the database does not know.
	Ahead []hotstick.HostID
	// Silent are hosts that were not heard since the database was put back; what they
	// know is not taken in.
	Silent []hotstick.HostID
}

// Reconcile takes in what hosts know better than a database that was put back, and
// allows starts again. Hosts tell it with every check-in; where some were not heard
// since, it is refused unless that is accepted.
func (c *Controller) Reconcile(ctx context.Context, who hotstick.Person, reason string, acceptSilent bool) (Reconciled, error) {
	said, err := ordered(who, reason)
	if err != nil {
		return Reconciled{}, err
	}
	for range decideTries {
		var out Reconciled
		err = c.Update(ctx, func(tx store.Tx) error {
			out = Reconciled{}
			return c.reconcile(tx, &out, who, said, acceptSilent)
		})
		if !errors.Is(err, store.ErrConflict) {
			return out, err
		}
	}
	return Reconciled{}, err
}

func (c *Controller) reconcile(tx store.Tx, out *Reconciled, who hotstick.Person, said *hotstick.Reason, acceptSilent bool) error {
	unreconciled, err := inventory.Unreconciled(tx)
	if err != nil {
		return err
	}
	if !unreconciled {
		return refuse(CodeConflict, "", "cannot reconcile: the database was not put back, and no host disputes its audit log")
	}
	since, err := putBack(tx)
	if err != nil {
		return err
	}
	hosts, _, err := tx.Hosts().List(store.HostFilter{})
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := c.learn(tx, out, h, since, who); err != nil {
			return err
		}
	}
	if len(out.Silent) > 0 && !acceptSilent {
		return refuse(CodeConflict, "wait for them, or go on without what they know: --accept-silent",
			"cannot reconcile yet: %d of %d hosts were not heard since %s", len(out.Silent), len(hosts), since.Format(time.RFC3339))
	}
	plans, err := tx.Plans().List(true)
	if err != nil {
		return err
	}
	why := &hotstick.Reason{Code: hotstick.ReasonUnreconciled, Subject: string(who), Detail: said.Detail}
	for _, p := range plans {
		w := &committing{c: c, tx: tx, plan: p, now: tx.Now()}
		if err := w.become(hotstick.Halted, why, who); err != nil {
			return err
		}
		out.Halted = append(out.Halted, p.ID)
	}
	_, err = tx.Events().Append(store.Event{Kind: inventory.LogReconciled, Actor: string(who), Reason: said, Evidence: []hotstick.Evidence{
		{Kind: "found", Text: fmt.Sprintf("%d plans halted, %d bans taken in, %d hosts ahead, %d hosts silent",
			len(out.Halted), len(out.Banned), len(out.Ahead), len(out.Silent))}}})
	if err != nil {
		return err
	}
	return errors.Join(tx.Events().SetMark(inventory.MarkRestored, ""), tx.Events().SetMark(inventory.MarkDisputed, ""),
		tx.Events().SetMark(inventory.MarkReconciled, tx.Now().Format(time.RFC3339)))
}

// putBack is since when a host's check-in tells what the older database did not
// know: the restore, or the newest dispute.
func putBack(tx store.Tx) (time.Time, error) {
	mark, err := tx.Events().Mark(inventory.MarkRestored)
	if err != nil {
		return time.Time{}, err
	}
	if at, err := time.Parse(time.RFC3339, mark); err == nil {
		return at, nil
	}
	var before int64
	for {
		page, err := tx.Events().List(store.EventFilter{Before: before, Limit: 500})
		if err != nil || len(page) == 0 {
			return tx.Now(), err
		}
		for _, e := range page {
			if e.Kind == inventory.LogDisputed {
				return e.At, nil
			}
			if before = e.Seq; before == 0 {
				return tx.Now(), nil
			}
		}
	}
}

// learn takes in what one host knows better.
func (c *Controller) learn(tx store.Tx, out *Reconciled, h store.Host, since time.Time, who hotstick.Person) error {
	if !h.LastSeen.After(since) {
		out.Silent = append(out.Silent, h.ID)
		return nil
	}
	for _, patch := range h.Loader.Bans {
		have, err := banned(tx, patch)
		if err != nil {
			return err
		}
		if have {
			continue
		}
		why := hotstick.Reason{Code: hotstick.ReasonUnreconciled, Subject: h.Name}
		if err := c.ban(tx, patch, why, string(who), ""); err != nil {
			return err
		}
		out.Banned = append(out.Banned, patch)
	}
	ahead := slices.ContainsFunc(h.Loader.Plans, func(id hotstick.PlanID) bool {
		_, err := tx.Plans().Get(id)
		return errors.Is(err, store.ErrNotFound)
	})
	if ahead {
		out.Ahead = append(out.Ahead, h.ID)
	}
	return nil
}
