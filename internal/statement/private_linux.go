package statement

import (
	"fmt"
	"io/fs"
)

// private refuses a file that others than its owner may read or write.
func private(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("cannot use key file %s: others may read it (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	return nil
}
