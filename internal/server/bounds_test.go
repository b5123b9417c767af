package server

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/wire"
)

// hasty gives a world a server with very short limits of time.
func hasty(t *testing.T) *world {
	w := newWorld(t, nil)
	w.options.times = times{header: 500 * time.Millisecond, body: 500 * time.Millisecond, idle: 500 * time.Millisecond, write: 500 * time.Millisecond}
	w.restart()
	return w
}

// mustSpeak opens a TLS connection of nobody's for HTTP/1.1 and sends text.
func (w *world) mustSpeak(text string) *line {
	w.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.server.Authority())
	conn, err := tls.Dial("tcp", w.server.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}})
	w.must(err)
	w.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, text)
	w.must(err)
	return &line{Conn: conn, reader: bufio.NewReader(conn)}
}

// drip sends a character every so often until the peer hangs up, and returns whether
// it did before the deadline.
func drip(conn net.Conn, deadline time.Time) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = conn.SetReadDeadline(deadline)
		for buffer := make([]byte, 4096); ; {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
		}
	}()
	for {
		select {
		case <-gone:
			return time.Now().Before(deadline)
		case <-tick.C:
			_, _ = conn.Write([]byte("a")) // the reader notices the end
		}
	}
}

func TestSlowlorisIsHungUpOn(t *testing.T) {
	t.Parallel()
	w := hasty(t)
	bearer := "Authorization: " + w.bearer(identity.Admin) + "\r\n"
	for _, c := range []struct{ name, text string }{
		{"in the request line", "GET /vers"},
		{"in the header", "GET /version HTTP/1.1\r\nHost: x\r\nX-Slow: "},
		{"in the body of a sign-in", "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"},
		{"in the body of an enrolment", "POST /agent/v1/enroll HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"},
		{"in a body in chunks", "POST /agent/v1/enroll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"},
		{"in a body that is refused", "POST /api/v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"},
		{"in the body of a write", "POST /api/v1/stop HTTP/1.1\r\nHost: x\r\n" + bearer + "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"},
		{"in the body of what does not exist", "POST /api/v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"},
		{"in the body of what takes none", "GET /version HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"},
	} {
		if !drip(w.mustSpeak(c.text).Conn, time.Now().Add(cutOff)) {
			t.Errorf("a client that drips %s is not hung up on", c.name)
		}
	}
	raw, err := net.Dial("tcp", w.server.Addr().String())
	w.must(err)
	defer raw.Close()
	if !drip(raw, time.Now().Add(cutOff)) {
		t.Error("a client that drips its handshake is not hung up on")
	}
	idle := w.mustSpeak("GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(idle.reader, nil); err != nil {
		t.Fatal(err)
	}
	_ = idle.SetReadDeadline(time.Now().Add(cutOff))
	rest, err := io.ReadAll(idle.reader)
	if err != nil {
		t.Errorf("a connection that asks nothing more is kept: %d bytes, %v", len(rest), err)
	}
}

func TestHeadersAndBodiesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, c := range []struct {
		name, text string
		status     int
	}{
		{"a long header", "GET /version HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("a", 2*maxHeader) + "\r\n\r\n", 431},
		{"many headers", "GET /version HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Many: aaaaaaaaaaaaaaaa\r\n", maxHeader/16) + "\r\n", 431},
		{"a long path", "GET /" + strings.Repeat("a", 2*maxHeader) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
		{"an enrolment of 100 MB", "POST /agent/v1/enroll HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n", 413},
		{"a sign-in of 100 MB", "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n", 413},
		{"a body where there is none", "GET /version HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n", 413},
		{"an endless enrolment", "POST /agent/v1/enroll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat("10000\r\n"+strings.Repeat("a", 0x10000)+"\r\n", wire.MaxEnrollBytes>>16+8), 413},
	} {
		l := w.mustSpeak("")
		go func() { _, _ = io.WriteString(l, c.text) }() // it may be hung up on meanwhile
		_ = l.SetReadDeadline(time.Now().Add(cutOff))
		resp, err := http.ReadResponse(l.reader, nil)
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%s: %+v, %v; want %d", c.name, resp, err, c.status)
		}
	}
	for _, r := range routes() {
		if (r.method == http.MethodGet || r.method == http.MethodDelete) != (r.body == 0) {
			t.Errorf("%s %s takes a body of %d bytes", r.method, r.path, r.body)
		}
		if took := defaultTimes.reading(r.body); took > longestBody || r.body <= documentBody && took > 30*time.Second {
			t.Errorf("the body of %s %s may take %s", r.method, r.path, took)
		}
	}
}

