package leaftest

import (
	"errors"
	"reflect"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// feeds watches what operators say of feeds; how reading them went is no change.
type feeds struct {
	store.FeedTable
	x *tx
}

// Put implements [store.FeedTable].
func (t feeds) Put(f store.Feed) error {
	old, err := t.Get(f.Name)
	fresh := errors.Is(err, store.ErrNotFound)
	if err != nil && !fresh {
		return err
	}
	if err := t.FeedTable.Put(f); err != nil {
		return err
	}
	now, err := t.Get(f.Name)
	switch {
	case fresh:
		t.x.note(change{what: "a new feed", kinds: []string{inventory.FeedAdded}, state: f.Name})
	case now.Removed && !old.Removed:
		t.x.note(change{what: "a feed's removal", kinds: []string{inventory.FeedRemoved}, state: f.Name})
	case !reflect.DeepEqual(old, now):
		t.x.note(change{what: "a feed", kinds: []string{inventory.FeedChanged}, state: f.Name})
	}
	return err
}

// Delete implements [store.FeedTable]. Taking out what is removed already is the end of
// what was told before.
func (t feeds) Delete(name string) error {
	old, err := t.Get(name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	known := err == nil
	if err := t.FeedTable.Delete(name); err != nil {
		return err
	}
	if known && !old.Removed {
		t.x.note(change{what: "a feed's end", kinds: []string{inventory.FeedRemoved}, state: name})
	}
	return nil
}

// Tell implements [store.FeedTable].
func (t feeds) Tell(name string, s store.FeedState) error { return t.FeedTable.Tell(name, s) }

// SetMark implements [store.FeedTable].
func (t feeds) SetMark(name string, mark []byte) error { return t.FeedTable.SetMark(name, mark) }

// Refuse implements [store.FeedTable].
func (t feeds) Refuse(r store.Refusal) error { return t.FeedTable.Refuse(r) }

// Forgive implements [store.FeedTable].
func (t feeds) Forgive(feed string, before time.Time) error { return t.FeedTable.Forgive(feed, before) }

// What feeds say, and what follows from it, is no change: these pass everything.
type (
	advisories      struct{ store.AdvisoryTable }
	vulnerabilities struct{ store.VulnerabilityTable }
	exposures       struct{ store.ExposureTable }
)

// Put implements [store.AdvisoryTable].
func (t advisories) Put(d store.AdvisoryDocument, said []hotstick.Advisory) error {
	return t.AdvisoryTable.Put(d, said)
}

// Sweep implements [store.AdvisoryTable].
func (t advisories) Sweep(fetchedBefore time.Time) error { return t.AdvisoryTable.Sweep(fetchedBefore) }

// Put implements [store.VulnerabilityTable].
func (t vulnerabilities) Put(feed, document string, fetched time.Time, said []hotstick.Vulnerability) error {
	return t.VulnerabilityTable.Put(feed, document, fetched, said)
}

// Forget implements [store.VulnerabilityTable].
func (t vulnerabilities) Forget(feed, document string, fetchedBefore time.Time, limit int) (int, error) {
	return t.VulnerabilityTable.Forget(feed, document, fetchedBefore, limit)
}

// Begin implements [store.ExposureTable].
func (t exposures) Begin(all []store.Exposure) error { return t.ExposureTable.Begin(all) }

// End implements [store.ExposureTable].
func (t exposures) End(all []store.ExposureEnd) error { return t.ExposureTable.End(all) }
