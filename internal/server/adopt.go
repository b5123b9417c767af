package server

import (
	"path/filepath"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
)

// AdoptRoot gives the catalog of a data directory, whose server does not run, a root
// that no earlier one vouches for. Hosts take it once a person has pinned it on each.
func AdoptRoot(dir string, root []byte) error {
	online, err := statement.LoadSigner(filepath.Join(dir, keysDir, onlineKey))
	if err != nil {
		return explainDir(dir, err)
	}
	return catalog.AdoptRoot(filepath.Join(dir, catalogDir), root, online)
}
