package store

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Exclusion keeps a host out of every rollout until a time.
type Exclusion struct {
	Host   hotstick.HostID
	Until  time.Time
	Reason string
	By     hotstick.Person
	At     time.Time
}

// ExclusionTable holds what operators keep out, one row a host. Rows whose time
// is over stay until they are replaced or taken back.
type ExclusionTable interface {
	// Exclude inserts or replaces the host's exclusion.
	Exclude(e Exclusion) error
	// Include takes it back, if there is one.
	Include(host hotstick.HostID) error
	Exclusion(host hotstick.HostID) (Exclusion, error)
	// Exclusions returns all by host.
	Exclusions() ([]Exclusion, error)
}

// Freeze is a time in which nothing starts.
type Freeze struct {
	ID     int64
	From   time.Time
	Until  time.Time
	Reason string
	By     hotstick.Person
	At     time.Time
}

// FreezeTable holds change freezes, past ones too.
type FreezeTable interface {
	// Freeze stores a freeze and returns the ID that it gets, from 1.
	Freeze(f Freeze) (int64, error)
	// Unfreeze takes a freeze back; ErrNotFound if there is none of that ID.
	Unfreeze(id int64) error
	// Freezes returns all by their beginning, then ID.
	Freezes() ([]Freeze, error)
}

// Clear is a signed statement that lifts a ban, strikes, and the marks of what was
// reverted. It is kept for the loaders that still have to learn of it.
type Clear struct {
	// Digest is that of Envelope.
	Digest   hotstick.Digest
	Patch    hotstick.PatchRef
	Envelope []byte
	By       hotstick.Person
	At       time.Time
}

// ClearTable holds clears.
type ClearTable interface {
	// PutClear stores a clear; ErrTaken if its digest is there already.
	PutClear(c Clear) error
	// Clears returns all, oldest first, then by digest.
	Clears() ([]Clear, error)
}
