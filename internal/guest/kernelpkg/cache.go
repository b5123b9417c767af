package kernelpkg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// temporaryPrefix marks what is being prepared. Whoever holds the lock may
// remove such a directory: its maker is dead.
const temporaryPrefix = ".preparing-"

// DefaultCache returns $XDG_CACHE_HOME/hotstick, or ~/.cache/hotstick.
func DefaultCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", &Problem{Text: "cannot find a cache directory: " + err.Error(), Fix: "set XDG_CACHE_HOME or HOME"}
	}
	return filepath.Join(dir, "hotstick"), nil
}

// openCache makes sure that the directory exists and can be used, and takes its
// lock. The lock is the kernel's and dies with the process.
func openCache(ctx context.Context, dir string) (root string, unlock func(), err error) {
	if dir == "" {
		if dir, err = DefaultCache(); err != nil {
			return "", nil, err
		}
	}
	if root, err = filepath.Abs(dir); err != nil {
		return "", nil, fmt.Errorf("cannot use cache directory %q: %w", dir, err)
	}
	if strings.ContainsAny(root, " \t\n:#$%~'\"") {
		return "", nil, &Problem{
			Text: fmt.Sprintf("cannot use cache directory %q: make cannot build below a path with spaces, quotes or any of :#$%%~", root),
			Fix:  "choose another one with XDG_CACHE_HOME",
		}
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", nil, &Problem{Text: "cannot use cache directory: " + err.Error(), Fix: "choose another one with XDG_CACHE_HOME", Cause: err}
	}
	f, err := os.OpenFile(filepath.Join(root, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", nil, &Problem{Text: "cannot use cache directory: " + err.Error(), Fix: "choose another one with XDG_CACHE_HOME", Cause: err}
	}
	if err := waitLock(ctx, f); err != nil {
		f.Close()
		return "", nil, err
	}
	return root, func() { f.Close() }, nil
}

// waitLock polls, because a blocking flock could not be given up when ctx ends.
func waitLock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("cannot lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot lock %s: another process is using it: %w", f.Name(), ctx.Err())
		case <-tick.C:
		}
	}
}

// prepare makes an entry: fill is called on an empty temporary directory, which
// becomes parent/name only if fill succeeded. An entry that is there is replaced,
// so a caller that found it damaged can prepare it again.
func prepare(parent, name string, fill func(dir string) error) (string, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("cannot make cache entry: %w", err)
	}
	removeAbandoned(parent)
	tmp, err := os.MkdirTemp(parent, temporaryPrefix)
	if err != nil {
		return "", fmt.Errorf("cannot make cache entry: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", fmt.Errorf("cannot make cache entry: %w", err)
	}
	if err := fill(tmp); err != nil {
		return "", err
	}
	final := filepath.Join(parent, name)
	if err := os.RemoveAll(final); err != nil {
		return "", fmt.Errorf("cannot replace cache entry: %w", err)
	}
	if err := os.Rename(tmp, final); err != nil {
		return "", fmt.Errorf("cannot make cache entry: %w", err)
	}
	return final, nil
}

func removeAbandoned(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), temporaryPrefix) {
			os.RemoveAll(filepath.Join(parent, e.Name()))
		}
	}
}

// download fetches packages ("name" or "name=version") into dir. Lists that are
// out of date name files that are gone; root brings them up to date once.
func download(ctx context.Context, run runner, dir string, say func(string), names ...string) error {
	args := append([]string{"-o", "APT::Sandbox::User=root", "-q", "download"}, names...)
	_, err := run(ctx, dir, "apt-get", args...)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if p := (*Problem)(nil); errors.As(err, &p) {
		return err
	}
	if os.Geteuid() == 0 {
		say("bringing apt's package lists up to date")
		if _, uerr := run(ctx, dir, "apt-get", "-q", "update"); uerr == nil {
			if _, err = run(ctx, dir, "apt-get", args...); err == nil {
				return nil
			}
		}
	}
	return &Problem{
		Text:  "cannot download " + strings.Join(names, ", ") + ": " + err.Error(),
		Fix:   "check the network and run: sudo apt-get update",
		Cause: err,
	}
}

// unpack unpacks every package in dir into it and removes the package files.
func unpack(ctx context.Context, run runner, dir string) error {
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) == 0 {
		return fmt.Errorf("cannot unpack packages: none were downloaded into %s", dir)
	}
	for _, deb := range debs {
		if _, err := run(ctx, dir, "dpkg", "-x", deb, dir); err != nil {
			return err
		}
		if err := os.Remove(deb); err != nil {
			return fmt.Errorf("cannot tidy up after unpacking: %w", err)
		}
	}
	return nil
}
