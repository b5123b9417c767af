package world

import (
	"context"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/sim"
	"github.com/hotstick/hotstick/internal/trace"
)

// machine is one host's hardware and kernel, as its programs see them. It writes
// down what the kernel is truly asked for.
type machine struct {
	w *World
	n *node
	sim.Hardware
	// age is how long the machine had been up when the simulation met it.
	age time.Duration
	// before is how long it was up in all earlier boots.
	before time.Duration
	// skew is what its wall clock is off by.
	skew time.Duration
	// seen is what the kernel said of each module when it was last looked at.
	seen map[string]hotstick.Effect
	// onRevert: the module with this name takes the machine down when it is
	// disabled.
	onRevert map[string]bool
	down     bool
}

var (
	_ loader.Clock   = (*machine)(nil)
	_ loader.Kernel  = (*machine)(nil)
	_ agent.Observer = (*machine)(nil)
	_ driver.Changer = (*machine)(nil)
)

// Now implements [loader.Clock].
func (m *machine) Now() time.Time { return m.w.time().Add(m.skew) }

// Uptime implements [loader.Clock].
func (m *machine) Uptime() time.Duration {
	return m.age + m.w.time().Sub(m.Kernel.State().BootedAt)
}

// lived is the sum of the ages of all boots: what no clock of the host exceeds.
func (m *machine) lived() int64 { return (m.before + m.Uptime()).Milliseconds() }

// Facts implements [agent.Observer].
func (m *machine) Facts(ctx context.Context) (hotstick.Facts, error) {
	patches, err := m.listed(ctx)
	if err != nil {
		return hotstick.Facts{}, err
	}
	state := m.Kernel.State()
	facts := hotstick.Facts{
		Host: hotstick.HostFacts{
			Hostname: m.Member.Name, MachineID: hotstick.NewDigest([]byte(m.Member.Name)).Hex()[:32],
			BootID: state.BootID, BootedAt: state.BootedAt.Add(-m.age).UTC().Truncate(time.Second),
			Distribution: m.Member.Distribution, CPUs: 4,
		},
		Kernel:    hotstick.KernelFacts{Build: m.Member.Build, Tainted: state.Taint, LivepatchSupported: true},
		Livepatch: hotstick.LivepatchFacts{Patches: patches},
		Drivers:   []hotstick.Capabilities{m.Kernel.Capabilities(ctx)},
		Labels:    m.Member.Labels,
	}
	if v := m.n.vendor; v != nil {
		facts.Drivers = append(facts.Drivers, v.Capabilities(ctx))
		facts.Masters = v.Masters(patches)
	}
	return facts, nil
}

// Patches implements [agent.Observer].
func (m *machine) Patches(ctx context.Context) ([]hotstick.LoadedPatch, error) { return m.listed(ctx) }

// Name implements [driver.Observer].
func (m *machine) Name() string { return m.Kernel.Name() }

// Capabilities implements [driver.Observer].
func (m *machine) Capabilities(ctx context.Context) hotstick.Capabilities {
	return m.Kernel.Capabilities(ctx)
}

// Observe implements [driver.Observer]. What the loader sees is written down before
// it acts on it.
func (m *machine) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	m.look()
	return m.Kernel.Observe(ctx)
}

// asked writes down what the kernel was asked for.
func (m *machine) asked(kind trace.Kind, artifact hotstick.Digest, module string, err error) {
	outcome := "done"
	if err != nil {
		outcome = "refused"
	}
	e := trace.Event{Node: "kernel", Kind: kind, Host: m.n.id, Boot: m.Kernel.State().BootID, Artifact: artifact,
		To: outcome, Detail: module}
	if a := m.n.truth.attempt; a != nil {
		e.Plan, e.Attempt, e.Patch = a.Plan, a.Number, a.Level.Patch
	}
	m.w.emit(e)
}

// Load implements [driver.Changer].
func (m *machine) Load(ctx context.Context, load driver.Load) error {
	digest, err := hashFile(load.File)
	if err != nil {
		return err
	}
	already := m.seen[load.Module] == hotstick.InEffect
	err = m.Kernel.Load(ctx, load)
	if !already && !m.down {
		m.asked(trace.KindLoad, digest, load.Module, err)
	}
	m.look()
	return err
}

// Disable implements [driver.Changer].
func (m *machine) Disable(ctx context.Context, module string) error {
	m.look()
	if state, there := m.seen[module]; there && state != hotstick.Disabled && state != hotstick.TransitionOut {
		m.asked(trace.KindDisable, m.w.artifactOf(m.Member.Build, module), module, nil)
	}
	err := m.Kernel.Disable(ctx, module)
	if m.onRevert[module] && !m.down {
		delete(m.onRevert, module)
		m.w.some("panic on revert")
		m.Kernel.Crash(crashText(module))
		return errOff
	}
	m.look()
	return err
}

// Unload implements [driver.Changer].
func (m *machine) Unload(ctx context.Context, module string) error {
	m.look()
	if _, there := m.seen[module]; there {
		m.asked(trace.KindUnload, m.w.artifactOf(m.Member.Build, module), module, nil)
	}
	err := m.Kernel.Unload(ctx, module)
	m.look()
	return err
}

// look writes down what changed in the kernel since it was last looked at.
func (m *machine) look() {
	patches, err := m.Kernel.Observe(context.Background())
	if err != nil {
		return
	}
	boot := m.Kernel.State().BootID
	now := make(map[string]hotstick.Effect, len(patches))
	for _, p := range patches {
		now[p.Module] = p.State
		if old := m.seen[p.Module]; old != p.State {
			m.w.emit(trace.Event{Node: "kernel", Kind: trace.KindKernel, Host: m.n.id, Boot: boot,
				Artifact: m.w.artifactOf(m.Member.Build, p.Module), From: string(old), To: string(p.State), Detail: p.Module})
			m.w.some("kernel " + string(p.State))
		}
	}
	for _, module := range sorted(m.seen) {
		if _, there := now[module]; !there {
			m.w.emit(trace.Event{Node: "kernel", Kind: trace.KindKernel, Host: m.n.id, Boot: boot,
				Artifact: m.w.artifactOf(m.Member.Build, module), From: string(m.seen[module]), Detail: module})
		}
	}
	m.seen = now
}

func crashText(module string) string {
	return "[   12.000000] Kernel panic - not syncing: " + module + ": on its way out\n" +
		"[   12.000001] Call Trace:\n[   12.000002]  " + module + "_exit+0x15/0x20 [" + module + "]\n"
}
