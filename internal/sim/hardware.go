package sim

import (
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/loader"
)

// Hardware is a member of a fleet and the simulated kernel that it runs, as its
// loader reads it: all of a machine that needs no clock.
type Hardware struct {
	Member Member
	Kernel *fake.Kernel
}

var _ loader.Kernel = Hardware{}

// Boot implements [loader.Kernel].
func (m Hardware) Boot() (string, error) { return m.Kernel.State().BootID, nil }

// Build implements [loader.Kernel].
func (m Hardware) Build() (hotstick.KernelBuild, error) { return m.Member.Build, nil }

// Taint implements [loader.Kernel].
func (m Hardware) Taint() (uint64, error) { return m.Kernel.State().Taint, nil }

// Faults implements [loader.Kernel]. A fault's mark is its own timestamp in the
// log, in microseconds.
func (m Hardware) Faults(after uint64) ([]loader.Fault, uint64, error) {
	var log klog.Collector
	for _, record := range m.Kernel.State().Log {
		log.Add(record)
	}
	var faults []loader.Fault
	newest := uint64(0)
	for _, f := range log.Faults() {
		mark := uint64(f.Uptime.Microseconds())
		newest = max(newest, mark)
		if mark > after {
			faults = append(faults, loader.Fault{Kind: string(f.Kind), Text: f.Text})
		}
	}
	return faults, newest, nil
}

// Crashes implements [loader.Kernel].
func (m Hardware) Crashes() ([]loader.Crash, error) {
	last := m.Kernel.State().LastCrash
	if last == nil {
		return nil, nil
	}
	text := strings.TrimSpace(last.Trace)
	// Two crashes of one module print the same; the boot tells them apart.
	return []loader.Crash{{ID: hotstick.NewDigest([]byte(last.BootID + text)), Fatal: true, Text: text}}, nil
}
