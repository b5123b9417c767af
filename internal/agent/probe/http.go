package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// HTTP is a probe that fetches a page. No redirection is followed: it is an answer like
// any other, with its own status.
type HTTP struct {
	URL string
	// Status is the one that is healthy; 0 takes 200 to 299.
	Status int
	// Contains is what the body must contain within its first [MaxBody] bytes.
	Contains string
	// Transport carries the request. It must not take a proxy from the environment.
	Transport http.RoundTripper
}

// MaxBody bounds what is read of a page, in bytes.
const MaxBody = 64 << 10

// Ask implements [Asker].
func (h HTTP) Ask(ctx context.Context, _ bool) Answer {
	begun := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return Answer{Detail: "cannot make a request: " + clean(err)}
	}
	req.Header.Set("User-Agent", "hotstick-agent")
	resp, err := h.Transport.RoundTrip(req)
	if err != nil {
		return unanswered(begun, err)
	}
	defer resp.Body.Close()
	if h.Status != 0 && resp.StatusCode != h.Status || h.Status == 0 && (resp.StatusCode < 200 || resp.StatusCode > 299) {
		return Answer{Detail: fmt.Sprintf("it answered %d", resp.StatusCode)}
	}
	if h.Contains == "" {
		return Answer{Healthy: true, Detail: fmt.Sprintf("it answered %d", resp.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody))
	switch {
	case bytes.Contains(body, []byte(h.Contains)):
		return Answer{Healthy: true, Detail: fmt.Sprintf("it answered %d, with %q", resp.StatusCode, h.Contains)}
	case err != nil:
		return unanswered(begun, err)
	}
	return Answer{Detail: fmt.Sprintf("it answered %d, without %q", resp.StatusCode, h.Contains)}
}

// TCP is a probe that opens a connection and closes it.
type TCP struct {
	// Address is HOST:PORT.
	Address string
}

// Ask implements [Asker].
func (t TCP) Ask(ctx context.Context, _ bool) Answer {
	begun := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return unanswered(begun, err)
	}
	if err := conn.Close(); err != nil {
		return Answer{Detail: clean(err)}
	}
	return Answer{Healthy: true, Detail: "it is open"}
}

// unanswered tells what went wrong on the network.
func unanswered(begun time.Time, err error) Answer {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return Answer{Detail: noAnswer(begun)}
	}
	return Answer{Detail: clean(err)}
}

// clean bounds an error's text, parts of which came from elsewhere.
func clean(err error) string {
	out := &capped{}
	fmt.Fprint(out, err)
	return out.text()
}
