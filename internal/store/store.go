// Package store is what the server's loops need from storage, as a few small
// tables inside one transaction.
//
// # Guarantees
//
// A transaction either commits whole or leaves nothing. Update transactions are
// serialised: what one reads, no other changes before it commits. Writes that
// can lead to a grant are conditional on the plan's generation
// ([PlanTable.Advance] returns [ErrConflict] when somebody was faster), and a
// slot of a failure domain is a unique row, so two servers can never both hold
// it. An acknowledged commit of these tables survives a crash of the process
// and of the machine.
//
// Every Update that changes anything appends at least one [Event]; the event's
// leaf and the change commit together, so there is no change without its entry
// in the audit log (see internal/audit). Three things are no change in this sense:
// what a host says anew in every check-in (LastSeen, Seq, Readings, Patches, and
// Busy, CatalogVersion, Plans that went, Bans and Recalls of its loader), how far the
// delivery of a message got, and what feeds say, with what follows from it (State, marks
// and refusals of a feed, advisories, vulnerabilities, exposures). This rule is the
// callers'; the store cannot know what an Update means. internal/inventory/leaftest
// holds it against them in tests.
//
// A table's error leaves the transaction usable: the failed call changed nothing,
// and fn may go on and return nil.
//
// # Values
//
// Nothing is shared by reference between a store and its callers: what is given
// is copied, what is returned may be changed freely. Times come back in UTC, and
// those of rows to the microsecond. Empty slices and maps come back nil. Names,
// searches and texts are opaque: quotes, wildcards, markup and NUL bytes mean
// nothing.
//
// # Use
//
// Never begin a transaction inside another one: stores may wait for the outer one
// for ever. A [Tx] and its tables belong to the goroutine of fn and end with it.
//
// Implementations are memory and sqlite; both pass storetest.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
)

// Errors that callers act on.
var (
	// ErrNotFound: no such row.
	ErrNotFound = errors.New("cannot find it")
	// ErrConflict: somebody changed the row first; read again and decide again.
	ErrConflict = errors.New("cannot commit: it was changed meanwhile")
	// ErrTaken: a slot, token or name is in use already.
	ErrTaken = errors.New("cannot take it: it is in use")
	// ErrReadOnly: a write inside a View. It is a fault of the program.
	ErrReadOnly = errors.New("cannot write inside a View")
)

// Store runs transactions.
type Store interface {
	// View runs fn on a consistent snapshot. Writes inside it fail with
	// [ErrReadOnly].
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn and commits if it returns nil; if fn returns an error or
	// panics, nothing of it is left. All rows that fn writes carry the same time,
	// Tx.Now. Once Update has returned nil the change is durable.
	Update(ctx context.Context, fn func(Tx) error) error
	// Changes returns a channel that receives a token after commits that changed
	// something, and a function that ends the subscription. The token is a hint
	// and may coalesce. The channel is closed with the store, never before.
	Changes() (<-chan struct{}, func())
	// Check reports whether the store can serve and commit (for /readyz).
	Check(ctx context.Context) error
	Close() error
}

// Tx is one transaction.
type Tx interface {
	// Now is the transaction's one timestamp, in UTC, in whole microseconds.
	Now() time.Time
	Hosts() HostTable
	Plans() PlanTable
	Slots() SlotTable
	Events() EventTable
	Bans() BanTable
	OutwardTables
	KnowledgeTables
}

// OutwardTables are who may ask the server, and who is told by it.
type OutwardTables interface {
	Tokens() TokenTable
	Outbox() OutboxTable
}

// KnowledgeTables are what feeds say of CVEs, and which hosts are open to them.
type KnowledgeTables interface {
	Feeds() FeedTable
	Advisories() AdvisoryTable
	Vulnerabilities() VulnerabilityTable
	Exposures() ExposureTable
}

