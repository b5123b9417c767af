package sqlite

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type advisoryTable struct{ *tx }

// documentRow is a row of table advisory_documents.
type documentRow struct {
	n, change int64
	store.AdvisoryDocument
}

const selectDocument = `SELECT n, change, feed, id, path, digest, modified, fetched, complete, withdrawn, reader, unread, unread_count FROM advisory_documents`

func readDocument(row scan) (d documentRow, err error) {
	var complete, unread string
	var modified, fetched int64
	if err := row(&d.n, &d.change, &d.Feed, &d.ID, &d.Path, &d.Digest, &modified, &fetched, &complete, &d.Withdrawn, &d.Reader, &unread, &d.UnreadCount); err != nil {
		return d, err
	}
	d.Modified, d.Fetched = when(modified), when(fetched)
	var err1, err2 error
	d.Complete, err1 = parse[[]string](complete)
	d.Unread, err2 = parse[[]string](unread)
	return d, errors.Join(err1, err2)
}

// saidText is what of an advisory is in no column of its own.
type saidText struct {
	Status        hotstick.AdvisoryStatus `json:"status"`
	Ranges        []hotstick.VersionRange `json:"ranges,omitempty"`
	Unreadable    bool                    `json:"unreadable,omitempty"`
	Justification hotstick.Justification  `json:"justification,omitempty"`
	Module        string                  `json:"module,omitempty"`
}

func (t advisoryTable) Put(d store.AdvisoryDocument, said []hotstick.Advisory) error {
	n, err := t.putDocument(d)
	if err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE advisories SET gone = 1, said = '' WHERE document = ? AND gone = 0`, n); err != nil {
		return err
	}
	for _, a := range d.ByKey(said) {
		data, err := text(saidText{a.Status, a.Ranges, a.Unreadable, a.Justification, a.Module}, false)
		if err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO advisories (document, cve, distribution, package, scheme, gone, said) VALUES (?, ?, ?, ?, ?, 0, ?)
			ON CONFLICT DO UPDATE SET gone = 0, said = excluded.said`,
			n, a.CVE, a.Product.Distribution, a.Product.Package, a.Product.Scheme, data); err != nil {
			return err
		}
	}
	return nil
}

// putDocument writes the document's own row with a new change number, and returns its number.
func (t advisoryTable) putDocument(d store.AdvisoryDocument) (int64, error) {
	complete, err1 := text(d.Complete, len(d.Complete) == 0)
	unread, err2 := text(d.Unread, len(d.Unread) == 0)
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	if _, err := t.exec(`UPDATE state SET value = value + 1 WHERE name = 'advisory_change'`); err != nil {
		return 0, err
	}
	if _, err := t.exec(`INSERT INTO advisory_documents (feed, id, path, digest, modified, fetched, complete, withdrawn, reader, unread, unread_count, change)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, value FROM state WHERE name = 'advisory_change'
		ON CONFLICT (feed, id) DO UPDATE SET path = excluded.path, digest = excluded.digest, modified = excluded.modified, fetched = excluded.fetched,
			complete = excluded.complete, withdrawn = excluded.withdrawn, reader = excluded.reader, unread = excluded.unread,
			unread_count = excluded.unread_count, change = excluded.change`,
		d.Feed, d.ID, d.Path, d.Digest, d.Modified.UnixMicro(), d.Fetched.UnixMicro(), complete, d.Withdrawn, d.Reader, unread, d.UnreadCount); err != nil {
		return 0, err
	}
	return one(t.tx, value[int64], `SELECT n FROM advisory_documents WHERE feed = ? AND id = ?`, d.Feed, d.ID)
}

func (t advisoryTable) Get(feed, id string) (store.AdvisoryDocument, error) {
	d, err := one(t.tx, readDocument, selectDocument+` WHERE feed = ? AND id = ?`, feed, id)
	return d.AdvisoryDocument, err
}

func (t advisoryTable) List(feed, after string, limit int) ([]store.AdvisoryDocument, error) {
	rows, err := all(t.tx, readDocument, selectDocument+` WHERE feed = ? AND id > ? ORDER BY id LIMIT ?`, feed, after, limited(limit))
	var found []store.AdvisoryDocument
	for _, d := range rows {
		found = append(found, d.AdvisoryDocument)
	}
	return found, err
}

func (t advisoryTable) Since(change int64, limit int) ([]store.SaidAnew, error) {
	documents, err := all(t.tx, readDocument, selectDocument+` WHERE change > ? ORDER BY change LIMIT ?`, change, limited(limit))
	if err != nil {
		return nil, err
	}
	var found []store.SaidAnew
	for _, d := range documents {
		said := store.SaidAnew{Document: d.AdvisoryDocument, Change: d.change}
		rows, err := all(t.tx, readSaid, `SELECT cve, distribution, package, scheme, gone, said FROM advisories WHERE document = ?
			ORDER BY cve, distribution, package, scheme`, d.n)
		if err != nil {
			return nil, err
		}
		source := d.Source()
		for _, r := range rows {
			if r.gone {
				said.Gone = append(said.Gone, store.KeyOf(r.Advisory))
				continue
			}
			r.Source = source
			r.Source.Complete = slices.Clone(source.Complete)
			said.Advisories = append(said.Advisories, r.Advisory)
		}
		found = append(found, said)
	}
	return found, nil
}

// saidRow is a row of table advisories.
type saidRow struct {
	hotstick.Advisory
	gone bool
}

func readSaid(row scan) (r saidRow, err error) {
	var data string
	if err := row(&r.CVE, &r.Product.Distribution, &r.Product.Package, &r.Product.Scheme, &r.gone, &data); err != nil || r.gone {
		return r, err
	}
	s, err := parse[saidText](data)
	r.Status, r.Ranges, r.Unreadable, r.Justification, r.Module = s.Status, s.Ranges, s.Unreadable, s.Justification, s.Module
	return r, err
}

func (t advisoryTable) OfCVE(cve string) ([]hotstick.Advisory, error) {
	found, err := all(t.tx, func(row scan) (a hotstick.Advisory, err error) {
		var d store.AdvisoryDocument
		var complete string
		var fetched int64
		r, err := readSaid(func(dest ...any) error { return row(append(dest, &d.Feed, &d.ID, &d.Digest, &fetched, &complete)...) })
		if err != nil {
			return a, err
		}
		d.Fetched = when(fetched)
		d.Complete, err = parse[[]string](complete)
		r.Source = d.Source()
		return r.Advisory, err
	}, `SELECT a.cve, a.distribution, a.package, a.scheme, a.gone, a.said, d.feed, d.id, d.digest, d.fetched, d.complete
		FROM advisories a CROSS JOIN advisory_documents d ON d.n = a.document WHERE a.cve = ? AND a.gone = 0`, cve)
	slices.SortFunc(found, func(a, b hotstick.Advisory) int {
		return cmp.Or(strings.Compare(a.Source.Feed, b.Source.Feed), strings.Compare(a.Source.Document, b.Source.Document), store.KeyOf(a).Compare(store.KeyOf(b)))
	})
	return found, err
}

func (t advisoryTable) Sweep(fetchedBefore time.Time) error {
	if _, err := t.exec(`DELETE FROM advisories WHERE gone = 1 AND EXISTS (SELECT 1 FROM advisory_documents d WHERE d.n = document AND d.fetched < ?)`,
		fetchedBefore.UnixMicro()); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM advisory_documents WHERE withdrawn = 1 AND fetched < ? AND NOT EXISTS (SELECT 1 FROM advisories a WHERE a.document = n)`,
		fetchedBefore.UnixMicro())
	return err
}
