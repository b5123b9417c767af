// Package api holds the public requests and responses of the operator API, as
// plain types that the server, the console and the Go client share.
//
// The API is JSON over HTTPS under /api/v1. Errors are RFC 9457 problems
// ([Problem]) with a code, a message and a hint. Lists are paged with opaque
// tokens. Times are RFC 3339 in UTC. Text for people (fields named text) is made
// by the server from typed reasons; programs should read the codes beside it.
package api

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Reason is a typed reason with its text for people.
type Reason struct {
	hotstick.Reason
	// Text is one sentence.
	Text string `json:"text"`
	// Changes says what would change it; empty if nothing is needed or time alone
	// does it.
	Changes string `json:"changes,omitempty"`
}

// Problem is an error answer (application/problem+json).
type Problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Code is for programs, such as not_found, conflict, refused.
	Code string `json:"code"`
	// Hint says what to do about it.
	Hint string `json:"hint,omitempty"`
}

// Version describes the server.
type Version struct {
	Version   string `json:"version"`
	Revision  string `json:"revision,omitempty"`
	GoVersion string `json:"go_version"`
	Protocol  int    `json:"protocol"`
}

// JoinTokenRequest asks for a join token.
type JoinTokenRequest struct {
	// TTLSeconds is the token's life, 60 to 604800; 0 means one hour.
	TTLSeconds int `json:"ttl_seconds,omitempty"`
	// Group are labels that a host must have to join with it, and keep.
	Group map[string]string `json:"group,omitempty"`
	// Hosts is how many hosts may join with it; 0 means one.
	Hosts int `json:"hosts,omitempty"`
}

// JoinToken is shown once and stored only as a digest.
type JoinToken struct {
	// ID names the token without being it.
	ID      string            `json:"id"`
	Token   string            `json:"token"`
	Expires time.Time         `json:"expires"`
	Group   map[string]string `json:"group,omitempty"`
	Hosts   int               `json:"hosts"`
	// Command is the one line to run on the new host.
	Command string `json:"command"`
}

// JoinTokenList are the join tokens that may still be used, oldest first.
type JoinTokenList struct {
	Tokens []JoinTokenState `json:"tokens"`
}

// JoinTokenState is what the server knows of a join token: not the token.
type JoinTokenState struct {
	ID      string            `json:"id"`
	Made    time.Time         `json:"made"`
	By      hotstick.Person   `json:"by,omitempty"`
	Expires time.Time         `json:"expires"`
	Group   map[string]string `json:"group,omitempty"`
	// Hosts is for how many hosts it was made, Joined how many have used it.
	Hosts  int `json:"hosts"`
	Joined int `json:"joined"`
}

// Event is one entry of the audit log.
type Event struct {
	Seq   int64           `json:"seq"`
	At    time.Time       `json:"at"`
	Kind  string          `json:"kind"`
	Actor string          `json:"actor,omitempty"`
	Plan  hotstick.PlanID `json:"plan,omitempty"`
	Host  hotstick.HostID `json:"host,omitempty"`
	// HostName is the host's name then, opaque.
	HostName string              `json:"host_name,omitempty"`
	Patch    hotstick.PatchRef   `json:"patch"`
	State    string              `json:"state,omitempty"`
	Reason   *Reason             `json:"reason,omitempty"`
	Evidence []hotstick.Evidence `json:"evidence,omitempty"`
	Text     string              `json:"text"`
}

// EventList is a page of the audit log, newest first.
type EventList struct {
	Events []Event `json:"events"`
	Next   string  `json:"next,omitempty"`
}

// Change is what the live stream (/api/v1/stream) sends: something changed, so
// views of these things should be read again.
type Change struct {
	Seq  int64           `json:"seq"`
	Kind string          `json:"kind"`
	Plan hotstick.PlanID `json:"plan,omitempty"`
	Host hotstick.HostID `json:"host,omitempty"`
}
