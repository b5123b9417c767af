package loadercmd

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/inbox"
)

// pinRoot pins the root that the loader was told in the place of the one before. It is
// later than every root that this host has verified, so that the chain begins with it.
func pinRoot(l *loader.Loader, own *inbox.Catalog) error {
	root, err := own.Pinned()
	if err != nil {
		return err
	}
	spec, version, err := catalog.ReadRoot(root)
	if err != nil {
		return err
	}
	newest, err := own.Newest()
	if err != nil {
		return err
	}
	if kept, err := os.ReadFile(filepath.Join(own.Dir, fmt.Sprintf("%d.root.json", version))); version < newest || err == nil && string(kept) != string(root) {
		return fmt.Errorf("cannot pin a root of version %d: this host has verified one of version %d; found it anew from the newest", version, newest)
	}
	return l.PinRoot(own.Root, spec.Trust.Epoch)
}
