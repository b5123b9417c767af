package server

import (
	"bytes"
	"crypto/tls"
	"sync"
	"time"

	"github.com/hotstick/hotstick/internal/identity"
)

// certificates makes the server's own certificate and renews it in time.
type certificates struct {
	authority *identity.Authority
	names     []string
	now       func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
}

// get returns a certificate that is in the first half of its life and comes from the
// authority of the moment.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.current != nil && now.Before(c.current.Leaf.NotAfter.Add(-identity.ServerLife/2)) && bytes.Equal(c.current.Certificate[1], c.authority.Certificate()) {
		return c.current, nil
	}
	made, err := c.authority.ServerCertificate(c.names, now)
	if err != nil {
		return nil, err
	}
	c.current = &made
	return c.current, nil
}

// config asks for client certificates without judging them: TLS proves that the
// peer has the key, and every request is then judged by its route's rule. A
// certificate that has just expired must still reach the route that renews it.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: c.get,
		ClientAuth:     tls.RequestClientCert,
		NextProtos:     []string{"h2", "http/1.1"},
	}
}