// Host is an enrolled host and its newest report.
type Host struct {
	ID       hotstick.HostID
	Name     string
	Identity []byte // Ed25519 public key
	Enrolled time.Time
	// Group are labels that the host must have, for its join token was made for
	// such hosts only.
	Group map[string]string
	// Revoked ends the host's identity; its ID never comes back.
	Revoked bool
	// Facts as last sent, with their digest; nil before the first check-in.
	Facts       *hotstick.Facts
	FactsDigest hotstick.Digest
	// Patches is the truth source's newest list, of boot Boot at LastSeen.
	Patches  []hotstick.LoadedPatch
	Boot     string
	Boots    int
	Seq      uint64
	LastSeen time.Time
	// Reported is the highest loader report sequence number that is stored.
	Reported uint64
	Loader   HostLoader
	Readings []hotstick.Reading
	// IllSince is since when a probe of the host fails; nil while none does.
	IllSince *time.Time
	// Reverted are the patch levels that were taken back out of this host and not
	// cleared since. They are not offered again.
	Reverted []hotstick.PatchRef
	Lineage  Lineage
	// Drift is how the host differs from what is expected of it; nil if it does not.
	Drift *hotstick.Drift
}

// HostLoader is what the host's loader last said of itself.
type HostLoader struct {
	InEffect       hotstick.PatchRef   `json:"in_effect"`
	Busy           bool                `json:"busy"`
	Plans          []hotstick.PlanID   `json:"plans,omitempty"`
	CatalogVersion int64               `json:"catalog_version"`
	Strikes        []hotstick.PatchRef `json:"strikes,omitempty"`
	Bans           []hotstick.PatchRef `json:"bans,omitempty"`
	Recalls        []hotstick.PatchRef `json:"recalls,omitempty"`
	// Root is the catalog's root, if a person on the host pinned it in the place of the
	// first.
	Root hotstick.Digest `json:"root,omitempty"`
	// Expected, Stall, Hold and Off are as in [wire.LoaderState].
	Expected *hotstick.PatchRef `json:"expected,omitempty"`
	Stall    *hotstick.Stall    `json:"stall,omitempty"`
	Hold     *hotstick.HostHold `json:"hold,omitempty"`
	Off      string             `json:"off,omitempty"`
}

// HostFilter narrows a list of hosts. Zero values do not filter.
type HostFilter struct {
	// Search matches a part of name, ID or release, case-insensitively, as plain
	// text.
	Search string
	Build  string // kernel build ID
	// After is the cursor ([Host.Cursor]) of the last host of the page before;
	// the order is by name, then ID. Limit 0 means all.
	After string
	Limit int
}

// HostTable holds hosts.
type HostTable interface {
	// Get returns a host, revoked ones too.
	Get(id hotstick.HostID) (Host, error)
	// List returns hosts ordered by name, then ID, and the number that match
	// without paging. Revoked hosts are left out.
	List(f HostFilter) ([]Host, int, error)
	// Put inserts or replaces a host; ErrTaken if it would bring a revoked one
	// back. A Put that changes only LastSeen, Seq and Readings is cheap.
	Put(h Host) error
	// Delete leaves a tombstone: Revoked becomes true and the ID stays taken. It
	// may be repeated; ErrNotFound if there never was such a host.
	Delete(id hotstick.HostID) error
	ExclusionTable
}

// Plan is a plan and where it stands.
type Plan struct {
	ID   hotstick.PlanID
	Name string
	// Patch is the plan's, and CVE is what a plan closes whose lanes have a patch each
	// (hotstick.PlanHost.PatchIn); one of them is set.
	Patch    hotstick.PatchRef
	CVE      string
	Envelope []byte // the signed DSSE envelope
	Status   hotstick.PlanStatus
	// Generation rises with every decision on the plan.
	Generation uint64
	Reason     *hotstick.Reason
	Author     hotstick.Person
	// Reverting: listed hosts that took the patch are being sent back.
	Reverting bool
	// Promoted is how many waves, from the first, operators have opened by hand.
	Promoted int
	// Reopened: it was completed, and ran again to put back what somebody else took away.
	Reopened bool
	Created  time.Time
	Approved *time.Time
	Started  *time.Time
	Ended    *time.Time
}

// Closes says in a word what the plan is for: its patch, or its CVE.
func (p Plan) Closes() string {
	if p.CVE != "" {
		return p.CVE
	}
	return p.Patch.String()
}

