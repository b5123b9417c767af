package controller

import (
	"context"
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// Refused takes note of documents that a host's loader did not take. A refused
// grant needs nothing: the loader reports the end of an attempt that it will
// never make, and for all else a new grant follows. An order to revert that the
// host can never follow ends the host's line, or it would be ordered back for
// ever.
func (c *Controller) Refused(ctx context.Context, req wire.SyncRequest) error {
	for _, r := range req.Loader.Refusals {
		plan, ordered := c.sent.ordered(req.Host, r.Document)
		if !ordered || !final(r.Reason.Code, req.Loader.Busy) {
			continue
		}
		if err := c.cannotRevert(ctx, plan, req.Host, r.Reason); err != nil {
			return err
		}
	}
	return nil
}

// final reports whether no later order of the same kind would be taken. While
// the loader is busy with another plan it may be later.
func final(code hotstick.ReasonCode, busy bool) bool {
	return code == hotstick.ReasonNotInPlan || code == hotstick.ReasonOtherPlan && !busy
}

func (c *Controller) cannotRevert(ctx context.Context, id hotstick.PlanID, host hotstick.HostID, why hotstick.Reason) error {
	err := c.Update(ctx, func(tx store.Tx) error {
		plan, err := tx.Plans().Get(id)
		if err != nil {
			return err
		}
		line, err := tx.Plans().Host(id, host)
		if err != nil || line.State != hotstick.Reverting {
			return err
		}
		w := &committing{c: c, tx: tx, plan: plan, now: tx.Now()}
		line.State, line.Updated, line.Ended = hotstick.Failed, w.now, &w.now
		line.Reason = &hotstick.Reason{Code: hotstick.ReasonRevertFailed, Subject: string(why.Code), Detail: why.Detail}
		return w.put(line, string(host))
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
