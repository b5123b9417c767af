package memory

import (
	"bytes"
	"cmp"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

type feedTable struct{ *tx }

// refusalKey names a refusal.
type refusalKey struct{ feed, path string }

func (t feedTable) Put(f store.Feed) error {
	if err := t.writable(); err != nil {
		return err
	}
	f.State = t.s.know.feeds[f.Name].State
	set(t.tx, t.s.know.feeds, f.Name, f.Clone())
	return nil
}

func (t feedTable) Tell(name string, state store.FeedState) error {
	if err := t.writable(); err != nil {
		return err
	}
	f, there := t.s.know.feeds[name]
	if !there {
		return store.ErrNotFound
	}
	f.State = state.Clone()
	set(t.tx, t.s.know.feeds, name, f)
	return nil
}

func (t feedTable) Get(name string) (store.Feed, error) { return get(t.tx, t.s.know.feeds, name) }

func (t feedTable) List() ([]store.Feed, error) {
	return rows(t.tx, t.s.know.feeds, func(a, b store.Feed) int { return cmp.Compare(a.Name, b.Name) })
}

func (t feedTable) Delete(name string) error {
	if err := t.writable(); err != nil {
		return err
	}
	for key, d := range t.s.know.documents {
		if key.feed == name && !d.Document.Withdrawn {
			return store.ErrTaken
		}
	}
	for key := range t.s.know.refusals {
		if key.feed == name {
			remove(t.tx, t.s.know.refusals, key)
		}
	}
	remove(t.tx, t.s.know.marks, name)
	remove(t.tx, t.s.know.feeds, name)
	return nil
}

func (t feedTable) Mark(name string) ([]byte, error) {
	return bytes.Clone(t.s.know.marks[name]), t.usable()
}

func (t feedTable) SetMark(name string, mark []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	if _, there := t.s.know.feeds[name]; !there {
		return store.ErrNotFound
	}
	if len(mark) == 0 {
		remove(t.tx, t.s.know.marks, name)
		return nil
	}
	set(t.tx, t.s.know.marks, name, bytes.Clone(mark))
	return nil
}

func (t feedTable) Refuse(r store.Refusal) error {
	if err := t.writable(); err != nil {
		return err
	}
	r = r.Clone()
	key := refusalKey{r.Feed, r.Path}
	if _, there := t.s.know.refusals[key]; !there {
		known, err := t.Refusals(r.Feed)
		if err != nil {
			return err
		}
		if len(known) >= store.MaxRefusals {
			oldest := known[0]
			for _, k := range known {
				if k.At.Before(oldest.At) {
					oldest = k
				}
			}
			if !oldest.At.Before(r.At) {
				return nil
			}
			remove(t.tx, t.s.know.refusals, refusalKey{oldest.Feed, oldest.Path})
		}
	}
	set(t.tx, t.s.know.refusals, key, r)
	return nil
}

func (t feedTable) Refusals(feed string) ([]store.Refusal, error) {
	all, err := rows(t.tx, t.s.know.refusals, func(a, b store.Refusal) int { return cmp.Compare(a.Path, b.Path) })
	var own []store.Refusal
	for _, r := range all {
		if r.Feed == feed {
			own = append(own, r)
		}
	}
	return own, err
}

func (t feedTable) Forgive(feed string, before time.Time) error {
	if err := t.writable(); err != nil {
		return err
	}
	for key, r := range t.s.know.refusals {
		if key.feed == feed && r.At.Before(store.Instant(before)) {
			remove(t.tx, t.s.know.refusals, key)
		}
	}
	return nil
}
