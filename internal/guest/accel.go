package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Accel says how a guest's processor is provided.
type Accel string

// The ways.
const (
	AccelTCG Accel = "tcg" // software emulation: works everywhere, 2 s to boot
	AccelKVM Accel = "kvm" // the processor itself; the guest never boots if it does not work
	// AccelParallel is software emulation in which the guest's CPUs really run at once.
	// QEMU 7.2 was seen to make a false oops with it: it is for measuring what CPUs do to
	// each other, and for nothing that is judged by its health.
	AccelParallel Accel = "tcg-parallel"
	AccelAuto     Accel = "auto" // KVM if a guest was seen to boot under it, else TCG with a note
)

// kvmDevice is only ever a hint: it may be there and not work.
const kvmDevice = "/dev/kvm"

// kvmProbeLimit is how long a guest may take to boot under KVM, which takes less
// than two seconds where KVM works.
const kvmProbeLimit = 15 * time.Second

// ProbeKVM boots a throw-away guest under KVM and returns why KVM cannot be used,
// or nil if it can.
func ProbeKVM(ctx context.Context, c Config) error {
	return probeKVM(ctx, c, kvmDevice)
}

func probeKVM(ctx context.Context, c Config, device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("cannot use KVM: %w", err)
	}
	f.Close()
	dir, err := os.MkdirTemp("", "hotstick-kvm-")
	if err != nil {
		return fmt.Errorf("cannot use KVM: %w", err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, kvmProbeLimit)
	defer cancel()
	g, err := Start(ctx, Config{
		Name: "kvm-probe", Dir: filepath.Join(dir, "guest"),
		Kernel: c.Kernel, Busybox: c.Busybox, Accel: AccelKVM,
	})
	if err != nil {
		return fmt.Errorf("cannot use KVM: %w", err)
	}
	defer g.Kill()
	switch _, err := g.link.waitBoot(ctx, ""); {
	case errors.Is(err, ErrStopped):
		return fmt.Errorf("cannot use KVM: %s is there but QEMU cannot use it%s", device, g.complaints())
	case err != nil:
		return fmt.Errorf("cannot use KVM: %s is there but no guest boots under it within %v", device, kvmProbeLimit)
	}
	return nil
}

// chooseAccel turns AccelAuto into one of the others, with a note if it is not
// the faster one.
func chooseAccel(ctx context.Context, c Config, probe func(context.Context, Config) error) (accel Accel, note string, err error) {
	switch c.Accel {
	case AccelTCG, AccelParallel, AccelKVM:
		return c.Accel, "", nil
	case AccelAuto:
		if err := probe(ctx, c); err != nil {
			return AccelTCG, "using software emulation: " + err.Error(), nil
		}
		return AccelKVM, "", nil
	}
	return "", "", fmt.Errorf("cannot start guest %s: acceleration %q is not auto, tcg, tcg-parallel or kvm", c.Name, c.Accel)
}
