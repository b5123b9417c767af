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
)

// limits of the loader. An installation takes minutes, and is waited for by the step
// itself.
var limits = loader.DefaultLimits

// stopTime is how long a loader that was told to stop may take: an installation that is
// under way is not waited for to its end.
const stopTime = 20 * time.Second

// stepper puts the driver together. Everything of the loader is in dir.
func stepper(dir string, machine nt.Machine, log *slog.Logger) *windowsstep.Stepper {
	names, err := windowsstep.OpenNames(dir)
	if err != nil {
		log.Error("a level that is in effect counts as somebody else's", "error", err)
	}
	return &windowsstep.Stepper{
		Observer: &windows.Observer{Registry: nt.Live{}, Boot: machine.Boot, VBSRunning: machine.VBSRunning, Named: names.Named},
		Agent:    windowsstep.COM{}, Policy: windowsstep.LivePolicy{}, Names: names,
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
	l, err := newLoader(at, dir, disk, step)
	if err != nil {
		return agentcmd.Platform{}, errors.Join(err, disk.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := l.Run(ctx); err != nil {
			at.Log.Error("the loader ends", "error", err)
		}
	}()
	if at.Hostname != "" {
		machine.Hostname = at.Hostname
	}
	return agentcmd.Platform{
		// No probe that reads what Linux shows finds anything here.
		Machine: os.DirFS(filepath.Join(dir, "no-such-tree")), Observer: &observer{machine: machine, driver: step.Observer, labels: at.Labels},
		Loader: l, Bell: func() hotstick.Digest { return "" }, Uptime: nt.Uptime, Rest: func() {},
		Close: func() {
			cancel()
			select {
			case <-ended:
			case <-time.After(stopTime):
				at.Log.Warn("an installation is under way; the loader ends without it")
			}
			disk.Close()
		},
	}, nil
}

func loaderDir(agentState string) string { return filepath.Join(filepath.Dir(agentState), "loader") }

// newLoader puts the loader together. Its root is the one that the join line has named:
// the agent has compared it, in this very process.
func newLoader(at agentcmd.Place, dir string, disk *ledger.Dir, step *windowsstep.Stepper) (*loader.Loader, error) {
	root, err := os.ReadFile(filepath.Join(at.State, "root.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog's root that the agent enrolled with: %w", err)
	}
	own := &inbox.Catalog{Dir: filepath.Join(dir, "catalog"), Agent: at.State, Root: hotstick.NewDigest(root)}
	return loader.New(loader.Config{
		Drivers: driver.Set{windowsstep.Changer{Stepper: step}}, Clock: clock{}, Disk: disk, Kernel: running{step.Observer},
		Catalog: own, Root: own.Root, Dropped: inbox.NewDrops(filepath.Join(dir, "recalls"), own, at.Log).Take,
		Identity: func() (ed25519.PublicKey, error) { return inbox.Identity(at.State) },
		Labels:   func() (map[string]string, error) { return configured(at.Config) },
		Off:      offSwitch(filepath.Join(filepath.Dir(at.Config), "off")).state,
		Journal:  journal.Open(dir), Limits: limits, Log: at.Log.With("program", "hotstick-loader"),
	})
}

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

// running is the kernel that this process runs on.
type running struct{ *windows.Observer }

var _ loader.Kernel = running{}

// Boot implements [loader.Kernel].
func (r running) Boot() (string, error) { return r.Observer.Boot.ID, nil }

// Build implements [loader.Kernel].
func (r running) Build() (hotstick.KernelBuild, error) {
	return nt.Build(r.Registry, r.Observer.Boot.Booted)
}

// Taint implements [loader.Kernel]: Windows has no such mask.
func (running) Taint() (uint64, error) { return 0, nil }

// Faults implements [loader.Kernel]. A kernel of Windows that finds a fault stops.
func (running) Faults(uint64) ([]loader.Fault, uint64, error) { return nil, 0, nil }

// Crashes implements [loader.Kernel]. Crash dumps are not read; a boot that ended without
// the mark of a clean stop counts against the patch all the same.
func (running) Crashes() ([]loader.Crash, error) { return nil, nil }

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
	facts, err := nt.Facts(o.driver.Registry, o.machine)
	if err != nil {
		return facts, err
	}
	facts.Labels = o.labels
	facts.Drivers = []hotstick.Capabilities{o.driver.Capabilities(ctx)}
	facts.Livepatch.Patches, err = o.Patches(ctx)
	return facts, err
}

// Patches implements [agent.Observer].
func (o *observer) Patches(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	return o.driver.Observe(ctx)
}
