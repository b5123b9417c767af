//go:build !lab

package loadercmd

import (
	"io/fs"
	"os"

	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp/klpchange"
)

// underneath is the tree of the machine that this loader is on, and what changes its kernel.
func underneath(waking klpchange.Waking) (fs.FS, driver.Changer) {
	return os.DirFS("/"), klpchange.New(waking)
}
