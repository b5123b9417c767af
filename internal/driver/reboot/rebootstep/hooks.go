package rebootstep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// Directories of hooks, below the root: programs that empty the host before a reboot, and
// those that let work come back.
const (
	beforeDir = "etc/hotstick/reboot.d/before"
	afterDir  = "etc/hotstick/reboot.d/after"
)

// maxHooks bounds the hooks of a directory.
const maxHooks = 32

// What the hooks that come after are told, as their first argument.
const (
	afterSettled  = "settled"
	afterFallback = "fallback"
	afterNothing  = "not-rebooted"
)

// hooks lists the programs of a directory in the order of their names. Whoever can write
// to one of them is root on this host, so nobody else may.
func (s *Step) hooks(dir string) ([]string, error) {
	dir = filepath.Join(s.root, dir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the hooks: %w", err)
	}
	if err := ownedByRoot(dir); err != nil {
		return nil, err
	}
	if len(entries) > maxHooks {
		return nil, fmt.Errorf("cannot use the hooks of %s: there are more than %d", dir, maxHooks)
	}
	var hooks []string
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		stat, err := os.Lstat(name)
		if err != nil {
			return nil, fmt.Errorf("cannot use the hook %s: %w", name, err)
		}
		if !stat.Mode().IsRegular() || stat.Mode().Perm()&0o100 == 0 {
			continue
		}
		if err := ownedByRoot(name); err != nil {
			return nil, err
		}
		hooks = append(hooks, name)
	}
	return hooks, nil
}

// ownedByRoot refuses what somebody else could have written.
func ownedByRoot(name string) error {
	stat, err := os.Lstat(name)
	if err != nil {
		return err
	}
	sys, ok := stat.Sys().(*syscall.Stat_t)
	if !ok || int(sys.Uid) != os.Geteuid() || stat.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("cannot use %s: it must be root's, and nobody else may write to it", name)
	}
	return nil
}

// empty runs the hooks that empty the host, one after another. note is called before each
// of them, so that whatever happens is known to be owed its undoing.
func (s *Step) empty(ctx context.Context, recipe hotstick.Recipe, limit time.Duration, note func(hook string) error) error {
	hooks, err := s.hooks(beforeDir)
	if err != nil {
		return driver.Refuse(hotstick.ReasonDrainFailed, "%v", err)
	}
	for _, hook := range hooks {
		if err := note(filepath.Base(hook)); err != nil {
			return err
		}
		if err := s.hook(ctx, hook, limit, "before", recipe.Target.Release); err != nil {
			return err
		}
	}
	return nil
}

// fill runs the hooks that let work come back. All are run, whatever one of them says.
func (s *Step) fill(ctx context.Context, limit time.Duration, told, release string) error {
	hooks, err := s.hooks(afterDir)
	if err != nil {
		return driver.Refuse(hotstick.ReasonDrainFailed, "%v", err)
	}
	var failed error
	for _, hook := range hooks {
		if err := s.hook(ctx, hook, limit, told, release); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// hook runs one hook to its end, or to the end of its time.
func (s *Step) hook(ctx context.Context, hook string, limit time.Duration, args ...string) error {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ran, err := s.commands.Run(within, append([]string{hook}, args...)...)
	name := filepath.Base(hook)
	switch {
	case err != nil && ctx.Err() == nil && within.Err() != nil:
		return driver.Refuse(hotstick.ReasonDrainFailed, "the hook %.80s did not end within %s", name, limit)
	case err != nil:
		return driver.Refuse(hotstick.ReasonDrainFailed, "the hook %.80s: %v", name, err)
	case ran.Code != 0:
		return driver.Refuse(hotstick.ReasonDrainFailed, "the hook %.80s: %s", name, last(ran))
	}
	return nil
}
