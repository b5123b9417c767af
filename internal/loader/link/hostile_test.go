package link_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/link"
)

// These tests are the agent after somebody took it over: it has the right user and
// says what it likes on the real socket.

// hurried serves a loader that gives a call half a second.
func hurried(t *testing.T, l link.Loader) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := link.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	server := link.NewServer(l, []uint32{me()}, slog.New(slog.DiscardHandler))
	server.Hurry(500*time.Millisecond, 500*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return path
}

func mustDial(t *testing.T, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// mustBeCut waits until the loader has closed the connection, and returns what it
// said before.
func mustBeCut(t *testing.T, conn net.Conn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the loader still listens")
	}
	return string(said)
}

// mustAnswer is an honest call.
func mustAnswer(t *testing.T, path string) {
	t.Helper()
	client := link.Dial(path)
	defer client.Close()
	if _, err := client.Exchange(t.Context(), link.Request{}); err != nil {
		t.Errorf("an honest call: %v", err)
	}
}

func TestASlowDripIsCutOff(t *testing.T) {
	l := &echo{}
	path := hurried(t, l)
	conn := mustDial(t, path)
	dripping := make(chan struct{})
	go func() {
		defer close(dripping)
		drip := time.NewTicker(50 * time.Millisecond)
		defer drip.Stop()
		for range drip.C {
			if _, err := conn.Write([]byte(" ")); err != nil {
				return
			}
		}
	}()
	mustAnswer(t, path)
	mustBeCut(t, conn)
	<-dripping
	if n := l.count(); n != 1 {
		t.Errorf("the loader was called %d times, want once: by the honest call", n)
	}
}

func TestHalfAMessageAndThenSilenceIsCutOff(t *testing.T) {
	l := &echo{}
	path := hurried(t, l)
	for _, half := range []string{"", "{", `{"acknowledged":0}`, `{"acknowledged":0,"documents":[` + strings.Repeat("{},", 1000)} {
		conn := mustDial(t, path)
		if _, err := conn.Write([]byte(half)); err != nil {
			t.Fatal(err)
		}
		if said := mustBeCut(t, conn); strings.Contains(said, "response") {
			t.Errorf("%.20q was answered with %q", half, said)
		}
	}
	if n := l.count(); n != 0 {
		t.Errorf("the loader was called %d times", n)
	}
}

func TestAnEndlessStreamIsCutOffAtTheLimit(t *testing.T) {
	l := &echo{}
	path := serve(t, l, me())
	conn := mustDial(t, path)
	junk := make([]byte, 1<<20)
	sent := 0
	for {
		if err := conn.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Write(junk)
		if sent += n; err != nil {
			break
		}
		if sent > 4*link.MaxFrame {
			t.Fatalf("the loader took %d bytes of one line", sent)
		}
	}
	mustAnswer(t, path)
}

func TestAMessageNestedAMillionDeepIsRefused(t *testing.T) {
	l := &echo{}
	path := serve(t, l, me())
	for _, deep := range []string{strings.Repeat("[", 1<<20), `{"documents":[` + strings.Repeat(`{"a":`, 1<<20), `{"documents":` + strings.Repeat("[", 1<<19) + strings.Repeat("]", 1<<19) + "}"} {
		if line, cut := send(t, path, []byte(deep+"\n")); !strings.Contains(line, "cannot read the call") || !cut {
			t.Errorf("answer is %.100q, cut off %t", line, cut)
		}
	}
	if l.count() != 0 {
		t.Errorf("the loader was called %d times", l.count())
	}
}

func TestAThousandConnectionsAreFourAtMost(t *testing.T) {
	l := &echo{}
	path := serve(t, l, me())
	var conns []net.Conn
	for range 1000 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	// What is not closed answers a call; what is closed never does.
	served := 0
	for _, conn := range conns {
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("{\"acknowledged\":0}\n")); err != nil {
			continue
		}
		if _, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
			served++
		}
	}
	if served == 0 || served > 4 {
		t.Errorf("%d connections were served at once, want one to four", served)
	}
	for _, conn := range conns {
		conn.Close()
	}
	waitFor(t, func() bool {
		client := link.Dial(path)
		defer client.Close()
		_, err := client.Exchange(t.Context(), link.Request{})
		return err == nil
	})
}

// waitFor asks until it is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if so() {
			return
		}
		<-tick.C
	}
	t.Fatal("it never came true")
}

// wordy is a loader whose answer is longer than what a socket buffers.
type wordy struct{ echo }

func (w *wordy) Exchange(ctx context.Context, req link.Request) (link.Response, error) {
	resp, err := w.echo.Exchange(ctx, req)
	for range 20_000 {
		resp.Plans = append(resp.Plans, hotstick.NewDigest([]byte("plan")))
	}
	return resp, err
}

func TestACallerThatNeverReadsItsAnswerIsCutOff(t *testing.T) {
	path := hurried(t, &wordy{})
	for range 4 { // every place there is
		if _, err := mustDial(t, path).Write([]byte("{\"acknowledged\":0}\n")); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool {
		client := link.Dial(path)
		defer client.Close()
		resp, err := client.Exchange(t.Context(), link.Request{})
		return err == nil && len(resp.Plans) == 20_000
	})
}

func TestManyCallsInOneWriteAreAnsweredOneByOne(t *testing.T) {
	l := &echo{}
	conn := mustDial(t, serve(t, l, me()))
	go func() { _, _ = conn.Write([]byte(strings.Repeat("{\"acknowledged\":0}\n", 5000))) }()
	answers := json.NewDecoder(conn)
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		var answer map[string]any
		if err := answers.Decode(&answer); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
}

// floodVariable makes the test program a stranger who connects without end.
const floodVariable = "HOTSTICK_TEST_FLOOD_SOCKET"

// flood connects without end, and keeps all open as far as it goes.
func flood(path string) {
	open := map[net.Conn]bool{}
	for {
		if conn, err := net.Dial("unix", path); err == nil {
			open[conn] = true
		}
	}
}

func TestStrangersTakeNoPlaceFromTheAgent(t *testing.T) {
	if path := os.Getenv(floodVariable); path != "" {
		flood(path)
	}
	if os.Getuid() != 0 {
		t.Skip("becoming another user needs root; TestStrangersAreNotHeard tests the rule otherwise")
	}
	l := &echo{}
	path := serve(t, l)
	open(t, path)
	cmd := strangerProcess(t, "TestStrangersTakeNoPlaceFromTheAgent", floodVariable+"="+path, 65534)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for range 200 {
		mustAnswer(t, path)
	}
}

// strangerProcess is the test program as another user.
func strangerProcess(t *testing.T, test, variable string, user uint32) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hotstick-link")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(dir+"/stranger", data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dir+"/stranger", "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), variable)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}, Pdeathsig: syscall.SIGKILL}
	return cmd
}
