package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/trace"
	"github.com/hotstick/hotstick/internal/wire"
)

// server is one server process: all its memory is in its controller.
type server struct {
	w       *World
	control *controller.Controller
	up      bool
	// life counts its processes, so that what an older one planned is void.
	life int
	// due is when its next round is planned; 0 for none.
	due time.Duration
}

// View and Refresh make the world a [controller.Catalog].
func (w *World) View() catalog.View { return w.catalog }

// Refresh implements [controller.Catalog]; the world renews its catalog by steps.
func (w *World) Refresh(time.Time) (bool, error) { return false, nil }

func (s *server) start() {
	s.life++
	s.w.set = 0 // whoever starts a server looks at its clock
	s.up, s.due = true, 0
	s.control = controller.New(controller.Options{Store: s.w.tap, Catalog: s.w, Online: s.w.keys.online,
		Limits: s.w.limits, Log: slog.New(slog.DiscardHandler), Trace: s.w.opt.Product, Node: "server"})
	if err := s.control.Begin(context.Background()); err != nil {
		s.w.fail("cannot start a server: %v", err)
	}
	s.round(0)
}

func (s *server) kill() {
	s.up = false
	s.life++
}

var errRefused = errors.New("cannot reach the server: connection refused")

// checkIn is the server's side of a check-in, as its route does it.
func (s *server) checkIn(req wire.SyncRequest, sent time.Duration) (*wire.SyncResponse, error) {
	if req.Protocol < wire.Oldest || req.Protocol > wire.Protocol {
		return nil, fmt.Errorf("cannot take protocol %d", req.Protocol)
	}
	if err := inventory.Check(req); err != nil {
		return nil, err
	}
	ctx := context.Background()
	taken, err := s.control.Take(ctx, req, s.w.staleAfter)
	if err != nil {
		return nil, err
	}
	n := s.w.byID[req.Host]
	if taken.Cloned {
		s.w.some("older boot refused")
	}
	if taken.Counted {
		n.heard, n.said = s.w.now, sent
		s.w.show(n)
		s.wake()
	}
	if s.w.dieAfterTake > 0 {
		s.w.dieAfterTake--
		if s.w.dieAfterTake == 0 {
			s.w.some("server killed between commit and answer")
			s.kill()
			s.w.after(3*time.Second, s.start)
			return nil, errRefused
		}
	}
	return s.answer(ctx, req, taken)
}

func (s *server) answer(ctx context.Context, req wire.SyncRequest, taken inventory.Taken) (*wire.SyncResponse, error) {
	resp := &wire.SyncResponse{WantFacts: taken.WantFacts, Acknowledged: taken.Host.Reported,
		CatalogVersion: s.w.catalog.Version, NextMillis: int(s.w.opt.Pace.Milliseconds()) * 4}
	if taken.Counted {
		if err := s.control.Refused(ctx, req); err != nil {
			return nil, err
		}
		out, err := s.control.Documents(ctx, req, 0)
		if err != nil {
			return nil, err
		}
		resp.Documents, resp.Active = out.Documents, out.Active
	}
	switch {
	case resp.WantFacts:
		resp.NextMillis = 50
	case resp.Active || req.Loader.Busy:
		resp.NextMillis = int(s.w.opt.Pace.Milliseconds())
	}
	resp.Documents = s.w.answers(s.w.byID[req.Host], req, resp.Documents)
	resp.ServerTime = s.w.clock.Now()
	return resp, nil
}

// show writes down what a screen would say of the host now.
func (w *World) show(n *node) {
	if w.bound(n) {
		return
	}
	var host store.Host
	err := w.memory.View(context.Background(), func(tx store.Tx) error {
		var err error
		host, err = tx.Hosts().Get(n.id)
		return err
	})
	if err != nil || host.Boot == "" {
		return
	}
	truth := inventory.Read(host, inventory.NewModules(w.catalog.Patches), w.clock.Now(), w.staleAfter)
	e := trace.Event{Node: "server", Kind: trace.KindShown, Host: n.id, Boot: host.Boot, To: string(truth.Knowledge)}
	if truth.Knowledge == inventory.Known && !truth.Level.IsZero() {
		e.To, e.Patch = "applied", truth.Level
	}
	w.some("shown " + e.To)
	e.Body, err = json.Marshal(checker.Shown{HeardMillis: n.heard.Milliseconds(), SentMillis: n.said.Milliseconds()})
	if err != nil {
		w.fail("cannot write what is shown: %v", err)
	}
	w.emit(e)
}

// bound: a host that never checked in is not shown.
func (w *World) bound(n *node) bool { return n.heard == 0 }

// screens looks at all hosts now and then.
func (w *World) screens() {
	for _, n := range w.nodes {
		w.show(n)
	}
	w.after(w.staleAfter/2, w.screens)
}
