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
// the grants that need it. The same again changes nothing.
func (c *Controller) Downgrade(ctx context.Context, raw []byte, who hotstick.Person) (statement.Downgrade, error) {
	var said statement.Downgrade
	err := c.Update(ctx, func(tx store.Tx) error {
		var err error
		if said, err = statement.OpenDowngrade(raw, c.catalog.View().Trust, tx.Now()); err != nil {
			return unsigned(err, "hotstick downgrade sign FILE --key FILE")
		}
		return keep(tx, statement.KindDowngrade, said.Patch, raw, who)
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
		return keep(tx, statement.KindWaiver, hotstick.PatchRef{}, raw, who)
	})
	return said, err
}

// unsigned is the refusal of a statement that too few persons signed, or that has ended.
func unsigned(err error, command string) error {
	reason := statement.ReasonOf(err)
	if reason.Code == hotstick.ReasonGrantExpired {
		return refuse(CodeRefused, "sign a new one", "%s", reason.Detail)
	}
	return refuse(CodeSignature, "as many persons as the catalog asks for sign it with "+command, "%s", reason.Detail)
}

// keep stores a statement that was verified, with its leaf.
func keep(tx store.Tx, kind statement.Kind, patch hotstick.PatchRef, raw []byte, who hotstick.Person) error {
	said, err := statement.IDOf(raw)
	if err != nil {
		return err
	}
	err = tx.Bans().PutStatement(store.Statement{Digest: said, Kind: string(kind), Patch: patch, Envelope: raw, By: who, At: tx.Now()})
	if errors.Is(err, store.ErrTaken) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = tx.Events().Append(store.Event{Kind: inventory.StatementTaken, Actor: string(who), Patch: patch, State: string(said),
		Evidence: []hotstick.Evidence{{Kind: "kind", Text: string(kind)}}})
	return err
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
func (p *parcel) downgrades(plan store.Plan, build hotstick.KernelBuild) ([]json.RawMessage, error) {
	all, err := Downgrades(p.tx, p.c.catalog.View().Trust)
	var out []json.RawMessage
	for _, d := range all {
		if d.Covers(plan.Patch, p.req.Host, build, d.From) && len(out) < maxDowngrades {
			out = append(out, d.Envelope)
		}
	}
	return out, err
}

// maxDowngrades bounds those that go with one grant.
const maxDowngrades = 8
