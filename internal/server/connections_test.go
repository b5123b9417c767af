package server

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/wire"
)

// cutOff is how soon after its revocation a host must have lost its connections.
const cutOff = 5 * time.Second

// line is one TLS connection of a host that the test holds in its hands.
type line struct {
	*tls.Conn
	reader *bufio.Reader
}

func (h *simulated) mustDial() *line {
	h.w.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(h.w.server.Authority())
	conn, err := tls.Dial("tcp", h.w.server.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{h.cert}, PrivateKey: h.tls}}, NextProtos: []string{"http/1.1"}})
	h.w.must(err)
	h.w.Cleanup(func() { conn.Close() })
	return &line{Conn: conn, reader: bufio.NewReader(conn)}
}

// ask sends one request for a catalog file over the line and reads the answer.
func (l *line) ask() (int, error) {
	if _, err := io.WriteString(l, "GET /agent/v1/catalog/timestamp.json HTTP/1.1\r\nHost: hotstick\r\n\r\n"); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(l.reader, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// ended waits until the peer closes the line, or until the deadline.
func (l *line) ended(deadline time.Time) error {
	if err := l.SetReadDeadline(deadline); err != nil {
		return err
	}
	_, err := l.reader.ReadByte()
	if err == nil {
		return errors.New("the server sent something")
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return err
	}
	return nil
}

func TestRevocationClosesEveryConnectionOfTheHostWithinSeconds(t *testing.T) {
	onEachStore(t, func(w *world) {
		stolen, other := w.enrol("stolen", buildA), w.enrol("other", buildA)
		for _, h := range []*simulated{stolen, other} {
			_, err := h.checkIn(w.Context(), 0)
			w.must(err)
		}
		r := w.approved(w.publish(1), quick)
		_, err := w.admin.Start(w.Context(), string(r.Plan))
		w.must(err)
		_, err = w.admin.Hold(w.Context(), string(r.Plan), api.ActionRequest{})
		w.must(err)

		// The plan is on its way to the host at once; then nothing happens until resume.
		for active := false; !active; {
			answer, err := stolen.checkIn(w.Context(), 0)
			w.must(err)
			active = answer.Active && len(answer.Documents) == 0 && len(stolen.plans) == 1
		}

		lines := []*line{stolen.mustDial(), stolen.mustDial(), other.mustDial()}
		for _, l := range lines {
			if status, err := l.ask(); status != http.StatusOK {
				w.Fatalf("before the revocation: %d, %v", status, err)
			}
		}
		held := make(chan int, 1)
		asked := time.Now()
		go func() {
			var answer wire.SyncResponse
			status, _ := stolen.post("/agent/v1/sync", stolen.message(25), &answer)
			held <- status
		}()

		select {
		case status := <-held:
			w.Fatalf("the check-in was not held: %d after %s", status, time.Since(asked))
		case <-time.After(200 * time.Millisecond):
		}
		_, err = w.admin.WriteOff(w.Context(), string(stolen.id), api.ActionRequest{Reason: "stolen"})
		w.must(err)
		revoked := time.Now()
		for i, l := range lines[:2] {
			if err := l.ended(revoked.Add(cutOff)); err != nil {
				w.Errorf("connection %d is open %s after the revocation: %v", i, time.Since(revoked), err)
			}
		}
		select {
		case status := <-held:
			if status == http.StatusOK {
				w.Error("a check-in was answered after the revocation")
			}
		case <-time.After(time.Until(revoked.Add(cutOff))):
			w.Errorf("a check-in is held %s after the revocation", time.Since(revoked))
		}
		w.Logf("cut off %s after the revocation", time.Since(revoked))

		again := stolen.mustDial()
		if status, err := again.ask(); status != http.StatusForbidden {
			w.Errorf("a new connection after the revocation: %d, %v", status, err)
		}
		if err := again.ended(time.Now().Add(cutOff)); err != nil {
			w.Errorf("the refused connection stays open: %v", err)
		}
		if status, err := lines[2].ask(); status != http.StatusOK {
			w.Errorf("another host's connection: %d, %v", status, err)
		}
	})
}

func TestAConnectionThatEndsIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h := w.enrol("host-1", buildA)
	for range 3 {
		l := h.mustDial()
		if status, err := l.ask(); status != http.StatusOK {
			t.Fatalf("%d, %v", status, err)
		}
		l.Close()
	}
	h.http.CloseIdleConnections()
	w.stop()
	if c := w.server.serving.connections; len(c.of)+len(c.host) != 0 {
		t.Errorf("%d hosts and %d connections are remembered", len(c.of), len(c.host))
	}
}

func TestARevokedIdentityNeverEnrolsAgain(t *testing.T) {
	onEachStore(t, func(w *world) {
		h := w.enrol("host-1", buildA)
		_, err := w.admin.WriteOff(w.Context(), string(h.id), api.ActionRequest{Reason: "stolen"})
		w.must(err)
		if status, code := w.enrolWith(h, h.enrolment(w.joinToken())); status != 403 || code != "identity" {
			w.Errorf("an enrolment after the revocation: %d %s", status, code)
		}
	})
}
