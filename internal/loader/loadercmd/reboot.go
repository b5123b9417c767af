package loadercmd

import (
	"io/fs"
	"log/slog"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/reboot"
)

// rebootOrdered is the boot in which the machine was told to reboot by a step, and into
// which kernel.
func rebootOrdered(root fs.FS, log *slog.Logger) func() (string, hotstick.KernelBuild) {
	return func() (string, hotstick.KernelBuild) {
		boot, to, err := reboot.New(root).Ordered()
		if err != nil {
			log.Warn("cannot tell whether a reboot was ordered", "error", err)
		}
		return boot, to
	}
}
