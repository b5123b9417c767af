package link_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a loader that remembers its calls.
type echo struct {
	mu    sync.Mutex
	calls []link.Request
	err   error
}

func (e *echo) Exchange(_ context.Context, req link.Request) (link.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, req)
	return link.Response{Boot: "b", Nonce: "n", CatalogVersion: 7}, e.err
}

func (e *echo) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.calls)
}

// serve serves a loader to the given users and returns the socket's path.
func serve(t *testing.T, l link.Loader, users ...uint32) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := link.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- link.NewServer(l, users, slog.New(slog.DiscardHandler)).Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return path
}

func me() uint32 { return uint32(os.Getuid()) }

func TestACallGoesThroughAndComesBack(t *testing.T) {
	l := &echo{}
	client := link.Dial(serve(t, l, me()))
	defer client.Close()
	req := link.Request{Catalog: true, Documents: []json.RawMessage{json.RawMessage(`{"a":1}`)}, Acknowledged: 3,
		Readings: []hotstick.Reading{{Probe: "web", Healthy: true}}}
	for range 3 {
		resp, err := client.Exchange(t.Context(), req)
		if err != nil || resp.Nonce != "n" || resp.CatalogVersion != 7 {
			t.Fatalf("answer is %+v, %v", resp, err)
		}
	}
	if got := l.calls[2]; !got.Catalog || got.Acknowledged != 3 || string(got.Documents[0]) != `{"a":1}` || got.Readings[0].Probe != "web" {
		t.Errorf("the loader got %+v", got)
	}
}

func TestALoadersErrorIsARefusal(t *testing.T) {
	client := link.Dial(serve(t, &echo{err: errors.New("cannot do this")}, me()))
	defer client.Close()
	_, err := client.Exchange(t.Context(), link.Request{})
	if !errors.Is(err, link.ErrRefused) || !strings.Contains(err.Error(), "cannot do this") {
		t.Errorf("error is %v", err)
	}
}

func TestAClientSurvivesTheLoadersRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	client := link.Dial(path)
	defer client.Close()
	if _, err := client.Exchange(t.Context(), link.Request{}); err == nil {
		t.Fatal("nobody is there and the call succeeds")
	}
	for range 2 {
		listener, err := link.Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- link.NewServer(&echo{}, []uint32{me()}, slog.New(slog.DiscardHandler)).Serve(ctx, listener)
		}()
		// The first call may still find the old connection.
		if _, err := client.Exchange(t.Context(), link.Request{}); err != nil {
			if _, err = client.Exchange(t.Context(), link.Request{}); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// send writes raw bytes to the socket and returns the line that comes back, and
// whether the connection was cut after it.
func send(t *testing.T, path string, raw []byte) (string, bool) {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = conn.Write(raw) }() // the server may cut it short
	lines := bufio.NewReader(conn)
	line, _ := lines.ReadString('\n')
	_, err = lines.ReadByte()
	return line, errors.Is(err, io.EOF) || err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestMalformedCallsAreRefusedAndCutOff(t *testing.T) {
	l := &echo{}
	path := serve(t, l, me())
	for _, c := range []struct{ what, line, want string }{
		{"unknown field", `{"acknowledged":0,"load":"now"}`, "load"},
		{"not JSON", `hello`, "cannot read the call"},
		{"two objects in a line", `{"acknowledged":0}{"acknowledged":0}`, "cannot read the call"},
		{"doubled field", `{"acknowledged":0,"acknowledged":9}`, "acknowledged"},
		{"an array", `[]`, "cannot read the call"},
		{"a reading without a name", `{"acknowledged":0,"readings":[{"probe":"","healthy":true,"at":"2026-11-21T00:00:00Z"}]}`, "cannot take a reading"},
		{"too many documents", `{"acknowledged":0,"documents":[` + strings.Repeat("{},", 256) + `{}]}`, "257 documents"},
	} {
		line, cut := send(t, path, []byte(c.line+"\n"))
		if !strings.Contains(line, c.want) || !cut {
			t.Errorf("%s: answer is %q, cut off %t; want %q", c.what, line, cut, c.want)
		}
	}
	if l.count() != 0 {
		t.Errorf("the loader was called %d times", l.count())
	}
}

func TestAnOversizedCallIsRefusedBeforeItIsKept(t *testing.T) {
	l := &echo{}
	path := serve(t, l, me())
	line, cut := send(t, path, append([]byte(strings.Repeat(" ", link.MaxFrame+1)), '\n'))
	if !strings.Contains(line, "cannot read a line") || !cut || l.count() != 0 {
		t.Errorf("answer is %q, cut off %t, %d calls", line, cut, l.count())
	}
}

func TestStrangersAreNotHeard(t *testing.T) {
	if me() == 0 {
		t.Skip("root is always heard; the rule is tested as any other user, and as root in TestAnotherUserIsNotHeard")
	}
	l := &echo{}
	client := link.Dial(serve(t, l, me()+1))
	defer client.Close()
	if _, err := client.Exchange(t.Context(), link.Request{}); err == nil || l.count() != 0 {
		t.Errorf("a stranger was heard: %v, %d calls", err, l.count())
	}
}

func TestOneLoaderPerSocket(t *testing.T) {
	path := serve(t, &echo{}, me())
	if _, err := link.Listen(path); err == nil || !strings.Contains(err.Error(), "another loader answers") {
		t.Errorf("error is %v", err)
	}
}

func TestADeadLoadersSocketIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	listener, err := link.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
}

// oldLoader answers as the first version did: it knows no protocol, and cuts off who
// sends what it cannot read.
func oldLoader(t *testing.T, path string) (calls *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	calls = new(atomic.Int64)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			lines := bufio.NewReader(conn)
			for {
				line, err := lines.ReadString('\n')
				if err != nil || strings.Contains(line, "protocol") {
					fmt.Fprintln(conn, `{"error":"cannot read the call: cannot read JSON: unknown field \"protocol\" (byte 11)"}`)
					break
				}
				calls.Add(1)
				fmt.Fprintln(conn, `{"response":{"boot":"b","nonce":"n","in_effect":{"name":"","level":0},"busy":false,"probes_wanted":false,"catalog_version":0}}`)
			}
			conn.Close()
		}
	}()
	return calls
}

func TestAnOlderLoaderIsSpokenToInItsOwnVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "loader.sock")
	calls := oldLoader(t, path)
	client := link.Dial(path)
	defer client.Close()
	for range 3 {
		if resp, err := client.Exchange(t.Context(), link.Request{}); err != nil || resp.Boot != "b" {
			t.Fatalf("answer %+v, %v", resp, err)
		}
	}
	if calls.Load() != 3 {
		t.Errorf("%d calls were answered, want 3", calls.Load())
	}
}
