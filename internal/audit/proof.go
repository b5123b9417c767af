package audit

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Errors of proofs that do not hold.
var (
	// ErrNotIncluded: the proof does not show that the log has this leaf there.
	ErrNotIncluded = errors.New("cannot find the leaf in the audit log: the proof does not hold")
	// ErrForked: the proof does not show that one head continues the other; one of
	// the logs was rewritten.
	ErrForked = errors.New("cannot follow the audit log from one head to the other: the proof does not hold")
)

// ProveLeaf returns the proof that the log of size leaves has leaf seq: one hash
// per level of the tree.
func ProveLeaf(size, seq int64, stored HashReader) ([]Hash, error) {
	proof, err := tlog.ProveRecord(size, seq, stored)
	if err != nil {
		return nil, fmt.Errorf("cannot prove leaf %d of %d: %w", seq, size, err)
	}
	return proof, nil
}

// CheckLeaf verifies that the log with this head has these bytes as leaf seq.
func CheckLeaf(proof []Hash, head Head, seq int64, leaf []byte) error {
	if tlog.CheckRecord(proof, head.Size, head.Root, seq, tlog.RecordHash(leaf)) != nil {
		return ErrNotIncluded
	}
	return nil
}

// ProveGrowth returns the proof that the log of newer leaves begins with the log
// of older leaves.
func ProveGrowth(older, newer int64, stored HashReader) ([]Hash, error) {
	if older == 0 && newer >= 0 {
		return nil, nil
	}
	proof, err := tlog.ProveTree(newer, older, stored)
	if err != nil {
		return nil, fmt.Errorf("cannot prove the growth from %d to %d leaves: %w", older, newer, err)
	}
	return proof, nil
}

// CheckGrowth verifies that the log with the newer head begins with the log of
// the older one. Every log begins with the empty one.
func CheckGrowth(proof []Hash, older, newer Head) error {
	if older.Size == 0 && len(proof) == 0 {
		empty := Tree{}
		if older == empty.Head() && newer.Size >= 0 {
			return nil
		}
		return ErrForked
	}
	if tlog.CheckTree(proof, newer.Size, newer.Root, older.Size, older.Root) != nil {
		return ErrForked
	}
	return nil
}
