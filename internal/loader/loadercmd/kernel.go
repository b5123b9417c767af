package loadercmd

import (
	"io/fs"
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
	fsys   fs.FS
	log    *klog.Kmsg
	faults klog.Collector
	// newest is the timestamp of the newest record that was read.
	newest time.Duration
}

// maxRecords bounds the records of the kernel log that are read at once.
const maxRecords = 100_000

var _ loader.Kernel = (*running)(nil)

func newRunning(fsys fs.FS, kmsg string) (*running, error) {
	log, err := klog.OpenKmsg(kmsg)
	if err != nil {
		return nil, err
	}
	return &running{fsys: fsys, log: log}, nil
}

// Boot implements loader.Kernel.
func (r *running) Boot() (string, error) { return kernel.BootID(r.fsys) }

// Build implements loader.Kernel.
func (r *running) Build() (hotstick.KernelBuild, error) {
	return kernel.Build(r.fsys, kernel.Machine())
}

// keys are those that the kernel takes module signatures from.
func (r *running) keys() []hotstick.KernelKey { return kernel.TrustedKeys(r.fsys) }

// model is the machine's maker and product.
func (r *running) model() string { return kernel.Model(r.fsys) }

// Taint implements loader.Kernel.
func (r *running) Taint() (uint64, error) { return kernel.Taint(r.fsys) }

// Faults implements loader.Kernel. A mark is a record's own timestamp in
// microseconds.
func (r *running) Faults(after uint64) ([]loader.Fault, uint64, error) {
	_, err := r.log.Read(maxRecords, func(record klog.Record) {
		r.faults.Add(record)
		r.newest = max(r.newest, record.Uptime)
	})
	if err != nil {
		return nil, 0, err
	}
	var faults []loader.Fault
	for _, f := range r.faults.Faults() {
		if uint64(f.Uptime.Microseconds()) > after {
			faults = append(faults, loader.Fault{Kind: string(f.Kind), Text: f.Text})
		}
	}
	return faults, uint64(r.newest.Microseconds()), nil
}

// Crashes implements loader.Kernel, from /sys/fs/pstore and from where systemd has
// moved what was there before the loader was started.
func (r *running) Crashes() ([]loader.Crash, error) {
	archived, err := klog.ReadArchive(r.fsys)
	if err != nil {
		return nil, err
	}
	dumps, err := klog.ReadPstore(r.fsys)
	if err != nil {
		return nil, err
	}
	var crashes []loader.Crash
	for _, d := range append(archived, dumps...) {
		switch d.Reason {
		case "Restart", "Shutdown", "Halt", "Poweroff", "Kexec":
			continue // the log of an orderly end
		}
		crashes = append(crashes, loader.Crash{
			ID:    hotstick.NewDigest([]byte(d.Text)),
			Fatal: d.Reason != "Oops",
			Text:  ending(d),
		})
	}
	return crashes, nil
}

// ending is the part of a dump that tells how the boot ended, or else the log's
// end.
func ending(d klog.Dump) string {
	s := d.Fatal()
	if s == "" {
		s = d.Text
	}
	if over := len(s) - hotstick.MaxEvidenceBytes; over > 0 {
		s = strings.ToValidUTF8(s[over:], "")
	}
	return s
}
