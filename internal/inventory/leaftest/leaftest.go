// Package leaftest holds a rule against the server's code: every state change is
// one leaf of the audit log, in the same transaction. A store that is watched
// fails the test as soon as something is committed without the leaf that tells of
// it. Tests of the controller and of the server run on watched stores, so a new
// write without its leaf fails the first test that reaches it.
//
// What is no change in this sense is what a host says anew in every check-in: that
// it was heard, the readings of its probes, its list of live patches, and which
// bans and which catalog its loader holds; also how far the delivery of a message
// got, what feeds of advisories say, and which hosts are open to which CVE by that.
package leaftest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// Watched is a store that is watched. It implements [store.Store].
type Watched struct {
	store.Store
	t testing.TB
}

// Watch returns the store, watched until the test ends.
func Watch(t testing.TB, s store.Store) *Watched { return &Watched{Store: s, t: t} }

// Update implements [store.Store].
func (w *Watched) Update(ctx context.Context, fn func(store.Tx) error) error {
	var x *tx
	err := w.Store.Update(ctx, func(inner store.Tx) error {
		x = &tx{Tx: inner}
		return fn(x)
	})
	if err == nil {
		for _, missing := range x.untold() {
			w.t.Errorf("a transaction committed %s without its leaf; it has %v", missing, x.told())
		}
	}
	return err
}

// change is one thing that a transaction changed, and what its leaf must say.
type change struct {
	what string
	// kinds are the kinds of event that tell of it; empty is any.
	kinds []string
	plan  hotstick.PlanID
	host  hotstick.HostID
	// state is what the event's State must be, if it matters.
	state string
}

func (c change) toldBy(e store.Event) bool {
	return (len(c.kinds) == 0 || slices.Contains(c.kinds, e.Kind)) && (c.plan == "" || c.plan == e.Plan) &&
		(c.host == "" || c.host == e.Host) && (c.state == "" || c.state == e.State)
}

// tx notes what a transaction changes and which events it appends.
type tx struct {
	store.Tx
	changes []change
	events  []store.Event
}

func (x *tx) note(c change) { x.changes = append(x.changes, c) }

// untold lists the changes that no event of the transaction tells of.
func (x *tx) untold() []string {
	var out []string
	for _, c := range x.changes {
		if !slices.ContainsFunc(x.events, c.toldBy) {
			out = append(out, strings.TrimSpace(c.what+" "+c.state))
		}
	}
	return out
}

func (x *tx) told() []string {
	kinds := []string{}
	for _, e := range x.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// Hosts implements [store.Tx].
func (x *tx) Hosts() store.HostTable { return hosts{x.Tx.Hosts(), x} }

// Plans implements [store.Tx].
func (x *tx) Plans() store.PlanTable { return plans{x.Tx.Plans(), x} }

// Slots implements [store.Tx].
func (x *tx) Slots() store.SlotTable { return slots{x.Tx.Slots(), x} }

// Events implements [store.Tx].
func (x *tx) Events() store.EventTable { return events{x.Tx.Events(), x} }

// Bans implements [store.Tx].
func (x *tx) Bans() store.BanTable { return bans{x.Tx.Bans(), x} }

// Tokens implements [store.Tx].
func (x *tx) Tokens() store.TokenTable { return tokens{x.Tx.Tokens(), x} }

// Outbox implements [store.Tx].
func (x *tx) Outbox() store.OutboxTable { return outbox{x.Tx.Outbox()} }

// Feeds implements [store.Tx].
func (x *tx) Feeds() store.FeedTable { return feeds{x.Tx.Feeds(), x} }

// Advisories implements [store.Tx].
func (x *tx) Advisories() store.AdvisoryTable { return advisories{x.Tx.Advisories()} }

// Vulnerabilities implements [store.Tx].
func (x *tx) Vulnerabilities() store.VulnerabilityTable {
	return vulnerabilities{x.Tx.Vulnerabilities()}
}

// Exposures implements [store.Tx].
func (x *tx) Exposures() store.ExposureTable { return exposures{x.Tx.Exposures()} }

var _ store.Store = (*Watched)(nil)
