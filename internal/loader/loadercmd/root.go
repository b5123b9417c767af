package loadercmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/loader"
)

// pinRoot pins the root that the loader was told in the place of the one before. It is
// later than every root that this host has verified, so that the chain begins with it.
func pinRoot(l *loader.Loader, own *ownCatalog) error {
	root, err := own.pinned()
	if err != nil {
		return err
	}
	spec, version, err := catalog.ReadRoot(root)
	if err != nil {
		return err
	}
	newest, err := own.newest()
	if err != nil {
		return err
	}
	if kept, err := os.ReadFile(filepath.Join(own.dir, fmt.Sprintf("%d.root.json", version))); version < newest || err == nil && string(kept) != string(root) {
		return fmt.Errorf("cannot pin a root of version %d: this host has verified one of version %d; found it anew from the newest", version, newest)
	}
	return l.PinRoot(own.root, spec.Trust.Epoch)
}

// newest is the highest version of a root in the loader's own directory, 0 if there is
// none.
func (c *ownCatalog) newest() (int64, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("cannot read the roots that this host has verified: %w", err)
	}
	newest := int64(0)
	for _, e := range entries {
		number, isRoot := strings.CutSuffix(e.Name(), ".root.json")
		if n, err := strconv.ParseInt(number, 10, 64); isRoot && err == nil {
			newest = max(newest, n)
		}
	}
	return newest, nil
}
