package agent_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/wire"
)

const host = hotstick.HostID("h-abcdefghijklmnop")

var errDown = errors.New("connection refused")

// world is an agent with its server, its loader and its catalog, all in one
// bubble of time.
type world struct {
	t *testing.T
	// begin starts the agent.
	begin func()

	mu sync.Mutex // guards all below
	// server
	down     bool
	requests []wire.SyncRequest
	arrived  []time.Time
	reply    func(*wire.SyncRequest) wire.SyncResponse
	hold     bool
	held     int
	dropped  int
	// loader
	calls    []link.Request
	called   []time.Time
	state    link.Response
	loaderUp bool
	// catalog
	version int64
	kept    []hotstick.Digest
	keepErr error
	// host
	facts hotstick.Facts
	ill   string
	asked int
}

type linkRequest = link.Request

func refusalOf(document []byte) link.Refusal {
	return link.Refusal{Document: hotstick.NewDigest(document), Reason: hotstick.Reason{Code: hotstick.ReasonSignature}}
}

// count counts the check-ins that are like that.
func (w *world) count(like func(wire.SyncRequest) bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.requests {
		if like(r) {
			n++
		}
	}
	return n
}

func (w *world) sent(like func(wire.SyncRequest) bool) bool { return w.count(like) > 0 }

func (w *world) withFacts() int {
	return w.count(func(r wire.SyncRequest) bool { return r.Facts != nil })
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, loaderUp: true, state: link.Response{Boot: "boot", Nonce: "nonce"}}
	w.facts.Host = hotstick.HostFacts{Hostname: "n1", BootID: "boot"}
	w.reply = func(*wire.SyncRequest) wire.SyncResponse { return wire.SyncResponse{NextMillis: 30_000} }
	return w
}

// run runs the agent in a bubble while f plays.
func run(t *testing.T, edit func(*world, *agent.Config), f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		started := time.Now()
		cfg := agent.Config{Host: host, Server: "https://server", Transport: w, Loader: w, Catalog: (*shelf)(w), Observer: w,
			Uptime: func() time.Duration { return time.Hour + time.Since(started) }, Log: slog.New(slog.DiscardHandler)}
		if edit != nil {
			edit(w, &cfg)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		// What f sets up before it lets time pass is there before the agent is.
		w.begin = sync.OnceFunc(func() { go func() { done <- agent.New(cfg).Run(ctx) }() })
		f(w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the agent ended with %v", err)
		}
		synctest.Wait()
	})
}

// RoundTrip is the server.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	var req wire.SyncRequest
	if r.URL.Path != "/agent/v1/sync" {
		w.t.Errorf("the agent asked for %s", r.URL.Path)
	}
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return nil, errDown
	}
	if err := wire.Decode(r.Body, wire.MaxRequestBytes, &req); err != nil {
		w.t.Errorf("the agent sent what the server refuses: %v", err)
		return nil, err
	}
	w.mu.Lock()
	w.requests, w.arrived = append(w.requests, req), append(w.arrived, time.Now())
	hold := w.hold && req.HoldSeconds > 0
	w.mu.Unlock()
	if hold {
		w.note(&w.held)
		select {
		case <-r.Context().Done():
			w.note(&w.dropped)
			return nil, r.Context().Err()
		case <-time.After(time.Duration(req.HoldSeconds) * time.Second):
		}
	}
	w.mu.Lock()
	resp := w.reply(&req)
	w.mu.Unlock()
	body, err := wire.Encode(&resp, wire.MaxResponseBytes)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func (w *world) note(n *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n++
}

// read reads a counter while the agent runs.
func (w *world) read(n *int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *n
}

func (w *world) callCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// Exchange is the loader.
func (w *world) Exchange(_ context.Context, req link.Request) (link.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.loaderUp {
		return link.Response{}, errDown
	}
	w.calls, w.called = append(w.calls, req), append(w.called, time.Now())
	w.state.Reports = slices.DeleteFunc(slices.Clone(w.state.Reports), func(r hotstick.Report) bool { return r.Seq <= req.Acknowledged })
	if req.Catalog {
		w.state.CatalogVersion = w.version
		w.state.WantArtifacts = slices.DeleteFunc(slices.Clone(w.state.WantArtifacts), func(d hotstick.Digest) bool { return slices.Contains(w.kept, d) })
	}
	return w.state, nil
}

// Facts and Patches are the host.
func (w *world) Facts(context.Context) (hotstick.Facts, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts, nil
}

func (w *world) Patches(context.Context) ([]hotstick.LoadedPatch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts.Livepatch.Patches, nil
}

// shelf is the catalog.
type shelf world

func (s *shelf) view() catalog.View {
	return catalog.NewView(s.version, time.Now().Add(time.Hour), hotstick.Trust{}, nil)
}

func (s *shelf) Refresh(context.Context, time.Time) (catalog.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	return s.view(), nil
}

func (s *shelf) Follow(context.Context, time.Time, ...catalog.Mirror) (catalog.View, []catalog.MirrorReport, error) {
	return catalog.View{}, nil, errors.New("there are no mirrors")
}

func (s *shelf) Load() (catalog.View, error) { return catalog.View{}, fs.ErrNotExist }

func (s *shelf) Keep(_ context.Context, d hotstick.Digest, _ ...catalog.Fetcher) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keepErr != nil {
		return "", s.keepErr
	}
	s.kept = append(s.kept, d)
	return "", nil
}

// edit changes the world while the agent runs.
func (w *world) edit(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.begin()
	<-time.After(d)
	synctest.Wait()
}

// last is the newest check-in.
func (w *world) last() wire.SyncRequest {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.requests) == 0 {
		w.t.Fatal("nobody checked in")
	}
	return w.requests[len(w.requests)-1]
}

func (w *world) checkIns() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.requests)
}
