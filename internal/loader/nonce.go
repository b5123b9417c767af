package loader

import (
	"encoding/base64"
	"fmt"
	"io"
	"time"

	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/statement"
)

// grantLife is the longest life of a grant or an order, counted from the making
// of the nonce that it quotes.
const grantLife = statement.MaxGrantSeconds * time.Second

// nonces are the numbers that bind grants and orders to this process. A nonce is
// handed out for a third of its life and then replaced by a fresh one, so the
// server always has most of a minute; it is good for one change.
type nonces struct {
	life time.Duration
	made []madeNonce
}

type madeNonce struct {
	value string
	at    time.Duration
	used  bool
}

// maxNonces bounds those remembered: more than are made in one life.
const maxNonces = 16

// current returns the nonce to hand out now, making one if needed.
func (n *nonces) current(uptime time.Duration, random io.Reader) (string, error) {
	if k := len(n.made); k > 0 && !n.made[k-1].used && uptime-n.made[k-1].at < n.life/3 {
		return n.made[k-1].value, nil
	}
	var raw [24]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("cannot make a nonce: %w", err)
	}
	value := base64.RawURLEncoding.EncodeToString(raw[:])
	n.made = append(n.made, madeNonce{value: value, at: uptime})
	if len(n.made) > maxNonces {
		n.made = append([]madeNonce(nil), n.made[1:]...)
	}
	return value, nil
}

// nonceState is what a quoted nonce is worth. The set is closed.
type nonceState int

const (
	nonceGood nonceState = iota
	// nonceStale: made by another process or boot, or too long ago.
	nonceStale
	// nonceUsed: it has already started a change.
	nonceUsed
)

// judge says what a quoted nonce is worth for a document of the given life.
func (n *nonces) judge(value string, life, uptime time.Duration) nonceState {
	for _, m := range n.made {
		if m.value != value {
			continue
		}
		switch {
		case m.used:
			return nonceUsed
		case uptime-m.at > min(life, n.life) && !(planted.Bug("long-life-taken") && uptime-m.at <= life):
			return nonceStale
		}
		return nonceGood
	}
	return nonceStale
}

// use spends a nonce.
func (n *nonces) use(value string) {
	for i := range n.made {
		if n.made[i].value == value {
			n.made[i].used = true
		}
	}
}
