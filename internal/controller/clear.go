package controller

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// Clear takes a clear that enough persons signed: it lifts the ban if it says so,
// allows the patch again on the hosts that it lists, and is handed to the loaders
// that hold a strike or the ban. The same clear again changes nothing.
func (c *Controller) Clear(ctx context.Context, raw []byte, who hotstick.Person) (statement.Clear, error) {
	var clearance statement.Clear
	err := c.Update(ctx, func(tx store.Tx) error {
		var err error
		clearance, err = statement.OpenClear(raw, c.catalog.View().Trust, tx.Now())
		if err != nil {
			return refuse(CodeSignature, "as many persons as the catalog asks for sign it with hotstick clear sign FILE --key FILE",
				"%s", statement.ReasonOf(err).Detail)
		}
		digest := hotstick.NewDigest(raw)
		err = tx.Bans().PutClear(store.Clear{Digest: digest, Patch: clearance.Patch, Envelope: raw, By: who, At: tx.Now()})
		if errors.Is(err, store.ErrTaken) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := lift(tx, clearance); err != nil {
			return err
		}
		why := &hotstick.Reason{Code: hotstick.ReasonOperator, Subject: string(who)}
		if clearance.Ban {
			why.Code = hotstick.ReasonBanned
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.PatchCleared, Actor: string(who), Patch: clearance.Patch,
			State: string(digest), Reason: why})
		if err != nil {
			return err
		}
		return unmark(tx, clearance, digest, who)
	})
	return clearance, err
}

// lift ends the ban of the clear's patch. A ban that is younger than the clear is
// not what was signed.
func lift(tx store.Tx, clearance statement.Clear) error {
	if !clearance.Ban {
		return nil
	}
	b, err := tx.Bans().Get(clearance.Patch)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if b.At.Truncate(time.Second).After(clearance.IssuedAt) {
		return refuse(CodeConflict, "sign a new clear, if this ban is to be lifted too",
			"cannot clear %s: it was banned again after this clear was signed", clearance.Patch)
	}
	return tx.Bans().Delete(clearance.Patch)
}

// unmark allows the patch again on the listed hosts. Their strikes go once their
// loaders have the clear.
func unmark(tx store.Tx, clearance statement.Clear, digest hotstick.Digest, who hotstick.Person) error {
	for _, id := range clearance.Hosts {
		h, err := tx.Hosts().Get(id)
		if errors.Is(err, store.ErrNotFound) || err == nil && h.Revoked {
			continue
		}
		if err != nil {
			return err
		}
		h.Reverted = slices.DeleteFunc(h.Reverted, func(p hotstick.PatchRef) bool { return p == clearance.Patch })
		if err := tx.Hosts().Put(h); err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.HostCleared, Actor: string(who), Host: id, HostName: h.Name,
			Patch: clearance.Patch, State: string(digest)})
		if err != nil {
			return err
		}
	}
	return nil
}

// clears packs the clears that the host's loader still has to learn of.
func (p *parcel) clears() error {
	holds := p.req.Loader
	if len(holds.Strikes) == 0 && len(holds.Bans) == 0 {
		return nil
	}
	all, err := p.tx.Bans().Clears()
	if err != nil {
		return err
	}
	for _, kept := range all {
		read, err := statement.ParseClear(kept.Envelope)
		if err != nil {
			return err
		}
		said := read.Clear
		struck := slices.Contains(holds.Strikes, said.Patch) && slices.Contains(said.Hosts, p.req.Host)
		if !p.tx.Now().Before(said.NotAfter) || !struck && !(said.Ban && slices.Contains(holds.Bans, said.Patch)) {
			continue
		}
		if err := p.add("clear "+string(kept.Digest), func() ([]byte, error) { return kept.Envelope, nil }); err != nil {
			return err
		}
	}
	return nil
}
