//go:build lab

package loadercmd

import (
	"io"
	"io/fs"
	"net/url"
	"os"

	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp/klpchange"
	"github.com/hotstick/hotstick/internal/kernel/elsewhere"
)

// underneath is the tree of the machine that this loader is on, and what changes its kernel:
// a simulated one if the environment names it.
func underneath(waking klpchange.Waking) (fs.FS, driver.Changer) {
	plant(os.Getenv("HOTSTICK_PLANTED"))
	socket := os.Getenv(elsewhere.Variable)
	if socket == "" {
		return os.DirFS("/"), klpchange.New(waking)
	}
	k := elsewhere.Dial(socket)
	return k, klpchange.NewWith(k, calls{k})
}

// calls change the simulated kernel.
type calls struct{ k *elsewhere.Kernel }

// Finit implements klpchange.Calls.
func (c calls) Finit(file *os.File) error {
	data, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<30))
	if err != nil {
		return err
	}
	return c.k.Call("/finit", data)
}

// Disable implements klpchange.Calls.
func (c calls) Disable(module string) error {
	return c.k.Call("/disable?module="+url.QueryEscape(module), nil)
}

// Delete implements klpchange.Calls.
func (c calls) Delete(module string) error {
	return c.k.Call("/delete?module="+url.QueryEscape(module), nil)
}

// Help implements klpchange.Calls.
func (c calls) Help(module string) error {
	return c.k.Call("/help?module="+url.QueryEscape(module), nil)
}

// Listen implements klpchange.Calls: a simulated kernel explains nothing.
func (calls) Listen() (heard func() []string) { return func() []string { return nil } }
