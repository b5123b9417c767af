package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// leafRow is a row of the audit log as the file has it.
type leafRow struct {
	seq          int64
	leaf, hashes []byte
}

// thief has the database file and the server's key, and knows how the log is made.
// Somebody else remembers one checkpoint.
type thief struct {
	*testing.T
	rng   *rand.Rand
	db    *sql.DB
	store opened
	key   *statement.Key
	trust hotstick.Trust
	// honest are the rows as they were, and rows as the thief has them now.
	honest, rows []leafRow
	memory       *audit.Memory
	kept         audit.Checkpoint
}

// Sizes of the log, and of what was remembered of it.
const (
	logged     = 90
	remembered = 70
)

func newThief(t *testing.T, seed uint64) *thief {
	path := filepath.Join(t.TempDir(), "hotstick.db")
	f := &thief{T: t, rng: rand.New(rand.NewPCG(seed, 4)), store: mustOpen(t, path), db: rawDB(t, path)}
	key, err := statement.NewKey(make([]byte, 32))
	f.must(err)
	f.key, f.trust = key, hotstick.Trust{Epoch: 1, ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(key.Public())}}
	f.memory, err = audit.OpenMemory(t.TempDir())
	f.must(err)
	for i := range logged {
		f.must(f.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.Events().Append(store.Event{Kind: "token.made", Actor: fmt.Sprint("person-", i%7), Plan: hotstick.PlanID(fmt.Sprint("p-", i%5)),
				Host: hotstick.HostID(fmt.Sprint("h-", i%3)), State: fmt.Sprint("step ", i)})
			return err
		}))
		if i+1 == remembered {
			f.must(f.observe())
		}
	}
	f.kept, _ = f.memory.Kept()
	f.db.SetMaxOpenConns(1)
	for _, q := range []string{`PRAGMA synchronous = OFF`, `DROP TRIGGER events_stay`, `DROP TRIGGER events_remain`} {
		mustExec(t, f.db, q)
	}
	rows, err := f.db.Query(`SELECT seq, leaf, hashes FROM events ORDER BY seq`)
	f.must(err)
	defer rows.Close()
	for rows.Next() {
		var r leafRow
		f.must(rows.Scan(&r.seq, &r.leaf, &r.hashes))
		f.honest = append(f.honest, r)
	}
	f.must(rows.Err())
	return f
}

func (f *thief) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// observe signs a checkpoint of the database as it is and shows it to the one who
// remembers, with the best proof that the database can give.
func (f *thief) observe() error {
	var note []byte
	var proof []audit.Hash
	err := f.store.View(f.Context(), func(tx store.Tx) error {
		size, root, err := tx.Events().Head()
		if err != nil {
			return err
		}
		kept, _ := f.memory.Kept()
		if proof, err = audit.ProveGrowth(kept.Size, size, tx.Events()); err != nil {
			proof = nil
		}
		note, err = audit.SignCheckpoint(audit.Checkpoint{Head: audit.Head{Size: size, Root: root}, Epoch: 1, At: time.Now()}, f.key)
		return err
	})
	if err != nil {
		return err
	}
	_, err = f.memory.Take(note, f.trust, proof)
	return err
}

// verify is hotstick audit verify for who remembers one checkpoint: the newest one
// must follow from it, and the leaves must be those of both.
func (f *thief) verify() (follows, whole error) {
	follows = f.observe()
	whole = f.store.View(f.Context(), func(tx store.Tx) error {
		heads := []audit.Head{f.kept.Head}
		if size, root, err := tx.Events().Head(); err == nil {
			heads = append(heads, audit.Head{Size: size, Root: root})
		}
		return audit.VerifyLog(tx.Events(), heads...)
	})
	return follows, whole
}

// begin gives the thief a fresh copy of the honest rows.
func (f *thief) begin() {
	f.rows = nil
	for _, r := range f.honest {
		f.rows = append(f.rows, leafRow{r.seq, bytes.Clone(r.leaf), bytes.Clone(r.hashes)})
	}
}

// write puts the rows into the file.
func (f *thief) write(rows []leafRow) {
	f.Helper()
	tx, err := f.db.Begin()
	f.must(err)
	defer tx.Rollback()
	_, err = tx.Exec(`DELETE FROM events`)
	f.must(err)
	for _, r := range rows {
		_, err := tx.Exec(`INSERT INTO events (seq, leaf, hashes) VALUES (?, ?, ?)`, r.seq, r.leaf, append([]byte{}, r.hashes...))
		f.must(err)
	}
	f.must(tx.Commit())
}

// rehash makes hashes anew from a row on, as the server would have made them.
func (f *thief) rehash() {
	var tree audit.Tree
	for i := range f.rows {
		f.rows[i].hashes = nil
		for _, h := range tree.Add(f.rows[i].leaf) {
			f.rows[i].hashes = append(f.rows[i].hashes, h[:]...)
		}
	}
}

// renumber makes rows and leaves say the place where they lie.
func (f *thief) renumber() {
	for i := range f.rows {
		_, rest, _ := bytes.Cut(f.rows[i].leaf, []byte(","))
		f.rows[i].seq, f.rows[i].leaf = int64(i), append(fmt.Appendf(nil, `{"seq":%d,`, i), rest...)
	}
}

// below is a random place that the remembered checkpoint counts.
func (f *thief) below() int { return f.rng.IntN(remembered) }

