package kernelpkg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Busybox returns the path of a static busybox, the guests' userland, from the
// cache or from Debian's package busybox-static.
func Busybox(ctx context.Context, cache string, progress Progress) (string, error) {
	root, unlock, err := openCache(ctx, cache)
	if err != nil {
		return "", err
	}
	defer unlock()
	return tool(ctx, command, root, "busybox-static", "busybox", progress)
}

// zstdTool returns a decoder that uses the zstd program of this machine, or of
// Debian's package in the cache where none is installed.
func zstdTool(ctx context.Context, run runner, root string, progress Progress) (unzstdFunc, error) {
	program, err := exec.LookPath("zstd")
	if err != nil {
		if program, err = tool(ctx, run, root, "zstd", "zstd", progress); err != nil {
			return nil, err
		}
	}
	return func(payload []byte) ([]byte, error) { return unzstd(ctx, program, payload) }, nil
}

// tool returns a program out of a Debian package, unpacked into the cache. The
// caller holds the cache's lock.
func tool(ctx context.Context, run runner, root, pkg, program string, progress Progress) (string, error) {
	path := filepath.Join(root, "tools", pkg, program)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	_, err := prepare(filepath.Join(root, "tools"), pkg, func(dir string) error {
		progress.say("downloading %s", pkg)
		if err := download(ctx, run, dir, func(s string) { progress.say("%s", s) }, pkg); err != nil {
			return err
		}
		if err := unpack(ctx, run, dir); err != nil {
			return err
		}
		found, err := find(dir, "bin/"+program, "usr/bin/"+program)
		if err != nil {
			return fmt.Errorf("cannot use package %s: %w", pkg, err)
		}
		return os.Rename(filepath.Join(dir, found), filepath.Join(dir, program))
	})
	if err != nil {
		return "", err
	}
	return path, nil
}
