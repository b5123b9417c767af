package audit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// forger is a log whose database belongs to an attacker, with the heads that
// somebody kept before.
type forger struct {
	t      *testing.T
	leaves [][]byte
	hashes []Hash
	kept   []Head
}

// newForger appends n honest leaves and keeps a head after every tenth and at the
// end.
func newForger(t *testing.T, n int) *forger {
	f := &forger{t: t}
	for i := range n {
		f.append(fmt.Sprintf("step %d", i))
		if (i+1)%10 == 0 || i+1 == n {
			f.kept = append(f.kept, f.head())
		}
	}
	return f
}

func (f *forger) leaf(seq int, text string) []byte {
	leaf, err := Encode(struct {
		Seq  int64  `json:"seq"`
		Text string `json:"text"`
	}{int64(seq), text})
	if err != nil {
		f.t.Fatal(err)
	}
	return leaf
}

func (f *forger) append(text string) {
	leaf := f.leaf(len(f.leaves), text)
	added, err := Append(int64(len(f.leaves)), leaf, f)
	if err != nil {
		f.t.Fatal(err)
	}
	f.leaves, f.hashes = append(f.leaves, leaf), append(f.hashes, added...)
}

// rehash stores the hashes that the leaves have now.
func (f *forger) rehash() {
	f.hashes = nil
	for seq, leaf := range f.leaves {
		added, err := Append(int64(seq), leaf, f)
		if err != nil {
			f.t.Fatal(err)
		}
		f.hashes = append(f.hashes, added...)
	}
}

// renumber makes every leaf say the place where it lies.
func (f *forger) renumber() {
	for seq, leaf := range f.leaves {
		_, rest, _ := bytes.Cut(leaf, []byte(","))
		f.leaves[seq] = append(fmt.Appendf(nil, `{"seq":%d,`, seq), rest...)
	}
}

func (f *forger) head() Head {
	head, err := NewHead(int64(len(f.leaves)), f)
	if err != nil {
		f.t.Fatal(err)
	}
	return head
}

func (f *forger) Leaf(seq int64) ([]byte, error) {
	if seq >= int64(len(f.leaves)) {
		return nil, errors.New("no such row")
	}
	return f.leaves[seq], nil
}

func (f *forger) ReadHashes(indexes []int64) ([]Hash, error) {
	hashes := make([]Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(f.hashes)) {
			return nil, errors.New("no such row")
		}
		hashes[i] = f.hashes[index]
	}
	return hashes, nil
}

func (f *forger) all(yield func([]byte, error) bool) {
	for _, leaf := range f.leaves {
		if !yield(leaf, nil) {
			return
		}
	}
}

func (f *forger) edit(seq int)   { f.leaves[seq] = f.leaf(seq, "nothing happened") }
func (f *forger) delete(seq int) { f.leaves = slices.Delete(f.leaves, seq, seq+1) }
func (f *forger) swap(a, b int)  { f.leaves[a], f.leaves[b] = f.leaves[b], f.leaves[a] }
func (f *forger) fork(seq int, text string) {
	n := len(f.leaves)
	f.leaves = f.leaves[:seq]
	f.rehash()
	for len(f.leaves) < n {
		f.append(text)
	}
}