// edits are what a thief does to the rows, by kind. Each changes what the
// remembered checkpoint counts.
var edits = []struct {
	kind string
	edit func(*thief)
}{
	{"an edit", func(f *thief) {
		r := &f.rows[f.below()]
		switch f.rng.IntN(4) {
		case 0:
			r.leaf = bytes.Replace(r.leaf, []byte("person-"), []byte("nobody-"), 1)
		case 1:
			r.leaf[f.rng.IntN(len(r.leaf))] ^= 1 << f.rng.IntN(8)
		case 2:
			r.leaf = append(r.leaf[:len(r.leaf)-1], `,"x":1}`...)
		default:
			r.leaf = bytes.Clone(f.rows[logged-1-f.rng.IntN(logged-remembered)].leaf)
		}
	}},
	{"a deletion", func(f *thief) {
		at := f.below()
		f.rows = slices.Delete(f.rows, at, min(at+1+f.rng.IntN(3), remembered))
	}},
	{"a new order", func(f *thief) {
		a, b := f.below(), f.rng.IntN(logged)
		if a == b {
			b = (b + 1) % logged
		}
		f.rows[a].leaf, f.rows[b].leaf = f.rows[b].leaf, f.rows[a].leaf
		f.rows[a].hashes, f.rows[b].hashes = f.rows[b].hashes, f.rows[a].hashes
	}},
	{"a cut", func(f *thief) { f.rows = f.rows[:f.below()] }},
	{"a fork", func(f *thief) {
		at := f.below()
		for i := at; i < logged; i++ {
			f.rows[i].leaf = bytes.Replace(f.rows[i].leaf, []byte("step"), []byte("walk"), 1)
		}
		f.rows = f.rows[:at+1+f.rng.IntN(logged-at)]
	}},
	{"an insertion", func(f *thief) {
		at := f.below()
		f.rows = slices.Insert(f.rows, at, leafRow{leaf: bytes.Replace(f.rows[at].leaf, []byte("step"), []byte("walk"), 1)})
	}},
}

// thorough are the lengths to which a thief goes to hide an edit.
var thorough = []struct {
	name string
	hide func(*thief)
}{
	{"the leaves alone", func(*thief) {}},
	{"and the leaf's own hash", func(f *thief) {
		for i := range f.rows {
			var one audit.Tree
			if h := one.Add(f.rows[i].leaf)[0]; len(f.rows[i].hashes) >= len(h) {
				copy(f.rows[i].hashes, h[:])
			}
		}
	}},
	{"and every number", (*thief).renumber},
	{"and every hash", (*thief).rehash},
	{"and every number and hash", func(f *thief) { f.renumber(); f.rehash() }},
}

// TestAThousandRandomEditsOfTheDatabaseAreAllDetected has a thief with the database
// file and the server's keys change what was logged, in every way and to every
// length, before somebody who remembers one checkpoint verifies.
func TestAThousandRandomEditsOfTheDatabaseAreAllDetected(t *testing.T) {
	f := newThief(t, 1)
	f.begin()
	if follows, whole := f.verify(); follows != nil || whole != nil {
		t.Fatalf("an untouched log: %v, %v", follows, whole)
	}
	found := map[string]int{}
	for i := 0; i < 1000; i++ {
		f.begin()
		e, h := edits[i%len(edits)], thorough[f.rng.IntN(len(thorough))]
		e.edit(f)
		h.hide(f)
		if !f.differs() {
			i-- // a number was changed and put right again
			continue
		}
		if e.kind == "an insertion" {
			f.place()
		}
		f.write(f.rows)
		_, whole := f.verify()
		var fault *audit.Fault
		if !errors.As(whole, &fault) || fault.From >= remembered {
			t.Fatalf("edit %d (%s, %s) was not found where it is: %v", i, e.kind, h.name, whole)
		}
		found[e.kind]++
	}
	for _, e := range edits {
		if found[e.kind] < 100 {
			t.Errorf("only %d times %s", found[e.kind], e.kind)
		}
	}
	f.write(f.honest)
	if _, whole := f.verify(); whole != nil {
		t.Errorf("the honest log, put back: %v", whole)
	}
}

// place gives rows a number each, where an inserted one needs room.
func (f *thief) place() {
	for i := range f.rows {
		f.rows[i].seq = int64(i)
	}
}

// TestAThiefWhoSignsAnewIsRefusedByWhoRemembers: where every hash was made anew the
// leaves agree with each other, and only the remembered checkpoint tells.
func TestAThiefWhoSignsAnewIsRefusedByWhoRemembers(t *testing.T) {
	f := newThief(t, 2)
	for i := range 120 {
		f.begin()
		e := edits[i%len(edits)]
		e.edit(f)
		f.renumber()
		f.rehash()
		if !f.differs() {
			continue // a number was changed and put right again
		}
		f.write(f.rows)
		if follows, _ := f.verify(); !errors.Is(follows, audit.ErrForked) {
			t.Fatalf("edit %d (%s) was followed: %v", i, e.kind, follows)
		}
		if now, _ := f.memory.Kept(); now != f.kept {
			t.Fatalf("edit %d (%s) made the keeper forget", i, e.kind)
		}
	}
}

func (f *thief) differs() bool {
	return !slices.EqualFunc(f.rows, f.honest, func(a, b leafRow) bool { return bytes.Equal(a.leaf, b.leaf) })
}
