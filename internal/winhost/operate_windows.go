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

// operate does what an administrator asks for on the machine itself. It needs no service.
func operate(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	machine, err := nt.ThisMachine()
	if err == nil && args[0] == "facts" {
		err = printFacts(ctx, stdout, machine)
	} else if err == nil {
		dir := filepath.Join(agentcmd.Directory(), "loader")
		err = steer(ctx, args[0], dir, stepper(dir, machine, slog.New(slog.NewTextHandler(stderr, nil))), stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "hotstick-agent:", err)
		return exitFailed
	}
	return 0
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
