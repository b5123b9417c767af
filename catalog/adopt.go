package catalog

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/statement"
)

// AdoptRoot gives the repository in dir, which nobody uses now, a root that none of
// its earlier roots vouches for, because too many of their keys are lost or somebody
// else has them. The root is later than all that are there, names the server's online
// key, and the publishers whose targets metadata is there; its epoch is higher. The
// earlier roots are removed: no client that pinned one of them follows, before a
// person pins the new one. It may be repeated.
func AdoptRoot(dir string, root []byte, online statement.Signer) error {
	spec, version, err := ReadRoot(root)
	if err != nil {
		return err
	}
	r := &Repository{disk: disk{dir: dir}}
	kept, err := r.disk.versions(roleRoot)
	if err != nil {
		return err
	}
	if len(kept) == 0 {
		return fmt.Errorf("cannot give a root to %s: there is no catalog in it", dir)
	}
	slices.Sort(kept)
	newest := kept[len(kept)-1]
	last, err := r.disk.read(metadataFile(roleRoot, newest), MaxRootBytes)
	if err != nil {
		return err
	}
	if string(last) != string(root) {
		old, _, err := ReadRoot(last)
		switch {
		case err != nil:
			return err
		case version <= newest:
			return refused("a root of version %d: the catalog has one of version %d; found it anew from the newest", version, newest)
		case spec.Trust.Epoch <= old.Trust.Epoch:
			return refused("a root of epoch %d: the catalog has one of epoch %d, and what was signed before must end", spec.Trust.Epoch, old.Trust.Epoch)
		}
	}
	if !contains(spec.OnlineKeys, online.Public()) {
		return refused("a root that does not name the server's online key %s", statement.KeyID(online.Public())[:12])
	}
	targets := (&Client{disk: r.disk}).kept().targets
	if targets == nil {
		return fmt.Errorf("cannot give a root to %s: its metadata does not fit together", dir)
	}
	if _, err := verifyTargets(root, targets); err != nil {
		return fmt.Errorf("cannot give a root to %s: its publishers are others: %w", dir, err)
	}
	if err := r.disk.write(metadataFile(roleRoot, version), root); err != nil {
		return err
	}
	for _, old := range kept {
		if old == version {
			continue
		}
		if err := os.Remove(r.disk.path(metadataFile(roleRoot, old))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot forget root %d: %w", old, err)
		}
	}
	return durable.SyncDir(dir)
}
