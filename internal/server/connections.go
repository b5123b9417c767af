package server

import (
	"context"
	"net"
	"net/http"
	"sync"

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
	// host is the same the other way round.
	host map[net.Conn]hotstick.HostID
}

func newConnections() *connections {
	return &connections{of: map[hotstick.HostID]map[net.Conn]bool{}, host: map[net.Conn]hotstick.HostID{}}
}

type connectionKey struct{}

// accepted lets requests find the connection that they came over.
func (c *connections) accepted(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// changed forgets connections that have ended.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id, known := c.host[conn]
	if !known {
		return
	}
	delete(c.host, conn)
	delete(c.of[id], conn)
	if len(c.of[id]) == 0 {
		delete(c.of, id)
	}
}

// speaks notes for which host the request's connection speaks. It is called before
// the store is asked whether the host is revoked: a revocation that the store does
// not know yet finds the connection here.
func (c *connections) speaks(ctx context.Context, id hotstick.HostID) {
	conn, ok := ctx.Value(connectionKey{}).(net.Conn)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.host[conn]; known {
		return
	}
	c.host[conn] = id
	if c.of[id] == nil {
		c.of[id] = map[net.Conn]bool{}
	}
	c.of[id][conn] = true
}

// cut closes every connection of a host, without a farewell that a stalled peer
// could delay.
func (c *connections) cut(id hotstick.HostID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.of[id] {
		if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
			conn = secure.NetConn()
		}
		_ = conn.Close() // it may have ended by itself
	}
}

// observe is called for each event of the audit log.
func (s *Server) observe(tx store.Tx, e store.Event) {
	s.metrics.observe(tx, e)
	if e.Kind == inventory.HostRevoked {
		s.serving.connections.cut(e.Host)
	}
}
