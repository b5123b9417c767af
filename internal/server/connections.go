package server

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// connections knows which open connections speak for which host, so that a host
// whose identity ends is cut off at once: held check-ins, downloads and connections
// that are only kept alike.
type connections struct {
	mu sync.Mutex
	// of has the host of each connection on which one was heard, by its connections.
	of map[hotstick.HostID]map[net.Conn]bool
	// host is the same the other way round, with when the store last said that the host
	// is one of ours.
	host map[net.Conn]*speaker
	// fresh are the connections over which no request came yet, the oldest first.
	fresh *list.List // of net.Conn
	place map[net.Conn]*list.Element
}

// speaker is the host of a connection.
type speaker struct {
	id    hotstick.HostID
	alive time.Time
}

// aliveFor is how long a connection's host needs no other look at the store. Where this
// server revokes it, the connection is cut at once; where another server does, this is
// how much later it is heard here at most.
const aliveFor = 2 * time.Second

// maxFresh is how many connections may be open over which no request came yet. When
// there are more the oldest is closed: whoever means to ask has asked long before.
const maxFresh = 10_000

func newConnections() *connections {
	return &connections{of: map[hotstick.HostID]map[net.Conn]bool{}, host: map[net.Conn]*speaker{},
		fresh: list.New(), place: map[net.Conn]*list.Element{}}
}

// opened notes a connection that was accepted.
func (c *connections) opened(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.place[conn] = c.fresh.PushBack(conn)
	if c.fresh.Len() > maxFresh {
		oldest := c.fresh.Remove(c.fresh.Front()).(net.Conn)
		delete(c.place, oldest)
		hangUp(oldest)
	}
}

type connectionKey struct{}

// accepted lets requests find the connection that they came over.
func (c *connections) accepted(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// changed follows a connection from its beginning to its end.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		c.opened(conn)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, fresh := c.place[conn]; fresh {
		c.fresh.Remove(e)
		delete(c.place, conn)
	}
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	s, known := c.host[conn]
	if !known {
		return
	}
	delete(c.host, conn)
	delete(c.of[s.id], conn)
	if len(c.of[s.id]) == 0 {
		delete(c.of, s.id)
	}
}

// speaks notes for which host the request's connection speaks, and reports whether that
// host was found alive a moment ago. It is called before the store is asked whether the
// host is revoked: a revocation that the store does not know yet finds the connection
// here.
func (c *connections) speaks(ctx context.Context, id hotstick.HostID, now time.Time) bool {
	conn, ok := ctx.Value(connectionKey{}).(net.Conn)
	if !ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, known := c.host[conn]; known {
		return s.id == id && !now.Before(s.alive) && now.Sub(s.alive) < aliveFor
	}
	c.host[conn] = &speaker{id: id}
	if c.of[id] == nil {
		c.of[id] = map[net.Conn]bool{}
	}
	c.of[id][conn] = true
	return false
}

// alive notes that the host of the request's connection was one of ours at a time.
func (c *connections) alive(ctx context.Context, at time.Time) {
	conn, ok := ctx.Value(connectionKey{}).(net.Conn)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, known := c.host[conn]; known {
		s.alive = at
	}
}

// cut closes every connection of a host.
func (c *connections) cut(id hotstick.HostID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.of[id] {
		hangUp(conn)
	}
}

// hangUp closes a connection without a farewell that a stalled peer could delay.
func hangUp(conn net.Conn) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close() // it may have ended by itself
}

// observe is called for each event of the audit log.
func (s *Server) observe(tx store.Tx, e store.Event) {
	s.metrics.observe(tx, e)
	if e.Kind == inventory.HostRevoked {
		s.serving.connections.cut(e.Host)
	}
}
