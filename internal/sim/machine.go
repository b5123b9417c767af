package sim

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/loader"
)

// errOff is the error of everything that a machine without power is asked for.
var errOff = errors.New("cannot do this: the simulated machine is off")

// machine is one simulated machine as its loader sees it: kernel, clock and disk.
type machine struct {
	member Member
	kernel *fake.Kernel
	now    func() time.Time
	// age is how long the machine had been up when the simulation met it.
	age time.Duration
	// off: the machine went down and was not started again. What was running then
	// may not touch its disk any more.
	off atomic.Bool
}

var (
	_ loader.Clock  = (*machine)(nil)
	_ loader.Kernel = (*machine)(nil)
)

// Now implements [loader.Clock].
func (m *machine) Now() time.Time { return m.now() }

// Uptime implements [loader.Clock].
func (m *machine) Uptime() time.Duration {
	return m.age + m.now().Sub(m.kernel.State().BootedAt)
}

// Boot implements [loader.Kernel].
func (m *machine) Boot() (string, error) { return m.kernel.State().BootID, nil }

// Build implements [loader.Kernel].
func (m *machine) Build() (hotstick.KernelBuild, error) { return m.member.Build, nil }

// Taint implements [loader.Kernel].
func (m *machine) Taint() (uint64, error) { return m.kernel.State().Taint, nil }

// Faults implements [loader.Kernel]. A fault's mark is its own timestamp in the
// log, in microseconds.
func (m *machine) Faults(after uint64) ([]loader.Fault, uint64, error) {
	var log klog.Collector
	for _, record := range m.kernel.State().Log {
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
func (m *machine) Crashes() ([]loader.Crash, error) {
	last := m.kernel.State().LastCrash
	if last == nil {
		return nil, nil
	}
	text := strings.TrimSpace(last.Trace)
	// Two crashes of one module print the same; the boot tells them apart.
	return []loader.Crash{{ID: hotstick.NewDigest([]byte(last.BootID + text)), Fatal: true, Text: text}}, nil
}

// disk is a machine's disk: it takes no write once the machine is off, so that
// what the loader does while it is being torn down leaves no trace.
type disk struct {
	loader.Disk
	machine *machine
}

// Save implements [loader.Disk].
func (d disk) Save(data []byte) error {
	if d.machine.off.Load() {
		return errOff
	}
	return d.Disk.Save(data)
}

// Keep implements [loader.Disk].
func (d disk) Keep(digest hotstick.Digest, data []byte) error {
	if d.machine.off.Load() {
		return errOff
	}
	return d.Disk.Keep(digest, data)
}
