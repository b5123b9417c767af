package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type hostTable struct{ *tx }

// hostRow is a host as it is stored, facts apart. Its parts can be compared, so a
// Put writes only those that changed.
type hostRow struct {
	n    int64
	id   hotstick.HostID
	main hostMain
	seen hostSeen
}

// hostMain is a row of table hosts.
type hostMain struct {
	name, build, nameFolded, releaseFolded string
	identity                               string // the bytes
	digest, boot                           string
	patches, loader, reverted              string // JSON
	labels                                 string // JSON
	lineage                                string // packed
	drift                                  string // JSON
	sum                                    string // the bytes; empty without facts
	enrolled, reported                     int64
	ill                                    sql.NullInt64
	boots                                  int
	revoked                                bool
}

// hostSeen is a row of table host_seen.
type hostSeen struct {
	seq, lastSeen int64
	readings      string // JSON
}

const selectHost = `SELECT h.n, h.id, h.name, h.build, h.name_folded, h.release_folded, h.identity, h.facts_digest, h.boot,
	h.patches, h.loader, coalesce(h.facts_sum, x''), h.enrolled, h.reported, h.boots, h.revoked, h.ill_since, h.reverted, h.labels, h.lineage, h.drift, s.seq, s.last_seen, s.readings
	FROM hosts h JOIN host_seen s ON s.host = h.n`

func readHost(row scan) (r hostRow, err error) {
	m, s := &r.main, &r.seen
	err = row(&r.n, &r.id, &m.name, &m.build, &m.nameFolded, &m.releaseFolded, &m.identity, &m.digest, &m.boot,
		&m.patches, &m.loader, &m.sum, &m.enrolled, &m.reported, &m.boots, &m.revoked, &m.ill, &m.reverted, &m.labels, &m.lineage, &m.drift, &s.seq, &s.lastSeen, &s.readings)
	return r, err
}

// newHostRow encodes a host; its number and the sum of its facts are for the
// caller to set.
func (t hostTable) newHostRow(h store.Host) (hostRow, error) {
	known := t.s.parts.get(h.ID)
	var errs [6]error
	var m hostMain
	m.patches, errs[0] = known.patches.text(h.Patches, len(h.Patches) == 0)
	m.loader, errs[1] = known.loader.text(h.Loader.Clone(), false)
	m.reverted, errs[2] = known.reverted.text(h.Reverted, len(h.Reverted) == 0)
	m.labels, errs[3] = known.labels.text(h.Group, len(h.Group) == 0)
	m.lineage, errs[4] = known.packed(h.Lineage)
	m.drift, errs[5] = known.drift.text(store.CloneDrift(h.Drift), h.Drift == nil)
	readings, err := text(store.CloneReadings(h.Readings), len(h.Readings) == 0)
	build := h.Build()
	m.name, m.build, m.nameFolded, m.releaseFolded = h.Name, build.BuildID, store.Fold(h.Name), store.Fold(build.Release)
	m.identity, m.digest, m.boot, m.ill = string(h.Identity), string(h.FactsDigest), h.Boot, ill(h.IllSince)
	m.enrolled, m.reported, m.boots, m.revoked = h.Enrolled.UnixMicro(), int64(h.Reported), h.Boots, h.Revoked
	return hostRow{id: h.ID, main: m, seen: hostSeen{seq: int64(h.Seq), lastSeen: h.LastSeen.UnixMicro(), readings: readings}},
		errors.Join(errs[0], errs[1], errs[2], errs[3], errs[4], errs[5], err)
}

// ill is a time that may be missing, in a form that can be compared.
func ill(since *time.Time) (n sql.NullInt64) {
	if since != nil {
		n.Int64, n.Valid = since.UnixMicro(), true
	}
	return n
}

// host decodes a row and gets its facts.
func (t hostTable) host(r hostRow) (store.Host, error) {
	m, s := &r.main, &r.seen
	readings, err1 := parse[[]hotstick.Reading](s.readings)
	facts, err2 := t.facts(r)
	parts, err3 := t.s.parts.of(r)
	h := store.Host{ID: r.id, Name: m.name, Enrolled: when(m.enrolled), Revoked: m.revoked,
		FactsDigest: hotstick.Digest(m.digest), Patches: parts.patches.value, Boot: m.boot, Boots: m.boots,
		Seq: uint64(s.seq), LastSeen: when(s.lastSeen), Reported: uint64(m.reported), Loader: parts.loader.value,
		Reverted: parts.reverted.value, Group: parts.labels.value, Lineage: parts.lineage.value, Drift: parts.drift.value}.Clone()
	h.Facts, h.Readings = facts, readings
	if m.identity != "" {
		h.Identity = []byte(m.identity)
	}
	if m.ill.Valid {
		h.IllSince = whenever(&m.ill.Int64)
	}
	return h, errors.Join(err1, err2, err3)
}

// facts returns a copy of the host's facts.
func (t hostTable) facts(r hostRow) (*hotstick.Facts, error) {
	if r.main.sum == "" {
		return nil, nil
	}
	if f := t.s.facts.get(r.main.sum); f != nil {
		return store.CloneFacts(f), nil
	}
	data, err := one(t.tx, value[[]byte], `SELECT facts FROM host_facts WHERE host = ?`, r.n)
	if err != nil {
		return nil, err
	}
	var f hotstick.Facts
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("cannot decode the facts of %s: %v", r.id, err)
	}
	t.s.facts.put(r.main.sum, &f, len(data))
	return store.CloneFacts(&f), nil
}

func (t hostTable) Get(id hotstick.HostID) (store.Host, error) {
	r, err := t.row(id)
	if err != nil {
		return store.Host{}, err
	}
	return t.host(r)
}

