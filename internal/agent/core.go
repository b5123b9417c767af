package agent

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/wire"
)

// CoreConfig is what a core is made of. All fields but Bell, CatalogVersion, Mirrors
// and Log are required.
type CoreConfig struct {
	Host hotstick.HostID
	// Loader and Observer are called within the core's own methods and must not
	// block for long.
	Loader   link.Loader
	Observer Observer
	// Bell returns the digest of the state that the loader has left word of, without a
	// call; empty if there is none (see [link.Response.State]). Nil: the loader is called
	// at each check-in.
	Bell func() hotstick.Digest
	// CatalogVersion is that of the agent's own copy of the catalog, 0 if there is
	// none.
	CatalogVersion int64
	// Uptime is the boot's age on a clock that never jumps. It is the only clock of
	// a core.
	Uptime func() time.Duration
	// Random spreads check-ins; two hosts must not share a seed.
	Random *rand.Rand
	// Mirrors is how many mirrors of the catalog there are to follow.
	Mirrors int
	Log     *slog.Logger
}

// Core is what an agent knows and decides: when to call the loader, when to check
// in and with what, what to do with an answer. It has no goroutine, no timer and
// no clock of its own, and does the same for the same inputs; its methods must
// not be called at once. The package comment tells how to drive one.
type Core struct {
	cfg     CoreConfig
	started time.Duration
	host    hostState
	server  serverState
	flight  *flight
	mirrors mirrors
}

// Work is what a core asks of its surroundings. At most one of Sync, Catalog and
// Artifacts is set, and none while an earlier one is under way.
type Work struct {
	// Sync is to be sent to the server; [Core.Arrive] takes the answer.
	Sync *wire.SyncRequest
	// Catalog: the agent's copy of the catalog is to be brought up to date;
	// [Core.Refreshed] takes the result.
	Catalog bool
	// Artifacts are to be fetched to where the loader finds them; [Core.Fetched] is
	// called when that was tried.
	Artifacts []hotstick.Digest
	// Mirror is the number, from 1 on, of a mirror that is to be followed, beside
	// whatever else is under way and without waiting for it; [Core.Mirrored] takes the
	// result. There is one such at a time; 0 is none.
	Mirror int
	// Within bounds what was asked for, counted from when it is begun. Afterwards it
	// has failed.
	Within time.Duration
	// Recall: what is under way is to be ended now. If it can be, its result is
	// context.Canceled.
	Recall bool
	// Rest: nothing is to be done for a while, so memory may be given back.
	Rest bool
}

// Never is a [Core.Due] of a core that only waits for a result.
const Never = time.Duration(math.MaxInt64)

// NewCore makes the core of an agent that starts now.
func NewCore(cfg CoreConfig) *Core {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Core{cfg: cfg, started: cfg.Uptime()}
	c.host.readings = map[string]hotstick.Reading{}
	c.host.called, c.server.departed = c.started-paceYoung, c.started-gap
	c.server.rested = c.started - paceRest
	c.server.protocol = wire.Protocol
	c.server.version, c.server.due, c.server.fetchDue = cfg.CatalogVersion, c.started, c.started
	c.spreadMirrors()
	return c
}

// Due is the uptime at which Wake is to be called.
func (c *Core) Due() time.Duration { return min(c.callDue(), c.syncDue(), c.mirrorDue()) }

// Watched reports whether an attempt is under way, so that the host's probes are to be
// asked often, and at once when it begins.
func (c *Core) Watched() bool { return c.host.loader.ProbesWanted }

// Wake does what is due. Called early it does nothing.
func (c *Core) Wake(ctx context.Context) Work {
	switch now := c.cfg.Uptime(); {
	case now >= c.syncDue():
		return c.ask(c.depart(ctx))
	case now >= c.mirrorDue():
		return c.ask(c.look())
	case now >= c.callDue():
		c.call(ctx, link.Request{})
	}
	return c.ask(Work{})
}

// Heard takes answers of probes. While the loader is at work it must know at once.
func (c *Core) Heard(ctx context.Context, readings ...hotstick.Reading) Work {
	for _, r := range readings {
		c.host.note(r)
	}
	if c.host.loader.ProbesWanted {
		c.call(ctx, link.Request{})
	}
	return c.ask(Work{})
}

// callDue is when to call the loader again.
func (c *Core) callDue() time.Duration {
	switch {
	case c.host.loader.Busy:
		return c.host.called + paceBusy
	case !c.host.reached || c.cfg.Uptime()-c.started < young:
		return c.host.called + paceYoung
	}
	return Never // the next check-in calls it, or finds that it may rest
}

// syncDue is when to check in again.
func (c *Core) syncDue() time.Duration {
	switch {
	case c.flight != nil:
		return Never
	case c.host.news && c.server.failures == 0:
		return c.server.departed + gap
	}
	return c.server.due
}

// ask adds to what is asked for: a check-in that the server holds open is
// recalled when there is news, so that another one can carry them.
func (c *Core) ask(w Work) Work {
	if f := c.flight; f != nil && f.held() && c.host.news && !f.recalled {
		f.recalled, w.Recall = true, true
	}
	return w
}
