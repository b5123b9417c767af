// Package wire holds the messages between agent and server, the only thing that
// the two share.
//
// An agent enrols once with a single-use join token and its own two keys: the
// identity key, which names the host for ever, and the TLS key. From then on it
// speaks mutual TLS only and calls one endpoint, sync, at the pace that the last
// answer gave. Catalog files are fetched over the same connection.
//
//	POST /agent/v1/enroll                 EnrollRequest -> EnrollResponse   (join token)
//	POST /agent/v1/sync                   SyncRequest   -> SyncResponse     (mutual TLS)
//	POST /agent/v1/renew                  RenewRequest  -> RenewResponse    (mutual TLS)
//	GET  /agent/v1/authority              AuthorityResponse                 (open)
//	GET  /agent/v1/roots/{file}           a root of the catalog             (mutual TLS)
//	GET  /agent/v1/catalog/{file}         a metadata file of the catalog    (mutual TLS)
//	GET  /agent/v1/catalog/targets/{file} an artifact                       (mutual TLS)
//
// Decoding is strict: unknown and duplicate fields, trailing bytes and messages
// above the limits are refused (see [Decode]).
//
// # Protocol versions
//
// Protocol is one rising number. History:
//
//	1  2026-11-21  first version; the answer tells of the audit log where the
//	               agent asks for it
//
//	2  2026-11-22  loaders that rest, stalls, crash prints, measures, other masters, what the ledger
//	               expects, holds and the off-switch of a host
//
// This build also speaks [Oldest]: an agent whose server refuses its protocol speaks
// an older one until the server's next restart or an hour has passed, and a server
// answers in the protocol that it was asked in. A field that an older protocol lacks
// is tagged since:"N" and left out there (see strictjson.MarshalAsOf).
//
// What an agent did not ask for is not sent to it, so that agents and servers of
// one protocol understand each other. The messages of this protocol, field by
// field, are in testdata/messages.golden.
package wire

import (
	"encoding/json"
	"time"

	"github.com/hotstick/hotstick"
)

// Protocol is the newest protocol version that this build speaks, Oldest the oldest.
const (
	Protocol = 2
	Oldest   = 1
)

// Limits in bytes of one message in each direction.
const (
	MaxEnrollBytes   = 64 << 10
	MaxRequestBytes  = 4 << 20
	MaxResponseBytes = 16 << 20
)

// EnrollRequest turns a single-use join token into a certificate.
type EnrollRequest struct {
	Protocol int    `json:"protocol"`
	Token    string `json:"token"`
	// Identity is the host's Ed25519 identity public key (32 bytes).
	Identity []byte `json:"identity"`
	// Request is a PKCS #10 certificate request in DER for the TLS key.
	Request []byte `json:"request"`
	// Proof is the identity key's signature over Request.
	Proof    []byte `json:"proof"`
	Hostname string `json:"hostname"`
	// Labels are the host's own; the join token may be for hosts with some only.
	Labels map[string]string `json:"labels,omitempty"`
}

// EnrollResponse gives the host its certificate and its first trust.
type EnrollResponse struct {
	Host hotstick.HostID `json:"host"`
	// Certificate is the client certificate in DER.
	Certificate []byte `json:"certificate"`
	// Authority is the server's CA certificate in DER. The agent has checked it
	// against the fingerprint in its join line before it sent the token.
	Authority []byte `json:"authority"`
	// Root is the catalog's root metadata, whose digest the join line carried.
	Root []byte `json:"root"`
}

// RenewRequest asks for a fresh certificate for a new TLS key.
type RenewRequest struct {
	Request []byte `json:"request"`
	Proof   []byte `json:"proof"`
}

// RenewResponse carries the new certificate in DER.
type RenewResponse struct {
	Certificate []byte `json:"certificate"`
}

// AuthorityResponse carries the statements that name the server's certificate
// authorities, each after the one before. It is worth what their signatures are.
type AuthorityResponse struct {
	Authorities []json.RawMessage `json:"authorities"`
}

