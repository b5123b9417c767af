package winhost

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/agent/agentcmd"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/windows"
	"github.com/hotstick/hotstick/internal/driver/windows/windowsstep"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/kernel/nt"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/inbox"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/steps"
)

// stopTime is how long a loader that was told to stop may take: an installation that is
// under way is not waited for to its end, but begins again, and finds what it has done,
// when the service does.
const (
	stopTime     = 20 * time.Second
	stepStopTime = 2 * time.Second
)

// installGrace is how long an installation is waited for beyond the time that the plan has
// given it.
const installGrace = 30 * time.Minute

// stepper puts the driver together. Everything of the loader is in dir.
func stepper(dir string, machine nt.Machine, log *slog.Logger) *windowsstep.Stepper {
	names, err := windowsstep.OpenNames(dir)
	if err != nil {
		log.Error("a level that is in effect counts as somebody else's", "error", err)
	}
	return &windowsstep.Stepper{
		Observer: &windows.Observer{Registry: nt.Live{}, Boot: machine.Boot, VBSRunning: machine.VBSRunning, Named: names.Named},
		Agent:    windowsstep.COM{}, Policy: windowsstep.LivePolicy{}, Names: names, Grace: installGrace,
	}
}

// thisMachine is this machine, with a loader that runs in this process until it is closed.
func thisMachine(at agentcmd.Place) (agentcmd.Platform, error) {
	machine, err := nt.ThisMachine()
	if err != nil {
		return agentcmd.Platform{}, err
	}
	dir := loaderDir(at.State)
	disk, err := ledger.OpenDir(dir)
	if err != nil {
		return agentcmd.Platform{}, err
	}
	step := stepper(dir, machine, at.Log)
	running, err := start(at, dir, disk, step)
	if err != nil {
		return agentcmd.Platform{}, errors.Join(err, disk.Close())
	}
	if at.Hostname != "" {
		machine.Hostname = at.Hostname
	}
	return agentcmd.Platform{
		// No probe that reads what Linux shows finds anything here.
		Machine: os.DirFS(filepath.Join(dir, "no-such-tree")), Observer: &observer{machine: machine, driver: step.Observer, labels: at.Labels},
		Loader: running.loader, Bell: func() hotstick.Digest { return "" }, Uptime: nt.Uptime, Rest: func() {},
		Close: func() {
			if err := running.close(); err != nil {
				at.Log.Warn("an installation is under way; the service stops without it", "error", err)
			}
			disk.Close()
		},
	}, nil
}

// running is a loader that runs in this process, with its steps.
type running struct {
	loader *loader.Loader
	steps  *steps.Within
	cancel context.CancelFunc
	ended  chan struct{}
}

// start starts the loader. What a stop has cut short of its steps begins again.
func start(at agentcmd.Place, dir string, disk *ledger.Dir, step *windowsstep.Stepper) (*running, error) {
	desk, err := newDesk(dir, step.Boot.ID, at.Log)
	if err != nil {
		return nil, err
	}
	own, err := ownCatalog(at, dir)
	if err != nil {
		return nil, err
	}
	r := &running{ended: make(chan struct{}), steps: &steps.Within{Stepper: step, Ground: ground{dir, own, kernel{step.Observer}}.of, Log: at.Log}}
	if r.loader, err = newLoader(at, dir, disk, step, desk, own); err != nil {
		return nil, err
	}
	if err := r.steps.Open(desk); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.ended)
		if err := r.loader.Run(ctx); err != nil {
			at.Log.Error("the loader ends", "error", err)
		}
	}()
	return r, nil
}

// close ends the loader in order, so that it marks the stop as a clean one.
func (r *running) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	r.cancel()
	select {
	case <-r.ended:
	case <-ctx.Done():
	}
	// Anything but an installation ends at once, and that is not worth waiting for.
	short, over := context.WithTimeout(ctx, stepStopTime)
	defer over()
	return r.steps.Close(short)
}

// newDesk is where the loader meets its steps: a directory of this boot's own. Those of
// boots before have nothing to say any more; where one cannot be removed it is in nobody's way.
func newDesk(dir, boot string, log *slog.Logger) (*steps.Desk, error) {
	all := filepath.Join(dir, "steps")
	if err := os.MkdirAll(filepath.Join(all, boot), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory of steps: %w", err)
	}
	old, err := os.ReadDir(all)
	if err != nil {
		return nil, fmt.Errorf("cannot read the directory of steps: %w", err)
	}
	for _, entry := range old {
		if entry.Name() == boot {
			continue
		}
		if err := os.RemoveAll(filepath.Join(all, entry.Name())); err != nil {
			log.Warn("cannot remove the steps of a boot before", "error", err)
		}
	}
	return &steps.Desk{Dir: filepath.Join(all, boot), Uptime: nt.Uptime}, nil
}

// ground is what a step verifies its request by. It reads everything anew.
type ground struct {
	dir    string
	own    *inbox.Catalog
	kernel kernel
}

func (g ground) of(r steps.Request) (steps.Ground, error) {
	led, err := ledger.Peek(g.dir)
	if err != nil {
		return steps.Ground{}, fmt.Errorf("cannot read the ledger: %w", err)
	}
	s := steps.Ground{Ledger: led, Boot: g.kernel.Observer.Boot.ID}
	if s.Build, err = g.kernel.Build(); err != nil {
		return s, err
	}
	if view, err := g.own.Load(); err == nil {
		s.View, s.Viewed = view, true
	}
	if r.Artifact != "" {
		s.Kept, err = ledger.PeekKept(g.dir, r.Artifact)
	}
	return s, err
}

