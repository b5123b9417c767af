package controller

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
)

// resendAfter is how long the server waits before it sends a host the same
// document again that the host does not say it has.
const resendAfter = 10 * time.Second

// sentLog remembers which documents a host was sent, so that a held check-in is
// not answered again and again with what is on its way. Losing it costs one
// repetition; every document may be repeated.
type sentLog struct {
	mu    sync.Mutex
	hosts map[hotstick.HostID]map[string]time.Time
	// grants keeps the newest grant of each host, so that a repeated check-in with
	// the same nonce gets the same grant.
	grants map[hotstick.HostID]issued
	// orders keeps the newest order to revert of each host.
	orders map[hotstick.HostID]order
}

// order is an order to revert that is out.
type order struct {
	document hotstick.Digest
	plan     hotstick.PlanID
}

// issued is a grant that is out, and what it was made for.
type issued struct {
	plan     hotstick.PlanID
	attempt  int
	nonce    string
	document json.RawMessage
}

func newSentLog() *sentLog {
	return &sentLog{hosts: map[hotstick.HostID]map[string]time.Time{}, grants: map[hotstick.HostID]issued{},
		orders: map[hotstick.HostID]order{}}
}

// due reports whether a document should be sent now, and if so remembers that
// it was.
func (m *sentLog) due(host hotstick.HostID, document string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	sent := m.hosts[host]
	if at, ok := sent[document]; ok && now.Sub(at) < resendAfter {
		return false
	}
	if sent == nil {
		sent = map[string]time.Time{}
		m.hosts[host] = sent
	}
	for key, at := range sent {
		if now.Sub(at) >= resendAfter {
			delete(sent, key)
		}
	}
	sent[document] = now
	return true
}

// grant returns the newest grant of the host if it is this one.
func (m *sentLog) grant(host hotstick.HostID, want issued) (json.RawMessage, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[host]
	if !ok || g.plan != want.plan || g.attempt != want.attempt || g.nonce != want.nonce {
		return nil, false
	}
	return g.document, true
}

func (m *sentLog) granted(host hotstick.HostID, g issued) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.grants[host] = g
}

// order remembers the order that a host is sent.
func (m *sentLog) order(host hotstick.HostID, o order) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orders[host] = o
}

// ordered returns the plan of the host's newest order, if the document is that.
func (m *sentLog) ordered(host hotstick.HostID, document hotstick.Digest) (hotstick.PlanID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.orders[host]
	return o.plan, ok && o.document == document
}
