package api

import (
	"time"

	"github.com/hotstick/hotstick"
)

// AuthorityRequest asks for the next step of a change of the server's certificate
// authority.
type AuthorityRequest struct {
	Reason string `json:"reason"`
	// Finish puts the announced authority in the old one's place; without it the next
	// one is announced.
	Finish bool `json:"finish,omitempty"`
	// AtOnce finishes before every host has heard of the next authority.
	AtOnce bool `json:"at_once,omitempty"`
}

// Authority is the server's certificate authority.
type Authority struct {
	// Digest is what join lines carry.
	Digest hotstick.Digest `json:"digest"`
	// Next is the announced authority's, empty if there is none; Ready is when every
	// host that is up has heard of it.
	Next  hotstick.Digest `json:"next,omitempty"`
	Ready time.Time       `json:"ready,omitzero"`
	// Certificates in PEM are what clients trust.
	Certificates string `json:"certificates"`
}
