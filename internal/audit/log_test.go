package audit

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type event struct {
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	Text string    `json:"text,omitempty"`
}

// TestALeafsBytesNeverChange pins the format: kept heads commit to these bytes.
func TestALeafsBytesNeverChange(t *testing.T) {
	at := time.Date(2026, 11, 21, 5, 0, 0, 1000, time.UTC)
	for _, c := range []struct {
		event event
		want  string
	}{
		{event{Seq: 0, At: at}, `{"seq":0,"at":"2026-11-21T05:00:00.000001Z"}`},
		{event{Seq: 7, At: at, Text: "<b>&\n\x00"}, `{"seq":7,"at":"2026-11-21T05:00:00.000001Z","text":"<b>&\n\u0000"}`},
	} {
		leaf, err := Encode(c.event)
		if err != nil || string(leaf) != c.want {
			t.Errorf("%s, %v, want %s", leaf, err, c.want)
		}
	}
}

func TestWhatIsNoEventIsRefused(t *testing.T) {
	for name, v := range map[string]any{
		"no object":      7,
		"no place":       struct{ Text string }{"x"},
		"negative place": event{Seq: -1},
		"unencodable":    func() {},
		"too large":      event{Text: strings.Repeat("x", MaxLeafBytes)},
		"seq is a text":  map[string]string{"seq": "1"},
	} {
		if leaf, err := Encode(v); err == nil {
			t.Errorf("%s: encoded as %s", name, leaf)
		}
	}
}

// TestHeadsAreThoseOfCertificateTransparency compares with the published test
// vectors of RFC 6962 logs.
func TestHeadsAreThoseOfCertificateTransparency(t *testing.T) {
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var tree Tree
	for i, want := range roots {
		if got := tree.Head(); got.Size != int64(i) || hex.EncodeToString(got.Root[:]) != want {
			t.Errorf("head of %d leaves: %x, want %s", i, got.Root, want)
		}
		if i < len(leaves) {
			leaf, err := hex.DecodeString(leaves[i])
			if err != nil {
				t.Fatal(err)
			}
			tree.Add(leaf)
		}
	}
}

func TestAHashIsFoundWithTheLeafThatMadeIt(t *testing.T) {
	var index int64
	var tree Tree
	for seq := range int64(1000) {
		for nth := range tree.Add([]byte("x")) {
			if s, n := Place(index); s != seq || n != nth {
				t.Fatalf("hash %d is number %d of leaf %d, want %d of %d", index, n, s, nth, seq)
			}
			index++
		}
	}
}

// TestAnyLogCanBeProved: whatever the log, every leaf and every growth is proved,
// and no proof serves for anything else.
func TestAnyLogCanBeProved(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newForger(t, rapid.IntRange(1, 70).Draw(r, "size"))
		size := len(f.leaves)
		seq := rapid.IntRange(0, size-1).Draw(r, "seq")
		old := rapid.IntRange(0, size).Draw(r, "old")
		head := f.head()

		proof, err := ProveLeaf(int64(size), int64(seq), f)
		if err != nil {
			r.Fatal(err)
		}
		if err := CheckLeaf(proof, head, int64(seq), f.leaves[seq]); err != nil {
			r.Fatalf("leaf %d of %d: %v", seq, size, err)
		}
		if err := CheckLeaf(proof, head, int64(seq), f.leaf(seq, "nothing happened")); !errors.Is(err, ErrNotIncluded) {
			r.Fatalf("another leaf was found at %d of %d: %v", seq, size, err)
		}
		if other := (seq + 1) % size; other != seq && CheckLeaf(proof, head, int64(other), f.leaves[seq]) == nil {
			r.Fatalf("leaf %d was found at %d", seq, other)
		}

		var tree Tree
		for _, leaf := range f.leaves[:old] {
			tree.Add(leaf)
		}
		growth, err := ProveGrowth(int64(old), int64(size), f)
		if err != nil {
			r.Fatal(err)
		}
		older := tree.Head()
		if err := CheckGrowth(growth, older, head); err != nil {
			r.Fatalf("growth from %d to %d: %v", old, size, err)
		}
		older.Root[31] ^= 1
		if err := CheckGrowth(growth, older, head); !errors.Is(err, ErrForked) {
			r.Fatalf("growth from another log of %d leaves: %v", old, err)
		}
		if err := VerifyLog(f, head, tree.Head()); err != nil {
			r.Fatal(err)
		}
	})
}

func TestNothingIsVerifiedAgainstNothing(t *testing.T) {
	f := newForger(t, 3)
	if err := VerifyLog(f); err == nil {
		t.Error("verified without a head")
	}
	if err := VerifyLog(f, Head{Size: -1}); err == nil {
		t.Error("verified against a head of -1 leaves")
	}
	if err := Verify(func(yield func([]byte, error) bool) { yield(nil, errors.New("disk gone")) }, f.head()); err == nil || !strings.Contains(err.Error(), "disk gone") {
		t.Errorf("an unreadable export: %v", err)
	}
}

func BenchmarkAdd(b *testing.B) {
	leaf := []byte(strings.Repeat("x", 300))
	var tree Tree
	for b.Loop() {
		tree.Add(leaf)
	}
}
