package agent

import (
	"context"
	"errors"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/wire"
)

const (
	// holdSeconds is how long the server may hold a check-in. A nonce is at most a
	// third of a minute old when the check-in leaves, so a grant still has time.
	holdSeconds = 20
	// syncTime bounds one check-in beyond the time it may be held.
	syncTime = 30 * time.Second
	// doubtPace is how often the catalog is looked at for a refusal alone, with jitter.
	doubtPace = time.Minute
	// fetchTime bounds fetching what the catalog lists.
	fetchTime = 10 * time.Minute
	// Pauses after failures: the first, doubled each time, up to the longest.
	firstPause   = time.Second
	longestPause = time.Minute
)

// serverState is what the agent knows of its server. Times are uptimes.
type serverState struct {
	// acknowledged is the highest report that the server has stored.
	acknowledged uint64
	// protocol is the one that the server is spoken to in. If it is an older one, the
	// newest is tried again at newerDue.
	protocol int
	newerDue time.Duration
	// facts are those that the server has, and factsDigest is theirs; empty if it has none.
	facts       hotstick.Facts
	factsDigest hotstick.Digest
	// version is that of the agent's own catalog.
	version int64
	active  bool
	// failures counts check-ins that failed in a row.
	failures int
	departed time.Duration
	due      time.Duration
	seq      uint64
	rested   time.Duration
	// fetchDue is when missing artifacts may be fetched again.
	fetchDue time.Duration
	// behindUntil: before then the server is not asked for a catalog that it names and
	// that is older than ours, which a mirror had.
	behindUntil time.Duration
	// doubted: the loader refused something because its catalog does not know the
	// signers yet or has expired, although its version is ours. Then a root, or a
	// renewed timestamp, is missing, which no version tells of. From doubtDue on the
	// catalog is looked at for that.
	doubted  bool
	doubtDue time.Duration
}

// doubts reports whether the catalog is to be looked at although its version is the
// server's.
func (c *Core) doubts() bool { return c.server.doubted && c.cfg.Uptime() >= c.server.doubtDue }

// doubt takes what a refusal says of the catalog.
func (c *Core) doubt(r link.Refusal) {
	if code := r.Reason.Code; code == hotstick.ReasonCatalogUnknown || code == hotstick.ReasonCatalogExpired {
		c.server.doubted = c.server.doubted || c.host.loader.CatalogVersion == c.server.version
	}
}

// settleDoubt notes that the catalog was looked at, and reports whether the loader
// must do so too.
func (c *Core) settleDoubt(looked bool) bool {
	doubted := looked && c.server.doubted
	if doubted {
		c.server.doubted, c.server.doubtDue = false, c.cfg.Uptime()+c.jitter(doubtPace)
	}
	return doubted
}

// flight is a check-in or a fetch under way.
type flight struct {
	// req is nil for a fetch.
	req *wire.SyncRequest
	// resp is the answer while the catalog is brought up to date for it.
	resp     *wire.SyncResponse
	recalled bool
	// mirrored: a mirror was followed meanwhile.
	mirrored bool
}

func (f *flight) held() bool { return f.req != nil && f.req.HoldSeconds > 0 }

// depart starts a check-in.
func (c *Core) depart(ctx context.Context) Work {
	c.server.departed = c.cfg.Uptime()
	if err := c.observe(ctx); err != nil {
		c.cfg.Log.Error("cannot check in without the host's facts", "error", err)
		c.failed()
		return Work{}
	}
	req := c.request()
	c.host.news = false
	c.host.sent = max(c.host.sent, newest(req.Reports))
	c.flight = &flight{req: req}
	return Work{Sync: req, Within: syncTime + time.Duration(req.HoldSeconds)*time.Second}
}

// Arrive takes the server's answer to the check-in under way, or why there is
// none.
func (c *Core) Arrive(ctx context.Context, resp *wire.SyncResponse, err error) Work {
	f := c.flight
	switch {
	case errors.Is(err, context.Canceled):
		c.flight, c.server.due = nil, c.cfg.Uptime()
	case c.stepDown(f.req, err):
		c.flight, c.server.due = nil, c.cfg.Uptime()
	case err != nil:
		c.cfg.Log.Warn("cannot check in", "error", err, "failures", c.server.failures+1)
		c.flight = nil
		c.failed()
	case (resp.CatalogVersion != c.server.version || c.doubts()) && !f.recalled && !c.passOver(resp.CatalogVersion):
		f.resp = resp
		return c.ask(Work{Catalog: true, Within: fetchTime})
	default:
		return c.ask(c.take(ctx, f.req, resp))
	}
	return c.ask(Work{})
}

