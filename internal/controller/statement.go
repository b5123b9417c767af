package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// Downgrade takes a downgrade that enough persons signed. It goes to the loaders with
// the grants that need it. The same again changes nothing, but see put.
func (c *Controller) Downgrade(ctx context.Context, raw []byte, who hotstick.Person) (statement.Downgrade, error) {
	var said statement.Downgrade
	err := c.Update(ctx, func(tx store.Tx) error {
		var err error
		if said, err = statement.OpenDowngrade(raw, c.catalog.View().Trust, tx.Now()); err != nil {
			return unsigned(err, "hotstick downgrade sign FILE --key FILE")
		}
		return c.taken(tx, store.Statement{Kind: string(statement.KindDowngrade), Patch: said.Patch, Envelope: raw, By: who}, said.Patch)
	})
	return said, err
}

// Waiver takes a waiver that enough persons signed. Plans that are drafted from now on
// are judged by it. The same again changes nothing.
func (c *Controller) Waiver(ctx context.Context, raw []byte, who hotstick.Person) (statement.Waiver, error) {
	var said statement.Waiver
	err := c.Update(ctx, func(tx store.Tx) error {
		var err error
		if said, _, err = statement.OpenWaiver(raw, c.catalog.View().Trust, tx.Now()); err != nil {
			return unsigned(err, "hotstick waiver sign FILE --key FILE")
		}
		if _, err := policy.CompileSelector(said.Hosts); err != nil {
			return refuse(CodeInvalid, "sign a waiver whose hosts can be judged", "%v", err)
		}
		return c.taken(tx, store.Statement{Kind: string(statement.KindWaiver), Envelope: raw, By: who}, hotstick.PatchRef{})
	})
	return said, err
}

// unsigned is the refusal of a statement that too few persons signed, or whose life is
// not now.
func unsigned(err error, command string) error {
	reason := statement.ReasonOf(err)
	if reason.Code == hotstick.ReasonGrantExpired {
		return refuse(CodeRefused, "sign a new one", "%s", reason.Detail)
	}
	return refuse(CodeSignature, "as many persons as the catalog asks for sign it with "+command, "%s", reason.Detail)
}

// taken stores a statement that was verified, with its leaf, which names the patch even
// where the row is about several.
func (c *Controller) taken(tx store.Tx, s store.Statement, patch hotstick.PatchRef) error {
	var err error
	if s.Digest, err = statement.IDOf(s.Envelope); err != nil {
		return err
	}
	s.At = tx.Now()
	fresh, err := c.put(tx, s)
	if err != nil || !fresh {
		return err
	}
	return leaf(tx, s, patch)
}

// leaf tells the audit log of a statement that was taken, or signed anew.
func leaf(tx store.Tx, s store.Statement, patch hotstick.PatchRef) error {
	_, err := tx.Events().Append(store.Event{Kind: inventory.StatementTaken, Actor: string(s.By), Patch: patch, State: string(s.Digest),
		Evidence: []hotstick.Evidence{{Kind: "kind", Text: s.Kind}}})
	return err
}

// put stores a statement that was verified, and reports whether it was not there yet.
// Where it was, and the signatures that were kept do not open it any more, because
// somebody's key was changed, those that do take their place: nobody would go by the old
// ones, and what the new ones say is the same.
func (c *Controller) put(tx store.Tx, s store.Statement) (fresh bool, err error) {
	err = tx.Bans().PutStatement(s)
	if err == nil || !errors.Is(err, store.ErrTaken) {
		return err == nil, err
	}
	all, err := tx.Bans().Statements(s.Kind)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(all, func(have store.Statement) bool { return have.Digest == s.Digest })
	if i < 0 || c.opens(tx, all[i]) {
		return false, nil
	}
	if err := tx.Bans().ReplaceStatement(s); err != nil {
		return false, err
	}
	return false, leaf(tx, s, s.Patch)
}

// opens reports whether whoever is trusted now has signed a statement that is kept.
func (c *Controller) opens(tx store.Tx, s store.Statement) bool {
	trust := c.catalog.View().Trust
	var err error
	switch statement.Kind(s.Kind) {
	case statement.KindClear:
		_, err = statement.OpenClear(s.Envelope, trust, tx.Now())
	case statement.KindDowngrade:
		_, err = statement.OpenDowngrade(s.Envelope, trust, tx.Now())
	case statement.KindWaiver:
		_, _, err = statement.OpenWaiver(s.Envelope, trust, tx.Now())
	case statement.KindEvidence:
		_, _, err = statement.OpenEvidence(s.Envelope, trust)
	}
	return err == nil
}

