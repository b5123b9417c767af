package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/loader/link"
)

// Config is what an agent is made of. Host, Server, Transport, Loader, Catalog,
// Observer and Uptime are required.
type Config struct {
	Host hotstick.HostID
	// Server is the server's base address, such as https://10.0.2.2:7443.
	Server string
	// Transport carries check-ins; it authenticates the host.
	Transport http.RoundTripper
	Loader    link.Loader
	Catalog   Catalog
	Observer  Observer
	Probes    []Probe
	// Uptime is the boot's age. Check-in numbers are taken from it, so that they
	// rise within a boot also when the agent is restarted.
	Uptime func() time.Duration
	// Upkeep is called before each check-in, for what must be renewed in time. Nil
	// does nothing.
	Upkeep func(ctx context.Context)
	// Rest is called now and then when the agent has nothing to do. Nil does
	// nothing.
	Rest func()
	Log  *slog.Logger
}

// Catalog is the agent's own copy of the catalog, which it verifies before the
// loader does; catalog.Client is one. It is never called twice at once.
type Catalog interface {
	Refresh(ctx context.Context, now time.Time) (catalog.View, error)
	Load() (catalog.View, error)
	// Keep fetches an artifact to where the loader finds it.
	Keep(ctx context.Context, digest hotstick.Digest) (string, error)
}

// Observer is what the agent sees of its host.
type Observer interface {
	// Facts reads everything.
	Facts(ctx context.Context) (hotstick.Facts, error)
	// Patches reads the truth sources' lists of live patches only.
	Patches(ctx context.Context) ([]hotstick.LoadedPatch, error)
}

// Paces of the agent's own.
const (
	paceBusy  = 500 * time.Millisecond
	paceYoung = time.Second
	// young is how long after its start the agent calls the loader often: after a
	// boot the loader may apply a confirmed level by itself.
	young     = time.Minute
	paceFacts = 30 * time.Second
	paceRest  = time.Minute
	// gap is the shortest time between two check-ins.
	gap = 50 * time.Millisecond
	// longestWait bounds what a server may ask for between check-ins.
	longestWait = time.Hour
)

// Agent is one host's agent.
type Agent struct {
	cfg     Config
	talk    talk
	results chan result
	answers chan hotstick.Reading
	pace    []*pace

	// What follows belongs to Run's goroutine.

	host   hostState
	server serverState
	flight *flight
}

// New makes an agent.
func New(cfg Config) *Agent {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Upkeep == nil {
		cfg.Upkeep = func(context.Context) {}
	}
	if cfg.Rest == nil {
		cfg.Rest = func() {}
	}
	client := &http.Client{Transport: cfg.Transport, CheckRedirect: noRedirect}
	a := &Agent{cfg: cfg, talk: talk{server: cfg.Server, http: client}, results: make(chan result, 1), answers: make(chan hotstick.Reading)}
	a.host.readings = map[string]hotstick.Reading{}
	if view, err := cfg.Catalog.Load(); err == nil {
		a.server.version = view.Version
	}
	return a
}

// noRedirect: a server that sends its agents elsewhere is not ours.
func noRedirect(*http.Request, []*http.Request) error {
	return errors.New("cannot follow a redirection")
}

// Run works until the context ends.
func (a *Agent) Run(ctx context.Context) error {
	started := time.Now()
	for _, p := range a.cfg.Probes {
		pace := newPace()
		a.pace = append(a.pace, pace)
		go runProbe(ctx, p, pace, a.answers)
	}
	local, sync := time.NewTimer(0), time.NewTimer(0)
	defer local.Stop()
	defer sync.Stop()
	for {
		select {
		case <-ctx.Done():
			a.recall()
			return nil
		case <-local.C:
			a.call(ctx, link.Request{})
		case r := <-a.answers:
			a.heard(ctx, r)
		case <-sync.C:
			a.depart(ctx)
		case r := <-a.results:
			a.arrive(ctx, r)
		}
		local.Reset(a.untilCall(time.Since(started) < young))
		sync.Reset(a.untilSync())
	}
}

// heard takes a probe's answer. While the loader is at work it must know at once.
func (a *Agent) heard(ctx context.Context, r hotstick.Reading) {
	a.host.note(r)
	if a.host.loader.ProbesWanted {
		a.call(ctx, link.Request{})
	}
}

// untilCall is when to call the loader again.
func (a *Agent) untilCall(isYoung bool) time.Duration {
	switch {
	case a.host.loader.Busy:
		return max(0, paceBusy-time.Since(a.host.called))
	case isYoung || !a.host.reached:
		return max(0, paceYoung-time.Since(a.host.called))
	}
	return longestWait // the next check-in calls it
}

// untilSync is when to check in again. With news the check-in that the server
// holds open is recalled, and another one made.
func (a *Agent) untilSync() time.Duration {
	switch {
	case a.flight != nil && a.host.news && a.flight.held:
		a.recall()
		return longestWait
	case a.flight != nil:
		return longestWait
	case a.host.news && a.server.failures == 0:
		return max(0, gap-time.Since(a.server.departed))
	}
	return max(0, time.Until(a.server.due))
}

// recall ends a check-in under way; its result then says so.
func (a *Agent) recall() {
	if a.flight != nil {
		a.flight.cancel()
	}
}
