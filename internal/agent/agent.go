package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/failpoint"
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
	// Bell says without a call whether the loader has something new (see [CoreConfig]).
	Bell    func() hotstick.Digest
	Catalog Catalog
	// Mirrors are other places that have the catalog and its artifacts. The server
	// knows nothing of them and cannot change them.
	Mirrors  []catalog.Mirror
	Observer Observer
	Probes   []probe.Probe
	// Uptime is the boot's age. Check-in numbers are taken from it, so that they
	// rise within a boot also when the agent is restarted.
	Uptime func() time.Duration
	// Upkeep is called before each check-in, for what must be renewed in time. Nil
	// does nothing.
	Upkeep func(ctx context.Context)
	// Rest is called now and then when the agent has nothing to do. Nil does
	// nothing.
	Rest func()
	// Told is called after each check-in, answered or not, and when the loader's state
	// has changed. Nil does nothing.
	Told func(Told)
	// Audit remembers checkpoints of the server's audit log. Nil remembers nothing.
	Audit *audit.Memory
	Log   *slog.Logger
}

// Catalog is the agent's own copy of the catalog, which it verifies before the
// loader does; catalog.Client is one. It is safe for concurrent use.
type Catalog interface {
	Refresh(ctx context.Context, now time.Time) (catalog.View, error)
	// Follow does the same from mirrors, and keeps no Refresh waiting.
	Follow(ctx context.Context, now time.Time, mirrors ...catalog.Mirror) (catalog.View, []catalog.MirrorReport, error)
	Load() (catalog.View, error)
	// Keep fetches an artifact to where the loader finds it, from the others if the
	// server does not give it.
	Keep(ctx context.Context, digest hotstick.Digest, others ...catalog.Fetcher) (string, error)
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

// Agent is one host's agent: a [Core] with its surroundings.
type Agent struct {
	cfg     Config
	talk    talk
	core    *Core
	witness *witness
	results chan landing
	answers chan []hotstick.Reading

	// What follows belongs to Run's goroutine.

	rounds *probe.Rounds
	// watched: the probes watch an attempt.
	watched bool
	// cancel ends what is under way.
	cancel context.CancelFunc
	// contact is with the server, and told what was told last.
	contact Contact
	told    Told
}

// landing hands the result of what was under way to the core.
type landing func(ctx context.Context) Work

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
	a := &Agent{cfg: cfg, talk: talk{server: cfg.Server, http: client}, results: make(chan landing, 2),
		answers: make(chan []hotstick.Reading), cancel: func() {}}
	a.rounds = probe.NewRounds(cfg.Probes, cfg.Uptime, a.answer)
	a.witness = &witness{memory: cfg.Audit, catalog: cfg.Catalog, log: cfg.Log}
	var version int64
	if view, err := cfg.Catalog.Load(); err == nil {
		version = view.Version
	}
	a.core = NewCore(CoreConfig{Host: cfg.Host, Loader: impatient{cfg.Loader}, Bell: cfg.Bell, Observer: cfg.Observer, CatalogVersion: version,
		Uptime: cfg.Uptime, Random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Mirrors: len(cfg.Mirrors), Log: cfg.Log})
	return a
}

// noRedirect: a server that sends its agents elsewhere is not ours.
func noRedirect(*http.Request, []*http.Request) error {
	return errors.New("cannot follow a redirection")
}

// impatient is a loader that is not waited for for ever.
type impatient struct{ link.Loader }

// loaderTime bounds one call of the loader.
const loaderTime = 10 * time.Second

// Exchange implements [link.Loader].
func (l impatient) Exchange(ctx context.Context, req link.Request) (link.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, loaderTime)
	defer cancel()
	return l.Loader.Exchange(ctx, req)
}

// Run works until the context ends.
func (a *Agent) Run(ctx context.Context) error {
	go a.rounds.Run(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var work Work
		select {
		case <-ctx.Done():
			a.cancel()
			return nil
		case <-timer.C:
			work = a.core.Wake(ctx)
		case readings := <-a.answers:
			work = a.core.Heard(ctx, readings...)
		case land := <-a.results:
			work = land(ctx)
		}
		a.do(ctx, work)
		a.tell()
		timer.Reset(max(0, a.core.Due()-a.cfg.Uptime()))
	}
}

