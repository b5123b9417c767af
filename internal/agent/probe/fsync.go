package probe

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// fsync is how long the disk takes to make a small file durable.
type fsync struct{ dir string }

// fsyncFile is the file that is written, always the same one.
const fsyncFile = "probe.fsync"

// Measure implements [Meter]. A disk that hangs keeps it from coming back; then it is
// told as one that does not answer (see [Rounds]).
func (f fsync) Measure(context.Context) (float64, error) {
	file, err := os.OpenFile(filepath.Join(f.dir, fsyncFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return 0, fmt.Errorf("cannot write to the disk: %w", err)
	}
	defer file.Close()
	begun := time.Now()
	// The time makes each content another one, for what is written is not looked at.
	if _, err := file.WriteAt([]byte(begun.UTC().Format(time.RFC3339Nano)), 0); err != nil {
		return 0, fmt.Errorf("cannot write to the disk: %w", err)
	}
	if err := file.Sync(); err != nil {
		return 0, fmt.Errorf("cannot make a file durable: %w", err)
	}
	return time.Since(begun).Seconds(), nil
}