// Downgrades are those that hold now, with their envelopes, oldest first.
func Downgrades(tx store.Tx, trust hotstick.Trust) ([]HeldDowngrade, error) {
	kept, err := tx.Bans().Statements(string(statement.KindDowngrade))
	var out []HeldDowngrade
	for _, k := range kept {
		if said, err := statement.OpenDowngrade(k.Envelope, trust, tx.Now()); err == nil {
			out = append(out, HeldDowngrade{Downgrade: said, ID: k.Digest, Envelope: k.Envelope})
		}
	}
	return out, err
}

// HeldDowngrade is a downgrade that holds, by whoever is trusted now.
type HeldDowngrade struct {
	statement.Downgrade
	ID       hotstick.Digest
	Envelope json.RawMessage
}

// Standing is whether a waiver that was handed in counts. The set is closed.
type Standing string

// The standings.
const (
	Holds Standing = "holds"
	// Ended: its life is over.
	Ended Standing = "ended"
	// Replaced: a younger one of its name was handed in.
	Replaced Standing = "replaced"
	// Distrusted: too few of those who signed it may do so still.
	Distrusted Standing = "distrusted"
)

// HeldWaiver is a waiver that was handed in.
type HeldWaiver struct {
	statement.Waiver
	ID hotstick.Digest
	// By are the persons who signed it and may still; nil where it does not hold.
	By       []hotstick.Person
	Standing Standing
}

// Waivers lists the waivers that were handed in, by name and then the youngest first.
func Waivers(tx store.Tx, trust hotstick.Trust) ([]HeldWaiver, error) {
	kept, err := tx.Bans().Statements(string(statement.KindWaiver))
	if err != nil {
		return nil, err
	}
	var out []HeldWaiver
	for _, k := range kept {
		// It was verified when it was handed in. That a younger one took its place stays
		// true, whatever became of that one's signers.
		read, err := statement.ParseWaiver(k.Envelope)
		if err != nil {
			return nil, err
		}
		w := HeldWaiver{Waiver: read.Waiver, ID: k.Digest, Standing: Holds}
		_, w.By, err = statement.OpenWaiver(k.Envelope, trust, tx.Now())
		switch {
		case err != nil && statement.ReasonOf(err).Code == hotstick.ReasonGrantExpired:
			w.Standing = Ended
		case err != nil:
			w.Standing = Distrusted
		}
		out = append(out, w)
	}
	slices.SortStableFunc(out, func(a, b HeldWaiver) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), b.IssuedAt.Compare(a.IssuedAt), cmp.Compare(a.ID, b.ID))
	})
	for i := range out {
		if i > 0 && out[i].Name == out[i-1].Name {
			out[i].By, out[i].Standing = nil, Replaced
		}
	}
	return out, nil
}

// PolicyWaivers are the waivers that hold now, as policies judge by them.
func PolicyWaivers(tx store.Tx, trust hotstick.Trust) ([]policy.Waiver, error) {
	all, err := Waivers(tx, trust)
	var out []policy.Waiver
	for _, w := range all {
		if w.Standing == Holds {
			out = append(out, policy.Waiver{Name: w.Name, Policy: w.Policy, Text: w.Text, Rules: w.Rules, LeaveOut: w.LeaveOut,
				Hosts: w.Hosts, Why: w.Why, By: w.By, Until: w.NotAfter})
		}
	}
	return out, err
}

// downgrades packs what the host's loader needs to take a plan's level, if that is an
// older one. The loader judges which of them cover it, for it knows what was confirmed.
func (p *parcel) downgrades(patch hotstick.PatchRef, build hotstick.KernelBuild) ([]json.RawMessage, error) {
	all, err := Downgrades(p.tx, p.c.catalog.View().Trust)
	var out []json.RawMessage
	for _, d := range all {
		if d.Covers(patch, p.req.Host, build, d.From) && len(out) < maxDowngrades {
			out = append(out, d.Envelope)
		}
	}
	return out, err
}

// maxDowngrades bounds those that go with one grant.
const maxDowngrades = 8
