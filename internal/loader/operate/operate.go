// Package operate is how a person on the host speaks with its loader: over a Unix socket
// of its own, on which the kernel's word for the caller must be root. The agent's socket
// (package link) cannot do any of this: the agent is not trusted.
//
// A call is one JSON object on one line, at most [maxCall] bytes, unknown fields refused;
// the answer is one such line, and then the loader hangs up. Who the person is, the
// loader reads from the kernel: the login ID of the calling process, which sudo and su
// keep, or else its user ID.
package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
)

// Limits of one call and its answer, in bytes.
const (
	maxCall   = 8 << 10
	maxAnswer = 8 << 20
	maxReason = 256
	maxUnit   = 256
)

// Action is what a person asks for. The set is closed.
type Action string

// The actions.
const (
	// State and Journal change nothing.
	State   Action = "state"
	Journal Action = "journal"
	// Revert takes the newest level out, by the loader's own way back.
	Revert Action = "revert"
	// Hold keeps anything new from starting, Unhold lets it.
	Hold   Action = "hold"
	Unhold Action = "unhold"
	// Adopt takes over what another system has loaded, or puts that system on hold again;
	// Adopted says that its unit is on hold.
	Adopt   Action = "adopt"
	Adopted Action = "adopted"
	// Release gives it back; Released says that its unit is as it was.
	Release  Action = "release"
	Released Action = "released"
)

// Request is one call.
type Request struct {
	Action Action `json:"action"`
	// Reason is why, for Revert, Hold and Unhold; opaque.
	Reason string `json:"reason,omitempty"`
	// Unit is the other system's unit as it is now, for Adopt.
	Unit *Unit `json:"unit,omitempty"`
	// Forget ends a Release that cannot be done: nothing is given back, and that is written
	// down.
	Forget bool `json:"forget,omitempty"`
}

// Unit is a systemd unit as it is.
type Unit struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Active  bool   `json:"active"`
}

// Validate reports the first thing that is malformed.
func (r *Request) Validate() error {
	switch r.Action {
	case State, Journal, Revert, Hold, Unhold, Adopt, Adopted, Release, Released:
	default:
		return fmt.Errorf("cannot do %.40q: there is no such action", string(r.Action))
	}
	if len(r.Reason) > maxReason {
		return fmt.Errorf("cannot take a reason of %d bytes: the limit is %d", len(r.Reason), maxReason)
	}
	if r.Forget && r.Action != Release {
		return fmt.Errorf("cannot forget with %.40q: only a release can be given up", string(r.Action))
	}
	if r.Unit != nil && (r.Unit.Name == "" || len(r.Unit.Name) > maxUnit) {
		return errors.New("cannot use a unit without a name, or with a very long one")
	}
	return nil
}

// Answer is what the loader says. A refusal is an answer, too.
type Answer struct {
	State *HostState `json:"state,omitempty"`
	// Entries are the journal's newest, oldest first.
	Entries []journal.Entry `json:"entries,omitempty"`
	// Done says in words what was done; empty if nothing was.
	Done string `json:"done,omitempty"`
	// Refused is why nothing was done.
	Refused *hotstick.Reason `json:"refused,omitempty"`
	// Waiting says in words what has been begun and has not ended: whoever asks again is told
	// how it went.
	Waiting string `json:"waiting,omitempty"`
	// Unknown lists what stands against an adoption, in words.
	Unknown []string `json:"unknown,omitempty"`
	// Adoption is what was adopted, or is given back.
	Adoption *ledger.Adoption `json:"adoption,omitempty"`
}

// HostState is everything that a person may want to know of a loader.
type HostState struct {
	// Version is the loader's.
	Version string               `json:"version"`
	Host    hotstick.HostID      `json:"host,omitempty"`
	Build   hotstick.KernelBuild `json:"build"`
	// Link is what the agent is told, without the nonce.
	Link    link.Response    `json:"link"`
	Attempt *Attempt         `json:"attempt,omitempty"`
	Permit  *ledger.Permit   `json:"permit,omitempty"`
	Former  *ledger.Permit   `json:"former,omitempty"`
	Adopted *ledger.Adoption `json:"adopted,omitempty"`
	// Forgotten is the last system that was not given its settings back.
	Forgotten *ledger.Forgotten `json:"forgotten,omitempty"`
	// Masters are other systems that load live patches, as the loader sees them.
	Masters []hotstick.Master `json:"masters,omitempty"`
	// Schedule is why the adopted system is not on hold yet, or not given back; nil while
	// that is under way or there is nothing to do.
	Schedule *hotstick.Reason `json:"schedule,omitempty"`
	Catalog  CatalogState     `json:"catalog"`
	// Drivers are what each driver can do here.
	Drivers []hotstick.Capabilities `json:"drivers"`
	Health  Health                  `json:"health"`
}

// Attempt is the change under way.
type Attempt struct {
	Plan   hotstick.PlanID    `json:"plan,omitempty"`
	Patch  hotstick.PatchRef  `json:"patch"`
	Number int                `json:"number"`
	Phase  hotstick.HostState `json:"phase"`
	// ForMillis is how long the phase has lasted, LeftMillis how long it may last yet;
	// 0 if it is over its time.
	ForMillis  int64            `json:"for_millis"`
	LeftMillis int64            `json:"left_millis"`
	Reason     *hotstick.Reason `json:"reason,omitempty"`
}

// CatalogState is the loader's last trusted catalog.
type CatalogState struct {
	// Known: there is one.
	Known   bool  `json:"known"`
	Version int64 `json:"version,omitempty"`
	// Expires is when its signatures end, Refreshed when it was verified last.
	Expires   time.Time `json:"expires,omitzero"`
	Refreshed time.Time `json:"refreshed,omitzero"`
	// Strange: the loader was told another root than its ledger has pinned.
	Strange bool `json:"strange,omitempty"`
}

// Health is what keeps a loader from its work, in words; all empty if nothing does.
type Health struct {
	// Ledger is why the ledger cannot be used, or not be written.
	Ledger string `json:"ledger,omitempty"`
	// Sight is why the kernel does not say what is loaded.
	Sight string `json:"sight,omitempty"`
	// Log is why the kernel's log cannot be read, Crashes why the records of earlier
	// crashes cannot.
	Log     string `json:"log,omitempty"`
	Crashes string `json:"crashes,omitempty"`
}

// Caller is the person who calls, as the kernel of the host tells.
type Caller struct {
	// Name is the account that the person has logged in with.
	Name string
}

// Loader is the loader as a person on the host sees it.
type Loader interface {
	// Operate does what a person asks for, or says in the answer why not. It does not
	// wait for the kernel to have changed.
	Operate(ctx context.Context, who Caller, req Request) Answer
}
