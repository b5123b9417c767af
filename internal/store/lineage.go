package store

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Lineage is what tells a host from its clones: who spoke under its identity.
// internal/inventory decides by it.
type Lineage struct {
	// Now is who spoke last; its Seq and Seen are the host's and not kept here.
	Now Life `json:"now"`
	// Past are those that another followed, oldest first.
	Past []Life `json:"past,omitempty"`
	// Returns counts how often, since Since, one of the past spoke again after
	// another.
	Returns int       `json:"returns,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	// Speaker is which of the past spoke last, by its place in Past and from 1; 0 is
	// Now.
	Speaker int `json:"speaker,omitempty"`
	// Cloned is set while two machines are known to use the identity.
	Cloned *Clone `json:"cloned,omitempty"`
}

// Life is one machine in one boot with one TLS key, as far as can be told apart.
type Life struct {
	Boot string `json:"boot,omitempty"`
	// Key is the digest of the TLS certificate.
	Key hotstick.Digest `json:"key,omitempty"`
	// Machine is the machine ID, Hardware what names the hardware; empty where the
	// host does not tell.
	Machine  string `json:"machine,omitempty"`
	Hardware string `json:"hardware,omitempty"`
	// Seq is the highest check-in number of this life, Seen when it came.
	Seq  uint64    `json:"seq,omitempty"`
	Seen time.Time `json:"seen,omitzero"`
}

// Clone says since when an identity is known to be used twice, and in what the two
// differ.
type Clone struct {
	At       time.Time           `json:"at"`
	Evidence []hotstick.Evidence `json:"evidence,omitempty"`
}

// Clone returns what a store keeps of l.
func (l Lineage) Clone() Lineage {
	l.Now.Seen, l.Since = Instant(l.Now.Seen), Instant(l.Since)
	l.Past = deep(l.Past, func(p Life) Life { p.Seen = Instant(p.Seen); return p })
	if l.Cloned != nil {
		c := *l.Cloned
		c.At, c.Evidence = Instant(c.At), list(c.Evidence)
		l.Cloned = &c
	}
	return l
}
