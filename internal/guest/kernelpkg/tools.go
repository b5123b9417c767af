package kernelpkg

import (
	"bytes"
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

// unpacker returns a function that decompresses with the zstd or xz program of
// this machine, or of Debian's package in the cache where it is not installed.
func unpacker(ctx context.Context, run runner, root string, progress Progress) unpackFunc {
	return func(program string, payload []byte) ([]byte, error) {
		pkg, args := "zstd", []string{"-dcq", "--long=27"}
		if program == "xz" {
			pkg, args = "xz-utils", []string{"-dcq"}
		}
		path, err := exec.LookPath(program)
		if err != nil {
			if path, err = tool(ctx, run, root, pkg, program, progress); err != nil {
				return nil, err
			}
		}
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Stdin = bytes.NewReader(payload)
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return out, nil
	}
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