// SyncRequest is the agent's check-in.
type SyncRequest struct {
	Protocol int             `json:"protocol"`
	Host     hotstick.HostID `json:"host"`
	// Boot is the current boot; Seq rises with each check-in of this boot.
	Boot string `json:"boot"`
	Seq  uint64 `json:"seq"`
	// FactsDigest is the digest of the facts as sent last or now; the server
	// asks for them again if it does not have them.
	FactsDigest hotstick.Digest `json:"facts_digest"`
	Facts       *hotstick.Facts `json:"facts,omitempty"`
	// Delta stands for Facts where the server has those of its Base. A server that has
	// others asks for the facts.
	Delta *hotstick.FactsDelta `json:"delta,omitempty" since:"2"`
	// Patches is the truth source's list at this moment, in every check-in.
	Patches []hotstick.LoadedPatch `json:"patches,omitempty"`
	Loader  LoaderState            `json:"loader"`
	Reports []hotstick.Report      `json:"reports,omitempty"`
	// Readings are the newest answers of this host's probes.
	Readings []hotstick.Reading `json:"readings,omitempty"`
	// HoldSeconds is how long the server may hold its answer until something
	// changes for this host; 0 asks for an answer now.
	HoldSeconds int `json:"hold_seconds,omitempty"`
	// Audit says what the agent remembers of the audit log; without it the answer has
	// no checkpoint.
	Audit *AuditSeen `json:"audit,omitempty"`
	// Key is the digest of the certificate of the connection that the check-in came
	// over. The server sets it; no message carries it.
	Key hotstick.Digest `json:"-"`
}

// LoaderState is the part of the loader's state that the server needs.
type LoaderState struct {
	// Nonce is quoted by a grant; only the loader that made it accepts the grant.
	Nonce          string              `json:"nonce"`
	InEffect       hotstick.PatchRef   `json:"in_effect"`
	Busy           bool                `json:"busy"`
	Plans          []hotstick.PlanID   `json:"plans,omitempty"`
	CatalogVersion int64               `json:"catalog_version"`
	Strikes        []hotstick.PatchRef `json:"strikes,omitempty"`
	Bans           []hotstick.PatchRef `json:"bans,omitempty"`
	// Recalls are patches that a recall keeps from this host.
	Recalls []hotstick.PatchRef `json:"recalls,omitempty"`
	// Root is the digest of the catalog's root that the loader has pinned, if a person
	// pinned it in the place of the first.
	Root hotstick.Digest `json:"root,omitempty"`
	// Refusals tells which documents the loader refused since the last check-in.
	Refusals []DocumentRefusal `json:"refusals,omitempty"`
	// Expected is the level that should be in effect in this boot as far as the ledger
	// goes; nil where it says nothing, such as during an attempt.
	Expected *hotstick.PatchRef `json:"expected,omitempty" since:"2"`
	// Stall is the transition that does not end now; nil if none.
	Stall *hotstick.Stall `json:"stall,omitempty" since:"2"`
	// Hold is set while a person on the host holds it.
	Hold *hotstick.HostHold `json:"hold,omitempty" since:"2"`
	// Off says what switches Hotstick off on the host: file or command_line; empty if
	// nothing does.
	Off string `json:"off,omitempty" since:"2"`
	// Resting: the loader has nothing to do and was not called for this check-in, for
	// nothing is new: all this is what it said last. There is no nonce then.
	Resting bool `json:"resting,omitempty" since:"2"`
}

// Heard reports whether this is what a loader says of itself, and not the silence of one
// that could not be reached.
func (s LoaderState) Heard() bool { return s.Nonce != "" || s.Resting }

// DocumentRefusal says which document a loader refused and why.
type DocumentRefusal struct {
	Document hotstick.Digest `json:"document"`
	Reason   hotstick.Reason `json:"reason"`
}

// SyncResponse is the server's answer.
type SyncResponse struct {
	// NextMillis is when to check in again; the agent adds jitter.
	NextMillis int `json:"next_millis"`
	// Active asks the agent to hold its check-ins open (HoldSeconds) while the
	// host is in an active rollout.
	Active bool `json:"active"`
	// WantFacts asks for full facts in the next check-in.
	WantFacts bool `json:"want_facts,omitempty"`
	// Acknowledged is the highest report sequence number that is stored.
	Acknowledged uint64 `json:"acknowledged"`
	// CatalogVersion is the newest snapshot version; an agent with an older one
	// fetches.
	CatalogVersion int64 `json:"catalog_version"`
	// Documents are DSSE envelopes for the loader: plans that list this host,
	// its grant, bans, halts and orders to revert.
	Documents []json.RawMessage `json:"documents,omitempty"`
	// ServerTime is for skew warnings only.
	ServerTime time.Time `json:"server_time"`
	// Audit is the server's newest checkpoint, if the agent asked and has another.
	Audit *AuditNews `json:"audit,omitempty"`
}
