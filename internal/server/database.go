package server

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/store"
)

func openStore(ctx context.Context, dir string) (store.Store, error) {
	return nil, errors.New(filepath.Join(dir, databaseFile))
}
