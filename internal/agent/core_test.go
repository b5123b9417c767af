package agent_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/wire"
)

// stage drives a core by hand: one goroutine, and a clock that moves from one
// event to the next.
type stage struct {
	*world
	core *agent.Core
	now  time.Duration
	// sent is the check-in under way.
	sent  *wire.SyncRequest
	trace []byte
}

func newStage(t *testing.T, seed uint64) *stage { return newMirrored(t, seed, 0) }

// newMirrored is a stage whose host has some mirrors.
func newMirrored(t *testing.T, seed uint64, mirrors int) *stage {
	s := &stage{world: newWorld(t), now: time.Hour}
	s.core = agent.NewCore(agent.CoreConfig{Host: host, Loader: s.world, Observer: s.world,
		Uptime: func() time.Duration { return s.now }, Random: rand.New(rand.NewPCG(seed, 1)), Mirrors: mirrors})
	return s
}

// take notes what the core asks for.
func (s *stage) take(w agent.Work) agent.Work {
	line, err := json.Marshal(w)
	if err != nil {
		s.t.Fatal(err)
	}
	s.trace = fmt.Appendf(s.trace, "%s %s\n", s.now, line)
	if w.Sync != nil {
		s.sent = w.Sync
	}
	return w
}

// departs lets time pass until the core checks in.
func (s *stage) departs() *wire.SyncRequest {
	s.t.Helper()
	for range 10_000 {
		if s.core.Due() == agent.Never {
			s.t.Fatal("the core waits for something")
		}
		s.now = max(s.now, s.core.Due())
		if w := s.take(s.core.Wake(s.t.Context())); w.Sync != nil {
			return w.Sync
		}
	}
	s.t.Fatal("the core never checks in")
	return nil
}

func (s *stage) arrive(resp *wire.SyncResponse, err error) agent.Work {
	return s.take(s.core.Arrive(s.t.Context(), resp, err))
}

func TestTheSameSeedDoesTheSame(t *testing.T) {
	day := func(seed uint64) [32]byte {
		s := newStage(t, seed)
		for i := range 200 {
			s.departs()
			s.now += 40 * time.Millisecond
			if i%7 == 3 {
				s.arrive(nil, errDown)
				continue
			}
			w := s.arrive(&wire.SyncResponse{NextMillis: 30_000, CatalogVersion: int64(1 + i/50)}, nil)
			if w.Catalog {
				s.now += time.Second
				s.take(s.core.Refreshed(t.Context(), int64(1+i/50), nil))
			}
			s.take(s.core.Heard(t.Context(), hotstick.Reading{Probe: "web", Healthy: i%11 != 0}))
		}
		return sha256.Sum256(s.trace)
	}
	first := day(1)
	for range 10 {
		if day(1) != first {
			t.Fatal("the same seed did something else")
		}
	}
	if day(2) == first {
		t.Error("two hosts of different seeds check in at the same moments")
	}
}

func TestALoaderThatWasNotThereKnowsHowTheHostIsBeforeItJudgesAGrant(t *testing.T) {
	s := newStage(t, 1)
	s.departs()
	s.core.Heard(t.Context(), hotstick.Reading{Probe: "web"})
	s.arrive(&wire.SyncResponse{NextMillis: 100}, nil)
	for range 3 {
		s.departs() // whoever was told of the probe may have ended since
		s.arrive(&wire.SyncResponse{NextMillis: 100}, nil)
	}
	s.departs()
	calls := len(s.calls)
	s.arrive(&wire.SyncResponse{NextMillis: 100, Documents: []json.RawMessage{json.RawMessage(`{"payload":"x"}`)}}, nil)
	with := s.calls[calls:]
	if len(with) == 0 || len(with[0].Documents) != 1 || len(with[0].Readings) != 1 || with[0].Readings[0].Probe != "web" {
		t.Errorf("the loader was called with %+v", with)
	}
}

func TestNothingElseDepartsWhileSomethingIsUnderWay(t *testing.T) {
	s := newStage(t, 1)
	s.departs()
	for range 120 {
		s.now += time.Second
		if w := s.core.Wake(t.Context()); w.Sync != nil || w.Catalog || len(w.Artifacts) > 0 {
			t.Fatalf("the core asks for %+v while a check-in is under way", w)
		}
	}
	if s.core.Due() != agent.Never {
		t.Errorf("due at %s although only the answer matters", s.core.Due())
	}
}

