package operate_test

import (
	"bufio"
	"context"
	"errors"
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
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// echo is a loader that answers with who asked for what.
type echo struct{}

func (echo) Operate(_ context.Context, who operate.Caller, req operate.Request) operate.Answer {
	if req.Action == operate.Adopt {
		return operate.Answer{Refused: &hotstick.Reason{Code: hotstick.ReasonForeignPatch}, Unknown: []string{"x"}}
	}
	return operate.Answer{Done: string(req.Action) + " " + req.Reason + " by " + who.Name}
}

func mustServe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "operator.sock")
	listener, err := operate.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- operate.Serve(ctx, listener, echo{}, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestRootIsHeardAndNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root is heard")
	}
	path := mustServe(t)
	answer, err := operate.Call(t.Context(), path, operate.Request{Action: operate.Hold, Reason: "night shift"})
	if err != nil || !strings.HasPrefix(answer.Done, "hold night shift by ") || strings.HasSuffix(answer.Done, " by ") {
		t.Errorf("the loader answered %+v, %v", answer, err)
	}
	refused, err := operate.Call(t.Context(), path, operate.Request{Action: operate.Adopt, Unit: &operate.Unit{Name: "kpatch.service"}})
	if err != nil || refused.Refused == nil || len(refused.Unknown) != 1 {
		t.Errorf("the loader answered %+v, %v", refused, err)
	}
}

func TestTheSocketIsRootsOnly(t *testing.T) {
	info, err := os.Stat(mustServe(t))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has the mode %s (%v)", info.Mode(), err)
	}
}

// strangerVariable is set where the test program calls itself as another user.
const strangerVariable = "HOTSTICK_TEST_STRANGER_OPERATOR"

func TestTheAgentsUserIsSentAwayEvenIfTheSocketIsOpen(t *testing.T) {
	if path := os.Getenv(strangerVariable); path != "" {
		if _, err := operate.Call(t.Context(), path, operate.Request{Action: operate.Hold}); err == nil {
			os.Exit(4) // heard
		}
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	path := mustServe(t)
	program := filepath.Join(filepath.Dir(path), "stranger")
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(program, self, 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for user, want := range map[uint32]int{65534: 0, 0: 4} {
		child := exec.CommandContext(t.Context(), program, "-test.run=^TestTheAgentsUserIsSentAwayEvenIfTheSocketIsOpen$")
		child.Env = []string{strangerVariable + "=" + path}
		child.Dir = "/"
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		if err := child.Run(); child.ProcessState.ExitCode() != want {
			t.Errorf("user %d ended with %d (%v), want %d", user, child.ProcessState.ExitCode(), err, want)
		}
	}
}

func TestMalformedCallsAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root is heard")
	}
	path := mustServe(t)
	for _, row := range []struct{ name, line, want string }{
		{"an unknown action", `{"action":"load"}`, "there is no such action"},
		{"no action", `{}`, "there is no such action"},
		{"an unknown field", `{"action":"hold","force":true}`, "force"},
		{"a field twice", `{"action":"hold","action":"state"}`, "action"},
		{"a long reason", `{"action":"hold","reason":"` + strings.Repeat("x", 300) + `"}`, "300 bytes"},
		{"a very long line", `{"action":"hold","reason":"` + strings.Repeat("x", 9000) + `"}`, "line of more than"},
		{"a unit without a name", `{"action":"adopt","unit":{"name":"","enabled":true,"active":true}}`, "unit"},
		{"no JSON", `hold`, "cannot"},
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Write([]byte(row.line + "\n")); err != nil && !errors.Is(err, syscall.EPIPE) {
			t.Fatal(err)
		}
		got, err := bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if !strings.HasPrefix(got, `{"error":`) || !strings.Contains(got, row.want) {
			t.Errorf("%s is answered with %q (%v), want %q", row.name, got, err, row.want)
		}
	}
}

func TestThereIsNoLoader(t *testing.T) {
	_, err := operate.Call(t.Context(), filepath.Join(t.TempDir(), "none.sock"), operate.Request{Action: operate.State})
	if !errors.Is(err, operate.ErrUnreachable) {
		t.Errorf("the error is %v", err)
	}
}
