package server

import (
	"context"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/sqlite"
)

// openStore opens the embedded database in a data directory.
func openStore(ctx context.Context, dir string, now func() time.Time) (store.Store, error) {
	s, err := sqlite.Open(ctx, filepath.Join(dir, databaseFile), now)
	if err != nil {
		// Its own words say what is wrong with the file and how to mend it.
		return nil, err
	}
	return s, nil
}