func loaderDir(agentState string) string { return filepath.Join(filepath.Dir(agentState), "loader") }

// ownCatalog is the loader's own copy of the catalog. Its root is the one that the join
// line has named: the agent has compared it, in this very process.
func ownCatalog(at agentcmd.Place, dir string) (*inbox.Catalog, error) {
	root, err := os.ReadFile(filepath.Join(at.State, "root.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog's root that the agent enrolled with: %w", err)
	}
	return &inbox.Catalog{Dir: filepath.Join(dir, "catalog"), Agent: at.State, Root: hotstick.NewDigest(root)}, nil
}

// newLoader puts the loader together.
func newLoader(at agentcmd.Place, dir string, disk *ledger.Dir, step *windowsstep.Stepper, desk *steps.Desk, own *inbox.Catalog) (*loader.Loader, error) {
	changer := steps.New(step, desk, func() (ledger.Ledger, error) { return ledger.Peek(dir) })
	return loader.New(loader.Config{
		Drivers: driver.Set{changer}, Clock: clock{}, Disk: disk, Kernel: kernel{step.Observer},
		Catalog: own, Root: own.Root, Dropped: inbox.NewDrops(filepath.Join(dir, "recalls"), own, at.Log).Take,
		Identity: func() (ed25519.PublicKey, error) { return inbox.Identity(at.State) },
		Labels:   func() (map[string]string, error) { return configured(at.Config) },
		Off:      offSwitch(filepath.Join(filepath.Dir(at.Config), "off")).state,
		Others:   others{step.Observer}, Journal: journal.Open(dir), Limits: loader.DefaultLimits, Log: at.Log.With("program", "hotstick-loader"),
	})
}

// others are the other systems on this machine that change its kernel by themselves: only
// Windows Update, as long as it is not on hold.
type others struct{ observer *windows.Observer }

var _ loader.Others = others{}

// Masters implements [loader.Others].
func (o others) Masters([]hotstick.LoadedPatch) []hotstick.Master { return o.observer.Masters() }

// Module implements [loader.Others]: there is nothing to adopt.
func (others) Module(string) ([]byte, error) { return nil, fs.ErrNotExist }

// Loaded implements [loader.Others].
func (others) Loaded(string) (string, string) { return "", "" }

// configured are the labels of the configuration file, which only administrators write.
func configured(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the host's labels: %w", err)
	}
	file, err := agent.ReadFile(data)
	return file.Labels, err
}

// clock is this machine's.
type clock struct{}

// Now implements [loader.Clock].
func (clock) Now() time.Time { return time.Now() }

// Uptime implements [loader.Clock].
func (clock) Uptime() time.Duration { return nt.Uptime() }

// kernel is the one that this process runs on.
type kernel struct{ *windows.Observer }

var _ loader.Kernel = kernel{}

// Boot implements [loader.Kernel].
func (k kernel) Boot() (string, error) { return k.Observer.Boot.ID, nil }

// Build implements [loader.Kernel].
func (k kernel) Build() (hotstick.KernelBuild, error) {
	return nt.Build(k.Registry, k.Observer.Boot.Booted)
}

// Taint implements [loader.Kernel]: Windows has no such mask.
func (kernel) Taint() (uint64, error) { return 0, nil }

// Faults implements [loader.Kernel]. A kernel of Windows that finds a fault stops.
func (kernel) Faults(uint64) ([]loader.Fault, uint64, error) { return nil, 0, nil }

// Crashes implements [loader.Kernel]. Crash dumps are not read; a boot that ended without
// the mark of a clean stop counts against the patch all the same.
func (kernel) Crashes() ([]loader.Crash, error) { return nil, nil }

// offSwitch is the file that switches Hotstick off on this machine.
type offSwitch string

const maxOff = 4 << 10

// state: a file that cannot be looked for counts as one that is there.
func (o offSwitch) state() loader.Off {
	if _, err := os.Lstat(string(o)); errors.Is(err, fs.ErrNotExist) {
		return loader.Off{}
	}
	text, _ := durable.ReadUntrusted(string(o), maxOff) // what it says is for people only
	why, _, _ := strings.Cut(string(text), "\n")
	return loader.Off{By: hotstick.OffByFile, Why: strings.TrimSpace(why)}
}

// observer is what the agent sees of this machine.
type observer struct {
	machine nt.Machine
	driver  *windows.Observer
	labels  map[string]string
}

var _ agent.Observer = (*observer)(nil)

// Facts implements [agent.Observer].
func (o *observer) Facts(ctx context.Context) (hotstick.Facts, error) {
	machine := o.machine
	machine.Now = time.Now()
	facts, err := nt.Facts(o.driver.Registry, machine)
	if err != nil {
		return facts, err
	}
	facts.Labels = o.labels
	facts.Drivers, facts.Masters = []hotstick.Capabilities{o.driver.Capabilities(ctx)}, o.driver.Masters()
	facts.Livepatch.Patches, err = o.Patches(ctx)
	return facts, err
}

// Patches implements [agent.Observer].
func (o *observer) Patches(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	return o.driver.Observe(ctx)
}
