package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// Pace of the live stream.
const (
	// slowestPing is sooner than a listener may take a silent line for a dead one.
	slowestPing = 15 * time.Second
	fastestPing = time.Second
	// writeWithin bounds one write to a client that does not read.
	writeWithin = 10 * time.Second
)

// pingEvery is the pause between two pings. Listeners read again at each what only time
// changes, such as a host that falls silent, so they come as often as a host checks in.
func (l Limits) pingEvery() time.Duration {
	return max(fastestPing, min(slowestPing, l.IdleInterval))
}

// stream sends a change for every event of the audit log, and pings in between so
// that both sides notice a dead connection.
func (s *Server) stream(ctx context.Context, _ *empty) (*huma.StreamResponse, error) {
	who := callerOf(ctx)
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		_, w := humago.Unwrap(hctx)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no")
		out := &events{w: w, control: http.NewResponseController(w)}
		changes, stop := s.feed.listen()
		defer stop()
		ping := time.NewTicker(s.options.Limits.pingEvery())
		defer ping.Stop()
		if out.send("ping", "{}") != nil {
			return
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.closing:
				return
			case <-ping.C:
				if !s.mayGoOn(ctx, who) || out.send("ping", "{}") != nil {
					return
				}
			case e, open := <-changes:
				if !open || endsSessions(e) && !s.mayGoOn(ctx, who) || out.change(e) != nil {
					return
				}
			}
		}
	}}, nil
}

// endsSessions reports whether an event may have ended somebody's session or token.
func endsSessions(e store.Event) bool {
	switch e.Kind {
	case inventory.SessionClosed, identity.TokenRevoked, identity.AccountMade, identity.AccountRoles, identity.AccountPassword, identity.AccountDisabled:
		return true
	}
	return false
}

// mayGoOn reports whether a caller may still read.
func (s *Server) mayGoOn(ctx context.Context, who caller) bool {
	err := s.store.View(ctx, func(tx store.Tx) error {
		now, err := identity.Again(tx, who.Caller, tx.Now())
		if err == nil && !now.May(identity.Read) {
			err = identity.ErrSessionOver
		}
		return err
	})
	return err == nil
}

// events writes server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (o *events) change(e store.Event) error {
	data, err := json.Marshal(api.Change{Seq: e.Seq, Kind: e.Kind, Plan: e.Plan, Host: e.Host})
	if err != nil {
		return err
	}
	return o.send("change", string(data))
}

func (o *events) send(kind, data string) error {
	// Not every writer has deadlines; then the connection's own must do.
	_ = o.control.SetWriteDeadline(time.Now().Add(writeWithin))
	if _, err := fmt.Fprintf(o.w, "event: %s\ndata: %s\n\n", kind, data); err != nil {
		return err
	}
	return o.control.Flush()
}
