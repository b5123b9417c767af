package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/wire"
)

const (
	// holdSeconds is how long the server may hold a check-in. A nonce is at most a
	// third of a minute old when the check-in leaves, so a grant still has time.
	holdSeconds = 20
	// syncTime bounds one check-in beyond the time it may be held.
	syncTime = 30 * time.Second
	// fetchTime bounds fetching what the catalog lists.
	fetchTime = 10 * time.Minute
	// Pauses after failures: the first, doubled each time, up to the longest.
	firstPause   = time.Second
	longestPause = time.Minute
)

// serverState is what the agent knows of its server.
type serverState struct {
	// acknowledged is the highest report that the server has stored.
	acknowledged uint64
	// factsDigest is of the facts that the server has.
	factsDigest hotstick.Digest
	// version is that of the agent's own catalog.
	version int64
	active  bool
	// failures counts check-ins that failed in a row.
	failures int
	departed time.Time
	due      time.Time
	seq      uint64
	rested   time.Time
	// fetchDue is when missing artifacts may be fetched again.
	fetchDue time.Time
}

// flight is a check-in, or a fetch, under way.
type flight struct {
	cancel context.CancelFunc
	held   bool
}

// result is what came back. resp is nil for a fetch.
type result struct {
	req     *wire.SyncRequest
	resp    *wire.SyncResponse
	err     error
	version int64
	fetched bool
}

// depart starts a check-in. The loader is called first, so that the server gets
// its newest state and a nonce with most of its life before it.
func (a *Agent) depart(ctx context.Context) {
	if a.flight != nil {
		return
	}
	a.call(ctx, link.Request{})
	a.server.departed = time.Now()
	if err := a.observe(ctx); err != nil {
		a.cfg.Log.Error("cannot check in without the host's facts", "error", err)
		a.failed()
		return
	}
	req := a.request()
	a.host.news = false
	a.host.sent = max(a.host.sent, newest(req.Reports))
	version := a.server.version
	ctx, cancel := context.WithCancel(ctx)
	a.flight = &flight{cancel: cancel, held: req.HoldSeconds > 0}
	go func() {
		a.cfg.Upkeep(ctx)
		r := result{req: req, version: version}
		r.resp, r.err = a.talk.sync(ctx, req)
		if r.err == nil && r.resp.CatalogVersion != version {
			r.version = a.refresh(ctx, version)
		}
		a.results <- r
	}()
}

// refresh brings the agent's catalog up to date and returns its version.
func (a *Agent) refresh(ctx context.Context, version int64) int64 {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	view, err := a.cfg.Catalog.Refresh(ctx, time.Now())
	if err != nil {
		a.cfg.Log.Warn("cannot take the server's catalog", "error", err)
		return version
	}
	return view.Version
}

// arrive takes the result of a check-in or a fetch.
func (a *Agent) arrive(ctx context.Context, r result) {
	a.flight.cancel()
	a.flight = nil
	switch {
	case r.fetched:
		a.call(ctx, link.Request{Catalog: true})
		return
	case errors.Is(r.err, context.Canceled):
		a.server.due = time.Now()
		return
	case r.err != nil:
		a.cfg.Log.Warn("cannot check in", "error", r.err, "failures", a.server.failures+1)
		a.failed()
		return
	}
	s := &a.server
	s.failures, s.active, s.version = 0, r.resp.Active, r.version
	s.acknowledged = max(s.acknowledged, r.resp.Acknowledged)
	if r.req.Facts != nil {
		s.factsDigest = r.req.FactsDigest
	}
	if r.resp.WantFacts {
		s.factsDigest = ""
	}
	a.host.refusals = a.host.refusals[min(len(r.req.Loader.Refusals), len(a.host.refusals)):]
	stale := a.host.loader.CatalogVersion != s.version
	if stale || len(r.resp.Documents) > 0 || len(a.host.loader.Reports) > 0 {
		a.call(ctx, link.Request{Catalog: stale, Documents: r.resp.Documents})
	}
	s.due = time.Now().Add(jitter(time.Duration(r.resp.NextMillis) * time.Millisecond))
	if r.resp.WantFacts {
		s.due = time.Now()
	}
	a.fetch(ctx)
	a.rest()
}

// fetch gets the artifacts that the loader wants, if any.
func (a *Agent) fetch(ctx context.Context) {
	wanted := a.host.loader.WantArtifacts
	if len(wanted) == 0 || a.flight != nil || time.Now().Before(a.server.fetchDue) {
		return
	}
	a.server.fetchDue = time.Now().Add(firstPause)
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	a.flight = &flight{cancel: cancel}
	go func() {
		for _, digest := range wanted {
			if _, err := a.cfg.Catalog.Keep(ctx, digest); err != nil {
				a.cfg.Log.Warn("cannot fetch an artifact", "artifact", digest.Short(), "error", err)
			}
		}
		a.results <- result{fetched: true}
	}()
}

// failed says when to try again: a pause that doubles, with full jitter, so that
// a fleet does not come back in one second.
func (a *Agent) failed() {
	pause := min(firstPause<<min(a.server.failures, 10), longestPause)
	a.server.failures++
	a.server.due = time.Now().Add(pause/2 + rand.N(pause/2+1))
}

// jitter spreads a pace by a tenth to both sides.
func jitter(d time.Duration) time.Duration {
	d = min(max(d, gap), longestWait)
	return d - d/10 + rand.N(d/5+1)
}

// rest gives memory back once the host is quiet.
func (a *Agent) rest() {
	if a.host.loader.Busy || time.Since(a.server.rested) < paceRest {
		return
	}
	a.server.rested = time.Now()
	a.cfg.Rest()
}

// talk carries messages to the server.
type talk struct {
	server string
	http   *http.Client
}

// StatusError tells that the server answered with a status other than 200.
type StatusError struct {
	Status int
	// Text is the start of what the server said; opaque.
	Text string
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("cannot talk to the server: it answered %d (%s)", e.Status, e.Text)
}

func (t talk) sync(ctx context.Context, req *wire.SyncRequest) (*wire.SyncResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, syncTime+time.Duration(req.HoldSeconds)*time.Second)
	defer cancel()
	var resp wire.SyncResponse
	err := t.post(ctx, "/agent/v1/sync", req, wire.MaxRequestBytes, &resp)
	return &resp, err
}

func (t talk) post(ctx context.Context, path string, message wire.Message, limit int64, into wire.Message) error {
	body, err := wire.Encode(message, limit)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.server+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("cannot make a request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := t.http.Do(req)
	if err != nil {
		return fmt.Errorf("cannot reach the server: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return statusError(resp)
	}
	return wire.Decode(resp.Body, wire.MaxResponseBytes, into)
}
