package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/notify"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// Server is one running control plane.
type Server struct {
	options    Options
	log        *slog.Logger
	now        func() time.Time
	store      store.Store
	ownsStore  bool
	authority  *identity.Authority
	catalog    *catalog.Repository
	controller *controller.Controller
	deliverer  *notify.Deliverer
	// alerter is nil where no Alertmanager is configured.
	alerter     *notify.Alerter
	checkpoints *checkpointer
	tallies     *tallies
	counts      counts
	feed        *feed
	knowledge   knowledge
	metrics     *metrics
	guesses     *guesses
	meters      *meters
	// passwords hashes them, a few at a time.
	passwords *identity.Passwords
	document  *huma.OpenAPI
	serving   serving
	// rehearsing is held while a plan is rehearsed.
	rehearsing sync.Mutex
	// closing ends live streams when the server shuts down.
	closing chan struct{}
}

// serving is the part of a server that faces the network.
type serving struct {
	listener    net.Listener
	connections *connections
	certificate *certificates
	handler     http.Handler
	url         string
}

// traceNode is the server's name in a trace.
const traceNode = "server"

// shutdownTime bounds how long running requests may take to end.
const shutdownTime = 10 * time.Second

// New opens the data directory and the listener. Errors say what is wrong and
// what to do: a port in use, a directory that is not initialised, read-only or
// full. Nothing is served and nothing decided before [Server.Run].
func New(ctx context.Context, o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.Proxies.validate(); err != nil {
		return nil, err
	}
	s := &Server{options: o, log: o.Log, now: o.Now, guesses: newGuesses(), meters: newMeters(), closing: make(chan struct{})}
	s.serving.connections = newConnections()
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.face(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// open reads authority, keys, catalog and database.
func (s *Server) open(ctx context.Context) error {
	o := s.options
	var err error
	if s.passwords, err = identity.NewPasswords(); err != nil {
		return err
	}
	if s.authority, err = identity.OpenAuthority(filepath.Join(o.Dir, caDir)); err != nil {
		return explainDir(o.Dir, err)
	}
	online, err := statement.LoadSigner(filepath.Join(o.Dir, keysDir, onlineKey))
	if err != nil {
		return explainDir(o.Dir, err)
	}
	if s.catalog, err = catalog.OpenRepository(filepath.Join(o.Dir, catalogDir), online); err != nil {
		return fmt.Errorf("cannot open the catalog in %s: %w", filepath.Join(o.Dir, catalogDir), err)
	}
	s.store = o.Store
	if s.store == nil {
		if s.store, err = openStore(ctx, o.Dir, o.Now); err != nil {
			return err
		}
		s.ownsStore = true
	}
	s.controller = controller.New(controller.Options{Store: s.store, Catalog: s.catalog, Online: online,
		Limits: o.Limits.Rollout, Log: o.Log, Trace: o.Trace, Node: traceNode, Now: o.Now})
	if s.knowledge, err = s.newKnowledge(); err != nil {
		return errors.Join(err, s.close())
	}
	s.checkpoints = &checkpointer{store: s.store, key: online, now: o.Now, epoch: func() uint64 { return s.catalog.View().Trust.Epoch }}
	s.tallies, s.counts.uncovered = newTallies(), newCoverages()
	s.metrics = newMetrics()
	s.metrics.ofClock(s.clockOff)
	s.feed = newFeed(s.store, s.observe, o.Log)
	s.metrics.registry.MustRegister(newFleetCollector(s))
	// How long this server was away can only be told before hosts check in.
	if err := errors.Join(s.settleClock(ctx), s.settleAuthority(ctx), s.tellOfCatalog(ctx, serverActor), s.knowledge.exposures.Begin(ctx)); err != nil {
		return errors.Join(err, s.close())
	}
	return s.tell()
}

// face opens the listener and builds the handler.
func (s *Server) face() error {
	s.serving.handler = s.mount(routes())
	s.serving.listener = s.options.Listener
	if s.serving.listener == nil {
		listener, err := net.Listen("tcp", s.options.Listen)
		if err != nil {
			return explainListen(s.options.Listen, err)
		}
		s.serving.listener = listener
	}
	s.serving.url = s.options.URL
	if s.serving.url == "" {
		s.serving.url = "https://" + s.serving.listener.Addr().String()
	}
	names, err := s.options.names()
	if err != nil {
		return errors.Join(err, s.serving.listener.Close())
	}
	s.serving.certificate = &certificates{authority: s.authority, names: names, now: s.now}
	return nil
}

func explainListen(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: the port is in use, perhaps by another server; choose another with --listen: %w", address, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s: this user may not use that port; choose one above 1023 with --listen: %w", address, err)
	}
	return fmt.Errorf("cannot listen on %s: %w", address, err)
}

// URL is how hosts and people reach the server.
func (s *Server) URL() string { return s.serving.url }

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.serving.listener.Addr() }

// Store is the server's database, for tools that run in the same process.
func (s *Server) Store() store.Store { return s.store }

// Authority is the server's certificate authority in PEM, for clients in the same
// process.
func (s *Server) Authority() []byte { return s.authority.PEM() }

// AddAPIToken makes an API token without an end.
func (s *Server) AddAPIToken(ctx context.Context, role string, person hotstick.Person) (string, error) {
	return addAPIToken(ctx, s.store, role, person)
}

// Run serves and decides until the context ends, then lets running requests end
// and closes everything. It returns nil after an orderly end.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	web := &http.Server{
		Handler:           s.serving.handler,
		TLSConfig:         s.serving.certificate.config(),
		ReadHeaderTimeout: s.options.times.header,
		// Routes that take bodies say themselves how long.
		ReadTimeout:    s.options.times.header + s.options.times.body,
		WriteTimeout:   3 * time.Minute,
		IdleTimeout:    s.options.times.idle,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// Held check-ins end with the server's context, not with their time limit.
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: s.serving.connections.accepted,
		ConnState:   s.serving.connections.changed,
	}
	loops := []func(context.Context) error{
		s.controller.Run, s.deliverer.Run, s.feed.run, s.watchClock, s.knowledge.feeds.Run, s.knowledge.exposures.Run,
		func(context.Context) error { return web.ServeTLS(s.serving.listener, "", "") },
	}
	if s.alerter != nil {
		loops = append(loops, s.alerter.Run)
	}
	ended := make(chan error, len(loops))
	var running sync.WaitGroup
	for _, loop := range loops {
		running.Go(func() { ended <- loop(ctx) })
	}
	s.log.Info("serving", "url", s.URL(), "address", s.Addr().String())
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
	}
	cancel()
	close(s.closing)
	grace, stop := context.WithTimeout(context.Background(), shutdownTime)
	defer stop()
	if err := web.Shutdown(grace); err != nil {
		web.Close()
	}
	running.Wait()
	if errors.Is(failed, http.ErrServerClosed) {
		failed = nil
	}
	return errors.Join(failed, s.close())
}

func (s *Server) close() error {
	if s.ownsStore {
		return s.store.Close()
	}
	return nil
}
