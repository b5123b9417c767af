package sim

import (
	"context"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/driver/fake"
)

var _ agent.Observer = (*machine)(nil)

// Facts implements [agent.Observer]: what the agent would read of such a machine.
func (m *machine) Facts(ctx context.Context) (hotstick.Facts, error) {
	patches, err := m.Kernel.Observe(ctx)
	if err != nil {
		return hotstick.Facts{}, err
	}
	state := m.Kernel.State()
	no := false
	facts := hotstick.Facts{
		Host: hotstick.HostFacts{
			Hostname: m.Member.Name, MachineID: hotstick.NewDigest([]byte(m.Member.Name)).Hex()[:32],
			BootID: state.BootID, BootedAt: state.BootedAt.Add(-m.age).UTC().Truncate(time.Second),
			Distribution: m.Member.Distribution, CPUs: 4, MemoryBytes: 16 << 30,
		},
		Kernel: hotstick.KernelFacts{
			Build: m.Member.Build, Version: "#1 SMP PREEMPT_DYNAMIC simulated", CommandLine: "ro quiet",
			Tainted: state.Taint, LivepatchSupported: true,
		},
		Security:  hotstick.SecurityFacts{Lockdown: "none", SignatureEnforced: &no, ModulesDisabled: &no},
		Livepatch: hotstick.LivepatchFacts{Patches: patches},
		Drivers:   []hotstick.Capabilities{m.Kernel.Capabilities(ctx)},
		Labels:    m.Member.Labels,
	}
	for _, p := range patches {
		facts.Modules = append(facts.Modules, hotstick.ModuleFacts{Name: p.Module, SizeBytes: 16 << 10, Taints: "OEK"})
	}
	return facts, nil
}

// Patches implements [agent.Observer].
func (m *machine) Patches(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	return m.Kernel.Observe(ctx)
}

// service is the host's health probe: it fails as long as a module in effect makes
// it fail (see [fake.Behaviour]).
type service struct{ kernel *fake.Kernel }

// Ask implements [probe.Asker].
func (s service) Ask(context.Context, bool) probe.Answer {
	if ill := s.kernel.State().Ill; ill != "" {
		return probe.Answer{Detail: ill}
	}
	return probe.Answer{Healthy: true, Detail: "ok"}
}
