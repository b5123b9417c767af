package world

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/trace"
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

var (
	errStale  = errors.New("cannot take the staged catalog: it has expired")
	errForged = errors.New("cannot take the catalog: it is not properly signed")
)

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
	s.learn()
	s.trusted, s.known = s.staged, true
	return s.trusted, nil
}

// learn tells which recalls are new to the host, if no clear has lifted them there.
func (s *shelf) learn() {
	for _, r := range s.staged.Recalls {
		if !slices.Contains(s.trusted.Recalls, r) && r.Issued.After(s.n.truth.ledger.RecallsCleared(r.Patch)) {
			s.n.tell(trace.Event{Kind: trace.KindLearned, Patch: r.Patch, To: "recall"})
			s.n.w.some("learned recall")
		}
	}
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
