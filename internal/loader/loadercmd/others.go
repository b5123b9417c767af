package loadercmd

import (
	"io/fs"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/kernel/masters"
	"github.com/hotstick/hotstick/internal/loader"
)

// others are the other live-patch systems on this machine.
type others struct {
	fsys fs.FS
	// release is the running kernel's.
	release string
}

var _ loader.Others = others{}

// Masters implements loader.Others.
func (o others) Masters(patches []hotstick.LoadedPatch) []hotstick.Master {
	return masters.Find(o.fsys, patches)
}

// Module implements loader.Others.
func (o others) Module(module string) ([]byte, error) {
	data, _, err := masters.File(o.fsys, o.release, module)
	return data, err
}

// Loaded implements loader.Others.
func (o others) Loaded(module string) (srcVersion, buildID string) {
	if m, ok, err := kernel.Module(o.fsys, module); ok && err == nil {
		srcVersion = m.SrcVersion
	}
	return srcVersion, kernel.ModuleBuildID(o.fsys, module)
}