// A console that is open all day, and hosts whose check-ins are held, go on.
func TestHeldCheckInsAndLiveStreamsAreNotCutByLimitsOfTime(t *testing.T) {
	t.Parallel()
	w := hasty(t)
	h := w.enrol("host-1", buildA)
	_, err := h.checkIn(w.Context(), 0)
	w.must(err)
	r := w.approved(w.publish(1), quick)
	_, err = w.admin.Start(w.Context(), string(r.Plan))
	w.must(err)
	_, err = w.admin.Hold(w.Context(), string(r.Plan), api.ActionRequest{})
	w.must(err)
	for active := false; !active; {
		answer, err := h.checkIn(w.Context(), 0)
		w.must(err)
		active = answer.Active && len(answer.Documents) == 0 && len(h.plans) == 1
	}
	// One over HTTP/2, as browsers do, and one over HTTP/1.1.
	modern := w.mustStream("Authorization", w.bearer(identity.Viewer))
	old := w.mustSpeak("GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: " + w.bearer(identity.Viewer) + "\r\n\r\n")
	const hold = 3
	asked := time.Now()
	_, err = h.checkIn(w.Context(), hold)
	if took := time.Since(asked); err != nil || took < hold*time.Second {
		t.Errorf("a check-in that was to be held for %d s ended after %s: %v", hold, took, err)
	}
	select {
	case <-modern.ended:
		t.Error("the live stream over HTTP/2 was cut")
	default:
	}
	w.joinToken()
	_ = old.SetReadDeadline(time.Now().Add(cutOff))
	for told := ""; !strings.Contains(told, "token.made"); {
		if told, err = old.reader.ReadString('\n'); err != nil {
			t.Fatalf("the live stream over HTTP/1.1 was cut: %v", err)
		}
	}
}

func TestADownloaderWhoTakesNothingIsHungUpOn(t *testing.T) {
	t.Parallel()
	far, near := net.Pipe()
	defer far.Close()
	slow := &steadily{ResponseWriter: piped{near, http.Header{}}, control: http.NewResponseController(piped{near, http.Header{}}), within: 100 * time.Millisecond}
	go func() { _, _ = io.CopyN(io.Discard, far, 100<<10) }()
	n, err := slow.Write(make([]byte, 1<<20))
	if err == nil || n < 64<<10 || n > 256<<10 {
		t.Errorf("%d bytes were written, %v", n, err)
	}
}

// piped is an http.ResponseWriter over a pipe, with its deadlines.
type piped struct {
	net.Conn
	header http.Header
}

func (p piped) Header() http.Header { return p.header }
func (p piped) WriteHeader(int)     {}

func TestTooManyConnectionsThatAskNothingMakeRoom(t *testing.T) {
	c := newConnections()
	var first, asked net.Conn
	for i := range maxFresh + 3 {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		c.changed(near, http.StateNew)
		switch i {
		case 0:
			first = near
		case 1:
			asked = near
			c.changed(near, http.StateActive)
		}
	}
	closed := func(conn net.Conn) bool { return conn.SetDeadline(time.Now()) != nil }
	if !closed(first) || closed(asked) || c.fresh.Len() != maxFresh || len(c.place) != maxFresh {
		t.Errorf("first closed: %v; that asked closed: %v; %d wait", closed(first), closed(asked), c.fresh.Len())
	}
}
