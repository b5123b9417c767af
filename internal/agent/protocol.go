package agent

import (
	"errors"
	"net/http"
	"time"

	"github.com/hotstick/hotstick/internal/wire"
)

// paceNewer is how often an agent that speaks an older protocol tries the newest.
const paceNewer = time.Hour

// speak returns the protocol of the next check-in.
func (c *Core) speak() int {
	if c.server.protocol < wire.Protocol && c.cfg.Uptime() >= c.server.newerDue {
		c.use(wire.Protocol)
	}
	return c.server.protocol
}

// use changes the protocol. Facts are sent again, for another protocol has others.
func (c *Core) use(protocol int) {
	if c.server.protocol != protocol {
		c.server.protocol, c.server.factsDigest = protocol, ""
	}
}

// stepDown takes an older protocol if the server says that it cannot read this one,
// and reports whether it did. A server says so of any message that is malformed; what
// is malformed in the oldest protocol too is an error like any other.
func (c *Core) stepDown(req *wire.SyncRequest, err error) bool {
	var status *StatusError
	if !errors.As(err, &status) || status.Status != http.StatusBadRequest || req.Protocol <= wire.Oldest {
		return false
	}
	c.use(req.Protocol - 1)
	c.server.newerDue = c.cfg.Uptime() + c.jitter(paceNewer)
	c.cfg.Log.Info("the server is older; it is spoken to in an older protocol", "protocol", c.server.protocol, "said", status.Text)
	return true
}