// PlanHost is one host's line in a plan.
type PlanHost struct {
	Plan hotstick.PlanID
	// Index is the host's place in the plan's host list.
	Index   int
	Listed  hotstick.PlanHost
	State   hotstick.HostState
	Attempt int
	Reason  *hotstick.Reason
	// Evidence came with the report that made the state.
	Evidence []hotstick.Evidence
	Timing   hotstick.Timing
	Updated  time.Time
	// Granted is when the newest grant of the current attempt was signed. Until
	// that grant's life is over the host may start, whatever was decided since.
	Granted *time.Time
	Started *time.Time
	Ended   *time.Time
	// Standing: the host took the place of the canary that it stands in for.
	Standing bool
	// Late: the host joined by the plan's rule; no Merkle leaf has it.
	Late bool
	// Recall is set while an operator wants the host back at the level before.
	Recall *hotstick.Reason
	// Reapplied counts the attempts that put back what somebody else took away.
	Reapplied int
}

// PlanTable holds plans and their hosts.
type PlanTable interface {
	// Create inserts a plan with its hosts, whose Plan it sets; ErrTaken if the ID
	// exists, or a host or an index is listed twice.
	Create(p Plan, hosts []PlanHost) error
	Get(id hotstick.PlanID) (Plan, error)
	// List returns plans, newest first; active narrows to those not over.
	List(active bool) ([]Plan, error)
	// Unfinished returns the plans with something left to do, newest first: those
	// not over, and those of which a host still holds slots or is to be sent back.
	Unfinished() ([]Plan, error)
	// Advance writes the plan if its stored generation is still p.Generation, and
	// raises the generation by one; ErrConflict otherwise, ErrNotFound if there is
	// no such plan.
	Advance(p Plan) error
	LineTable
}

// LineTable holds the lines of plans, one a host.
type LineTable interface {
	// Hosts returns the plan's hosts by index.
	Hosts(id hotstick.PlanID) ([]PlanHost, error)
	Host(id hotstick.PlanID, host hotstick.HostID) (PlanHost, error)
	// PutHost writes where a listed host stands; ErrNotFound if the plan does not
	// list it. Index, Listed and Late were fixed when it was listed and stay.
	PutHost(h PlanHost) error
	// OfHost returns the host's lines in all plans, newest plan first.
	OfHost(host hotstick.HostID) ([]PlanHost, error)
	// AddLate appends a host to a plan's list and returns the line with its Index;
	// Late becomes true. ErrTaken if the plan lists the host, ErrNotFound if there
	// is no such plan.
	AddLate(h PlanHost) (PlanHost, error)
}

// Slot is one unit of a failure domain's disruption budget, held by one host for
// one plan. (Domain, Value, Index) is unique.
type Slot struct {
	Domain string // kind, such as rack or fleet
	Value  string // which one, such as a3
	Index  int    // 0 .. budget-1
	Plan   hotstick.PlanID
	Host   hotstick.HostID
	Taken  time.Time
}

// SlotTable holds the slots in use.
type SlotTable interface {
	// Take inserts the row; ErrTaken if (Domain, Value, Index) is held.
	Take(s Slot) error
	// Release frees every slot that a host holds for a plan, if any.
	Release(plan hotstick.PlanID, host hotstick.HostID) error
	// List returns the slots in use by domain, value and index; Held those that a
	// host holds for a plan.
	List() ([]Slot, error)
	Held(plan hotstick.PlanID, host hotstick.HostID) ([]Slot, error)
}

// Event is one entry of the audit log: what happened, who did it, to what.
type Event struct {
	// Seq is given by Append, from 0 without gaps.
	Seq      int64               `json:"seq"`
	At       time.Time           `json:"at"`
	Kind     string              `json:"kind"`
	Actor    string              `json:"actor,omitempty"`
	Plan     hotstick.PlanID     `json:"plan,omitempty"`
	Host     hotstick.HostID     `json:"host,omitempty"`
	HostName string              `json:"host_name,omitempty"`
	Patch    hotstick.PatchRef   `json:"patch"`
	State    string              `json:"state,omitempty"`
	Reason   *hotstick.Reason    `json:"reason,omitempty"`
	Evidence []hotstick.Evidence `json:"evidence,omitempty"`
	// Generation is the plan's generation after the decision, if it was one.
	Generation uint64 `json:"generation,omitempty"`
}

