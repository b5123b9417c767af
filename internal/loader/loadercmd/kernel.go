package loadercmd

import (
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/loader"
)

// clock is this machine's: the wall clock, and the kernel's monotonic one.
type clock struct{}

// Now implements loader.Clock.
func (clock) Now() time.Time { return time.Now() }

// Uptime implements loader.Clock.
func (clock) Uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("cannot read the monotonic clock: " + err.Error()) // no kernel lacks it
	}
	return time.Duration(ts.Nano())
}

// running is the kernel that this process runs on.
type running struct {
	fsys fs.FS
	log  *klog.Kmsg
	// open collects the faults of the log; older are those that were moved out of
	// it so that it never fills up.
	open  *klog.Collector
	older []klog.Fault
}

// Bounds of the kernel log's faults that are kept, and of the records that are
// read at once.
const (
	maxOpenFaults  = 16
	maxOlderFaults = 64
	maxRecords     = 100_000
)

var _ loader.Kernel = (*running)(nil)

func newRunning(fsys fs.FS, kmsg string) (*running, error) {
	log, err := klog.OpenKmsg(kmsg)
	if err != nil {
		return nil, err
	}
	return &running{fsys: fsys, log: log, open: &klog.Collector{}}, nil
}

// Boot implements loader.Kernel.
func (r *running) Boot() (string, error) { return kernel.BootID(r.fsys) }

// Build implements loader.Kernel.
func (r *running) Build() (hotstick.KernelBuild, error) {
	return kernel.Build(r.fsys, kernel.Machine())
}

// Taint implements loader.Kernel.
func (r *running) Taint() (uint64, error) { return kernel.Taint(r.fsys) }

// Faults implements loader.Kernel. A fault's mark is its own timestamp in the log,
// in microseconds.
func (r *running) Faults(after uint64) ([]loader.Fault, uint64, error) {
	if _, err := r.log.ReadInto(r.open, maxRecords); err != nil {
		return nil, 0, err
	}
	known := append(slices.Clone(r.older), r.open.Faults()...)
	if n := len(known) - len(r.older); n >= maxOpenFaults {
		r.older = known[max(0, len(known)-maxOlderFaults):]
		r.open = &klog.Collector{}
	}
	var faults []loader.Fault
	newest := uint64(0)
	for _, f := range known {
		mark := uint64(f.Uptime.Microseconds())
		newest = max(newest, mark)
		if mark > after {
			faults = append(faults, loader.Fault{Kind: string(f.Kind), Text: f.Text})
		}
	}
	return faults, newest, nil
}

// Crashes implements loader.Kernel, from /sys/fs/pstore.
func (r *running) Crashes() ([]loader.Crash, error) {
	dumps, err := klog.ReadPstore(r.fsys)
	if err != nil {
		return nil, err
	}
	var crashes []loader.Crash
	for _, d := range dumps {
		switch d.Reason {
		case "Restart", "Shutdown", "Halt", "Poweroff", "Kexec":
			continue // the log of an orderly end
		}
		crashes = append(crashes, loader.Crash{
			ID:    hotstick.NewDigest([]byte(d.Text)),
			Fatal: d.Reason != "Oops",
			Text:  trace(d.Text),
		})
	}
	return crashes, nil
}

// trace is the part of a dump that speaks of its faults, or else its end.
func trace(text string) string {
	var b strings.Builder
	for _, f := range klog.FindFaults(text) {
		b.WriteString(f.Text)
	}
	if b.Len() == 0 {
		b.WriteString(text)
	}
	s := b.String()
	if over := len(s) - hotstick.MaxEvidenceBytes; over > 0 {
		s = strings.ToValidUTF8(s[over:], "")
	}
	return s
}
