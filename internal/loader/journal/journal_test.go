package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick/internal/loader/journal"
)

func entry(n int) journal.Entry {
	return journal.Entry{At: time.Unix(int64(n), 0).UTC(), Boot: "b", Kind: journal.KindAttempt, Seq: uint64(n)}
}

func mustAppend(t *testing.T, f *journal.File, entries ...journal.Entry) {
	t.Helper()
	if err := f.Append(true, entries...); err != nil {
		t.Fatal(err)
	}
}

func mustEntries(t *testing.T, f *journal.File) []journal.Entry {
	t.Helper()
	got, err := f.Entries()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTheJournalSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	mustAppend(t, journal.Open(dir), entry(1), entry(2))
	mustAppend(t, journal.Open(dir), entry(3))
	if got := mustEntries(t, journal.Open(dir)); !slices.Equal(got, []journal.Entry{entry(1), entry(2), entry(3)}) {
		t.Errorf("after two restarts the journal has %+v", got)
	}
}

func TestTheJournalKeepsTheNewestEntriesAndStaysSmall(t *testing.T) {
	dir := t.TempDir()
	f := journal.Open(dir)
	for n := range 1000 {
		e := entry(n + 1)
		e.Text = strings.Repeat("é", 1000)
		mustAppend(t, f, e)
	}
	got := mustEntries(t, f)
	if len(got) != journal.MaxEntries || got[0].Seq != 801 || got[len(got)-1].Seq != 1000 {
		t.Fatalf("of 1000 entries %d are shown, from %d to %d", len(got), got[0].Seq, got[len(got)-1].Seq)
	}
	info, err := os.Stat(filepath.Join(dir, "journal.jsonl"))
	if err != nil || info.Size() > 1<<20 || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has %d bytes and mode %s (%v)", info.Size(), info.Mode(), err)
	}
}

// TestATornOrFlippedByteCostsOnlyItsLine cuts the file anywhere, or damages a byte.
func TestATornOrFlippedByteCostsOnlyItsLine(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("", "journal")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		n := rapid.IntRange(1, 30).Draw(r, "entries")
		f := journal.Open(dir)
		for i := range n {
			mustAppend(t, f, entry(i+1))
		}
		path := filepath.Join(dir, "journal.jsonl")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, len(data)-1).Draw(r, "at")
		line := strings.Count(string(data[:at]), "\n")
		spared := func(e journal.Entry) bool { return int(e.Seq) != line+1 && int(e.Seq) != line+2 }
		if rapid.Bool().Draw(r, "cut") {
			data = data[:at]
			spared = func(e journal.Entry) bool { return int(e.Seq) <= line }
		} else {
			data[at] ^= 0x80
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f = journal.Open(dir)
		mustAppend(t, f, entry(n+1))
		got := mustEntries(t, journal.Open(dir))
		for i := range n {
			if want := entry(i + 1); spared(want) && !slices.Contains(got, want) {
				r.Fatalf("entry %d is gone after byte %d of line %d was damaged: %v", i+1, at, line, fmt.Sprint(got))
			}
		}
		if got[len(got)-1] != entry(n+1) {
			r.Fatalf("what was appended is not the last entry: %+v", got[len(got)-1])
		}
	})
}
