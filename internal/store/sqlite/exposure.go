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

type exposureTable struct{ *tx }

// numbers finds the numbers by which rows of exposures name hosts, CVEs and sources, each
// once for a whole batch.
type numbers struct {
	t       *tx
	hosts   map[hotstick.HostID]int64
	cves    map[string]int64
	sources map[[2]string]int64
}

func (t exposureTable) numbers() *numbers {
	return &numbers{t.tx, map[hotstick.HostID]int64{}, map[string]int64{}, map[[2]string]int64{}}
}

// find returns a number that is known, or asks for it.
func find[K comparable](known map[K]int64, key K, ask func() (int64, error)) (int64, error) {
	if n, there := known[key]; there {
		return n, nil
	}
	n, err := ask()
	if err == nil {
		known[key] = n
	}
	return n, err
}

func (n *numbers) host(id hotstick.HostID) (int64, error) {
	return find(n.hosts, id, func() (int64, error) { return one(n.t, value[int64], `SELECT n FROM hosts WHERE id = ?`, id) })
}

func (n *numbers) cve(name string) (int64, error) {
	return find(n.cves, name, func() (int64, error) {
		found, err := one(n.t, value[int64], `SELECT n FROM cves WHERE name = ?`, name)
		if errors.Is(err, store.ErrNotFound) {
			return n.t.insert(`INSERT INTO cves (name) VALUES (?)`, name)
		}
		return found, err
	})
}

func (n *numbers) source(feed, document string) (int64, error) {
	return find(n.sources, [2]string{feed, document}, func() (int64, error) {
		found, err := one(n.t, value[int64], `SELECT n FROM exposure_sources WHERE feed = ? AND document = ?`, feed, document)
		if errors.Is(err, store.ErrNotFound) {
			return n.t.insert(`INSERT INTO exposure_sources (feed, document) VALUES (?, ?)`, feed, document)
		}
		return found, err
	})
}

func (t exposureTable) Begin(all []store.Exposure) error {
	if err := t.writable(); err != nil {
		return err
	}
	known := t.numbers()
	for _, e := range all { // before anything is written
		if _, err := known.host(e.Host); err != nil {
			return err
		}
	}
	for _, e := range all {
		cve, err1 := known.cve(e.CVE)
		source, err2 := known.source(e.Feed, e.Document)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO exposures (host, cve, began, reason, closed, source) VALUES (?, ?, ?, ?, '', ?) ON CONFLICT DO NOTHING`,
			known.hosts[e.Host], cve, e.Began.UnixMicro(), e.Reason, source); err != nil {
			return err
		}
	}
	return nil
}

func (t exposureTable) End(all []store.ExposureEnd) error {
	if err := t.writable(); err != nil {
		return err
	}
	known := t.numbers()
	for _, e := range all {
		host, err := known.host(e.Host)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE exposures SET ended = ?, closed = ? WHERE host = ? AND cve = (SELECT n FROM cves WHERE name = ?) AND ended IS NULL`,
			e.At.UnixMicro(), e.Closed, host, e.CVE); err != nil {
			return err
		}
	}
	return nil
}

const selectExposure = `SELECT h.id, c.name, e.reason, s.feed, s.document, e.began, e.ended, e.closed FROM hosts h
	CROSS JOIN exposures e ON e.host = h.n CROSS JOIN cves c ON c.n = e.cve CROSS JOIN exposure_sources s ON s.n = e.source WHERE h.id = ?`

func readExposure(row scan) (e store.Exposure, err error) {
	var began int64
	var ended *int64
	err = row(&e.Host, &e.CVE, &e.Reason, &e.Feed, &e.Document, &began, &ended, &e.Closed)
	e.Began, e.Ended = when(began), whenever(ended)
	return e, err
}

func (t exposureTable) OfHost(host hotstick.HostID, open bool) ([]store.Exposure, error) {
	query := selectExposure
	if open {
		query += ` AND e.ended IS NULL`
	}
	found, err := all(t.tx, readExposure, query, host)
	slices.SortStableFunc(found, func(a, b store.Exposure) int {
		return cmp.Or(strings.Compare(a.CVE, b.CVE), a.Began.Compare(b.Began))
	})
	return found, err
}

func (t exposureTable) Open(host hotstick.HostID, cve string) (store.Exposure, error) {
	return one(t.tx, readExposure, selectExposure+` AND e.cve = (SELECT n FROM cves WHERE name = ?) AND e.ended IS NULL`, host, cve)
}

func (t exposureTable) Since(cve string) (time.Time, error) {
	return one(t.tx, func(row scan) (time.Time, error) {
		var began int64
		err := row(&began)
		return when(began), err
	}, `SELECT began FROM exposures WHERE cve = (SELECT n FROM cves WHERE name = ?) AND ended IS NULL ORDER BY began LIMIT 1`, cve)
}

func (t exposureTable) Hosts(after hotstick.HostID, limit int) ([]hotstick.HostID, error) {
	return all(t.tx, value[hotstick.HostID], `SELECT id FROM hosts WHERE id > ? AND EXISTS (SELECT 1 FROM exposures e WHERE e.host = hosts.n AND e.ended IS NULL)
		ORDER BY id LIMIT ?`, after, limited(limit))
}
