package server

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick/internal/controller/exposures"
	"github.com/hotstick/hotstick/internal/controller/feeds"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/integrate/advisories"
	"github.com/hotstick/hotstick/internal/integrate/advisories/origin"
)

// knowledge is what reads feeds of advisories, and judges which hosts are open to what. Where
// no feed is named it does nothing.
type knowledge struct {
	feeds     *feeds.Loop
	exposures *exposures.Loop
	// board is what the screens show of CVEs.
	board *counted[ranked]
}

const (
	// spoolDir is where downloads of feeds wait, below the data directory.
	spoolDir = "spool"
	// fetchTime bounds one download, and answerTime the wait for its beginning.
	fetchTime  = 2 * time.Hour
	answerTime = time.Minute
)

func (s *Server) newKnowledge() (knowledge, error) {
	tree, err := exposure.DefaultTree()
	if err != nil {
		return knowledge{}, err
	}
	o := s.options
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerTime
	read := spooled{advisories.Importer{Client: origin.NewClient(transport, fetchTime), Now: o.Now, Order: exposure.Compare,
		Limits: advisories.DefaultLimits(), Spool: filepath.Join(o.Dir, spoolDir)}}
	return knowledge{
		feeds:     feeds.New(feeds.Options{Store: s.store, Importer: read, Now: o.Now, Log: o.Log}),
		board:     &counted[ranked]{},
		exposures: exposures.New(exposures.Options{Store: s.store, Catalog: s.catalog, Tree: tree, Now: o.Now, Log: o.Log}),
	}, nil
}

// spooled reads feeds with an empty directory for what is downloaded: one after the other, so
// what is there was left by a server that was killed.
type spooled struct{ advisories.Importer }

// Import implements [feeds.Importer].
func (s spooled) Import(ctx context.Context, f advisories.Feed, sink advisories.Sink) (advisories.Result, error) {
	if err := s.clear(); err != nil {
		return advisories.Result{Mark: f.Mark}, fmt.Errorf("cannot make room for downloads: %w", err)
	}
	return s.Importer.Import(ctx, f, sink)
}

func (s spooled) clear() error {
	if err := os.RemoveAll(s.Spool); err != nil {
		return err
	}
	return os.Mkdir(s.Spool, 0o700)
}
