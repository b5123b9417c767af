package sqlite

import (
	"errors"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

type feedTable struct{ *tx }

const selectFeed = `SELECT name, kind, location, complete, vendor, enabled, period, added, removed, tried, good, reading, basis, failed, failures, counts FROM feeds`

func readFeed(row scan) (f store.Feed, err error) {
	var complete, vendor, counts string
	var added, tried, good int64
	s := &f.State
	if err := row(&f.Name, &f.Kind, &f.Location, &complete, &vendor, &f.Enabled, &f.Period, &added, &f.Removed, &tried, &good, &s.Reading, &s.Basis, &s.Failed, &s.Failures, &counts); err != nil {
		return f, err
	}
	f.Added, s.Tried, s.Good = when(added), when(tried), when(good)
	var errs [3]error
	f.Complete, errs[0] = parse[[]string](complete)
	f.Vendor, errs[1] = parse[[]string](vendor)
	s.Counts, errs[2] = parse[store.FeedCounts](counts)
	return f, errors.Join(errs[0], errs[1], errs[2])
}

func (t feedTable) Put(f store.Feed) error {
	complete, err1 := text(f.Complete, len(f.Complete) == 0)
	vendor, err2 := text(f.Vendor, len(f.Vendor) == 0)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	never := time.Time{}.UnixMicro()
	_, err := t.exec(`INSERT INTO feeds (name, kind, location, complete, vendor, enabled, period, added, removed, tried, good, reading, basis, failed, failures, counts)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', 0, '')
		ON CONFLICT DO UPDATE SET kind = excluded.kind, location = excluded.location, complete = excluded.complete, vendor = excluded.vendor,
			enabled = excluded.enabled, period = excluded.period, added = excluded.added, removed = excluded.removed`,
		f.Name, f.Kind, f.Location, complete, vendor, f.Enabled, int64(f.Period), f.Added.UnixMicro(), f.Removed, never, never)
	return err
}

func (t feedTable) Tell(name string, s store.FeedState) error {
	counts, err := text(s.Counts, s.Counts == store.FeedCounts{})
	if err != nil {
		return err
	}
	n, err := t.exec(`UPDATE feeds SET tried = ?, good = ?, reading = ?, basis = ?, failed = ?, failures = ?, counts = ? WHERE name = ?`,
		s.Tried.UnixMicro(), s.Good.UnixMicro(), s.Reading, s.Basis, s.Failed, s.Failures, counts, name)
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

func (t feedTable) Get(name string) (store.Feed, error) {
	return one(t.tx, readFeed, selectFeed+` WHERE name = ?`, name)
}

func (t feedTable) List() ([]store.Feed, error) {
	return all(t.tx, readFeed, selectFeed+` ORDER BY name`)
}

func (t feedTable) Delete(name string) error {
	if err := t.writable(); err != nil {
		return err
	}
	says, err := one(t.tx, value[bool], `SELECT EXISTS (SELECT 1 FROM advisory_documents WHERE feed = ? AND withdrawn = 0)`, name)
	if err != nil {
		return err
	}
	if says {
		return store.ErrTaken
	}
	for _, from := range []string{`DELETE FROM advisory_refusals WHERE feed = ?`, `DELETE FROM feed_marks WHERE feed = ?`, `DELETE FROM feeds WHERE name = ?`} {
		if _, err := t.exec(from, name); err != nil {
			return err
		}
	}
	return nil
}

func (t feedTable) Mark(name string) ([]byte, error) {
	mark, err := one(t.tx, value[[]byte], `SELECT mark FROM feed_marks WHERE feed = ?`, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return mark, err
}

func (t feedTable) SetMark(name string, mark []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	if _, err := one(t.tx, value[string], `SELECT name FROM feeds WHERE name = ?`, name); err != nil {
		return err
	}
	if len(mark) == 0 {
		_, err := t.exec(`DELETE FROM feed_marks WHERE feed = ?`, name)
		return err
	}
	_, err := t.exec(`INSERT INTO feed_marks (feed, mark) VALUES (?, ?) ON CONFLICT DO UPDATE SET mark = excluded.mark`, name, mark)
	return err
}

func (t feedTable) Refuse(r store.Refusal) error {
	if err := t.writable(); err != nil {
		return err
	}
	known, err := one(t.tx, value[bool], `SELECT EXISTS (SELECT 1 FROM advisory_refusals WHERE feed = ? AND path = ?)`, r.Feed, r.Path)
	if err != nil {
		return err
	}
	count, err := one(t.tx, value[int], `SELECT count(*) FROM advisory_refusals WHERE feed = ?`, r.Feed)
	if err != nil {
		return err
	}
	if !known && count >= store.MaxRefusals {
		n, err := t.exec(`DELETE FROM advisory_refusals WHERE feed = ?1 AND at < ?2 AND path =
			(SELECT path FROM advisory_refusals WHERE feed = ?1 ORDER BY at, path LIMIT 1)`, r.Feed, r.At.UnixMicro())
		if err != nil || n == 0 {
			return err
		}
	}
	_, err = t.exec(`INSERT INTO advisory_refusals (feed, path, reason, at) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET reason = excluded.reason, at = excluded.at`, r.Feed, r.Path, r.Reason, r.At.UnixMicro())
	return err
}

func (t feedTable) Refusals(feed string) ([]store.Refusal, error) {
	return all(t.tx, func(row scan) (r store.Refusal, err error) {
		var at int64
		err = row(&r.Feed, &r.Path, &r.Reason, &at)
		r.At = when(at)
		return r, err
	}, `SELECT feed, path, reason, at FROM advisory_refusals WHERE feed = ? ORDER BY path`, feed)
}

func (t feedTable) Forgive(feed string, before time.Time) error {
	_, err := t.exec(`DELETE FROM advisory_refusals WHERE feed = ? AND at < ?`, feed, before.UnixMicro())
	return err
}
