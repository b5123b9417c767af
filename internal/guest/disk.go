package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// diskSize is the size of a guest's disk, and the room that a disk of files has beside
// them. The file is sparse.
const diskSize = 64 << 20

// makeDisk makes an empty ext4 image unless it is there.
func makeDisk(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot use disk: %w", err)
	}
	// Under another name until it is whole, so a killed mkfs leaves no disk.
	tmp := path + ".new"
	defer os.Remove(tmp)
	if err := mkfs(ctx, tmp, diskSize); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("cannot make a disk: %w", err)
	}
	return nil
}

// copyDebian makes a guest's own disk of the image that all share, unless it is there;
// without a name there is none. What is empty in the image takes no room.
func copyDebian(ctx context.Context, image, path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if out, err := exec.CommandContext(ctx, "cp", "--sparse=always", image, path).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot make a disk: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// filesName is a disk with the caller's files for a guest with Debian, in the guest's
// directory. In the initramfs they would have to be unpacked again after every reset,
// into memory that held code, which takes emulation a minute.
const filesName = "files"

// makeFilesDisk makes an ext4 image with the caller's files.
func makeFilesDisk(ctx context.Context, dir string, files []File) error {
	tree, err := os.MkdirTemp(dir, "files-")
	if err != nil {
		return fmt.Errorf("cannot make a disk: %w", err)
	}
	defer os.RemoveAll(tree)
	size := int64(diskSize)
	for _, f := range files {
		data, err := f.content()
		if err != nil {
			return err
		}
		size += int64(len(data))
		path := filepath.Join(tree, f.Path)
		err = os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, data, f.Mode.Perm())
		}
		if err == nil {
			err = os.Chmod(path, f.Mode.Perm()) // whatever the umask took
		}
		if err != nil {
			return fmt.Errorf("cannot put %s into guest: %w", f.Path, err)
		}
	}
	return mkfs(ctx, filepath.Join(dir, filesName), size, "-d", tree)
}

// mkfs makes a new ext4 image.
func mkfs(ctx context.Context, path string, size int64, args ...string) error {
	program, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		if program, err = exec.LookPath("/sbin/mkfs.ext4"); err != nil {
			return &kernelpkg.Problem{Text: "cannot make a disk: mkfs.ext4 is not installed", Fix: "apt-get install e2fsprogs", Cause: err}
		}
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return fmt.Errorf("cannot make a disk: %w", err)
	}
	if err := os.Truncate(path, size); err != nil {
		return fmt.Errorf("cannot make a disk: %w", err)
	}
	out, err := exec.CommandContext(ctx, program, append(args, "-q", "-F", "-m", "0", path)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot make a disk: mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
