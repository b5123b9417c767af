package house

import (
	"fmt"
	"io"
	"os"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// Options say how to run a demonstration.
type Options struct {
	// Dir holds everything the run makes; empty means a new temporary directory,
	// removed after a run in which every check held.
	Dir string
	// Cache holds kernels; empty means the user's cache directory.
	Cache string
	// Patches is the folder of live patch sources; empty means beside the program
	// or in the working directory.
	Patches string
	// Programs is the folder of the three binaries; empty means this program's. Its
	// folder windows has the agent's Windows program, where that is needed.
	Programs string
	// Listen is the server's address; empty means 127.0.0.1:8443, or another
	// loopback port if that one is in use.
	Listen string
	// Out receives the demo's course.
	Out io.Writer
	// Tint colours the course; for terminals.
	Tint bool
	// Stay keeps everything running after the last step until the context ends.
	Stay bool
}

// Settle finds everything and returns the house, which is not initialised, with the options
// as they are then. Temporary: its directory is a new one, whose name begins with prefix.
func (o Options) Settle(prefix string) (h *House, found Options, temporary bool, err error) {
	h = &House{}
	if h.Programs, err = FindPrograms(o.Programs); err != nil {
		return nil, o, false, err
	}
	if o.Patches, err = FindPatches(o.Patches); err != nil {
		return nil, o, false, err
	}
	if o.Cache == "" {
		if o.Cache, err = kernelpkg.DefaultCache(); err != nil {
			return nil, o, false, err
		}
	}
	wishes := []string{o.Listen}
	if o.Listen == "" {
		wishes = []string{"127.0.0.1:8443", "127.0.0.1:0"}
	}
	if o.Listen, err = PickAddress(wishes...); err != nil {
		return nil, o, false, err
	}
	temporary = o.Dir == ""
	if temporary {
		o.Dir, err = os.MkdirTemp("", prefix)
	} else {
		err = os.MkdirAll(o.Dir, 0o700)
	}
	if err != nil {
		return nil, o, false, fmt.Errorf("cannot make the demo's directory: %v", err)
	}
	h.Dir, h.Listen = o.Dir, o.Listen
	return h, o, temporary, nil
}
