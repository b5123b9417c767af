// Package evil is what a thief who owns a Hotstick server would try.
//
// The thief holds the online key, the certificate authority, the database and the
// bytes of the catalog, and answers every check-in and every request for a file. It
// does not hold the offline keys: root, publishers, authors and approvers. Each
// [Strategy] is one attack, named after what it does; together they attack every
// claim of section 3 of the design.
//
// The same strategies run against four guests with real kernels, where sysfs and the
// serial console say what was loaded (bench/evil, make evil), and against the
// simulator's hosts, where the checker does (internal/sim/world). A strategy has no
// clock, no chance and no network of its own: it turns one honest answer into a bad
// one.
package evil

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

// Claim is what a strategy tries to break. The set is closed.
type Claim string

// The claims, as the design makes them of drivers of class bytes.
const (
	// Unsigned: bytes that no publisher signed are never loaded.
	Unsigned Claim = "unsigned"
	// Unapproved: nothing starts by a plan that too few persons signed.
	Unapproved Claim = "unapproved"
	// Edited: nothing starts by a plan that is not, bit for bit, what they signed.
	Edited Claim = "edited"
	// Expired: nothing starts by a plan outside its life.
	Expired Claim = "expired"
	// Halted: a loader that saw a halt starts nothing by that plan again.
	Halted Claim = "halted"
	// Replayed: a grant starts one attempt of one host, once, within its minute.
	Replayed Claim = "replayed"
	// Recalled: a patch whose recall or ban a loader has seen is never loaded again.
	Recalled Claim = "recalled"
	// Stale: nothing new starts when the catalog's metadata is older than it may be.
	Stale Claim = "stale"
	// Older: no level lower than the one in effect without the permission for it.
	Older Claim = "older"
	// OutOfWave: no host starts that the plan does not list, or in a wave before its
	// own.
	OutOfWave Claim = "out-of-wave"
	// TooEarly: no host starts before the plan's delays are over on its own clock.
	TooEarly Claim = "too-early"
)

// Loot is what the thief found in the server.
type Loot struct {
	// Online signs grants, bans, halts, orders and the naming of authorities.
	Online statement.Signer
	// Own is a key of the thief's making, which nobody trusts.
	Own statement.Signer
	// Trust is what the catalog's root says of persons, keys and the epoch.
	Trust hotstick.Trust
	// Plans are all that were ever handed in, by when they were.
	Plans []Plan
	// Seen are the documents that the server ever had for each host, oldest first,
	// whether they reached it or not.
	Seen map[hotstick.HostID][]json.RawMessage
}

// Plan is one that the thief found.
type Plan struct {
	ID    hotstick.PlanID
	Body  hotstick.Plan
	Hosts []hotstick.PlanHost
	// Envelope is the plan with all signatures that it got.
	Envelope []byte
}

// Turn is one check-in of a host that the thief answers.
type Turn struct {
	Request wire.SyncRequest
	// Identity is the fingerprint of the host's identity key, from the database.
	Identity hotstick.Fingerprint
	Build    hotstick.KernelBuild
	// Honest are the documents that the server itself would answer with.
	Honest []json.RawMessage
	Now    time.Time
	Random *rand.Rand
}

// File is one request of a host for a file of the catalog.
type File struct {
	Host hotstick.HostID
	// Name is as it stands in the address: 3.root.json, timestamp.json, or an
	// artifact's.
	Name string
	// Honest are the file's bytes; nil where there is no such file.
	Honest []byte
	// Old are the bytes that earlier versions of the file had, oldest first.
	Old [][]byte
	// Read returns the honest bytes of another file of the catalog by its name; nil
	// where there is no such file. A thief that changes one file must change those
	// that name it.
	Read func(name string) []byte
	Now  time.Time
	// Random is the thief's dice.
	Random *rand.Rand
}

// Strategy is one attack. At least one of Answer and Serve is set.
type Strategy struct {
	// Name is short, in lower case with dashes: grant-for-another-host.
	Name string
	// Does says in a sentence what the thief does.
	Does   string
	Claims []Claim
	// Answer returns the documents to send instead of the honest ones.
	Answer func(*Loot, Turn) []json.RawMessage
	// Serve returns the bytes to send instead of the honest ones; nil says that there
	// is no such file.
	Serve func(*Loot, File) []byte
	// Forges: Serve makes metadata of its own. Only a real client of the catalog can
	// judge that; where the catalog is a model there is nothing to try.
	Forges bool
}
