package sim

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/statement"
)

// HostOptions say which host to simulate. Member, Dir, Server and Join are
// required.
type HostOptions struct {
	Member Member
	// Dir holds the host's files: its keys, its catalog.
	Dir string
	// Server is the server's base address.
	Server string
	// Join gives the join line, once, if the host has not joined before.
	Join func(ctx context.Context) (agent.Join, error)
	// Levels are those whose behaviour the host's kernel knows.
	Levels []Level
	// Transition is how long a transition takes.
	Transition time.Duration
	// Restart is how long the machine is down after a crash; zero means 3 s.
	Restart time.Duration
	// Age is how long the machine has been up when it is first met. Zero means a
	// minute, so that the loader's settle time is over.
	Age time.Duration
	// Run tells runs of one fleet apart, so that a machine that is met again was
	// rebooted meanwhile.
	Run string
	// Ledger is the loader's disk; nil keeps it in memory.
	Ledger loader.Disk
	// Limits are the loader's; zero means its own defaults.
	Limits loader.Limits
	// Now is the clock; nil means time.Now. The agent's timers are real ones.
	Now func() time.Time
	// Log is silent if nil.
	Log *slog.Logger
}

// Host is one simulated host.
type Host struct {
	options HostOptions
	machine *machine
	home    *agent.Home
	// down gets a token whenever the machine goes down.
	down chan struct{}
}

// NewHost makes a host that is up and has not joined yet, unless its directory
// says that it has.
func NewHost(o HostOptions) (*Host, error) {
	if o.Restart == 0 {
		o.Restart = 3 * time.Second
	}
	if o.Age == 0 {
		o.Age = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ledger == nil {
		o.Ledger = &ledger.Memory{}
	}
	home, err := agent.OpenHome(filepath.Join(o.Dir, "agent"))
	if err != nil {
		return nil, err
	}
	h := &Host{options: o, home: home, down: make(chan struct{}, 1)}
	h.machine = &machine{Hardware: Hardware{Member: o.Member}, now: o.Now, age: o.Age}
	h.machine.Kernel = fake.New(fake.Config{
		Name: o.Member.Name + o.Run, Build: o.Member.Build, Clock: o.Now, Transition: o.Transition,
		Behaviours: Behaviours(o.Levels, o.Member.Build), OnDown: h.wentDown,
	})
	return h, nil
}

// wentDown is told of each crash. It runs inside a call of the kernel.
func (h *Host) wentDown(fake.Crash) {
	h.machine.off.Store(true)
	select {
	case h.down <- struct{}{}:
	default:
	}
}

// Name is the host's name.
func (h *Host) Name() string { return h.options.Member.Name }

// Kernel is the host's simulated kernel, to look at or to crash.
func (h *Host) Kernel() *fake.Kernel { return h.machine.Kernel }

// Enrol joins the host to the server, if it has not joined before.
func (h *Host) Enrol(ctx context.Context) error {
	if h.home.Joined() {
		return nil
	}
	join, err := h.options.Join(ctx)
	if err != nil {
		return err
	}
	return h.home.Enrol(ctx, join, h.options.Member.Name)
}

// Run runs the host until the context ends: it joins if needed, starts loader and
// agent, and starts them again after every crash of the machine.
func (h *Host) Run(ctx context.Context) error {
	if err := h.Enrol(ctx); err != nil {
		return fmt.Errorf("cannot enrol %s: %w", h.Name(), err)
	}
	for {
		crashed, err := h.runBoot(ctx)
		if err != nil || !crashed {
			return err
		}
		timer := time.NewTimer(h.options.Restart)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		h.restart()
	}
}

// restart boots the machine again after a crash.
func (h *Host) restart() {
	h.machine.age = 0
	h.machine.Kernel.Boot()
	h.machine.off.Store(false)
}

// runBoot runs loader and agent until the context ends or the machine goes down.
func (h *Host) runBoot(ctx context.Context) (crashed bool, err error) {
	select {
	case <-h.down: // a crash of an earlier boot
	default:
	}
	l, a, end, err := h.assemble()
	if err != nil {
		return false, err
	}
	defer end()
	boot, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	errs := make(chan error, 2)
	for _, run := range []func(context.Context) error{l.Run, a.Run} {
		running.Go(func() {
			if err := run(boot); err != nil && !h.machine.off.Load() {
				errs <- err
				stop()
			}
		})
	}
	// The kernel has no clock of its own, so a machine on which nobody looks would
	// never notice that its time has come.
	running.Go(func() { h.settle(boot) })
	select {
	case <-boot.Done():
	case <-h.down:
		crashed = true
	}
	stop()
	running.Wait()
	select {
	case err = <-errs:
		return false, fmt.Errorf("cannot keep %s running: %w", h.Name(), err)
	default:
		return crashed && ctx.Err() == nil, nil
	}
}

// settle lets happen what is due on the machine.
func (h *Host) settle(ctx context.Context) {
	const pace = 500 * time.Millisecond
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.machine.Kernel.Settle()
		}
	}
}

// assemble puts loader and agent together for one boot. end closes what they
// hold open.
func (h *Host) assemble() (*loader.Loader, *agent.Agent, func(), error) {
	pinned, err := h.home.Root()
	if err != nil {
		return nil, nil, nil, err
	}
	l, err := h.newLoader(pinned)
	if err != nil {
		return nil, nil, nil, err
	}
	session, err := agent.NewSession(h.home, h.options.Server, h.options.Now, h.options.Log)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := os.MkdirAll(h.home.CatalogDir(), 0o755); err != nil {
		return nil, nil, nil, fmt.Errorf("cannot make the agent's catalog directory: %w", err)
	}
	source, err := session.Catalog()
	if err != nil {
		return nil, nil, nil, err
	}
	files, err := catalog.NewClient(h.home.CatalogDir(), pinned, source)
	if err != nil {
		return nil, nil, nil, err
	}
	id, err := h.home.Host()
	if err != nil {
		return nil, nil, nil, err
	}
	remembered, err := h.home.Audit()
	if err != nil {
		return nil, nil, nil, err
	}
	a := agent.New(agent.Config{
		Host: id, Server: h.options.Server, Transport: session.Transport(), Loader: l, Catalog: files,
		Observer: h.machine, Probes: []probe.Probe{{Name: "service", Asker: service{h.machine.Kernel}}}, Uptime: h.machine.Uptime,
		Upkeep: session.Upkeep, Audit: remembered, Log: h.options.Log,
	})
	end := func() {
		if t, ok := session.Transport().(interface{ CloseIdleConnections() }); ok {
			t.CloseIdleConnections()
		}
	}
	return l, a, end, nil
}

func (h *Host) newLoader(pinned []byte) (*loader.Loader, error) {
	dir := filepath.Join(h.options.Dir, "loader")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the loader's directory: %w", err)
	}
	own, err := catalog.NewClient(dir, pinned, catalog.NewStaged(h.home.CatalogDir()))
	if err != nil {
		return nil, err
	}
	return loader.New(loader.Config{
		Drivers: driver.Set{h.machine.Kernel}, Clock: h.machine, Disk: disk{h.options.Ledger, h.machine}, Kernel: h.machine, Catalog: own,
		Identity: func() (ed25519.PublicKey, error) {
			return statement.LoadPublic(filepath.Join(h.options.Dir, "agent", "identity.pub"))
		},
		Limits: h.options.Limits, Log: h.options.Log,
	})
}
