package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/loader/link"
)

const (
	// mirrorPace is how often each mirror is followed, with jitter.
	mirrorPace = 15 * time.Minute
	// mirrorSpread is the time after the start in which each is followed first.
	mirrorSpread = 2 * time.Minute
	// mirrorTime bounds following one mirror.
	mirrorTime = 5 * time.Minute
	// Pauses after failures: the first, doubled each time, up to the longest.
	firstMirrorPause   = time.Minute
	longestMirrorPause = time.Hour
)

// mirrors is what the agent knows of the mirrors that its host's configuration
// names. They are followed at a pace of their own, whatever the server says or does
// not say: that is what they are for.
type mirrors struct {
	list []mirrorState
	// following is the number of the one that is being followed, 0 if none is.
	following int
}

// mirrorState is what the agent knows of one mirror. Due is an uptime.
type mirrorState struct {
	due time.Duration
	// failures counts looks in a row that gave no catalog.
	failures int
	// state and recalls are what was told of it last.
	state   catalog.MirrorState
	recalls int
}

func (c *Core) spreadMirrors() {
	c.mirrors.list = make([]mirrorState, c.cfg.Mirrors)
	for i := range c.mirrors.list {
		c.mirrors.list[i].due = c.started + c.upTo(mirrorSpread)
	}
}

// mirrorDue is when to follow a mirror again.
func (c *Core) mirrorDue() time.Duration {
	due := Never
	if c.mirrors.following != 0 {
		return due
	}
	for _, m := range c.mirrors.list {
		due = min(due, m.due)
	}
	return due
}

// look asks for the mirror that has waited longest.
func (c *Core) look() Work {
	first := 0
	for i, m := range c.mirrors.list {
		if m.due < c.mirrors.list[first].due {
			first = i
		}
	}
	c.mirrors.following = first + 1
	return Work{Mirror: first + 1, Within: mirrorTime}
}

// Mirrored takes what came of following a mirror: its report, and the version of the
// agent's copy if it was taken from there, else 0. The loader is told of whatever is
// new, whether the server knows of it or not.
func (c *Core) Mirrored(ctx context.Context, version int64, report catalog.MirrorReport) Work {
	m := &c.mirrors.list[c.mirrors.following-1]
	c.mirrors.following = 0
	c.tellMirror(m, report)
	switch report.State {
	case catalog.MirrorCurrent, catalog.MirrorBehind:
		m.failures = 0
		m.due = c.cfg.Uptime() + c.jitter(mirrorPace)
	default:
		pause := min(firstMirrorPause<<min(m.failures, 10), longestMirrorPause)
		m.failures++
		m.due = c.cfg.Uptime() + pause/2 + c.upTo(pause/2)
	}
	news := version != 0 && version != c.server.version
	if news {
		c.cfg.Log.Info("a mirror had a newer catalog", "mirror", report.Name, "version", version, "before", c.server.version)
		c.server.version = version
	}
	if c.flight != nil {
		c.flight.mirrored = true
	}
	if !news && report.Recalls == 0 {
		return c.ask(Work{})
	}
	c.call(ctx, link.Request{Catalog: true})
	if c.flight != nil {
		return c.ask(Work{})
	}
	return c.ask(c.fetch())
}

// tellMirror logs what has changed about a mirror.
func (c *Core) tellMirror(m *mirrorState, r catalog.MirrorReport) {
	if r.State != m.state {
		level := slog.LevelInfo
		switch r.State {
		case catalog.MirrorLies:
			level = slog.LevelError
		case catalog.MirrorAway, catalog.MirrorExpired:
			level = slog.LevelWarn
		}
		c.cfg.Log.Log(context.Background(), level, "a mirror of the catalog is "+string(r.State), "mirror", r.Name, "error", r.Err)
	}
	if r.Recalls > m.recalls {
		c.cfg.Log.Warn("a mirror has recalls that the catalog lacks: does somebody hold them back?", "mirror", r.Name, "recalls", r.Recalls)
	}
	m.state, m.recalls = r.State, r.Recalls
}

// passOver reports whether a catalog that the server names is not worth asking for: a
// mirror had a newer one, and the server's was refused for that not long ago. It may
// still be right: who replaces stolen online keys may count from 1 again.
func (c *Core) passOver(version int64) bool {
	return version < c.server.version && c.cfg.Uptime() < c.server.behindUntil
}

// fellBehind notes that the server's catalog was refused.
func (c *Core) fellBehind(version int64) {
	if len(c.mirrors.list) == 0 || version >= c.server.version {
		return
	}
	c.cfg.Log.Warn("the server's catalog is older than what this host has: does somebody hold the newer one back?",
		"server", version, "host", c.server.version)
	c.server.behindUntil = c.cfg.Uptime() + mirrorPace
}