// EventFilter narrows a list of events. Zero values do not filter.
type EventFilter struct {
	Plan hotstick.PlanID
	Host hotstick.HostID
	// Before pages backwards: only events with a smaller Seq; 0 means the end.
	Before int64
	// From asks only for events with this Seq or a greater one.
	From int64
	// Limit 0 means all.
	Limit int
}

// EventTable is the append-only audit log.
type EventTable interface {
	// Append stores the event, gives it Seq and At, and adds its leaf to the log
	// in the same transaction.
	Append(e Event) (Event, error)
	// List returns events, newest first.
	List(f EventFilter) ([]Event, error)
	// Head returns the number of leaves and the Merkle root over them.
	Head() (size int64, root [32]byte, err error)
	// Leaf returns the exact bytes of a leaf, for verification.
	Leaf(seq int64) ([]byte, error)
	// ReadHashes returns stored hashes of the log by their index, for proofs and
	// verification: every EventTable is an [audit.Log].
	ReadHashes(indexes []int64) ([]audit.Hash, error)
	MarkTable
}

// Ban is a patch level that nobody may arm.
type Ban struct {
	Patch    hotstick.PatchRef
	Envelope []byte // the signed statement
	Reason   hotstick.Reason
	At       time.Time
	By       string
}

// BanTable holds bans and the fleet-wide stop.
type BanTable interface {
	// Put inserts or replaces the ban of a patch level.
	Put(b Ban) error
	Get(ref hotstick.PatchRef) (Ban, error)
	// Delete lifts the ban of a patch level, if there is one.
	Delete(ref hotstick.PatchRef) error
	// List returns bans by name, then level.
	List() ([]Ban, error)
	// StopAll reads the fleet-wide stop; SetStopAll sets it.
	StopAll() (bool, error)
	SetStopAll(on bool) error
	StandingTable
}

// Token is a credential, stored only as a digest.
type Token struct {
	Digest hotstick.Digest
	// Kind is join (for so many hosts as Hosts says), api or session.
	Kind   string
	Roles  []string
	Person hotstick.Person
	// Only are the rights that the token is limited to; empty means all of its roles.
	Only []string
	// Parent is the api token with which a session was opened, or another api token
	// was made, if it was.
	Parent hotstick.Digest
	// Expires is zero for an api token without an end.
	Expires time.Time
	// Used is when a join token was used up.
	Used    *time.Time
	Created time.Time
	// Group are labels that a host must have to use a join token.
	Group map[string]string
	// Hosts is how many hosts may use a join token, 0 as 1; Joined how many did.
	Hosts  int
	Joined int
	// Revoked is when an operator took the token back.
	Revoked *time.Time
}

// TokenTable holds tokens.
type TokenTable interface {
	// Put inserts or replaces a token; ErrTaken if it would make a used one unused,
	// or a revoked one good.
	Put(t Token) error
	Get(d hotstick.Digest) (Token, error)
	// Use counts one use of a token, and marks it as used at Tx.Now with the last
	// that it has; ErrTaken if it was used up or revoked before. Whether it has
	// expired is for the caller to judge.
	Use(d hotstick.Digest) error
	// List returns the tokens of a kind by when they were made, then digest.
	List(kind string) ([]Token, error)
	// Sweep deletes the tokens of a kind that are worth nothing at Tx.Now and never will
	// be: expired, used up or revoked.
	Sweep(kind string) error
	AccountTable
}

// Message is one outgoing notification.
type Message struct {
	ID       int64
	Kind     string
	Body     []byte
	Created  time.Time
	Attempts int
	// Due is when to try next; Done ends it.
	Due  time.Time
	Done *time.Time
}

// OutboxTable holds notifications until they are delivered.
type OutboxTable interface {
	// Add stores a message and returns the ID that it gets.
	Add(m Message) (int64, error)
	// Due returns undelivered messages whose time has come, oldest first.
	// Limit 0 means all.
	Due(now time.Time, limit int) ([]Message, error)
	// Put replaces a message; ErrNotFound if it was never added.
	Put(m Message) error
}
