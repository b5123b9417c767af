package world

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/loader"
)

// shelf is where the agent stages the catalog and artifacts, with what the loader
// has verified of it.
type shelf struct {
	n       *node
	staged  catalog.View
	trusted catalog.View
	known   bool
	bytes   map[hotstick.Digest][]byte
}

var _ loader.Catalog = (*shelf)(nil)

var errStale = errors.New("cannot take the staged catalog: it has expired")

// Refresh implements [loader.Catalog].
func (s *shelf) Refresh(_ context.Context, now time.Time) (catalog.View, error) {
	if s.staged.Version == 0 {
		return catalog.View{}, fs.ErrNotExist
	}
	if s.staged.Expired(now) || s.staged.Version < s.trusted.Version {
		return catalog.View{}, errStale
	}
	if !s.known || s.trusted.Version != s.staged.Version {
		s.n.tell(learnedCatalog(s.staged.Version, s.n.w.since(s.staged.Expires)))
	}
	s.trusted, s.known = s.staged, true
	return s.trusted, nil
}

// Load implements [loader.Catalog].
func (s *shelf) Load() (catalog.View, error) {
	if !s.known {
		return catalog.View{}, fs.ErrNotExist
	}
	return s.trusted, nil
}

// Artifact implements [loader.Catalog].
func (s *shelf) Artifact(_ context.Context, digest hotstick.Digest) ([]byte, error) {
	data, ok := s.bytes[digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}
