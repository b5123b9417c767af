package loadercmd

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// markClean is run at shutdown, for a loader that has ended because it had nothing to
// do. One that runs still is told to stop by itself, and writes the mark then.
func markClean(s settings, log *slog.Logger) error {
	// The unit makes the directory, so without one it is another that is meant.
	if _, err := os.Stat(s.state); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot mark a clean end: there is no directory %s; give --state as the loader has it", s.state)
	}
	disk, err := ledger.OpenDir(s.state)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		log.Info("a loader runs and makes the mark itself")
		return nil
	}
	if err != nil {
		return err
	}
	defer disk.Close()
	boot, err := kernel.BootID(os.DirFS("/"))
	if err != nil {
		return err
	}
	return loader.MarkClean(disk, boot, clock{}.Uptime())
}
