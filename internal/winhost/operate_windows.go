package winhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/agent/agentcmd"
	"github.com/hotstick/hotstick/internal/driver/windows/windowsstep"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/kernel/nt"
)

// keptFile has how Windows Update was set before it was put on hold.
const keptFile = "update-settings.json"

// maxKept bounds it in bytes.
const maxKept = 4 << 10

// operate does what an administrator asks for on the machine itself.
func operate(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	words := 1
	if args[0] == "uninstall-update" {
		words = 2
	}
	if len(args) != words {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	if err := do(ctx, args, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "hotstick-agent:", err)
		return exitFailed
	}
	return 0
}

func do(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	switch args[0] {
	case "install":
		return install(stdout)
	case "uninstall":
		return uninstall(ctx, stdout)
	}
	machine, err := nt.ThisMachine()
	if err != nil {
		return err
	}
	dir := filepath.Join(agentcmd.Directory(), "loader")
	step := stepper(dir, machine, slog.New(slog.NewTextHandler(stderr, nil)))
	switch args[0] {
	case "facts":
		return printFacts(ctx, stdout, machine)
	case "uninstall-update":
		return takeOff(ctx, args[1], filepath.Join(agentcmd.Directory(), "off"), step, stdout)
	}
	return steer(ctx, args[0], dir, step, stdout)
}

// takeOff uninstalls one update. Hotstick is switched off on the machine before: after the
// reboot it would otherwise put a level back that was confirmed here.
func takeOff(ctx context.Context, article, off string, step *windowsstep.Stepper, stdout io.Writer) error {
	why := "uninstalling " + article + " by hand\n"
	f, err := os.OpenFile(off, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		_, err = f.WriteString(why)
		err = errors.Join(err, f.Close())
	case errors.Is(err, fs.ErrExist):
		err = nil // it is switched off already, with somebody's reason
	}
	if err != nil {
		return fmt.Errorf("cannot switch Hotstick off before: %w", err)
	}
	fmt.Fprintf(stdout, "Hotstick starts nothing here as long as %s is there; remove it when you are done\n", off)
	untilReboot, err := step.Uninstall(ctx, article)
	switch {
	case err != nil:
		return err
	case untilReboot:
		fmt.Fprintf(stdout, "%s is uninstalled, and in effect until the next boot\n", article)
	default:
		fmt.Fprintf(stdout, "%s is uninstalled\n", article)
	}
	return nil
}

func printFacts(ctx context.Context, stdout io.Writer, machine nt.Machine) error {
	dir := filepath.Join(agentcmd.Directory(), "loader")
	o := &observer{machine: machine, driver: stepper(dir, machine, slog.New(slog.DiscardHandler)).Observer}
	facts, err := o.Facts(ctx)
	if err != nil {
		return err
	}
	e := json.NewEncoder(stdout)
	e.SetIndent("", "  ")
	return e.Encode(facts)
}

// steer puts Windows Update on hold, or gives it back. The settings are on the disk before
// anything is changed, and are not forgotten before everything is given back.
func steer(ctx context.Context, word, dir string, step *windowsstep.Stepper, stdout io.Writer) error {
	path := filepath.Join(dir, keptFile)
	kept, err := durable.ReadUntrusted(path, maxKept)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot read how Windows Update was set: %w", err)
	case word == "release-updates" && err != nil:
		fmt.Fprintln(stdout, "Windows Update was not put on hold here: nothing is changed")
		return nil
	case word == "release-updates":
		if err := step.Release(ctx, kept); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "Windows Update schedules itself as it did before")
		return os.Remove(path)
	case err != nil:
		settings, err := step.Settings(ctx)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("cannot make the loader's directory: %w", err)
		}
		if err := durable.Replace(dir, keptFile, 0o600, settings); err != nil {
			return err
		}
	}
	if err := step.Hold(ctx); err != nil {
		return err
	}
	held, detail, err := step.Held(ctx)
	if err == nil && !held {
		err = fmt.Errorf("cannot put Windows Update on hold: %s", detail)
	}
	if err == nil {
		fmt.Fprintln(stdout, "Windows Update starts nothing by itself")
	}
	return err
}
