package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// mustFiles makes a database with some hosts and a log, and returns its file and its
// write-ahead log: as a clean end leaves them, or as a crash does.
func mustFiles(t *testing.T, clean bool) (file, wal []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hotstick.db")
	s := mustOpen(t, path)
	for i := range 60 {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			id := hotstick.HostID(fmt.Sprintf("h-%03d", i))
			_, err := tx.Events().Append(store.Event{Kind: "host.enrolled", Actor: "ada", Host: id, HostName: fmt.Sprint("host ", i)})
			return errors.Join(err, tx.Hosts().Put(store.Host{ID: id, Name: strings.Repeat(fmt.Sprint("host ", i), 20)}))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if clean {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if wal, err = os.ReadFile(path + "-wal"); clean != errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the write-ahead log: %v", err)
	}
	return file, wal
}

// reread opens copies of a database's files as a server does, and returns every row of
// every table.
func reread(t *testing.T, file, wal []byte) ([]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hotstick.db")
	mustWrite(t, path, file)
	if wal != nil {
		mustWrite(t, path+"-wal", wal)
	}
	s, err := Open(t.Context(), path, time.Now)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return rows(db)
}

// rows prints every row of every table.
func rows(db *sql.DB) ([]string, error) {
	tables, err := printed(db, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, table := range tables {
		lines, err := printed(db, `SELECT * FROM `+table)
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			all = append(all, table+": "+line)
		}
	}
	return all, nil
}

func printed(db *sql.DB, query string) ([]string, error) {
	found, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var lines []string
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		lines = append(lines, strings.Trim(fmt.Sprint(values...), "[]"))
	}
	return lines, found.Err()
}

// garbled are the files that a disk may make of one: cut off, blocks zeroed, bits flipped.
func garbled(data []byte, random *rand.Rand) map[string][]byte {
	made := map[string][]byte{}
	for range 15 {
		n := random.IntN(len(data))
		made[fmt.Sprintf("cut off after %d bytes", n)] = bytes.Clone(data[:n])
		zeroed, at := bytes.Clone(data), 4096*random.IntN(len(data)/4096)
		clear(zeroed[at : at+4096])
		made[fmt.Sprintf("4096 bytes zeroed at %d", at)] = zeroed
	}
	for range 60 {
		flipped, bit := bytes.Clone(data), random.IntN(8*len(data))
		flipped[bit/8] ^= 1 << (bit % 8)
		made[fmt.Sprintf("bit %d flipped", bit)] = flipped
	}
	return made
}

// TestADamagedDatabaseIsSaidAtStart: a file that was cut off or lost a block is refused
// with words and a hint before anything is written or decided, or nothing that it says has
// changed. A flipped bit in the midst of a value is the one thing that SQLite, which has no
// check sums, cannot see; it changes that value in one row and no other.
func TestADamagedDatabaseIsSaidAtStart(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 8))
	file, _ := mustFiles(t, true)
	want, err := reread(t, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	made := garbled(file, random)
	said, same, values := 0, 0, 0
	for _, how := range slices.Sorted(maps.Keys(made)) {
		got, err := reread(t, made[how], nil)
		var e *Error
		switch {
		case errors.As(err, &e) && e.Hint() != "":
			said++
		case err != nil:
			t.Errorf("%s: it is refused with %v, want a hint", how, err)
		case slices.Equal(got, want):
			same++
		case strings.HasPrefix(how, "bit ") && changed(want, got) == 1:
			values++
		default:
			t.Errorf("%s: it is taken, and %d of %d rows changed", how, changed(want, got), len(want))
		}
	}
	t.Logf("%d damaged databases: %d detected, %d harmless, %d with one changed value", len(made), said, same, values)
	if said < len(made)/4 {
		t.Errorf("%d of %d were detected", said, len(made))
	}
}

// changed counts the rows that are not as they were.
func changed(before, after []string) int {
	n := max(0, len(after)-len(before))
	for _, row := range before {
		if !slices.Contains(after, row) {
			n++
		}
	}
	return n
}

// TestADamagedWriteAheadLogEndsWhereItIsDamaged: its frames have check sums, so what is
// read is what was committed before the damage, and never a part of a commit. That the
// log is shorter than it was, hosts tell the server: they remember a checkpoint of it.
func TestADamagedWriteAheadLogEndsWhereItIsDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 9))
	file, wal := mustFiles(t, false)
	made := garbled(wal, random)
	made["nothing at all"] = wal
	said, whole, shorter := 0, 0, 0
	for _, how := range slices.Sorted(maps.Keys(made)) {
		got, err := reread(t, file, made[how])
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Hint() == "" {
				t.Errorf("%s: it is refused with %v, want a hint", how, err)
			}
			said++
			continue
		}
		hosts, events := counted(got, "hosts: "), counted(got, "events: ")
		if hosts != events {
			t.Errorf("%s: %d hosts and %d events were committed together", how, hosts, events)
		}
		if shorter++; hosts == 60 {
			shorter, whole = shorter-1, whole+1
		}
	}
	t.Logf("%d write-ahead logs: %d detected, %d whole, %d end earlier", len(made), said, whole, shorter)
	if whole == 0 || shorter == 0 {
		t.Error("that shows little")
	}
}

func counted(rows []string, prefix string) int {
	n := 0
	for _, row := range rows {
		if strings.HasPrefix(row, prefix) {
			n++
		}
	}
	return n
}
