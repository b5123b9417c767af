package agent

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/hotstick/hotstick/internal/wire"
)

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
	var resp wire.SyncResponse
	err := t.post(ctx, "/agent/v1/sync", req, req.Protocol, wire.MaxRequestBytes, &resp)
	return &resp, err
}

// get reads one answer that is not about this host.
func (t talk) get(ctx context.Context, path string, into wire.Message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.server+path, nil)
	if err != nil {
		return fmt.Errorf("cannot make a request: %w", err)
	}
	return t.do(req, into)
}

func (t talk) post(ctx context.Context, path string, message wire.Message, protocol int, limit int64, into wire.Message) error {
	body, err := wire.EncodeAs(message, protocol, limit)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.server+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("cannot make a request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	return t.do(req, into)
}

func (t talk) do(req *http.Request, into wire.Message) error {
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
