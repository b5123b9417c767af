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
	"github.com/hotstick/hotstick/internal/store"
)

// Pace of the live stream.
const (
	pingEvery = 15 * time.Second
	// writeWithin bounds one write to a client that does not read.
	writeWithin = 10 * time.Second
)

// stream sends a change for every event of the audit log, and pings in between so
// that both sides notice a dead connection.
func (s *Server) stream(ctx context.Context, _ *empty) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		_, w := humago.Unwrap(hctx)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no")
		out := &events{w: w, control: http.NewResponseController(w)}
		changes, stop := s.feed.listen()
		defer stop()
		ping := time.NewTicker(pingEvery)
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
				if out.send("ping", "{}") != nil {
					return
				}
			case e, open := <-changes:
				if !open || out.change(e) != nil {
					return
				}
			}
		}
	}}, nil
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
