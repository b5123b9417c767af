package audit

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Log is a stored log: leaves and hashes.
type Log interface {
	HashReader
	// Leaf returns the exact bytes of a leaf.
	Leaf(seq int64) ([]byte, error)
}

// Problem says what is wrong with a log. The set is closed.
type Problem string

const (
	// LeafMissing: the log has no such leaf though the head counts it.
	LeafMissing Problem = "is missing"
	// LeafMalformed: the bytes are not a leaf.
	LeafMalformed Problem = "is malformed"
	// LeafMisplaced: the leaf says that it belongs elsewhere; one was deleted,
	// inserted or moved.
	LeafMisplaced Problem = "belongs elsewhere"
	// LeafChanged: the leaf's bytes do not have its stored hash.
	LeafChanged Problem = "was changed"
	// HashMissing: a stored hash cannot be read.
	HashMissing Problem = "has no stored hash"
	// HashChanged: a stored hash is not that of the leaves below it.
	HashChanged Problem = "do not have the hash that is stored for them"
	// HeadDiffers: leaves and hashes agree with each other but not with a head
	// that was kept; the log was rewritten.
	HeadDiffers Problem = "are not those of the kept head"
	// LeafUncounted: the leaf lies beyond the head.
	LeafUncounted Problem = "is not counted by the head"
)

// Fault is the first thing wrong with a log.
type Fault struct {
	// From and To bound the leaves among which the first wrong one is: From is the
	// first, To is one past the last.
	From, To int64
	Problem  Problem
	// Err is why a leaf or hash could not be read, if that is the problem.
	Err error
}

// Error names the leaves and the problem.
func (f *Fault) Error() string {
	text := "cannot trust the audit log: "
	switch {
	case f.From == f.To:
		text += fmt.Sprintf("the kept heads of %d leaves contradict each other", f.To)
	case f.Problem == HashChanged || f.Problem == HeadDiffers:
		text += fmt.Sprintf("leaves %d to %d %s", f.From, f.To-1, f.Problem)
	default:
		text += fmt.Sprintf("leaf %d %s", f.From, f.Problem)
	}
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap returns why a leaf or hash could not be read.
func (f *Fault) Unwrap() error { return f.Err }

// Verify recomputes a log from its leaves alone, such as an export, and compares
// it with heads that were kept elsewhere. The largest head says how many leaves
// there must be. A wrong log gives a [*Fault].
func Verify(leaves iter.Seq2[[]byte, error], heads ...Head) error {
	v, err := newVerifier(heads)
	if err != nil {
		return err
	}
	for leaf, err := range leaves {
		if err != nil {
			return fmt.Errorf("cannot read leaf %d: %w", v.tree.size, err)
		}
		if v.done() {
			return fault(v.tree.size, LeafUncounted, nil)
		}
		if err := v.next(leaf, nil); err != nil {
			return err
		}
	}
	if !v.done() {
		return fault(v.tree.size, LeafMissing, nil)
	}
	return nil
}

// VerifyLog recomputes a stored log, and compares it with its stored hashes, which
// tell the wrong leaf, and with heads that were kept elsewhere. The largest head
// says how many leaves are verified; what the log has beyond is not looked at. A
// wrong log gives a [*Fault].
func VerifyLog(log Log, heads ...Head) error {
	v, err := newVerifier(heads)
	if err != nil {
		return err
	}
	for !v.done() {
		leaf, err := log.Leaf(v.tree.size)
		if err != nil {
			return fault(v.tree.size, LeafMissing, err)
		}
		if err := v.next(leaf, log); err != nil {
			return err
		}
	}
	return nil
}

// verifier walks a log from its first leaf.
type verifier struct {
	tree Tree
	// heads are still to be met, smallest first; trusted is the size of the last
	// one that agreed.
	heads   []Head
	trusted int64
}

func newVerifier(heads []Head) (*verifier, error) {
	if len(heads) == 0 {
		return nil, errors.New("cannot verify the audit log without a head that was kept")
	}
	v := &verifier{heads: slices.Clone(heads)}
	slices.SortStableFunc(v.heads, func(a, b Head) int {
		if a.Size != b.Size {
			return int(min(max(a.Size-b.Size, -1), 1))
		}
		return bytes.Compare(a.Root[:], b.Root[:])
	})
	if v.heads[0].Size < 0 {
		return nil, fmt.Errorf("cannot use a head of %d leaves", v.heads[0].Size)
	}
	return v, v.meet()
}

func (v *verifier) done() bool { return len(v.heads) == 0 }

// next checks one leaf, its stored hashes if there are any, and the heads that
// end with it.
func (v *verifier) next(leaf []byte, stored HashReader) error {
	at := v.tree.size
	seq, err := Seq(leaf)
	if err != nil {
		return fault(at, LeafMalformed, err)
	}
	if seq != at {
		return fault(at, LeafMisplaced, fmt.Errorf("it says that it is leaf %d", seq))
	}
	added := v.tree.Add(leaf)
	if stored != nil {
		if err := compare(at, added, stored); err != nil {
			return err
		}
	}
	return v.meet()
}

func compare(at int64, added []Hash, stored HashReader) error {
	kept, err := stored.ReadHashes(Indexes(at))
	if err == nil && len(kept) != len(added) {
		err = fmt.Errorf("cannot use %d hashes: want %d", len(kept), len(added))
	}
	if err != nil {
		return fault(at, HashMissing, err)
	}
	for level := range added {
		switch {
		case kept[level] == added[level]:
		case level == 0:
			return fault(at, LeafChanged, nil)
		default:
			return &Fault{From: at + 1 - 1<<level, To: at + 1, Problem: HashChanged}
		}
	}
	return nil
}

// meet compares the tree with the heads of its size, all of which must agree.
func (v *verifier) meet() error {
	met := false
	for len(v.heads) > 0 && v.heads[0].Size == v.tree.size {
		if v.heads[0] != v.tree.Head() {
			return &Fault{From: v.trusted, To: v.tree.size, Problem: HeadDiffers}
		}
		met, v.heads = true, v.heads[1:]
	}
	if met {
		v.trusted = v.tree.size
	}
	return nil
}

func fault(seq int64, p Problem, err error) *Fault {
	return &Fault{From: seq, To: seq + 1, Problem: p, Err: err}
}
