package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// diskSize is the size of a guest's disk. The file is sparse.
const diskSize = 64 << 20

// makeDisk makes an ext4 image unless it is there.
func makeDisk(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot use disk: %w", err)
	}
	program, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		if program, err = exec.LookPath("/sbin/mkfs.ext4"); err != nil {
			return &kernelpkg.Problem{Text: "cannot make a disk: mkfs.ext4 is not installed", Fix: "apt-get install e2fsprogs", Cause: err}
		}
	}
	// Under another name until it is whole, so a killed mkfs leaves no disk.
	tmp := path + ".new"
	defer os.Remove(tmp)
	if err := os.WriteFile(tmp, nil, 0o644); err != nil {
		return fmt.Errorf("cannot make a disk: %w", err)
	}
	if err := os.Truncate(tmp, diskSize); err != nil {
		return fmt.Errorf("cannot make a disk: %w", err)
	}
	out, err := exec.CommandContext(ctx, program, "-q", "-F", "-m", "0", tmp).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot make a disk: mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("cannot make a disk: %w", err)
	}
	return nil
}
