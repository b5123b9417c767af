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

// StandingTable holds what stands until somebody takes it back.
type StandingTable interface {
	FreezeTable
	StatementTable
	CrashTable
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

// Statement is a signed statement that persons or laboratories handed in: a clear, a
// downgrade, a waiver, or evidence. It is kept for whoever still has to learn of it, or
// goes by it.
type Statement struct {
	// Digest is that of what it says, so that it stands here once whoever signed it.
	Digest hotstick.Digest
	// Kind is that of internal/statement.
	Kind string
	// Patch is the level that it is about; zero if it is about none or several.
	Patch    hotstick.PatchRef
	Envelope []byte
	By       hotstick.Person
	At       time.Time
}

// StatementTable holds what was handed in.
type StatementTable interface {
	// PutStatement stores a statement; ErrTaken if its digest is there already.
	PutStatement(s Statement) error
	// ReplaceStatement puts the envelope of s, and who handed it in, in the place of
	// those of the statement with its digest; ErrNotFound if there is none.
	ReplaceStatement(s Statement) error
	// Statements returns all of a kind, oldest first, then by digest.
	Statements(kind string) ([]Statement, error)
}
