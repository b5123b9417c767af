package loadercmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/steps"
	"github.com/hotstick/hotstick/internal/loader/touch"
	"github.com/hotstick/hotstick/internal/loader/touch/onhost"
)

// step is hotstick-loader step NAME, where NAME is touch or a driver's: it does the one
// thing that the loader's request names, if the ledger and the signed catalog say so too,
// and ends. As observe it asks vendors' programs, and changes nothing. The unit that runs it has the rights that the loader has not.
func step(args []string, stderr io.Writer, log *slog.Logger) int {
	if len(args) == 0 || !slices.Contains(stepNames(), args[0]) {
		fmt.Fprintln(stderr, "hotstick-loader: the steps are", strings.Join(stepNames(), ", "))
		return exitUsage
	}
	s, err := parse(args[1:], stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil || s == nil:
		fmt.Fprintln(stderr, "hotstick-loader:", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := s.step(ctx, args[0], log); err != nil {
		log.Error("the step was not done", "error", err)
		return exitFailed
	}
	return 0
}

func (s settings) step(ctx context.Context, name string, log *slog.Logger) error {
	root := os.DirFS("/")
	switch name {
	case touchStep:
		return s.touch(ctx, onhost.Host{}, log)
	case steps.ObserveStep:
		return s.observeStep(ctx, root)
	}
	return s.driverStep(ctx, name, steppers[name](root, hostcmd.Host{}), root)
}

// touch takes the request, does it, and leaves the answer.
func (s settings) touch(ctx context.Context, world touch.World, log *slog.Logger) error {
	dir := stepDir(s)
	lock, err := steps.Lock(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	var request stepRequest
	if err := readStep(dir, "request.json", &request); err != nil {
		return fmt.Errorf("cannot read the loader's request: %w", err)
	}
	// One request is one step: whoever starts the unit again does nothing.
	if err := os.Remove(filepath.Join(dir, "request.json")); err != nil {
		return fmt.Errorf("cannot take the loader's request: %w", err)
	}
	answer := stepAnswer{ID: request.ID}
	err = s.perform(ctx, world, request, &answer)
	if err != nil {
		answer.Error = clipped(err.Error())
	} else if request.Value != nil {
		log.Info("touched", "thing", request.Touch.Thing(), "value", *request.Value)
	}
	return errors.Join(err, steps.Put(dir, "answer.json", answer))
}

func (s settings) perform(ctx context.Context, world touch.World, request stepRequest, answer *stepAnswer) (err error) {
	if err := request.Touch.Validate(); err != nil {
		return err
	}
	if request.Value == nil {
		answer.Value, err = world.Read(ctx, request.Touch)
		return err
	}
	led, err := ledger.Peek(s.state)
	if err != nil {
		return fmt.Errorf("cannot read the ledger: %w", err)
	}
	boot, err := kernel.BootID(os.DirFS("/"))
	if err != nil {
		return err
	}
	own := s.ownCatalog()
	signed := func(ref hotstick.PatchRef) (hotstick.Patch, bool) {
		view, err := own.Load()
		if err != nil {
			return hotstick.Patch{}, false
		}
		return view.Patch(ref)
	}
	if err := touch.Justify(led, boot, signed, request.Touch, *request.Value); err != nil {
		return err
	}
	return world.Set(ctx, request.Touch, *request.Value)
}

// clipped bounds what a program said.
func clipped(text string) string {
	const limit = 2 << 10
	if len(text) > limit {
		return text[:limit] + "…"
	}
	return text
}