// TestAttacks runs attacks on a log of 37 leaves with kept heads at 10, 20, 30
// and 37. Each says where the fault lies: the leaves [from, to).
func TestAttacks(t *testing.T) {
	attacks := []struct {
		name     string
		attack   func(*forger)
		from, to int64
		problem  Problem
	}{
		{"edited leaf", func(f *forger) { f.edit(25) }, 25, 26, LeafChanged},
		{"edited first leaf", func(f *forger) { f.edit(0) }, 0, 1, LeafChanged},
		{"edited last leaf", func(f *forger) { f.edit(36) }, 36, 37, LeafChanged},
		{"one bit of a leaf", func(f *forger) { f.leaves[25][12] ^= 1 }, 25, 26, LeafChanged},
		{"a space more in a leaf", func(f *forger) { f.leaves[25] = append(f.leaves[25], ' ') }, 25, 26, LeafChanged},
		{"edited leaf with its own hash", func(f *forger) {
			f.edit(24)
			f.hashes[FirstIndex(24)] = (&Tree{}).Add(f.leaves[24])[0]
		}, 24, 26, HashChanged},
		{"edited leaf with every hash", func(f *forger) { f.edit(25); f.rehash() }, 20, 30, HeadDiffers},
		{"edited hash", func(f *forger) { f.hashes[FirstIndex(15)+2][0] ^= 1 }, 12, 16, HashChanged},
		{"erased leaf", func(f *forger) { f.leaves[25] = nil }, 25, 26, LeafMalformed},
		{"leaf without a place", func(f *forger) { f.leaves[25] = []byte(`{"text":"x"}`) }, 25, 26, LeafMalformed},
		{"leaf of two lines", func(f *forger) { f.leaves[25] = []byte("{\"seq\":25,\n\"text\":\"x\"}") }, 25, 26, LeafMalformed},
		{"huge leaf", func(f *forger) { f.leaves[25] = bytes.Repeat([]byte("x"), MaxLeafBytes+1) }, 25, 26, LeafMalformed},
		{"deleted leaf", func(f *forger) { f.delete(25) }, 25, 26, LeafMisplaced},
		{"deleted leaf, renumbered", func(f *forger) { f.delete(25); f.renumber() }, 25, 26, LeafChanged},
		{"deleted leaf, renumbered, with every hash", func(f *forger) { f.delete(25); f.renumber(); f.rehash() }, 20, 30, HeadDiffers},
		{"inserted leaf", func(f *forger) { f.leaves = slices.Insert(f.leaves, 25, f.leaf(25, "x")) }, 25, 26, LeafChanged},
		{"reordered", func(f *forger) { f.swap(24, 25) }, 24, 25, LeafMisplaced},
		{"reordered, renumbered", func(f *forger) { f.swap(24, 25); f.renumber() }, 24, 25, LeafChanged},
		{"reordered, renumbered, with every hash", func(f *forger) { f.swap(24, 25); f.renumber(); f.rehash() }, 20, 30, HeadDiffers},
		{"truncated", func(f *forger) { f.leaves = f.leaves[:33] }, 33, 34, LeafMissing},
		{"truncated hashes", func(f *forger) { f.hashes = f.hashes[:FirstIndex(33)] }, 33, 34, HashMissing},
		{"truncated and filled up", func(f *forger) { f.fork(33, "harmless") }, 30, 37, HeadDiffers},
		{"forked early", func(f *forger) { f.fork(5, "harmless") }, 0, 10, HeadDiffers},
		{"emptied", func(f *forger) { f.leaves, f.hashes = nil, nil }, 0, 1, LeafMissing},
		{"two kept heads of one size", func(f *forger) { f.kept = append(f.kept, Head{Size: 20}) }, 10, 20, HeadDiffers},
		{"two kept heads of one size, of which the forged one agrees", func(f *forger) { f.fork(15, "harmless"); f.kept = append(f.kept, f.head()) }, 10, 20, HeadDiffers},
		{"a forged head beside the kept one", func(f *forger) {
			f.kept = f.kept[len(f.kept)-1:]
			f.fork(15, "harmless")
			f.kept = append(f.kept, f.head())
		}, 0, 37, HeadDiffers},
		{"a kept head of nothing that is not empty", func(f *forger) { f.kept = append(f.kept, Head{}) }, 0, 0, HeadDiffers},
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			f := newForger(t, 37)
			if err := VerifyLog(f, f.kept...); err != nil {
				t.Fatalf("the honest log: %v", err)
			}
			a.attack(f)
			err := VerifyLog(f, f.kept...)
			var got *Fault
			if !errors.As(err, &got) {
				t.Fatalf("not found: %v", err)
			}
			if got.From != a.from || got.To != a.to || got.Problem != a.problem {
				t.Errorf("found %q in [%d,%d), want %q in [%d,%d): %v", got.Problem, got.From, got.To, a.problem, a.from, a.to, err)
			}
		})
	}
}

func TestAttacksOnAnExport(t *testing.T) {
	attacks := []struct {
		name     string
		attack   func(*forger)
		from, to int64
		problem  Problem
	}{
		{"edited leaf", func(f *forger) { f.edit(25) }, 20, 30, HeadDiffers},
		{"deleted leaf", func(f *forger) { f.delete(25) }, 25, 26, LeafMisplaced},
		{"reordered", func(f *forger) { f.swap(24, 25) }, 24, 25, LeafMisplaced},
		{"truncated", func(f *forger) { f.leaves = f.leaves[:33] }, 33, 34, LeafMissing},
		{"longer than its head", func(f *forger) { f.append("x") }, 37, 38, LeafUncounted},
		{"forked", func(f *forger) { f.fork(33, "harmless") }, 30, 37, HeadDiffers},
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			f := newForger(t, 37)
			if err := Verify(f.all, f.kept...); err != nil {
				t.Fatalf("the honest export: %v", err)
			}
			a.attack(f)
			var got *Fault
			if err := Verify(f.all, f.kept...); !errors.As(err, &got) || got.From != a.from || got.To != a.to || got.Problem != a.problem {
				t.Errorf("found %v, want %q in [%d,%d)", err, a.problem, a.from, a.to)
			}
		})
	}
}

func TestAForkedServerCannotProveThatItsHeadContinuesTheKeptOne(t *testing.T) {
	honest, forked := newForger(t, 20), newForger(t, 20)
	old := honest.head()
	forked.fork(19, "harmless")
	for range 13 {
		honest.append("later")
		forked.append("later")
	}
	for name, f := range map[string]*forger{"honest": honest, "forked": forked} {
		proof, err := ProveGrowth(20, 33, f)
		if err != nil {
			t.Fatal(err)
		}
		err = CheckGrowth(proof, old, f.head())
		if want := name == "forked"; errors.Is(err, ErrForked) != want || (err != nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARestoredBackupCannotProveGrowth(t *testing.T) {
	f := newForger(t, 30)
	kept := f.head()
	restored := newForger(t, 25)
	if err := CheckGrowth(nil, kept, restored.head()); !errors.Is(err, ErrForked) {
		t.Errorf("a shorter log continues a longer one: %v", err)
	}
	if _, err := ProveGrowth(30, 25, restored); err == nil {
		t.Error("proved that a log shrank")
	}
}

func TestAFaultReadsAsASentence(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  string
	}{
		{Fault{From: 3, To: 4, Problem: LeafChanged}, "cannot trust the audit log: leaf 3 was changed"},
		{Fault{From: 20, To: 30, Problem: HeadDiffers}, "cannot trust the audit log: leaves 20 to 29 are not those of the kept head"},
		{Fault{From: 9, To: 9, Problem: HeadDiffers}, "cannot trust the audit log: the kept heads of 9 leaves contradict each other"},
		{Fault{From: 3, To: 4, Problem: LeafMissing, Err: errors.New("no such row")}, "cannot trust the audit log: leaf 3 is missing: no such row"},
	} {
		if got := c.fault.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
