package amazonstep

import (
	"io/fs"

	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/amazon"
	"github.com/hotstick/hotstick/internal/driver/rpm/rpmrun"
)

// Scheduler is the driver of Amazon Linux 2023. Its hold is `dnf kernel-livepatch manual`.
// kpatch.service stays as it is: at boot it loads what is installed, and nothing else.
type Scheduler struct {
	*Stepper
	rpmrun.Plugin
}

var _ driver.Scheduler = (*Scheduler)(nil)

func plugin(fsys fs.FS, m rpmrun.Manager) rpmrun.Plugin {
	return rpmrun.Plugin{
		Manager: m, Driver: amazon.Name, Command: "kernel-livepatch",
		Auto: func() (bool, error) {
			auto, _, err := amazon.Plugin().Auto(fsys)
			return auto, err
		},
		Look: func() (bool, string, error) { return amazon.Plugin().Held(fsys) },
	}
}
