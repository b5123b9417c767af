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

// Clear takes a clear that enough persons signed: it lifts the ban and the recalls if
// it says so, allows the patch again on the hosts that it lists, and is handed to the loaders
// that hold a strike, the ban or a recall. The same clear again changes nothing, signed
// by whomever (but see put).
func (c *Controller) Clear(ctx context.Context, raw []byte, who hotstick.Person) (statement.Clear, error) {
	var clearance statement.Clear
	err := c.Update(ctx, func(tx store.Tx) error {
		var err error
		clearance, err = statement.OpenClear(raw, c.catalog.View().Trust, tx.Now())
		if err != nil {
			return unsigned(err, "hotstick clear sign FILE --key FILE")
		}
		// What it says counts once, in whatever envelope it comes: it must not lift again
		// what came after it was taken.
		digest, err := statement.IDOf(raw)
		if err != nil {
			return err
		}
		fresh, err := c.put(tx, store.Statement{Digest: digest, Kind: string(statement.KindClear), Patch: clearance.Patch, Envelope: raw, By: who, At: tx.Now()})
		if err != nil || !fresh {
			return err
		}
		if err := lift(tx, clearance); err != nil {
			return err
		}
		if err := liftPrints(tx, clearance); err != nil {
			return err
		}
		if err := c.checkRecall(clearance); err != nil {
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

// liftPrints ends the stops of the clear's level on the kinds of machines that crashed
// with it. A clear of single hosts does not: it says nothing of other machines.
func liftPrints(tx store.Tx, clearance statement.Clear) error {
	if len(clearance.Hosts) > 0 {
		return nil
	}
	stops, err := tx.Bans().CrashStops(clearance.Patch)
	if err != nil {
		return err
	}
	for _, s := range stops {
		if s.At.Truncate(time.Second).After(clearance.IssuedAt) {
			return refuse(CodeConflict, "sign a new clear, if this crash is to be forgiven too",
				"cannot clear %s: %s went down with it after this clear was signed", clearance.Patch, s.HostName)
		}
	}
	_, err = tx.Bans().LiftPrints(clearance.Patch)
	return err
}

// checkRecall refuses a clear of recalls to which one came after it was signed: that
// one is not what was signed.
func (c *Controller) checkRecall(clearance statement.Clear) error {
	if !clearance.Recall {
		return nil
	}
	if _, again := c.catalog.View().Recalled(clearance.Patch, clearance.IssuedAt); again {
		return refuse(CodeConflict, "sign a new clear, if this recall is to be lifted too",
			"cannot clear %s: it was recalled again after this clear was signed", clearance.Patch)
	}
	return nil
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
	if len(holds.Strikes) == 0 && len(holds.Bans) == 0 && len(holds.Recalls) == 0 {
		return nil
	}
	all, err := p.tx.Bans().Statements(string(statement.KindClear))
	if err != nil {
		return err
	}
	for _, kept := range all {
		read, err := statement.ParseClear(kept.Envelope)
		if err != nil {
			return err
		}
		if !p.tx.Now().Before(read.Clear.NotAfter) {
			continue
		}
		if wanted, err := p.lifts(kept.Digest, read.Clear); err != nil {
			return err
		} else if !wanted {
			continue
		}
		if err := p.add("clear "+string(kept.Digest), func() ([]byte, error) { return kept.Envelope, nil }); err != nil {
			return err
		}
	}
	return nil
}

// lifts reports whether a clear lifts anything that the host's loader holds: the ban,
// if nobody has banned the patch again, the recall, if the patch was not recalled
// again, or the strike, if it is not younger.
func (p *parcel) lifts(digest hotstick.Digest, said statement.Clear) (bool, error) {
	holds := p.req.Loader
	if said.Ban && slices.Contains(holds.Bans, said.Patch) {
		if again, err := banned(p.tx, said.Patch); err != nil || !again {
			return !again, err
		}
	}
	if said.Recall && slices.Contains(holds.Recalls, said.Patch) {
		if _, again := p.c.catalog.View().Recalled(said.Patch, said.IssuedAt); !again {
			return true, nil
		}
	}
	if !slices.Contains(holds.Strikes, said.Patch) || !slices.Contains(said.Hosts, p.req.Host) {
		return false, nil
	}
	younger, err := p.struckSince(digest, said.Patch)
	return !younger, err
}

// eventPage is how many events of a host are read at a time.
const eventPage = 64

// struckSince reports whether the host went down with the patch after the clear was
// handed in. Loaders take a clear once: that strike waits for another one, and this
// one would be sent for ever.
func (p *parcel) struckSince(clear hotstick.Digest, patch hotstick.PatchRef) (bool, error) {
	for before := int64(0); ; {
		events, err := p.tx.Events().List(store.EventFilter{Host: p.req.Host, Before: before, Limit: eventPage})
		if err != nil || len(events) == 0 {
			return false, err
		}
		for _, e := range events {
			switch {
			case e.Patch != patch:
			case e.Kind == inventory.HostCleared && e.State == string(clear):
				return false, nil
			case e.Kind == inventory.HostStruck, e.Kind == inventory.HostState && e.State == string(hotstick.Quarantined):
				return true, nil
			}
		}
		before = events[len(events)-1].Seq
	}
}