func TestTheAnswerIsTakenAfterTheCatalogItNames(t *testing.T) {
	s := newStage(t, 1)
	s.departs()
	document := json.RawMessage(`{"payload":"x"}`)
	s.version = 4
	w := s.arrive(&wire.SyncResponse{NextMillis: 1000, CatalogVersion: 4, Documents: []json.RawMessage{document}}, nil)
	if !w.Catalog || w.Within <= 0 {
		t.Fatalf("the core asks for %+v", w)
	}
	calls := len(s.calls)
	s.take(s.core.Refreshed(t.Context(), 4, nil))
	if len(s.calls) != calls+1 || !s.calls[calls].Catalog || len(s.calls[calls].Documents) != 1 {
		t.Errorf("the loader was called with %+v", s.calls[calls:])
	}
}

func TestAHeldCheckInIsRecalledOnceForNews(t *testing.T) {
	s := newStage(t, 1)
	s.departs()
	s.arrive(&wire.SyncResponse{NextMillis: 100, Active: true}, nil)
	if req := s.departs(); req.HoldSeconds == 0 {
		t.Fatal("the check-in may not be held")
	}
	s.core.Heard(t.Context(), hotstick.Reading{Probe: "web", Healthy: true})
	if w := s.core.Heard(t.Context(), hotstick.Reading{Probe: "web"}); !w.Recall {
		t.Fatal("the probe failed and nobody is told")
	}
	if w := s.core.Heard(t.Context(), hotstick.Reading{Probe: "web", Healthy: true}); w.Recall {
		t.Error("recalled twice")
	}
	s.arrive(nil, context.Canceled)
	if req := s.departs(); len(req.Readings) != 1 || !req.Readings[0].Healthy {
		t.Errorf("the news are %+v", req.Readings)
	}
}

// A simulator relies on the core having no clock, timer, goroutine or randomness
// but those it was given.
func TestTheCoreHasNothingOfItsOwn(t *testing.T) {
	banned := map[string]bool{"time.Now": true, "time.Since": true, "time.Until": true, "time.After": true, "time.NewTimer": true,
		"time.NewTicker": true, "time.AfterFunc": true, "time.Sleep": true, "context.WithTimeout": true, "context.WithDeadline": true,
		"rand.N": true, "rand.IntN": true, "rand.Int64N": true, "rand.Float64": true}
	for _, name := range []string{"core.go", "host.go", "mirror.go", "protocol.go", "rest.go", "sync.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt:
				t.Errorf("%s has a goroutine or a channel", name)
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && banned[pkg.Name+"."+n.Sel.Name] {
					t.Errorf("%s uses %s.%s", name, pkg.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestAnOlderServerIsSpokenToInItsProtocolUntilItIsTriedAgain(t *testing.T) {
	s := newStage(t, 1)
	refuse := &agent.StatusError{Status: 400, Text: "cannot read the message"}
	if req := s.departs(); req.Protocol != wire.Protocol {
		t.Fatalf("the first check-in speaks %d", req.Protocol)
	}
	s.arrive(nil, refuse)
	older := s.departs()
	if older.Protocol != wire.Protocol-1 || older.Facts == nil {
		t.Fatalf("after the refusal: protocol %d, facts %v", older.Protocol, older.Facts != nil)
	}
	s.arrive(&wire.SyncResponse{NextMillis: 1000}, nil)
	if req := s.departs(); req.Protocol != wire.Protocol-1 || req.Facts != nil {
		t.Fatalf("the next one: protocol %d, facts %v", req.Protocol, req.Facts != nil)
	}
	s.arrive(&wire.SyncResponse{NextMillis: 1000}, nil)
	s.now += 2 * time.Hour
	if req := s.departs(); req.Protocol != wire.Protocol || req.Facts == nil {
		t.Errorf("hours later: protocol %d, facts %v", req.Protocol, req.Facts != nil)
	}
}
