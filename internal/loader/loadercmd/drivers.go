package loadercmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/amazon"
	"github.com/hotstick/hotstick/internal/driver/amazon/amazonstep"
	"github.com/hotstick/hotstick/internal/driver/canonical"
	"github.com/hotstick/hotstick/internal/driver/canonical/canonicalstep"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
	"github.com/hotstick/hotstick/internal/driver/kernelcare"
	"github.com/hotstick/hotstick/internal/driver/kernelcare/kernelcarestep"
	"github.com/hotstick/hotstick/internal/driver/kpatch"
	"github.com/hotstick/hotstick/internal/driver/kpatch/kpatchstep"
	"github.com/hotstick/hotstick/internal/driver/ksplice"
	"github.com/hotstick/hotstick/internal/driver/ksplice/ksplicestep"
	"github.com/hotstick/hotstick/internal/driver/reboot"
	"github.com/hotstick/hotstick/internal/driver/reboot/rebootstep"
	"github.com/hotstick/hotstick/internal/driver/suse"
	"github.com/hotstick/hotstick/internal/driver/suse/susestep"
	"github.com/hotstick/hotstick/internal/loader/inbox"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/steps"
)

// newStepperOf makes a driver that works by steps, for the host below root whose programs
// run runs.
type newStepperOf func(root fs.FS, run driver.Commands) driver.Stepper

// steppers is every driver that works by steps, by the name that catalogs and plans write.
//
// To add one: a package internal/driver/NAME with the Observer, which the agent links too
// (see agentcmd), a package internal/driver/NAME/NAMEstep with the [driver.Stepper], which
// only the loader and its steps link, and one line here. The Stepper reads the host's files
// below root and runs its programs by run, and by nothing else. It is made anew for each
// step, and once in the loader, where only its Observer's half is called, and runs no
// program (see [steps.Programs]): it must be cheap, for what is in effect is asked many
// times a second while a step runs, and need nothing that the loader's unit may not do.
//
// A driver that does not bear the name of its line is refused when the loader starts.
var steppers = map[string]newStepperOf{
	amazon.Name:     amazonstep.New,
	canonical.Name:  func(root fs.FS, run driver.Commands) driver.Stepper { return canonicalstep.New(root, "/", run) },
	kernelcare.Name: func(root fs.FS, run driver.Commands) driver.Stepper { return kernelcarestep.New(root, "/", run) },
	ksplice.Name:    func(root fs.FS, run driver.Commands) driver.Stepper { return ksplicestep.New(root, "/", run) },
	kpatch.Name:     kpatchstep.New,
	reboot.Name:     func(_ fs.FS, run driver.Commands) driver.Stepper { return rebootstep.New("/", run, rebootstep.This{}) },
	suse.Name:       func(root fs.FS, run driver.Commands) driver.Stepper { return susestep.New(root, run, time.Now) },
}

// changers are all drivers of this host: the one that loads bytes, and those of a table
// that work by steps at a desk.
func changers(bytes driver.Changer, table map[string]newStepperOf, root fs.FS, desk *steps.Desk, led func() (ledger.Ledger, error)) (driver.Set, error) {
	members := []driver.Changer{bytes}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		stepper := table[name](root, &steps.Programs{
			Desk: desk, Driver: name, Installed: hostcmd.Installed, Modules: func() string { return strangers(root) },
			Attempt: func() bool {
				now, err := led()
				return err == nil && now.Attempt != nil && now.Attempt.Level.Driver == name
			},
		})
		if stepper.Name() != name {
			return nil, fmt.Errorf("cannot use the driver %s: it calls itself %s", name, stepper.Name())
		}
		members = append(members, steps.New(stepper, desk, led))
	}
	return driver.NewSet(members...)
}

// maxModuleList bounds what is read of /proc/modules, in bytes.
const maxModuleList = 1 << 20

// strangers says, in a text to compare, which modules of /proc/modules did not come with
// the kernel.
func strangers(root fs.FS) string {
	f, err := root.Open("proc/modules")
	if err != nil {
		return ""
	}
	defer f.Close()
	var found []string
	for lines := bufio.NewScanner(io.LimitReader(f, maxModuleList)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) > 1 && strings.HasPrefix(words[len(words)-1], "(") && strings.Contains(words[len(words)-1], "O") {
			found = append(found, words[0])
		}
	}
	slices.Sort(found)
	return string(hotstick.NewDigest([]byte(strings.Join(found, "\n"))))
}

// observeStep is hotstick-loader step observe: it asks the vendors' programs that are on the
// host what the loader wants to know, and changes nothing.
func (s settings) observeStep(ctx context.Context, root fs.FS) error {
	var all error
	for _, name := range slices.Sorted(maps.Keys(steppers)) {
		all = errors.Join(all, s.hear(ctx, name, root))
	}
	return all
}