// answer hands what probes say to Run.
func (a *Agent) answer(ctx context.Context, readings []hotstick.Reading) {
	select {
	case a.answers <- readings:
	case <-ctx.Done():
	}
}

// tell tells people on the host what is new.
func (a *Agent) tell() {
	now := Told{Contact: a.contact, Loader: a.core.host.loader, Reached: a.core.host.reached}
	if a.cfg.Told == nil || now.Contact == a.told.Contact && now.Reached == a.told.Reached && !changed(a.told.Loader, now.Loader) {
		return
	}
	a.told = now
	a.cfg.Told(now)
}

// do does what the core asks for.
func (a *Agent) do(ctx context.Context, w Work) {
	if watched := a.core.Watched(); watched != a.watched {
		a.watched = watched
		a.rounds.Watch(watched)
	}
	if w.Recall {
		a.cancel()
	}
	switch {
	case w.Sync != nil:
		a.rounds.Awake()
		a.fly(ctx, func(ctx context.Context) landing { return a.sync(ctx, w) })
	case w.Catalog:
		a.fly(ctx, func(ctx context.Context) landing { return a.refresh(ctx, w) })
	case len(w.Artifacts) > 0:
		a.fly(ctx, func(ctx context.Context) landing { return a.fetch(ctx, w) })
	}
	if w.Mirror > 0 {
		go func() { a.results <- a.follow(ctx, w) }()
	}
	if w.Rest {
		a.cfg.Rest()
	}
}

// fly does what takes long aside. One thing at a time is under way, and one mirror
// beside it, so each result finds room.
func (a *Agent) fly(ctx context.Context, work func(context.Context) landing) {
	ctx, cancel := context.WithCancel(ctx)
	a.cancel = cancel
	go func() {
		defer cancel()
		a.results <- work(ctx)
	}()
}

func (a *Agent) sync(ctx context.Context, w Work) landing {
	a.cfg.Upkeep(ctx)
	ctx, cancel := context.WithTimeout(ctx, w.Within)
	defer cancel()
	w.Sync.Audit = a.witness.seen()
	failpoint.Here(failpoint.AgentSyncBefore)
	resp, err := a.talk.sync(ctx, w.Sync)
	failpoint.Here(failpoint.AgentSyncAfter)
	if err == nil {
		a.witness.take(resp.Audit)
	}
	return func(ctx context.Context) Work {
		if !errors.Is(err, context.Canceled) {
			a.contact.ended(time.Now(), resp, err)
		}
		return a.core.Arrive(ctx, resp, err)
	}
}

// refresh brings the agent's catalog up to date.
func (a *Agent) refresh(ctx context.Context, w Work) landing {
	ctx, cancel := context.WithTimeout(ctx, w.Within)
	defer cancel()
	view, err := a.cfg.Catalog.Refresh(ctx, time.Now())
	failpoint.Here(failpoint.AgentCatalogRefreshed)
	return func(ctx context.Context) Work { return a.core.Refreshed(ctx, view.Version, err) }
}

// follow brings the agent's catalog up to date from a mirror.
func (a *Agent) follow(ctx context.Context, w Work) landing {
	ctx, cancel := context.WithTimeout(ctx, w.Within)
	defer cancel()
	view, reports, err := a.cfg.Catalog.Follow(ctx, time.Now(), a.cfg.Mirrors[w.Mirror-1])
	if err != nil {
		view.Version = 0 // the report says why
	}
	return func(ctx context.Context) Work { return a.core.Mirrored(ctx, view.Version, reports[0]) }
}

// fetch gets artifacts for the loader. One that cannot be had is asked for again.
func (a *Agent) fetch(ctx context.Context, w Work) landing {
	ctx, cancel := context.WithTimeout(ctx, w.Within)
	defer cancel()
	var others []catalog.Fetcher
	for _, m := range a.cfg.Mirrors {
		others = append(others, m.Source)
	}
	for _, digest := range w.Artifacts {
		if _, err := a.cfg.Catalog.Keep(ctx, digest, others...); err != nil {
			a.cfg.Log.Warn("cannot fetch an artifact", "artifact", digest.Short(), "error", err)
		}
		failpoint.Here(failpoint.AgentArtifactKept)
	}
	return a.core.Fetched
}
