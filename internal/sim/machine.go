package sim

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader"
)

// errOff is the error of everything that a machine without power is asked for.
var errOff = errors.New("cannot do this: the simulated machine is off")

// machine is one simulated machine as its loader sees it: kernel, clock and disk.
type machine struct {
	Hardware
	now func() time.Time
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
	return m.age + m.now().Sub(m.Kernel.State().BootedAt)
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