// hear keeps what the programs of a driver say now.
func (s settings) hear(ctx context.Context, name string, root fs.FS) error {
	asking, is := steppers[name](root, driver.NoPrograms{}).(driver.Asking)
	if !is || !slices.ContainsFunc(asking.Programs(), hostcmd.Installed) {
		return nil
	}
	desk := &steps.Desk{Dir: stepDir(s), Uptime: clock{}.Uptime}
	return desk.Ask(ctx, name, strangers(root), hostcmd.Host{}, func(run driver.Commands) driver.Observer { return steppers[name](root, run) })
}

// newDesk is where this loader meets the steps of drivers.
func newDesk(s settings) *steps.Desk {
	p := newStepper(s)
	d := &steps.Desk{Dir: p.dir, Uptime: clock{}.Uptime, Starter: children{p.argv}}
	if p.systemd {
		d.Starter = units{}
	}
	return d
}

// startTime bounds how long systemd may take to accept an order.
const startTime = 10 * time.Second

// units start steps as units of systemd.
type units struct{}

// Start implements steps.Starter.
func (units) Start(ctx context.Context, name string) error { return systemctl(ctx, "start", name) }

// End implements steps.Starter. A stop would have a limit of the unit's, within which a
// package manager may not be done.
func (units) End(ctx context.Context, name string, _ int, kill bool) error {
	if kill {
		return systemctl(ctx, "kill", name, "--signal=SIGKILL")
	}
	return systemctl(ctx, "kill", name, "--kill-who=main", "--signal=SIGTERM")
}

func systemctl(ctx context.Context, verb, name string, options ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	argv := append([]string{"--no-ask-password", "--no-block", verb, "hotstick-step@" + name + ".service"}, options...)
	cmd := exec.CommandContext(ctx, "systemctl", argv...)
	cmd.Env = append(os.Environ(), "SYSTEMD_IGNORE_CHROOT=1")
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot %s the step of %s: %.500s (%w)", verb, name, strings.TrimSpace(string(out)), err)
	}
	return nil
}

// children start steps as children of the loader.
type children struct{ argv []string }

// Start implements steps.Starter. The child has a group of its own, so that what ends the
// loader does not end it.
func (c children) Start(_ context.Context, name string) error {
	argv := slices.Clone(c.argv)
	argv[slices.Index(argv, touchStep)] = name
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the step of %s: %w", name, err)
	}
	go func() { _ = cmd.Wait() }() // how it went its answer says
	return nil
}

// End implements steps.Starter. The step's lock has just been seen, so the PID is its own.
func (children) End(_ context.Context, _ string, pid int, kill bool) error {
	if pid <= 1 {
		return nil // it has not said yet who it is; the next time it will have
	}
	process, err := os.FindProcess(pid) // by a descriptor, so that no later process is meant
	if err != nil {
		return err
	}
	defer process.Release()
	signal := syscall.SIGTERM
	if kill {
		signal = syscall.SIGKILL
	}
	if err := process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// stepNames are what hotstick-loader step may be asked for.
func stepNames() []string {
	return append([]string{touchStep, steps.ObserveStep}, slices.Sorted(maps.Keys(steppers))...)
}

// driverStep is hotstick-loader step NAME for a driver: it takes the loader's request,
// verifies it by the ledger, the signed catalog, the bytes and the kernel, does it, and
// says how it went.
func (s settings) driverStep(ctx context.Context, name string, stepper driver.Stepper, root fs.FS) error {
	desk := &steps.Desk{Dir: stepDir(s), Uptime: clock{}.Uptime}
	job, err := desk.Take(name)
	if err != nil {
		return err
	}
	value, err := s.work(ctx, job, stepper, root)
	// Whatever was changed, the loader is to see it with the answer.
	heard := s.hear(context.WithoutCancel(ctx), name, root)
	return errors.Join(err, heard, job.Answer(value, err))
}

func (s settings) work(ctx context.Context, job *steps.Job, stepper driver.Stepper, root fs.FS) ([]byte, error) {
	led, err := ledger.Peek(s.state)
	if err != nil {
		return nil, fmt.Errorf("cannot read the ledger: %w", err)
	}
	kernel := running{fsys: root}
	ground := steps.Ground{Ledger: led}
	if ground.Boot, err = kernel.Boot(); err != nil {
		return nil, err
	}
	if ground.Build, err = kernel.Build(); err != nil {
		return nil, err
	}
	own := s.ownCatalog()
	if view, err := own.Load(); err == nil {
		ground.View, ground.Viewed = view, true
	}
	if job.Request.Artifact != "" {
		if ground.Kept, err = ledger.PeekKept(s.state, job.Request.Artifact); err != nil {
			return nil, err
		}
	}
	return job.Work(ctx, stepper, ground)
}

// ownCatalog is the catalog that this loader trusts.
func (s settings) ownCatalog() *inbox.Catalog {
	return &inbox.Catalog{Dir: filepath.Join(s.state, "catalog"), Agent: s.agent, Root: hotstick.Digest(s.root)}
}
