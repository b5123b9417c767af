// Package link is how an agent speaks with the loader on its host: one call,
// [Loader.Exchange], over a Unix socket in production and directly in one
// process.
//
// The agent is untrusted input to the loader. It hands over signed documents,
// which the loader verifies again, and its own probes' readings, which can make
// the loader revert a patch sooner but never load one. The loader answers with
// its state and the reports that the server has not acknowledged.
//
// On the socket each call is one JSON object on one line in each direction, at
// most [MaxFrame] bytes, unknown fields refused.
package link

import (
	"context"
	"encoding/json"

	"github.com/hotstick/hotstick"
)

// MaxFrame bounds one call in either direction, in bytes.
const MaxFrame = 16 << 20

// Loader is the loader as the agent sees it.
type Loader interface {
	// Exchange hands over what the agent has and returns the loader's state. It
	// never waits for a change of the kernel.
	Exchange(ctx context.Context, req Request) (Response, error)
}

// Protocol is the newest version of the calls that this build speaks. The client falls
// back to the first where an older loader refuses it; a loader answers in the version
// that it was asked in. A field that an older version lacks is tagged since:"N".
const Protocol = 2

// Request is what the agent hands to the loader.
type Request struct {
	// Protocol is the version of the call; absent in the first.
	Protocol int `json:"protocol,omitempty" since:"2"`
	// Catalog asks the loader to read the catalog files that the agent put into
	// the shared staging directory.
	Catalog bool `json:"catalog,omitempty"`
	// Documents are DSSE envelopes as the server sent them: plans, grants, bans,
	// halts and orders to revert, in any order.
	Documents []json.RawMessage `json:"documents,omitempty"`
	// Readings are the answers of the agent's own probes since the last call.
	// A call, even with none, is the agent's sign of life.
	Readings []hotstick.Reading `json:"readings,omitempty"`
	// Acknowledged is the highest report sequence number that the server has.
	Acknowledged uint64 `json:"acknowledged"`
}

// Response is the loader's state.
type Response struct {
	// Boot is the boot ID as the loader reads it.
	Boot string `json:"boot"`
	// Nonce binds a grant to this loader process; it lives for a minute.
	Nonce string `json:"nonce"`
	// InEffect is the level that runs now, zero for the kernel as it booted.
	InEffect hotstick.PatchRef `json:"in_effect"`
	// Busy tells that an attempt is under way, or that its end is not on disk yet and
	// therefore not among Reports; the agent then calls more often.
	Busy bool `json:"busy"`
	// ProbesWanted tells the agent to run its health probes now.
	ProbesWanted bool `json:"probes_wanted"`
	// Plans lists the plans that this loader has verified and taken to its
	// ledger, so the server knows whom the announcement has reached.
	Plans []hotstick.PlanID `json:"plans,omitempty"`
	// CatalogVersion is the version of the newest catalog snapshot it verified.
	CatalogVersion int64 `json:"catalog_version"`
	// WantArtifacts lists artifacts of known plans and permits whose bytes are not
	// staged yet.
	WantArtifacts []hotstick.Digest `json:"want_artifacts,omitempty"`
	// Reports are those above Acknowledged, oldest first, at most MaxReports.
	Reports []hotstick.Report `json:"reports,omitempty"`
	// Keys are those that the kernel takes module signatures from; empty if unknown.
	Keys []hotstick.KernelKey `json:"keys,omitempty"`
	// Strikes lists patches that this host never arms again without a clear.
	Strikes []hotstick.PatchRef `json:"strikes,omitempty"`
	// Bans lists patches that the ledger holds as banned.
	Bans []hotstick.PatchRef `json:"bans,omitempty"`
	// Recalls lists patches that a recall keeps from this host.
	Recalls []hotstick.PatchRef `json:"recalls,omitempty"`
	// Root is the digest of the catalog's root, if a person has pinned another in the
	// place of the first.
	Root hotstick.Digest `json:"root,omitempty"`
	// Refusals says which documents were refused in this call, and why.
	Refusals []Refusal `json:"refusals,omitempty"`
	// Expected is the level that should be in effect in this boot as far as the ledger
	// goes; nil where it says nothing, such as during an attempt.
	Expected *hotstick.PatchRef `json:"expected,omitempty" since:"2"`
	// Stall is the transition that does not end now; nil if none.
	Stall *hotstick.Stall `json:"stall,omitempty" since:"2"`
	// Hold is set while a person on the host holds it: nothing starts, reverts go on.
	Hold *hotstick.HostHold `json:"hold,omitempty" since:"2"`
	// Off says what switches Hotstick off on the host (see [hotstick.OffByFile]); empty
	// if nothing does.
	Off string `json:"off,omitempty" since:"2"`
	// Rooted are the live patches that only root can see, of drivers whose truth is so;
	// Drivers are what those drivers can do, and what those can that schedule themselves.
	Rooted  []hotstick.LoadedPatch  `json:"rooted,omitempty" since:"2"`
	Drivers []hotstick.Capabilities `json:"drivers,omitempty" since:"2"`
	// Adopted lists the systems (see [hotstick.Master]) from which a level was taken over.
	// AdoptedFor is the driver for which it was, and Lifted is set while that system was on
	// hold and is not any more.
	Adopted    []string       `json:"adopted,omitempty" since:"2"`
	AdoptedFor string         `json:"adopted_for,omitempty" since:"2"`
	Lifted     *hotstick.Lift `json:"lifted,omitempty" since:"2"`
	// Tracing says who else has hooked into the kernel's functions, as of the loader's last
	// look; zero if it cannot tell.
	Tracing hotstick.TracingFacts `json:"tracing,omitzero" since:"2"`
}

// Refusal tells why a document was not taken.
type Refusal struct {
	// Document is the digest of the refused envelope.
	Document hotstick.Digest `json:"document"`
	Reason   hotstick.Reason `json:"reason"`
}
