package loader_test

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/loader"
)

// simulated is what a loader reads of a simulated machine: its kernel and its clock.
// The machine itself is the loader's driver.
type simulated struct {
	machine *fake.Kernel
	build   hotstick.KernelBuild
	now     func() time.Time
	// skew is how far the wall clock is off.
	skew func() time.Duration
	// says is what the kernel's log has besides; nil for nothing.
	says func() []klog.Record
}

var (
	_ loader.Kernel = (*simulated)(nil)
	_ loader.Clock  = (*simulated)(nil)
)

// Now implements loader.Clock.
func (h *simulated) Now() time.Time {
	if h.skew == nil {
		return h.now()
	}
	return h.now().Add(h.skew())
}

// Uptime implements loader.Clock.
func (h *simulated) Uptime() time.Duration { return h.now().Sub(h.machine.State().BootedAt) }

// Boot implements loader.Kernel.
func (h *simulated) Boot() (string, error) { return h.machine.State().BootID, nil }

// Build implements loader.Kernel.
func (h *simulated) Build() (hotstick.KernelBuild, error) { return h.build, nil }

// Taint implements loader.Kernel.
func (h *simulated) Taint() (uint64, error) { return h.machine.State().Taint, nil }

// Faults implements loader.Kernel.
func (h *simulated) Faults(after uint64) ([]loader.Fault, uint64, error) {
	state := h.machine.State()
	var found klog.Collector
	newest := uint64(0)
	lines := state.Log
	if h.says != nil {
		lines = append(lines, h.says()...)
	}
	for _, line := range lines {
		found.Add(line)
		newest = max(newest, uint64(line.Uptime.Microseconds()))
	}
	var faults []loader.Fault
	for _, f := range found.Faults() {
		if uint64(f.Uptime.Microseconds()) > after {
			faults = append(faults, loader.Fault{Kind: string(f.Kind), Text: f.Text})
		}
	}
	return faults, newest, nil
}

// Crashes implements loader.Kernel.
func (h *simulated) Crashes() ([]loader.Crash, error) {
	crash := h.machine.State().LastCrash
	if crash == nil {
		return nil, nil
	}
	id := hotstick.NewDigest([]byte(crash.BootID + crash.Trace))
	return []loader.Crash{{ID: id, Fatal: true, Text: crash.Trace}}, nil
}