func (t hostTable) row(id hotstick.HostID) (hostRow, error) {
	if t.last != nil && t.last.id == id {
		return *t.last, t.usable()
	}
	r, err := one(t.tx, readHost, selectHost+` WHERE h.id = ?`, id)
	if err == nil {
		t.last = &r
	}
	return r, err
}

func (t hostTable) List(f store.HostFilter) ([]store.Host, int, error) {
	name, id, err := f.Position()
	if err != nil {
		return nil, 0, err
	}
	where, args := ` WHERE h.revoked = 0`, []any{}
	if f.Build != "" {
		where, args = where+` AND h.build = ?`, append(args, f.Build)
	}
	if f.Search != "" {
		where += ` AND (instr(h.name_folded, ?) > 0 OR instr(h.id, ?) > 0 OR instr(h.release_folded, ?) > 0)`
		search := store.Fold(f.Search)
		args = append(args, search, search, search)
	}
	total, err := one(t.tx, value[int], `SELECT count(*) FROM hosts h`+where, args...)
	if err != nil {
		return nil, 0, err
	}
	if f.After != "" {
		where, args = where+` AND (h.name, h.id) > (?, ?)`, append(args, name, id)
	}
	found, err := all(t.tx, readHost, selectHost+where+` ORDER BY h.name, h.id LIMIT ?`, append(args, limited(f.Limit))...)
	if err != nil {
		return nil, 0, err
	}
	var hosts []store.Host
	for _, r := range found {
		h, err := t.host(r)
		if err != nil {
			return nil, 0, err
		}
		hosts = append(hosts, h)
	}
	return hosts, total, nil
}

func (t hostTable) Put(h store.Host) error {
	if err := t.writable(); err != nil {
		return err
	}
	next, err := t.newHostRow(h)
	if err != nil {
		return err
	}
	old, err := t.row(h.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return t.insertHost(next, h.Facts)
	case err != nil:
		return err
	case old.main.revoked && !h.Revoked:
		return store.ErrTaken
	}
	next.n, next.main.sum = old.n, old.main.sum
	if err := t.putFacts(&next, h.Facts); err != nil {
		return err
	}
	if next.main != old.main {
		if err := t.updateMain(next); err != nil {
			return err
		}
	}
	if next.seen != old.seen {
		if _, err := t.exec(`UPDATE host_seen SET seq = ?, last_seen = ?, readings = ? WHERE host = ?`,
			next.seen.seq, next.seen.lastSeen, next.seen.readings, next.n); err != nil {
			return err
		}
	}
	t.last = &next
	return nil
}

func (t hostTable) insertHost(r hostRow, facts *hotstick.Facts) error {
	// The columns that updateMain writes are filled by it.
	n, err := t.insert(`INSERT INTO hosts (id, name, revoked, build, name_folded, release_folded, identity, enrolled,
		facts_digest, boot, boots, reported, patches, loader) VALUES (?, '', 0, '', '', '', x'', 0, '', '', 0, 0, '', '')`, r.id)
	if err != nil {
		return err
	}
	r.n = n
	if err := t.putFacts(&r, facts); err != nil {
		return err
	}
	if err := t.updateMain(r); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO host_seen (host, seq, last_seen, readings) VALUES (?, ?, ?, ?)`,
		n, r.seen.seq, r.seen.lastSeen, r.seen.readings)
	return err
}

func (t hostTable) updateMain(r hostRow) error {
	m := &r.main
	var sum any
	if m.sum != "" {
		sum = []byte(m.sum)
	}
	_, err := t.exec(`UPDATE hosts SET name = ?, build = ?, name_folded = ?, release_folded = ?, identity = ?, facts_digest = ?,
		boot = ?, patches = ?, loader = ?, facts_sum = ?, enrolled = ?, reported = ?, boots = ?, revoked = ?,
		ill_since = ?, reverted = ?, labels = ?, lineage = ?, drift = ? WHERE n = ?`,
		m.name, m.build, m.nameFolded, m.releaseFolded, []byte(m.identity), m.digest,
		m.boot, m.patches, m.loader, sum, m.enrolled, m.reported, m.boots, m.revoked, m.ill, m.reverted, m.labels, m.lineage, m.drift, r.n)
	return err
}

// putFacts writes the facts unless they are those whose sum the row has, and sets
// the sum. What the host calls its facts' digest is not relied on.
func (t hostTable) putFacts(r *hostRow, facts *hotstick.Facts) error {
	if facts == nil {
		if r.main.sum == "" {
			return nil
		}
		r.main.sum = ""
		_, err := t.exec(`DELETE FROM host_facts WHERE host = ?`, r.n)
		return err
	}
	if known := t.s.facts.get(r.main.sum); known != nil && sameFacts(known, facts) {
		return nil
	}
	facts = store.CloneFacts(facts)
	data, err := json.Marshal(facts)
	if err != nil {
		return fmt.Errorf("cannot encode the facts of %s: %v", r.id, err)
	}
	sum := sha256.Sum256(data)
	if string(sum[:]) == r.main.sum {
		return nil
	}
	r.main.sum = string(sum[:])
	_, err = t.exec(`INSERT INTO host_facts (host, facts) VALUES (?, ?) ON CONFLICT DO UPDATE SET facts = excluded.facts`, r.n, data)
	return err
}

func (t hostTable) Delete(id hotstick.HostID) error {
	t.last = nil
	n, err := t.exec(`UPDATE hosts SET revoked = 1 WHERE id = ? AND revoked = 0`, id)
	if err != nil || n > 0 {
		return err
	}
	_, err = one(t.tx, value[int64], `SELECT n FROM hosts WHERE id = ?`, id)
	return err
}
