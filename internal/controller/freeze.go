package controller

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// maxOrdered bounds how far ahead a freeze or an exclusion may end: what nobody
// will remember is a mistake.
const maxOrdered = 2 * 366 * 24 * time.Hour

// Freeze lets nothing start anywhere from one time until another, and returns the
// freeze's ID. Reverts go on. The same freeze again is the one that is there.
func (c *Controller) Freeze(ctx context.Context, from, until time.Time, who hotstick.Person, reason string) (int64, error) {
	said, err := ordered(who, reason)
	if err != nil {
		return 0, err
	}
	from, until = store.Instant(from), store.Instant(until)
	var id int64
	err = c.Update(ctx, func(tx store.Tx) error {
		if err := checkUntil(tx.Now(), until); err != nil {
			return err
		}
		if !from.Before(until) {
			return refuse(CodeInvalid, "", "cannot freeze changes: the freeze ends before it begins")
		}
		known, err := tx.Bans().Freezes()
		if err != nil {
			return err
		}
		for _, f := range known {
			if f.From.Equal(from) && f.Until.Equal(until) && f.Reason == said.Detail {
				id = f.ID
				return nil
			}
		}
		id, err = tx.Bans().Freeze(store.Freeze{From: from, Until: until, Reason: said.Detail, By: who, At: tx.Now()})
		if err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.FleetFrozen, Actor: string(who), State: strconv.FormatInt(id, 10),
			Reason: &hotstick.Reason{Code: hotstick.ReasonFreeze, Subject: string(who), Detail: said.Detail, Until: &until}})
		return err
	})
	return id, err
}

func checkUntil(now, until time.Time) error {
	switch {
	case !until.After(now):
		return refuse(CodeInvalid, "name a time that is still to come", "cannot do this until a time that has passed")
	case until.After(now.Add(maxOrdered)):
		return refuse(CodeInvalid, "name an earlier time, and prolong it when it comes", "cannot do this for more than two years")
	}
	return nil
}

// Unfreeze takes a freeze back.
func (c *Controller) Unfreeze(ctx context.Context, id int64, who hotstick.Person, reason string) error {
	said, err := ordered(who, reason)
	if err != nil {
		return err
	}
	return c.Update(ctx, func(tx store.Tx) error {
		err := tx.Bans().Unfreeze(id)
		if errors.Is(err, store.ErrNotFound) {
			return refuse(CodeNotFound, "", "cannot find this freeze")
		}
		if err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.FleetThawed, Actor: string(who), State: strconv.FormatInt(id, 10), Reason: said})
		return err
	})
}
