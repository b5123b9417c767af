package memory

import (
	"cmp"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// knowledge is what feeds say, and what follows from it.
type knowledge struct {
	feeds     map[string]store.Feed
	marks     map[string][]byte
	refusals  map[refusalKey]store.Refusal
	documents map[documentKey]store.SaidAnew
	change    int64               // the number of the newest change of a document
	said      map[string][]saying // by CVE, in the order of feed and document
	exposures map[hotstick.HostID]map[string][]store.Exposure
}

func newKnowledge() knowledge {
	return knowledge{
		feeds: map[string]store.Feed{}, marks: map[string][]byte{}, refusals: map[refusalKey]store.Refusal{},
		documents: map[documentKey]store.SaidAnew{}, said: map[string][]saying{},
		exposures: map[hotstick.HostID]map[string][]store.Exposure{},
	}
}

type documentKey struct{ feed, id string }

type advisoryTable struct{ *tx }

func (t advisoryTable) Put(d store.AdvisoryDocument, said []hotstick.Advisory) error {
	if err := t.writable(); err != nil {
		return err
	}
	key := documentKey{d.Feed, d.ID}
	next := store.SaidAnew{Document: d.Clone(), Change: t.s.know.change + 1, Advisories: d.ByKey(said)}
	old := t.s.know.documents[key]
	gone := slices.Clone(old.Gone)
	for _, a := range old.Advisories {
		gone = append(gone, store.KeyOf(a))
	}
	slices.SortFunc(gone, store.AdvisoryKey.Compare)
	for _, k := range gone {
		_, still := slices.BinarySearchFunc(next.Advisories, k, func(a hotstick.Advisory, k store.AdvisoryKey) int { return store.KeyOf(a).Compare(k) })
		if !still {
			next.Gone = append(next.Gone, k)
		}
	}
	assign(t.tx, &t.s.know.change, next.Change)
	set(t.tx, t.s.know.documents, key, next)
	return nil
}

func (t advisoryTable) Get(feed, id string) (store.AdvisoryDocument, error) {
	said, err := get(t.tx, t.s.know.documents, documentKey{feed, id})
	return said.Document, err
}

func (t advisoryTable) List(feed, after string, limit int) ([]store.AdvisoryDocument, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var found []store.AdvisoryDocument
	for key, said := range t.s.know.documents {
		if key.feed == feed && key.id > after {
			found = append(found, said.Document.Clone())
		}
	}
	slices.SortFunc(found, func(a, b store.AdvisoryDocument) int { return cmp.Compare(a.ID, b.ID) })
	return first(found, limit), nil
}

// first cuts a list to a limit, of which 0 means none.
func first[T any](all []T, limit int) []T {
	if limit > 0 && len(all) > limit {
		return all[:limit:limit]
	}
	return all
}

func (t advisoryTable) Since(change int64, limit int) ([]store.SaidAnew, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var found []store.SaidAnew
	for _, said := range t.s.know.documents {
		if said.Change > change {
			found = append(found, said)
		}
	}
	slices.SortFunc(found, func(a, b store.SaidAnew) int { return cmp.Compare(a.Change, b.Change) })
	found = first(found, limit)
	for i := range found {
		found[i] = found[i].Clone()
	}
	return found, nil
}

func (t advisoryTable) OfCVE(cve string) ([]hotstick.Advisory, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var found []hotstick.Advisory
	for _, said := range t.s.know.documents {
		for _, a := range said.Advisories {
			if a.CVE == cve {
				found = append(found, store.CloneAdvisory(a))
			}
		}
	}
	slices.SortFunc(found, func(a, b hotstick.Advisory) int {
		return cmp.Or(cmp.Compare(a.Source.Feed, b.Source.Feed), cmp.Compare(a.Source.Document, b.Source.Document), store.KeyOf(a).Compare(store.KeyOf(b)))
	})
	return found, nil
}

func (t advisoryTable) Sweep(fetchedBefore time.Time) error {
	if err := t.writable(); err != nil {
		return err
	}
	for key, said := range t.s.know.documents {
		switch {
		case !said.Document.Fetched.Before(store.Instant(fetchedBefore)):
		case said.Document.Withdrawn && len(said.Advisories) == 0:
			remove(t.tx, t.s.know.documents, key)
		case len(said.Gone) > 0:
			said.Gone = nil
			set(t.tx, t.s.know.documents, key, said)
		}
	}
	return nil
}
