package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is the hash of a leaf or of a node.
type Hash = tlog.Hash

// HashReader returns stored hashes by their index; the answer is as long as the
// question, or an error.
type HashReader = tlog.HashReader

// Head commits to a log: its number of leaves and the Merkle root over them.
type Head struct {
	Size int64 `json:"size"`
	Root Hash  `json:"root"`
}

// MaxLeafBytes bounds one leaf. The largest event carries the evidence of one
// report, escaped.
const MaxLeafBytes = 4 << 20

// Encode returns the leaf of an event: its canonical bytes. The event must encode
// to a JSON object with a member "seq".
func Encode(event any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(event); err != nil {
		return nil, fmt.Errorf("cannot encode an event: %v", err)
	}
	leaf := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if _, err := Seq(leaf); err != nil {
		return nil, err
	}
	return leaf, nil
}

// Seq returns the place in the log that a leaf claims.
func Seq(leaf []byte) (int64, error) {
	if len(leaf) > MaxLeafBytes {
		return 0, fmt.Errorf("cannot use a leaf of %d bytes: the limit is %d", len(leaf), MaxLeafBytes)
	}
	if bytes.IndexByte(leaf, '\n') >= 0 {
		return 0, errors.New("cannot use a leaf of more than one line")
	}
	var place struct {
		Seq *int64 `json:"seq"`
	}
	if err := json.Unmarshal(leaf, &place); err != nil {
		return 0, fmt.Errorf("cannot read a leaf: %v", err)
	}
	if place.Seq == nil || *place.Seq < 0 {
		return 0, errors.New("cannot use a leaf that does not say its place in the log")
	}
	return *place.Seq, nil
}

// Append returns the hashes that a leaf adds to a log of size leaves: the leaf's
// own, then those of the subtrees it completes, smallest first. They belong at
// the indexes from [FirstIndex] on.
func Append(size int64, leaf []byte, stored HashReader) ([]Hash, error) {
	added, err := tlog.StoredHashes(size, leaf, stored)
	if err != nil {
		return nil, fmt.Errorf("cannot read the log's hashes: %w", err)
	}
	return added, nil
}

// FirstIndex returns the index of a leaf's own hash.
func FirstIndex(seq int64) int64 { return tlog.StoredHashIndex(0, seq) }

// Indexes returns the indexes of the hashes that a leaf adds: its own, then those
// of the subtrees that it completes.
func Indexes(seq int64) []int64 {
	indexes := []int64{FirstIndex(seq)}
	for n := seq; n&1 == 1; n >>= 1 {
		indexes = append(indexes, indexes[0]+int64(len(indexes)))
	}
	return indexes
}

// Place returns the leaf whose [Append] made the hash of that index, and which of
// the hashes that it made it is.
func Place(index int64) (seq int64, nth int) {
	level, n := tlog.SplitStoredHashIndex(index)
	return (n+1)<<level - 1, level
}

// NewHead computes the head of the first size leaves from stored hashes.
func NewHead(size int64, stored HashReader) (Head, error) {
	root, err := tlog.TreeHash(size, stored)
	if err != nil {
		return Head{}, fmt.Errorf("cannot read the log's hashes: %w", err)
	}
	return Head{Size: size, Root: root}, nil
}

// Tree computes heads from leaves alone. It keeps one hash per level, so its size
// does not grow with the log's. The zero Tree is that of the empty log.
type Tree struct {
	size int64
	// newest is, per level, the hash of the newest complete subtree. Neither Append
	// nor a head ever needs an older one.
	newest [64]Hash
}

// Add adds the next leaf and returns the hashes that it adds.
func (t *Tree) Add(leaf []byte) []Hash {
	added, err := Append(t.size, leaf, t)
	if err != nil {
		panic(err) // ReadHashes has every hash that is asked for
	}
	copy(t.newest[:], added)
	t.size++
	return added
}

// Head returns the head of the leaves so far.
func (t *Tree) Head() Head {
	head, err := NewHead(t.size, t)
	if err != nil {
		panic(err) // ReadHashes has every hash that is asked for
	}
	return head
}

// ReadHashes returns the hashes of the newest complete subtrees and refuses
// older ones.
func (t *Tree) ReadHashes(indexes []int64) ([]Hash, error) {
	hashes := make([]Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		if n != t.size>>level-1 {
			return nil, fmt.Errorf("cannot return hash %d: only the newest of each level is kept", index)
		}
		hashes[i] = t.newest[level]
	}
	return hashes, nil
}
