package feeds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories"
	"github.com/hotstick/hotstick/internal/store"
)

// How much is written in one transaction, so that check-ins wait for it no longer than they
// would for each other. A document of more advisories than that is written alone, and whole.
const (
	batchDocuments = 64
	batchRows      = 200
)

// intake puts the documents of one reading into the store.
type intake struct {
	ctx   context.Context
	store store.Store
	feed  string
	now   func() time.Time
	// fresh counts documents that said something else than before.
	fresh int

	// waiting are documents that were not written yet, of so many rows; ids names them.
	waiting []entry
	rows    int
	ids     map[string]bool
	refused []store.Refusal
}

// entry is a document with all that it says.
type entry struct {
	store.AdvisoryDocument
	advisories []hotstick.Advisory
	known      []hotstick.Vulnerability
	// long: pieces of known were written already.
	long bool
}

// Document implements [advisories.Sink].
func (in *intake) Document(d advisories.Document) error {
	next := entry{AdvisoryDocument: row(d), advisories: d.Advisories}
	if in.ids[next.ID] {
		if err := in.flush(); err != nil {
			return err
		}
	}
	stands, err := in.stands(next.AdvisoryDocument)
	if err != nil || stands {
		return err
	}
	for v := range d.Vulnerabilities {
		if next.known = append(next.known, v); len(next.known) < batchRows {
			continue
		}
		// A long list: its pieces go ahead. It is not there before its own row is.
		if err := in.update(func(tx store.Tx) error {
			return tx.Vulnerabilities().Put(in.feed, next.ID, next.Fetched, next.known)
		}); err != nil {
			return err
		}
		next.known, next.long = next.known[:0], true
	}
	if in.ids == nil {
		in.ids = map[string]bool{}
	}
	in.waiting, in.ids[next.ID] = append(in.waiting, next), true
	if in.rows += len(next.advisories) + len(next.known); in.rows >= batchRows || len(in.waiting) >= batchDocuments {
		return in.flush()
	}
	return nil
}

// row is what the store keeps of a document itself. Issues of a list stand under one name.
func row(d advisories.Document) store.AdvisoryDocument {
	r := store.AdvisoryDocument{Feed: d.Source.Feed, ID: cmp.Or(d.Series, d.ID), Path: d.Name, Digest: d.Source.Digest, Modified: d.Modified, Fetched: d.Source.Fetched,
		Complete: d.Source.Complete, Withdrawn: d.Withdrawn, Reader: advisories.Reader, UnreadCount: d.UnreadCount}
	for _, u := range d.Unread {
		r.Unread = append(r.Unread, fmt.Sprintf("%s %s: %s", u.CVE, u.Product, u.Why))
	}
	return r.Clone()
}

// stands reports whether the store has the document already, or a newer issue of it: feeds are
// carried on disks and served by mirrors, which may be behind.
func (in *intake) stands(next store.AdvisoryDocument) (stands bool, err error) {
	err = in.store.View(in.ctx, func(tx store.Tx) error {
		known, err := tx.Advisories().Get(in.feed, next.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		same := known.Digest == next.Digest && known.Reader == next.Reader && known.Withdrawn == next.Withdrawn && slices.Equal(known.Complete, next.Complete)
		stands = err == nil && (same || known.Modified.After(next.Modified))
		return err
	})
	return stands, err
}

// Refused implements [advisories.Sink].
func (in *intake) Refused(r advisories.Refusal) error {
	in.refused = append(in.refused, store.Refusal{Feed: in.feed, Path: r.Name, Reason: cut(r.Err.Error()), At: in.now()})
	if len(in.refused) >= batchDocuments {
		return in.flush()
	}
	return nil
}

// flush writes what waits.
func (in *intake) flush() error {
	if len(in.waiting)+len(in.refused) == 0 {
		return nil
	}
	for _, d := range in.waiting {
		if !d.long {
			continue
		}
		// The rest of a long list, and what only its issue before said, go ahead of its row: a
		// document whose row is there counts as read.
		if err := in.update(func(tx store.Tx) error { return tx.Vulnerabilities().Put(in.feed, d.ID, d.Fetched, d.known) }); err != nil {
			return err
		}
		if err := forget(in.ctx, in.store, in.feed, d.ID, d.Fetched); err != nil {
			return err
		}
	}
	err := in.update(func(tx store.Tx) error {
		for _, d := range in.waiting {
			if err := d.put(tx); err != nil {
				return err
			}
		}
		for _, r := range in.refused {
			if err := tx.Feeds().Refuse(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	in.fresh += len(in.waiting)
	in.waiting, in.rows, in.refused = nil, 0, nil
	clear(in.ids)
	return nil
}

// put writes a document with all that it says; of a long list only its row is left.
func (d entry) put(tx store.Tx) error {
	if !d.long {
		if err := tx.Vulnerabilities().Put(d.Feed, d.ID, d.Fetched, d.known); err != nil {
			return err
		}
		if _, err := tx.Vulnerabilities().Forget(d.Feed, d.ID, d.Fetched, 0); err != nil {
			return err
		}
	}
	return tx.Advisories().Put(d.AdvisoryDocument, d.advisories)
}

// forget deletes what a document said of CVEs before a time and has not said again.
func forget(ctx context.Context, s store.Store, feed, id string, before time.Time) error {
	for more := true; more; {
		if err := s.Update(ctx, func(tx store.Tx) error {
			n, err := tx.Vulnerabilities().Forget(feed, id, before, batchRows)
			more = n == batchRows
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func (in *intake) update(fn func(store.Tx) error) error { return in.store.Update(in.ctx, fn) }
