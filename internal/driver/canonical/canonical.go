// Package canonical observes Canonical Livepatch, whose daemon loads live patches on
// Ubuntu by itself.
//
// A level is one version of the vendor's, such as 121.4 of the notice LSN-0121-4. Its
// module in sysfs is named after the kernel and the version's first number:
//
//	lkp_Ubuntu_6_8_0_1047_50_aws_121
//
// What is in effect is read from sysfs only. The client's JSON says whether the machine
// is enabled and covered, what version it takes the module for, and what went wrong; a
// module stays in the kernel after the client was disabled.
//
// The package only reads; what changes a host is in package canonicalstep.
package canonical

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "canonical"

// Program is the client. It is not in the path of a shell that nobody logged in to.
const Program = "/snap/bin/canonical-livepatch"

// HostedServer is Canonical's own, the only one that takes a cut-off date.
const HostedServer = "https://livepatch.canonical.com"

// modulePrefix begins the names of the vendor's modules.
const modulePrefix = "lkp_Ubuntu_"

// IsModule tells whether a module's name is one of Canonical's.
func IsModule(name string) bool {
	return len(name) > len(modulePrefix) && strings.HasPrefix(name, modulePrefix)
}

// Observer reads a host with the Livepatch client.
type Observer struct {
	fsys fs.FS
	run  driver.Commands
}

var _ driver.Asking = (*Observer)(nil)

// NewObserver returns an observer of the machine whose root is fsys and whose client is
// run by the commands. Without the client it still says what is in effect.
func NewObserver(fsys fs.FS, run driver.Commands) *Observer { return &Observer{fsys: fsys, run: run} }

// Name implements [driver.Observer].
func (o *Observer) Name() string { return Name }

// Programs implements [driver.Asking].
func (o *Observer) Programs() []string { return []string{Program} }

// Capabilities implements [driver.Observer].
func (o *Observer) Capabilities(ctx context.Context) hotstick.Capabilities {
	c := hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.ClassOf(Name), Asynchronous: true,
		Rollback: []hotstick.Reversibility{hotstick.ReversibleReboot}, Undo: hotstick.UndoReboot,
		Schedules: true, Truth: "/sys/kernel/livepatch",
	}
	status, err := o.Status(ctx)
	if err == nil {
		c.Tool, c.CoverUntil = status.Tool(), status.CoverUntil()
		err = status.Usable()
	}
	if err != nil {
		c.Reason = reasonOf(err)
		return c
	}
	c.Available = true
	if config, err := o.Scheduling(ctx); err == nil {
		c.Pinnable = config.Pinnable()
		c.Held, _ = Held(config, o.Mode())
	}
	return c
}

// reasonOf is the reason of a refusal; of another error, that the tool failed.
func reasonOf(err error) *hotstick.Reason {
	var refusal *driver.Refusal
	if !errors.As(err, &refusal) {
		refusal = driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
	}
	return &refusal.Reason
}

// Observe implements [driver.Observer].
func (o *Observer) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	return klp.Ours(ctx, o.fsys, Name, IsModule)
}

// Status asks the client for its state. A machine that is not enabled, or has no client,
// is a refusal.
func (o *Observer) Status(ctx context.Context) (Status, error) {
	if !kernel.HasLivepatch(o.fsys) {
		return Status{}, driver.Refuse(hotstick.ReasonUnsupported, "there is no /sys/kernel/livepatch")
	}
	ran, err := o.Client(ctx, "status", "--format", "json")
	if err != nil {
		return Status{}, err
	}
	if ran.Code != 0 {
		return Status{}, Judge("status", ran)
	}
	status, err := ParseStatus([]byte(ran.Stdout))
	if err != nil {
		return Status{}, driver.Refuse(hotstick.ReasonToolFailed, "%v: %s", err, ran.Said())
	}
	return status, nil
}

// Config asks the client for its configuration.
func (o *Observer) Config(ctx context.Context) (Config, error) {
	ran, err := o.Client(ctx, "config")
	if err != nil {
		return nil, err
	}
	if ran.Code != 0 {
		return nil, Judge("config", ran)
	}
	config := ParseConfig(ran.Stdout)
	if _, said := config[CheckInterval]; !said {
		return nil, driver.Refuse(hotstick.ReasonToolFailed, "canonical-livepatch does not say its %s: %s", CheckInterval, ran.Said())
	}
	return config, nil
}

// ConfigFile is where the daemon keeps its configuration, below the root of the host.
const ConfigFile = "var/snap/canonical-livepatch/common/config"

// Scheduling is the configuration as the daemon's own file has it, which costs less to
// ask often; where the file cannot be read or does not say the interval, the client is
// asked.
func (o *Observer) Scheduling(ctx context.Context) (Config, error) {
	if kept, there := text(o.fsys, ConfigFile); there {
		if config := ParseConfig(kept); config[CheckInterval] != "" {
			return config, nil
		}
	}
	return o.Config(ctx)
}

// Client runs the client.
func (o *Observer) Client(ctx context.Context, arguments ...string) (driver.Ran, error) {
	ran, err := o.run.Run(ctx, append([]string{Program}, arguments...)...)
	switch {
	case errors.Is(err, driver.ErrNoProgram):
		return ran, driver.Refuse(hotstick.ReasonUnsupported, "the snap canonical-livepatch is not installed: there is no %s", Program)
	case ctx.Err() != nil:
		return ran, err
	case err != nil:
		return ran, driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
	}
	return ran, nil
}

// ModeFile says in one word how the daemon is to run, from its next start on: normal,
// no-apply, no-refresh or stop. It is below the root of the host.
const ModeFile = "var/local/canonical_livepatch_mode"

// modeParameter says the same on the kernel's command line.
const modeParameter = "canonical_livepatch_mode="

// Mode is what the daemon finds at its next start.
type Mode struct {
	// File is the content of the mode file, and There whether there is one.
	File  string
	There bool
	// Boot is the kernel command line's; empty if it says nothing.
	Boot string
}

// maxMode bounds what is read of the mode file, and of the command line.
const maxMode = 64 << 10

// Mode reads the mode file and the kernel's command line.
func (o *Observer) Mode() Mode {
	var m Mode
	m.File, m.There = text(o.fsys, ModeFile)
	line, _ := text(o.fsys, "proc/cmdline")
	for word := range strings.FieldsSeq(line) {
		if mode, ok := strings.CutPrefix(word, modeParameter); ok {
			m.Boot = mode
		}
	}
	return m
}

// Starts reports whether a daemon that starts now would load a patch by itself, or may.
func (m Mode) Starts() bool { return !quiet(m.File) && !quiet(m.Boot) }

func quiet(mode string) bool {
	return slices.Contains([]string{"no-apply", "no-refresh", "stop"}, strings.TrimSpace(mode))
}

// text reads a file; false if it is not there or longer than it may be.
func text(fsys fs.FS, name string) (string, bool) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMode+1))
	if err != nil || len(data) > maxMode {
		return "", false
	}
	return string(data), true
}