// Refreshed takes the result of bringing the catalog up to date: the version of
// the agent's copy, or why it is what it was. The answer that named the catalog
// is taken either way: the loader judges by what it has.
func (c *Core) Refreshed(ctx context.Context, version int64, err error) Work {
	switch f := c.flight; {
	case err != nil:
		c.cfg.Log.Warn("cannot take the server's catalog", "error", err)
		c.fellBehind(f.resp.CatalogVersion)
	case !f.mirrored || version > c.server.version: // of two at once, the newer is there
		c.server.version = version
	}
	return c.ask(c.take(ctx, c.flight.req, c.flight.resp))
}

// Fetched tells the loader to look at what was fetched.
func (c *Core) Fetched(ctx context.Context) Work {
	c.flight = nil
	c.call(ctx, link.Request{Catalog: true})
	return c.ask(Work{})
}

// take takes the answer to a check-in.
func (c *Core) take(ctx context.Context, req *wire.SyncRequest, resp *wire.SyncResponse) Work {
	looked := c.flight.resp != nil
	c.flight = nil
	s := &c.server
	s.failures, s.active = 0, resp.Active
	s.acknowledged = max(s.acknowledged, resp.Acknowledged)
	switch {
	case req.Facts != nil:
		s.facts, s.factsDigest = *req.Facts, req.FactsDigest
	case req.Delta != nil && c.host.factsDigest == req.FactsDigest:
		s.facts, s.factsDigest = c.host.facts, req.FactsDigest
	case req.Delta != nil: // the host was looked at again meanwhile
		s.facts, s.factsDigest = req.Delta.Apply(s.facts), req.FactsDigest
	}
	if resp.WantFacts {
		s.factsDigest = ""
	}
	c.host.refusals = c.host.refusals[min(len(req.Loader.Refusals), len(c.host.refusals)):]
	stale := c.settleDoubt(looked) || c.host.loader.CatalogVersion != s.version
	if stale || len(resp.Documents) > 0 || len(c.host.loader.Reports) > 0 {
		c.call(ctx, link.Request{Catalog: stale, Documents: resp.Documents})
		failpoint.Here(failpoint.AgentDocumentsTaken)
	}
	s.due = c.cfg.Uptime() + c.jitter(time.Duration(resp.NextMillis)*time.Millisecond)
	if resp.WantFacts {
		s.due = c.cfg.Uptime()
	}
	w := c.fetch()
	w.Rest = c.rest()
	return w
}

// fetch asks for the artifacts that the loader wants, if any.
func (c *Core) fetch() Work {
	wanted, now := c.host.loader.WantArtifacts, c.cfg.Uptime()
	if len(wanted) == 0 || now < c.server.fetchDue {
		return Work{}
	}
	c.server.fetchDue = now + firstPause
	c.flight = &flight{}
	return Work{Artifacts: wanted, Within: fetchTime}
}

// failed says when to try again: a pause that doubles, with jitter, so that a
// fleet does not come back in one second.
func (c *Core) failed() {
	pause := min(firstPause<<min(c.server.failures, 10), longestPause)
	c.server.failures++
	c.server.due = c.cfg.Uptime() + pause/2 + c.upTo(pause/2)
}

// jitter spreads a pace by a tenth to both sides.
func (c *Core) jitter(d time.Duration) time.Duration {
	d = min(max(d, gap), longestWait)
	return d - d/10 + c.upTo(d/5)
}

// upTo is a random time of at most d.
func (c *Core) upTo(d time.Duration) time.Duration {
	return time.Duration(c.cfg.Random.Int64N(int64(d) + 1))
}

// rest says now and then that memory may be given back, once the host is quiet.
func (c *Core) rest() bool {
	now := c.cfg.Uptime()
	if c.host.loader.Busy || now-c.server.rested < paceRest {
		return false
	}
	c.server.rested = now
	return true
}
